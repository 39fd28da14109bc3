"""What the detector tells about itself in `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class DetectorMeters:
    """Metrics of the tick, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tick_seconds = Histogram(
            "plimsoll_tick_duration_seconds",
            "Time of one detection tick.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.judgements = Counter(
            "plimsoll_judgements",
            "Judgements by verdict and reason.",
            ["rule", "verdict", "reason"],
            registry=registry,
        )
        self.skipped = Counter(
            "plimsoll_ticks_skipped",
            "Ticks left out because the process was down for too long.",
            registry=registry,
        )
        self.left_out = Counter(
            "plimsoll_windows_left_out",
            "Windows that could not be made of the metrics there are.",
            ["signal", "reason"],
            registry=registry,
        )
        self.candidates = Counter(
            "plimsoll_candidates",
            "Candidates for a regression by what their past says of them.",
            ["signal", "outcome"],
            registry=registry,
        )
        self.recent_bytes = Gauge(
            "plimsoll_recent_windows_bytes",
            "Memory of the judged windows that are held for baselines.",
            registry=registry,
        )
        self.past_reads = Counter(
            "plimsoll_past_regressions_readings",
            "Ticks that read all regressions of the last weeks, not only new steps, by why.",
            ["why"],
            registry=registry,
        )
        self.last_tick = Gauge(
            "plimsoll_tick_last_end_timestamp_seconds",
            "End of the last window that was judged.",
            registry=registry,
        )


class SourceMeters:
    """Metrics of reading from a Prometheus-compatible engine, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "plimsoll_source_up",
            "Whether the source answered last time; 0 without a source.",
            registry=registry,
        )
        self.queries = Counter(
            "plimsoll_source_queries",
            "Queries to the source by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.query_seconds = Histogram(
            "plimsoll_source_query_duration_seconds",
            "Time of one query to the source.",
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.points = Counter(
            "plimsoll_source_points", "Points that the source answered with.", registry=registry
        )
        self.windows = Counter(
            "plimsoll_source_windows", "Windows made of what the source said.", registry=registry
        )
        self.warnings = Counter(
            "plimsoll_source_warnings",
            "Warnings and remarks in answers of the source.",
            registry=registry,
        )
        self.halved = Counter(
            "plimsoll_source_halved",
            "Spans that were too much for one query and are asked for in halves.",
            registry=registry,
        )
        self.postponed = Counter(
            "plimsoll_source_postponed",
            "Spans left for a later round, because the source was slow or failed.",
            registry=registry,
        )
        self.share_read = Gauge(
            "plimsoll_source_read_ratio",
            "How much of the past that is wanted has been read, 0 to 1.",
            registry=registry,
        )
        self.last_success = Gauge(
            "plimsoll_source_last_success_timestamp_seconds",
            "When windows last came from the source.",
            registry=registry,
        )


class IncidentMeters:
    """Metrics of grouping, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.joined = Counter(
            "plimsoll_incident_joins",
            "Regressions that joined an incident, by what ties them to it.",
            ["bond"],
            registry=registry,
        )
        self.limited = Counter(
            "plimsoll_incident_limits",
            "How often a limit kept a regression out of an incident, by limit.",
            ["limit"],
            registry=registry,
        )
        self.merged = Counter(
            "plimsoll_incidents_merged",
            "Incidents that proved to be part of another one.",
            registry=registry,
        )
        self.storms = Counter(
            "plimsoll_incident_storms",
            "Incidents that came to hold so many services that no origin is named.",
            registry=registry,
        )

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
        self.last_tick = Gauge(
            "plimsoll_tick_last_end_timestamp_seconds",
            "End of the last window that was judged.",
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

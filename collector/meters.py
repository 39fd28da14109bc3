"""What the collectors tell about themselves on /metrics."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.failure import Failure
from collector.schedule import Cadence
from collector.source import Drop, Part, Source

WHO = ("collector", "target")


class CollectorMeters:
    """The metrics of this room, in the registry that is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"plimsoll_collector_{name}", text, WHO, registry=registry)

        self._up = gauge("up", "Whether the last collection worked.")
        self._duration = gauge("scrape_duration_seconds", "How long the last collection took.")
        self._samples = gauge("samples", "Samples that the last collection brought.")
        self._last_success = gauge(
            "last_success_timestamp_seconds", "When a collection last worked."
        )
        self._backoff = gauge("backoff_seconds", "How long no attempt is made after failures.")
        self._failures = Counter(
            "plimsoll_collector_failures_total",
            "Attempts that failed, by reason.",
            (*WHO, "reason"),
            registry=registry,
        )
        self._part_up = Gauge(
            "plimsoll_collector_part_up",
            "Whether the last run of a part of a target worked; 0 while the target is down.",
            (*WHO, "part"),
            registry=registry,
        )
        self._part_duration = Gauge(
            "plimsoll_collector_part_duration_seconds",
            "How long the last run of a part took.",
            (*WHO, "part"),
            registry=registry,
        )
        self._part_failures = Counter(
            "plimsoll_collector_part_failures_total",
            "Runs of a part that failed while the target was up, by reason.",
            (*WHO, "part", "reason"),
            registry=registry,
        )
        self._series_dropped = Counter(
            "plimsoll_collector_series_dropped_total",
            "Samples of a page that were left out, by reason.",
            (*WHO, "reason"),
            registry=registry,
        )
        self._buffer_dropped = Counter(
            "plimsoll_collector_buffer_dropped_samples_total",
            "Samples given up because the history did not take them.",
            registry=registry,
        )

    def succeeded(self, source: Source, samples: int, seconds: float, at_ms: int) -> None:
        """A collection worked."""
        who = (source.kind, source.name)
        self._up.labels(*who).set(1)
        self._samples.labels(*who).set(samples)
        self._duration.labels(*who).set(seconds)
        self._last_success.labels(*who).set(at_ms / 1000)
        self._backoff.labels(*who).set(0)

    def failed(self, source: Source, reason: Failure, seconds: float, cadence: Cadence) -> None:
        """An attempt failed."""
        who = (source.kind, source.name)
        self._up.labels(*who).set(0)
        self._samples.labels(*who).set(0)
        self._duration.labels(*who).set(seconds)
        self._backoff.labels(*who).set(cadence.backoff_ms / 1000)
        self._failures.labels(*who, reason.value).inc()

    def still_running(self, source: Source) -> None:
        """A turn came while the previous run had not ended."""
        self._up.labels(source.kind, source.name).set(0)
        self._failures.labels(source.kind, source.name, Failure.TIMEOUT.value).inc()

    def part(self, source: Source, part: Part) -> None:
        """A part of a target was run."""
        who = (source.kind, source.name, part.name)
        self._part_up.labels(*who).set(part.failure is None)
        self._part_duration.labels(*who).set(part.seconds)
        if part.failure is not None:
            self._part_failures.labels(*who, part.failure.reason.value).inc()

    def parts_down(self, source: Source, parts: Iterable[str]) -> None:
        """The target did not answer, so none of its parts did."""
        for part in parts:
            self._part_up.labels(source.kind, source.name, part).set(0)

    def dropped(self, source: Source, reason: Drop, count: int) -> None:
        """Samples of a page were left out."""
        self._series_dropped.labels(source.kind, source.name, reason.value).inc(count)

    def buffer_dropped(self, count: int) -> None:
        """Samples were given up because the history did not take them."""
        self._buffer_dropped.inc(count)

"""What `/metrics` tells of the receiver: what came, what was left out, and why."""

from collections.abc import Iterator

from prometheus_client import Metric

from collector.rum.receiver import COUNTER_HELP, COUNTER_LABELS, Receiver, Site
from collector.rum.vitals import SECONDS, SHIFT
from collector.source import TARGET
from storage.series import NAME

_COUNTED = {
    "rum_beacons_dropped_total": "Beacons that were not taken, by reason.",
    "rum_metrics_dropped_total": "Metrics of beacons that were left out, by reason.",
    "rum_values_excluded_total": "Final values kept out of the histograms, by reason.",
    "rum_cells_overflow_total": "Values missing in an hour's counts because of its many labels.",
}
_SHOWN = {
    "rum_views_open": "Page views that are not over yet.",
    "rum_metrics_waiting": "Metrics that wait to become final.",
    "rum_routes_admitted": "Routes that earned a label of their own.",
    "rum_views_unfinalised_ratio": "Share of the page views whose end was never told.",
}


class RumHistograms:
    """A collector for the histograms alone, which are too many for the page of Plimsoll itself.

    Several layouts in one family are legal in the text format; never add their buckets up.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def describe(self) -> Iterator[Metric]:
        """The families, without reading anything."""
        yield from _histograms().values()

    def collect(self) -> Iterator[Metric]:
        """Both families as they stand."""
        found = _histograms()
        for site in self._receiver.sites.values():
            told = site.histograms.samples(0)
            for labels, value in zip(told.series, told.values.tolist(), strict=True):
                name = labels.metric
                family = SHIFT if name.startswith(SHIFT) else SECONDS
                found[family].add_sample(name, labels.without(NAME, TARGET).as_dict(), value)
        yield from found.values()


class RumMetrics:
    """A collector for a registry: reads the receiver's own counts, which cost its requests less."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def describe(self) -> Iterator[Metric]:
        """The families, without reading anything."""
        yield from _empty().values()

    def collect(self) -> Iterator[Metric]:
        """All families as they stand."""
        found = _empty()

        def add(name: str, labels: dict[str, str], value: float) -> None:
            found[name].add_sample(name, labels, value)

        for reason, count in self._receiver.refused.items():
            add("rum_beacons_dropped_total", {"reason": reason.value}, count)
        for name, values in self._receiver.counters().items():
            for pair, value in values.items():
                add(name, dict(zip(COUNTER_LABELS[name], pair, strict=True)), value)
        for site in self._receiver.sites.values():
            app = site.app.name
            for omission, count in site.views.left_out.items():
                add("rum_metrics_dropped_total", {"app": app, "reason": omission.value}, count)
            for exclusion, count in site.excluded.items():
                add("rum_values_excluded_total", {"app": app, "reason": exclusion.value}, count)
            for name, value in _standing(site).items():
                add(name, {"app": app}, value)
            for browser, seen in list(site.seen.items()):
                labels = {"app": app, "browser": browser}
                add("rum_views_unfinalised_ratio", labels, site.unfinalised[browser] / seen)
        yield from found.values()


def _histograms() -> dict[str, Metric]:
    texts = {
        SECONDS: "LCP, FCP, TTFB and INP of page views; buckets differ by metric.",
        SHIFT: "Cumulative layout shift of page views.",
    }
    return {name: Metric(name, text, "histogram") for name, text in texts.items()}


def _standing(site: Site) -> dict[str, float]:
    """What is shown of an app without further labels."""
    return {
        "rum_cells_overflow_total": site.overflow + site.hour.overflow,
        "rum_views_open": len(site.views),
        "rum_metrics_waiting": site.views.waiting,
        "rum_routes_admitted": len(site.routes.admitted),
    }


def _empty() -> dict[str, Metric]:
    counters = {
        name: Metric(name.removesuffix("_total"), text, "counter")
        for name, text in (_COUNTED | dict(COUNTER_HELP)).items()
    }
    return counters | {name: Metric(name, text, "gauge") for name, text in _SHOWN.items()}

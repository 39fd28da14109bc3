"""What the detector knows, on `/metrics`: values, bands, open regressions, deployments.

The dashboards ask for these names. Series of one metric have different labels, depending on their
signal, which the text format allows.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.registry import Collector

from api.house import House
from api.moments import milliseconds
from api.standing import Band, backfill_of, band_of
from detector.form import Direction
from detector.readings import Reading
from detector.regression import Deployment, Regression
from storage.series import NAME, Labels

OURS = frozenset({"signal", "rule", "severity"})
SHOWN = timedelta(days=35)

HELP = {
    "plimsoll_signal_value": "Newest judged value of a series of a signal, in its base unit.",
    "plimsoll_signal_expected": "Average of the series over the last 7 days.",
    "plimsoll_signal_upper": "Average and two standard deviations.",
    "plimsoll_signal_lower": "Average less two standard deviations, not below zero.",
    "plimsoll_signal_score": "Standard deviations between value and average; positive is worse.",
    "plimsoll_signal_series_left_out": "Judged series of a signal beyond the limit of this page.",
    "plimsoll_signal_unknown": "1 for each reason why a signal, or a part of it, has no windows.",
    "plimsoll_regression_open": "1 for each open regression.",
    "plimsoll_deployment_timestamp_seconds": "Time of the newest deployment of a service.",
    "plimsoll_backfill_progress_ratio": "Share of the past of a signal that is evaluated, for "
    "those that had one to evaluate since the start.",
    "plimsoll_history_bytes": "Size of the history on disk.",
    "plimsoll_history_memory_bytes": "Memory that the history's buffers take.",
    "plimsoll_history_rows": "Rows of the history by table, about.",
    "plimsoll_state_bytes": "Size of the state on disk; nothing where it is in PostgreSQL.",
}


class HouseMetrics(Collector):
    """Reads the house whenever the metrics page is asked for; registered once in its registry."""

    def __init__(self, house: House) -> None:
        self.house = house

    def describe(self) -> Iterable[Metric]:
        """The names, so that a registry refuses them twice."""
        return empty().values()

    def collect(self) -> Iterator[Metric]:
        """The metrics as of now."""
        house, found = self.house, empty()
        now_ms = milliseconds(house.now())
        since_ms = now_ms - round(SHOWN / timedelta(milliseconds=1))
        with house.state.reading() as session:
            open_ = house.book.open_regressions(session)
            # One that is announced for later has not happened yet.
            deployed = house.book.deployments(session, since_ms, now_ms)
        add_readings(found, house, {(one.signal, one.labels) for one in open_})
        for regression in open_:
            add_regression(found, regression)
        for deployment in newest(deployed):
            found["plimsoll_deployment_timestamp_seconds"].add_sample(
                "plimsoll_deployment_timestamp_seconds",
                {"service": deployment.service, "version": deployment.version},
                deployment.at_ms / 1000,
            )
        for filling in house.detector.definitions.signals:
            if backfill := backfill_of(house, filling):
                found["plimsoll_backfill_progress_ratio"].add_sample(
                    "plimsoll_backfill_progress_ratio",
                    {"signal": filling, "source": str(backfill.source)},
                    backfill.done,
                )
        for signal in house.detector.definitions.signals.values():
            for reason in {one.reason for one in house.fitness.of(signal, house.history.series)}:
                name, labels = "plimsoll_signal_unknown", {"signal": signal.name, "reason": reason}
                found[name].add_sample(name, labels, 1)
        add_sizes(found, house)
        yield from found.values()


def empty() -> dict[str, Metric]:
    """All metrics without a sample."""
    return {name: Metric(name, text, "gauge") for name, text in HELP.items()}


def add_sizes(found: dict[str, Metric], house: House) -> None:
    """What history and state take."""
    sizes = {
        "plimsoll_history_bytes": house.file.size_bytes(),
        "plimsoll_history_memory_bytes": house.file.memory_bytes(),
        "plimsoll_state_bytes": house.state.size_bytes(),
    }
    for name, size in sizes.items():
        if size is not None:
            found[name].add_sample(name, {}, size)
    name = "plimsoll_history_rows"
    for table, count in house.file.rows().items():
        found[name].add_sample(name, {"table": table}, count)


def add_readings(
    found: dict[str, Metric], house: House, open_: Collection[tuple[str, Labels]]
) -> None:
    """The newest values of every signal, of each no more series than the page may have."""
    most = house.settings.dashboards.metrics_series
    left_out = "plimsoll_signal_series_left_out"
    for name, readings in list(house.detector.readings.items()):
        shown = list(readings)
        if len(shown) > most:
            shown.sort(key=lambda one: ((name, one.labels) not in open_, -one.n, one.labels.pairs))
        signal = house.detector.definitions.signals.get(name)
        worse = Direction.UP if signal is None else signal.form.worse
        for reading in shown[:most]:
            add_reading(found, reading, worse)
        found[left_out].add_sample(left_out, {"signal": name}, max(0, len(shown) - most))


def add_reading(found: dict[str, Metric], reading: Reading, worse: Direction) -> None:
    """The value of one series, and its band where there is one."""
    labels = {"signal": reading.signal, **exported(reading.labels)}
    values = {"value": reading.value}
    normal = band_of(reading)
    if normal is not None:
        values |= {"expected": normal.expected, "upper": normal.upper, "lower": normal.lower}
        score = score_of(reading, normal, worse)
        if score is not None:
            values["score"] = score
    for which, value in values.items():
        name = f"plimsoll_signal_{which}"
        found[name].add_sample(name, labels, value)


def score_of(reading: Reading, normal: Band, worse: Direction) -> float | None:
    """How unusual a value is, in standard deviations of 7 days; None where they never differed."""
    if not (math.isfinite(reading.deviation) and reading.deviation > 0):
        return None
    score = (reading.value - normal.expected) / reading.deviation
    return -score if worse is Direction.DOWN else score


def add_regression(found: dict[str, Metric], one: Regression) -> None:
    """One open regression."""
    name = "plimsoll_regression_open"
    ours = {"signal": one.signal, "rule": one.rule, "severity": str(one.severity)}
    found[name].add_sample(name, {**ours, **exported(one.labels)}, 1)


def newest(deployments: Iterable[Deployment]) -> list[Deployment]:
    """The newest of each service."""
    return list({one.service: one for one in deployments}.values())


def exported(labels: Labels) -> dict[str, str]:
    """The labels of a series beside ours: one of the same name is `exported_` as in Prometheus."""
    found: dict[str, str] = {}
    taken = OURS | {name for name, _ in labels}
    for name, value in labels.without(NAME):
        free = name
        if name in OURS:
            while free in taken:
                free = f"exported_{free}"
        found[free] = value
    return found

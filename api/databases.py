"""Tables and indexes of databases, from what the PostgreSQL collector has stored of them.

Nothing is asked of a server here. Of each gauge the newest sample counts, of each counter what it
grew by in the span: a counter that fell began anew at zero, as the collector's do when it starts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from api.house import House
from api.moments import milliseconds
from api.statements import Span
from storage.series import NAME, Labels, Match, Matcher, Selector

HOUR_MS = 3_600_000
FRESH_MS = {"pg_table": HOUR_MS, "pg_index": HOUR_MS, "pg_database": 26 * HOUR_MS}
"""A thing without a newer sample is gone; sizes of databases are read rarely."""

GAUGES = {
    "pg_table": ("size_bytes", "live_tuples", "dead_tuples", "last_autovacuum_timestamp_seconds"),
    "pg_index": ("size_bytes", "invalid"),
    "pg_database": ("size_bytes",),
}
COUNTERS = {
    "pg_table": (
        "seq_scans_total",
        "index_scans_total",
        "tuples_inserted_total",
        "tuples_updated_total",
        "tuples_deleted_total",
    ),
    "pg_index": ("scans_total", "tuples_read_total"),
    "pg_database": (),
}
THING = ("target", "datname", "schema", "relation", "index")


class Usage(StrEnum):
    """Whether an index serves anybody."""

    USED = "used"
    UNUSED = "unused"
    INVALID = "invalid"  # it was not built to its end, so nobody can use it
    UNKNOWN = "unknown"  # there are too few samples to tell


@dataclass(slots=True)
class Thing:
    """A table, an index or a database: newest gauges, what counters grew by, and over how long."""

    labels: Labels
    gauges: dict[str, float] = field(default_factory=dict)
    grown: dict[str, float] = field(default_factory=dict)
    covered_seconds: float = 0.0

    @property
    def usage(self) -> Usage:
        """Of an index, over the span."""
        if self.gauges.get("invalid"):
            return Usage.INVALID
        scans = self.grown.get("scans_total")
        if scans is None or not self.covered_seconds:
            return Usage.UNKNOWN
        return Usage.USED if scans else Usage.UNUSED


def things(house: House, family: str, span: Span, target: str | None = None) -> list[Thing]:
    """All tables (`pg_table`), indexes (`pg_index`) or databases of a target, in no order."""
    now_ms = milliseconds(house.now())
    since_ms = now_ms - round(span.length.total_seconds() * 1000)
    found: dict[Labels, Thing] = {}
    fresh = GAUGES[family], now_ms - FRESH_MS[family], now_ms
    for labels, name, at_ms, values in series_of(house, family, fresh, target):
        del at_ms
        thing = found.setdefault(labels, Thing(labels))
        thing.gauges[name] = float(values[-1])
    for labels, name, times, values in series_of(
        house, family, (COUNTERS[family], since_ms, now_ms), target
    ):
        if labels not in found:
            continue  # it is gone
        thing = found[labels]
        thing.grown[name] = growth(values)
        covered = float(times[-1] - times[0]) / 1000
        thing.covered_seconds = max(thing.covered_seconds, covered)
    return list(found.values())


Row = tuple[Labels, str, Sequence[int], Sequence[float]]


def series_of(
    house: House, family: str, asked: tuple[Iterable[str], int, int], target: str | None
) -> list[Row]:
    """The samples of some metrics of a family by series: its thing, metric, times and values."""
    names, since_ms, until_ms = asked
    only = () if target is None else (Matcher("target", Match.EQUAL, target),)
    selectors = [Selector(f"{family}_{name}", only) for name in names]
    samples = house.history.samples(selectors, since_ms, until_ms) if selectors else None
    if samples is None or not len(samples.index):
        return []
    edges = np.flatnonzero(np.diff(samples.index, prepend=-1))
    rows: list[Row] = []
    for begin, end in zip(edges, [*edges[1:], len(samples.index)], strict=True):
        labels = samples.series[int(samples.index[begin])]
        name = labels.get(NAME).removeprefix(f"{family}_")
        times, values = samples.at_ms[begin:end].tolist(), samples.values[begin:end].tolist()
        rows.append((labels.only(THING), name, times, values))
    return rows


def growth(values: Sequence[float]) -> float:
    """What a counter grew by from its first sample to its last."""
    grown = np.diff(np.asarray(values, np.float64))
    restarted = grown < 0
    return float(np.where(restarted, np.asarray(values[1:], np.float64), grown).sum())


def targets(house: House) -> Mapping[str, str]:
    """The PostgreSQL targets that are collected from, and the database each is connected to."""
    return {one.name: one.database for one in house.settings.collector.postgres}

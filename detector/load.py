"""How much work a series has, now and usually at this hour: read from the windows of its load.

Asked only where something begins. Windows of the load lie on the grid of their own length, those of
the days before too, so that like is compared with like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.baseline import DAY_MS, DAYS
from detector.dependencies import Dependencies, place_of
from detector.signal import Signal
from storage.history import History, Windows
from storage.series import Labels

LEAST_DAYS = 2
OWNERS = ("target", "service")


@dataclass(frozen=True, slots=True)
class Work:
    """A load now and at the same time of the days before, added up over `series` series.

    `usual` is the median over `days` days, in the unit of the load.
    """

    now: float
    usual: float
    days: int
    series: int


@dataclass(frozen=True, slots=True)
class LoadFinder:
    """Finds the load of a series in a history, by labels or by what rests on what."""

    history: History
    dependencies: Dependencies = field(default_factory=Dependencies)

    def work(self, load: Signal, labels: Labels, end_ms: int, span_ms: int) -> Work | None:
        """The load of a series over the last `span_ms`; None where it is not known.

        At least two of the seven days before must have windows at this time of day.
        """
        over_ms = round(load.form.over * 1000)
        until_ms = end_ms // over_ms * over_ms
        start_ms = until_ms - -(-span_ms // over_ms) * over_ms
        found = self.read(load, start_ms, until_ms)
        chosen = related(labels, found.series, self.dependencies)
        if not chosen:
            return None
        before = [
            total(self.read(load, start_ms - day * DAY_MS, until_ms - day * DAY_MS), chosen)
            for day in range(1, DAYS + 1)
        ]
        there = [one for one in before if one is not None]
        now = total(found, chosen)
        if now is None or len(there) < LEAST_DAYS:
            return None
        return Work(now, float(np.median(there)), len(there), len(chosen))

    def read(self, load: Signal, start_ms: int, end_ms: int) -> Windows:
        """The judged windows of the load that end in `(start, end]`."""
        return self.history.windows(
            load.name, start_ms, end_ms, seconds=load.form.over, counts=False
        )


def related(
    labels: Labels, candidates: Sequence[Labels], dependencies: Dependencies
) -> frozenset[Labels]:
    """Which series are the load of one: those that agree in every label both have.

    Where the target (or service) has no load of its own, a machine or a database, that of the
    targets that are declared to rest on it.
    """
    own = labels.as_dict()
    same = [
        one
        for one in candidates
        if any(own.get(name) and one.get(name) == own[name] for name in OWNERS)
    ]
    if same:
        return frozenset(one for one in same if agrees(own, one))
    names = place_of(labels).names
    return frozenset(
        one
        for one in candidates
        if any(names & dependencies.reach.get(name, frozenset()) for name in place_of(one).names)
    )


def agrees(own: Mapping[str, str], other: Labels) -> bool:
    """Whether no label that both have differs."""
    return all(own.get(name, value) == value for name, value in other)


def total(windows: Windows, chosen: frozenset[Labels]) -> float | None:
    """The mean load of the chosen series over the windows there are, added up; None for none."""
    sums = 0.0
    known = False
    for row, labels in enumerate(windows.series):
        if labels in chosen:
            mine = windows.values[windows.index == row]
            mine = mine[np.isfinite(mine)]
            if len(mine):
                sums, known = sums + float(mine.mean()), True
    return sums if known else None

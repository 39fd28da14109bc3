"""The newest judged span of every series, beside what is normal; for pages and `/metrics`.

A tick leaves columns; rows are made of them for the signals that somebody asks about.
"""

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass

import numpy as np

from detector.judgement import Background, Judged
from storage.series import Labels


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest judged span of one series, beside what is normal."""

    signal: str
    labels: Labels
    end_ms: int
    value: float
    n: float
    mean: float
    deviation: float
    days: int


class Readings(MutableMapping[str, tuple[Reading, ...]]):
    """The readings of each signal, in the order of the labels."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Reading, ...]] = {}
        self._later: dict[str, Callable[[], tuple[Reading, ...]]] = {}

    def later(self, signal: str, newest: Judged, background: Background) -> None:
        """Have them made of these columns when they are asked for."""
        self._later[signal] = lambda: read(signal, newest, background)
        self._made.pop(signal, None)

    def __getitem__(self, signal: str) -> tuple[Reading, ...]:
        made = self._made.get(signal)
        if made is None:
            make = self._later[signal]
            made = make()
            if self._later.get(signal) is make:  # no tick came in between
                self._made[signal] = made
        return made

    def __setitem__(self, signal: str, readings: tuple[Reading, ...]) -> None:
        self._later[signal] = lambda: readings
        self._made[signal] = readings

    def __delitem__(self, signal: str) -> None:
        del self._later[signal]
        self._made.pop(signal, None)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._later))

    def __len__(self) -> int:
        return len(self._later)


def read(signal: str, newest: Judged, background: Background) -> tuple[Reading, ...]:
    """The newest values with their baselines."""
    rows = [
        Reading(
            signal,
            newest.series[i],
            newest.end_ms,
            float(newest.values[i, -1]),
            float(newest.n[i, -1]),
            float(background.mean[i]),
            float(background.deviation[i]),
            int(background.days[i]),
        )
        for i in np.flatnonzero(~np.isnan(newest.values[:, -1])).tolist()
    ]
    return tuple(sorted(rows, key=lambda one: one.labels.pairs))

"""Windows that say nothing because something has just begun anew: a restart, a flush.

What began is read from signals: a rate that counts (flushes), a gauge that rises (the time a
process was started) or falls (its uptime); or it was posted, as a deployment. All of these are read
only when a series breaches; so a quiet tick costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from detector.dependencies import Dependencies, place_of
from detector.judgement import Judged
from detector.regression import Deployment
from detector.rule import Marker, Span, When
from detector.signal import Signal
from storage.history import Flags, Floats, History, Ints, Windows
from storage.series import Labels

LOOK_BACK_MS = 3_600_000
"""How far before the judged windows the last value of a gauge is looked for: a server may be away
for a while before it is back."""

LEAST_STEP = 30.0
"""Seconds: clocks and rounding move a start time by less, and no restart follows one sooner."""


Deployed = Callable[[int, int], Sequence[Deployment]]
"""Gives the deployments in a span, `(since, until)` in milliseconds."""


def none_deployed(since_ms: int, until_ms: int) -> Sequence[Deployment]:
    """Where nobody knows of deployments."""
    return ()


def among(deployments: Sequence[Deployment]) -> Deployed:
    """Those of a list, for whoever has read them all before."""

    def found(since_ms: int, until_ms: int) -> Sequence[Deployment]:
        return [one for one in deployments if since_ms <= one.at_ms <= until_ms]

    return found


@dataclass(frozen=True, slots=True)
class Beginnings:
    """Finds what began anew in a history, for the series that it concerns.

    A marker of a series is one of its own target or service, or of what that is declared to need.
    """

    history: History
    signals: Mapping[str, Signal] = field(default_factory=dict)
    dependencies: Dependencies = field(default_factory=Dependencies)
    deployed: Deployed = none_deployed

    def marked(self, markers: Sequence[Marker], span: Span, judged: Judged) -> Judged:
        """The same windows, with those marked that overlap the time after something began."""
        settling = np.zeros(judged.values.shape, np.bool_)
        last_ms = np.full(len(judged), np.nan)
        ends = judged.end_ms - span.each_ms * np.arange(span.of - 1, -1, -1, dtype=np.int64)
        for one in markers:
            start_ms = judged.end_ms - span.total_ms - round(one.for_ * 1000)
            for labels, at_ms, within_ms in self.events(one, start_ms, judged.end_ms):
                rows = self.concerned(labels, judged.series)
                over = (ends > at_ms - within_ms) & (ends - span.each_ms < at_ms + one.for_ * 1000)
                settling[rows] |= over
                last_ms[rows] = np.fmax(last_ms[rows], at_ms)
        return replace(judged, settling=settling, disturbed_ms=last_ms)

    def events(self, marker: Marker, since_ms: int, until_ms: int) -> list[tuple[Labels, int, int]]:
        """What began after `since`: of whom, when, and within how long before that."""
        if marker.when == "deployed":
            return [
                (Labels.of(service=one.service), one.at_ms, 0)
                for one in self.deployed(since_ms + 1, until_ms)
            ]
        signal = self.signals.get(marker.signal)
        if signal is None:
            return []
        found = self.windows(signal, since_ms - LOOK_BACK_MS, until_ms)
        return [
            (labels, at_ms, signal.form.window_ms)
            for labels, began_ms in begun(marker.when, found)
            for at_ms in began_ms[began_ms > since_ms].tolist()
        ]

    def windows(self, signal: Signal, start_ms: int, end_ms: int) -> Windows:
        """The shortest windows that are stored of that time."""
        form = signal.form
        found = self.history.windows(
            signal.name, start_ms, end_ms, seconds=form.window, counts=False
        )
        if len(found) or form.window == form.over:
            return found
        return self.history.windows(signal.name, start_ms, end_ms, seconds=form.over, counts=False)

    def concerned(self, marker: Labels, series: Sequence[Labels]) -> list[int]:
        """The rows that a marker's series speaks of."""
        mine = place_of(marker)
        rows = []
        for row, labels in enumerate(series):
            names = place_of(labels).names
            below = frozenset[str]().union(
                *(self.dependencies.reach.get(name, frozenset()) for name in names)
            )
            if mine.names & (names | below):
                rows.append(row)
        return rows


def begun(when: When, windows: Windows) -> list[tuple[Labels, Ints]]:
    """Of each series the ends of the windows in which something began anew."""
    found = []
    for row, labels in enumerate(windows.series):
        mine = windows.index == row
        order = np.argsort(windows.end_ms[mine], kind="stable")
        ends = windows.end_ms[mine][order]
        values, n = windows.values[mine][order], windows.n[mine][order]
        found.append((labels, ends[is_new(when, values, n)]))
    return found


def is_new(when: When, values: Floats, n: Floats) -> Flags:
    """Which of these windows, in the order of time, hold a beginning."""
    if when == "counts":
        counted: Flags = n > 0
        return counted
    step = np.diff(values, prepend=values[:1])
    new: Flags = step > LEAST_STEP if when == "rises" else step < -LEAST_STEP
    return new

"""What was measured around a change, read from the history: shapes, the days before, the peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detector.baseline import DAY_MS
from detector.dependencies import place_of
from detector.regression import Regression
from detector.shape import NOTHING_KNOWN, Agreement, agreement
from detector.signal import Signal
from storage.history import Floats, History, Windows

HOUR_MS = 3_600_000
SHAPE_MS = 2 * HOUR_MS
DAYS = 7
# Reading more would not make the share of those that moved any surer.
MOST_PEERS = 200
RECENT_MS = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Sides:
    """The windows before and after a change: one row, the same of earlier days, those of peers."""

    before: Floats
    after: Floats
    earlier_before: Floats
    earlier_after: Floats
    peers_before: Floats
    peers_after: Floats


class Around(Protocol):
    """What the book-keeping of incidents asks of the past."""

    def compare(self, one: Regression, other: Regression, now_ms: int) -> Agreement:
        """Whether the series of two regressions move together."""
        ...

    def sides(
        self, one: Regression, members: Sequence[Regression], at_ms: int, now_ms: int
    ) -> Sides | None:
        """The windows around a change that a deployment at `at_ms` may fit; None if unknown.

        What belongs to a service of `members` is no peer: it is affected.
        """
        ...

    def kinds_of(self, now_ms: int) -> Mapping[str, frozenset[str]]:
        """Which kinds of signals each service (or target) has at present."""
        ...


class Nothing:
    """No past at all: nothing is alike, nothing is probable, nothing is guessed."""

    def compare(self, one: Regression, other: Regression, now_ms: int) -> Agreement:
        """Nothing is known."""
        return NOTHING_KNOWN

    def sides(
        self, one: Regression, members: Sequence[Regression], at_ms: int, now_ms: int
    ) -> Sides | None:
        """Nothing is known."""
        return None

    def kinds_of(self, now_ms: int) -> Mapping[str, frozenset[str]]:
        """Nothing is known."""
        return {}


@dataclass(frozen=True, slots=True)
class Past:
    """The windows in the history."""

    history: History
    signals: Mapping[str, Signal]

    def compare(self, one: Regression, other: Regression, now_ms: int) -> Agreement:
        """By the windows from two hours before the changes until now, of one length for both."""
        forms = [self.signals[r.signal].form for r in (one, other) if r.signal in self.signals]
        if len(forms) < 2:
            return NOTHING_KNOWN
        if forms[0].window_ms == forms[1].window_ms:
            step_ms = forms[0].window_ms
        elif forms[0].over == forms[1].over:
            step_ms = round(forms[0].over * 1000)
        else:
            return NOTHING_KNOWN
        start_ms = min(one.began_lo_ms, other.began_lo_ms) - SHAPE_MS
        rows = []
        for each in (one, other):
            found = self.history.windows(
                each.signal, start_ms, now_ms, each.labels, seconds=step_ms / 1000, counts=False
            )
            rows.append(on_grid(found, start_ms, now_ms, step_ms)[0])
        return agreement(rows[0], rows[1], opposed=one.worse != other.worse)

    def sides(
        self, one: Regression, members: Sequence[Regression], at_ms: int, now_ms: int
    ) -> Sides | None:
        """The hour before the deployment, and the time since the change set in, an hour at most."""
        signal = self.signals.get(one.signal)
        if signal is None:
            return None
        step_ms = round(signal.form.over * 1000)
        since_ms = max(at_ms, one.began_lo_ms)
        until_ms = min(now_ms, since_ms + HOUR_MS)
        first_ms, last_ms = at_ms - HOUR_MS, until_ms

        def read(days: int, *, peers: bool) -> tuple[Floats, Floats]:
            back_ms = days * DAY_MS
            start_ms = (first_ms - back_ms) // step_ms * step_ms
            found = self.history.windows(
                one.signal,
                start_ms,
                last_ms - back_ms,
                None if peers else one.labels,
                seconds=signal.form.over,
                counts=False,
            )
            if peers:
                found = elsewhere(found, members)
            grid = on_grid(found, start_ms, last_ms - back_ms, step_ms)
            ends = start_ms + step_ms * np.arange(1, grid.shape[1] + 1)
            whole = ends >= since_ms - back_ms + step_ms
            return grid[:, ends <= at_ms - back_ms], grid[:, whole]

        before, after = read(0, peers=False)
        days = [read(day, peers=False) for day in range(1, DAYS + 1)]
        peers_before, peers_after = read(0, peers=True)
        return Sides(
            before[0],
            after[0],
            stacked([day[0][0] for day in days]),
            stacked([day[1][0] for day in days]),
            peers_before,
            peers_after,
        )

    def kinds_of(self, now_ms: int) -> Mapping[str, frozenset[str]]:
        """By the series that had a window lately."""
        found: dict[str, set[str]] = {}
        for name, signal in self.signals.items():
            recent = self.history.windows(
                name, now_ms - RECENT_MS, now_ms, seconds=signal.form.window, counts=False
            )
            for labels in recent.series:
                found.setdefault(place_of(labels).owner, set()).add(signal.form.kind)
        return {owner: frozenset(kinds) for owner, kinds in found.items()}


def on_grid(windows: Windows, start_ms: int, end_ms: int, step_ms: int) -> Floats:
    """One row a series, at least one, a column for each window that ends in `(start, end]`."""
    columns = max(0, (end_ms - start_ms) // step_ms)
    grid = np.full((max(1, len(windows.series)), columns), np.nan)
    slot = (windows.end_ms - start_ms) // step_ms - 1
    inside = ((windows.end_ms - start_ms) % step_ms == 0) & (slot >= 0) & (slot < columns)
    grid[windows.index[inside], slot[inside]] = windows.values[inside]
    return grid


def elsewhere(windows: Windows, members: Sequence[Regression]) -> Windows:
    """The series of services and targets that no member is of, of at most so many."""
    affected = {place_of(one.labels) for one in members}
    kept = [
        i
        for i, each in enumerate(windows.series)
        if not any(place_of(each).shares_owner(one) for one in affected)
    ]
    kept = sorted(kept, key=lambda i: windows.series[i].pairs)[:MOST_PEERS]
    position = np.full(len(windows.series) + 1, -1, np.int64)
    position[kept] = np.arange(len(kept))
    rows = np.flatnonzero(position[windows.index] >= 0)
    return Windows(
        windows.signal,
        tuple(windows.series[i] for i in kept),
        position[windows.index[rows]],
        windows.end_ms[rows],
        windows.seconds[rows],
        windows.values[rows],
        windows.n[rows],
        windows.layout[rows],
    )


def stacked(rows: list[Floats]) -> Floats:
    """Rows of one width or nearly, the shorter ones filled with gaps."""
    made = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for i, row in enumerate(rows):
        made[i, : len(row)] = row
    return made

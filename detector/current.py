"""The newest windows of one signal, in memory between ticks, and what is judged of them.

A tick judges windows of `over` that end at the tick, and at distances of `over` before it. Each of
them but the newest ended at an earlier tick, so that each is merged once, when it ends, and a tick
merges as many windows as there are series.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.judgement import Judged
from detector.recent import Recent
from detector.rule import Span
from detector.signal import Signal
from detector.stack import together
from detector.window import Span as WindowSpan
from detector.window import merge
from storage.history import Floats, Ints, Windows
from storage.series import Labels

TURNS = 12
"""What is done for a part of the series at each tick of an hour is done in so many turns."""


class Members:
    """The series of a signal, each under a number from 0 up; in the order of their labels."""

    def __init__(self) -> None:
        self.position: dict[Labels, int] = {}
        self.labels: tuple[Labels, ...] = ()
        self.order: Ints = np.empty(0, np.int64)  # numbers in the order of the labels
        self._turns = np.empty(0, np.uint8)
        self._last: tuple[tuple[Labels, ...], Ints] = ((), np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def turns(self) -> NDArray[np.uint8]:
        """The turn of each series among `TURNS`, by its labels alone: a new start changes none."""
        fresh = self.labels[len(self._turns) :]
        if fresh:
            more = [zlib.crc32(repr(one.pairs).encode()) % TURNS for one in fresh]
            self._turns = np.concatenate([self._turns, np.array(more, np.uint8)])
        return self._turns

    def places(self, series: Iterable[Labels]) -> Ints:
        """The number of each series; -1 of one that has none."""
        return np.array([self.position.get(one, -1) for one in series], np.int64)

    def rows(self, series: tuple[Labels, ...]) -> Ints:
        """The number of each series, made where there was none."""
        # Quick: the same objects come again and again.
        if self._last[0] is not series and self._last[0] != series:
            known = len(self.labels)
            rows = [self.position.setdefault(one, len(self.position)) for one in series]
            self._last = (series, np.array(rows, np.int64))
            if len(self.position) > known:
                self.labels = tuple(self.position)
                order = [*self.order.tolist(), *range(known, len(self.labels))]
                order.sort(key=lambda row: self.labels[row].pairs)
                self.order = np.array(order, np.int64)
        return self._last[1]


@dataclass(frozen=True, slots=True)
class Days:
    """The judged windows of the last days of a signal, as they are held in memory."""

    signal: Signal
    members: Members
    recent: Recent


@dataclass(frozen=True, slots=True)
class Column:
    """The windows that end at one time."""

    rows: Ints
    values: Floats
    n: Floats


class Current:
    """The windows of a signal that end in the last `back_ms`, as they are stored and as merged."""

    def __init__(self, signal: Signal, members: Members, back_ms: int) -> None:
        self.form, self.members, self.back_ms = signal.form, members, back_ms
        self.window_ms = signal.form.window_ms
        self.over_ms = round(signal.form.over * 1000)
        self.forget()

    def forget(self) -> None:
        """As new."""
        self.end_ms: int | None = None
        self.fine: dict[int, Column] = {}
        self.judged: dict[int, Column] = {}
        self.unmerged: dict[int, Windows] = {}  # with their buckets, as far back as `over`
        self.seen_ms = np.empty(0, np.int64)  # when each series had its last window
        self.rows = np.empty(0, np.int64)  # those with a window in the last `back_ms`, in order
        self._shown: tuple[Ints, tuple[Labels, ...]] = (self.rows, ())
        self._matrices: dict[tuple[int, int], Judged] = {}

    @property
    def needed_ms(self) -> int:
        """How far back windows must be pushed, for all that is judged to be there."""
        return self.back_ms + self.over_ms

    def push(self, end_ms: int, windows: Windows) -> Windows:
        """Take the windows that end now, give the merged ones that end now.

        The one before must have been pushed, or nothing at all.
        """
        self._matrices.clear()
        column = self.column(windows)
        self.fine[end_ms] = column
        if self.over_ms == self.window_ms:
            merged, self.judged[end_ms] = windows, column
        else:
            self.unmerged[end_ms] = replace(
                windows,
                series=(),
                index=column.rows,
                end_ms=np.broadcast_to(np.int64(end_ms), len(windows)),
                seconds=np.broadcast_to(np.float64(self.window_ms / 1000), len(windows)),
            )
            merged = self.merged(end_ms)
            self.judged[end_ms] = self.column(merged)
        if len(self.seen_ms) < len(self.members):
            more = np.full(2 * len(self.members) - len(self.seen_ms), -(2**62), np.int64)
            self.seen_ms = np.concatenate([self.seen_ms, more])
        self.seen_ms[column.rows] = end_ms
        for kept, reach_ms in (
            (self.fine, self.back_ms),
            (self.judged, self.back_ms),
            (self.unmerged, self.over_ms - self.window_ms),
        ):
            for old in [one for one in kept if one <= end_ms - reach_ms]:
                del kept[old]
        self.end_ms = end_ms
        order = self.members.order
        self.rows = order[self.seen_ms[order] > end_ms - self.back_ms]
        return merged

    def column(self, windows: Windows) -> Column:
        """Windows of one time, by the numbers of their series."""
        rows = self.members.rows(windows.series)
        if not np.array_equal(windows.index, np.arange(len(rows))):
            rows = rows[windows.index]
        return Column(rows, windows.values, windows.n)  # the same rows minute after minute

    def merged(self, end_ms: int) -> Windows:
        """The windows of `over` that end now."""
        inside = [one for at, one in sorted(self.unmerged.items()) if at > end_ms - self.over_ms]
        if not any(map(len, inside)):
            return Windows.of(inside[-1].signal, ())
        whole = WindowSpan(end_ms - self.over_ms, self.over_ms, 1)
        return merge(self.form, together(inside, self.members.labels), whole)

    def series(self) -> tuple[Labels, ...]:
        """The series with a window in the last `back_ms`, in the order of their labels."""
        if not np.array_equal(self.rows, self._shown[0]):
            self._shown = (self.rows, tuple(self.members.labels[one] for one in self.rows.tolist()))
        return self._shown[1]

    def matrix(self, span: Span, more: Sequence[Labels] = ()) -> Judged:
        """The judged windows as rows, the newest column last; NaN where none is.

        `more` are series that are judged though they have no window any more.
        """
        series, end_ms = self.series(), self.end_ms or 0
        rows = self.rows
        absent = [one for one in more if not self.is_shown(one)]
        if absent:
            series = (*series, *sorted(absent, key=lambda one: one.pairs))
        elif (span.each_ms, span.of) in self._matrices:
            return self._matrices[span.each_ms, span.of]
        place = np.full(len(self.members) + 1, -1, np.int64)
        place[rows] = np.arange(len(rows))
        values = np.full((len(series), span.of), np.nan)
        n = np.zeros((len(series), span.of))
        columns = self.judged if span.each_ms == self.over_ms else self.fine
        for back in range(span.of):
            column = columns.get(end_ms - back * span.each_ms)
            if column is not None:
                at = place[column.rows]
                there = at >= 0
                values[at[there], -1 - back] = column.values[there]
                n[at[there], -1 - back] = column.n[there]
        found = Judged(series, values, n, end_ms)
        if not absent:  # rules often look at the same windows
            values.flags.writeable = n.flags.writeable = False
            self._matrices[span.each_ms, span.of] = found
        return found

    def is_shown(self, labels: Labels) -> bool:
        """Whether a series has a window in the last `back_ms`."""
        row = self.members.position.get(labels, -1)
        known = 0 <= row < len(self.seen_ms)
        return bool(known and self.seen_ms[row] > (self.end_ms or 0) - self.back_ms)

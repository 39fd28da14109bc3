"""The judged windows of the last days of one signal, in memory: value and n, a row a series.

Judges and baselines read these instead of the history. Values are single precision (a relative
error of 6e-8); n is kept in one byte where every n of a block of series is a whole number below
256, as samples of gauges are, in two where all are below 65536, else in single precision. A place
in the ring follows from the time alone, so that a ring that was extended tick by tick and one that
was read from the history are the same, bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.history import Floats, Ints

Float32s = NDArray[np.float32]
Counts = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
WIDTHS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
LEAST_BYTES = 5
"""Of a window: its value and an n that is small."""

FIRST_ROWS, BLOCK_ROWS = 8, 256
NONE = -1


@dataclass(slots=True)
class Budget:
    """How many bytes all rings together may take."""

    bytes_max: int
    used: int = 0

    def take(self, count: int) -> bool:
        """Whether so many more are granted."""
        if self.used + count > self.bytes_max:
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        """Return them."""
        self.used -= count


@dataclass(frozen=True, slots=True)
class Part:
    """Some series in the order of time: `values[i, j]` is series `rows[i]` at `end_ms[j]`.

    NaN where there is no window; n is 0 there.
    """

    rows: Ints
    end_ms: Ints
    values: Float32s
    n: Float32s


@dataclass(slots=True)
class Block:
    """Series in a row, as many as fit a processor's cache."""

    first: int
    values: Float32s
    n: Counts


@dataclass(slots=True)
class Recent:
    """A ring of `slots` windows of `step_ms`. Series are the caller's own numbers, from 0 up.

    `version` changes whenever a window that is not newer than all others was written, so that what
    was computed from older ones is known to be stale.
    """

    step_ms: int
    slots: int
    budget: Budget
    end_ms: int | None = None
    version: int = 0
    blocks: list[Block] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    capacity: int = 0
    place: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # of each series
    series: list[int] = field(default_factory=list)  # of each place

    @property
    def reach_ms(self) -> int:
        """How far back it goes."""
        return self.step_ms * self.slots

    def __len__(self) -> int:
        return len(self.series)

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self.budget.give(sum(one.values.nbytes + one.n.nbytes for one in self.blocks))
        self.blocks, self.starts, self.capacity, self.series = [], [], 0, []
        self.place, self.end_ms = np.empty(0, np.int64), None
        self.version += 1

    def advance(self, end_ms: int) -> None:
        """Make room up to a time; what is older than the reach falls out."""
        if self.end_ms is None or end_ms - self.end_ms >= self.reach_ms:
            for block in self.blocks:
                block.values[:] = np.nan
                block.n[:] = 0
            self.version += 1
        elif end_ms > self.end_ms:
            gone = self.column(np.arange(self.end_ms + self.step_ms, end_ms + 1, self.step_ms))
            for block in self.blocks:
                block.values[:, gone] = np.nan
                block.n[:, gone] = 0
        self.end_ms = max(end_ms, self.end_ms or end_ms)

    def blank(self, start_ms: int, end_ms: int) -> None:
        """Take out the windows that end in `(start, end]`."""
        if self.end_ms is None:
            return
        lo_ms = max(start_ms, self.end_ms - self.reach_ms) // self.step_ms * self.step_ms
        hi_ms = min(end_ms, self.end_ms)
        columns = self.column(np.arange(lo_ms + self.step_ms, hi_ms + 1, self.step_ms))
        for block in self.blocks:
            block.values[:, columns] = np.nan
            block.n[:, columns] = 0
        self.version += 1

    def column(self, end_ms: Ints) -> Ints:
        """Where in the ring a window stands that ends then."""
        return end_ms // self.step_ms % self.slots

    def put(self, rows: Ints, end_ms: Ints, values: Floats, n: Floats) -> int:
        """Write windows, in place of what stood there; how many found no room.

        Windows beyond the reach, newer than `advance` said, or off the grid are not looked at.
        """
        if self.end_ms is None or not len(rows):
            return 0
        inside = (end_ms > self.end_ms - self.reach_ms) & (end_ms <= self.end_ms)
        inside &= end_ms % self.step_ms == 0
        if not inside.all():
            rows, end_ms, values, n = rows[inside], end_ms[inside], values[inside], n[inside]
        if (end_ms < self.end_ms).any():
            self.version += 1
        place = self.places(rows)
        known = place != NONE
        columns = self.column(end_ms)
        which = np.searchsorted(self.starts, place, side="right") - 1
        bounds = np.searchsorted(which, np.arange(len(self.blocks) + 1))
        if (np.diff(which) < 0).any():
            order = np.argsort(which, kind="stable")
            place, columns, values, n = place[order], columns[order], values[order], n[order]
            bounds = np.searchsorted(which[order], np.arange(len(self.blocks) + 1))
        for block, lo, hi in zip(self.blocks, bounds[:-1], bounds[1:], strict=True):
            if lo < hi:
                at = (place[lo:hi] - block.first, columns[lo:hi])
                self.write(block, at, values[lo:hi], n[lo:hi])
        return int(len(rows) - known.sum())

    def write(self, block: Block, at: tuple[Ints, Ints], values: Floats, n: Floats) -> None:
        """Write into one block; its n is widened where it would not hold these."""
        needed = width_of(n)
        if needed.itemsize > block.n.dtype.itemsize:
            before = block.n.nbytes
            block.n = block.n.astype(needed)
            # What is held already is never dropped for its width.
            self.budget.used += block.n.nbytes - before
        with np.errstate(over="ignore"):  # beyond single precision is infinity: judged by nobody
            block.values[at] = values
            block.n[at] = n

    def places(self, rows: Ints) -> Ints:
        """Where each series stands, new ones behind the others; -1 where there is no room."""
        highest = int(rows.max(initial=-1))
        if highest >= len(self.place):
            more = np.full(highest + 1 + len(self.place), NONE, np.int64)
            self.place = np.concatenate([self.place, more])
        place = self.place[rows]
        for row in np.unique(rows[place == NONE]).tolist():
            if len(self.series) == self.capacity and not self.grow():
                break
            self.place[row] = len(self.series)
            self.series.append(row)
        return self.place[rows]

    def grow(self) -> bool:
        """One block more, if it is granted."""
        rows = min(max(self.capacity, FIRST_ROWS), BLOCK_ROWS)
        if not self.budget.take(rows * self.slots * LEAST_BYTES):
            return False
        values = np.full((rows, self.slots), np.nan, np.float32)
        self.blocks.append(Block(self.capacity, values, np.zeros((rows, self.slots), WIDTHS[0])))
        self.starts.append(self.capacity)
        self.capacity += rows
        return True

    def parts(self, start_ms: int, end_ms: int) -> Iterator[Part]:
        """The windows that end in `(start, end]`, some hundred series at a time.

        A span beyond the reach is filled with NaN.
        """
        first = start_ms // self.step_ms + 1
        ends = np.arange(first, end_ms // self.step_ms + 1, dtype=np.int64) * self.step_ms
        columns = self.column(ends)
        newest = -(2**62) if self.end_ms is None else self.end_ms
        absent = (ends > newest) | (ends <= newest - self.reach_ms)
        for block in self.blocks:
            rows = self.series[block.first : block.first + len(block.values)]
            values = block.values[: len(rows), columns]
            n = block.n[: len(rows), columns].astype(np.float32)
            if absent.any():
                values[:, absent], n[:, absent] = np.nan, 0
            yield Part(np.array(rows, np.int64), ends, values, n)

    def one(self, row: int, start_ms: int, end_ms: int) -> tuple[Float32s, Float32s]:
        """Value and n of the windows of one series that end in `(start, end]`, as in `parts`."""
        ends = np.arange(start_ms // self.step_ms + 1, end_ms // self.step_ms + 1) * self.step_ms
        place = int(self.place[row]) if 0 <= row < len(self.place) else NONE
        if place == NONE or self.end_ms is None:
            return np.full(len(ends), np.nan, np.float32), np.zeros(len(ends), np.float32)
        block = self.blocks[int(np.searchsorted(self.starts, place, side="right")) - 1]
        columns = self.column(ends)
        values = block.values[place - block.first, columns]
        n = block.n[place - block.first, columns].astype(np.float32)
        absent = (ends > self.end_ms) | (ends <= self.end_ms - self.reach_ms)
        values[absent], n[absent] = np.nan, 0
        return values, n

    def at(self, rows: Ints, ends_ms: Ints) -> tuple[Float32s, Float32s]:
        """Value and n of some series at some ends, series x ends; NaN and 0 where none is held."""
        values = np.full((len(rows), len(ends_ms)), np.nan, np.float32)
        n = np.zeros((len(rows), len(ends_ms)), np.float32)
        newest = -(2**62) if self.end_ms is None else self.end_ms
        there = np.flatnonzero((ends_ms <= newest) & (ends_ms > newest - self.reach_ms))
        columns = self.column(ends_ms[there])
        known = np.flatnonzero((rows >= 0) & (rows < len(self.place)))
        place = np.full(len(rows), NONE, np.int64)
        place[known] = self.place[rows[known]]
        which = np.searchsorted(self.starts, place, side="right") - 1
        for number, block in enumerate(self.blocks):
            mine = np.flatnonzero((which == number) & (place != NONE))
            inside = np.ix_(place[mine] - block.first, columns)
            values[np.ix_(mine, there)] = block.values[inside]
            n[np.ix_(mine, there)] = block.n[inside]
        return values, n

    def matrix(self, start_ms: int, end_ms: int) -> Part:
        """All series at once; of very many series prefer `parts`, which needs no copy of all."""
        parts = list(self.parts(start_ms, end_ms))
        ends = np.arange(start_ms // self.step_ms + 1, end_ms // self.step_ms + 1, dtype=np.int64)
        empty = np.empty((0, len(ends)), np.float32)
        return Part(
            np.array(self.series, np.int64),
            ends * self.step_ms,
            np.concatenate([empty, *(one.values for one in parts)]),
            np.concatenate([empty, *(one.n for one in parts)]),
        )


def width_of(n: Floats) -> np.dtype[Any]:
    """The narrowest type that holds all of these exactly; single precision where none does."""
    if not ((n >= 0) & (n < 65536) & (n == np.floor(n))).all():
        return WIDTHS[2]
    return WIDTHS[0] if n.max(initial=0) < 256 else WIDTHS[1]

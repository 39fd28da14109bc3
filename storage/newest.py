"""The samples that were appended last, in memory: a tick need not ask the file for them.

The file has them all as well. What is here is given only for a span in which nothing else can be,
so that the answer is the one that the file gives, to the last bit.
"""

import threading
from typing import NamedTuple

import numpy as np

from storage.catalogue import SmallInts
from storage.history import Floats, Ints

KEPT_MS = 180_000
"""So far back: a tick reads a minute, half a minute after it is over."""

MOST_ROWS = 2_000_000
"""Of 20 bytes; with more of them in that time the file is asked."""


class Batch(NamedTuple):
    """Samples that were appended in one transaction, as they came; the newest is at `last_ms`."""

    ids: SmallInts
    at_ms: Ints
    values: Floats
    last_ms: int


class Newest:
    """All samples after `floor_ms`, in the order in which they were appended.

    Safe to call from several threads. `floor_ms` is at first the newest sample of the file.
    """

    def __init__(self, floor_ms: int, kept_ms: int = KEPT_MS, most_rows: int = MOST_ROWS) -> None:
        self.floor_ms, self.kept_ms, self.most_rows = floor_ms, kept_ms, most_rows
        self._lock = threading.Lock()
        self._batches: list[Batch] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, ids: SmallInts, at_ms: Ints, values: Floats) -> None:
        """Take what was appended to the file; what has become old is let go."""
        last_ms = int(at_ms.max())
        old = at_ms <= last_ms - self.kept_ms
        old_ms = int(at_ms[old].max()) if old.any() else self.floor_ms
        if old.any():  # a past that is put in at once
            ids, at_ms, values = ids[~old], at_ms[~old], values[~old]
        with self._lock:
            self.floor_ms = max(self.floor_ms, old_ms)
            self._batches.append(Batch(ids, at_ms, values, last_ms))
            self._rows += len(ids)
            self._cut(last_ms - self.kept_ms)
            if self._rows > self.most_rows:
                self._cut(max(one.last_ms for one in self._batches))

    def cut(self, until_ms: int) -> None:
        """Let go of samples that are in the file no longer, or not for long."""
        with self._lock:
            self._cut(until_ms)
            self.floor_ms = max(self.floor_ms, until_ms)

    def _cut(self, until_ms: int) -> None:
        """Let go of batches that end by then; from now on nothing is said of their time."""
        gone = [one.last_ms for one in self._batches if one.last_ms <= until_ms]
        if gone:
            self._batches = [one for one in self._batches if one.last_ms > until_ms]
            self._rows = sum(len(one.ids) for one in self._batches)
            self.floor_ms = max(self.floor_ms, *gone)

    def between(self, start_ms: int, end_ms: int) -> tuple[Ints, Ints, Floats] | None:
        """(ids, times, values) of `(start, end]`, by id and time and among equals as they came.

        None where the file must be asked.
        """
        with self._lock:
            if start_ms < self.floor_ms:
                return None
            batches = [one for one in self._batches if one.last_ms > start_ms]
        parts = [inside(one, start_ms, end_ms) for one in batches]
        ids = np.concatenate([np.empty(0, np.int32), *(one.ids for one in parts)])
        at_ms = np.concatenate([np.empty(0, np.int64), *(one.at_ms for one in parts)])
        values = np.concatenate([np.empty(0, np.float64), *(one.values for one in parts)])
        if not are_sorted(ids, at_ms):
            order = np.lexsort((at_ms, ids))
            ids, at_ms, values = ids[order], at_ms[order], values[order]
        return ids.astype(np.int64), at_ms, values


def inside(batch: Batch, start_ms: int, end_ms: int) -> Batch:
    """The samples of a batch in `(start, end]`."""
    kept = (batch.at_ms > start_ms) & (batch.at_ms <= end_ms)
    if kept.all():
        return batch
    return Batch(batch.ids[kept], batch.at_ms[kept], batch.values[kept], batch.last_ms)


def are_sorted(ids: SmallInts, at_ms: Ints) -> bool:
    """Whether rows ascend by id and, of equal ids, by time: a target shows one page like that."""
    by_id = np.diff(ids)
    return not ((by_id < 0) | ((by_id == 0) & (np.diff(at_ms) < 0))).any()

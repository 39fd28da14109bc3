"""The judged windows of the last fifteen days of single series, for those who ask the past.

Seven days are in memory already (`recent`). What is older is read from the history, one series at
a time and as many as are asked for, never all series of a signal; it is kept, and moved on from
memory day by day. So what a tick reads is bounded by the candidates it may look at, however many
series there are. All numbers are of single precision, so that what was kept and what a process that
has just started reads are the same, to the last bit.
"""

import zlib
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from detector.baseline import DAY_MS
from detector.change import MEMORY_DAYS
from detector.current import Days
from detector.recent import Float32s, Recent
from storage.history import Floats, History
from storage.series import Labels

HELD_DAYS = 6
"""So many days at least are taken from memory, and less than one more: it holds seven."""

OLDER_DAYS = MEMORY_DAYS - HELD_DAYS

MOST_PASTS = 2000
"""Series whose older days are kept, of 20 KiB each with windows of five minutes."""


@dataclass(frozen=True, slots=True)
class Past:
    """The judged windows of one series, the newest last: value and n, NaN and 0 where none is."""

    values: Floats
    n: Floats


@dataclass(slots=True)
class Older:
    """The `OLDER_DAYS` of one series until `until_ms`, as a history of this `version` has them."""

    until_ms: int
    version: int
    values: Float32s
    n: Float32s


@dataclass(slots=True)
class Pasts:
    """Gives the past of single series; `most` is `MOST_PASTS` but in tests.

    `reads` counts how often the history was asked.
    """

    history: History
    most: int = MOST_PASTS
    reads: int = 0
    _held: OrderedDict[tuple[str, Labels], Older] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._held)

    def forget(self) -> None:
        """Read everything anew: somebody has put a past into the history."""
        self._held.clear()

    def of(self, days: Days, labels: Labels, end_ms: int, version: int) -> Past:
        """The last `MEMORY_DAYS` of a series until `end`, which lies on the grid of its windows."""
        step_ms = days.recent.step_ms
        until_ms = cut_ms(labels, end_ms, step_ms)
        older = self.older(days, labels, until_ms, version)
        values, n = days.recent.one(days.members.position.get(labels, -1), until_ms, end_ms)
        count = MEMORY_DAYS * DAY_MS // step_ms
        return Past(
            np.concatenate([older.values, values])[-count:].astype(np.float64),
            np.concatenate([older.n, n])[-count:].astype(np.float64),
        )

    def older(self, days: Days, labels: Labels, until_ms: int, version: int) -> Older:
        """The days of a series that are not taken from memory: kept, moved on, or read."""
        key = (days.signal.name, labels)
        held = self._held.get(key)
        if held is None or held.version != version or not self.moved(held, days, labels, until_ms):
            held = self.read(days, labels, until_ms, version)
            self._held[key] = held
        self._held.move_to_end(key)
        while len(self._held) > self.most:
            self._held.popitem(last=False)
        return held

    def moved(self, held: Older, days: Days, labels: Labels, until_ms: int) -> bool:
        """Move it on to a time by what is in memory; whether that was possible."""
        recent = days.recent
        if held.until_ms == until_ms:
            return True
        if held.until_ms > until_ms or held.until_ms < reached_ms(recent):
            return False
        row = days.members.position.get(labels, -1)
        values, n = recent.one(row, held.until_ms, until_ms)
        held.values = np.concatenate([held.values[len(values) :], values])
        held.n = np.concatenate([held.n[len(n) :], n])
        held.until_ms = until_ms
        return True

    def read(self, days: Days, labels: Labels, until_ms: int, version: int) -> Older:
        """Read it from the history."""
        self.reads += 1
        step_ms = days.recent.step_ms
        count = OLDER_DAYS * DAY_MS // step_ms
        start_ms = until_ms - count * step_ms
        found = self.history.windows(
            days.signal.name, start_ms, until_ms, labels, seconds=step_ms / 1000, counts=False
        )
        values, n = np.full(count, np.nan, np.float32), np.zeros(count, np.float32)
        on_grid = found.end_ms % step_ms == 0
        at = (found.end_ms[on_grid] - start_ms) // step_ms - 1
        with np.errstate(over="ignore"):  # as it is in memory
            values[at], n[at] = found.values[on_grid], found.n[on_grid]
        return Older(until_ms, version, values, n)


def cut_ms(labels: Labels, end_ms: int, step_ms: int) -> int:
    """Until when a series is read from the history: six to seven days before.

    At another time of the day for each series, so that not all move on in one tick.
    """
    into_ms = zlib.crc32(repr(labels.pairs).encode()) % (DAY_MS // step_ms) * step_ms
    return (end_ms - into_ms) // DAY_MS * DAY_MS + into_ms - HELD_DAYS * DAY_MS


def reached_ms(recent: Recent) -> int:
    """From when on the windows are in memory."""
    return recent.end_ms - recent.reach_ms if recent.end_ms is not None else 2**62

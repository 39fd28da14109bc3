"""The newest samples that the signals read, in memory between ticks.

A tick then reads what came since the one before, once for all signals. The history's journal says
when something was written into the past; that part is read again, and when there is any other doubt
everything is. So the answer is the one that the history itself gives, to the last bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from storage.history import Floats, History, Ints, Samples
from storage.journal import SAMPLES
from storage.series import Labels, Selector

ROWS_MAX = 16_000_000  # of 20 bytes; beyond that each signal reads for itself
SPARE = 4096  # series that have gone are remembered up to so many more than there are


@dataclass(slots=True)
class Chosen:
    """Which series one set of selectors means, by the history's integers."""

    selectors: tuple[Selector, ...]
    member: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    series: tuple[Labels, ...] = ()


class Tail:
    """The samples of `(end - reach, end]` of some metrics, as the history would give them."""

    def __init__(
        self, history: History, metrics: Iterable[str], reach_ms: int, rows_max: int = ROWS_MAX
    ) -> None:
        self.history, self.reach_ms, self.rows_max = history, reach_ms, rows_max
        self.selectors = [Selector(metric) for metric in sorted(metrics)]
        self.mark = 0
        self.forget()

    def forget(self) -> None:
        """Read everything anew at the next tick."""
        self.end_ms: int | None = None
        self.labels: dict[int, Labels] = {}
        self.known = np.zeros(0, np.bool_)  # by id, whether it is among the labels
        self.chosen: dict[tuple[Selector, ...], Chosen] = {}
        self.put(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64))

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, ids: "np.ndarray[tuple[int], np.dtype[np.int32]]", at: Ints, v: Floats) -> None:
        """Take over rows, sorted by (id, time)."""
        self.ids, self.at_ms, self.values = ids, at, v
        changes = np.flatnonzero(np.diff(ids)) + 1
        self.starts = np.concatenate([np.zeros(min(len(ids), 1), np.int64), changes])
        self.counts = np.diff(np.append(self.starts, len(ids)))
        self.present = ids[self.starts].astype(np.int64)

    def advance(self, end_ms: int) -> bool:
        """Hold the samples up to `end`; False when they are too many to be held."""
        # Asked before the read: what is written meanwhile is then noted after the mark.
        written = self.history.journal.since(SAMPLES, self.mark)
        start_ms = end_ms - self.reach_ms
        if len(self.labels) > 2 * len(self.present) + SPARE:
            self.forget()
        if self.end_ms is None or not start_ms < self.end_ms <= end_ms:
            self.forget()
            from_ms = start_ms
        else:
            from_ms = max(min(self.end_ms, written.lo_ms - 1), start_ms)
        self.mark = written.mark
        fresh = self.history.samples(self.selectors, from_ms, end_ms)
        kept = (self.at_ms > start_ms) & (self.at_ms <= from_ms)
        if int(kept.sum()) + len(fresh) > self.rows_max or (len(fresh) and not len(fresh.ids)):
            self.forget()
            return False
        self.learn(fresh)
        ids = np.concatenate([self.ids[kept], fresh.ids[fresh.index].astype(np.int32)])
        # Two sorted runs; the older is the first, so that times stay ascending.
        order = np.argsort(ids, kind="stable") if kept.any() else np.arange(len(ids))
        # One column after the other: of very many series all at once would be a peak in memory.
        self.end_ms = None  # until all three are there
        self.ids = ids[order]
        self.at_ms = np.concatenate([self.at_ms[kept], fresh.at_ms])[order]
        self.values = np.concatenate([self.values[kept], fresh.values])[order]
        self.put(self.ids, self.at_ms, self.values)
        self.end_ms = end_ms
        return True

    def learn(self, fresh: Samples) -> None:
        """Find out which selectors mean the new series."""
        highest = int(fresh.ids.max(initial=-1))
        if highest >= len(self.known):
            more = np.zeros(2 * highest + 1 - len(self.known), np.bool_)
            self.known = np.concatenate([self.known, more])
        new = np.flatnonzero(~self.known[fresh.ids])
        self.known[fresh.ids[new]] = True
        found = {int(fresh.ids[one]): fresh.series[one] for one in new.tolist()}
        self.labels |= found
        for one in self.chosen.values():
            self.enlist(one, found, highest)

    def enlist(self, chosen: Chosen, series: dict[int, Labels], highest: int) -> None:
        """Mark the series that these selectors mean."""
        if highest >= len(chosen.member):
            more = np.zeros(2 * highest + 1 - len(chosen.member), np.bool_)
            chosen.member = np.concatenate([chosen.member, more])
        for id_, labels in series.items():
            if any(one.matches(labels) for one in chosen.selectors):
                chosen.member[id_] = True

    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """As `History.samples`, of a span that ends where the tail does."""
        if end_ms != self.end_ms or start_ms < end_ms - self.reach_ms:
            return self.history.samples(selectors, start_ms, end_ms)
        key = tuple(selectors)
        if key not in self.chosen:
            self.chosen[key] = Chosen(key, np.zeros(0, np.bool_))
            self.enlist(self.chosen[key], self.labels, max(self.labels, default=0))
        chosen = self.chosen[key]
        which = np.flatnonzero(chosen.member[self.present])
        counts = self.counts[which]
        first = np.cumsum(counts) - counts
        rows = np.repeat(self.starts[which] - first, counts) + np.arange(int(counts.sum()))
        index = np.repeat(np.arange(len(which)), counts)
        inside = self.at_ms[rows] > start_ms
        if not inside.all():
            rows, index = rows[inside], index[inside]
            used, index = np.unique(index, return_inverse=True)
            which = which[used]
        ids = self.present[which]
        if not np.array_equal(ids, chosen.ids):
            chosen.ids, chosen.series = ids, tuple(self.labels[one] for one in ids.tolist())
        return Samples(chosen.series, index, self.at_ms[rows], self.values[rows], chosen.ids)

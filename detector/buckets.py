"""Histograms: which bounds they share, how they merge, what quantile they hold. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from storage.history import NO_LAYOUT, Floats, Ints, Windows

Bounds = tuple[float, ...]


def edge(le: str) -> float:
    """The upper bound that a `le` label means; NaN, which equals no bound, when it is no number."""
    try:
        return float(le)
    except ValueError:
        return math.nan


def shared(layouts: Iterable[Iterable[float]]) -> Bounds:
    """The bounds that all layouts have, ascending; empty unless infinity is among them.

    Cumulative counts at a bound that all have can be added exactly; at any other they cannot.
    """
    sets = [frozenset(layout) for layout in layouts]
    common = frozenset.intersection(*sets) if sets else frozenset()
    return tuple(sorted(common)) if math.inf in common and len(common) > 1 else ()


def bounds_of_groups(
    histogram: Ints, group: Ints, edges: Floats, groups: int
) -> tuple[Bounds, ...]:
    """For each group the bounds that all its histograms share.

    The three columns have one entry a bucket series: its histogram, its group, its upper bound.
    """
    layouts: list[dict[int, list[float]]] = [{} for _ in range(groups)]
    for h, g, e in zip(histogram.tolist(), group.tolist(), edges.tolist(), strict=True):
        if not math.isnan(e):
            layouts[g].setdefault(h, []).append(e)
    return tuple(shared(one.values()) for one in layouts)


@dataclass(frozen=True, slots=True)
class Buckets:
    """One histogram a row: cumulative counts at the bounds of the row's owner, zero-padded.

    `owner[i]` points into `bounds`; `cumulative[i, j]` counts observations at most `bounds[..][j]`.
    """

    bounds: tuple[Bounds, ...]
    owner: Ints
    cumulative: Floats

    def widths(self) -> Ints:
        """How many buckets each row has."""
        return np.array([len(one) for one in self.bounds] or [0], np.int64)[self.owner]

    def counts(self) -> Floats:
        """Observations in each bucket, as a matrix.

        A page read while it is written can show a bucket smaller than the one before it; it is
        taken to hold nothing new.
        """
        rising = np.maximum.accumulate(self.cumulative, axis=1)
        return np.diff(rising, axis=1, prepend=0.0)

    def totals(self) -> Floats:
        """Observations in each row."""
        totals: Floats = self.cumulative.max(axis=1, initial=0.0)
        return totals

    def quantile(self, q: float) -> Floats:
        """The q-quantile of each row by linear interpolation inside its bucket; NaN when empty.

        As Prometheus' `histogram_quantile`: the lowest bucket begins at zero when its bound is
        positive, and a quantile in the last bucket is the highest finite bound (at least that).
        """
        counts, totals = self.counts(), self.totals()
        if not counts.size:
            return np.full(len(self.owner), np.nan)
        width = counts.shape[1]
        number: dict[Bounds, int] = {}  # most owners have the same bounds
        of_owner = np.array([number.setdefault(one, len(number)) for one in self.bounds], np.int64)
        padded = np.array([pad(one, width) for one in number], np.float64)
        edges = padded[of_owner[self.owner]]
        rising = np.cumsum(counts, axis=1)
        rank = q * totals
        at = np.minimum((rising < rank[:, None]).sum(axis=1), self.widths() - 1)
        rows = np.arange(len(at))
        upper, lower = edges[rows, at], edges[rows, np.maximum(at - 1, 0)]
        lower = np.where(at > 0, lower, np.minimum(0.0, upper))
        below = np.where(at > 0, rising[rows, np.maximum(at - 1, 0)], 0.0)
        share = (rank - below) / np.maximum(counts[rows, at], np.finfo(float).tiny)
        with np.errstate(invalid="ignore"):
            inside = lower + (upper - lower) * np.clip(share, 0.0, 1.0)
        value = np.where(np.isinf(upper), lower, inside)
        return np.where(totals > 0, value, np.nan)

    def flat(self) -> tuple[Ints, tuple[Bounds, ...], Floats]:
        """Layout of each row, the layouts, and the counts of all rows: as `Windows` holds them."""
        layouts: dict[Bounds, int] = {}
        of_owner = np.full(len(self.bounds), NO_LAYOUT, np.int64)
        for one in np.unique(self.owner).tolist():
            if self.bounds[one]:
                of_owner[one] = layouts.setdefault(self.bounds[one], len(layouts))
        counts = self.counts()
        inside = np.arange(counts.shape[1])[None, :] < self.widths()[:, None]
        return of_owner[self.owner], tuple(layouts), counts[inside]


def pad(bounds: Bounds, width: int) -> list[float]:
    """Bounds with infinities behind them."""
    return [*bounds, *[math.inf] * (width - len(bounds))]


def merged(windows: Windows, cell: Ints, cells: int) -> Buckets:
    """Add up the buckets of windows that fall into the same cell: one row a cell.

    Rows whose cell is -1 are left out. Windows of a cell with different layouts are merged on the
    bounds they share.
    """
    known = len(windows.layouts)
    rows = np.flatnonzero((cell >= 0) & (windows.layout != NO_LAYOUT))
    pairs = np.unique(cell[rows] * known + windows.layout[rows]) if known > 1 else cell[rows]
    bounds: dict[Bounds, int] = {(): 0}
    owner = np.zeros(cells, np.int64)
    alone = np.array([bounds.setdefault(shared([b]), len(bounds)) for b in windows.layouts])
    owner[pairs // max(known, 1)] = alone[pairs % max(known, 1)] if known else 0
    repeated = np.flatnonzero(np.diff(pairs // known) == 0) if known > 1 else pairs[:0]
    for one in np.unique(pairs[repeated] // max(known, 1)).tolist():
        lo, hi = np.searchsorted(pairs, [one * known, (one + 1) * known]).tolist()
        common = shared(windows.layouts[pair % known] for pair in pairs[lo:hi].tolist())
        owner[one] = bounds.setdefault(common, len(bounds))
    used, owner = np.unique(owner, return_inverse=True)
    every = tuple(list(bounds)[one] for one in used.tolist())
    width = max(map(len, every), default=0)
    total = np.zeros(cells * width)
    starts = np.cumsum(windows.widths()) - windows.widths()
    for layout, edges in enumerate(windows.layouts):
        of_layout = rows[windows.layout[rows] == layout]
        for number, target in enumerate(every):
            one = of_layout[owner[cell[of_layout]] == number]
            if not len(one) or not target:
                continue
            rising = windows.counts[starts[one][:, None] + np.arange(len(edges))].cumsum(axis=1)
            at = cell[one][:, None] * width + np.arange(len(target))
            columns = [edges.index(b) for b in target]
            total += np.bincount(at.ravel(), rising[:, columns].ravel(), cells * width)
    return Buckets(every, owner, total.reshape(cells, width))

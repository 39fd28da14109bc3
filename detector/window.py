"""Windows from samples, and longer windows from shorter ones. Pure, over columns.

A window `(end - seconds, end]` holds what was observed in it; a span without an observation has no
window. Percentiles come from merged buckets, never from averaged percentiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from detector.buckets import Bounds, Buckets, bounds_of_cells, edge, merged
from detector.form import AnySignal, Gauge, Mean, Promql, Quantile, Rate, Ratio, Share
from detector.increase import (
    LOOKBACK_MS,
    Increases,
    Seen,
    chosen,
    increases,
    since,
    spread,
    sums,
)
from detector.plan import Meaning, Plan
from detector.signal import LeftOut, Signal
from storage.history import NO_LAYOUT, Flags, Floats, Ints, Samples, Windows
from storage.series import Labels


@dataclass(frozen=True, slots=True)
class Span:
    """Windows in a row: `count` of `step_ms` each, the first beginning after `start_ms`."""

    start_ms: int
    step_ms: int
    count: int

    @property
    def end_ms(self) -> int:
        """Where the last window ends."""
        return self.start_ms + self.step_ms * self.count

    def slot(self, at_ms: Ints) -> Ints:
        """Which window each time falls into; -1 outside."""
        slot = (at_ms - self.start_ms - 1) // self.step_ms
        return np.where((slot >= 0) & (slot < self.count), slot, -1)

    def windows(
        self, signal: str, series: Sequence[Labels], cells: Ints, values: Floats, n: Floats
    ) -> Windows:
        """The windows of these cells (`group * count + slot`, ascending), without buckets."""
        row = cells // max(self.count, 1)
        first = np.diff(row, prepend=-1) != 0
        used = row[first]
        # All of them: the very same object as the last time, which others know again.
        whole = len(used) == len(series)
        return Windows(
            signal,
            tuple(series) if whole else tuple(series[one] for one in used.tolist()),
            np.cumsum(first) - 1,
            self.start_ms + (cells % max(self.count, 1) + 1) * self.step_ms,
            np.full(len(cells), self.step_ms / 1000),
            values,
            n,
            np.full(len(cells), NO_LAYOUT, np.int64),
        )


class Grid:
    """Rows of samples put into cells: `group * count + slot`.

    `group` says for each series which group it belongs to.
    """

    def __init__(self, group: Ints, groups: int, span: Span) -> None:
        self.group, self.span = group, span
        self.cells = groups * span.count

    def cell(self, index: Ints, at_ms: Ints) -> Ints:
        """The cell of each row; -1 outside the span."""
        slot = self.span.slot(at_ms)
        return np.where(slot >= 0, self.group[index] * self.span.count + slot, -1)

    def total(self, cell: Ints, values: Floats) -> Floats:
        """The sum of the values in each cell."""
        inside = cell >= 0
        return sums(cell[inside], values[inside], self.cells)


def windows_of(
    signal: Signal,
    samples: Samples,
    seen: Seen,
    start_ms: int,
    end_ms: int,
    plan: Plan | None = None,
) -> Windows:
    """The windows of a signal that end in `(start, end]`; both on the signal's grid.

    `samples` must reach back `increase.LOOKBACK_MS` before `start`, so that the first window has a
    sample to grow from. `plan` is what is known of the series' labels; the answer is the same
    without. Rows are sorted by (series, end).
    """
    form = signal.form
    span = Span(start_ms, form.window_ms, (end_ms - start_ms) // form.window_ms)
    meaning = (plan or Plan(form)).meaning(samples)
    match form:
        case Quantile():
            return histogram_windows(signal, form, samples, meaning, seen, span)
        case Gauge():
            return gauge_windows(signal, form, samples, meaning, span)
        case Rate():
            return rate_windows(signal, samples, meaning, seen, span)
        case Share():
            return share_windows(signal, form, samples, meaning, seen, span)
        case Promql():
            return Windows.of(signal.name, ())  # only a Prometheus source can evaluate it
        case Mean() | Ratio():
            return quotient_windows(signal, form, samples, meaning, seen, span)
    assert_never(form)


def gauge_windows(
    signal: Signal, form: Gauge, samples: Samples, meaning: Meaning, span: Span
) -> Windows:
    """What `stat` says of the samples, over what it says of `of`; NaN samples are no samples.

    Where `of` has no sample, or is zero, nothing can be said.
    """
    grid = Grid(meaning.group, len(meaning.groups), span)
    every = np.ones(len(samples.series), np.bool_)
    value, n = gauge_cells(
        form.stat, samples, every if form.of is None else meaning.upper > 0, grid
    )
    if form.of is not None:
        divisor, _ = gauge_cells(form.stat, samples, meaning.lower > 0, grid)
        n = np.where(divisor != 0, n, 0)
        value = value / np.where(divisor != 0, divisor, 1)
    if form.complement:
        value = 1 - value
    cells = np.flatnonzero(n)
    return span.windows(signal.name, meaning.groups, cells, value[cells], n[cells])


def gauge_cells(stat: str, samples: Samples, chosen: Flags, grid: Grid) -> tuple[Floats, Floats]:
    """Value and number of samples of each cell, from the chosen series."""
    usable = ~np.isnan(samples.values) & chosen[samples.index]
    cell = grid.cell(samples.index, samples.at_ms)
    usable &= cell >= 0
    cell, values, at_ms = cell[usable], samples.values[usable], samples.at_ms[usable]
    n = np.bincount(cell, minlength=grid.cells).astype(np.float64)
    if stat == "sum":
        # Each series by its own average: one that was read twice as often is not twice as large.
        place = np.stack([samples.index[usable], cell])
        own, position, count = np.unique(place, axis=1, return_inverse=True, return_counts=True)
        average = sums(position.ravel(), values, len(count)) / count
        return sums(own[1], average, grid.cells), n
    order = np.argsort(at_ms, kind="stable")
    return gauge_values(stat, cell[order], values[order], np.ones(len(cell)), grid.cells), n


def gauge_values(stat: str, cell: Ints, values: Floats, weights: Floats, cells: int) -> Floats:
    """One value for each cell from rows in the order of time; empty cells mean nothing."""
    if stat == "avg":
        weight = sums(cell, weights, cells)
        return sums(cell, values * weights, cells) / np.where(weight > 0, weight, 1)
    if stat == "last":
        result = np.zeros(cells)
        result[cell] = values  # of equal indexes the last assignment stays
        return result
    result = np.full(cells, np.inf if stat == "min" else -np.inf)
    (np.minimum if stat == "min" else np.maximum).at(result, cell, values)
    return result


def rate_windows(
    signal: Signal, samples: Samples, meaning: Meaning, seen: Seen, span: Span
) -> Windows:
    """Counter increase per second of the time it covers, summed over the series of a group.

    Divided by the time covered, not by the window's length: after a gap a sample brings what was
    added in two minutes, and that is no doubled rate.
    """
    grown = grown_in(span, since(samples, span.start_ms), meaning, seen)
    single = Grid(np.arange(len(samples.series)), len(samples.series), span)
    cell = single.cell(grown.index, grown.at_ms)
    added = single.total(cell, grown.values)
    covered_ms = single.total(cell, grown.covered_ms.astype(np.float64))
    filled = np.flatnonzero(covered_ms)
    target = meaning.group[filled // max(span.count, 1)] * span.count + filled % max(span.count, 1)
    cells, position = np.unique(target, return_inverse=True)
    rates = sums(position, added[filled] / (covered_ms[filled] / 1000), len(cells))
    n = sums(position, added[filled], len(cells))
    return span.windows(signal.name, meaning.groups, cells, rates, n)


def grown_in(
    span: Span, samples: Samples, meaning: Meaning, seen: Seen, owner: Ints | None = None
) -> Increases:
    """What counters grew by in the windows."""
    return increases(samples, seen, owner, meaning.target_in(seen), span.start_ms)


def quotient_windows(
    signal: Signal, form: Mean | Ratio, samples: Samples, meaning: Meaning, seen: Seen, span: Span
) -> Windows:
    """Increase over increase; n is the increase of the denominator.

    A ratio without a numerator is zero: no errors is an error rate of 0, not an unknown one. A sum
    and a count belong together: they are reset together, and one without the other says nothing.
    """
    owner = None
    if isinstance(form, Mean):
        owner = meaning.owner
        samples = complete_since(samples, span.start_ms, lambda rows: paired(rows, meaning))
    else:
        samples = since(samples, span.start_ms)
    grown = grown_in(span, samples, meaning, seen, owner)
    grid = Grid(meaning.group, len(meaning.groups), span)
    cell = grid.cell(grown.index, grown.at_ms)
    numerator = grid.total(cell, grown.values * meaning.upper[grown.index])
    denominator = grid.total(cell, grown.values * meaning.lower[grown.index])
    cells = np.flatnonzero(denominator > 0)
    n = denominator[cells]
    return span.windows(signal.name, meaning.groups, cells, numerator[cells] / n, n)


def complete_since(
    samples: Samples, start_ms: int, complete: Callable[[Samples], Flags]
) -> Samples:
    """As `since`, of the rows that are complete: whose companions were there at the same time.

    To look for companions is dear, and the last rows before `start` nearly always have them all. So
    just these are asked about first, and the older ones only when one of these has not: then the
    last complete row lies further back.
    """
    short = since(samples, start_ms)
    kept = complete(short)
    if not kept[short.at_ms <= start_ms].all():
        return since(chosen(samples, complete(samples)), start_ms)
    return chosen(short, kept)


def paired(samples: Samples, meaning: Meaning) -> Flags:
    """Which samples of sums and counts had their other half at the same time."""
    usable, sums_here = np.isfinite(samples.values), meaning.upper[samples.index] > 0
    owners = meaning.owner[samples.index]
    both = spread(usable & sums_here, owners, samples.at_ms)
    return both & spread(usable & ~sums_here, owners, samples.at_ms)


def share_windows(
    signal: Signal, form: Share, samples: Samples, meaning: Meaning, seen: Seen, span: Span
) -> Windows:
    """Increase of the bucket at the bound over that of the last one; n is that of the last one.

    What a histogram without this edge observed may be within or not. So a window into which it
    observed anything is left out: a share of the others would pass for one of all.
    """
    is_within = meaning.edge == form.bound
    is_all = np.isinf(meaning.edge) & (meaning.edge > 0)
    shown = is_within[samples.index]
    edge_shown = (meaning.owner[samples.index[shown]], samples.at_ms[shown])

    def complete(rows: Samples) -> Flags:
        usable, owners = np.isfinite(rows.values), meaning.owner[rows.index]
        last = spread(usable & is_all[rows.index], owners, rows.at_ms)
        both = last & spread(usable & is_within[rows.index], owners, rows.at_ms)
        return both | (last & ~lately(owners, rows.at_ms, *edge_shown))

    # The other buckets matter all the same: when one of them falls the histogram was reset.
    samples = complete_since(samples, span.start_ms, complete)
    grown = grown_in(span, samples, meaning, seen, meaning.owner)
    grid = Grid(meaning.group, len(meaning.groups), span)
    cell = grid.cell(grown.index, grown.at_ms)
    total = grid.total(cell, grown.values * is_all[grown.index])
    within = np.minimum(grid.total(cell, grown.values * is_within[grown.index]), total)
    owners = meaning.owner[grown.index]
    no_edge = is_all[grown.index] & ~lately(owners, grown.at_ms, *edge_shown)
    unknown = grid.total(cell, grown.values * no_edge)
    cells = np.flatnonzero((total > 0) & (unknown == 0))
    return span.windows(
        signal.name, meaning.groups, cells, within[cells] / total[cells], total[cells]
    )


def lately(owner: Ints, at_ms: Ints, shown_owner: Ints, shown_ms: Ints) -> Flags:
    """Whether the owner of each row has shown something at that time or shortly before it."""
    order = np.lexsort((shown_ms, shown_owner))
    # One number for both, so that one search finds the newest of the same owner.
    scale = int(max(at_ms.max(initial=0), shown_ms.max(initial=0))) + 1
    keys = shown_owner[order] * scale + shown_ms[order]
    newest = np.searchsorted(keys, owner * scale + at_ms, side="right") - 1
    if not len(keys):
        return np.zeros(len(owner), np.bool_)
    found = keys[np.maximum(newest, 0)]
    same: Flags = (newest >= 0) & (found // scale == owner)
    return same & (at_ms - found % scale <= LOOKBACK_MS)


def left_out(form: AnySignal, series: Sequence[Labels]) -> dict[Labels, LeftOut]:
    """Which series of the signal have no windows for how their metrics are made, and why."""
    if not isinstance(form, Share):
        return {}
    edges: dict[Labels, set[float]] = {}
    for labels in series:
        edges.setdefault(labels.without("le"), set()).add(edge(labels.get("le")))
    return {
        form.series_of(histogram): LeftOut.BOUND_IS_NO_EDGE
        for histogram, known in edges.items()
        if form.bound not in known
    }


def histogram_windows(
    signal: Signal, form: Quantile, samples: Samples, meaning: Meaning, seen: Seen, span: Span
) -> Windows:
    """Quantile of the merged increase of buckets; n is the increase of the last one.

    Histograms of different layouts are merged on the bounds they share in the window, which is
    exact; summing series of different bounds would not be. A new layout of the next hour is none of
    this window's, so it does not matter how many windows are made at once.
    """
    grown = grown_in(span, since(samples, span.start_ms), meaning, seen, meaning.owner)
    edges = meaning.edge[grown.index]
    cell = Grid(meaning.group, len(meaning.groups), span).cell(grown.index, grown.at_ms)
    inside = (cell >= 0) & ~np.isnan(edges)
    edges, values = edges[inside], grown.values[inside]
    cells, position = np.unique(cell[inside], return_inverse=True)
    layout, bounds = bounds_of_cells(
        position,
        meaning.owner[grown.index[inside]],
        edges,
        grown.covered_ms[inside],
        len(cells),
    )
    width = max(map(len, bounds), default=0)
    column = columns(bounds, layout[position], edges)
    usable = column >= 0
    cumulative = sums(
        position[usable] * width + column[usable], values[usable], len(cells) * width
    ).reshape(len(cells), width)
    filled = np.flatnonzero(cumulative.max(axis=1, initial=0) > 0)
    buckets = Buckets(bounds, layout[filled], cumulative[filled])
    value, n = buckets.quantile(form.q), buckets.totals()
    made = span.windows(signal.name, meaning.groups, cells[filled], value, n)
    return with_buckets(made, buckets)


def columns(bounds: Sequence[Bounds], layout: Ints, edges: Floats) -> Ints:
    """The place of each edge among the bounds of its layout; -1 where it is not among them."""
    result = np.full(len(edges), -1, np.int64)
    for number, one in enumerate(bounds):
        rows = np.flatnonzero(layout == number)
        if one and len(rows):
            place = np.minimum(np.searchsorted(one, edges[rows]), len(one) - 1)
            result[rows] = np.where(np.asarray(one)[place] == edges[rows], place, -1)
    return result


def with_buckets(windows: Windows, buckets: Buckets) -> Windows:
    """The same windows with their buckets, row by row."""
    layout, layouts, counts = buckets.flat()
    return replace(windows, layout=layout, layouts=layouts, counts=counts)


def merge(form: AnySignal, windows: Windows, span: Span) -> Windows:
    """Longer windows from shorter ones of the same signal: `span.step_ms` is the new length.

    Nothing is averaged that must not be: quantiles come from added buckets, ratios and means from
    added numerators and denominators, shares from observations, rates from the time they cover.
    """
    slot = span.slot(windows.end_ms)
    cell = np.where(slot >= 0, windows.index * span.count + slot, -1)
    total_cells = len(windows.series) * span.count
    inside = cell >= 0
    cells = np.flatnonzero(np.bincount(cell[inside], minlength=total_cells))
    at, values, n = cell[inside], windows.values[inside], windows.n[inside]
    count = sums(at, n, total_cells)
    if isinstance(form, Quantile):
        whole = merged(windows, cell, total_cells)
        buckets = Buckets(whole.bounds, whole.owner[cells], whole.cumulative[cells])
        value = buckets.quantile(form.q)
        plain = span.windows(windows.signal, windows.series, cells, value, count[cells])
        return with_buckets(plain, buckets)
    stat = form.stat if isinstance(form, Gauge) and form.stat != "sum" else "avg"
    weights = covered_seconds(values, n, windows.seconds[inside]) if isinstance(form, Rate) else n
    value = gauge_values(stat, at, values, weights, total_cells)[cells]
    return span.windows(windows.signal, windows.series, cells, value, count[cells])


def covered_seconds(rates: Floats, n: Floats, seconds: Floats) -> Floats:
    """The time that each rate covers: longer than its window after a missed sample.

    It follows from the increase; where nothing was added the window's own length must do.
    """
    moving = (rates > 0) & (n > 0)
    return np.where(moving, n / np.where(moving, rates, 1), seconds)

"""How much counters grew between samples: resets counted, gaps left open.

The increase of a sample is what was added since the sample before it. After a reset (the value
fell) that is the new value. Nothing is extrapolated: increases of adjoining windows add up to the
whole. Three cases have no sample before them:

* the series is new, or back after more than `LOOKBACK_MS`, on a target that was read meanwhile
  without it: it began at zero, so its value is the increase (an error counter that appears with its
  first error counts that error; after a restart it appears again);
* the target itself was not read within `LOOKBACK_MS`: the sample is a new start, not an increase;
  what happened in the gap is not known.
"""

from dataclasses import dataclass

import numpy as np

from storage.history import Flags, Floats, Ints, Samples

LOOKBACK_MS = 300_000
Seen = dict[str, Ints]
UP = "plimsoll_collector_up"


@dataclass(frozen=True, slots=True)
class Increases:
    """For each sample that has one: its increase and the milliseconds that it covers."""

    index: Ints
    at_ms: Ints
    values: Floats
    covered_ms: Ints


def increases(samples: Samples, seen: Seen, groups: Ints | None = None) -> Increases:
    """The increases of counters.

    `samples` as `History.samples` gives them; `seen` holds for each target the times, ascending, at
    which it was read successfully. With `groups` (one number per series) a reset of one series is a
    reset of its whole group: the buckets of one histogram live and die together.
    """
    usable = np.isfinite(samples.values)
    index, at_ms, values = samples.index[usable], samples.at_ms[usable], samples.values[usable]
    if not len(index):
        return Increases(index, at_ms, values, at_ms)
    gap_ms = np.diff(at_ms, prepend=at_ms[0])
    follows = np.diff(index, prepend=-1) == 0
    chained = follows & (gap_ms <= LOOKBACK_MS)
    grown = np.diff(values, prepend=0.0)
    reset = chained & (grown < 0)
    if groups is not None:
        reset = spread(reset, groups[index], at_ms)
    grown = np.where(reset, values, grown)
    born, since_ms = births(samples, seen, index, at_ms, ~chained)
    grown = np.where(born, values, grown)
    covered_ms = np.where(born, at_ms - since_ms, gap_ms)
    counts = (chained | born) & (covered_ms > 0)
    return Increases(index[counts], at_ms[counts], grown[counts], covered_ms[counts])


def spread(flags: Flags, groups: Ints, at_ms: Ints) -> Flags:
    """Raise the flag of every row whose group has one raised at the same time."""
    if not flags.any():
        return flags
    order = np.lexsort((at_ms, groups))
    starts = np.diff(groups[order], prepend=-1) | np.diff(at_ms[order], prepend=-1)
    cell = np.cumsum(starts != 0) - 1
    raised = np.bincount(cell, weights=flags[order]) > 0
    result = np.empty_like(flags)
    result[order] = raised[cell]
    return result


def births(
    samples: Samples,
    seen: Seen,
    index: Ints,
    at_ms: Ints,
    candidates: Flags,
) -> tuple[Flags, Ints]:
    """Which samples are the first of a new series on a known target, and when it was last read."""
    born = np.zeros(len(index), np.bool_)
    since_ms = np.zeros(len(index), np.int64)
    number = {target: position for position, target in enumerate(seen)}
    of_series = np.array([number.get(one.get("target"), -1) for one in samples.series], np.int64)
    rows = np.flatnonzero(candidates)
    rows = rows[np.argsort(of_series[index[rows]], kind="stable")]
    ends = np.searchsorted(of_series[index[rows]], np.arange(len(seen)), side="right")
    starts = np.searchsorted(of_series[index[rows]], np.arange(len(seen)), side="left")
    for times, start, end in zip(seen.values(), starts, ends, strict=True):
        mine = rows[start:end]
        if not len(mine) or not len(times):
            continue
        position = np.searchsorted(times, at_ms[mine]) - 1
        earlier = np.where(
            position >= 0, times[np.maximum(position, 0)], np.iinfo(np.int64).min // 2
        )
        known = at_ms[mine] - earlier <= LOOKBACK_MS
        born[mine] = known
        since_ms[mine] = np.where(known, earlier, 0)
    return born, since_ms


def seen_times(up: Samples) -> Seen:
    """For each target the times at which it was read, from its `plimsoll_collector_up` samples."""
    times: dict[str, list[Ints]] = {}
    good = np.flatnonzero(up.values > 0)
    good = good[np.argsort(up.index[good], kind="stable")]
    ends = np.searchsorted(up.index[good], np.arange(len(up.series)), side="right")
    for labels, rows in zip(up.series, np.split(good, ends), strict=False):
        times.setdefault(labels.get("target"), []).append(up.at_ms[rows])
    return {target: np.unique(np.concatenate(parts)) for target, parts in times.items()}


def sums(cell: Ints, values: Floats, cells: int) -> Floats:
    """The sum of the values in each cell; zero where none falls."""
    return np.bincount(cell, values, cells).astype(np.float64)

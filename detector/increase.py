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

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from storage.history import Flags, Floats, Ints, Samples
from storage.series import Labels

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


def increases(
    samples: Samples,
    seen: Seen,
    groups: Ints | None = None,
    targets: Ints | None = None,
    after_ms: int | None = None,
) -> Increases:
    """The increases of counters.

    `samples` as `History.samples` gives them; `seen` holds for each target the times, ascending, at
    which it was read successfully. With `groups` (one number per series) a reset of one series is a
    reset of its whole group: the buckets of one histogram live and die together. `targets` is the
    position in `seen` of each series' target, where the caller knows it. With `after_ms` rows up to
    then only serve those after them.
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
    if targets is None:
        targets = targets_of(samples.series, seen)
    first = np.flatnonzero(~chained if after_ms is None else ~chained & (at_ms > after_ms))
    born, since_ms = births(seen, targets[index[first]], at_ms[first])
    newborn = first[born]
    grown[newborn] = values[newborn]
    covered_ms = gap_ms
    covered_ms[newborn] = at_ms[newborn] - since_ms[born]
    counts = chained
    counts[newborn] = True
    counts &= covered_ms > 0
    if after_ms is not None:
        counts &= at_ms > after_ms
    return Increases(index[counts], at_ms[counts], grown[counts], covered_ms[counts])


def since(samples: Samples, start_ms: int) -> Samples:
    """Of counters: the numbers after `start`, and of each series the last one before them.

    That is all that increases after `start` follow from.
    """
    inside = samples.at_ms > start_ms
    usable = np.isfinite(samples.values)
    if not usable.all():
        samples, inside = chosen(samples, usable), inside[usable]
    # The last row before: the next one is of another series, or inside.
    last = np.append(inside[1:] | (samples.index[1:] != samples.index[:-1]), True)
    return chosen(samples, inside | last[: len(inside)])


def chosen(samples: Samples, rows: Flags) -> Samples:
    """Some of the rows, of the same series."""
    return Samples(
        samples.series, samples.index[rows], samples.at_ms[rows], samples.values[rows], samples.ids
    )


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


def targets_of(series: Iterable[Labels], seen: Seen) -> Ints:
    """The position in `seen` of each series' target; -1 where it was never read."""
    number = {target: position for position, target in enumerate(seen)}
    return np.array([number.get(one.get("target"), -1) for one in series], np.int64)


def births(seen: Seen, targets: Ints, at_ms: Ints) -> tuple[Flags, Ints]:
    """Which first samples begin a new series on a known target, and when it was read before."""
    everything = np.concatenate([*seen.values(), np.empty(0, np.int64)])
    if not len(everything):
        return np.zeros(len(at_ms), np.bool_), np.zeros(len(at_ms), np.int64)
    # One ascending column of all targets, each in a stretch of its own, asks one search for all.
    first_ms = int(everything.min())
    stretch = int(everything.max()) - first_ms + 2
    counts = [len(times) for times in seen.values()]
    keys = np.repeat(np.arange(len(counts)), counts) * stretch + (everything - first_ms)
    wanted = targets * stretch + np.clip(at_ms - first_ms, 0, stretch - 1)
    position = np.maximum(np.searchsorted(keys, wanted) - 1, 0)
    earlier_ms = everything[position]
    mine = (targets >= 0) & (keys[position] >= targets * stretch) & (keys[position] < wanted)
    born = mine & (at_ms - earlier_ms <= LOOKBACK_MS)
    return born, np.where(born, earlier_ms, 0)


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

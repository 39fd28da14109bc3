"""What is unusual for a series, learnt from its own last two weeks. Pure.

Each statistic is summed up in blocks of half a day: its largest value and its median. The threshold
is the largest value of the memory, measured from the usual one, times a margin. So autocorrelation,
heavy tails, bursts and a badly fitting expectation are in the threshold, without a model of any of
them: whatever the statistic did by itself in the last weeks, it may do again. The margin buys the
distance between "as bad as ever in two weeks" and "worse than chance would make it".

A statistic with few independent values in the memory (a day's level: fourteen) has a largest value
that says little; there the spread of the blocks guards: `guard` robust standard deviations.

What most of the memory does not do is not all learnt: an excursion of hours that fewer than a
quarter of the blocks reach counts for at most a trebling. It may come again, and is then worth
telling again, however large it was.

The newest complete block is left out, so that a change does not hide itself.
"""

from dataclasses import dataclass

import numpy as np

from detector.expected import middle, ordered, sliding
from storage.history import Flags, Floats

NORMAL_MAD = 1.4826  # 1 / the 3/4 quantile of the standard normal
DOUBLING = 0.693  # in logarithms
TREBLING = 1.099


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long is remembered. `block` windows, of which every `stride`-th counts for the median.

    `creep`: the largest value of a block counts for at most so many times the threshold then in
    force, so that one outage does not make the series deaf for two weeks; what comes again raises
    the threshold step by step.
    """

    block: int
    stride: int
    blocks: int = 28
    level_blocks: int = 14
    least: int = 4
    left_out: int = 1
    creep: float = 2.0

    @property
    def kept(self) -> int:
        """How many complete blocks have to be kept."""
        return self.blocks + self.left_out


def in_blocks(values: Floats, first_slot: int, block: int) -> Floats:
    """`[..., windows]` as `[..., blocks, block]` on the grid of the epoch, padded with NaN."""
    lead, shape = first_slot % block, values.shape
    tail = -(lead + shape[-1]) % block
    padded = np.full((*shape[:-1], lead + shape[-1] + tail), np.nan)
    padded[..., lead : lead + shape[-1]] = values
    return padded.reshape(*shape[:-1], -1, block)


def tops(blocks: Floats) -> Floats:
    """The largest value of each block; minus infinity where there is none."""
    largest: Floats = np.fmax.reduce(blocks, axis=-1, initial=-np.inf)
    return largest


def medians(sampled: Floats) -> Floats:
    """The median of each block's sampled values."""
    return middle(ordered(sampled))


def before(blocks: Floats, count: int, left_out: int, absent: float) -> Floats:
    """For each block the `count` blocks before it, the newest `left_out` of them not counted."""
    pad = np.full((*blocks.shape[:-1], count + left_out), absent)
    padded = np.concatenate([pad, blocks], axis=-1)
    return sliding(padded, count)[..., : blocks.shape[-1], :]


def usual(past: Floats, least: int) -> Floats:
    """The median of past block medians on the last axis; NaN with fewer than `least`."""
    in_order = ordered(past)
    return np.where(np.isnan(in_order[..., least - 1]), np.nan, middle(in_order))


def upper_quartile(in_order: Floats) -> Floats:
    """What a quarter of the values on the last axis reach; they are sorted, the NaNs last."""
    known = in_order.shape[-1] - np.isnan(in_order).sum(axis=-1)
    at = np.maximum(known - 1 - known // 4, 0)
    result: Floats = np.take_along_axis(in_order, at[..., None], axis=-1)[..., 0]
    return result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kinds:
    """What the statistics are of: `[statistics]`.

    `independent`: how many independent values a block holds. `floors`: the least change worth a
    notice, below which nothing has to be learnt slowly. `lasting`: whether their span is so long
    that what is held for all of it is worth telling each time.
    """

    independent: Floats
    floors: Floats
    lasting: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """How far beyond the memory is unusual.

    `margin`: so many times its largest value, and `chances` more for each factor e in how many
    independent values a block holds: what is asked more often has more chances to be wrong, and the
    largest of N grows with log N. `scarcity`: and by this over the number of independent
    values more, because the largest of few is a poor guide. `guard`: at least so many robust
    standard deviations of the blocks' medians. `doubt`: a threshold t (in logarithms) is raised to
    t (1 + doubt t), a small one hardly: where a series is so loud that only large changes can be
    seen, what is beyond is a burst of its own more often than a change that matters. From a
    threshold of `doubted_most` on, a doubling, the factor grows no more: else one of 20 times would
    become one of 190, which nothing reaches. `rare_counts`: what fewer than a quarter of the blocks
    reach counts for at most so much, for statistics of lasting spans.
    """

    margin: float = 0.9
    chances: float = 0.13
    scarcity: float = 5.0
    guard: float = 3.0
    doubt: float = 0.25
    doubted_most: float = DOUBLING
    rare_counts: float = np.inf


def thresholds(
    largest: Floats, middles: Floats, kinds: Kinds, memory: Memory, strictness: Strictness
) -> tuple[Floats, Floats]:
    """The usual value of each statistic in each block, and how far beyond it is unusual.

    `largest` and `middles` are those of the blocks, `[statistics, blocks]`. The second result is
    infinite where fewer than `memory.least` blocks are known.
    """
    past = before(middles, memory.blocks, memory.left_out, np.nan)
    centre = usual(past, memory.least)
    known = np.maximum(np.isfinite(past).sum(axis=-1), 1)
    spread = NORMAL_MAD * middle(ordered(np.abs(past - centre[..., None])))
    independent = kinds.independent
    chances = strictness.chances * np.log(np.maximum(independent, 1.0))
    margin = (strictness.margin + chances)[:, None]
    room = margin * (1.0 + strictness.scarcity / (known * independent[:, None]))
    guard = strictness.guard * spread
    counted = np.where(np.isfinite(middles), largest, -np.inf)
    most_counts = at_most(counted, centre, kinds.lasting, memory, strictness)
    # A row for each block, because block after block is taken: what one teaches is bounded by what
    # the ones before it did.
    taught, usually = (np.ascontiguousarray(one.T) for one in (counted, centre))
    limits = np.full(taught.shape, np.inf)
    rooms, guards, counts_most = (np.ascontiguousarray(one.T) for one in (room, guard, most_counts))
    with np.errstate(invalid="ignore"):
        for block in np.flatnonzero(np.isfinite(centre).any(axis=0)).tolist():
            end = block - memory.left_out
            most = taught[max(end - memory.blocks, 0) : end].max(axis=0)
            counts = np.fmin(most - usually[block], counts_most[block])
            limit = np.maximum(rooms[block] * counts, guards[block])
            limit *= 1.0 + strictness.doubt * np.minimum(limit, strictness.doubted_most)
            limits[block] = limit
            cap = usually[block] + memory.creep * np.maximum(limit, kinds.floors)
            taught[block] = np.fmin(taught[block], cap)
    return centre, np.ascontiguousarray(np.where(np.isfinite(limits), limits, np.inf).T)


def at_most(
    largest: Floats, centre: Floats, lasting: Flags, memory: Memory, strictness: Strictness
) -> Floats:
    """For how much the largest value of the memory counts at most: `[statistics, blocks]`.

    What a quarter of the past blocks reach, or `rare_counts`; a pattern of two days a week is in
    it. Infinite for spans that are not lasting.
    """
    result = np.full(centre.shape, np.inf)
    if np.isinf(strictness.rare_counts):
        return result
    reached = np.where(np.isneginf(largest), np.nan, largest)[lasting]
    in_order = ordered(before(reached, memory.blocks, memory.left_out, np.nan))
    often = upper_quartile(in_order) - centre[lasting]
    result[lasting] = np.fmax(often, strictness.rare_counts)
    return result

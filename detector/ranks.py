"""The last so many values at every slot, in order of size, without sorting each slot's anew. Pure.

The values of `2k` slots in a row are those of two times `k`, already in order, and are merged by
Batcher's odd-even merge (Knuth, The Art of Computer Programming 3, 5.3.4): a few dozen passes of
minimum and maximum over the whole history. For up to a dozen slots that is two to three times as
fast as sorting as many rows as there are slots, and gives the same values.

Results are "by rank": a list of arrays `[..., windows]`, the smallest first. What is missing is
infinite here, so that it is last.
"""

from collections.abc import Iterable

import numpy as np

from storage.history import Floats

MOST = 12
"""For more values in a row than this, sorting each slot's is as fast."""


def merged(one: list[Floats], other: list[Floats]) -> list[Floats]:
    """Two lists by rank as one."""
    if not one or not other:
        return [*one, *other]
    if len(one) == len(other) == 1:
        return [np.minimum(one[0], other[0]), np.maximum(one[0], other[0])]
    evens, odds = merged(one[::2], other[::2]), merged(one[1::2], other[1::2])
    result = [evens[0]]
    for odd, even in zip(odds, evens[1:], strict=False):
        result += [np.minimum(odd, even), np.maximum(odd, even)]
    return result + evens[1 + len(odds) :] + odds[len(evens) - 1 :]


def by_size(rows: list[Floats]) -> list[Floats]:
    """Arrays by rank, place by place."""
    if len(rows) <= 1:
        return rows
    half = len(rows) // 2
    return merged(by_size(rows[:half]), by_size(rows[half:]))


def trailing_by_rank(values: Floats, counts: Iterable[int]) -> dict[int, list[Floats]]:
    """The last `count` values at every slot by rank, for each of the counts."""
    wanted = sorted(set(counts))
    reach, windows = max(wanted, default=1) - 1, values.shape[-1]
    padded = np.full((*values.shape[:-1], reach + windows), np.inf)
    np.copyto(padded[..., reach:], values, where=~np.isnan(values))
    held = {1: [padded]}

    def of(count: int) -> list[Floats]:
        """From the first slot that has so many before it; what is asked for again is held."""
        if count not in held:
            older = 1 << (count.bit_length() - 1)
            older = older // 2 if older == count else older
            newer = count - older
            held[count] = merged(
                [row[..., : row.shape[-1] - newer] for row in of(older)],
                [row[..., older:] for row in of(newer)],
            )
        return held[count]

    return {count: [row[..., reach + 1 - count :] for row in of(count)] for count in wanted}


def middle_of(by_rank: list[Floats]) -> Floats:
    """The lower middle one of what is known; NaN where nothing is."""
    middle = (len(by_rank) - 1) // 2
    if np.isfinite(by_rank[-1]).all():
        return np.array(by_rank[middle])
    result = np.where(np.isfinite(by_rank[0]), by_rank[0], np.nan)
    for rank in range(1, middle + 1):  # the middle one as soon as twice as many and one are known
        np.copyto(result, by_rank[rank], where=np.isfinite(by_rank[2 * rank]))
    return result


def ranked(by_rank: list[Floats], rank: int, least: int) -> Floats:
    """The value of a rank; NaN where fewer than `least` are known."""
    return np.where(np.isfinite(by_rank[least - 1]), by_rank[rank], np.nan)

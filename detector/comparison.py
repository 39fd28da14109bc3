"""What lies before and after a moment: medians with intervals, and what they say. Pure.

The interval of a median is one of order statistics: how many of n values lie below the median is
binomial with 1/2, whatever their distribution is (David and Nagaraja, Order Statistics, 2003, 7.1).
It holds for independent values, and windows in a row resemble each other. So n is the effective
number: n (1 - r) / (1 + r), where r is the autocorrelation of neighbours (Bayley and Hammersley
1946, of a first-order process), its small-sample bias taken out (Marriott and Pope 1954).

Two medians differ when they lie further apart than the halves of both intervals that face each
other, added as squares, and by 5 %. Of windows without a change whose logarithms scatter by 20 %,
1 to 3 of 100 are told, whatever r is between 0 and 0.9; by plain intervals it were up to 40. The
same time of the days before takes most of these away, where it is known: under 1 of 100 is left.
What is told is a difference in time, and says nothing of a cause.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np

from detector.deployments import same_slot
from detector.finding import Check, Slots
from detector.form import Direction
from storage.history import Floats

CONFIDENCE = 0.95
LEAST_WINDOWS = 6
"""Of fewer values the extremes do not hold the median with 95 %."""
LEAST_EFFECT = 0.05
MOST_ALIKE = 0.98
ROUNDING = 1e-12


class Outcome(StrEnum):
    """What a comparison says; the first ones are what a person looks for."""

    WORSE = "worse"
    BETTER = "better"
    MOVED = "moved"
    """It moved, and no rule says which way is worse."""
    USUAL = "usual"
    """It moved, but no more than it does at that time on other days."""
    STEADY = "steady"
    """The medians are within what their intervals allow, or within 5 %."""
    UNKNOWN = "unknown"
    """Fewer than 6 effective windows on one side. Never the same as steady."""


@dataclass(frozen=True, slots=True)
class Median:
    """The median of some windows with the 95 % interval that holds it."""

    value: float
    low: float
    high: float
    n: int
    effective: float
    """How many independent windows would say as much."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer with its evidence. `ratio` is after over before; `slots` are the days before."""

    outcome: Outcome
    before: Median | None = None
    after: Median | None = None
    ratio: float | None = None
    slots: Slots = field(default_factory=Slots)


@dataclass(frozen=True, slots=True)
class Beside:
    """The windows of one series before and after a moment.

    `judged_*` are those of the length that rules judge, where `before` and `after` are shorter
    ones; `earlier_*` are the same times of the days before in that length, a row each, and None
    while nobody has read them.
    """

    before: Floats
    after: Floats
    judged_before: Floats | None = None
    judged_after: Floats | None = None
    earlier_before: Floats | None = None
    earlier_after: Floats | None = None


@lru_cache(maxsize=1024)
def rank(n: int) -> int:
    """How many of n sorted values lie outside the interval of the median at either end, less one.

    So values `rank` and `n - 1 - rank` (from zero) are its edges; -1 where no interval is 95 %.
    """
    outside, below = (1 - CONFIDENCE) / 2, 0.0
    for k in range(n // 2 + 1):
        chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        below += math.exp(chosen - n * math.log(2))
        if below > outside:
            return k - 1
    return n // 2 - 1


def alike(values: Floats) -> float:
    """The autocorrelation of neighbours, about their mean; 0 of values that are all the same."""
    apart = values - values.mean()
    # The mean of many 0.3 is not 0.3: what rounding leaves is no likeness.
    apart[np.abs(apart) <= ROUNDING * np.abs(values)] = 0.0
    size = float((apart * apart).sum())
    return float((apart[1:] * apart[:-1]).sum()) / size if size > 0 else 0.0


def independent(*sides: Floats) -> float:
    """The share of windows that count as independent, from how alike neighbours are on all sides.

    One number for all sides, so that a change between them is not taken for likeness.
    """
    known = [side[np.isfinite(side)] for side in sides]
    n = float(np.mean([len(side) for side in known]))
    if min(len(side) for side in known) < LEAST_WINDOWS:
        return 1.0
    found = float(np.mean([alike(side) for side in known]))
    unbiased = min(max(found + (1 + 4 * found) / n, 0.0), MOST_ALIKE)
    return (1 - unbiased) / (1 + unbiased)


def median(values: Floats, share: float = 1.0) -> Median | None:
    """The median of the finite values with its interval; None of fewer than six effective ones."""
    known = np.sort(values[np.isfinite(values)])
    n, effective = len(known), share * len(known)
    edge = rank(int(effective)) if effective >= LEAST_WINDOWS else -1
    if edge < 0:
        return None
    # The value at the same share of all values as the edge has among the effective ones.
    place = min(int((edge + 0.5) / int(effective) * n), (n - 1) // 2)
    low, high = float(known[place]), float(known[n - 1 - place])
    return Median(float(np.median(known)), low, high, n, effective)


def moved(before: Median, after: Median) -> bool:
    """Whether the medians are further apart than their intervals allow, and by 5 % or more."""
    change = abs(after.value - before.value)
    if after.value > before.value:
        doubt = math.hypot(before.high - before.value, after.value - after.low)
    else:
        doubt = math.hypot(before.value - before.low, after.high - after.value)
    size = max(abs(before.value), abs(after.value))
    return change > doubt and change >= LEAST_EFFECT * size


def compare(one: Beside, worse: Direction | None) -> Comparison:
    """What the windows say; `worse` is None for a series that no rule judges."""
    share = independent(one.before, one.after)
    before, after = median(one.before, share), median(one.after, share)
    if before is None or after is None:
        return Comparison(Outcome.UNKNOWN, before, after)
    ratio = after.value / before.value if before.value else None
    if not moved(before, after):
        return Comparison(Outcome.STEADY, before, after, ratio)
    upwards = after.value > before.value
    slots = Slots()
    if one.earlier_before is not None and one.earlier_after is not None:
        slots = same_slot(
            one.before if one.judged_before is None else one.judged_before,
            one.after if one.judged_after is None else one.judged_after,
            one.earlier_before,
            one.earlier_after,
            upwards=upwards,
        )
    outcome = Outcome.MOVED
    if slots.check is Check.FAILED:
        outcome = Outcome.USUAL
    elif worse is not None:
        outcome = Outcome.WORSE if upwards == (worse is Direction.UP) else Outcome.BETTER
    return Comparison(outcome, before, after, ratio, slots)

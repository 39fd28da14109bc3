"""What lies before and after a moment: medians with intervals, and what they say. Pure.

The interval of a median is one of order statistics: how many of n values lie below the median is
binomial with 1/2, whatever their distribution is (David and Nagaraja, Order Statistics, 2003, 7.1).
It holds for independent values. Windows in a row are not: their intervals are too narrow. So a
difference must also be large enough to matter, and larger than what the days before did at the
same time, where they are known. What is left is a difference in time, and says nothing of a cause.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np

from detector.deployments import same_slot
from detector.finding import Check, Slots
from detector.signal import Direction
from storage.history import Floats

CONFIDENCE = 0.95
LEAST_WINDOWS = 6
"""Of fewer values the extremes do not hold the median with 95 %."""
LEAST_EFFECT = 0.05


class Outcome(StrEnum):
    """What a comparison says; the first ones are what a person looks for."""

    WORSE = "worse"
    BETTER = "better"
    MOVED = "moved"
    """It moved, and no rule says which way is worse."""
    USUAL = "usual"
    """It moved as it did at the same time of the days before."""
    STEADY = "steady"
    """The intervals overlap, or the medians are within 5 %."""
    UNKNOWN = "unknown"
    """Fewer than 6 windows on one side. Never the same as steady."""


@dataclass(frozen=True, slots=True)
class Median:
    """The median of some windows with the 95 % interval that holds it."""

    value: float
    low: float
    high: float
    n: int


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


def median(values: Floats) -> Median | None:
    """The median of the finite values with its interval; None of fewer than six."""
    known = np.sort(values[np.isfinite(values)])
    edge = rank(len(known)) if len(known) >= LEAST_WINDOWS else -1
    if edge < 0:
        return None
    low, high = float(known[edge]), float(known[len(known) - 1 - edge])
    return Median(float(np.median(known)), low, high, len(known))


def moved(before: Median, after: Median) -> bool:
    """Whether the intervals are apart, and the medians by 5 % or more of the larger one."""
    if after.low <= before.high and before.low <= after.high:
        return False
    size = max(abs(before.value), abs(after.value))
    return abs(after.value - before.value) >= LEAST_EFFECT * size


def compare(one: Beside, worse: Direction | None) -> Comparison:
    """What the windows say; `worse` is None for a series that no rule judges."""
    before, after = median(one.before), median(one.after)
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

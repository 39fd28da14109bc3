"""Whether two series move together beyond luck. Pure, over arrays that the caller gives.

Any two things that get worse in the same minute agree in having got worse; that is the coincidence
which is to be explained, and no evidence of a common cause. So not the levels are compared but the
steps from window to window, over a while before and after the change: a cache that misses more in
one minute makes the database work more in that minute. Steps also take out what both share with
everything else, the hour of the day.

Common steps must agree in sign in at least 60 %, and in more than luck explains. Luck is the normal
tail of the number of agreements, with as many independent steps as remain when the autocorrelation
of both is taken off (Bartlett 1946), at 1 % shared by all comparisons of one tick (Bonferroni).
"""

from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from storage.history import Floats

LEAST_SHARE = 0.60
LEAST_STEPS = 30
LUCK = 0.01
MOST_COMPARISONS = 24
LAGS = 5
Z_NEEDED = NormalDist().inv_cdf(1 - LUCK / MOST_COMPARISONS)


class Likeness(StrEnum):
    """What a comparison of two shapes says."""

    UNKNOWN = "unknown"  # too few common steps to say
    APART = "apart"
    TOGETHER = "together"


@dataclass(frozen=True, slots=True)
class Agreement:
    """The verdict, the share of the common steps that agree in sign, and how many there were."""

    likeness: Likeness
    share: float
    steps: int


NOTHING_KNOWN = Agreement(Likeness.UNKNOWN, 0.0, 0)


def agreement(one: Floats, other: Floats, *, opposed: bool = False) -> Agreement:
    """Whether two series on one grid of windows move together; NaN is a gap.

    `opposed` when one is worse upwards and the other downwards, like a hit rate and a time. Scale
    and unit of either make no difference.
    """
    size = min(len(one), len(other))
    mine, theirs = np.sign(np.diff(one[:size])), np.sign(np.diff(other[:size]))
    common = np.isfinite(mine) & np.isfinite(theirs) & (mine != 0) & (theirs != 0)
    steps = int(common.sum())
    if steps < LEAST_STEPS:
        return Agreement(Likeness.UNKNOWN, 0.0, steps)
    mine, theirs = mine[common], -theirs[common] if opposed else theirs[common]
    share = float(np.mean(mine == theirs))
    z = (2 * share - 1) * np.sqrt(independent(mine, theirs))
    together = share >= LEAST_SHARE and z >= Z_NEEDED
    return Agreement(Likeness.TOGETHER if together else Likeness.APART, share, steps)


def independent(one: Floats, other: Floats) -> float:
    """How many independent steps two columns of signs are worth; never more than there are."""
    size = len(one)
    inflation = 1.0
    for lag in range(1, LAGS + 1):
        both = np.mean(one[lag:] * one[:-lag]) * np.mean(other[lag:] * other[:-lag])
        inflation += 2 * (1 - lag / size) * float(both)
    return size / max(1.0, inflation)

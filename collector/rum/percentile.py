"""The 75th percentile of bucket counts, how sure it is, and whether two of them differ. Pure.

The band holds the true percentile with the given confidence whatever the distribution is: the rank
of the p-quantile among n values is binomial, so it lies within `p n +- z sqrt(p (1-p) n)`, and the
values at those ranks are read from the buckets (David and Nagaraja, Order Statistics, 2003, 7.1).
Interpolation within a bucket is the one thing it cannot account for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from collector.rum.vitals import VITALS

P75 = 0.75
Z_95 = 1.959964
Z_99 = 2.575829
LEAST_SHOWN = 25
"""Fewer values have no percentile worth showing."""
LEAST_CERTAIN = 100
"""Fewer values have a percentile that is shown as uncertain."""
LEAST_EFFECT: Mapping[str, float] = {
    "LCP": 0.1,
    "FCP": 0.1,
    "TTFB": 0.05,
    "INP": 0.016,
    "CLS": 0.01,
}
"""What a person could notice, in seconds (CLS: score)."""
LEAST_SHARE = 0.05
LEAST_COUNT: Mapping[str, int] = {"LCP": 200, "FCP": 200, "TTFB": 200, "INP": 500, "CLS": 500}

BOUNDS: Mapping[str, tuple[float, ...]] = {
    name: (*vital.edges, math.inf) for name, vital in VITALS.items()
}


def percentile(bounds: Sequence[float], counts: Sequence[float], q: float) -> float:
    """The q-quantile by linear interpolation within its bucket; NaN of nothing.

    As `histogram_quantile` does it: a first bucket with a positive bound begins at zero, and beyond
    the last finite bound the answer is that bound.
    """
    total = math.fsum(counts)
    if total <= 0:
        return math.nan
    return at_rank(bounds, counts, q * total)


def at_rank(bounds: Sequence[float], counts: Sequence[float], rank: float) -> float:
    """The value at a rank, counted from 0 to the number of values."""
    below = 0.0
    lower = min(0.0, bounds[0])
    for bound, count in zip(bounds, counts, strict=True):
        if below + count >= rank and count > 0:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * min(max((rank - below) / count, 0.0), 1.0)
        below += count
        lower = lower if math.isinf(bound) else bound
    return lower


@dataclass(frozen=True, slots=True)
class Band:
    """A percentile with the edges of its confidence band."""

    value: float
    low: float
    high: float


def band(
    bounds: Sequence[float], counts: Sequence[float], q: float = P75, z: float = Z_95
) -> Band | None:
    """The quantile and its order-statistic band; None of fewer than `LEAST_SHOWN` values."""
    n = math.fsum(counts)
    if n < LEAST_SHOWN:
        return None
    half = z * math.sqrt(q * (1 - q) * n)
    rank = q * n
    return Band(
        at_rank(bounds, counts, rank),
        at_rank(bounds, counts, max(rank - half, 0.0)),
        at_rank(bounds, counts, min(rank + half, n)),
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of the values is good, needs improvement, is poor; they add up to 1."""

    good: float
    needs_improvement: float
    poor: float


def shares(metric: str, counts: Sequence[float]) -> Shares | None:
    """The parts, exact because the thresholds are edges; None of nothing."""
    total = math.fsum(counts)
    if total <= 0:
        return None
    vital = VITALS[metric]
    good = math.fsum(counts[: vital.bucket(vital.good) + 1])
    fair = math.fsum(counts[: vital.bucket(vital.fair) + 1])
    return Shares(good / total, (fair - good) / total, (total - fair) / total)


class Comparison(StrEnum):
    """How one set of values stands against another."""

    UNKNOWN = "unknown"
    STEADY = "steady"
    WORSE = "worse"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class Compared:
    """The answer with its evidence: both bands at 99 %, and z of the shares worse than good."""

    verdict: Comparison
    reason: str
    before: Band | None
    after: Band | None
    share_z: float | None


def compare(metric: str, before: Sequence[float], after: Sequence[float]) -> Compared:
    """Whether `after` is worse or better than `before`: releases, or now and an earlier time.

    Of CLS the shares are compared, because half of all its values are 0 and a percentile says
    little; of the others the bands must be apart. A difference must also be one that a person could
    notice. Fewer values than `LEAST_COUNT` on either side are `unknown`.
    """
    bounds = BOUNDS[metric]
    old, new = band(bounds, before, z=Z_99), band(bounds, after, z=Z_99)
    z = two_proportions(worse_than_good(metric, before), worse_than_good(metric, after))
    least = LEAST_COUNT[metric]
    if old is None or new is None or min(math.fsum(before), math.fsum(after)) < least:
        return Compared(Comparison.UNKNOWN, f"fewer than {least} values", old, new, z)
    if metric == "CLS":
        return _by_share(metric, before, after, Compared(Comparison.STEADY, "", old, new, z))
    effect = max(LEAST_SHARE * old.value, LEAST_EFFECT[metric])
    if new.low > old.high and new.value - old.value >= effect:
        return Compared(Comparison.WORSE, "the bands of the p75 are apart", old, new, z)
    if new.high < old.low and old.value - new.value >= effect:
        return Compared(Comparison.BETTER, "the bands of the p75 are apart", old, new, z)
    return Compared(Comparison.STEADY, "the bands of the p75 overlap, or are close", old, new, z)


def _by_share(
    metric: str, before: Sequence[float], after: Sequence[float], steady: Compared
) -> Compared:
    old, new = worse_than_good(metric, before), worse_than_good(metric, after)
    difference = new[0] / new[1] - old[0] / old[1]
    z = steady.share_z or 0.0
    verdict, reason = Comparison.STEADY, "the shares worse than good are alike"
    if abs(z) > Z_99 and abs(difference) >= LEAST_SHARE / 2:
        verdict = Comparison.WORSE if z > 0 else Comparison.BETTER
        reason = "the shares worse than good differ"
    return Compared(verdict, reason, steady.before, steady.after, z)


def worse_than_good(metric: str, counts: Sequence[float]) -> tuple[float, float]:
    """(values worse than good, all values)."""
    vital = VITALS[metric]
    return math.fsum(counts[vital.bucket(vital.good) + 1 :]), math.fsum(counts)


def two_proportions(before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """z of the difference of two shares, pooled; positive where the share grew; None of nothing."""
    (x0, n0), (x1, n1) = before, after
    if not n0 or not n1:
        return None
    pooled = (x0 + x1) / (n0 + n1)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    return (x1 / n1 - x0 / n0) / spread if spread else 0.0


def reweighted(
    before: Mapping[tuple[str, ...], Sequence[float]],
    after: Mapping[tuple[str, ...], Sequence[float]],
) -> list[float] | None:
    """The counts of `after` as if its strata were as frequent as in `before`; None where none is.

    Post-stratification: each stratum (device, connection, kind of navigation) that both have keeps
    its own distribution and gets the share of all that it had before. What only one of them has is
    left out of both, so that the answer compares like with like. The sum stays that of the strata
    that are left, because more certainty than was measured must not come of it.
    """
    common = [key for key, counts in after.items() if sum(counts) and sum(before.get(key, ())) > 0]
    if not common:
        return None
    was = math.fsum(math.fsum(before[key]) for key in common)
    now = math.fsum(math.fsum(after[key]) for key in common)
    found = [0.0] * len(after[common[0]])
    for key in common:
        factor = math.fsum(before[key]) / was * now / math.fsum(after[key])
        for i, count in enumerate(after[key]):
            found[i] += count * factor
    return found

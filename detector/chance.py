"""How sure a quantile or a share of so many observations is, and whether two of them differ. Pure.

Of n values drawn from one distribution, whatever it is, the number below its q-quantile is
binomial. So that quantile lies, with the confidence of z, between the values at the ranks
`q n +- z sqrt(q (1-q) n)` (David and Nagaraja, Order Statistics, 3rd edition 2003, section 7.1).
Where it is held against the quantile of m other values, that one is uncertain, too: the share of
the distribution below it varies by q (1-q) / m about q, independently. The two add up, and the
ranks become `q n +- z sqrt(q (1-q) n (1 + n/m))`.

What lies between the edges of a bucket is interpolated; that is the one thing no band accounts for.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from detector.buckets import Bounds, Buckets
from storage.history import Floats

LEAST_COMPARED = 25
"""Fewer observations before, at the same hours, are nothing to hold a band against."""
Z_95 = NormalDist().inv_cdf(0.975)


def deviations(confidence: float) -> float:
    """The two-sided z of a confidence: 2.58 of 0.99."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def quantile(bounds: Bounds, counts: Floats, q: float) -> float:
    """The q-quantile of one histogram as `Buckets.quantile` finds it; NaN of nothing."""
    row = Buckets((bounds,), np.zeros(1, np.int64), np.cumsum(counts)[None, :])
    return float(row.quantile(min(max(q, 0.0), 1.0))[0])


def quantile_edge(
    bounds: Bounds, now: Floats, before: Floats, q: float, z: float, *, upwards: bool
) -> tuple[float, float]:
    """(edge, quantile before): the nearer edge of the band of `now`, widened by what m leaves open.

    The quantile is beyond the one before, with the confidence of z, where the edge is. NaN where
    fewer than `LEAST_COMPARED` observations are before, or none now.
    """
    n, m = float(np.sum(now)), float(np.sum(before))
    if n <= 0 or m < LEAST_COMPARED:
        return math.nan, math.nan
    half = z * math.sqrt(q * (1 - q) * n * (1 + n / m))
    rank = q * n - half if upwards else q * n + half
    return quantile(bounds, now, rank / n), quantile(bounds, before, q)


def share_edge(
    now: tuple[float, float], before: tuple[float, float], z: float, *, upwards: bool
) -> tuple[float, float]:
    """(edge, share before) of two counts `(within, all)`, by the test of two proportions.

    The shares differ with the confidence of z, pooled, exactly where the edge is beyond the share
    before. Shares are exact, because their bound is an edge of the buckets.
    """
    (x, n), (y, m) = now, before
    if n <= 0 or m < LEAST_COMPARED:
        return math.nan, math.nan
    pooled = (x + y) / (n + m)
    half = z * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return x / n - half if upwards else x / n + half, y / m


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that so many observations tell, with the edges of its 95 % band."""

    value: float
    low: float
    high: float
    n: float


def of_quantile(bounds: Bounds, counts: Floats, q: float) -> Estimate:
    """A quantile with its order-statistic band."""
    n = float(np.sum(counts))
    half = Z_95 * math.sqrt(q * (1 - q) / n) if n else math.nan
    value, low, high = (quantile(bounds, counts, one) for one in (q, q - half, q + half))
    return Estimate(value, low, high, n)


def of_share(within: float, n: float) -> Estimate:
    """A share with its score interval (Wilson, JASA 22, 1927), which holds near 0 and 1, too."""
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0.0)
    share, z2 = within / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def difference(before: Estimate, after: Estimate) -> Estimate:
    """`after - before` with its 95 % interval, from the two single ones.

    The method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008):
    each limit takes the distances of the two values to the limits that push it outwards. Of shares
    this is Newcombe's interval. `n` is that of the smaller side.
    """
    gap = after.value - before.value
    return Estimate(
        gap,
        gap - math.hypot(after.value - after.low, before.high - before.value),
        gap + math.hypot(after.high - after.value, before.value - before.low),
        min(before.n, after.n),
    )

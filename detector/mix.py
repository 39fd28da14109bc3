"""Whether others came, or the same were served worse: a difference with the visitors made alike.

Pure. Post-stratification: each stratum of page views (a connection, a country, a navigation) keeps
what it measures now and gets the share of all that it had before. What is left of the difference
then is none of composition (Holt and Smith, Post Stratification, JRSS A 142, 1979).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from storage.history import Floats

Stratum = tuple[str, ...]
Strata = Mapping[Stratum, Floats]
"""Observations by bucket of each stratum."""
Statistic = Callable[[Floats], float]

REST: Stratum = ("",)
LEAST_IN_STRATUM = 20
"""Strata with fewer observations, now and before, are taken together as one; those with fewer on
one side only are left out of both."""
LEAST_EFFECTIVE = 100.0
"""So many must be behind the weighed number, by Kish's effective sample size; else no word."""
LEAST_OF_DIFFERENCE = 0.25
"""Of a difference smaller than this part of the judged one the rest says nothing."""
MOST_MOVED = 3


@dataclass(frozen=True, slots=True)
class Moved:
    """A stratum and its share of the page views, before and now."""

    stratum: Stratum
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Alike:
    """A statistic before, now, and now with the strata as frequent as before.

    `common` is the one before of the strata that both have: what only one side has is left out of
    both, so that the weighed number is compared with its like. `moved` are the strata whose shares
    changed most.
    """

    before: float
    measured: float
    common: float
    alike: float
    moved: tuple[Moved, ...]

    @property
    def left(self) -> float:
        """The part of the difference that is left with the visitors made alike; 1 is all of it."""
        return (self.alike - self.common) / (self.measured - self.before)


def collapsed(before: Strata, now: Strata) -> tuple[dict[Stratum, Floats], dict[Stratum, Floats]]:
    """Both with the strata that can be compared, the sparse ones taken together as `REST`."""
    sides: tuple[dict[Stratum, Floats], dict[Stratum, Floats]] = {}, {}
    for key in {**before, **now}:
        both = before.get(key), now.get(key)
        sizes = [0.0 if one is None else float(one.sum()) for one in both]
        if min(sizes) < LEAST_IN_STRATUM <= max(sizes):
            continue
        name = key if min(sizes) >= LEAST_IN_STRATUM else REST
        for side, counts in zip(sides, both, strict=True):
            if counts is not None:
                side[name] = side[name] + counts if name in side else counts
    return sides


def alike(before: Strata, now: Strata, statistic: Statistic) -> Alike | None:
    """What is measured now with the strata of before; None where too little is known to say."""
    if not before or not now:
        return None
    was, is_ = collapsed(before, now)
    common = [
        key
        for key, counts in is_.items()
        if float(counts.sum()) >= LEAST_IN_STRATUM
        and key in was
        and float(was[key].sum()) >= LEAST_IN_STRATUM
    ]
    if not common:
        return None
    n = np.array([is_[key].sum() for key in common])
    wanted = np.array([was[key].sum() for key in common])
    weights = wanted / wanted.sum() * n.sum() / n
    effective = (weights * n).sum() ** 2 / (weights**2 * n).sum()
    if effective < LEAST_EFFECTIVE:
        return None
    weighed = np.sum(
        [w * is_[key] for w, key in zip(weights.tolist(), common, strict=True)], axis=0
    )
    return Alike(
        before=statistic(np.sum([*before.values()], axis=0)),
        measured=statistic(np.sum([*now.values()], axis=0)),
        common=statistic(np.sum([was[key] for key in common], axis=0)),
        alike=statistic(weighed),
        moved=moved(before, now),
    )


def moved(before: Strata, now: Strata) -> tuple[Moved, ...]:
    """The strata whose share of all changed most, those that grew first."""
    totals = [float(sum(one.sum() for one in side.values())) for side in (before, now)]

    def shares(key: Stratum) -> tuple[float, float]:
        was, is_ = (
            float(side[key].sum()) / total if key in side and total else 0.0
            for side, total in zip((before, now), totals, strict=True)
        )
        return was, is_

    found = [Moved(key, *shares(key)) for key in {**before, **now}]
    found.sort(key=lambda one: (-abs(one.now - one.before), one.stratum))
    return tuple(sorted(found[:MOST_MOVED], key=lambda one: one.before - one.now))


def explains(found: Alike, difference: float) -> float:
    """The part of a judged difference that is left; NaN where the page views do not show it.

    The hours that page views are counted by reach further back than the judged window. Where they
    show hardly any of its difference, or one the other way, they cannot say what it is made of.
    """
    seen = found.measured - found.before
    if not np.isfinite(seen) or seen * difference <= 0:
        return float("nan")
    if abs(seen) < LEAST_OF_DIFFERENCE * abs(difference) or not np.isfinite(found.alike):
        return float("nan")
    return found.left

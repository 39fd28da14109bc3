"""Which deployments fit a change in time, and what speaks for them. Correlation, never more. Pure.

The window is from 30 minutes before the change set in until it had. The score is how near a
deployment lies and how close what was deployed stands to what regressed. Two comparisons may make
it probable: the change is not one of every day at that time, and the same signal of other services
did not move as well.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from detector.dependencies import Dependencies, Place, place_of
from detector.finding import Check, Correlation, Match, Peers, Slots
from detector.regression import Deployment, Regression
from storage.history import Floats

BEFORE_MS = 30 * 60_000
# Own services lie in 0.5 to 1, dependencies in 0.25 to 0.5, others in 0.125 to 0.25: closeness
# weighs more than minutes.
WEIGHTS = {Match.SAME_SERVICE: 1.0, Match.DEPENDENCY: 0.5, Match.OTHER_SERVICE: 0.25}

LEAST_WINDOWS = 3
LEAST_DAYS = 3
Z_NEEDED = 3.0
# So that seven days that are alike by chance do not make everything significant.
LEAST_SPREAD = 0.02
# A peer has moved when it moved half as much, the same way.
MOVED_SHARE = 0.5
# One peer of ten may have a reason of its own.
MAY_MOVE = 0.1


def correlations(
    deployments: Iterable[Deployment],
    members: Sequence[Regression],
    kinds: Mapping[str, str],
    dependencies: Dependencies,
) -> tuple[Correlation, ...]:
    """Every deployment that fits some regression of an incident, the closest first; untested."""
    places = {one.id: place_of(one.labels, kinds.get(one.signal, "")) for one in members}
    found = []
    for deployment in deployments:
        fitting = [
            (score(deployment, one, match), match, one)
            for one in members
            if one.began_lo_ms - BEFORE_MS <= deployment.at_ms <= one.began_hi_ms
            for match in [match_of(deployment.service, places[one.id], dependencies)]
        ]
        if fitting:
            best, match, one = min(
                fitting, key=lambda fit: (-fit[0], fit[2].began_lo_ms, fit[2].id)
            )
            found.append(
                Correlation(
                    deployment_id=deployment.id,
                    service=deployment.service,
                    version=deployment.version,
                    at_ms=deployment.at_ms,
                    url=deployment.url,
                    regression_id=one.id,
                    match=match,
                    score=best,
                )
            )
    return tuple(sorted(found, key=lambda one: (-one.score, -one.at_ms, one.deployment_id)))


def match_of(service: str, place: Place, dependencies: Dependencies) -> Match:
    """How close what was deployed stands to what regressed."""
    if service in place.names:
        return Match.SAME_SERVICE
    reach = (dependencies.reach.get(name, frozenset()) for name in place.names)
    return Match.DEPENDENCY if any(service in one for one in reach) else Match.OTHER_SERVICE


def score(deployment: Deployment, regression: Regression, match: Match) -> float:
    """Between 0 and 1: a half for the earliest that fits, whole for one in the span of change."""
    ahead_ms = max(0, regression.began_lo_ms - deployment.at_ms)
    return round(WEIGHTS[match] * (1 - 0.5 * ahead_ms / BEFORE_MS), 4)


def same_slot(
    before: Floats,
    after: Floats,
    earlier_before: Floats,
    earlier_after: Floats,
    *,
    upwards: bool,
) -> Slots:
    """Whether the change is one that the days before did not see at the same time.

    `before` and `after` are the windows on either side of the change, the earlier ones a row a day;
    NaN is a gap. The change is the logarithm of the ratio of medians; it passes when it lies at
    least 3 robust standard deviations beyond those of the days before, the worse way. Values that
    are not positive have no logarithm: then nothing is said.
    """
    change = move(before, after)
    rows = zip(np.atleast_2d(earlier_before), np.atleast_2d(earlier_after), strict=True)
    usual = np.array([move(one, other) for one, other in rows], np.float64)
    usual = usual[np.isfinite(usual)]
    if not math.isfinite(change) or len(usual) < LEAST_DAYS:
        told = math.exp(change) if math.isfinite(change) else None
        return Slots(Check.UNKNOWN, change=told, days=len(usual))
    middle = float(np.median(usual))
    spread = max(1.4826 * float(np.median(np.abs(usual - middle))), LEAST_SPREAD)
    way = 1 if upwards else -1
    passed = way * change > 0 and way * (change - middle) >= Z_NEEDED * spread
    check = Check.PASSED if passed else Check.FAILED
    return Slots(check, math.exp(change), math.exp(middle), spread, len(usual))


def peers(before: Floats, after: Floats, change: float, *, upwards: bool) -> Peers:
    """Whether the same signal stayed where it was elsewhere; a row a peer, `change` as a ratio.

    A peer without enough windows is no peer. Without peers nothing is said.
    """
    rows = zip(np.atleast_2d(before), np.atleast_2d(after), strict=True)
    moves = np.array([move(one, other) for one, other in rows], np.float64)
    moves = moves[np.isfinite(moves)]
    way = 1 if upwards else -1
    size = way * math.log(change) if change > 0 else 0.0
    if not len(moves) or size <= 0:
        return Peers(Check.UNKNOWN, len(moves), 0)
    moved = int((way * moves >= MOVED_SHARE * size).sum())
    check = Check.PASSED if moved <= MAY_MOVE * len(moves) else Check.FAILED
    return Peers(check, len(moves), moved)


def move(before: Floats, after: Floats) -> float:
    """The logarithm of the ratio of medians; NaN where too few windows, or none positive."""
    sides = [side[np.isfinite(side)] for side in (before, after)]
    if min(len(side) for side in sides) < LEAST_WINDOWS:
        return math.nan
    low, high = (float(np.median(side)) for side in sides)
    return math.log(high / low) if low > 0 and high > 0 else math.nan

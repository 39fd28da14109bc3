"""Where an incident probably began: what changed first, else what the others rest on. Pure.

A change is known as a span, not as a moment, so "first" is everything whose span begins before the
first span ends. Of those the deepest remain, on which all the others of them rest; of those again
the ones whose own service was deployed shortly before. An origin is named only when one thing
remains. When several do, they are told as not told apart, and nothing is claimed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from detector.dependencies import Dependencies, Place, place_of
from detector.finding import Origin, OriginReason, OriginVerdict
from detector.group import subject
from detector.regression import Regression
from storage.series import Labels


@dataclass(frozen=True, slots=True)
class Thing:
    """What a person would call one thing: a route, a cache, a query class."""

    place: Place
    labels: Labels


def origin(
    members: Sequence[Regression],
    kinds: Mapping[str, str],
    dependencies: Dependencies,
    deployed: Collection[str] = (),
    before: str = "",
) -> Origin:
    """The origin of the regressions of one incident.

    `kinds` gives the kind of each signal, `deployed` the regressions that a deployment of their own
    service fits, `before` the regression that was named last: of several of one thing it stays.
    """
    if not members:
        return Origin()
    thing_of = {one.id: thing(one, kinds) for one in members}
    all_ = frozenset(thing_of.values())
    fitting = frozenset(thing_of[one.id] for one in members if one.id in deployed)
    first = earliest(members)
    soon = frozenset(thing_of[one.id] for one in first)
    left = deepest(soon, dependencies)
    if len(left) > 1 and left & fitting:
        left &= fitting
    of_it = [one for one in first if thing_of[one.id] in left]
    if len(left) > 1:
        among = tuple(sorted(one.id for one in of_it))
        return Origin(OriginVerdict.NOT_TOLD_APART, among=among)
    (chosen,) = left
    named = min(of_it, key=lambda one: (one.id != before, one.began_lo_ms, one.opened_ms, one.id))
    if len(all_) == 1:
        return Origin(OriginVerdict.ONLY_ONE, named.id)
    says = (
        (OriginReason.EARLIEST, len(soon) == 1),
        # Also where time alone decides: what began later may rest on it as well.
        (OriginReason.DEEPEST, any(deepest(of, dependencies) == left < of for of in (all_, soon))),
        (OriginReason.DEPLOYMENT_FITS, chosen in fitting),
    )
    return Origin(OriginVerdict.PROBABLE, named.id, tuple(word for word, holds in says if holds))


def thing(regression: Regression, kinds: Mapping[str, str]) -> Thing:
    """What a regression is about."""
    kind = kinds.get(regression.signal, "")
    return Thing(place_of(regression.labels, kind), subject(regression.labels))


def earliest(members: Sequence[Regression]) -> list[Regression]:
    """Those of which none of the others is known to have changed before."""
    ends = min(one.began_hi_ms for one in members)
    return [one for one in members if one.began_lo_ms < ends or one.began_hi_ms == ends]


def deepest(things: frozenset[Thing], dependencies: Dependencies) -> frozenset[Thing]:
    """Those of the one place that all other places rest on; all of them where there is none."""
    places = {one.place for one in things}
    for lowest in places:
        others = (one for one in places if one != lowest)
        if all(dependencies.rests_on(upper, lowest) for upper in others):
            return frozenset(one for one in things if one.place == lowest)
    return things

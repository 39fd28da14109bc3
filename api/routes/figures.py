"""`/caches`, `/resources` and figures of targets: what a machine or a cache does right now."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.errors import invalid, missing
from api.figure_shapes import (
    CacheNow,
    CachesNow,
    FiguresShape,
    TargetNow,
    TargetsNow,
    curve_of,
    groups_of,
    now_of,
    signal_now,
)
from api.figures import FIGURES, RECENT, About, Drawn, Figure, Reach, drawn, of
from api.house import House
from api.moments import Moment, at, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Id
from api.shapes import DeploymentShape
from api.standing import Standing, standing

routes = router("caches and resources")

SPAN = timedelta(hours=3)
LONGEST = timedelta(days=31)
MOST_SERIES = 20
# Misses of a group of keys are few: a rate of five minutes would be mostly zero.
GROUPS = timedelta(hours=1)


class FiguresAsked(Asked):
    """When."""

    since: Moment | None = Field(None, description="Begin; 3 h before `until` if left out.")
    until: Moment | None = Field(None, description="End; now if left out.")


@routes.get(
    "/targets/{target}/figures",
    summary="Figures of a target over time",
    openapi_extra=beyond({"?since": f"must be before `until`, by {LONGEST.days} days at most"}),
)
def figures(house: Rooms, target: Id, asked: Annotated[FiguresAsked, Query()]) -> FiguresShape:
    """What no signal defines, from raw samples, as far back as they are kept."""
    until_ms = milliseconds(asked.until or house.now())
    since_ms = (
        milliseconds(asked.since) if asked.since else until_ms - SPAN // timedelta(milliseconds=1)
    )
    if since_ms >= until_ms:
        raise invalid("?since", "must be before `until`")
    if until_ms - since_ms > LONGEST // timedelta(milliseconds=1):
        raise invalid("?since", f"is more than {LONGEST.days} days before `until`")
    reach = Reach.of(since_ms, until_ms)
    shown = [one for one in FIGURES if one.about is not About.GROUP]
    found = drawn(house, shown, reach, target)
    with house.state.reading() as session:
        deployed = house.book.deployments(session, since_ms, until_ms)
    return FiguresShape(
        target=target,
        since=at(since_ms),
        until=at(until_ms),
        window_seconds=reach.step_ms / 1000,
        series=[curve_of(one) for one in found],
        deployments=[DeploymentShape.of(one) for one in deployed],
    )


@routes.get("/resources", summary="How machines, containers and processes stand")
def resources(house: Rooms, asked: Annotated[Asked, Query()]) -> TargetsNow:
    """Every target with a signal of the kind `resource`, or that tells of its process."""
    return TargetsNow(items=every(house, "resource", of(About.PROCESS, About.HOST)))


@routes.get("/resources/{target}", summary="How one machine, container or process stands")
def resource(house: Rooms, target: Id, asked: Annotated[Asked, Query()]) -> TargetNow:
    """The same of one target."""
    return one_of(every(house, "resource", of(About.PROCESS, About.HOST), target), target)


@routes.get("/caches", summary="How caches stand")
def caches(house: Rooms, asked: Annotated[Asked, Query()]) -> CachesNow:
    """Every target with a signal of the kind `cache`: Redis, memcached, caches of applications."""
    found = every(house, "cache", of(About.CACHE))
    return CachesNow(items=[with_groups(house, one) for one in found])


@routes.get("/caches/{target}", summary="How one cache stands, and what misses")
def cache(house: Rooms, target: Id, asked: Annotated[Asked, Query()]) -> CacheNow:
    """The same of one target."""
    return with_groups(house, one_of(every(house, "cache", of(About.CACHE), target), target))


def one_of(found: list[TargetNow], target: str) -> TargetNow:
    """The one that is asked for; a 404 problem where there is none."""
    if not found:
        raise missing(f"target {target} with anything of that kind")
    return found[0]


def with_groups(house: House, one: TargetNow) -> CacheNow:
    """A cache with its groups of keys: counts as they are, rates over the last hour."""
    until_ms = milliseconds(house.now())
    length_ms = GROUPS // timedelta(milliseconds=1)
    hour = Reach(until_ms - length_ms, until_ms, length_ms)  # one step that ends now
    found = drawn(house, of(About.GROUP), hour, one.target)
    return CacheNow(**one.model_dump(), groups=groups_of(found))


def every(
    house: House, kind: str, figures: Sequence[Figure], target: str | None = None
) -> list[TargetNow]:
    """Targets with a signal of a kind or with one of these figures, what is open on top."""
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
    stands = [
        standing(house, signal, open_)
        for signal in house.detector.definitions.signals.values()
        if signal.form.kind == kind
    ]
    until_ms = milliseconds(house.now())
    reach = Reach.of(until_ms - RECENT // timedelta(milliseconds=1), until_ms, 60)
    now = drawn(house, figures, reach, target)
    names = {each.labels.get("target") for one in stands for each in one.series}
    names |= {one.target for one in now}
    chosen = sorted(names - {""}) if target is None else sorted(names & {target})
    items = [target_now(one, stands, now) for one in chosen]
    return sorted(items, key=lambda one: (-one.severity.rank if one.severity else 1, one.target))


def target_now(target: str, stands: list[Standing], now: list[Drawn]) -> TargetNow:
    """One target."""
    signals, severities = [], []
    for one in stands:
        mine = [each for each in one.series if each.labels.get("target") == target]
        if mine:
            signals.append(signal_now(one, mine[:MOST_SERIES]))
            severities += [each.severity for each in mine if each.severity]
    return TargetNow(
        target=target,
        severity=max(severities, key=lambda one: one.rank, default=None),
        signals=signals,
        figures=[now_of(one) for one in now if one.target == target],
    )

"""`/web-vitals/routes`, `/trend` and `/distribution`: what is worst, since when, how it spreads."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from api import vitals
from api.levels import Levels
from api.moments import at
from api.rooms import Rooms
from api.routes.router import beyond, router
from api.routes.vitals import SPAN_RULES, Losses, MetricAsked, SpanAsked, fits, hours_of
from api.shapes import DeploymentShape
from api.vital_shapes import summed, unit_of
from api.vital_trend import (
    METRICS,
    BucketsShape,
    RoutesShape,
    TrendShape,
    buckets,
    hourly,
    over_time,
    pooled,
    route_of,
    weight,
)
from api.vitals import Key
from collector.rum.cells import Cut
from collector.rum.vitals import VITALS
from storage.history import Floats
from storage.series import Labels

routes = router("web vitals")

MOST_ROUTES = 500


class RoutesAsked(SpanAsked):
    """Which routes."""

    limit: int = Field(100, ge=1, le=MOST_ROUTES, description="Most routes of an answer.")


@routes.get(
    "/web-vitals/routes", summary="Routes, the worst first", openapi_extra=beyond(SPAN_RULES)
)
def vital_routes(house: Rooms, asked: Annotated[RoutesAsked, Query()]) -> RoutesShape:
    """Each route with all its metrics, by how far the worst of them is beyond good.

    A metric of fewer than 100 values does not make a route the worst; routes that have no other
    come last.
    """
    hours = hours_of(house, asked)

    def project(labels: Labels) -> Key | None:
        if not fits(asked, labels):
            return None
        return tuple(labels.get(one) for one in ("app", "route", "metric", "device"))

    found: dict[tuple[str, str], dict[str, Floats]] = {}
    devices: dict[tuple[str, str], set[str]] = {}
    counted = vitals.counts(house, Cut.MIX, hours, project)
    for (app, route, metric, device), observed in counted.items():
        if metric in VITALS:
            known = found.setdefault((app, route), {})
            known[metric] = known[metric] + observed if metric in known else observed
            devices.setdefault((app, route), set()).add(device)
    losses, levels = Losses(house, hours), Levels(house)
    items = [
        route_of(
            *key,
            known,
            losses.of(*key),
            pooled(levels, *key, [one for one in METRICS if one in known], sorted(devices[key])),
        )
        for key, known in found.items()
    ]
    items.sort(key=weight)
    return RoutesShape(
        since=at(hours.since_ms),
        until=at(hours.until_ms),
        items=items[: asked.limit],
        more=len(items) > asked.limit,
    )


@routes.get(
    "/web-vitals/trend", summary="The p75 of one metric over time", openapi_extra=beyond(SPAN_RULES)
)
def trend(house: Rooms, asked: Annotated[MetricAsked, Query()]) -> TrendShape:
    """By the hour; by more whole hours where there are few values or the span is long."""
    hours = hours_of(house, asked)

    def chosen(labels: Labels) -> bool:
        return labels.get("metric") == asked.metric and fits(asked, labels)

    step_ms, curve = over_time(hourly(house, hours, chosen), hours, asked.metric)
    with house.state.reading() as session:
        deployed = house.book.deployments(session, hours.since_ms, hours.until_ms)
    vital = VITALS[asked.metric]
    return TrendShape(
        unit=unit_of(asked.metric),
        good=vital.good,
        fair=vital.fair,
        since=at(hours.since_ms),
        until=at(hours.until_ms),
        window_seconds=step_ms / 1000,
        series=[curve],
        deployments=[DeploymentShape.of(one) for one in deployed],
    )


@routes.get(
    "/web-vitals/distribution",
    summary="How the values of one metric are distributed",
    openapi_extra=beyond(SPAN_RULES),
)
def spread(house: Rooms, asked: Annotated[MetricAsked, Query()]) -> BucketsShape:
    """Each bucket with its count; thresholds are edges, so each has one rating."""
    hours = hours_of(house, asked)

    def project(labels: Labels) -> Key | None:
        mine = labels.get("metric") == asked.metric and fits(asked, labels)
        return () if mine else None

    found = vitals.counts(house, Cut.MIX, hours, project)
    return buckets(asked.metric, summed(asked.metric, found))

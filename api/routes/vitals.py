"""`/web-vitals`: what browsers measured, how sure it is, and how much of it was lost."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from api import vitals
from api.errors import invalid, missing
from api.levels import Levels
from api.moments import Moment, at, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import beyond, problems, router
from api.routes.texts import Name
from api.vital_shapes import (
    ElementShape,
    ElementsShape,
    LossShape,
    MetricName,
    ReleaseShape,
    ReleasesShape,
    ShiftShape,
    VitalShape,
    VitalsShape,
    compared_of,
    distribution,
    summed,
    unit_of,
)
from api.vitals import Hours, Key
from collector.rum.cells import HOUR_MS, Cut, Tally
from collector.rum.percentile import Comparison, reweighted
from storage.history import Floats
from storage.series import Labels

routes = router("web vitals")

SPAN = timedelta(hours=24)
LONGEST = timedelta(days=90)
BASELINE = timedelta(days=7)
MOST_ITEMS = 2000
MOST_ELEMENTS = 20
SPAN_RULES = {"?since": f"must be before `until`, by {LONGEST.days} days at most"}


class SpanAsked(Asked):
    """When, and of what."""

    since: Moment | None = Field(None, description="Begin; 24 h before `until` if left out.")
    until: Moment | None = Field(None, description="End; now if left out.")
    app: Name | None = Field(None, description="Only this app.")
    route: Name | None = Field(None, description="Only this route.")
    device: Literal["mobile", "tablet", "desktop"] | None = Field(
        None, description="Only this class of devices."
    )


class VitalsAsked(SpanAsked):
    """Which metrics, and how far they are told apart."""

    metric: MetricName | None = Field(None, description="Only this metric.")
    by: Literal["route", "device", "app"] = Field(
        "route", description="`route`: by route and device; `device`, `app`: pooled up to there."
    )


class MetricAsked(SpanAsked):
    """One metric of one app."""

    app: Name = Field(description="The app.")
    metric: MetricName = Field("LCP", description="The metric.")


class ReleasesAsked(MetricAsked):
    """Which releases are compared."""

    before: Name | None = Field(
        None, description="The older release; the last but one if left out."
    )
    after: Name | None = Field(None, description="The newer release; the newest if left out.")


class ElementsAsked(MetricAsked):
    """Which elements."""

    metric: Literal["LCP", "INP"] = Field("LCP", description="LCP or INP.")
    release: Name | None = Field(None, description="Only page views of this release.")
    before: Name | None = Field(None, description="A release that it is compared with.")


@routes.get("/web-vitals", summary="What browsers measured", openapi_extra=beyond(SPAN_RULES))
def web_vitals(house: Rooms, asked: Annotated[VitalsAsked, Query()]) -> VitalsShape:
    """The p75 of each metric with its band, shares, number of values, and what was lost."""
    hours = hours_of(house, asked)

    def project(labels: Labels) -> Key | None:
        app, metric, route, device = (
            labels.get(one) for one in ("app", "metric", "route", "device")
        )
        if not fits(asked, labels) or asked.metric not in (None, metric):
            return None
        return (
            app,
            metric,
            route if asked.by == "route" else asked.route or "",
            device if asked.by != "app" else asked.device or "",
        )

    found = vitals.counts(house, Cut.MIX, hours, project)
    losses, levels = Losses(house, hours), Levels(house)
    ordered = sorted(found.items(), key=lambda one: (-float(one[1].sum()), one[0]))
    return VitalsShape(
        since=at(hours.since_ms),
        until=at(hours.until_ms),
        items=[vital_of(key, observed, losses, levels) for key, observed in ordered[:MOST_ITEMS]],
        more=len(ordered) > MOST_ITEMS,
    )


@routes.get(
    "/web-vitals/releases",
    summary="One metric by release",
    responses=problems({404: "No page view of such a release is known in the span."}),
    openapi_extra=beyond(SPAN_RULES),
)
def releases(house: Rooms, asked: Annotated[ReleasesAsked, Query()]) -> ReleasesShape:
    """Each release by what its own beacons told, whenever they came, and two of them compared."""
    hours = hours_of(house, asked)

    def project(labels: Labels) -> Key | None:
        if not fits(asked, labels) or labels.get("metric") != asked.metric:
            return None
        return (labels.get("release"),) if labels.get("release") else None

    found = vitals.counts(house, Cut.RELEASE, hours, project)
    since = vitals.first_seen(house, Cut.RELEASE, hours, project)
    for name in (asked.before, asked.after):
        if name is not None and (name,) not in found:
            raise missing(f"release {name} of {asked.app} in this span")
    known = sorted(found, key=lambda key: (since[key], key))
    named = [key[0] for key in known if not key[0].startswith("__")]
    after = asked.after or (named[-1] if named else None)
    older = [one for one in named if one != after]
    before = asked.before or (older[-1] if older else None)
    compared = None
    if before is not None and after is not None:
        compared = compared_of(asked.metric, before, found[(before,)], after, found[(after,)])
    return ReleasesShape(
        items=[
            ReleaseShape(
                release=key[0],
                since=at(since[key] - HOUR_MS),
                **distribution(asked.metric, found[key]).model_dump(),
            )
            for key in known
        ],
        compared=compared,
    )


@routes.get(
    "/web-vitals/elements",
    summary="LCP elements and INP targets",
    openapi_extra=beyond(SPAN_RULES),
)
def elements(house: Rooms, asked: Annotated[ElementsAsked, Query()]) -> ElementsShape:
    """What the values are about, where beacons carry attribution, and which of them grew."""
    hours = hours_of(house, asked)

    def of(release: str | None) -> dict[Key, Floats]:
        def project(labels: Labels) -> Key | None:
            wanted = fits(asked, labels, device=False) and labels.get("metric") == asked.metric
            if not wanted or release not in (None, labels.get("release")):
                return None
            return (labels.get("element"),)

        return vitals.counts(house, Cut.ELEMENT, hours, project)

    now = of(asked.release)
    before = of(asked.before) if asked.before is not None else {}
    items = [element_of(asked.metric, key, now, before) for key in {**now, **before}]
    items.sort(key=lambda one: (-(one.growth or 0.0), -one.share, one.element))
    return ElementsShape(metric=asked.metric, items=items[:MOST_ELEMENTS])


@routes.get(
    "/web-vitals/shift",
    summary="Is it slower, or are they other visitors",
    openapi_extra=beyond(SPAN_RULES),
)
def shift(house: Rooms, asked: Annotated[MetricAsked, Query()]) -> ShiftShape:
    """The span against the week before it, as measured and with the visitors made alike."""
    hours = hours_of(house, asked)

    def project(labels: Labels) -> Key | None:
        if not fits(asked, labels) or labels.get("metric") != asked.metric:
            return None
        return labels.get("device"), labels.get("connection"), labels.get("navigation")

    week = Hours(hours.since_ms - milliseconds(at(0) + BASELINE), hours.since_ms)
    now = vitals.counts(house, Cut.MIX, hours, project)
    before = vitals.counts(house, Cut.MIX, week, project)
    metric, names = asked.metric, ("the week before", "the span")
    was, is_ = summed(metric, before), summed(metric, now)
    measured = compared_of(metric, names[0], was, names[1], is_)
    common = {key: before[key] for key in before if key in now}
    weighed = reweighted(
        {key: one.tolist() for key, one in common.items()},
        {key: one.tolist() for key, one in now.items()},
    )
    alike = None
    if weighed is not None:
        alike = compared_of(metric, names[0], summed(metric, common), names[1], weighed)
    moved = measured.verdict in (Comparison.WORSE, Comparison.BETTER)
    return ShiftShape(
        compared=measured,
        alike=alike,
        mix=moved and alike is not None and alike.verdict is Comparison.STEADY,
        now=distribution(metric, is_),
        before=distribution(metric, was),
    )


class Losses:
    """What was lost in some hours; read once, told beside every percentile."""

    def __init__(self, house: Rooms, hours: Hours) -> None:
        def by(*names: str) -> vitals.Project:
            return lambda labels: tuple(labels.get(name) for name in names)

        self._lost = vitals.tallies(house, Tally.LOST, hours, by("app"))
        self._views = vitals.tallies(house, Tally.UNFINALISED, hours, by("app"))
        self._loads: dict[Key, float] = {}
        loads = vitals.tallies(house, Tally.LOADS, hours, by("app", "route"))
        for (app, route), (_, whole) in loads.items():
            for key in ((app, vitals.plain(route)), (app, "")):
                self._loads[key] = self._loads.get(key, 0.0) + whole
        self._hits: dict[str, Mapping[str, float]] = {
            app.name: vitals.page_hits(house, app.target, hours)
            for app in house.settings.collector.rum.apps
            if app.target is not None
        }

    def of(self, app: str, route: str) -> LossShape:
        """Of an app; the coverage of one route, or of all that the server counts too."""
        lost, sent = self._lost.get((app,), [0.0, 0.0])
        unfinalised, views = self._views.get((app,), [0.0, 0.0])
        return LossShape(
            beacons=sent,
            beacons_lost=lost / sent if sent else None,
            views=views,
            views_unfinalised=unfinalised / views if views else None,
            coverage=self._coverage(app, vitals.plain(route)),
        )

    def _coverage(self, app: str, route: str) -> float | None:
        hits = self._hits.get(app)
        if not hits:
            return None
        meant = [route] if route else [one for (of, one) in self._loads if of == app and one]
        counted = sum(hits.get(one, 0.0) for one in meant)
        told = sum(self._loads.get((app, one), 0.0) for one in meant if hits.get(one))
        return told / counted if counted else None


def fits(asked: SpanAsked, labels: Labels, *, device: bool = True) -> bool:
    """Whether counts with these labels are asked for."""
    names = ("app", "route", "device") if device else ("app", "route")
    return all(getattr(asked, name) in (None, labels.get(name)) for name in names)


def hours_of(house: Rooms, asked: SpanAsked) -> Hours:
    """The whole hours that are asked about."""
    until_ms = milliseconds(asked.until or house.now())
    since_ms = milliseconds(asked.since) if asked.since else until_ms - milliseconds(at(0) + SPAN)
    if since_ms >= until_ms:
        raise invalid("?since", "must be before `until`")
    if until_ms - since_ms > milliseconds(at(0) + LONGEST):
        raise invalid("?since", f"is more than {LONGEST.days} days before `until`")
    return Hours.around(since_ms, until_ms)


def vital_of(key: Key, observed: Floats, losses: Losses, levels: Levels) -> VitalShape:
    """One metric of one route and device."""
    app, metric, route, device = key
    return VitalShape.model_validate(
        {
            "app": app,
            "metric": metric,
            "route": route,
            "device": device,
            "unit": unit_of(metric),
            "loss": losses.of(app, route),
            "judged": levels.of_vital(metric, app, route, device) if route and device else None,
            **distribution(metric, observed).model_dump(),
        }
    )


def element_of(
    metric: str, key: Key, now: Mapping[Key, Floats], before: Mapping[Key, Floats]
) -> ElementShape:
    """One element now, and before where that is known."""
    share, share_before = share_of(key, now), share_of(key, before) if before else None
    found = distribution(metric, now[key] if key in now else summed(metric, {}))
    was = distribution(metric, before[key]).p75 if key in before else None
    growth = None
    if share_before is not None:
        growth = share * (found.p75 or 0.0) - share_before * (was or 0.0)
    return ElementShape(
        element=key[0],
        share=share,
        share_before=share_before,
        p75_before=was,
        growth=growth,
        **found.model_dump(),
    )


def share_of(key: Key, known: Mapping[Key, Floats]) -> float:
    """The share of an element among all of them."""
    total = sum(float(one.sum()) for one in known.values())
    return float(known[key].sum()) / total if key in known and total else 0.0

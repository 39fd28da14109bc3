"""Web vitals: the routes of all apps, the worst first, and one route with all that is known."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.errors import missing
from api.house import House
from api.levels import Levels, LevelShape
from api.moments import at
from api.pages.charts import Chart, of_series
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.vital_trends import RoutesAsked, vital_routes
from api.routes.vitals import (
    ElementsAsked,
    Losses,
    MetricAsked,
    ReleasesAsked,
    elements,
    fits,
    hours_of,
    releases,
    shift,
)
from api.shapes import DeploymentShape, RegressionShape
from api.signal_shapes import SeriesShape, SignalShape
from api.standing import Series, Standing, standing
from api.told import told
from api.vital_shapes import MetricName
from api.vital_trend import (
    METRICS,
    RatedShape,
    RouteShape,
    TrendCurve,
    buckets,
    hourly,
    in_all,
    over_time,
    rated,
)
from collector.rum.vitals import VITALS
from detector import units
from detector.form import Direction
from detector.regression import Regression
from detector.run import TICK
from detector.units import Unit

routes = APIRouter(include_in_schema=False)

MOST_ROUTES = 200
MOST_ROWS = 15
MOST_DEPLOYMENTS = 20
MOST_GROUPS = 6
DEVICES = ("mobile", "tablet", "desktop")
MEANINGS = {
    "LCP": "Largest Contentful Paint: until the main content is there",
    "INP": "Interaction to Next Paint: how long the page takes to answer",
    "CLS": "Cumulative Layout Shift: how much the content jumps; a score without a unit",
    "FCP": "First Contentful Paint: until anything is there",
    "TTFB": "Time to First Byte: until the server answers",
}


class Span(StrEnum):
    """How far back."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "28d"

    @property
    def length(self) -> timedelta:
        """The same as a time."""
        return timedelta(hours={Span.DAY: 24, Span.WEEK: 168, Span.MONTH: 672}[self])

    @property
    def refreshed(self) -> int:
        """After how many seconds a page asks again: long spans cost more and change less."""
        return {Span.DAY: 10, Span.WEEK: 60, Span.MONTH: 300}[self]


class PageAsked(Asked):
    """Which views; a form sends the empty filters too, which filter nothing."""

    app: str = Field("", max_length=100)
    route: str = Field("", max_length=200)
    device: Literal["", "mobile", "tablet", "desktop"] = ""
    metric: MetricName = "LCP"
    span: Span = Span.DAY


@routes.api_route("/web-vitals", methods=["GET", "HEAD"])
def all_vitals(house: Rooms, asked: Annotated[PageAsked, Query()]) -> Response:
    """The page of all routes."""
    since = house.now() - asked.span.length
    wanted = RoutesAsked(
        since=since, app=asked.app or None, device=asked.device or None, limit=MOST_ROUTES
    )
    found = vital_routes(house, wanted)
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
        tick_ms = house.book.progress_ms(session, TICK)
    apps = house.settings.collector.rum.apps
    names = list(dict.fromkeys([*(one.name for one in apps), *(one.app for one in found.items)]))
    return render(
        "vitals.html",
        {
            "apps": [
                (name, [(one, marks(open_, one)) for one in found.items if one.app == name])
                for name in names
                if asked.app in ("", name)
            ],
            "more": found.more,
            "names": names,
            "metrics": METRICS,
            "meanings": MEANINGS,
            "devices": DEVICES,
            "spans": list(Span),
            "asked": asked,
            "filtered": bool(asked.app or asked.device),
            "tick_ms": tick_ms,
            "every": asked.span.refreshed,
        },
    )


def marks(open_: list[Regression], one: RouteShape) -> list[Regression]:
    """What is open on a route."""
    return [
        each
        for each in open_
        if each.labels.get("service") == one.app and each.labels.get("route") == one.route
    ]


@routes.api_route("/web-vitals/{app}", methods=["GET", "HEAD"])
def one_route(house: Rooms, app: str, asked: Annotated[PageAsked, Query()]) -> Response:
    """The page of one route, or of all routes of an app together."""
    known = {one.name for one in house.settings.collector.rum.apps}
    since = house.now() - asked.span.length
    wanted = MetricAsked(
        app=app,
        metric=asked.metric,
        route=asked.route or None,
        device=asked.device or None,
        since=since,
    )
    hours = hours_of(house, wanted)
    told_hourly = hourly(house, hours, lambda labels: fits(wanted, labels))
    found = in_all(told_hourly)
    if app not in known and not found:
        raise missing(f"app {app}")
    step_ms, curve = over_time(told_hourly, hours, asked.metric)
    rows = [(rated(one, found[one]), link(asked, app, metric=one)) for one in found]
    mine = next((one for one, _ in rows if one.metric == asked.metric), None)
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
        deployed = house.book.deployments(session, hours.since_ms, hours.until_ms)
        every = house.book.open_regressions(session)
        ours = [one for one in every if is_about(one, app, asked.route)]
        open_ = [RegressionShape.of(one) for one in told(house, session, ours)]
    answers = compared(house, wanted)
    return render(
        "vital.html",
        {
            "app": app,
            "asked": asked,
            "rows": rows,
            "mine": mine,
            "meaning": MEANINGS[asked.metric],
            "vital": VITALS[asked.metric],
            "chart": chart(wanted, mine, curve, asked) if mine else None,
            "step_seconds": step_ms / 1000,
            "numbers": numbers(curve, mine.unit) if mine else [],
            "spread": buckets(asked.metric, found.get(asked.metric, [])),
            "loss": Losses(house, hours).of(app, asked.route),
            "open": open_,
            "deployments": [DeploymentShape.of(one) for one in deployed[-MOST_DEPLOYMENTS:]],
            "judged": judged(house, every, app, asked),
            "levels": levels_of(house, app, asked),
            "most_rows": MOST_ROWS,
            "choices": {
                "span": [(one, one.value, link(asked, app, span=one)) for one in Span],
                "device": [
                    (one, one or "all devices", link(asked, app, device=one))
                    for one in ("", *DEVICES)
                ],
            },
            "whole": link(asked, app, route=""),
            "tick_ms": tick_ms,
            "every": asked.span.refreshed,
            **answers,
        },
    )


def compared(house: House, wanted: MetricAsked) -> dict[str, object]:
    """Releases, elements and the week before, as REST tells them."""
    asked = wanted.model_dump()
    blamed = None
    if wanted.metric in ("LCP", "INP"):
        blamed = elements(house, ElementsAsked.model_validate({**asked, "device": None}))
    return {
        "releases": releases(house, ReleasesAsked.model_validate(asked)),
        "elements": blamed,
        "shift": shift(house, wanted),
    }


def is_about(one: Regression, app: str, route: str) -> bool:
    """Whether a regression is of this app, and of this route where one is shown."""
    labels = one.labels
    mine = labels.get("service") == app and one.signal.startswith("rum_")
    return mine and route in ("", labels.get("route"))


def link(asked: PageAsked, app: str, **changed: object) -> str:
    """This page with something else chosen; what is not chosen is left out."""
    given = {**asked.model_dump(), "app": "", **changed}
    usual = {"metric": "LCP", "span": Span.DAY}
    query = {name: value for name, value in given.items() if value and usual.get(name) != value}
    return f"/web-vitals/{app}" + (f"?{urlencode(query)}" if query else "")


def chart(wanted: MetricAsked, mine: RatedShape, curve: TrendCurve, asked: PageAsked) -> Chart:
    """The p75 over the span, with its thresholds as lines."""
    vital = VITALS[wanted.metric]
    query = {
        "app": wanted.app,
        "metric": wanted.metric,
        "route": wanted.route,
        "device": wanted.device,
        "since": wanted.since.isoformat().replace("+00:00", "Z") if wanted.since else None,
    }
    path = urlencode({name: value for name, value in query.items() if value})
    first = next((one for one in curve.value if one is not None), None)
    last = next((one for one in reversed(curve.value) if one is not None), None)
    return Chart(
        signal="web-vitals",
        series=wanted.metric,
        unit=mine.unit,
        worse=Direction.UP,
        text=f"p75 of {wanted.metric} over the last {asked.span}: {mine.p75_text} in all, "
        f"{units.text(first, mine.unit)} at first, {units.text(last, mine.unit)} at last. "
        f"Good ends at {units.text(vital.good, mine.unit)}.",
        limits=(vital.good, vital.fair),
        since=wanted.since,
        path=f"/api/v1/web-vitals/trend?{path}",
    )


def numbers(curve: TrendCurve, unit: Unit) -> list[tuple[object, ...]]:
    """The chart as rows: end, p75, lower edge, upper edge, values."""
    rows = zip(curve.end_ms, curve.value, curve.low, curve.high, curve.n, strict=True)
    return [
        (at(end_ms), *(units.text(one, unit) for one in figures), units.text(n, Unit.COUNT))
        for end_ms, *figures, n in rows
    ]


def levels_of(house: House, app: str, asked: PageAsked) -> list[tuple[str, LevelShape]]:
    """Each class of devices of a route with where the shown metric of it is judged."""
    if not asked.route:
        return []
    levels, shown = Levels(house), [asked.device] if asked.device else DEVICES
    found = [(one, levels.of_vital(asked.metric, app, asked.route, one)) for one in shown]
    return [(device, one) for device, one in found if one is not None]


def judged(
    house: House, open_: list[Regression], app: str, asked: PageAsked
) -> list[tuple[SignalShape, list[tuple[SeriesShape, Chart]]]]:
    """What the rules look at: the series of this metric with the band of their seven days.

    Of all routes together also the groups of routes, the weightiest of them.
    """
    metric = asked.metric.lower()
    found = []
    for suffix in ("",) if asked.route else ("_all_routes", "_route_group"):
        for name in (f"rum_{metric}{suffix}", f"rum_{metric}_good{suffix}"):
            signal = house.detector.definitions.signals.get(name)
            if signal is not None:
                found += drawn(standing(house, signal, open_), app, asked)
    return found


def drawn(
    one: Standing, app: str, asked: PageAsked
) -> list[tuple[SignalShape, list[tuple[SeriesShape, Chart]]]]:
    """A signal with those of its series that the page shows; nothing without any."""
    mine = [each for each in one.series if is_shown(each, app, asked)][:MOST_GROUPS]
    unit = one.signal.form.unit
    rows = [(SeriesShape.of(each, unit), of_series(one, each)) for each in mine]
    return [(SignalShape.of(one), rows)] if rows else []


def is_shown(each: Series, app: str, asked: PageAsked) -> bool:
    """Whether a series is of what the page shows."""
    labels = each.labels
    return (
        labels.get("service") == app
        and labels.get("route") == asked.route
        and asked.device in ("", labels.get("device"))
    )

"""One series: its chart, what was open on it, and why each rule fires or does not."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.moments import at, milliseconds
from api.pages.charts import of_series
from api.pages.render import machine, render
from api.rooms import Rooms
from api.routes.explain import ExplainAsked, moment_of, series_of
from api.routes.signals import known_signal
from api.shapes import DeploymentShape, RegressionShape
from api.signal_shapes import SeriesShape
from api.standing import Series, standing
from api.told import told, whole
from api.why_shapes import why_of
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

BEFORE, AFTER = timedelta(hours=6), timedelta(hours=1)
# How far the links beside the time go.
STEPS = (
    ("1 day earlier", timedelta(days=-1)),
    ("1 hour earlier", timedelta(hours=-1)),
    ("5 minutes earlier", timedelta(minutes=-5)),
    ("5 minutes later", timedelta(minutes=5)),
    ("1 hour later", timedelta(hours=1)),
    ("1 day later", timedelta(days=1)),
)


@routes.api_route("/signals/{name}/series/{series}", methods=["GET", "HEAD"])
def one_series(
    house: Rooms, name: str, series: str, asked: Annotated[ExplainAsked, Query()]
) -> Response:
    """The page."""
    signal = known_signal(house, name)
    labels = series_of(house, signal, series)
    at_ms = moment_of(house, asked)
    now = house.now()
    since, until = at(at_ms) - BEFORE, min(at(at_ms) + AFTER, now)
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
        tick_ms = house.book.progress_ms(session, TICK)
        spans = house.book.spans(session, milliseconds(since), signal=name)
        mine = [one for one in spans if one.labels == labels]
        nearby = [one for one in mine if one.began_lo_ms <= milliseconds(until)]
        shown = told(house, session, whole(session, nearby))
        regressions = [RegressionShape.of(one) for one in shown]
        deployed = house.book.deployments(session, milliseconds(since), milliseconds(until))
    found = standing(house, signal, open_)
    here = next((one for one in found.series if one.labels == labels), Series(labels, None, ()))
    return render(
        "series.html",
        {
            "signal": signal,
            "series": SeriesShape.of(here, signal.form.unit),
            "chart": of_series(found, here, since, until),
            "why": why_of(house, signal, labels, at_ms),
            "is_now": asked.at is None,
            "links": links(at(at_ms), now),
            "regressions": regressions,
            "deployments": [DeploymentShape.of(one) for one in deployed],
            "tick_ms": tick_ms if asked.at is None else None,
        },
    )


def links(shown: datetime, now: datetime) -> list[tuple[str, str]]:
    """The times beside the one that is shown, as words and queries; none in the future."""
    whole = shown.replace(second=0, microsecond=0)
    near = [(words, whole + step) for words, step in STEPS]
    return [(words, f"?at={machine(moment)}") for words, moment in near if moment < now]

"""Deployments: the list, and what every signal did before and after one of them."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.change_shapes import DeploymentChanges
from api.changes import Span
from api.moments import Moment, at, milliseconds
from api.pages.charts import Chart
from api.pages.render import machine, render
from api.rooms import MOST_ITEMS, Asked, Rooms
from api.routes.deployment_changes import ChangesAsked, fitting, get_changes
from api.shapes import DeploymentShape, RegressionShape
from api.told import told, whole
from detector.comparison import Outcome
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

ROWS = 50
MARKED = 4
"""Regressions of one deployment that the list names; the others are counted."""
BACK = timedelta(days=400)
AHEAD = timedelta(days=1)
MOST_CHARTS = 6
SHOWN = (Outcome.WORSE, Outcome.BETTER, Outcome.MOVED, Outcome.USUAL)
MOVED = (Outcome.WORSE, Outcome.BETTER)
TITLES = {
    Outcome.WORSE: "Worse since then",
    Outcome.BETTER: "Better since then",
    Outcome.MOVED: "Moved, and no rule says which way is worse",
    Outcome.USUAL: "Moved, but no more than on other days at that time",
}


class ListAsked(Asked):
    """Which deployments; a form sends the empty filter too, which filters nothing."""

    service: str = Field("", max_length=100)
    until: Moment | None = None


class OneAsked(Asked):
    """How far before and after."""

    span: Span = Span.HOUR


@routes.api_route("/deployments", methods=["GET", "HEAD"])
def all_deployments(house: Rooms, asked: Annotated[ListAsked, Query()]) -> Response:
    """The page of all of them."""
    now_ms = milliseconds(house.now())
    until_ms = (
        milliseconds(asked.until) if asked.until else now_ms + AHEAD // timedelta(milliseconds=1)
    )
    since_ms = now_ms - BACK // timedelta(milliseconds=1)
    with house.state.reading() as session:
        every = house.book.deployments(session, since_ms, until_ms)
        mine = [one for one in reversed(every) if asked.service in ("", one.service)]
        shown = mine[:ROWS]
        fits = fitting(house, session, shown)
        first = [one for found in fits.values() for one, _ in found[:MARKED]]
        shapes = {
            one.regression.id: RegressionShape.of(one)
            for one in told(house, session, whole(session, first))
        }
        marked = {
            id_: ([shapes[one.id] for one, _ in found[:MARKED]], len(found[MARKED:]))
            for id_, found in fits.items()
        }
        tick_ms = house.book.progress_ms(session, TICK)
    older = None
    if len(mine) > ROWS:
        query = {"service": asked.service, "until": machine(at(mine[ROWS].at_ms))}
        older = f"/deployments?{urlencode({k: v for k, v in query.items() if v})}"
    return render(
        "deployments.html",
        {
            "rows": [(DeploymentShape.of(one), *marked.get(one.id, ([], 0))) for one in shown],
            "services": sorted({one.service for one in every}),
            "asked": asked,
            "address": house.settings.alerts.public_url.rstrip("/"),
            "older": older,
            "first": asked.until is not None,
            "tick_ms": tick_ms,
        },
    )


@routes.api_route("/deployments/{deployment_id}", methods=["GET", "HEAD"])
def one_deployment(
    house: Rooms, deployment_id: str, asked: Annotated[OneAsked, Query()], request: Request
) -> Response:
    """The page of one."""
    wanted = ChangesAsked(span=asked.span, limit=MOST_ITEMS)
    found = get_changes(house, deployment_id, wanted, request)
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    return render(
        "deployment.html",
        {
            "found": found,
            "one": found.deployment,
            "groups": [
                (outcome, TITLES[outcome], rows)
                for outcome in SHOWN
                if (rows := [one for one in found.items if one.outcome is outcome])
            ],
            "charts": charts(house, found),
            "spans": [(one, one.value, f"?span={one}") for one in Span],
            "span": asked.span,
            "now": house.now(),
            "tick_ms": tick_ms,
        },
    )


def charts(house: Rooms, found: DeploymentChanges) -> list[tuple[str, Chart]]:
    """What moved most, with the deployment in the middle."""
    made: list[tuple[str, Chart]] = []
    for one in found.items:
        before, after = one.before, one.after
        if before is None or after is None or one.outcome not in MOVED:
            continue
        signal = house.detector.definitions.signals[one.signal]
        heading = f"{one.title} of {one.name or 'all'}"
        made.append(
            (
                heading,
                Chart(
                    signal=one.signal,
                    series=one.series,
                    unit=one.unit,
                    worse=signal.form.worse,
                    text=f"{heading}: median {before.text} before, {after.text} after.",
                    since=found.since,
                    until=found.until,
                ),
            )
        )
    return made[:MOST_CHARTS]

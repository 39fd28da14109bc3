"""`/incidents`: regressions that belong together, where they began, what they correlate with."""

from threading import BoundedSemaphore
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from alerts.studio import NotDrawnError, drawn
from alerts.wording import in_order
from api.album import Album
from api.errors import ProblemError, missing
from api.incident_shapes import IncidentSummary, WholeIncident, members
from api.moments import Moment, maybe_milliseconds, milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import problems, router
from api.routes.texts import Cursor, Id, Name
from api.shapes import Shape
from api.written import looked_up
from detector.headed import Wanted, page
from detector.regression import Phase, Severity

routes = router("incidents")

PNG = "image/png"
AFTER_MS = 1_800_000
"""How much of what followed the end is in a chart."""

DRAWING = BoundedSemaphore(1)
WAIT_SECONDS = 20.0


class IncidentsAsked(Limited):
    """Which incidents; each filter narrows the answer."""

    state: Phase | None = Field(None, description="`open` or `resolved`.")
    severity: Severity | None = Field(None, description="`info`, `warning` or `critical`.")
    since: Moment | None = Field(None, description="Found at this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="Found at this time or earlier, RFC 3339.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of a page.")

    def wanted(self) -> Wanted:
        """The same for the book."""
        return Wanted(
            phase=self.state,
            severity=self.severity,
            since_ms=maybe_milliseconds(self.since),
            until_ms=maybe_milliseconds(self.until),
            cursor=self.cursor,
            limit=self.limit,
        )


class ChartAsked(Asked):
    """Which chart."""

    regression: Name = Field("", description="One of its regressions; the first one if left out.")


class IncidentsPage(Shape):
    """One page, newest first."""

    items: list[IncidentSummary]
    """The incidents."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


def find_whole(house: Rooms, incident_id: str) -> WholeIncident:
    """One incident with everything; a 404 problem when there is none."""
    with house.state.reading() as session:
        one = house.book.incident(session, incident_id)
        if one is None:
            raise missing(f"incident {incident_id}")
        return WholeIncident.whole(one, house.book.grouping.steps(session, incident_id))


@routes.get("/incidents", summary="Incidents, newest first", response_model=IncidentsPage)
def incidents(house: Rooms, asked: Annotated[IncidentsAsked, Query()]) -> Response:
    """One that became part of another is `resolved` and says so in `merged_into`."""
    return looked_up(house.state, page, asked.wanted(), members)


@routes.get("/incidents/{incident_id}", summary="One incident, whole")
def incident(house: Rooms, incident_id: Id, asked: Annotated[Asked, Query()]) -> WholeIncident:
    """With its regressions in the order of change, its origin, deployments that fit, its steps."""
    return find_whole(house, incident_id)


@routes.get(
    "/incidents/{incident_id}/chart.png",
    summary="The chart of an incident",
    response_class=Response,
    responses={
        200: {"description": "The picture.", "content": {PNG: {}}},
        **problems({503: "Others are being drawn, or it could not be drawn."}),
    },
)
def chart(house: Rooms, incident_id: Id, asked: Annotated[ChartAsked, Query()]) -> Response:
    """As it is posted into Slack: one regression with its band, its change and the deployment.

    Drawn in a process of its own, one at a time; 503 when others are waiting for too long.
    """
    with house.state.reading() as session:
        one = house.book.incident(session, incident_id)
    if one is None or not one.regressions:
        raise missing(f"incident {incident_id}")
    named = asked.regression or in_order(one)[0].id
    first = next((each for each in one.regressions if each.id == named), None)
    if first is None:
        raise missing(f"regression {named} in incident {incident_id}")
    over_ms = first.resolved_ms
    now_ms = milliseconds(house.now())
    until_ms = now_ms if over_ms is None else min(now_ms, over_ms + AFTER_MS)
    if not DRAWING.acquire(timeout=WAIT_SECONDS):
        raise ProblemError(503, "Other charts are being drawn.", headers={"retry-after": "10"})
    try:
        drawing = Album(house).drawing(one, first, until_ms)
        png = None if drawing is None else drawn(drawing)
    except NotDrawnError as error:
        raise ProblemError(503, f"The chart was not drawn: {error}.") from None
    finally:
        DRAWING.release()
    if png is None:
        raise missing(f"window of regression {named} any more")
    return Response(png, media_type=PNG)

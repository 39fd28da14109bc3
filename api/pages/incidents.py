"""One incident: its regressions in the order of change, its origin, deployments, timeline."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from alerts.wording import REASONS, correlated, since
from api.pages.charts import of_regression
from api.pages.render import render
from api.pages.troubles import elsewhere
from api.rooms import Asked, Rooms
from api.routes.incidents import find_whole

routes = APIRouter(include_in_schema=False)

BEFORE = timedelta(hours=1)
AFTER = timedelta(minutes=30)
# Of more nobody compares the curves, and each asks for its windows.
MOST_CHARTS = 12

MATCHES = {
    "same_service": "a service in it",
    "dependency": "a service that one in it needs",
    "other_service": "another service",
}


@routes.api_route("/incidents/{incident_id}", methods=["GET", "HEAD"])
def incident(house: Rooms, incident_id: str, asked: Annotated[Asked, Query()]) -> Response:
    """One incident."""
    if (shown_elsewhere := elsewhere(incident_id)) is not None:
        return shown_elsewhere
    whole = find_whole(house, incident_id)
    with house.state.reading() as session:
        found = house.book.incident(session, incident_id)
    assert found is not None  # found a moment ago, and incidents are never deleted
    signals = house.detector.definitions.signals
    of = {one.id: one for one in found.regressions}
    charts = {}
    if whole.items:
        # One span for all, so that the curves can be compared by eye.
        first = min(one.began_from for one in whole.items) - BEFORE
        ended = whole.resolved_at + AFTER if whole.resolved_at else house.now()
        until = max(min(ended, house.now()), first + BEFORE)
        charts = {
            one.id: of_regression(of[one.id], first, until)
            for one in whole.items[:MOST_CHARTS]
            if one.signal in signals
        }
    return render(
        "incident.html",
        {
            "one": whole,
            "charts": charts,
            "since": {one.id: since(one) for one in found.regressions},
            "correlated": correlated(found) if whole.items else "",
            "matches": MATCHES,
            "reasons": REASONS,
        },
    )

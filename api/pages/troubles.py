"""One trouble of Plimsoll itself: what, since when, and who was told of it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from alerts.decisions import DecisionQuery, Decisions
from alerts.troubles import PREFIX, Troubles
from api.errors import missing
from api.moments import at, maybe_at
from api.pages.render import render
from api.rooms import Asked, Rooms

routes = APIRouter(include_in_schema=False)

MOST_DECISIONS = 50


@routes.api_route("/troubles/{trouble_id}", methods=["GET", "HEAD"])
def trouble(house: Rooms, trouble_id: str, asked: Annotated[Asked, Query()]) -> Response:
    """One trouble."""
    query = DecisionQuery(incident=trouble_id, limit=MOST_DECISIONS)
    with house.state.reading() as session:
        found = Troubles().incident(session, trouble_id)
        if found is None:
            raise missing(f"trouble {trouble_id}")
        decisions = Decisions().page(session, query)[:MOST_DECISIONS]
    (one,) = found.regressions
    return render(
        "trouble.html",
        {
            "one": one,
            "subject": one.labels.get("subject"),
            "reporter": one.labels.get("reporter"),
            "began": at(one.began_lo_ms),
            "ended": maybe_at(one.resolved_ms),
            "decisions": [(at(each.at_ms), each) for each in decisions],
        },
    )


def elsewhere(id_: str) -> Response | None:
    """Where a trouble is shown that is asked for like a regression or an incident, as links do."""
    return RedirectResponse(f"/troubles/{id_}", 303) if id_.startswith(f"{PREFIX}_") else None

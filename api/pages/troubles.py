"""One trouble of Plimsoll itself: what, since when, and who was told of it."""

import shlex
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from alerts.decisions import DecisionQuery, Decisions
from alerts.troubles import PREFIX, TroubleKind, Troubles
from api.errors import missing
from api.moments import at, maybe_at
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.notifications import DECIDED, beside_decision

routes = APIRouter(include_in_schema=False)

MOST_DECISIONS = 50


@dataclass(frozen=True, slots=True)
class Next:
    """Where to look: words that a link follows, and a command, if one tries the thing at once."""

    words: str
    page: str
    path: str
    command: str = ""


NEXT = {
    TroubleKind.COLLECTOR_DOWN: Next("How all targets do:", "Collection", "/#collection"),
    TroubleKind.DETECTOR_LATE: Next("How long ticks take:", "Plimsoll itself", "/itself"),
    TroubleKind.OUTBOX_STUCK: Next("What waits, and why:", "Alerts", "/alerts"),
    TroubleKind.RECEIVER_BROKEN: Next("What the receiver says:", "Alerts", "/alerts"),
}


def next_of(kind: TroubleKind, subject: str) -> Next:
    """Where to look for this one."""
    found = NEXT[kind]
    if kind is not TroubleKind.COLLECTOR_DOWN:
        return found
    return replace(found, command=f"plimsoll collect {shlex.quote(subject)} --once")


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
            "next": next_of(TroubleKind(one.rule), one.labels.get("subject")),
            "decided": DECIDED,
            "reasons": beside_decision(),
            "decisions": [(at(each.at_ms), each) for each in decisions],
        },
    )


def elsewhere(id_: str) -> Response | None:
    """Where a trouble is shown that is asked for like a regression or an incident, as links do."""
    return RedirectResponse(f"/troubles/{id_}", 303) if id_.startswith(f"{PREFIX}_") else None

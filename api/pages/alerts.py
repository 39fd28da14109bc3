"""Alerts: who was told of what and why or why not, and how the receivers are."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query
from pydantic import Field
from sqlmodel import Session, col
from starlette.responses import Response

from alerts.alert import Action, Reason
from alerts.decisions import DecisionQuery, Decisions
from api.hearers import receivers
from api.house import House
from api.incident_shapes import heading
from api.moments import milliseconds
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.notifications import DECIDED, NotificationShape, before, beside_decision
from detector.paging import written
from detector.tables import IncidentRow

routes = APIRouter(include_in_schema=False)

MOST_ROWS = 50


class AlertsAsked(Asked):
    """Which decisions; a form sends the empty filters too, which filter nothing."""

    receiver: str = Field("", max_length=200)
    action: Action | str = Field("", max_length=20)
    reason: Reason | str = Field("", max_length=40)
    incident: str = Field("", max_length=200)
    cursor: str = Field("", max_length=200)


@dataclass(frozen=True, slots=True)
class About:
    """What a decision is about: what it is called, and its page."""

    heading: str
    path: str


@routes.api_route("/alerts", methods=["GET", "HEAD"])
def alerts(house: Rooms, asked: Annotated[AlertsAsked, Query()]) -> Response:
    """The page."""
    query = DecisionQuery(
        incident=asked.incident or None,
        receiver=asked.receiver or None,
        action=Action(asked.action) if asked.action in set(Action) else None,
        reason=Reason(asked.reason) if asked.reason in set(Reason) else None,
        before=before(asked.cursor or None),
        limit=MOST_ROWS,
    )
    with house.state.reading() as session:
        found = Decisions().page(session, query)
        shown = found[:MOST_ROWS]
        known = about(house, session, {one.incident_id for one in shown})
        in_force = house.alerts.silences.active(session, milliseconds(house.now()))
    given = asked.model_dump(exclude={"cursor"})
    filters = {name: str(value) for name, value in given.items() if value}
    older = written(shown[-1].at_ms, str(shown[-1].id)) if len(found) > MOST_ROWS else None
    return render(
        "alerts.html",
        {
            "rows": [(NotificationShape.of(one), known[one.incident_id]) for one in shown],
            "receivers": receivers(house),
            "silences": len(in_force),
            "has_tree": house.alerts.tree is not None,
            "reasons": beside_decision(),
            "decided": DECIDED,
            "choices": {
                "receiver": {name: name for name in house.settings.alerts.receiver_names},
                "action": {str(one): words for one, words in DECIDED.items()},
                "reason": {str(one): str(one).replace("_", " ") for one in Reason},
            },
            "given": {name: str(value) for name, value in given.items()},
            "filtered": bool(filters),
            "first": f"/alerts?{urlencode(filters)}" if asked.cursor else None,
            "older": f"/alerts?{urlencode({**filters, 'cursor': older})}" if older else None,
        },
    )


def about(house: House, session: Session, ids: Collection[str]) -> dict[str, About]:
    """What these incidents are called; one that is nowhere any more by its id."""
    found = {id_: About(id_, f"/incidents/{quote(id_, safe='')}") for id_ in ids}
    for incident in house.book.incidents(session, col(IncidentRow.id).in_(ids)) if ids else ():
        found[incident.id] = About(heading(incident), found[incident.id].path)
    for id_ in ids:
        trouble = house.alerts.troubles.incident(session, id_)
        for one in trouble.regressions if trouble is not None else ():
            told = f"{one.title}: {one.labels.get('subject')}"
            found[id_] = About(told, f"/troubles/{quote(id_, safe='')}")
    return found

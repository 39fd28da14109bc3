"""Plimsoll itself: whether it keeps up, what it costs, and what it had to leave out."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.itself import itself
from api.pages.render import render
from api.rooms import Asked, Rooms, Targets
from api.routes.health import failing
from api.routes.itself import Started
from collector.run import TargetState

routes = APIRouter(include_in_schema=False)


@routes.api_route("/itself", methods=["GET", "HEAD"])
def page(
    house: Rooms, started: Started, known: Targets, asked: Annotated[Asked, Query()]
) -> Response:
    """The page."""
    found = itself(house, started, failing(house))
    with house.state.reading() as session:
        troubles = house.alerts.troubles.open(session)
    return render(
        "itself.html",
        {
            "one": found,
            "uptime": (house.now() - started).total_seconds(),
            "down": [one.name for one in known if one.state is TargetState.DOWN],
            "targets": len(known),
            "troubles": [(one.id, each) for one in troubles for each in one.regressions],
        },
    )

"""Silences and maintenance: what is kept quiet and until when, and a new one with its effect."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from alerts.matchers import MatcherError, parse
from alerts.silence import SilenceState
from alerts.silences import SilenceQuery
from api.access.who import may_write
from api.covering import PreviewShape, preview
from api.house import House
from api.letters import plain
from api.moments import milliseconds
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.silences import MOST_MATCHERS, SilenceShape
from storage.series import Matcher

routes = APIRouter(include_in_schema=False)

MOST_ROWS = 100
MOST_EXPIRED = 20
MOST_TEXT = 4000


class SilencesAsked(Asked):
    """Conditions that somebody thinks of, one in each line; none at first."""

    matchers: str = Field("", max_length=MOST_TEXT)


@routes.api_route("/silences", methods=["GET", "HEAD"])
def silences(house: Rooms, asked: Annotated[SilencesAsked, Query()]) -> Response:
    """The page."""
    matchers, fault = conditions(asked.matchers)
    shown: PreviewShape | None = None
    if matchers and may_write():
        shown = preview(house, matchers)
    now_ms = milliseconds(house.now())
    with house.state.reading() as session:
        active = house.alerts.silences.active(session, now_ms)
    return render(
        "silences.html",
        {
            "in_force": [SilenceShape.of(one, now_ms) for one in active],
            "pending": listed(house, SilenceState.PENDING, MOST_ROWS),
            "expired": listed(house, SilenceState.EXPIRED, MOST_EXPIRED),
            # What an Alertmanager keeps is named after it, and ended there.
            "foreign": {one.id for one in active if ":" in one.id},
            "given": asked.matchers,
            "fault": fault,
            "preview": shown,
            # Whoever begins sees which conditions can be written at all.
            "labels": shown.labels if shown else preview(house, ()).labels,
        },
    )


def conditions(text: str) -> tuple[list[Matcher], str]:
    """The conditions of a text, one or more in each line, and what cannot be read of it."""
    found: list[Matcher] = []
    for line in filter(None, (one.strip() for one in text.splitlines())):
        try:
            found += parse(plain(line))
        except (MatcherError, ValueError) as error:
            return [], str(error)
    if len(found) > MOST_MATCHERS:
        return [], f"A silence has at most {MOST_MATCHERS} conditions."
    return found, ""


def listed(house: House, state: SilenceState, most: int) -> list[SilenceShape]:
    """The newest in a state."""
    now_ms = milliseconds(house.now())
    with house.state.reading() as session:
        found = house.alerts.silences.page(
            session, SilenceQuery(now_ms=now_ms, state=state, limit=most)
        )
    return [SilenceShape.of(one, now_ms) for one in found[:most]]

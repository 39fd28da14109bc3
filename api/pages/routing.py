"""Routes: the tree that decides who is told, and a try of it with labels."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from alerts.matchers import MatcherError
from api.addressed import label_set, routing
from api.covering import preview
from api.letters import plain
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.routing import MOST_LABELS

routes = APIRouter(include_in_schema=False)

MOST_TEXT = 4000


class RoutesAsked(Asked):
    """Labels that somebody wants to try, `name=value` in each line."""

    labels: str = Field("", max_length=MOST_TEXT)


@routes.api_route("/routes", methods=["GET", "HEAD"])
def tree(house: Rooms, asked: Annotated[RoutesAsked, Query()]) -> Response:
    """The page."""
    labels, fault = given(asked.labels)
    return render(
        "routes.html",
        {
            "routing": routing(house, labels or None),
            "receivers": list(house.settings.alerts.receiver_names),
            "given": asked.labels,
            "fault": fault,
            "labels": preview(house, ()).labels,
        },
    )


def given(text: str) -> tuple[dict[str, str], str]:
    """The labels of a text, and what cannot be read of it."""
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    if len(lines) > MOST_LABELS:
        return {}, f"At most {MOST_LABELS} labels can be tried."
    try:
        return label_set(plain(one) for one in lines), ""
    except (MatcherError, ValueError) as error:
        return {}, str(error)

"""`/recommendations`: advice with its evidence; never applied by Plimsoll."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from api.errors import bad_cursor
from api.rooms import Limited
from api.routes.router import router
from api.routes.texts import Cursor, Name
from api.shapes import Shape

routes = router("recommendations")


class RecommendationShape(Shape):
    """One piece of advice."""

    id: str
    """Stable id."""
    at: datetime
    """When it was first given."""
    target: str
    """What it is about."""
    summary: str
    """One sentence: what to do, and what it is worth."""
    evidence: dict[str, Any]
    """What it rests on."""


class RecommendationsPage(Shape):
    """One page, newest first."""

    items: list[RecommendationShape]
    """The recommendations; this version has no advisor, so there are none."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


class RecommendationsAsked(Limited):
    """Which recommendations."""

    target: Name | None = Field(None, description="About this target.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of a page.")


@routes.get("/recommendations", summary="Advice with its evidence, newest first")
async def recommendations(
    asked: Annotated[RecommendationsAsked, Query()],
) -> RecommendationsPage:
    """Empty: this version has no advisor. The address is there for tools that will ask for it."""
    if asked.cursor is not None:
        raise bad_cursor()
    return RecommendationsPage(items=[], next_cursor=None)

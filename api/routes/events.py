"""`/events`: what happened to all regressions and incidents, in one stream of history."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field

from api.moments import Moment, at, maybe_milliseconds
from api.rooms import Limited, Rooms
from api.routes.router import router
from api.routes.texts import Cursor, Name
from api.shapes import Shape
from api.written import looked_up
from detector.incident_tables import Step as OfIncident
from detector.regression import Step as OfRegression
from detector.timeline import About, Event, Wanted, page

routes = router("events")


class EventsAsked(Limited):
    """Which events; each filter narrows the answer."""

    about: About | None = Field(
        None, description="`regression` or `incident`: steps of one kind only."
    )
    step: OfRegression | OfIncident | None = Field(None, description="What happened.")
    actor: Name | None = Field(
        None, min_length=1, description="Who took it; `detector` for Plimsoll."
    )
    regression: Name | None = Field(None, description="Id of a regression.")
    incident: Name | None = Field(
        None, description="Id of an incident: its steps and its regressions'."
    )
    since: Moment | None = Field(None, description="At this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="At this time or earlier, RFC 3339.")
    cursor: Cursor | None = Field(None, max_length=50, description="`next_cursor` of a page.")

    def wanted(self) -> Wanted:
        """The same for the book."""
        return Wanted(
            about=self.about,
            step=None if self.step is None else str(self.step),
            actor=self.actor,
            regression_id=self.regression,
            incident_id=self.incident,
            since_ms=maybe_milliseconds(self.since),
            until_ms=maybe_milliseconds(self.until),
            cursor=self.cursor,
            limit=self.limit,
        )


class EventShape(Shape):
    """One step in the life of a regression or an incident."""

    id: str
    """Stable id; `r` for regressions, `i` for incidents."""
    at: datetime
    """When."""
    about: About
    """Whose step it is: `regression` or `incident`."""
    regression_id: str
    """The regression; empty for a step of an incident as a whole."""
    incident_id: str
    """The incident it belongs to now; empty for a suspicion or an improvement."""
    signal: str
    """The signal of the regression; empty for an incident."""
    rule: str
    """The rule of the regression; empty for an incident."""
    actor: str
    """Who took it."""
    step: OfRegression | OfIncident
    """What happened."""
    before: str
    """The state of the regression before; empty at the beginning, and for an incident."""
    after: str
    """The state of the regression after; empty for an incident."""
    reason: str
    """Why."""
    evidence: dict[str, Any]
    """What it rests on."""

    @classmethod
    def of(cls, one: Event) -> "EventShape":
        """From the book."""
        return cls(**members(one))


def members(one: Event) -> dict[str, Any]:
    """The members of an `EventShape` in their order, to be written as they are."""
    return {
        "id": one.id,
        "at": at(one.at_ms),
        "about": str(one.about),
        "regression_id": one.regression_id,
        "incident_id": one.incident_id,
        "signal": one.signal,
        "rule": one.rule,
        "actor": one.actor,
        "step": one.step,
        "before": one.before,
        "after": one.after,
        "reason": one.reason,
        "evidence": one.evidence,
    }


class EventsPage(Shape):
    """One page, newest first."""

    items: list[EventShape]
    """The events."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


@routes.get("/events", summary="What happened, newest first", response_model=EventsPage)
def history(house: Rooms, asked: Annotated[EventsAsked, Query()]) -> Response:
    """Steps of all regressions and incidents as one history; pages stay right under new steps."""
    return looked_up(house.state, page, asked.wanted(), members)

"""`/regressions`: what got worse, now and in the past."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.who import signed
from api.errors import ProblemError, ProblemType, bad_cursor, invalid, missing
from api.moments import Moment, maybe_milliseconds, milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Cursor, Id, Length, Name, Text, Words
from api.shapes import (
    RegressionShape,
    Shape,
    TransitionShape,
    WholeRegression,
    listed,
)
from api.told import Told, told
from api.written import looked_up
from detector import shown
from detector.actions import MOST_TEXT, Action, IllegalActionError, Wish
from detector.incidents import Depth
from detector.paging import BadCursorError
from detector.paging import Query as Wanted
from detector.regression import HOLDING, Kind, Phase, Severity

routes = router("regressions")


class Life(StrEnum):
    """Which part of a life is asked for: a state, or all that is over. `open` is all that holds."""

    OPEN = "open"
    OVER = "over"
    SUSPECTED = "suspected"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    MUTED = "muted"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    FALSE_POSITIVE = "false_positive"

    @property
    def phases(self) -> frozenset[Phase]:
        """The states that are meant."""
        if self is Life.OPEN:
            return HOLDING
        if self is Life.OVER:
            return frozenset(phase for phase in Phase if phase.is_over)
        return frozenset({Phase(self.value)})


class Which(StrEnum):
    """What got worse, what got better, or both."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    ANY = "any"


class RegressionsFiltered(Asked):
    """Which regressions; each filter narrows the answer."""

    state: Life | None = Field(
        None,
        description="`open` for all that holds (acknowledged and muted ones too), `over` for all "
        "that ended, or one state.",
    )
    kind: Which = Field(
        Which.REGRESSION, description="`regression`, `improvement`, or `any` for both."
    )
    severity: Severity | None = Field(None, description="`info`, `warning` or `critical`.")
    signal: Name | None = Field(None, description="Name of a signal.")
    rule: Name | None = Field(None, description="Name of a rule.")
    target: Name | None = Field(None, description="Name of a target.")
    since: Moment | None = Field(None, description="Found at this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="Found at this time or earlier, RFC 3339.")

    def wanted(self) -> Wanted:
        """The same for the book."""
        return Wanted(
            phases=self.state.phases if self.state is not None else None,
            kind=None if self.kind is Which.ANY else Kind(self.kind.value),
            severity=self.severity,
            signal=self.signal,
            rule=self.rule,
            target=self.target,
            since_ms=maybe_milliseconds(self.since),
            until_ms=maybe_milliseconds(self.until),
        )


class RegressionsAsked(RegressionsFiltered, Limited):
    """Which regressions, and which page of them."""

    cursor: Cursor | None = Field(None, description="`next_cursor` of a page.")

    def wanted(self) -> Wanted:
        """The same for the book."""
        return replace(super().wanted(), cursor=self.cursor, limit=self.limit)


class RegressionsPage(Shape):
    """One page, newest first."""

    items: list[RegressionShape]
    """The regressions."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last. While there is one a page can hold
    fewer than `limit`, even none: the look for what filters meet is bounded, and goes on there."""


def find(house: Rooms, asked: RegressionsAsked) -> tuple[list[Told], str | None]:
    """One page of regressions with their incidents, and the cursor of the next."""
    with house.state.reading() as session:
        try:
            page = house.book.page(session, asked.wanted())
        except (BadCursorError, OverflowError):
            raise bad_cursor() from None
        return told(house, session, page.regressions), page.next_cursor


class ActionPosted(BaseModel):
    """Who decided, and why."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [{"actor": "ada", "reason": "the new tax service is slower; known"}]
        },
    )

    actor: Words = Field(min_length=1, max_length=100, description="Who decides: a name.")
    reason: Text = Field("", max_length=MOST_TEXT, description="Why, for those who read it later.")


class MutePosted(ActionPosted):
    """Who mutes it, why, and how long."""

    until: Moment | None = Field(
        None, description="When the mute ends, RFC 3339; until it is resolved if left out."
    )
    for_: Length | None = Field(
        None, alias="for", description="The same as a length from now, like `4h`."
    )


class CommentPosted(ActionPosted):
    """Who says what."""

    reason: Words = Field(min_length=1, max_length=MOST_TEXT, description="The comment.")


class EventsList(Shape):
    """The life of a regression, oldest first."""

    items: list[TransitionShape]
    """Its steps."""


def find_whole(house: Rooms, regression_id: str) -> WholeRegression:
    """One regression with everything; a 404 problem when there is none."""
    with house.state.reading() as session:
        regression = house.book.regression(session, regression_id)
        if regression is None:
            raise missing(f"regression {regression_id}")
        (one,) = told(house, session, [regression], Depth.WHOLE)
        steps = house.book.transitions(session, regression_id)
    now_ms = milliseconds(house.now())
    return WholeRegression.whole(one, steps, house.detector.definitions, now_ms)


def act(
    house: Rooms,
    regression_id: str,
    action: Action,
    posted: ActionPosted,
    until_ms: int | None = None,
) -> WholeRegression:
    """Take an action and give the regression as it is then; 404 or 409 when it cannot be taken."""
    wish = Wish(
        action=action,
        actor=signed(posted.actor),
        at_ms=milliseconds(house.now()),
        reason=posted.reason,
        until_ms=until_ms,
    )
    try:
        with house.state.unit() as session:
            if house.book.act(session, regression_id, wish) is None:
                raise missing(f"regression {regression_id}")
    except IllegalActionError as error:
        raise ProblemError(409, f"{error}.", type_=ProblemType.CONFLICT) from None
    return find_whole(house, regression_id)


@routes.get("/regressions", summary="Regressions, newest first", response_model=RegressionsPage)
def regressions(house: Rooms, asked: Annotated[RegressionsAsked, Query()]) -> Response:
    """Pages stay right while new regressions come in: a cursor is a place, not a number of rows."""
    return looked_up(house.state, shown.page, asked.wanted(), listed)


@routes.get("/regressions/{regression_id}", summary="One regression, whole")
def regression(
    house: Rooms, regression_id: Id, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """With its evidence, its steps, its incident and the deployment that fits in time."""
    return find_whole(house, regression_id)


@routes.get("/regressions/{regression_id}/events", summary="The life of a regression")
def events(house: Rooms, regression_id: Id, asked: Annotated[Asked, Query()]) -> EventsList:
    """Every step with its time, who took it, why, and what it rested on; oldest first."""
    return EventsList(items=find_whole(house, regression_id).transitions)


@routes.post("/regressions/{regression_id}/acknowledge", summary="Say that somebody is at it")
def acknowledge(
    house: Rooms, regression_id: Id, posted: ActionPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """It stays open; when it gets worse it asks again. Sending any action twice is safe."""
    return act(house, regression_id, Action.ACKNOWLEDGE, posted)


@routes.post("/regressions/{regression_id}/resolve", summary="Close it by hand")
def resolve(
    house: Rooms, regression_id: Id, posted: ActionPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """For half an hour it stays closed whatever is measured; what is still there reopens it."""
    return act(house, regression_id, Action.RESOLVE, posted)


@routes.post("/regressions/{regression_id}/accept", summary="Accept it as the new normal")
def accept(
    house: Rooms, regression_id: Id, posted: ActionPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """The baseline of the series begins anew where the change set in; rules wait a day for it."""
    return act(house, regression_id, Action.ACCEPT, posted)


@routes.post(
    "/regressions/{regression_id}/mute",
    summary="Tell nobody of it for a while",
    openapi_extra=beyond({"#/for": "is given beside `until`", "#/until": "is not in the future"}),
)
def mute(
    house: Rooms, regression_id: Id, posted: MutePosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """It is still judged and shown. Give `until`, and not `for`, to repeat it safely."""
    now_ms, until_ms = milliseconds(house.now()), maybe_milliseconds(posted.until)
    if until_ms is not None and posted.for_ is not None:
        raise invalid("#/for", "says the same as `until`; give one of them")
    if posted.for_ is not None:
        until_ms = now_ms + round(posted.for_ * 1000)
    if until_ms is not None and until_ms <= now_ms:
        raise invalid("#/until", "must be in the future")
    return act(house, regression_id, Action.MUTE, posted, until_ms)


@routes.post("/regressions/{regression_id}/unmute", summary="End its mute")
def unmute(
    house: Rooms, regression_id: Id, posted: ActionPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """It is open again, and told as it is then."""
    return act(house, regression_id, Action.UNMUTE, posted)


@routes.post("/regressions/{regression_id}/false-positive", summary="Say that it is none")
def false_positive(
    house: Rooms, regression_id: Id, posted: ActionPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """It is over, its windows count as normal, and the same breach stays quiet while it lasts."""
    return act(house, regression_id, Action.FALSE_POSITIVE, posted)


@routes.post("/regressions/{regression_id}/comment", summary="Note something on it")
def comment(
    house: Rooms, regression_id: Id, posted: CommentPosted, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """It stands in the life of the regression; nothing else changes."""
    return act(house, regression_id, Action.COMMENT, posted)

"""`/silences` and `/maintenance`: who is not to be told, from when, until when, and why."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alerts.matchers import MatcherError, parse
from alerts.silence import (
    Silence,
    SilenceKind,
    SilenceState,
    UnfitSilenceError,
    matches_empty,
)
from alerts.silences import SilenceQuery, Silences
from api.access.who import signed
from api.covering import PreviewShape, preview
from api.errors import ProblemError, ProblemType, bad_cursor, invalid, missing
from api.house import House
from api.moments import Moment, at, milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import beyond, problems, router
from api.routes.texts import Cursor, Id, Length, Text, Words
from api.shapes import Shape
from detector.paging import BadCursorError, read, written
from storage.series import Match, Matcher

routes = router("silences")

BOOK = Silences()
MOST_MATCHERS = 20
MOST_COMMENT = 2000
SILENCE_RULES = {
    "#/": "must have one of `ends_at` and `for`",
    "#/ends_at": "is in the past, before the start, or too far",
    "#/matchers": "cannot be read, or would silence everything",
}


def readable(text: str) -> str:
    """Matchers that can be read."""
    try:
        parse(text)
    except MatcherError as error:
        raise ValueError(str(error)) from None
    return text


Conditions = Annotated[
    list[Annotated[Text, Field(min_length=1, max_length=1000), AfterValidator(readable)]],
    Field(max_length=MOST_MATCHERS),
]


class Span(BaseModel):
    """From when until when, by whom, and why."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, populate_by_name=True
    )

    starts_at: Moment | None = Field(None, description="From this time on; now if left out.")
    ends_at: Moment | None = Field(None, description="Until this time; give it, or `for`.")
    for_: Length | None = Field(None, alias="for", description="How long from its start: `4h`.")
    created_by: Words = Field(min_length=1, max_length=100, description="Who wants it: a name.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """One end."""
        if (self.ends_at is None) is (self.for_ is None):
            raise ValueError("give `ends_at`, or `for`")
        return self

    def made(
        self, kind: SilenceKind, matchers: tuple[Matcher, ...], comment: str, now: datetime
    ) -> Silence:
        """The silence that is asked for."""
        starts = self.starts_at or now
        ends = self.ends_at or starts + timedelta(seconds=self.for_ or 0)
        now_ms = milliseconds(now)
        return Silence(
            id="",
            kind=kind,
            matchers=matchers,
            starts_ms=milliseconds(starts),
            ends_ms=milliseconds(ends),
            created_by=signed(self.created_by),
            comment=comment,
            created_ms=now_ms,
            updated_ms=now_ms,
        )


class SilencePosted(Span):
    """What is not to be told: alerts that meet all matchers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "matchers": ['service="shop"', 'alertname=~"api_.*"'],
                    "for": "4h",
                    "created_by": "ada",
                    "comment": "load test, ticket 4711",
                }
            ]
        }
    )

    matchers: Conditions = Field(
        min_length=1, description='All must hold: `service="shop"`, `severity!~"crit.*"`.'
    )
    comment: Words = Field(
        min_length=1, max_length=MOST_COMMENT, description="Why, for those who wonder."
    )


class MaintenancePosted(Span):
    """A window in which a service is worked on: nobody is told of its alerts meanwhile."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"service": "shop", "for": "20m", "created_by": "deploy pipeline"}]
        }
    )

    service: Text = Field("", max_length=100, description="The service that is worked on.")
    matchers: Conditions = Field([], description="More conditions, or others than the service.")
    comment: Text = Field("", max_length=MOST_COMMENT, description="What is done.")


class SilenceChanged(BaseModel):
    """Another end, another comment."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [{"ends_at": "2026-03-02T18:00:00Z", "comment": "it takes longer"}]
        },
    )

    ends_at: Moment | None = Field(None, description="Until this time.")
    comment: Words | None = Field(
        None, min_length=1, max_length=MOST_COMMENT, description="Why, anew."
    )


class SilenceShape(Shape):
    """Alerts that meet all matchers are not told between its start and its end."""

    id: str
    """Stable id."""
    kind: SilenceKind
    """`silence`, or `maintenance`."""
    state: SilenceState
    """`pending`, `active` or `expired`, as of now."""
    matchers: list[str]
    """Its conditions."""
    starts_at: datetime
    """From when on."""
    ends_at: datetime
    """Until when."""
    created_by: str
    """Who wanted it."""
    comment: str
    """Why."""
    created_at: datetime
    """When it was made."""
    updated_at: datetime
    """When it was changed last."""

    @classmethod
    def of(cls, one: Silence, now_ms: int) -> "SilenceShape":
        """From the book."""
        return cls(
            id=one.id,
            kind=one.kind,
            state=one.state(now_ms),
            matchers=[str(matcher) for matcher in one.matchers],
            starts_at=at(one.starts_ms),
            ends_at=at(one.ends_ms),
            created_by=one.created_by,
            comment=one.comment,
            created_at=at(one.created_ms),
            updated_at=at(one.updated_ms),
        )


class SilencesAsked(Limited):
    """Which silences; each filter narrows the answer."""

    state: SilenceState | None = Field(None, description="`pending`, `active` or `expired`.")
    kind: SilenceKind | None = Field(None, description="`silence` or `maintenance`.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of a page.")


class PreviewAsked(Asked):
    """A silence that somebody thinks of."""

    matcher: Conditions = Field(
        min_length=1, description='A condition like `service="shop"`; repeat it, all must hold.'
    )


class SilencesPage(Shape):
    """One page, newest first."""

    items: list[SilenceShape]
    """The silences."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


@routes.get("/silences", summary="Silences and maintenance windows, newest first")
def silences(house: Rooms, asked: Annotated[SilencesAsked, Query()]) -> SilencesPage:
    """Expired ones too, unless `state` says otherwise."""
    now_ms = milliseconds(house.now())
    query = SilenceQuery(
        now_ms=now_ms,
        state=asked.state,
        kind=asked.kind,
        before=place(asked.cursor),
        limit=asked.limit,
    )
    with house.state.reading() as session:
        found = BOOK.page(session, query)
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    return SilencesPage(
        items=[SilenceShape.of(one, now_ms) for one in shown],
        next_cursor=written(shown[-1].created_ms, shown[-1].id) if more else None,
    )


def place(cursor: str | None) -> tuple[int, str] | None:
    """Where the page before ended."""
    if cursor is None:
        return None
    try:
        return read(cursor)
    except (BadCursorError, OverflowError):
        raise bad_cursor() from None


@routes.get(
    "/silences/preview",
    summary="What a silence would keep quiet, before it is made",
    openapi_extra=beyond({"?matcher": "cannot be read, or would silence everything"}),
)
def preview_silence(house: Rooms, asked: Annotated[PreviewAsked, Query()]) -> PreviewShape:
    """Changes nothing. Needs the scope `write`, as making one does."""
    matchers = [one for text in asked.matcher for one in parse(text)]
    if not matchers:
        raise invalid("?matcher", "holds no condition")
    if all(matches_empty(one) for one in matchers):
        raise invalid("?matcher", "would silence everything, also what has no such label")
    return preview(house, matchers)


@routes.get("/silences/{silence_id}", summary="One silence")
def silence(house: Rooms, silence_id: Id, asked: Annotated[Asked, Query()]) -> SilenceShape:
    """A maintenance window is one too."""
    with house.state.reading() as session:
        return SilenceShape.of(found(house, silence_id, BOOK.get(session, silence_id)), now(house))


@routes.post(
    "/silences",
    status_code=201,
    summary="Silence alerts",
    openapi_extra=beyond(SILENCE_RULES),
)
def post_silence(
    house: Rooms, posted: SilencePosted, asked: Annotated[Asked, Query()]
) -> SilenceShape:
    """Incidents that last are told when it ends; messages that stand stay true meanwhile."""
    matchers = tuple(one for text in posted.matchers for one in parse(text))
    return store(house, posted.made(SilenceKind.SILENCE, matchers, posted.comment, house.now()))


@routes.post(
    "/maintenance",
    status_code=201,
    summary="Begin a maintenance window",
    openapi_extra=beyond(SILENCE_RULES),
)
def post_maintenance(
    house: Rooms, posted: MaintenancePosted, asked: Annotated[Asked, Query()]
) -> SilenceShape:
    """A silence of the kind `maintenance`, for a service by its name; made for deployments."""
    matchers = [one for text in posted.matchers for one in parse(text)]
    if posted.service:
        matchers.append(Matcher("service", Match.EQUAL, posted.service))
    kind = SilenceKind.MAINTENANCE
    return store(house, posted.made(kind, tuple(matchers), posted.comment, house.now()))


@routes.patch(
    "/silences/{silence_id}",
    summary="Change the end or the comment of a silence",
    responses=problems({409: "It has expired, or somebody else changed it a moment ago."}),
    openapi_extra=beyond({"#/ends_at": "is not in the future, or too far"}),
)
def patch_silence(
    house: Rooms, silence_id: Id, posted: SilenceChanged, asked: Annotated[Asked, Query()]
) -> SilenceShape:
    """One that has expired stays as it is: make a new one."""
    ends_ms = None if posted.ends_at is None else milliseconds(posted.ends_at)
    if ends_ms is not None and ends_ms <= now(house):
        raise invalid("#/ends_at", "is not in the future: expire it instead")
    return change(house, silence_id, ends_ms, posted.comment)


@routes.post("/silences/{silence_id}/expire", summary="End a silence now")
def expire_silence(house: Rooms, silence_id: Id, asked: Annotated[Asked, Query()]) -> SilenceShape:
    """What it kept quiet and lasts is told then. Expiring it again changes nothing."""
    with house.state.reading() as session:
        before = found(house, silence_id, BOOK.get(session, silence_id))
    if before.state(now(house)) is SilenceState.EXPIRED:
        return SilenceShape.of(before, now(house))
    return change(house, silence_id, now(house), None)


def now(house: House) -> int:
    """Milliseconds of now."""
    return milliseconds(house.now())


def found(house: House, silence_id: str, one: Silence | None) -> Silence:
    """A silence, or a 404 problem."""
    if one is None:
        raise missing(f"silence {silence_id}")
    return one


def store(house: House, silence: Silence) -> SilenceShape:
    """Store a new one, or say what cannot be meant."""
    if silence.ends_ms <= now(house):
        raise invalid("#/ends_at", "is in the past")
    try:
        with house.state.unit() as session:
            return SilenceShape.of(BOOK.create(session, silence), now(house))
    except UnfitSilenceError as error:
        raise invalid(error.pointer, str(error)) from None


def change(house: House, silence_id: str, ends_ms: int | None, comment: str | None) -> SilenceShape:
    """Change one that has not expired."""
    now_ms = now(house)
    try:
        with house.state.unit() as session:
            before = found(house, silence_id, BOOK.get(session, silence_id))
            if before.state(now_ms) is SilenceState.EXPIRED:
                raise conflict("This silence has expired; make a new one.")
            after = BOOK.change(
                session,
                before,
                ends_ms=before.ends_ms if ends_ms is None else ends_ms,
                comment=before.comment if comment is None else comment,
                now_ms=now_ms,
            )
    except UnfitSilenceError as error:
        raise invalid(error.pointer, str(error)) from None
    if after is None:
        raise conflict("Somebody else changed this silence a moment ago; look at it again.")
    return SilenceShape.of(after, now_ms)


def conflict(detail: str) -> ProblemError:
    """A 409 problem."""
    return ProblemError(409, detail, type_=ProblemType.CONFLICT)

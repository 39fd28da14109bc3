"""`/api/v1/tokens`, `/audit`, `/whoami`: who may come in, and who changed what."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.access import book
from api.access.door import Door
from api.access.gate import Access
from api.access.token import Scope, Token
from api.access.who import CURRENT
from api.errors import invalid, missing
from api.house import House
from api.moments import at, maybe_at, milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Id, Length, Words
from api.shapes import Shape
from storage.state import LARGEST_KEY

routes = router("access")

"""What every reader of JSON can tell from its neighbours."""


async def door_of(request: Request) -> Door:
    """Who knows the tokens."""
    access: Access = request.app.state.access
    return access.door


DoorOf = Annotated[Door, Depends(door_of)]


class TokenShape(Shape):
    """A token, without its secret."""

    id: str
    """Its public part."""
    name: str
    """What it is called in the audit log."""
    scopes: list[Scope]
    """What it may do."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """From when on it lets nobody in; null for never."""
    revoked_at: datetime | None
    """When it was revoked; null while it was not."""
    last_used_at: datetime | None
    """When it was used last, to the minute; null for never."""

    @classmethod
    def of(cls, one: Token) -> "TokenShape":
        """As others see it."""
        return cls(
            id=one.id,
            name=one.name,
            scopes=list(one.scopes),
            created_at=at(one.created_ms),
            expires_at=maybe_at(one.expires_ms),
            revoked_at=maybe_at(one.revoked_ms),
            last_used_at=maybe_at(one.used_ms),
        )


class NewToken(TokenShape):
    """A token that was just made."""

    token: str
    """Its text; it is shown this once."""


class TokensList(Shape):
    """All tokens."""

    items: list[TokenShape]
    """The newest first."""


class TokenPosted(BaseModel):
    """A token to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "ci", "scopes": ["ingest"], "expires_in": "90d"}]},
    )

    name: Words = Field(
        min_length=1, max_length=100, description="What it is called in the audit log."
    )
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=len(Scope),
        description="What it may do.",
    )
    expires_in: Length | None = Field(None, description="How long it lasts; for good if left out.")
    expires_at: AwareDatetime | None = Field(None, description="The same as a time.")


class ChangeShape(Shape):
    """One change that somebody made over HTTP or by `plimsoll token`."""

    id: int
    """Grows with every change."""
    at: datetime
    """When."""
    actor: str
    """Who: a person with the token he signed in with, a token, or `anonymous`."""
    token_id: str
    """The token; empty where nobody had to show one."""
    method: str
    """How it was asked."""
    path: str
    """What was asked, without the query."""
    status: int
    """How it was answered."""


class AuditPage(Shape):
    """Changes, the newest first."""

    items: list[ChangeShape]
    """One page of them."""
    next_cursor: str | None
    """Where the next page begins; null on the last one."""


class AuditAsked(Limited):
    """Which page."""

    cursor: int | None = Field(
        None, ge=1, le=LARGEST_KEY, description="`next_cursor` of the page before."
    )


class WhoShape(Shape):
    """Who asks."""

    name: str
    """As in the audit log; empty where nobody has to say who he is."""
    scopes: list[Scope]
    """What he may do; all where nobody is asked."""
    demanded: bool
    """Whether everybody is asked."""


@routes.get("/whoami", summary="Who asks, and what he may do")
def whoami(house: Rooms, door: DoorOf, asked: Annotated[Asked, Query()]) -> WhoShape:
    """For scripts that want to know before they begin."""
    who, demanded = CURRENT.get(), door.demanded(milliseconds(house.now()))
    if who is None:
        return WhoShape(name="", scopes=list(Scope), demanded=demanded)
    return WhoShape(name=who.name, scopes=list(who.token.scopes), demanded=demanded)


@routes.get("/tokens", summary="All tokens, without their secrets")
def tokens(house: Rooms, asked: Annotated[Asked, Query()]) -> TokensList:
    """Revoked and expired ones too: the audit log names them."""
    with house.state.reading() as session:
        return TokensList(items=[TokenShape.of(one) for one in book.tokens(session)])


@routes.post(
    "/tokens",
    summary="Make a token",
    status_code=201,
    openapi_extra=beyond(
        {
            "#/expires_in": "is given beside `expires_at`",
            "#/expires_at": "is not in the future",
        }
    ),
)
def make_token(
    house: Rooms, door: DoorOf, posted: TokenPosted, asked: Annotated[Asked, Query()]
) -> NewToken:
    """Its text is in this answer and nowhere else. From the first one on everybody is asked."""
    now_ms = milliseconds(house.now())
    if posted.expires_in is not None and posted.expires_at is not None:
        raise invalid("#/expires_in", "says the same as `expires_at`; give one of them")
    until_ms = None if posted.expires_at is None else milliseconds(posted.expires_at)
    if posted.expires_in is not None:
        until_ms = now_ms + round(posted.expires_in * 1000)
    if until_ms is not None and until_ms <= now_ms:
        raise invalid("#/expires_at", "must be in the future")
    with house.state.unit() as session:
        one, text = book.create(session, posted.name, posted.scopes, now_ms, until_ms)
    door.forget()
    return NewToken(**TokenShape.of(one).model_dump(), token=text)


@routes.delete("/tokens/{token_id}", summary="Revoke a token")
def revoke_token(
    house: Rooms, door: DoorOf, token_id: Id, asked: Annotated[Asked, Query()]
) -> TokenShape:
    """Sessions that were opened with it end too. Sending it twice is safe."""
    return TokenShape.of(revoked(house, door, token_id))


def revoked(house: House, door: Door, token_id: str) -> Token:
    """End a token."""
    with house.state.unit() as session:
        found = book.revoke(session, token_id, milliseconds(house.now()))
    if found is None:
        raise missing(f"token {token_id}")
    door.forget()
    return found


@routes.get("/audit", summary="Who changed what, newest first")
def audit(house: Rooms, asked: Annotated[AuditAsked, Query()]) -> AuditPage:
    """Every change over HTTP that was not refused; what was refused is counted in `/metrics`."""
    with house.state.reading() as session:
        found = book.changes(session, asked.cursor, asked.limit + 1)
    page, more = found[: asked.limit], len(found) > asked.limit
    return AuditPage(
        items=[
            ChangeShape(
                id=one.id,
                at=at(one.at_ms),
                actor=one.actor,
                token_id=one.token_id,
                method=one.method,
                path=one.path,
                status=one.status,
            )
            for one in page
        ],
        next_cursor=str(page[-1].id) if more else None,
    )

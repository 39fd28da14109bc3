"""`Idempotency-Key`: a change that is sent twice, because no answer came, is made once.

As draft-ietf-httpapi-idempotency-key-header-07 says: the same key with another request is a 422,
one whose request is still under way a 409. Keys belong to the token that they came with.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.who import CURRENT
from api.errors import FaultShape, ProblemError, ProblemType, answer
from api.repeats import Repeat, RepeatRow, claim, finish, release
from api.shapes import API
from storage.state import State

HEADER, REPLAYED = "idempotency-key", "idempotency-replayed"
KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
MOST_KEPT_BYTES = 256 * 1024
SECRET = re.compile(rf"{API}/tokens")
"""Answers that hold a secret, which is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A key that is ours until the change is answered."""

    digest: str
    secret: bool


class Repeating:
    """Makes a change with a key once, and gives its answer again for a day."""

    def __init__(
        self, app: ASGIApp, state: State, clock: Callable[[], int], registry: CollectorRegistry
    ) -> None:
        self.app, self.state, self.clock = app, state, clock
        self.counted = Counter(
            "plimsoll_keyed_changes",
            "Changes that carried an Idempotency-Key, by what they were.",
            ["kind"],
            registry=registry,
        )
        for one in Repeat:
            self.counted.labels(one)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what carries no key; else make it once."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or not scope["path"].startswith(f"{API}/")
        ):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        keys = request.headers.getlist(HEADER)
        if not keys:
            await self.app(scope, receive, send)
            return
        try:
            found = KEY.fullmatch(keys[0]) if len(keys) == 1 else None
            if found is None:
                told = "Idempotency-Key is one text of 1 to 255 characters of ASCII."
                raise ProblemError(400, told)
            body = await request.body()
            taken = await self.taken(request, found[1] or found[2], body)
        except HTTPException as error:  # the body is too large
            problem = ProblemError(error.status_code, str(error.detail))
            await answer(request, problem)(scope, receive, send)
            return
        except ProblemError as problem:
            await answer(request, problem)(scope, receive, send)
            return
        if isinstance(taken, Response):
            await taken(scope, receive, send)
            return
        await self.made(taken, body, (scope, receive, send))

    async def taken(self, request: Request, key: str, body: bytes) -> Taken | Response:
        """The key, taken for this change; or the answer that it was given before."""
        who = CURRENT.get()
        owner = "" if who is None else f"{who.token.id} {who.person}"
        digest = digest_of(owner.encode(), key.encode())
        asked = digest_of(request.url.path.encode(), request.url.query.encode(), body)
        kind, row = await asyncio.to_thread(self.claimed, digest, asked)
        self.counted.labels(kind).inc()
        match kind:
            case Repeat.OTHER:
                told = "was used for another request"
                fault = FaultShape(pointer="Idempotency-Key", detail=told)
                raise ProblemError(422, f"This Idempotency-Key {told}.", errors=[fault])
            case Repeat.IN_FLIGHT:
                told = "The request with this Idempotency-Key is still under way."
                retry = {"retry-after": "1"}
                raise ProblemError(409, told, type_=ProblemType.CONFLICT, headers=retry)
            case Repeat.NOT_KEPT:
                told = "This was done already; its answer is not kept."
                raise ProblemError(409, told, type_=ProblemType.CONFLICT)
        if row is not None:
            return Response(
                row.body, row.status or 200, {REPLAYED: "true"}, media_type=row.media_type
            )
        return Taken(digest, SECRET.fullmatch(request.url.path) is not None)

    def claimed(self, digest: str, asked: str) -> tuple[Repeat, RepeatRow | None]:
        """Take the key; who was a moment later is told that the first is under way."""
        try:
            with self.state.unit() as session:
                return claim(session, digest, asked, self.clock())
        except IntegrityError:
            return Repeat.IN_FLIGHT, None

    async def made(self, taken: Taken, body: bytes, asgi: tuple[Scope, Receive, Send]) -> None:
        """Make the change, and keep its answer before the end of it is sent."""
        scope, receive, send = asgi
        start: Message = {}
        held: list[bytes] = []
        settled = given = False

        async def given_once() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def watched(message: Message) -> None:
            nonlocal start, settled
            if message["type"] == "http.response.start":
                start = message
            elif not settled:
                held.append(message.get("body", b""))
                if not message.get("more_body", False):
                    settled = True
                    await asyncio.to_thread(self.settle, taken, start, b"".join(held))
            await send(message)

        try:
            await self.app(scope, given_once, watched)
        except Exception:
            if not settled:
                await asyncio.to_thread(self.give_back, taken)
            raise

    def settle(self, taken: Taken, start: Message, body: bytes) -> None:
        """Keep an answer; one that is a failure of ours is none, and the change may be sent again.

        Of a secret, and of what is too long or no JSON, only that it was done.
        """
        status = start["status"]
        kind = dict(start["headers"]).get(b"content-type", b"").decode("latin-1")
        is_json = kind in ("application/json", "application/problem+json")
        whole = is_json and len(body) <= MOST_KEPT_BYTES and not (taken.secret and status < 300)
        with self.state.unit() as session:
            if status >= 500:
                release(session, taken.digest)
            else:
                finish(session, taken.digest, status, kind, body.decode() if whole else None)

    def give_back(self, taken: Taken) -> None:
        """The change failed inside."""
        with self.state.unit() as session:
            release(session, taken.digest)


def digest_of(*parts: bytes) -> str:
    """A digest that tells apart what is split differently."""
    made = hashlib.sha256()
    for one in parts:
        made.update(len(one).to_bytes(8, "big") + one)
    return made.hexdigest()

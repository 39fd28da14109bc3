"""One making of an answer for all who ask for it about the same time.

When something breaks, everybody opens the same page. Whoever asks while it is being made for
somebody else gets the same bytes, and so does who asks in the seconds after. Nobody sees an answer
that was begun before the last change through this process was done, nor one that was made longer
than `kept.MOST_AGE_MS` ago. Who asks, and whether he may, is found out for each request before it
comes here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.who import CURRENT
from api.kept import Age, Answer, Kept, KeptMeters, Question, Version, Way
from api.shapes import API
from api.tagging import PAGES, names

SHARED = PAGES | {f"{API}/summary"}
"""What many look at together: whole answers that hold nothing but what the question says."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FOUND = ("route", "endpoint", "path_params", "fastapi")
"""What routing puts into a scope; outside of it the whole table of routes would be gone through."""

KNOWN = b"if-none-match"
OF_A_BODY = (b"content-length", b"content-type", b"content-encoding")


class Shared:
    """What is being made and what is kept, for those who answer from it.

    `clock` tells milliseconds of the epoch; `writes` is a number that is another one after each
    change of the state.
    """

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], int], writes: Callable[[], int]
    ) -> None:
        self.clock, self.writes = clock, writes
        self.changes = 0
        self.making: dict[tuple[Question, Version], asyncio.Task[Answer]] = {}
        self.meters = KeptMeters(registry)
        self.kept = Kept(self.meters)

    @property
    def version(self) -> Version:
        """Another one after each change that is known here."""
        return self.writes(), self.changes

    def changed(self) -> None:
        """Whatever is asked for from now on holds what was done before."""
        self.changes += 1

    def at_once(self, question: Question) -> tuple[Answer, Way] | None:
        """A kept answer, where it is fresh or the next one is being made already."""
        version = self.version
        found = self.kept.find(question, version, self.clock())
        if found is None:
            return None
        if found[1] is Age.FRESH:
            return found[0], Way.KEPT
        return (found[0], Way.LATE) if (question, version) in self.making else None

    async def answer(
        self, question: Question, make: Callable[[Version], Coroutine[Any, Any, Answer]]
    ) -> tuple[Answer, Way]:
        """The answer to a question; who stops waiting takes it from nobody else."""
        version = self.version
        found = self.kept.find(question, version, self.clock())
        if found is not None and found[1] is Age.FRESH:
            return found[0], Way.KEPT
        key = (question, version)
        way, task = Way.JOINED, self.making.get(key)
        if task is None:
            # A task of its own: whoever asked first may go away while others wait.
            way, task = Way.MADE, asyncio.create_task(make(version))
            self.making[key] = task
            task.add_done_callback(lambda done: self.settle(key, done))
        if found is not None and (found[1] is Age.LATE or way is Way.JOINED):
            return found[0], Way.LATE
        return await asyncio.shield(task), way

    def settle(self, key: tuple[Question, Version], done: asyncio.Task[Answer]) -> None:
        """Keep what was made; an error was told to those who still waited."""
        self.making.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self.kept.keep(key[0], done.result(), self.version, self.clock())


class Sharing:
    """Answers those who ask for the same thing from one making of it."""

    def __init__(self, app: ASGIApp, shared: Shared) -> None:
        self.app, self.shared = app, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or answer with what is made once."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] not in SAFE:
            await self.change(scope, receive, send)
        elif is_shared(scope["method"], scope["path"]):
            await self.tell(scope, send)
        else:
            await self.app(scope, receive, send)

    async def change(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may change something; who was told that it is done sees it."""

        async def watched(message: Message) -> None:
            self.shared.changed()
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            self.shared.changed()  # something may be done after the answer

    async def tell(self, scope: Scope, send: Send) -> None:
        """Answer what is shared."""
        headers = Headers(scope=scope)
        question = Question.of(scope["path"], scope["query_string"], CURRENT.get(), headers)
        answer, way = await self.shared.answer(question, lambda version: self.made(scope, version))
        self.shared.meters.answers[way].inc()
        scope.update(answer.found)
        status, lines, body = answer.status, list(answer.headers), answer.body
        if answer.tag and names(headers.getlist("if-none-match"), answer.tag):
            status, body = 304, b""
            lines = [one for one in lines if one[0] not in OF_A_BODY]
        if scope["method"] == "HEAD":
            body = b""
        # Outer layers add to the headers where they stand, hence a list for each.
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    async def made(self, scope: Scope, version: Version) -> Answer:
        """Let the inside answer, whatever the one who asks knows already."""
        messages: list[Message] = []

        async def held(message: Message) -> None:
            messages.append(message)

        told = [one for one in scope["headers"] if one[0] != KNOWN]
        inner = {**scope, "method": "GET", "headers": told}
        await self.app(inner, nothing_more, held)
        start, *bodies = messages
        return Answer(
            status=start["status"],
            headers=tuple(start["headers"]),
            body=b"".join(one.get("body", b"") for one in bodies),
            found={name: inner[name] for name in FOUND if name in inner},
            version=version,
            made_ms=self.shared.clock(),
        )


def is_shared(method: str, path: str) -> bool:
    """Whether an answer is the same for all who ask the same; only pages have a HEAD."""
    return path in SHARED and (method == "GET" or (method == "HEAD" and path in PAGES))


async def nothing_more() -> Message:
    """A request without a body, from somebody who stays."""
    return {"type": "http.request", "body": b"", "more_body": False}

"""One making of an answer for all who ask for it at the same moment.

When something breaks, everybody opens the same page. Whoever asks while it is being made for
somebody else gets the same bytes; nothing is kept once it is made, so nobody sees an answer that
was begun before the last change through this process was done.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.who import CURRENT
from api.shapes import API

SHARED = frozenset({"/", f"{API}/summary"})
"""What many look at together: whole answers that hold nothing but what the key says."""

VARYING = ("accept-encoding", "if-none-match", "accept")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FOUND = ("route", "endpoint", "path_params", "fastapi")
"""What routing puts into a scope; outside of it the whole table of routes would be gone through."""

Made = tuple[list[Message], dict[str, Any]]


class Sharing:
    """Answers those who ask for the same thing at once from one making of it."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.making: dict[Hashable, asyncio.Task[Made]] = {}
        self.changes = 0
        self.shared = Counter(
            "plimsoll_answers_shared_total",
            "Requests that were answered with what was being made for another one.",
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or wait with others for one answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] not in SAFE:
            try:
                await self.app(scope, receive, send)
            finally:
                self.changes += 1  # what is being made may not hold it yet
        elif scope["method"] == "GET" and scope["path"] in SHARED:
            messages, found = await self.answer(scope)
            scope.update(found)
            for message in messages:
                await send(copied(message))
        else:
            await self.app(scope, receive, send)

    async def answer(self, scope: Scope) -> Made:
        """The messages of an answer; who stops waiting takes it from nobody else."""
        key = (self.changes, *asked(scope))
        task = self.making.get(key)
        if task is None:
            # A task of its own: whoever asked first may go away while others wait.
            task = self.making[key] = asyncio.create_task(self.made(scope))
            task.add_done_callback(lambda done: self.forget(key, done))
        else:
            self.shared.inc()
        return await asyncio.shield(task)

    async def made(self, scope: Scope) -> Made:
        """Let the inside answer; with which route that was, for those who count by it."""
        messages: list[Message] = []

        async def held(message: Message) -> None:
            messages.append(message)

        inner = dict(scope)
        await self.app(inner, nothing_more, held)
        return messages, {name: inner[name] for name in FOUND if name in inner}

    def forget(self, key: Hashable, done: asyncio.Task[Made]) -> None:
        """Keep nothing; an error was told to those who still waited."""
        self.making.pop(key, None)
        if not done.cancelled():
            done.exception()


def copied(message: Message) -> Message:
    """The message for one of those who get it: outer layers add to its headers where they stand."""
    if "headers" not in message:
        return message
    return {**message, "headers": list(message["headers"])}


def asked(scope: Scope) -> tuple[Hashable, ...]:
    """What an answer depends on: the question, how it may be packed, and who asks."""
    headers: Mapping[str, str] = Headers(scope=scope)
    who = CURRENT.get()
    name = None if who is None else (who.token.id, who.name, who.person)
    return scope["path"], scope["query_string"], name, *map(headers.get, VARYING)


async def nothing_more() -> Message:
    """A request without a body, from somebody who stays."""
    return {"type": "http.request", "body": b"", "more_body": False}

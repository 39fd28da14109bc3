"""Answers that somebody has already: an ETag on what the API answers, and 304 for who names it."""

import hashlib
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.shapes import API

PAGES = frozenset({"/"})
"""Pages that are tagged as well: those that are reloaded most."""

KINDS = frozenset({"application/json", "text/html"})
MOST_BYTES = 4 * 1024 * 1024
"""Longer answers go out as they come, without a tag: they would have to be held as a whole."""


class Tagging:
    """Tags whole JSON answers to GET and HEAD below `/api/v1`, and some pages, by what is in them.

    The tag is weak: what is compressed afterwards is another row of bytes with the same meaning.
    An answer of the API may be kept, but must be asked for again each time (`no-cache`); a page may
    be kept by nobody, as the guard says, and is tagged for programs that ask again and again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a short answer until it is whole, then send it, or say that it is known."""
        if (
            scope["type"] != "http"
            or scope["method"] not in ("GET", "HEAD")
            or not (scope["path"].startswith(f"{API}/") or scope["path"] in PAGES)
        ):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).getlist("if-none-match")
        held: list[Message] = []
        passing = False

        async def tagged(message: Message) -> None:
            nonlocal passing
            if passing:
                await send(message)
                return
            held.append(message)
            start, bodies = held[0], held[1:]
            more = message["type"] == "http.response.start" or message.get("more_body", False)
            size = sum(len(one.get("body", b"")) for one in bodies)
            if is_plain(start) and more and size <= MOST_BYTES:
                return
            passing = True
            if is_plain(start) and not more:
                for one in whole(start, b"".join(one.get("body", b"") for one in bodies), known):
                    await send(one)
                return
            for one in held:
                await send(one)

        await self.app(scope, receive, tagged)


def is_plain(start: Message) -> bool:
    """Whether an answer is one to be tagged: complete, and not tagged by somebody else."""
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    return start["status"] == 200 and kind in KINDS and "etag" not in headers


def whole(start: Message, body: bytes, known: Iterable[str]) -> tuple[Message, Message]:
    """The answer with its tag, or 304 without a body."""
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["etag"] = tag
    if headers["content-type"].startswith("application/json"):
        headers["cache-control"] = "private, no-cache"
    if not names(known, tag):
        return {**start, "headers": headers.raw}, {"type": "http.response.body", "body": body}
    for name in ("content-length", "content-type"):
        del headers[name]
    return (
        {**start, "status": 304, "headers": headers.raw},
        {"type": "http.response.body", "body": b""},
    )


def names(known: Iterable[str], tag: str) -> bool:
    """Whether a list of tags holds this one, compared as weak ones are (RFC 9110, 8.8.3.2)."""
    told = [one.strip() for line in known for one in line.split(",")]
    return "*" in told or tag.removeprefix("W/") in (one.removeprefix("W/") for one in told)

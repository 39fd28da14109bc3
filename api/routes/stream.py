"""`/stream`: live updates as server-sent events, for pages and scripts that would ask again."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import ProblemError
from api.feed import MOST_LISTENERS, Ending, Feed, Kind, Listener, Note, Place
from api.letters import PLAIN
from api.moments import at
from api.rooms import Asked
from api.routes.events import EventShape
from api.routes.router import problems, router
from api.routes.texts import MOST_NAME
from api.shapes import API
from storage.state import LARGEST_KEY

routes = router("stream")

PATH = f"{API}/stream"
MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 900.0
"""Then the listener is sent away to come back, which asks anew whether he still may."""
RETRY_MS = 3000
PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
EVENT = {
    "type": "object",
    "description": "One event; an answer is one after the other until it ends.",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]{1,18}[.][0-9]{1,18}$"},
        "event": {"type": "string", "enum": [one.value for one in Kind]},
        "data": {"type": "string", "description": "JSON: an `EventShape`, `{at}`, or `{}`."},
        "retry": {"type": "integer"},
    },
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events.", "content": {MEDIA_TYPE: {"schema": EVENT}}},
    **problems({503: f"{MOST_LISTENERS} listen already, or Plimsoll stops."}),
}


async def feed_of(request: Request) -> Feed:
    """That of the application."""
    feed: Feed = request.app.state.feed
    return feed


class Live(StreamingResponse):
    """A stream that is open; whoever leaves makes room for another."""

    def __init__(self, feed: Feed, listener: Listener, after: Place | None) -> None:
        self.feed, self.listener = feed, listener
        super().__init__(
            self.lines(after),
            media_type=MEDIA_TYPE,
            # Proxies such as nginx would hold it back until it is long enough.
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def lines(self, after: Place | None) -> AsyncIterator[str]:
        """What is told to one listener, until it is over for him."""
        one = self.listener
        over = asyncio.get_running_loop().time() + LONGEST_SECONDS
        yield f"retry: {RETRY_MS}\n\n"
        known = set()
        for note in await self.feed.begin(after):
            if note.event is not None:
                known.add(note.event.id)
            yield written(note)
        while one.ending is not Ending.SLOW:
            left = over - asyncio.get_running_loop().time()
            if left <= 0:
                one.end(Ending.LONG)
                return
            try:
                note_ = await asyncio.wait_for(one.queue.get(), min(left, HEARTBEAT_SECONDS))
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if note_ is None:
                return
            # What came while the past was read may stand in both.
            if note_.event is None or note_.event.id not in known:
                yield written(note_)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, however long that is, then leave."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.feed.leave(self.listener)


def written(note: Note) -> str:
    """One event as it is sent."""
    if note.event is not None:
        data = EventShape.of(note.event).model_dump_json()
    elif note.tick_ms is not None:
        data = json.dumps({"at": at(note.tick_ms).isoformat().replace("+00:00", "Z")})
    else:
        data = "{}"
    return f"id: {note.place[0]}.{note.place[1]}\nevent: {note.kind.value}\ndata: {data}\n\n"


def place_of(told: str | None) -> Place | None:
    """The place that a listener has seen; None for what is none of ours, as for a new one."""
    found = PLACE.fullmatch(told or "")
    place = (int(found[1]), int(found[2])) if found else None
    return place if place is None or max(place) <= LARGEST_KEY else None


@routes.get("/stream", summary="Live updates", response_class=Response, responses=ANSWERS)
async def stream(
    feed: Annotated[Feed, Depends(feed_of)],
    asked: Annotated[Asked, Query()],
    last_event_id: Annotated[
        str | None,
        Header(
            max_length=MOST_NAME,
            pattern=PLAIN,
            description="The `id` of the last event that was seen; another text is as none.",
        ),
    ] = None,
) -> Response:
    """Server-sent events: `regression` and `incident` for each step, `tick` for each tick.

    The first is `ready`. With `Last-Event-ID`, which browsers send by themselves, it is what was
    missed, or `lost` when that is too much: then read anew what you show. A step may come twice.
    """
    listener = feed.join()
    if listener is None:
        told = "Plimsoll is stopping." if feed.stopped else f"{MOST_LISTENERS} listen already."
        raise ProblemError(503, f"{told} Ask again later.", headers={"retry-after": "30"})
    return Live(feed, listener, place_of(last_event_id))

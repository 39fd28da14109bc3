"""Live updates as they come over the wire: server-sent events, and where to go on after a break.

Pure, and shared by the plain client and the asynchronous one.
(https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)
"""

import json
from dataclasses import dataclass, field
from typing import Any

PATH = "/stream"
RETRY_SECONDS = 3.0
SILENCE_SECONDS = 45.0
"""Plimsoll says something every 15 s; who hears nothing for so long is no longer connected."""


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that was told.

    `kind` is `ready`, `lost` (too much was missed: read anew what you show), `regression`,
    `incident` or `tick`; `data` is the event (`plimsoll_client.answers.Event`) of the middle two,
    `{"at"}` of a tick. `id` is the place to go on from.
    """

    kind: str
    id: str
    data: dict[str, Any]


@dataclass(slots=True)
class Listening:
    """One who listens, over as many connections as it takes."""

    place: str = ""
    """The id of the last update: sent as `Last-Event-ID`."""
    retry_seconds: float = RETRY_SECONDS
    tried: int = 0
    """Connections in a row that brought nothing."""
    _kind: str = ""
    _id: str = ""
    _data: list[str] = field(default_factory=list)

    def begin(self) -> dict[str, str]:
        """The headers of a new connection; what was heard of half an event is forgotten."""
        self._clear()
        headers = {"accept": "text/event-stream"}
        return {**headers, "last-event-id": self.place} if self.place else headers

    def take(self, line: str) -> Update | None:
        """One line without its end; the update that it completes, if it does."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = int(value) / 1000
        return None

    def _complete(self) -> Update | None:
        kind, id_, data = self._kind, self._id, "\n".join(self._data)
        self._clear()
        if not data:
            return None
        self.tried, self.place = 0, id_ or self.place
        return Update(kind or "message", self.place, json.loads(data))

    def _clear(self) -> None:
        self._kind, self._id, self._data = "", "", []

"""Beacons as browsers send them, and an endpoint to send them to without a server."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.rum.asgi import Endpoint, Message
from collector.rum.cells import Cell
from collector.rum.config import RumConfig
from collector.rum.receiver import Receiver, Site

NOON_MS = 1_772_452_800_000
ORIGIN = "https://shop.example"
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
APP = {"name": "shop", "key": "k1", "origins": [ORIGIN], "routes": ["/", "/checkout/:id"]}

Headers = list[tuple[bytes, bytes]]


def config(app: Mapping[str, Any] | None = None, **keys: Any) -> RumConfig:
    """One app, the shop; `app` changes its keys."""
    return RumConfig.model_validate({"apps": [{**APP, **(app or {})}], **keys})


def metric(name: str, value: float, **more: Any) -> dict[str, Any]:
    """One metric of the first page."""
    return {"n": name, "i": f"v6-{name}", "v": value, "t": "navigate", "u": "/", **more}


def beacon(view: str = "view-0001", *metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A beacon of the shop."""
    return {"v": 1, "k": "k1", "p": view, "s": 0, "m": list(metrics), **more}


def whole(
    view: str, lcp_ms: float = 1600, route: str = "/", cls: float = 0.02, **more: Any
) -> dict[str, Any]:
    """A view that tells everything."""
    values = {"TTFB": 90, "FCP": min(800, lcp_ms), "LCP": lcp_ms, "INP": 96, "CLS": cls}
    return beacon(view, *(metric(name, v, u=route) for name, v in values.items()), **more)


@dataclass
class Door:
    """An endpoint with a clock that tests set, and how requests reach it."""

    config: RumConfig
    now_ms: int = NOON_MS
    peer: str = "192.0.2.1"
    receiver: Receiver = field(init=False)
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.config)
        self.endpoint = Endpoint(self.receiver, lambda: self.now_ms)

    @property
    def site(self) -> Site:
        """The shop."""
        return next(iter(self.receiver.sites.values()))

    def send(self, *bodies: dict[str, Any] | bytes | str, **more: Any) -> int:
        """Post bodies one after the other; the status of the last answer."""
        status = 0
        for body in bodies:
            status, _ = self.answer(body, **more)
        return status

    def answer(
        self, body: dict[str, Any] | bytes | str, *, method: str = "POST", **more: Any
    ) -> tuple[int, dict[str, str]]:
        """(status, headers) of one request."""
        raw = body if isinstance(body, bytes) else text(body).encode()
        return asyncio.run(self.request([raw], method=method, **more))

    async def request(
        self,
        pieces: Iterable[bytes],
        *,
        method: str = "POST",
        path: str = "/rum",
        headers: Mapping[str, str | None] | None = None,
        lines: Headers | None = None,
        query: bytes = b"",
        told: Callable[[bytes], None] = lambda _: None,
    ) -> tuple[int, dict[str, str]]:
        """One request whose body comes in pieces; `told` hears of each that was asked for."""
        given: dict[str, str | None] = {"origin": ORIGIN, "user-agent": CHROME, **(headers or {})}
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [
                *((n.encode(), v.encode("latin-1")) for n, v in given.items() if v is not None),
                *(lines or []),
            ],
            "client": (self.peer, 4711),
        }
        waiting = iter(pieces)
        answers: list[Message] = []

        async def receive() -> Message:
            piece = next(waiting, None)
            if piece is None:
                return {"type": "http.request", "body": b"", "more_body": False}
            told(piece)
            return {"type": "http.request", "body": piece, "more_body": True}

        async def send(message: Message) -> None:
            answers.append(message)

        await self.endpoint(scope, receive, send)
        head = answers[0]
        return head["status"], {n.decode(): v.decode("latin-1") for n, v in head["headers"]}

    def settle(self, after_ms: int = 601_000) -> None:
        """Let all views end."""
        self.now_ms += after_ms
        while self.receiver.settle(self.now_ms, 1000):
            pass

    def cell(self, name: str = "LCP", route: str = "/", device: str = "desktop") -> Cell:
        """A histogram of the shop; an error where it has none."""
        return self.site.histograms.cells[name, route, device]

    def n(self, name: str = "LCP", route: str = "/", device: str = "desktop") -> int:
        """How many values were counted."""
        found = self.site.histograms.cells.get((name, route, device))
        return sum(found.counts) if found else 0


def text(body: dict[str, Any] | str) -> str:
    """JSON as it is sent."""
    return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))

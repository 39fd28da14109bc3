"""Calling an ASGI application as a server would, and reading what was measured."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from plimsoll_client.asgi import App, Message, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What the server got to send, and the exception that reached it."""

    messages: list[Message] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    def header(self, name: str) -> str | None:
        values = [
            value.decode()
            for key, value in self.messages[0].get("headers", ())
            if key.decode().lower() == name
        ]
        assert len(values) <= 1, values
        return values[0] if values else None


def http_scope(
    method: str,
    path: str,
    root_path: str = "",
    headers: Headers = ((b"host", b"shop.example"),),
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": client,
        "root_path": root_path,
        "state": {},
    }


async def called(
    app: App, scope: Scope, on_send: Callable[[Message], Awaitable[None]] | None = None
) -> Answer:
    """Call the application once; a raised exception is part of the answer."""
    answer = Answer()
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:  # the client waits for the answer, as clients do
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if on_send is not None:
            await on_send(message)
        answer.messages.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        answer.error = error
    return answer


def ask(
    app: App,
    method: str,
    path: str,
    root_path: str = "",
    headers: Headers = ((b"host", b"shop.example"),),
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
) -> Answer:
    """Call the application once, in an event loop of its own."""
    return asyncio.run(called(app, http_scope(method, path, root_path, headers, client)))


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """The value of one series; `None` when it does not exist."""
    return registry.get_sample_value(name, labels)


def counted(registry: CollectorRegistry) -> dict[tuple[str, str, str], float]:
    """Requests by method, route and status."""
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "http_server_requests_total"
    }


def statuses(registry: CollectorRegistry) -> dict[str, float]:
    """Requests by status."""
    return {status: count for (_, _, status), count in counted(registry).items()}


class Plain:
    """An application without any framework; an instance, so that a route takes it as ASGI."""

    def __init__(self, status: int, parts: Sequence[bytes]) -> None:
        self.status = status
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def plain(status: int = 200, *parts: bytes) -> Plain:
    """An application that answers with these parts."""
    return Plain(status, parts)

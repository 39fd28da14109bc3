"""The metrics page of a registry, as an ASGI application.

    app.add_route("/metrics", metrics_app(registry))

A route serves `/metrics` itself. A mount (`app.mount("/metrics", ...)`) works too, but answers
`/metrics` with a redirect to `/metrics/`, which careful scrapers do not follow.
"""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from plimsoll_client.asgi import Receive, Scope, Send, header
from plimsoll_client.workers import folder, registry_of_all

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
GZIP_LEVEL = 5  # a page of 1 MB: nearly as small as level 9, in a third of the time


class MetricsPage:
    """Serve one registry in the Prometheus text format 0.0.4, compressed when the client asks.

    An instance, not a function: routers call a function with a request, an instance as ASGI.
    The page is written in a thread, so that a scrape does not hold up the requests it measures.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; anything else is not allowed."""
        if scope["type"] != "http":
            raise RuntimeError(f"the metrics page speaks http, not {scope['type']}")
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, 405, [(b"allow", b"GET, HEAD")], b"")
            return
        compressed = accepts_gzip(header(scope, b"accept-encoding"))
        body = await asyncio.to_thread(self.page, compressed)
        headers = [(b"content-type", CONTENT_TYPE), (b"vary", b"Accept-Encoding")]
        if compressed:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
        await respond(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    def page(self, compressed: bool) -> bytes:
        """The registry as text, or as compressed text."""
        text = generate_latest(self.registry)
        return gzip.compress(text, compresslevel=GZIP_LEVEL, mtime=0) if compressed else text


def metrics_app(registry: CollectorRegistry = REGISTRY) -> Callable[..., Any]:
    """An ASGI application that serves `registry`.

    With several workers, it serves what all of them counted in any registry.

    Of a loose type, because `add_route()` takes ASGI applications but does not say so.
    """
    shared = folder()
    return MetricsPage(registry if shared is None else registry_of_all(shared))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip; a weight of zero forbids it."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weights[coding] = weight(value.strip())
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def weight(text: str) -> float:
    """A quality value; what cannot be read weighs nothing."""
    try:
        return float(text)
    except ValueError:
        return 0.0


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

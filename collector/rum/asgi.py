"""`POST /rum` as a bare ASGI callable: nothing stands between the bytes and the checks.

No routing, no injection, no model of a framework: a beacon is worth some 50 microseconds, and what
costs least is refused first. The body is capped while it streams in; no header is believed for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

from collector.rum.address import Proxies, prefix
from collector.rum.agents import Agents
from collector.rum.beacon import MOST_BYTES, Beacon, decode
from collector.rum.formats import MOST_FOREIGN_BYTES, faro, otlp
from collector.rum.receiver import Receiver
from collector.rum.refusal import STATUS, Refusal, RefusedError
from collector.rum.views import Sender

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[bytes, bytes]

PATH = "/rum"
FARO = "/rum/faro"
OTLP = "/rum/v1/logs"
PATHS = frozenset({PATH, FARO, OTLP})
BODY_SECONDS = 10.0
UNKNOWN_COUNTRY = "ZZ"
EMPTY: Message = {"type": "http.response.body", "body": b""}
PREFLIGHT = [
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type,x-api-key,x-faro-session-id"),
    (b"access-control-max-age", b"86400"),
]


class Endpoint:
    """Answers requests to `PATHS`; `now_ms` is the clock, milliseconds since the epoch."""

    def __init__(self, receiver: Receiver, now_ms: Callable[[], int]) -> None:
        config = receiver.config
        self.receiver = receiver
        self._now_ms = now_ms
        self._agents = Agents()
        self._proxies = Proxies(config.trusted_proxies)
        self._country = (config.country_header or "").encode("ascii")
        self._open = 0
        self._origins = frozenset(one for site in receiver.sites.values() for one in site.origins)
        self._missing = any(site.app.allow_missing_origin for site in receiver.sites.values())
        taken = 204
        self._taken: dict[bytes, Message] = {
            one: start(taken, allowed(one)) for one in (b"", *self._origins)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request and answer it; never raises because of what was sent."""
        headers: Headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        if scope["method"] == "OPTIONS":
            await send(self._preflight(origin))
            await send(EMPTY)
            return
        try:
            refusal = await self._take(scope, headers, origin, receive)
        except RefusedError as refused:
            refusal = refused.reason
        if refusal is None:
            await send(self._taken[origin])
        else:
            self.receiver.refused[refusal] += 1
            await send(self._refused(refusal, origin))
        await send(EMPTY)

    async def _take(
        self, scope: Scope, headers: Headers, origin: bytes, receive: Receive
    ) -> Refusal | None:
        if scope["method"] != "POST":
            return Refusal.METHOD
        # What needs no body comes before it.
        if not (origin in self._origins if origin else self._missing):
            return Refusal.ORIGIN
        if b"content-encoding" in headers:
            return Refusal.ENCODING
        now_ms = self._now_ms()
        network, country = self._network(scope, headers)
        if not self.receiver.admits(network, now_ms):
            return Refusal.PREFIX_RATE
        native = scope["path"] == PATH
        most = MOST_BYTES if native else MOST_FOREIGN_BYTES
        length = headers.get(b"content-length", b"")
        if length and (len(length) > 9 or not length.isdigit() or int(length) > most):
            return Refusal.TOO_LARGE
        body = await self._body(receive, most)
        browser, robot = self._agents.read(headers.get(b"user-agent", b""))
        mobile = headers.get(b"sec-ch-ua-mobile") == b"?1"
        sender = Sender(network, browser, country, mobile)
        if native:
            return self.receiver.take(decode(body), origin, sender, now_ms, robot=robot)
        refusal: Refusal | None = None
        for beacon in self._foreign(scope, headers, body):
            refusal = self.receiver.take(beacon, origin, sender, now_ms, robot=robot)
        return refusal

    def _foreign(self, scope: Scope, headers: Headers, body: bytes) -> Iterator[Beacon]:
        key = headers.get(b"x-api-key", b"").decode("latin-1")
        if scope["path"] == FARO:
            return faro(body, key)
        query: bytes = scope["query_string"]
        if not key and query.startswith(b"key="):
            key = query[4:].partition(b"&")[0].decode("latin-1")
        return otlp(body, key)

    def _network(self, scope: Scope, headers: Headers) -> tuple[int, str]:
        """A hash of the client's network, and its country where a trusted proxy tells it.

        The hash is salted anew in each process (Python's own), so it says nothing afterwards.
        """
        client = scope.get("client")
        peer = client[0] if client else ""
        if not self._proxies.networks or not self._proxies.trusts(peer):
            return hash(prefix(peer)), UNKNOWN_COUNTRY
        # Several header lines are one list; a dictionary would keep the last of them only.
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        address = self._proxies.client(peer, b",".join(lines).decode("latin-1"))
        told = headers.get(self._country, b"").decode("latin-1").upper() if self._country else ""
        known = len(told) == 2 and told.isascii() and told.isalpha()
        return hash(prefix(address)), told if known else UNKNOWN_COUNTRY

    async def _body(self, receive: Receive, most: int) -> bytes:
        """The body, or a `RefusedError` as soon as it is too large, too late, or broken off."""
        if self._open >= self.receiver.config.open_requests:
            raise RefusedError(Refusal.OVERLOAD)
        self._open += 1
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
                body: bytes = message.get("body", b"")
                while message.get("more_body") and len(body) <= most:
                    message = await receive()
                    body += message.get("body", b"")
        except TimeoutError:
            raise RefusedError(Refusal.TIMEOUT) from None
        finally:
            self._open -= 1
        if message["type"] != "http.request":
            raise RefusedError(Refusal.DISCONNECTED)
        if len(body) > most:
            raise RefusedError(Refusal.TOO_LARGE)
        return body

    def _preflight(self, origin: bytes) -> Message:
        if origin in self._origins:
            return start(204, [*allowed(origin), *PREFLIGHT])
        return start(403, [(b"vary", b"origin")])

    def _refused(self, refusal: Refusal, origin: bytes) -> Message:
        headers = allowed(origin if origin in self._origins else b"")
        if STATUS[refusal] == 429:
            headers = [*headers, (b"retry-after", b"60")]
        if refusal is Refusal.METHOD:
            headers = [*headers, (b"allow", b"POST, OPTIONS")]
        return start(STATUS[refusal], headers)


def allowed(origin: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that let a page of this origin read the answer; never with credentials."""
    if not origin:
        return [(b"vary", b"origin")]
    return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]


def start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    """The head of an answer without a body."""
    if status != 204:
        headers = [*headers, (b"content-length", b"0")]
    return {"type": "http.response.start", "status": status, "headers": headers}

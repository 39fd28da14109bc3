"""`POST /rum` as a bare ASGI callable: nothing stands between the bytes and the checks.

No routing, no injection, no model of a framework: a beacon is worth some 50 microseconds, and what
costs least is refused first. The body is capped while it streams in; no header is believed for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
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
Lines = Sequence[tuple[bytes, bytes]]
Answer = tuple[int, Lines]
"""Status and headers; the body is always empty."""

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
        self._taken: dict[bytes, Answer] = {
            one: (204, allowed(one)) for one in (b"", *self._origins)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request and answer it; never raises because of what was sent."""
        client = scope.get("client")
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            scope["headers"],
            client[0] if client else "",
        )
        if request.method == "OPTIONS":
            answer = self._preflight(request.origin)
        else:
            try:
                sender = self.admit(request)
                most = MOST_BYTES if request.path == PATH else MOST_FOREIGN_BYTES
                answer = self.take(request, sender, await self._body(receive, most))
            except RefusedError as refused:
                answer = self.refuse(request, refused.reason)
        status, headers = answer
        if status != 204:
            headers = [*headers, (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(EMPTY)

    def admit(self, request: "Request") -> Sender:
        """Who sends it, after all checks that need no body; `RefusedError` where it may not."""
        origin, headers = request.origin, request.headers
        if request.method != "POST":
            raise RefusedError(Refusal.METHOD)
        if not (origin in self._origins if origin else self._missing):
            raise RefusedError(Refusal.ORIGIN)
        if b"content-encoding" in headers:
            raise RefusedError(Refusal.ENCODING)
        request.now_ms = self._now_ms()
        network, country = self._network(request)
        if not self.receiver.admits(network, request.now_ms):
            raise RefusedError(Refusal.PREFIX_RATE)
        most = MOST_BYTES if request.path == PATH else MOST_FOREIGN_BYTES
        length = headers.get(b"content-length", b"")
        if length and (len(length) > 9 or not length.isdigit() or int(length) > most):
            raise RefusedError(Refusal.TOO_LARGE)
        browser, request.robot = self._agents.read(headers.get(b"user-agent", b""))
        return Sender(network, browser, country, headers.get(b"sec-ch-ua-mobile") == b"?1")

    def take(self, request: "Request", sender: Sender, body: bytes) -> Answer:
        """Take a body that was admitted; what it is answered with. Raises `RefusedError`."""
        origin, now_ms, robot = request.origin, request.now_ms, request.robot
        receiver = self.receiver
        if request.path == PATH:
            refusal = receiver.take(decode(body), origin, sender, now_ms, robot=robot)
        else:
            refusal = None
            for beacon in self._foreign(request, body):
                refusal = receiver.take(beacon, origin, sender, now_ms, robot=robot)
        return self._taken[origin] if refusal is None else self.refuse(request, refusal)

    def refuse(self, request: "Request", refusal: Refusal) -> Answer:
        """Count a refusal, and what it is answered with."""
        self.receiver.refused[refusal] += 1
        origin = request.origin
        headers = allowed(origin if origin in self._origins else b"")
        if STATUS[refusal] == 429:
            headers = [*headers, (b"retry-after", b"60")]
        if refusal is Refusal.METHOD:
            headers = [*headers, (b"allow", b"POST, OPTIONS")]
        return STATUS[refusal], headers

    def _foreign(self, request: "Request", body: bytes) -> Iterator[Beacon]:
        key = request.headers.get(b"x-api-key", b"").decode("latin-1")
        if request.path == FARO:
            return faro(body, key)
        query = request.query
        if not key and query.startswith(b"key="):
            key = query[4:].partition(b"&")[0].decode("latin-1")
        return otlp(body, key)

    def _network(self, request: "Request") -> tuple[int, str]:
        """A hash of the client's network, and its country where a trusted proxy tells it.

        The hash is salted anew in each process (Python's own), so it says nothing afterwards.
        """
        peer = request.peer
        if not self._proxies.networks or not self._proxies.trusts(peer):
            return hash(prefix(peer)), UNKNOWN_COUNTRY
        # Several header lines are one list; a dictionary would keep the last of them only.
        lines = [value for name, value in request.lines if name == b"x-forwarded-for"]
        address = self._proxies.client(peer, b",".join(lines).decode("latin-1"))
        if not self._country:
            return hash(prefix(address)), UNKNOWN_COUNTRY
        told = request.headers.get(self._country, b"").decode("latin-1").upper()
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

    def _preflight(self, origin: bytes) -> Answer:
        if origin in self._origins:
            return 204, [*allowed(origin), *PREFLIGHT]
        return 403, [(b"vary", b"origin")]


class Request:
    """One request without its body; `lines` are its headers, their names in lower case."""

    __slots__ = ("headers", "lines", "method", "now_ms", "origin", "path", "peer", "query", "robot")

    def __init__(self, method: str, path: str, query: bytes, lines: Lines, peer: str) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.lines = lines
        self.peer = peer
        self.headers: Mapping[bytes, bytes] = dict(lines)
        self.origin = self.headers.get(b"origin", b"")
        self.now_ms = 0
        self.robot = False


def allowed(origin: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that let a page of this origin read the answer; never with credentials."""
    if not origin:
        return [(b"vary", b"origin")]
    return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]

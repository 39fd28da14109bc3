"""The shorter way of beacons answers as the long one does, byte by byte, and takes only its own."""

import asyncio
import json
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import h11
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from api.direct import Direct, direct, read
from collector.rum.asgi import Endpoint
from collector.rum.receiver import Receiver
from tests.collector.rum.sending import CHROME, NOON_MS, ORIGIN, beacon, config, metric, whole


class Wire(asyncio.Transport):
    """A connection that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = {"peername": ("192.0.2.1", 4711), "sockname": ("127.0.0.1", 80)}
        return found.get(name, default)

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Server:
    """An endpoint behind one of the two protocols."""

    def __init__(self, *, short: bool) -> None:
        self.receiver = Receiver(config(prefix_burst=10_000, app_burst=10_000))
        self.endpoint = Endpoint(self.receiver, lambda: NOON_MS)
        self.short = short
        self.long_way = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.long_way += 1
        if scope["path"] == "/rum":
            await self.endpoint(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def talk(self, pieces: Sequence[bytes]) -> tuple[bytes, bool]:
        """What is answered to bytes that come in pieces, and whether the connection is closed."""
        made = uvicorn.Config(
            self.app, interface="asgi3", lifespan="off", log_config=None, proxy_headers=False
        )
        made.load()
        kind: type[H11Protocol] = direct(self.endpoint) if self.short else H11Protocol
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        wire, protocol = Wire(), kind(made, state, {})
        protocol.connection_made(wire)
        for piece in pieces:
            if wire.closed:
                break
            protocol.data_received(piece)
            for _ in range(8):
                await asyncio.sleep(0)
        closed = wire.closed
        protocol.connection_lost(None)
        for _ in range(4):
            await asyncio.sleep(0)
        await asyncio.gather(*state.tasks, return_exceptions=True)
        return wire.written, closed

    def counts(self) -> dict[str, int]:
        found = {reason.value: n for reason, n in self.receiver.refused.items() if n}
        site = next(iter(self.receiver.sites.values()))
        return found | {"beacons": site.beacons, "waiting": site.views.waiting}


def both(*pieces: bytes) -> tuple[Server, bytes]:
    """Send to both; they must agree in all that can be seen."""
    short, long = Server(short=True), Server(short=False)

    async def run() -> bytes:
        first, second = await short.talk(pieces), await long.talk(pieces)
        assert first == second
        assert short.counts() == long.counts()
        return first[0]

    return short, asyncio.run(run())


def request(
    body: bytes | dict[str, Any],
    line: bytes = b"POST /rum HTTP/1.1",
    without: str = "",
    **more: str,
) -> bytes:
    """A request as Chromium writes it; `more` are headers, `_` in their names is `-`."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "Host": "plimsoll.example",
        "Connection": "keep-alive",
        "Content-Length": str(len(sent)),
        "User-Agent": CHROME,
        "Content-Type": "text/plain;charset=UTF-8",
        "Accept": "*/*",
        "Origin": ORIGIN,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    lines = [f"{n}: {v}".encode("latin-1") for n, v in headers.items() if n != without]
    return b"\r\n".join([line, *lines, b"", sent])


GOOD = whole("view-0001")


def test_a_beacon_in_one_piece_takes_the_short_way() -> None:
    server, answered = both(request(GOOD))
    assert server.long_way == 0
    assert answered == (
        b"HTTP/1.1 204 No Content\r\ndate: today\r\n"
        b"access-control-allow-origin: https://shop.example\r\nvary: origin\r\n\r\n"
    )
    assert server.counts()["beacons"] == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"{}"), 400),
        (request(beacon(k="nobody")), 403),
        (request(GOOD, Origin="https://evil.example"), 403),
        (request(GOOD, without="Origin"), 403),
        (request(b" " * 16_385), 413),
        (request(GOOD, Content_Encoding="gzip"), 415),
        (request(GOOD, User_Agent="HeadlessChrome"), 204),
        (request(beacon("view-0001", metric("LCP", 1e12))), 204),
    ],
)
def test_refusals_are_answered_and_counted_alike(sent: bytes, status: int) -> None:
    server, answered = both(sent)
    assert server.long_way == 0
    assert answered.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    "pieces",
    [
        [request(GOOD)[:100], request(GOOD)[100:]],
        [request(GOOD)[:-1], request(GOOD)[-1:]],
        [request(GOOD) + request(whole("view-0002"))],
        [request(GOOD, line=b"POST /rum HTTP/1.0")],
        [request(GOOD, line=b"POST /rum?x=1 HTTP/1.1")],
        [request(GOOD, line=b"POST /%72um HTTP/1.1")],
        [request(GOOD, line=b"GET /rum HTTP/1.1")],
        [request(GOOD, Connection="close")],
        [request(GOOD, Expect="100-continue")],
        [request(GOOD, Transfer_Encoding="chunked", without="Content-Length")],
        [request(GOOD, without="Content-Length")],
        [request(GOOD, without="Host")],
        [request(GOOD, Content_Length="+5")],
        [request(GOOD, Content_Length="0x5")],
        [request(GOOD, Content_Length="5, 5")],
        [request(GOOD).replace(b"Accept: */*", b"Content-Length: 7")],
        [request(GOOD).replace(b"Accept: */*", b"Host: other")],
        [request(GOOD).replace(b"Accept: */*", b"Accept: a\r\n folded")],
        [request(GOOD).replace(b"Accept: */*", b"Accept : a")],
        [request(GOOD).replace(b"Accept: */*", b"Accept")],
        [request(GOOD).replace(b"Accept: */*", b": a")],
        [request(GOOD).replace(b"Accept: */*", b"Accept: a\x00b")],
        [request(GOOD).replace(b"Accept: */*", b"Accept: a\nX: b")],
        [request(GOOD).replace(b"Accept: */*", b"Accept: a\rb")],
        [request(GOOD).replace(b"Accept: */*", b"X: " + b"y" * 9000)],
    ],
)
def test_whatever_is_odd_takes_the_long_way(pieces: list[bytes]) -> None:
    short = Server(short=True)
    asyncio.run(short.talk(pieces))
    taken = [read(piece, "") for piece in pieces]
    assert taken == [None] * len(pieces)
    both(*pieces)


def test_requests_follow_each_other_on_either_way() -> None:
    pieces = [request(whole(f"view-{i:04}")) for i in range(6)]
    pieces[2] = request(b"", line=b"GET /other HTTP/1.1")
    pieces[4:5] = [pieces[4][:80], pieces[4][80:]]
    server, answered = both(*pieces)
    assert server.long_way == 2
    assert answered.count(b"HTTP/1.1 204 ") == 5
    assert answered.count(b"HTTP/1.1 404 ") == 1


def test_a_request_before_another_is_answered_takes_the_long_way() -> None:
    """Its answer must not overtake the other's."""
    first = request(b"", line=b"POST /slow HTTP/1.1", Content_Length="5")
    both(first, b"12345" + request(GOOD))
    both(first, request(GOOD))


def test_a_fault_of_ours_is_a_500_and_no_broken_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(short=True)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server.receiver, "take", broken)
    answered, closed = asyncio.run(server.talk([request(GOOD)]))
    assert answered.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert not closed


PIECES = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\x00", b"\xff", b"5", b",", b"POST", b"chunked"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"/", b"HTTP"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b" folded\r\n"),
]


@settings(max_examples=400, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3
    ),
    cuts=st.lists(st.integers(0, 10_000), max_size=2),
)
def test_a_request_that_is_changed_anywhere_is_answered_alike(
    changes: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    sent = request(GOOD)
    for at, gone, put in changes:
        where = at % len(sent)
        sent = sent[:where] + put + sent[where + gone :]
    places = sorted({cut % len(sent) for cut in cuts} | {0, len(sent)})
    pieces = [sent[a:b] for a, b in pairwise(places)]
    both(*pieces)


def test_a_head_is_read_in_a_time_that_does_not_explode() -> None:
    rng = random.Random(3)
    for filler in (b" ", b"\t", b":", b"a", b"a:", b" :", b"\r\n"):
        body = filler * (8000 // len(filler))
        odd = b"POST /rum HTTP/1.1\r\nX: " + body + bytes([rng.randrange(1, 9)]) + b"\r\n\r\n"
        assert read(odd, "") is None


def test_what_the_short_way_rests_on_is_there() -> None:
    """Members of uvicorn and h11 that are no promise of theirs."""
    names = ("conn", "cycle", "flow", "client", "server_state", "limit_concurrency", "transport")
    made = Server(short=True)

    async def run() -> None:
        loaded = uvicorn.Config(made.app, lifespan="off", log_config=None)
        protocol = H11Protocol(loaded, ServerState(), {})
        assert [name for name in names if not hasattr(protocol, name)] == []

    asyncio.run(run())
    assert h11.Connection(h11.SERVER).trailing_data == (b"", False)
    assert issubclass(Direct, H11Protocol)

"""The short way to a kept page answers as the long one does, and takes only what it may decide."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.access import book
from api.access.gate import COOKIE
from api.access.token import Scope
from api.app import Application, create_app
from api.direct import Quick, direct
from api.feed import Kind, Note
from api.front import LINES
from api.house import House
from api.kept import FRESH_MS, MOST_AGE_MS, Way
from api.moments import milliseconds
from tests.api.asking import Client
from tests.api.shop import NOW_MS, Clock
from tests.api.test_direct import Wire
from tests.api.test_regressions import put

HOST = {"Host": "127.0.0.1:8750", "Accept": "text/html", "Accept-Encoding": "gzip"}
PASSING = re.compile(rb"((?:state|history|render|app);dur=|x-process-time: )[0-9.]+")
SUMMARY = "/api/v1/summary"


def request(path: str = "/", method: str = "GET", **more: str) -> bytes:
    headers = {**HOST, **{name.replace("_", "-"): value for name, value in more.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


class Server:
    """An application behind the protocol that it is served with."""

    def __init__(self, app: Application) -> None:
        self.app, self.house = app, app.state.house
        self.long_way = 0

    async def whole(self, scope: Any, receive: Any, send: Any) -> None:
        self.long_way += 1
        await self.app(scope, receive, send)

    async def talk(self, pieces: Sequence[bytes], *, short: bool, answers: int = 1) -> bytes:
        """What so many answers are on one connection; a piece goes out when the last was answered.

        It ends when there are `answers` for the last piece.
        """
        made = uvicorn.Config(
            self.whole, interface="asgi3", lifespan="off", log_config=None, proxy_headers=False
        )
        made.load()
        quick = Quick(LINES, self.app.front.take) if short else None
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        wire, protocol = Wire(), direct(self.app.beacons, quick)(made, state, {})
        protocol.connection_made(wire)
        for number, piece in enumerate(pieces, 1):
            protocol.data_received(piece)
            due = number if number < len(pieces) else number - 1 + answers
            while state.total_requests < due and not wire.closed:
                await asyncio.sleep(0.001)
        protocol.connection_lost(None)
        return wire.written

    def ask(self, *pieces: bytes, short: bool = True) -> bytes:
        return asyncio.run(self.talk(pieces, short=short))

    def counted(self, name: str, **labels: str) -> float:
        return self.house.registry.get_sample_value(name, labels) or 0.0


def same(written: bytes) -> bytes:
    """Without what differs from one moment to the next."""
    return PASSING.sub(rb"\1", written)


@pytest.fixture
def server(house: House) -> Server:
    return Server(create_app(house))


@pytest.fixture
def read(asked: Client) -> Server:
    """The shop, which nobody changes."""
    assert isinstance(asked.app, Application)
    return Server(asked.app)


@pytest.mark.parametrize("path", ["/", SUMMARY])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept_Encoding": ""},
        {"Accept": "*/*", "Connection": "keep-alive"},
        {"Sec_Fetch_Dest": "empty", "User_Agent": "Mozilla/5.0 (X11)"},
    ],
)
def test_a_kept_answer_is_the_same_byte_by_byte_and_counted_the_same(
    read: Server, path: str, headers: dict[str, str]
) -> None:
    asked = request(path, **headers)
    read.ask(asked, short=False)  # makes it
    named: dict[str, dict[str, str]] = {
        "http_server_requests_total": {"method": "GET", "route": path, "status": "200"},
        "http_server_response_body_bytes_total": {"method": "GET", "route": path},
        "http_server_request_duration_seconds_count": {
            "method": "GET", "route": path, "status_class": "2xx",
        },
        "http_server_page_hits_total": {"route": path},
        "plimsoll_shared_answers_total": {"way": Way.KEPT},
    }  # fmt: skip

    def counts() -> dict[str, float]:
        return {name: read.counted(name, **labels) for name, labels in named.items()}

    def more(before: dict[str, float]) -> dict[str, float]:
        return {name: value - before[name] for name, value in counts().items()}

    before = counts()
    long = read.ask(asked, short=False)
    by_long, before, ways = more(before), counts(), read.long_way
    short = read.ask(asked)
    assert read.long_way == ways
    assert same(short) == same(long)
    assert short.startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\n")
    assert more(before) == by_long
    assert by_long["plimsoll_shared_answers_total"] == 1


@pytest.mark.parametrize(
    "odd",
    [
        request(method="HEAD"),
        request("/?signal=x"),
        request("/alerts"),
        request("/healthz"),
        request(Host="elsewhere.example"),
        request(Host=""),
        request(If_None_Match='"x"'),
        request(X_Forwarded_For="192.0.2.1"),
        request(Forwarded="for=192.0.2.1"),
        request(Content_Length="0"),
        request(Connection="close"),
        request(Upgrade="websocket"),
        request(Expect="100-continue"),
        request().replace(b"Accept: text", b"Host: other\r\nAccept: text"),
        request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        request().replace(b"Accept:", b"Accept :"),
    ],
)
def test_whatever_it_does_not_decide_takes_the_long_way(read: Server, odd: bytes) -> None:
    read.ask(request(), short=False)
    ways = read.long_way
    short = read.ask(odd)
    refused_by_h11 = short.startswith(b"HTTP/1.1 400") and read.long_way == ways
    assert read.long_way == ways + 1 or refused_by_h11
    assert same(short) == same(read.ask(odd, short=False))


def test_two_questions_in_one_piece_are_both_answered(read: Server) -> None:
    read.ask(request(), short=False)
    ways, pieces = read.long_way, [request() + request(SUMMARY)]
    written = asyncio.run(read.talk(pieces, short=True, answers=2))
    assert written.count(b"HTTP/1.1 200 OK") == 2
    assert read.long_way == ways + 2


def test_one_connection_may_go_both_ways(read: Server) -> None:
    read.ask(request(), short=False)
    pieces = [request(), request("/alerts"), request(), request(Connection="close")]
    written = read.ask(*pieces)
    assert written.count(b"HTTP/1.1 200 OK") == len(pieces)
    assert read.long_way == 1 + 2


def test_who_asks_late_has_it_made_anew(server: Server, clock: Clock) -> None:
    server.ask(request(), short=False)
    ways = server.long_way
    clock.at += timedelta(milliseconds=FRESH_MS)
    server.ask(request())  # one goes in and has the next one made
    assert server.long_way == ways + 1
    clock.at += timedelta(milliseconds=MOST_AGE_MS)
    server.ask(request())
    assert server.long_way == ways + 2
    server.ask(request())
    assert server.long_way == ways + 2


def session(house: House, person: str, *scopes: Scope, lasting_ms: int = 3_600_000) -> str:
    """The cookie of somebody who has just signed in."""
    now_ms = milliseconds(house.now())
    with house.state.unit() as unit:
        token, _ = book.create(unit, f"of {person}", scopes, now_ms, None)
        value = book.open_session(unit, token, person, now_ms, now_ms + lasting_ms)
    return f"{COOKIE}={value}"


def test_each_reader_sees_his_own_page_and_nobody_elses(server: Server) -> None:
    ada = request(Cookie=session(server.house, "ada", Scope.ADMIN), Accept_Encoding="")
    bob = request(Cookie=session(server.house, "bob", Scope.READ), Accept_Encoding="")
    for _ in range(2):  # made, then kept
        assert b"<span>ada</span>" in server.ask(ada)
        assert b"<span>bob</span>" in server.ask(bob)
        nobody = server.ask(request(Accept_Encoding=""))
        assert nobody.startswith(b"HTTP/1.1 303")
        assert b"<span>" not in nobody
    ways = server.long_way
    assert b"<span>ada</span>" in server.ask(ada)
    assert server.long_way == ways


def test_a_token_takes_the_short_way_until_it_is_revoked(server: Server) -> None:
    now_ms = milliseconds(server.house.now())
    with server.house.state.unit() as unit:
        token, text = book.create(unit, "ops", [Scope.ADMIN], now_ms, None)
    asked = request(SUMMARY, Authorization=f"Bearer {text}")
    for _ in range(2):
        assert server.ask(asked).startswith(b"HTTP/1.1 200")
    ways = server.long_way
    assert server.ask(asked).startswith(b"HTTP/1.1 200")
    assert server.long_way == ways
    other = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert server.ask(request(SUMMARY, Authorization=f"Bearer {other}")).startswith(b"HTTP/1.1 401")
    gone = request(f"/api/v1/tokens/{token.id}", "DELETE", Authorization=f"Bearer {text}")
    assert server.ask(gone)[9:10] == b"2"
    with server.house.state.unit() as unit:
        book.create(unit, "next", [Scope.ADMIN], now_ms, None)  # so that people are asked still
    assert server.ask(asked).startswith(b"HTTP/1.1 401")


def test_who_signed_out_or_lost_his_token_gets_nothing_that_is_kept(server: Server) -> None:
    cookie = session(server.house, "ada", Scope.ADMIN)
    for _ in range(2):
        assert server.ask(request(Cookie=cookie)).startswith(b"HTTP/1.1 200")
    ended = server.ask(
        request(
            "/sign-out", "POST", Cookie=cookie, Content_Length="0", Sec_Fetch_Site="same-origin"
        )
    )
    assert ended.startswith(b"HTTP/1.1 303")
    assert server.ask(request(Cookie=cookie)).startswith(b"HTTP/1.1 303")


def test_a_session_that_expires_ends_on_the_short_way_too(server: Server, clock: Clock) -> None:
    cookie = session(server.house, "ada", Scope.ADMIN, lasting_ms=500)
    for _ in range(2):
        assert server.ask(request(Cookie=cookie)).startswith(b"HTTP/1.1 200")
    clock.at += timedelta(milliseconds=500)
    assert server.ask(request(Cookie=cookie)).startswith(b"HTTP/1.1 303")


def test_the_rate_of_a_token_holds_on_the_short_way(house: House) -> None:
    server = Server(create_app(with_rate(house, 1.0)))
    cookie = session(house, "ada", Scope.READ)
    answers = [server.ask(request(Cookie=cookie))[9:12] for _ in range(12)]
    assert answers == [b"200"] * 10 + [b"429"] * 2
    assert server.counted("plimsoll_access_refused_total", reason="too_many_requests") == 2


def with_rate(house: House, per_second: float) -> House:
    """The same house, where everybody may ask less often."""
    server = house.settings.server.model_copy(update={"requests_per_second": per_second})
    return replace(house, settings=replace(house.settings, server=server))


@pytest.mark.parametrize("action", ["acknowledge", "resolve", "false-positive"])
def test_what_somebody_did_is_on_the_next_page(house: House, action: str) -> None:
    put(house, 1, NOW_MS, baseline=0.5)
    server, asked = Server(create_app(house)), request(Accept_Encoding="")
    body = json.dumps({"actor": "ada", "reason": "known"})
    did = request(
        f"/api/v1/regressions/reg_001/{action}", "POST",
        Content_Type="application/json", Content_Length=str(len(body)), Accept="",
    ) + body.encode()  # fmt: skip
    before = server.ask(asked)
    ways = server.long_way
    assert same(server.ask(asked)) == same(before)
    assert server.long_way == ways
    assert server.ask(did).startswith(b"HTTP/1.1 200")
    after = server.ask(asked)
    assert after.startswith(b"HTTP/1.1 200")
    assert shown(after) != shown(before)
    assert shown(server.ask(asked)) == shown(after)


def shown(written: bytes) -> bytes:
    """The body of an answer."""
    return written.partition(b"\r\n\r\n")[2]


def test_only_what_changes_the_state_makes_it_anew(server: Server) -> None:
    server.ask(request(SUMMARY))
    with server.house.state.unit():
        pass
    ways = server.long_way
    server.ask(request(SUMMARY))
    assert server.long_way == ways
    server.app.state.feed.tell(
        Note(Kind.TICK, (0, 0), tick_ms=NOW_MS)
    )  # another process wrote, and those who listen are told
    server.ask(request(SUMMARY))
    assert server.long_way == ways + 1
    session(server.house, "ada", Scope.READ)
    server.ask(request(SUMMARY))
    assert server.long_way == ways + 2


def test_a_fault_on_the_short_way_is_logged_and_the_long_way_answers(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise ValueError("broken")

    monkeypatch.setattr(server.app.front, "take", broken)
    assert server.ask(request()).startswith(b"HTTP/1.1 200")
    assert server.long_way == 1
    assert "a kept page failed" in caplog.text

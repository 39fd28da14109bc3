"""Live updates: what is told, to how many, and how it ends."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from starlette.types import Message

from api import feed as feeds
from api.app import create_app
from api.feed import Feed
from api.house import House
from api.routes import stream
from api.serve import Server
from detector.actions import Action, Wish
from tests.api.asking import Client, problem
from tests.api.shop import NOW_MS
from tests.api.test_regressions import put


@dataclass
class Listening:
    """One stream of an application, asked without a server."""

    app: FastAPI
    last: str | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    parts: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    headers: dict[str, str] = field(default_factory=dict)
    left: str = ""

    async def receive(self) -> Message:
        if self.gone.is_set():
            return {"type": "http.disconnect"}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            await self.parts.put(message.get("body", b"").decode())

    async def run(self) -> None:
        headers = [(b"host", b"127.0.0.1"), (b"accept-encoding", b"gzip")]
        if self.last is not None:
            headers.append((b"last-event-id", self.last.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": stream.PATH,
            "raw_path": stream.PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await self.app(scope, self.receive, self.send)

    async def block(self) -> str:
        """The next block that is sent, up to its empty line."""
        while "\n\n" not in self.left:
            self.left += await asyncio.wait_for(self.parts.get(), 30)
        found, _, self.left = self.left.partition("\n\n")
        return found

    async def event(self) -> tuple[str, str, Any]:
        """Kind, id and data of the next event; comments are passed over."""
        while True:
            lines = dict(one.split(": ", 1) for one in (await self.block()).splitlines())
            if "event" in lines:
                return lines["event"], lines["id"], json.loads(lines["data"])

    async def step(self) -> tuple[str, Any]:
        """Id and data of the next step. One who comes back at once may be `ready` before it."""
        kind, id_, data = await self.event()
        while kind == "ready":
            kind, id_, data = await self.event()
        assert kind == "regression"
        return id_, data


@asynccontextmanager
async def listening(app: FastAPI, last: str | None = None) -> AsyncIterator[Listening]:
    """A stream that is open for as long as it is used."""
    one = Listening(app, last)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        one.gone.set()
        await asyncio.wait_for(task, 30)


@pytest.fixture
def app(house: House) -> FastAPI:
    made = create_app(house)
    made.state.feed.every_seconds = 0.01
    return made


def feed_of(app: FastAPI) -> Feed:
    found: Feed = app.state.feed
    return found


def sample(house: House, name: str, **labels: str) -> float | None:
    return house.registry.get_sample_value(name, labels)


async def until(true: Callable[[], bool]) -> None:
    """Wait for what happens soon."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def comment(house: House, regression_id: str, text: str) -> None:
    wish = Wish(action=Action.COMMENT, actor="ada", at_ms=NOW_MS, reason=text)
    with house.state.unit() as session:
        house.book.act(session, regression_id, wish)


def test_steps_and_ticks_are_told_as_they_happen(app: FastAPI, house: House) -> None:
    async def story() -> None:
        async with listening(app) as one:
            assert await one.block() == "retry: 3000"
            assert await one.event() == ("ready", "0.0", {})
            regression = put(house, 1, NOW_MS)
            kind, id_, told = await one.event()
            assert (kind, told["step"]) == ("regression", "opened")
            assert told["regression_id"] == regression.id
            kind, last, of_incident = await one.event()
            assert (kind, of_incident["step"]) == ("incident", "opened")
            assert of_incident["incident_id"] == told["incident_id"]
            assert id_.split(".")[0] == last.split(".")[0] == "1"
            with house.state.unit() as session:
                house.book.advance(session, "tick", NOW_MS)
            while (found := await one.event())[0] != "tick":
                assert found[0] == "incident"
            assert found[2] == {"at": "2026-03-02T12:00:00Z"}
            assert one.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in one.headers
            assert "etag" not in one.headers
            assert one.headers["cache-control"] == "no-store"

    asyncio.run(story())


def test_who_comes_back_is_told_what_he_missed(app: FastAPI, house: House) -> None:
    regression = put(house, 1, NOW_MS)

    async def story() -> None:
        async with listening(app) as one:
            _, last, _ = await one.event()
        for text in ("first", "second"):
            comment(house, regression.id, text)
        async with listening(app, last) as one:
            told = [await one.step() for _ in range(2)]
            assert [found["reason"] for _, found in told] == ["first", "second"]
            assert told[0][0] != told[1][0] != last
        async with listening(app, told[0][0]) as one:
            assert (await one.step())[1]["reason"] == "second"
            comment(house, regression.id, "third")
            assert (await one.step())[1]["reason"] == "third"

    asyncio.run(story())


@pytest.mark.parametrize("last", ["900.900", "0.0"])
def test_who_missed_too_much_reads_anew(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr(feeds, "MOST_WAITING", 1)
    put(house, 1, NOW_MS)

    async def story() -> None:
        async with listening(app, last) as one:
            kind, id_, _ = await one.event()
            assert (kind, id_.split(".")[0]) == ("lost", "1")

    asyncio.run(story())


def test_any_number_of_listeners_reads_the_state_as_one(app: FastAPI, house: House) -> None:
    feed = feed_of(app)
    reads = 0
    plain = feed.end

    def counted() -> Any:
        nonlocal reads
        reads += 1
        return plain()

    feed.end = counted  # type: ignore[method-assign]

    async def story() -> None:
        nonlocal reads
        async with listening(app) as one, listening(app) as two, listening(app) as three:
            for listener in (one, two, three):
                assert (await listener.event())[0] == "ready"
            feed.every_seconds = 0.2
            before, began = reads, time.monotonic()
            await asyncio.sleep(0.5)
            assert reads - before <= (time.monotonic() - began) / 0.2 + 2
            feed.every_seconds = 0.01
            assert sample(house, "plimsoll_stream_listeners") == 3
        await until(lambda: feed.reading is not None and feed.reading.done())
        reads = 0
        await asyncio.sleep(0.05)
        assert reads == 0  # nobody listens, nobody reads
        assert sample(house, "plimsoll_stream_listeners") == 0
        assert sample(house, "plimsoll_stream_ended_total", reason="left") == 3

    asyncio.run(story())


def test_there_is_room_for_so_many(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_LISTENERS", 1)

    async def story() -> None:
        async with listening(app) as one:
            await one.event()
            refused = await asyncio.to_thread(Client(app).get, stream.PATH)
            problem(refused, 503, "other")
            assert refused.headers["retry-after"] == "30"
        async with listening(app) as one:
            assert (await one.event())[0] == "ready"

    asyncio.run(story())
    assert sample(house, "plimsoll_stream_ended_total", reason="full") == 1


def test_who_does_not_take_what_is_told_is_dropped(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    regression = put(house, 1, NOW_MS)
    for number in range(4):
        comment(house, regression.id, str(number))

    async def story() -> None:
        feed = feed_of(app)
        slow, quick = feed.join(), feed.join()
        assert slow is not None
        assert quick is not None
        slow.queue = asyncio.Queue(2)
        feed.place = (0, 0)
        await feed.round()
        assert slow.ending is feeds.Ending.SLOW
        assert quick.ending is None
        assert quick.queue.qsize() >= 5
        feed.leave(slow)

    asyncio.run(story())
    assert sample(house, "plimsoll_stream_ended_total", reason="slow") == 1


def test_a_burst_drops_nobody() -> None:
    assert 2 * feeds.MOST_AT_ONCE + 1 < feeds.MOST_WAITING


def test_what_is_committed_late_is_told_once(app: FastAPI, house: House) -> None:
    regression = put(house, 1, NOW_MS)
    for number in range(3):
        comment(house, regression.id, str(number))

    async def story() -> None:
        feed = feed_of(app)
        feed.late = 10
        one = feed.join()
        assert one is not None
        await feed.settle()
        feed.seen.remove("r2")  # as if its row had not been visible then
        await feed.round()
        await feed.round()
        told = [one.queue.get_nowait() for _ in range(one.queue.qsize())]
        assert [note.event.id for note in told if note is not None and note.event] == ["r2"]
        assert told[0] is not None
        assert told[0].place == feed.place

    asyncio.run(story())


def test_silence_is_told_and_long_streams_begin_anew(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 1.0)

    async def story() -> None:
        one = Listening(app)
        await asyncio.wait_for(one.run(), 30)  # ends by itself
        blocks = [await one.block() for _ in range(3)]
        assert blocks[2] == ": still here"

    asyncio.run(story())
    assert sample(house, "plimsoll_stream_ended_total", reason="long") == 1


def test_a_state_that_cannot_be_read_for_a_while_ends_no_stream(app: FastAPI, house: House) -> None:
    feed = feed_of(app)
    plain: Callable[[], Awaitable[None]] = feed.round
    failing = True

    async def broken() -> None:
        if failing:
            raise OperationalError("SELECT secret", {}, Exception("database is locked"))
        await plain()

    feed.round = broken  # type: ignore[method-assign]

    async def story() -> None:
        nonlocal failing
        async with listening(app) as one:
            await one.event()
            await until(lambda: bool(sample(house, "plimsoll_stream_read_failures_total")))
            put(house, 1, NOW_MS)
            failing = False
            assert (await one.event())[0] == "regression"

    asyncio.run(story())


def test_a_stream_is_no_slow_request(app: FastAPI, house: House) -> None:
    async def story() -> None:
        async with listening(app) as one:
            await one.event()

    asyncio.run(story())
    assert 'route="/api/v1/stream"' not in Client(app).get("/metrics").text


def test_streams_end_when_plimsoll_stops(app: FastAPI, house: House) -> None:
    async def story() -> float:
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=60)
        server = Server(config, feed_of(app).stop)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            async with (
                httpx.AsyncClient(timeout=30) as client,
                client.stream("GET", f"http://127.0.0.1:{port}{stream.PATH}") as answer,
            ):
                lines = answer.aiter_lines()
                assert await anext(lines) == "retry: 3000"
                began = time.monotonic()
                server.should_exit = True
                rest = [one async for one in lines]  # ends without an error
                assert rest[-1] == ""
            await asyncio.wait_for(serving, 30)
        return time.monotonic() - began

    assert asyncio.run(story()) < 30  # long before uvicorn would have cut it off
    assert sample(house, "plimsoll_stream_ended_total", reason="shutdown") == 1


def test_other_parameters_are_refused(app: FastAPI) -> None:
    problem(Client(app).get(f"{stream.PATH}?since=yesterday"), 422, "invalid")

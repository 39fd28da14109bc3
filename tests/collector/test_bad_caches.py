"""Caches that hang, drip, flood or speak something else, beside one that works."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from collector.config import CollectorConfig
from collector.failure import CollectFailure, Failure
from collector.memcached import Memcached
from collector.redis.source import Redis
from collector.scrape import Scrape
from collector.source import Source
from tests.caches import memcached_server, redis_server
from tests.collector.servers import METRICS, TEXT
from tests.collector.test_run import NOW_MS, UP, running, second

Handle = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """One byte now and then: never silent for long, never done."""
    writer.write(b"$1000000\r\n")
    while True:
        writer.write(b"a\r\n"[:1])
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_lines(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"STAT pid 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    """Lines and lines, until nobody listens."""
    for _ in range(1000):
        writer.write(b"STAT aaaa 1\r\n" * 5000)
        await writer.drain()


async def huge(writer: asyncio.StreamWriter) -> None:
    writer.write(b"$999999999\r\n")
    await hang(writer)


async def web(writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\n\r\n".encode() + METRICS)
    await writer.drain()


async def goodbye(_writer: asyncio.StreamWriter) -> None:
    """Take the request and hang up."""


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[str]:
    """A server that answers whatever comes in its own way; yields its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.read(10)
            await handle(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


BAD: dict[str, tuple[Handle, dict[str, Failure]]] = {
    "hanging": (hang, {"redis": Failure.TIMEOUT, "memcached": Failure.TIMEOUT}),
    "dripping": (drip, {"redis": Failure.TIMEOUT}),
    "dripping-lines": (drip_lines, {"memcached": Failure.TIMEOUT}),
    "flooding": (flood, {"redis": Failure.PROTOCOL, "memcached": Failure.TOO_LARGE}),
    "huge": (huge, {"redis": Failure.TOO_LARGE, "memcached": Failure.PROTOCOL}),
    "web": (web, {"redis": Failure.PROTOCOL, "memcached": Failure.PROTOCOL}),
    "silent": (goodbye, {"redis": Failure.PROTOCOL, "memcached": Failure.PROTOCOL}),
}


async def resolve(host: str, _port: int) -> Sequence[str]:
    if host == "nowhere.test":
        raise CollectFailure(Failure.DNS, "nowhere.test cannot be resolved")
    if host == "slow.test":
        await asyncio.Event().wait()
    return ["169.254.169.254"] if host == "metadata.test" else [host]


def made(kind: str, name: str, address: str) -> Source:
    # Only those that never end have a short limit: a slow machine changes no reason.
    slow = name.startswith(("hanging", "dripping", "lookup"))
    target = {"name": name, "address": address, "timeout": "500ms" if slow else "10s"}
    config = CollectorConfig.model_validate({"interval": "15s", kind: [target]})
    if kind == "redis":
        return Redis(config.redis[0], config, resolve=resolve, immediate=True)
    source = Memcached(config.memcached[0], config, resolve=resolve)
    source.immediate = True
    return source


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_healthy_cache_keeps_its_cadence_beside_every_kind_of_bad_one(
    kind: str, tmp_path: Path
) -> None:
    rounds = 5

    async def attempt(healthy: str) -> None:
        async with AsyncExitStack() as stack:
            reasons, given = {}, []
            for name, (handle, expected) in BAD.items():
                if kind in expected:
                    reasons[name] = expected[kind]
                    address = await stack.enter_async_context(serving(handle))
                    given.append(made(kind, name, address))
            reasons |= {"unknown": Failure.DNS, "denied": Failure.DENIED}
            reasons |= {"lookup-hangs": Failure.TIMEOUT, "down": Failure.REFUSED}
            given.append(made(kind, "unknown", "nowhere.test:1"))
            given.append(made(kind, "denied", "metadata.test:1"))
            given.append(made(kind, "lookup-hangs", "slow.test:1"))
            given.append(made(kind, "down", "127.0.0.1:1"))
            given.insert(1, made(kind, "healthy", healthy))
            rig = await stack.enter_async_context(running(*given))
            for number in range(rounds):
                tasks = {
                    one.get_name(): one for one in rig.collector.start_due(second(15 * number))
                }
                async with asyncio.timeout(10):
                    await tasks[f"collect {kind}/healthy"]
                await asyncio.gather(*tasks.values())
                rig.collector.flush()
            turns = [NOW_MS + 15_000 * number for number in range(rounds)]
            assert rig.shelf.series(UP, "healthy") == dict.fromkeys(turns, 1.0)
            assert rig.shelf.series(f"{kind}_up", "healthy") == dict.fromkeys(turns, 1.0)
            for name, reason in reasons.items():
                status = rig.status(name)
                assert (name, status.reason) == (name, reason), status.detail
                assert rig.shelf.series(UP, name) == dict.fromkeys(turns, 0.0), name
                assert rig.shelf.series(f"{kind}_up", name) == {}, name
                failures = rig.meter("failures_total", name, reason=reason.value)
                assert failures is not None
                assert 1 <= failures < rounds, name  # it backs off

    if kind == "redis":
        with redis_server(tmp_path) as server:
            asyncio.run(attempt(server.address))
    else:
        with memcached_server(tmp_path) as port:
            asyncio.run(attempt(f"127.0.0.1:{port}"))


def test_a_run_that_was_cancelled_leaves_no_reply_for_the_next_one(tmp_path: Path) -> None:
    async def attempt(address: str) -> None:
        source = made("redis", "cache", address)
        await source.collect(NOW_MS)
        for pause in (0.0, 0.0001, 0.0005, 0.001, 0.002):
            run = asyncio.create_task(source.collect(NOW_MS))
            await asyncio.sleep(pause)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            came = await source.collect(NOW_MS)
            assert {part.name: part.failure for part in came.parts} == dict.fromkeys(
                ("info", "latency", "slowlog", "keys", "events")
            )
        await source.close()

    with redis_server(tmp_path) as server:
        asyncio.run(attempt(server.address))


@pytest.mark.parametrize("kind", ["scrape", "redis"])
def test_a_password_file_that_hangs_stops_nobody_else(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("x")
    login = {"name": "cache", "username": "u", "password_file": str(file), "timeout": "200ms"}
    target = {"targets": [{**login, "url": "http://127.0.0.1:1/"}]}
    if kind == "redis":
        target = {"redis": [{**login, "address": "127.0.0.1:9"}]}
    config = CollectorConfig.model_validate({"interval": "15s", "host": False, **target})
    file.unlink()
    os.mkfifo(file)  # nobody writes: whoever reads it waits for ever

    async def attempt() -> None:
        async with AsyncExitStack() as stack:
            if kind == "redis":
                address = await stack.enter_async_context(serving(hang))
                chosen = config.redis[0].model_copy(update={"address": address})
                source: Source = Redis(chosen, config, resolve=resolve, immediate=True)
            else:
                source = Scrape(config.targets[0], config, resolve=resolve, immediate=True)
            rig = await stack.enter_async_context(running(source))
            told = []
            for number in range(3):
                async with asyncio.timeout(10):
                    await rig.turn(second(900 * number))
                told.append((rig.status("cache").reason, rig.status("cache").detail))
            hangs = "reading the password_file has not come back; does a disk hang?"
            assert told[0] == (Failure.TIMEOUT, "not done after 0.2 s")
            assert told[1:] == [(Failure.TIMEOUT, hangs)] * 2

    try:
        asyncio.run(attempt())
    finally:
        file.write_text("x")  # lets the thread go


def test_events_that_cannot_be_listened_to_fail_alone(tmp_path: Path) -> None:
    """The second connection is taken and never answered."""

    async def attempt(port: int) -> None:
        count, tasks = 0, set()

        async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65_536):
                writer.write(data)

        async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            count += 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                if count > 1:
                    await asyncio.Event().wait()
                behind = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await asyncio.gather(pipe(reader, behind[1]), pipe(behind[0], writer))
                finally:
                    behind[1].close()
            finally:
                writer.close()

        front = await asyncio.start_server(first_only, "127.0.0.1", 0)
        target = {"name": "cache", "address": f"127.0.0.1:{front.sockets[0].getsockname()[1]}"}
        config = CollectorConfig.model_validate({"timeout": "2s", "redis": [target]})
        source = Redis(config.redis[0], config)
        async with asyncio.timeout(1.5):
            came = await source.collect(NOW_MS)
        failures = {part.name: part.failure for part in came.parts if part.failure}
        assert set(failures) == {"events"}
        assert failures["events"].reason is Failure.TIMEOUT
        await source.close()
        front.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with redis_server(tmp_path) as server:
        asyncio.run(attempt(server.port))

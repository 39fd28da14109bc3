"""The event loop, its threads and the garbage collector."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from weakref import ref

import anyio.to_thread
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from client_tests.asking import called, http_scope, plain, value
from client_tests.turning import Clock
from plimsoll_client.asgi import Message, Receive, Scope, Send
from plimsoll_client.runtime import GcWatch, LoopWatch, RuntimeMetrics, families_of
from plimsoll_client.sampling import SLOW_EVERY, GoneError, Watched

LAG = "python_event_loop_lag_seconds"
DEADLINE_SECONDS = 20.0


def threads(registry: CollectorRegistry, state: str) -> float | None:
    return value(registry, "python_thread_pool_threads", state=state)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def run(registry: CollectorRegistry, inside: Callable[[RuntimeMetrics], Awaitable[None]]) -> None:
    """Run something between the first request and the end of the server."""

    async def serve() -> None:
        app = RuntimeMetrics(plain(), registry)
        await called(app, http_scope("GET", "/"))
        try:
            await inside(app)
        finally:
            app.leave(asyncio.get_running_loop())

    asyncio.run(serve())


def test_a_blocked_loop_is_seen_while_it_is_blocked(registry: CollectorRegistry) -> None:
    async def block(app: RuntimeMetrics) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        # Nobody but the sampler's own thread can raise the number while this runs.
        while (value(registry, LAG) or 0) < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    run(registry, block)

    assert 0.2 <= (value(registry, LAG) or 0) < DEADLINE_SECONDS


def test_lag_is_the_time_from_asking_to_the_answer(registry: CollectorRegistry) -> None:
    clock, families = Clock(), families_of(registry)

    async def answer_late() -> None:
        watch = LoopWatch(asyncio.get_running_loop(), families, clock)
        watch.read()
        clock.seconds += 0.3
        await asyncio.sleep(0)  # now it answers
        clock.seconds += 5
        watch.read()

    asyncio.run(answer_late())

    assert value(registry, LAG) == pytest.approx(0.3)


def test_an_answer_that_is_overdue_counts_before_it_comes(registry: CollectorRegistry) -> None:
    clock, families = Clock(), families_of(registry)

    async def never_answer() -> None:
        watch = LoopWatch(asyncio.get_running_loop(), families, clock)
        for _ in range(3):
            watch.read()
            clock.seconds += 1

    asyncio.run(never_answer())

    assert value(registry, LAG) == pytest.approx(2)


def test_a_loop_that_is_closed_is_gone(registry: CollectorRegistry) -> None:
    loop = asyncio.new_event_loop()
    watch = LoopWatch(loop, families_of(registry))
    loop.close()

    with pytest.raises(GoneError):
        watch.read()


def test_threads_are_told_by_what_they_do(registry: CollectorRegistry) -> None:
    app, release = FastAPI(), threading.Event()

    @app.get("/wait")
    def wait() -> None:
        release.wait(DEADLINE_SECONDS)

    app.add_middleware(RuntimeMetrics, registry=registry)

    async def ask_more_than_there_are_threads() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 3
        waiting = [asyncio.create_task(called(app, http_scope("GET", "/wait"))) for _ in range(5)]
        try:
            await until(lambda: threads(registry, "borrowed") == 3)
            await until(lambda: threads(registry, "waiting") == 2)
            assert threads(registry, "total") == 3
        finally:
            release.set()
            await asyncio.gather(*waiting)
        await until(lambda: threads(registry, "borrowed") == 0)

    asyncio.run(ask_more_than_there_are_threads())


def sampler_threads() -> int:
    return sum(thread.name == "plimsoll-sampler" for thread in threading.enumerate())


def test_everything_ends_with_the_server(registry: CollectorRegistry) -> None:
    before = sampler_threads()

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        assert sampler_threads() == before + 1
        assert len(gc.callbacks) == callbacks + 1
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    sent: list[str] = []
    callbacks = len(gc.callbacks)

    async def serve() -> None:
        messages: list[Message] = [
            {"type": "lifespan.startup"},
            {"type": "lifespan.shutdown"},
        ]

        async def receive() -> Message:
            return messages.pop(0)

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await RuntimeMetrics(lifespan, registry)({"type": "lifespan"}, receive, send)

    asyncio.run(serve())

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(gc.callbacks) == callbacks
    deadline = time.monotonic() + DEADLINE_SECONDS
    while sampler_threads() > before:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_many_requests_and_middlewares_watch_a_loop_once(registry: CollectorRegistry) -> None:
    callbacks = len(gc.callbacks)

    async def ask_again(app: RuntimeMetrics) -> None:
        for one in (app, RuntimeMetrics(plain(), registry)):
            for _ in range(3):
                answer = await called(one, http_scope("GET", "/"))
                assert answer.status == 200
        assert len(families_of(registry).sampler._readings) == 3  # loop, threads, collector
        assert len(gc.callbacks) == callbacks + 1

    run(registry, ask_again)


def test_a_loop_after_the_first_is_watched_too_and_the_first_is_let_go(
    registry: CollectorRegistry,
) -> None:
    """As in tests with a loop each, and under servers without lifespan."""
    app, loops = RuntimeMetrics(plain(), registry), []

    async def ask() -> None:
        loops.append(ref(asyncio.get_running_loop()))
        await called(app, http_scope("GET", "/"))

    for _ in range(2):
        asyncio.run(ask())
    gc.collect()
    sampler = families_of(registry).sampler
    for _ in range(SLOW_EVERY):
        sampler.sample()

    assert loops[0]() is None
    # The loops are closed; only the collector, which belongs to none, is left.
    assert [what for _, what, _ in sampler._readings] == [Watched.GARBAGE_COLLECTOR]
    families_of(registry).collector.stop()


class TestGarbage:
    def test_pauses_are_added_up_by_generation(self, registry: CollectorRegistry) -> None:
        clock = Clock()
        watch = GcWatch(families_of(registry), clock)
        for generation, pause in ((0, 0.25), (0, 0.5), (2, 1.0)):
            watch.collected("start", {"generation": generation})
            clock.seconds += pause
            watch.collected("stop", {"generation": generation})
        watch.read()
        watch.read()

        pauses = [value(registry, "python_gc_pauses_total", generation=g) for g in "012"]
        seconds = [value(registry, "python_gc_pause_seconds_total", generation=g) for g in "012"]
        assert (pauses, seconds) == ([2, 0, 1], [0.75, 0, 1.0])
        assert value(registry, "python_gc_longest_pause_seconds") == 1.0
        clock.seconds += 60
        watch.read()
        assert value(registry, "python_gc_longest_pause_seconds") == 0

    def test_a_real_collection_is_seen(self, registry: CollectorRegistry) -> None:
        async def collect(app: RuntimeMetrics) -> None:
            gc.collect()

        run(registry, collect)

        assert (value(registry, "python_gc_pauses_total", generation="2") or 0) >= 1
        assert (value(registry, "python_gc_pause_seconds_total", generation="2") or 0) > 0

    def test_a_collection_that_begins_while_a_metric_is_locked_does_not_wait_for_it(
        self, registry: CollectorRegistry
    ) -> None:
        """A callback that counted by itself would stand still for ever here."""
        families = families_of(registry)
        watch = GcWatch(families)
        lock = families.pauses.labels("2")._value._lock
        gc.callbacks.append(watch.collected)
        try:
            with lock:
                gc.collect()
        finally:
            gc.callbacks.remove(watch.collected)
        watch.read()

        assert (value(registry, "python_gc_pauses_total", generation="2") or 0) >= 1


def test_a_failure_of_the_application_passes(registry: CollectorRegistry) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no")

    answer = asyncio.run(called(RuntimeMetrics(broken, registry), http_scope("GET", "/")))

    assert isinstance(answer.error, LookupError)

"""Functions of every kind, and how each of their calls can end."""

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from weakref import ref

import pytest
from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry

from client_tests.asking import ask, value
from client_tests.turning import Clock
from plimsoll_client.functions import MAX_FUNCTIONS, Measured, Outcome, measured
from plimsoll_client.registries import OVERFLOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Measured, "clock", clock)
    return clock


def ended(registry: CollectorRegistry, name: str = "f") -> dict[str, float]:
    """Calls by outcome; those that did not happen are left out."""
    found = {
        one.value: value(registry, "function_calls_total", function=name, outcome=one.value)
        for one in Outcome
    }
    return {outcome: count for outcome, count in found.items() if count}


def spent(registry: CollectorRegistry, name: str = "f") -> tuple[float | None, float | None]:
    """How many durations, and their sum."""
    return (
        value(registry, "function_duration_seconds_count", function=name),
        value(registry, "function_duration_seconds_sum", function=name),
    )


def active(registry: CollectorRegistry, name: str = "f") -> float | None:
    return value(registry, "function_active_calls", function=name)


def test_every_outcome_starts_at_zero(registry: CollectorRegistry) -> None:
    measured("f", registry=registry)(lambda: None)

    for one in Outcome:
        assert value(registry, "function_calls_total", function="f", outcome=one.value) == 0


class TestPlain:
    def test_a_call_is_timed_and_counted(self, registry: CollectorRegistry, clock: Clock) -> None:
        @measured("f", registry=registry)
        def double(n: int) -> int:
            """Twice."""
            assert active(registry) == 1
            clock.seconds += 0.25
            return 2 * n

        assert double(4) == 8
        assert double.__doc__ == "Twice."
        assert list(inspect.signature(double).parameters) == ["n"]
        assert (ended(registry), spent(registry), active(registry)) == ({"ok": 1}, (1, 0.25), 0)

    def test_a_failure_has_a_duration_too(self, registry: CollectorRegistry, clock: Clock) -> None:
        @measured("f", registry=registry)
        def fail() -> None:
            clock.seconds += 5
            raise LookupError("no")

        with pytest.raises(LookupError, match="no"):
            fail()

        assert (ended(registry), spent(registry)) == ({"failed": 1}, (1, 5.0))
        assert active(registry) == 0

    def test_without_a_name_it_is_called_as_it_is(self, registry: CollectorRegistry) -> None:
        @measured(registry=registry)
        def named() -> None:
            pass

        named()

        assert ended(registry, f"{__name__}.{named.__qualname__}") == {"ok": 1}

    def test_recursion_counts_every_level(self, registry: CollectorRegistry, clock: Clock) -> None:
        @measured("f", registry=registry)
        def down(n: int) -> float | None:
            clock.seconds += 1
            return down(n - 1) if n else active(registry)

        assert down(2) == 3
        assert (ended(registry), spent(registry)) == ({"ok": 3}, (3, 1 + 2 + 3))

    def test_an_exception_keeps_nothing_alive(self, registry: CollectorRegistry) -> None:
        class Local:
            pass

        @measured("f", registry=registry)
        def fail(kept: Local) -> None:
            raise LookupError

        gc.collect()
        gc.disable()
        try:
            local = Local()
            seen = ref(local)
            with pytest.raises(LookupError):
                fail(local)
            del local
            # pytest's own record of the exception goes with the next one.
            with pytest.raises(LookupError):
                fail(Local())
            assert seen() is None
        finally:
            gc.enable()

    def test_threads_lose_no_call(self, registry: CollectorRegistry) -> None:
        @measured("f", registry=registry)
        def nothing() -> None:
            pass

        threads = [
            threading.Thread(target=lambda: [nothing() for _ in range(200)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (ended(registry), active(registry)) == ({"ok": 1600}, 0)


class TestCoroutines:
    def test_it_is_timed_until_it_is_done(self, registry: CollectorRegistry, clock: Clock) -> None:
        @measured("f", registry=registry)
        async def load() -> str:
            await asyncio.sleep(0)
            clock.seconds += 0.5
            return "a"

        assert inspect.iscoroutinefunction(load)
        assert asyncio.run(load()) == "a"
        assert (ended(registry), spent(registry)) == ({"ok": 1}, (1, 0.5))

    def test_cancelled_is_not_failed_and_has_no_duration(self, registry: CollectorRegistry) -> None:
        @measured("f", registry=registry)
        async def wait() -> None:
            await asyncio.Event().wait()

        async def cancel() -> float | None:
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            meanwhile = active(registry)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return meanwhile

        assert asyncio.run(cancel()) == 1
        assert (ended(registry), spent(registry)) == ({"cancelled": 1}, (0, 0.0))
        assert active(registry) == 0

    def test_a_timeout_of_its_own_is_a_failure_and_one_around_it_a_cancellation(
        self, registry: CollectorRegistry
    ) -> None:
        async def wait() -> None:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

        inner = measured("inner", registry=registry)(wait)

        @measured("outer", registry=registry)
        async def outer() -> None:
            await asyncio.Event().wait()

        async def around() -> None:
            async with asyncio.timeout(0):
                await outer()

        for called in (inner, around):
            with pytest.raises(TimeoutError):
                asyncio.run(called())

        assert ended(registry, "inner") == {"failed": 1}
        assert ended(registry, "outer") == {"cancelled": 1}

    def test_an_object_with_an_async_call_is_awaited(
        self, registry: CollectorRegistry, clock: Clock
    ) -> None:
        class Loader:
            async def __call__(self) -> int:
                clock.seconds += 1
                return 7

        load = measured("f", registry=registry)(Loader())

        assert asyncio.run(load()) == 7
        assert spent(registry) == (1, 1.0)


class TestGenerators:
    def test_only_the_time_inside_counts(self, registry: CollectorRegistry, clock: Clock) -> None:
        @measured("f", registry=registry)
        def numbers() -> Iterator[int]:
            for n in range(3):
                clock.seconds += 1
                yield n

        got = []
        for n in numbers():
            assert active(registry) == 1
            clock.seconds += 100  # the consumer's
            got.append(n)

        assert inspect.isgeneratorfunction(numbers)
        assert got == [0, 1, 2]
        assert (ended(registry), spent(registry), active(registry)) == ({"ok": 1}, (1, 3.0), 0)

    def test_values_exceptions_and_the_result_pass_both_ways(
        self, registry: CollectorRegistry
    ) -> None:
        @measured("f", registry=registry)
        def echo() -> Generator[str, str, str]:
            got = yield "first"
            try:
                yield got
            except LookupError as error:
                yield f"caught {error}"
            return "result"

        conversation = echo()
        assert next(conversation) == "first"
        assert conversation.send("sent") == "sent"
        assert conversation.throw(LookupError("this")) == "caught this"
        with pytest.raises(StopIteration) as end:
            next(conversation)
        assert end.value.value == "result"
        assert ended(registry) == {"ok": 1}

    def test_closed_before_its_end_it_was_abandoned(self, registry: CollectorRegistry) -> None:
        cleaned = []

        @measured("f", registry=registry)
        def endless() -> Iterator[int]:
            try:
                while True:
                    yield 1
            finally:
                cleaned.append(True)

        numbers = endless()
        next(numbers)
        numbers.close()  # type: ignore[attr-defined]

        assert (ended(registry), spent(registry)) == ({"abandoned": 1}, (0, 0.0))
        assert (cleaned, active(registry)) == ([True], 0)

    def test_a_failure_is_one(self, registry: CollectorRegistry) -> None:
        @measured("f", registry=registry)
        def fail() -> Iterator[int]:
            yield 1
            raise LookupError("no")

        with pytest.raises(LookupError, match="no"):
            list(fail())

        assert ended(registry) == {"failed": 1}

    def test_one_that_nobody_starts_is_no_call(self, registry: CollectorRegistry) -> None:
        @measured("f", registry=registry)
        def numbers() -> Iterator[int]:
            yield 1

        numbers().close()  # type: ignore[attr-defined]

        assert (ended(registry), active(registry)) == ({}, 0)

    def test_context_managers_and_dependencies_go_on_working(
        self, registry: CollectorRegistry
    ) -> None:
        """Both recognise generator functions, and speak to them by `throw`."""

        @contextmanager
        @measured("f", registry=registry)
        def swallow() -> Iterator[str]:
            with suppress(LookupError):
                yield "in"

        with swallow() as inside:
            assert inside == "in"
            raise LookupError

        @measured("g", registry=registry)
        async def dependency() -> AsyncIterator[str]:
            yield "dependency"

        app = FastAPI()

        @app.get("/")
        @measured("h", registry=registry)
        async def read(got: str = Depends(dependency)) -> str:
            return got

        assert ask(app, "GET", "/").body == b'"dependency"'
        assert [ended(registry, name) for name in "fgh"] == [{"ok": 1}] * 3


class TestAsyncGenerators:
    def echo(self, registry: CollectorRegistry, clock: Clock) -> AsyncGenerator[str, str]:
        @measured("f", registry=registry)
        async def echo() -> AsyncGenerator[str, str]:
            clock.seconds += 1
            got = yield "first"
            try:
                await asyncio.sleep(0)
                yield got
            except LookupError as error:
                clock.seconds += 1
                yield f"caught {error}"

        assert inspect.isasyncgenfunction(echo)
        return echo()

    def test_values_and_exceptions_pass_both_ways_and_only_the_time_inside_counts(
        self, registry: CollectorRegistry, clock: Clock
    ) -> None:
        async def talk() -> list[str]:
            conversation = self.echo(registry, clock)
            said = [await anext(conversation)]
            clock.seconds += 100
            said.append(await conversation.asend("sent"))
            said.append(await conversation.athrow(LookupError("this")))
            said += [one async for one in conversation]
            return said

        assert asyncio.run(talk()) == ["first", "sent", "caught this"]
        assert (ended(registry), spent(registry), active(registry)) == ({"ok": 1}, (1, 2.0), 0)

    def test_closed_before_its_end_it_was_abandoned(
        self, registry: CollectorRegistry, clock: Clock
    ) -> None:
        async def leave() -> None:
            conversation = self.echo(registry, clock)
            await anext(conversation)
            await conversation.aclose()

        asyncio.run(leave())

        assert (ended(registry), active(registry)) == ({"abandoned": 1}, 0)

    def test_cancelled_inside_it_was_cancelled(self, registry: CollectorRegistry) -> None:
        @measured("f", registry=registry)
        async def waits() -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        async def consume() -> None:
            async for _ in waits():
                pass

        async def cancel() -> None:
            task = asyncio.create_task(consume())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())

        assert (ended(registry), active(registry)) == ({"cancelled": 1}, 0)

    def test_a_failure_is_one(self, registry: CollectorRegistry) -> None:
        @asynccontextmanager
        @measured("f", registry=registry)
        async def fails() -> AsyncIterator[None]:
            yield
            raise LookupError("no")

        async def use() -> None:
            async with fails():
                pass

        with pytest.raises(LookupError, match="no"):
            asyncio.run(use())

        assert ended(registry) == {"failed": 1}


class TestBlocks:
    def test_a_block_is_a_call(self, registry: CollectorRegistry, clock: Clock) -> None:
        with measured("f", registry=registry):
            clock.seconds += 0.5
            assert active(registry) == 1

        assert (ended(registry), spent(registry), active(registry)) == ({"ok": 1}, (1, 0.5), 0)

    def test_a_block_that_fails(self, registry: CollectorRegistry) -> None:
        with pytest.raises(LookupError), measured("f", registry=registry):
            raise LookupError

        assert (ended(registry), active(registry)) == ({"failed": 1}, 0)

    def test_one_object_after_another_but_not_inside_itself(
        self, registry: CollectorRegistry
    ) -> None:
        block = measured("f", registry=registry)
        with block:
            pass
        with block, pytest.raises(RuntimeError, match="for each block"):
            block.__enter__()

        assert (ended(registry), active(registry)) == ({"ok": 2}, 0)

    def test_a_block_needs_a_name(self, registry: CollectorRegistry) -> None:
        with pytest.raises(ValueError, match="needs a name"), measured(registry=registry):
            pass


def test_forgotten_parentheses_are_told() -> None:
    def function() -> None:
        pass

    with pytest.raises(TypeError, match="with parentheses"):
        measured(function)  # type: ignore[arg-type]


def test_names_made_from_data_end_in_one_series(registry: CollectorRegistry) -> None:
    for number in range(MAX_FUNCTIONS + 5):
        with measured(f"customer {number}", registry=registry):
            pass

    assert ended(registry, "customer 0") == {"ok": 1}
    assert ended(registry, f"customer {MAX_FUNCTIONS}") == {}
    assert ended(registry, OVERFLOW) == {"ok": 5}
    assert value(registry, "plimsoll_client_series_dropped_total", reason="too_many_functions") == 5

"""Work beside the event loop."""

import asyncio
import threading

import pytest

from collector.sidethread import SideThread, StillBusyError


def test_results_and_exceptions_come_back() -> None:
    async def attempt() -> None:
        side = SideThread("test")
        assert await side.run(lambda: threading.current_thread().name) == "test"
        with pytest.raises(ZeroDivisionError):
            await side.run(lambda: 1 / 0)

    asyncio.run(attempt())


def test_a_function_that_hangs_is_not_joined_by_a_second_one_and_holds_nobody_up() -> None:
    release = threading.Event()

    async def attempt() -> None:
        side = SideThread("test")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await side.run(release.wait)
        with pytest.raises(StillBusyError):
            await side.run(lambda: 1)
        release.set()
        for _ in range(200):
            try:
                assert await side.run(lambda: 2) == 2
            except StillBusyError:
                await asyncio.sleep(0.01)
            else:
                return
        pytest.fail("the thread never became free")

    asyncio.run(attempt())


def test_a_function_that_returns_after_its_caller_has_gone_troubles_nobody() -> None:
    async def attempt() -> None:
        troubles: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: troubles.append(context))
        release, side = threading.Event(), SideThread("test")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await side.run(release.wait)
        release.set()
        while True:  # until the thread is free again, and what it left in the loop was done
            await asyncio.sleep(0.01)
            try:
                await side.run(lambda: None)
            except StillBusyError:
                continue
            break
        assert troubles == []

    asyncio.run(attempt())


def test_a_function_that_returns_after_the_loop_has_gone_does_no_harm(
    recwarn: pytest.WarningsRecorder,
) -> None:
    release = threading.Event()

    async def attempt() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await SideThread("late").run(release.wait)

    asyncio.run(attempt())
    release.set()
    for thread in threading.enumerate():
        if thread.name == "late":
            thread.join(5)
    assert not recwarn.list

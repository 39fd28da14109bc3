"""Work that may block or compute for long, done beside the event loop, one piece at a time."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class StillBusyError(Exception):
    """The previous piece of work has not come back yet."""


class SideThread:
    """Runs functions in a thread, never two at once.

    Not the event loop's pool: a name server or a file system that hangs would fill its few threads
    and stop every other target. A cancelled run leaves its thread behind, since threads cannot be
    cancelled; it is counted as busy until it returns, and as a daemon it does not hold up the exit.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a piece of work has not come back yet."""
        return self._busy.locked()

    async def run(self, function: Callable[[], T]) -> T:
        """The function's result; StillBusyError when the previous one has not returned."""
        if not self._busy.acquire(blocking=False):
            raise StillBusyError(self._name)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as caught:
                error = caught
            finally:
                self._busy.release()
            # The loop may be gone when a hung function returns after the program's end.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, future, result, error)

        try:
            threading.Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads
            self._busy.release()
            raise
        return await future


def _settle(future: "asyncio.Future[T]", result: T | None, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile: nobody waits
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None is a T when work() succeeded

"""Carries new statements to whoever keeps them, beside the run, and again when it did not work."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from collector.sidethread import SideThread, StillBusyError

LOG_AGAIN_MS = 3_600_000
MOST_WAITING = 10_000
LONGEST_SECONDS = 1.0
"""How long a run waits for a state that somebody else writes to."""

Statement = tuple[str, str]
Write = Callable[[str, Mapping[Statement, str], int], None]
"""Takes a target, statements with their texts, and the time: `StatementBook.note`."""

_log = logging.getLogger(__name__)


class Noting:
    """Statements that are still to be written; a state that is busy costs no sample."""

    def __init__(self, target: str, write: Write | None) -> None:
        self._target = target
        self._write = write
        self._waiting: dict[Statement, str] = {}
        self._thread = SideThread(f"plimsoll-statements-{target}")
        self._logged_ms: int | None = None

    def add(self, seen: Mapping[Statement, str], at_ms: int) -> None:
        """These are to be written."""
        for statement, text in seen.items():
            if statement in self._waiting or len(self._waiting) < MOST_WAITING:
                self._waiting[statement] = text

    async def write(self, at_ms: int) -> None:
        """Write what waits; what cannot be written waits on."""
        write, seen = self._write, dict(self._waiting)
        if write is None or not seen:
            return
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._thread.run(lambda: write(self._target, seen, at_ms))
        except (StillBusyError, TimeoutError):
            return  # what is still under way there may be written twice, which changes nothing
        except Exception as error:
            # Whatever the state has: it must not cost the numbers. What it says may quote texts.
            if self._logged_ms is None or at_ms - self._logged_ms >= LOG_AGAIN_MS:
                self._logged_ms = at_ms
                _log.warning(
                    "statements of %s are not written yet: %s", self._target, type(error).__name__
                )
            return
        for statement in seen:
            self._waiting.pop(statement, None)

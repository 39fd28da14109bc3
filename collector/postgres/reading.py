"""What a group of queries looks like to the run that asks it. Pure."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collector.failure import CollectFailure
from collector.postgres.config import Group
from collector.postgres.versions import Server

Reading = tuple[str, Mapping[str, str], float]
"""Metric, labels beside `target`, value."""

Rows = Sequence[tuple[Any, ...]]
Ask = Callable[[str], Awaitable[Rows]]
"""The rows of one query; CollectFailure when the server refuses it."""

OTHER = "__other__"
"""The label value under which all is added up that has no series of its own."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a group brought; a `failure` says what it could not see beside that."""

    readings: Sequence[Reading]
    failure: CollectFailure | None = None


class Asked(Protocol):
    """A group of queries with what it remembers between runs."""

    @property
    def group(self) -> Group:
        """Which one it is."""
        ...

    @property
    def interval_seconds(self) -> float:
        """How often it is asked."""
        ...

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Ask once."""
        ...


class Seen:
    """Label sets of gauges that were there lately: one that is gone is zero, not unknown.

    Otherwise a state that a session was in for one of four samples would count in full.
    """

    def __init__(self, remembered_ms: int = 600_000, most: int = 500) -> None:
        self._remembered_ms, self._most = remembered_ms, most
        self._seen: dict[tuple[str, ...], int] = {}

    def complete(
        self, found: Mapping[tuple[str, ...], float], at_ms: int
    ) -> dict[tuple[str, ...], float]:
        """What was found, and zero for what was found lately."""
        for key in found:
            if key in self._seen or len(self._seen) < self._most:
                self._seen[key] = at_ms
        self._seen = {
            key: seen_ms
            for key, seen_ms in self._seen.items()
            if at_ms - seen_ms <= self._remembered_ms
        }
        return {key: found.get(key, 0.0) for key in self._seen}

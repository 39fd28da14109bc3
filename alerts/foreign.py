"""Silences that were made in Alertmanagers, so that they also keep other receivers quiet.

Read-only and kept in memory. When an Alertmanager cannot be asked, what it said last holds for a
while and is forgotten then: better told too much than nothing.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from alerts.alert import Receiver
from alerts.redact import redacted
from alerts.silence import Silence

ASK_EVERY_MS = 30_000
HOLDS_MS = 10 * 60_000


class Silencing(Protocol):
    """What can be asked for silences."""

    @property
    def receiver(self) -> Receiver:
        """Its name."""
        ...

    def silences(self) -> list[Silence]:
        """The silences in force or to come; OSError or ValueError where none can be read."""
        ...


class ForeignSilences:
    """The silences of several Alertmanagers as they were when they were last asked."""

    def __init__(self, sources: Sequence[Silencing] = ()) -> None:
        self._sources = sources
        self._known: dict[str, tuple[int, list[Silence]]] = {}
        self._asked_ms: int | None = None
        self._lock = threading.Lock()

    def refresh(self, now_ms: int) -> dict[str, str]:
        """Ask each of them, at most every half minute; why one could not be asked, by its name.

        This waits for other servers: not to be called inside a unit of work.
        """
        with self._lock:
            if self._asked_ms is not None and 0 <= now_ms - self._asked_ms < ASK_EVERY_MS:
                return {}
            self._asked_ms = now_ms
        troubles = {}
        for source in self._sources:
            name = source.receiver.name
            try:
                self._known[name] = (now_ms, source.silences())
            except (OSError, ValueError) as error:
                troubles[name] = redacted(f"{type(error).__name__}: {error}")
        return troubles

    def active(self, now_ms: int) -> list[Silence]:
        """What holds now, of what was read not too long ago.

        None is said to end later than the next full ten minutes: somebody may end it earlier
        there, and what it kept quiet is looked at again when a silence ends.
        """
        soon_ms = (now_ms // HOLDS_MS + 1) * HOLDS_MS
        return [
            replace(one, id=f"{name}:{one.id}", ends_ms=min(one.ends_ms, soon_ms))
            for name, (read_ms, silences) in list(self._known.items())
            if now_ms - read_ms <= HOLDS_MS
            for one in silences
            if one.matchers and one.starts_ms <= now_ms < one.ends_ms
        ]

"""Silences that were made in Alertmanagers, so that they also keep other receivers quiet.

Read-only and kept in memory. When an Alertmanager cannot be asked, what it said last holds for a
while and is forgotten then: better told too much than nothing.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alerts.alert import Receiver
from alerts.layouts import alert_labels
from alerts.redact import redacted
from detector.regression import Incident
from storage.series import Matcher

ASK_EVERY_MS = 30_000
HOLDS_MS = 10 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSilence:
    """A silence somebody made in an Alertmanager: in force in `[starts_ms, ends_ms)`."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_ms: int
    ends_ms: int
    created_by: str
    comment: str

    def mutes(self, labels: Mapping[str, str], now_ms: int) -> bool:
        """Whether it keeps an alert with these labels quiet now."""
        if not self.starts_ms <= now_ms < self.ends_ms or not self.matchers:
            return False
        try:
            return all(one.accepts(labels.get(one.name, "")) for one in self.matchers)
        except re.error:  # Alertmanager's expressions are those of Go, and some are none of ours
            return False


class Silencing(Protocol):
    """What can be asked for silences."""

    @property
    def receiver(self) -> Receiver:
        """Its name."""
        ...

    def silences(self) -> list[ForeignSilence]:
        """The silences in force or to come; OSError or ValueError where none can be read."""
        ...


class ForeignSilences:
    """The silences of several Alertmanagers as they were when they were last asked."""

    def __init__(self, sources: Sequence[Silencing]) -> None:
        self._sources = sources
        self._known: dict[str, tuple[int, list[ForeignSilence]]] = {}
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

    def active(self, now_ms: int) -> list[ForeignSilence]:
        """What holds now, of what was read not too long ago."""
        return [
            one
            for read_ms, silences in list(self._known.values())
            if now_ms - read_ms <= HOLDS_MS
            for one in silences
            if one.starts_ms <= now_ms < one.ends_ms
        ]

    def muting(self, incident: Incident, now_ms: int) -> ForeignSilence | None:
        """A silence, where every regression that holds is silenced; the first to end."""
        active = self.active(now_ms)
        rows = [one for one in incident.regressions if one.phase.holds] or incident.regressions
        found = [
            next((s for s in active if s.mutes(alert_labels(one), now_ms)), None) for one in rows
        ]
        if not found or None in found:
            return None
        return min((one for one in found if one), key=lambda one: (one.ends_ms, one.id))

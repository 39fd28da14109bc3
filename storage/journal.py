"""Which spans of a history were written since one last looked. Standard library only.

Whoever keeps a copy of a part of the history in memory asks here whether the copy is still true. A
note may come late or stand for nothing (a batch that was rolled back): then a span is read once
more than needed. It is never missing.
"""

import threading
from collections import deque
from dataclasses import dataclass

SAMPLES = ""  # the topic of samples
KEPT = 1024  # notes of a topic; who looks more rarely than that is told to read everything again
EVER_MS = 2**62


def windows_topic(signal: str, seconds: float) -> str:
    """The topic of the windows of one length of a signal."""
    return f"{signal}/{seconds:g}"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: everything lies in `[lo, hi]`; nothing when `count` is 0."""

    mark: int
    count: int
    lo_ms: int
    hi_ms: int


class Journal:
    """Notes of what was written, by topic. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[str, deque[tuple[int, int]]] = {}
        self._counts: dict[str, int] = {}

    def note(self, topic: str, lo_ms: int, hi_ms: int) -> None:
        """Say that something was written; to be called after it can be read."""
        with self._lock:
            self._notes.setdefault(topic, deque(maxlen=KEPT)).append((lo_ms, hi_ms))
            self._counts[topic] = self._counts.get(topic, 0) + 1

    def note_all_windows(self, lo_ms: int, hi_ms: int) -> None:
        """Say that windows of every signal and length were written, or dropped."""
        for topic in [*self._counts]:
            if topic != SAMPLES:
                self.note(topic, lo_ms, hi_ms)

    def since(self, topic: str, mark: int) -> Written:
        """What was written after the mark of an earlier answer; 0 is the beginning."""
        with self._lock:
            count = self._counts.get(topic, 0)
            fresh = count - mark
            if fresh <= 0:
                return Written(count, 0, EVER_MS, -EVER_MS)
            notes = self._notes[topic]
            if fresh > len(notes):
                return Written(count, fresh, -EVER_MS, EVER_MS)
            new = list(notes)[-fresh:]
        return Written(count, fresh, min(lo for lo, _ in new), max(hi for _, hi in new))

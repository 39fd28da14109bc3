"""Which statements have series of their own. Pure."""

import heapq
from collections import deque
from collections.abc import Mapping

HOUR_MS = 3_600_000
STAY_MS = 24 * HOUR_MS
CROWD = 3
"""Times as many as asked for may be shown, since whoever is shown stays for a day."""

Statement = tuple[str, str]
"""Database and fingerprint."""


class Ranking:
    """The statements that took most time in the last hour, each of them for a day at least.

    A list of the present moment's top would give every minute other series, none of which could be
    compared with its own past.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._hour: deque[tuple[int, Mapping[Statement, float]]] = deque()
        self._seconds: dict[Statement, float] = {}
        self.shown: dict[Statement, int] = {}
        """Who is shown, with the time at which it was last among the first."""

    def active(self) -> list[Statement]:
        """Of those that are shown, who took time in the last hour."""
        return [one for one in self.shown if one in self._seconds]

    def note(self, seconds: Mapping[Statement, float], at_ms: int) -> list[Statement]:
        """Count the time that statements took; gives back who is shown from now on."""
        self._hour.append((at_ms, seconds))
        for name, value in seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + value
        while self._hour and at_ms - self._hour[0][0] >= HOUR_MS:
            for name, value in self._hour.popleft()[1].items():
                left = self._seconds[name] - value
                if left > 1e-9:
                    self._seconds[name] = left
                else:  # what is left is the rounding of the sum
                    del self._seconds[name]
        first = heapq.nlargest(self._most, self._seconds, key=lambda one: (self._seconds[one], one))
        new = [one for one in first if one not in self.shown]
        for name in first:
            self.shown[name] = at_ms
        for name, seen_ms in [*self.shown.items()]:
            if at_ms - seen_ms >= STAY_MS:
                del self.shown[name]
        crowd = len(self.shown) - CROWD * self._most
        if crowd > 0:
            for name in heapq.nsmallest(crowd, self.shown, key=lambda one: (self.shown[one], one)):
                del self.shown[name]
        return new

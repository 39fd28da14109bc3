"""One notice for one change: which windows with evidence are told. Pure.

A change is told when it is first seen. It is told again only if it has grown (by a quarter and by
ten per cent of the value) beyond what it was within two hours of the last time, or if it comes back
after two hours without evidence.
"""

from dataclasses import dataclass

import numpy as np

from storage.history import Flags, Floats, Ints

QUIET_SECONDS = 7200
QUIET_WINDOWS = 3
GROWTH = 1.25
GROWTH_AT_LEAST = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """When a change is told again. `quiet_seconds` without evidence end it."""

    quiet_seconds: int = QUIET_SECONDS
    quiet_windows: int = QUIET_WINDOWS
    growth: float = GROWTH
    growth_at_least: float = GROWTH_AT_LEAST

    def told(self, seen: Flags, size: Floats, at_seconds: Ints, window_seconds: int) -> list[int]:
        """The columns told, of one series. `seen`, `size`, `at_seconds`: `[windows]`."""
        quiet = max(self.quiet_seconds, self.quiet_windows * window_seconds)
        told: list[int] = []
        last_seen = last_told = -(10**15)
        largest = 0.0
        for column in np.flatnonzero(seen).tolist():
            at, now = int(at_seconds[column]), float(size[column])
            grown = now >= self.growth * largest + self.growth_at_least and at - last_told > quiet
            if at - last_seen > quiet or grown:
                told.append(column)
                last_told, largest = at, now
            elif at - last_told <= quiet:
                largest = max(largest, now)  # still unfolding: as much as was told
            last_seen = at
        return told

"""Which target is due at `now`, and whether it may be tried. Pure.

Every target has a grid of turns, `interval` apart, shifted by a hash of its name so that targets
do not all start in the same second. At each turn something is recorded; whether a real attempt is
made depends on back-off and on the previous run being over. Missed turns are skipped, not caught
up with.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from collector.failure import Failure

LONGEST_BACKOFF_MS = 5 * 60_000
LOCKOUT_MS = 15 * 60_000
"""After a refused password: long enough that retries cannot lock the account."""

BACKOFF_SPREAD = 0.2


class Turn(StrEnum):
    """What a target does at a turn."""

    RUN = "run"
    BACKING_OFF = "backing_off"
    STILL_RUNNING = "still_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """The timetable of one target.

    `turn_ms` is the next turn, `failures` how many attempts in a row failed, and before `retry_ms`
    no attempt is made.
    """

    name: str
    interval_ms: int
    turn_ms: int
    failures: int = 0
    backoff_ms: int = 0
    retry_ms: int = 0

    @classmethod
    def begin(
        cls, name: str, interval_seconds: float, now_ms: int, *, immediate: bool = False
    ) -> "Cadence":
        """A timetable whose first turn is now (`immediate`) or somewhere in the first interval."""
        interval_ms = max(1, round(interval_seconds * 1000))
        delay_ms = 0 if immediate else int(share_of(name) * interval_ms)
        return cls(name=name, interval_ms=interval_ms, turn_ms=now_ms + delay_ms)

    def due(self, now_ms: int) -> bool:
        """Whether its turn has come; a clock that was set back far does not silence a target."""
        return now_ms >= self.turn_ms or self.turn_ms - now_ms > self.interval_ms

    def take(self, now_ms: int, *, running: bool) -> tuple["Cadence", Turn]:
        """Take the turn that is due at `now`: the timetable after it, and what to do."""
        next_ms = self.turn_ms + ((now_ms - self.turn_ms) // self.interval_ms + 1) * (
            self.interval_ms
        )
        after = replace(self, turn_ms=next_ms)
        if running:
            return after, Turn.STILL_RUNNING
        # More than the longest wait away: the clock was set back since.
        if now_ms < self.retry_ms <= now_ms + LOCKOUT_MS:
            return after, Turn.BACKING_OFF
        return after, Turn.RUN

    def succeeded(self) -> "Cadence":
        """After a success: no back-off is left."""
        return replace(self, failures=0, backoff_ms=0, retry_ms=0)

    def failed(self, reason: Failure, at_ms: int) -> "Cadence":
        """After an attempt begun at `at_ms` failed: wait twice as long as after the one before."""
        if reason in (Failure.AUTH, Failure.PERMISSION):
            wait_ms = LOCKOUT_MS
        else:
            doubled = self.interval_ms * 2.0 ** min(self.failures, 32)
            spread = 1 + BACKOFF_SPREAD * (2 * share_of(f"{self.name}/{self.failures}") - 1)
            wait_ms = int(min(LONGEST_BACKOFF_MS, doubled * spread))
        return replace(
            self, failures=self.failures + 1, backoff_ms=wait_ms, retry_ms=at_ms + wait_ms
        )

    @property
    def attempt_ms(self) -> int:
        """The turn of the next real attempt."""
        late_ms = max(0, self.retry_ms - self.turn_ms)
        return self.turn_ms + -(-late_ms // self.interval_ms) * self.interval_ms


def share_of(name: str) -> float:
    """A number in [0, 1) that depends on the name alone: jitter that every replay repeats."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53

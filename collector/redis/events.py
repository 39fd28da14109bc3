"""What happens to keys: expired, evicted, missed; counted by group, never kept by name.

The server sends them when `notify-keyspace-events` says so; we never change that setting. They are
told once and to whoever listens, so they are a lower bound. A miss soon after the same key expired
is what a time to live that is too short looks like; for that a number made of each expired key is
kept for a while.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress

from collector.failure import CollectFailure, internal
from collector.readings import Readings
from collector.redis.groups import KeyGroups
from collector.redis.link import Door, Link, checked_reply

KINDS = ("expired", "evicted", "keymiss")
CHANNELS = tuple(f"__keyevent@*__:{kind}" for kind in KINDS)
MOST_PER_SECOND = 5000
MOST_REMEMBERED = 50_000
SOON_SECONDS = 60.0
MARKER = b"*4\r\n$8\r\npmessage\r\n"

TOTALS = {
    "expired": "redis_key_group_expired_total",
    "evicted": "redis_key_group_evicted_total",
    "keymiss": "redis_key_group_misses_total",
}


class Tally:
    """Counts of events by group. Pure but for the seconds that it is given."""

    def __init__(self, groups: KeyGroups) -> None:
        self._groups = groups
        self._expired: OrderedDict[int, float] = OrderedDict()
        self._second, self._room = -1, MOST_PER_SECOND
        self.counts: Counter[tuple[str, str]] = Counter()
        self.missed_again: Counter[str] = Counter()
        self.dropped = 0

    def may_take(self, seconds: float) -> bool:
        """Whether one more event fits into this second."""
        if int(seconds) != self._second:
            self._second, self._room = int(seconds), MOST_PER_SECOND
        self._room -= 1
        return self._room >= 0

    def take(self, kind: str, key: bytes, seconds: float) -> None:
        """One event."""
        group = self._groups.of(key)
        self.counts[kind, group] += 1
        if kind == "expired":
            number = hash(key)
            self._expired[number] = seconds
            self._expired.move_to_end(number)
            if len(self._expired) > MOST_REMEMBERED:
                self._expired.popitem(last=False)
        elif kind == "keymiss":
            expired = self._expired.pop(hash(key), None)
            if expired is not None and seconds - expired <= SOON_SECONDS:
                self.missed_again[group] += 1

    def read(self, readings: Readings) -> None:
        """All counts since we listen."""
        for (kind, group), count in self.counts.items():
            readings.add(TOTALS[kind], float(count), group=group)
        for group, count in self.missed_again.items():
            readings.add("redis_key_group_missed_after_expiry_total", float(count), group=group)
        readings.add("redis_key_events_dropped_total", float(self.dropped))


class Listener:
    """A link of its own that listens, in a task of its own; opened anew when it broke."""

    def __init__(self, door: Door, tally: Tally, stopwatch: Callable[[], float]) -> None:
        self._door = door
        self._tally = tally
        self._stopwatch = stopwatch
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._failure: CollectFailure | None = None

    async def part(self, readings: Readings) -> None:
        """The counts; a CollectFailure when nobody listens, which is mended in the same turn."""
        if self._task is None or self._task.done():
            failure, self._failure = self._failure, None
            await self._begin()
            if failure is not None:
                raise failure  # what happened meanwhile was not heard: it is told once
        self._tally.read(readings)

    async def _begin(self) -> None:
        link = await self._door.open()
        try:
            for channel in CHANNELS:
                (reply,) = await link.ask(("PSUBSCRIBE", channel))
                checked_reply(reply, f"psubscribe and &{channel}")
        except BaseException:
            link.close()
            raise
        self._link = link
        self._task = asyncio.create_task(self._listen(link), name="redis events")

    async def _listen(self, link: Link) -> None:
        try:
            while True:
                self.heard(link)
                await link.more()
        except CollectFailure as failure:
            self._failure = failure
        except Exception as error:
            self._failure = internal(error)
        finally:
            link.close()

    def heard(self, link: Link) -> None:
        """Count all that has come completely. What is too much for one second is dropped."""
        seconds = self._stopwatch()
        while (found := link.parser.next()) is not None:
            message = found[0]
            if not (isinstance(message, list) and len(message) == 4):
                continue
            if not self._tally.may_take(seconds):
                self._tally.dropped += 1 + link.parser.skip_to(MARKER)
                continue
            channel, key = message[2], message[3]
            if isinstance(channel, bytes) and isinstance(key, bytes):
                kind = channel.rpartition(b":")[2].decode("ascii", "replace")
                if kind in KINDS:
                    self._tally.take(kind, key, seconds)

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._link is not None:  # a task that was cancelled before it began closes nothing
            self._link.close()
            self._link = None

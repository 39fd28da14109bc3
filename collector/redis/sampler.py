"""A few keys at every turn: how large, how old, how long they live; by group, never by name.

One cursor goes on from turn to turn. In five minutes as many keys are looked at as the target
says, so that no turn asks for many. `OBJECT` and `PTTL` count as look-ups on the server: they are
told to whoever counts hits and misses. `SCAN` and `MEMORY USAGE` do not count.
"""

from collections.abc import Mapping

from collector.config import RedisTarget
from collector.failure import CollectFailure, Failure
from collector.readings import Readings
from collector.redis.groups import KeyGroups, KeySample, Look
from collector.redis.info import Lookups, keys_of
from collector.redis.link import Command, Link, checked_reply
from collector.redis.resp import Refusal, Reply

WITHIN_SECONDS = 300.0
LONGEST_SECONDS = 0.1
LEAST_AT_ONCE = 10
MOST_AT_ONCE = 2000


class Sampler:
    """Looks at keys of one database."""

    def __init__(
        self,
        target: RedisTarget,
        interval_seconds: float,
        groups: KeyGroups,
        lookups: Lookups,
    ) -> None:
        share = min(1.0, interval_seconds / WITHIN_SECONDS)
        wanted = max(LEAST_AT_ONCE, round(target.sampled_keys * share))
        self._most = self.at_once = min(MOST_AT_ONCE, wanted)
        self._database = target.database
        self._groups = groups
        self._lookups = lookups
        self._sample = KeySample(max(1, target.sampled_keys))
        self._cursor: bytes = b"0"

    async def sample(self, link: Link, info: Mapping[str, str], at_ms: int) -> None:
        """Look at the next keys; what vanished meanwhile is passed over."""
        (scanned,) = await link.ask(("SCAN", self._cursor, "COUNT", self.at_once))
        cursor, keys = _scanned(checked_reply(scanned, "scan"))
        self._cursor = cursor
        keys = keys[: self.at_once]
        self._sample.forget(at_ms - round(WITHIN_SECONDS * 1000))
        if not keys:
            return
        about = "FREQ" if "lfu" in info.get("maxmemory_policy", "") else "IDLETIME"
        commands: list[Command] = []
        for key in keys:
            commands += [("OBJECT", about, key), ("PTTL", key)]
            commands += [("MEMORY", "USAGE", key, "SAMPLES", 1)]
        # Before they are sent: they may have been looked up though the connection broke.
        self._lookups.probed(hits=2 * len(keys))
        replies = await link.ask(*commands)
        looks = [
            self._look(key, about, replies[3 * position : 3 * position + 3])
            for position, key in enumerate(keys)
        ]
        names = (f"object|{about.lower()}", "pttl", "memory|usage")
        for reply, name in zip(replies, names, strict=False):
            checked_reply(reply, name)
        self._sample.take([look for look in looks if look is not None], at_ms)

    def _look(self, key: bytes, about: str, replies: list[Reply]) -> Look | None:
        told, life_ms, size = replies
        for reply, absent in ((told, None), (life_ms, -2)):
            if isinstance(reply, Refusal):  # what is not allowed is not looked up
                self._lookups.probed(hits=-1)
            elif reply == absent:
                self._lookups.probed(hits=-1, misses=1)
        if not isinstance(size, int) or not isinstance(life_ms, int) or life_ms == -2:
            return None
        figure = told if isinstance(told, int) else None
        return Look(
            group=self._groups.of(key),
            size_bytes=size,
            ttl_seconds=life_ms / 1000 if life_ms >= 0 else None,
            idle_seconds=None if figure is None or about != "IDLETIME" else float(figure),
            frequency=figure if about == "FREQ" else None,
        )

    def took(self, seconds: float) -> None:
        """How long it took: a server that is slow to answer is asked for less, then for more."""
        if seconds > LONGEST_SECONDS:
            self.at_once = max(LEAST_AT_ONCE, self.at_once // 2)
        else:
            self.at_once = min(self._most, self.at_once * 2)

    def read(self, info: Mapping[str, str], readings: Readings) -> None:
        """Readings of the groups, from the looks of the last five minutes."""
        self._sample.read(keys_of(info, self._database), readings)


def _scanned(reply: Reply) -> tuple[bytes, list[bytes]]:
    if isinstance(reply, list) and len(reply) == 2:
        cursor, keys = reply
        if isinstance(cursor, bytes) and isinstance(keys, list):
            return cursor, [key for key in keys if isinstance(key, bytes)]
    raise CollectFailure(Failure.PARSE, "its answer to scan is none")

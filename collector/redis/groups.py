"""Key groups: a few names for many keys, and what a sample of keys says of each. Pure.

The name of a key never leaves the process, and none is kept in it beyond one batch. A group is a
pattern of the configuration, or the part of a key before its first `:` or digit; that part becomes
a name only after twenty different keys shared it, so that no single key can become one.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from collector.config import MOST_KEY_GROUPS
from collector.readings import Readings

OTHER = "__other__"
LEAST_KEYS = 20
MOST_CANDIDATES = 1000

_PREFIX = re.compile(rb"([A-Za-z][A-Za-z_.-]{0,31}?)[_.-]*(?=[:0-9])")


class KeyGroups:
    """Which group a key belongs to; at most fifty."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [(_compiled(pattern), pattern) for pattern in patterns]
        self._found: dict[bytes, str] = {}
        self._candidates: dict[bytes, set[int]] = {}

    def of(self, key: bytes) -> str:
        """The group of a key."""
        for expression, pattern in self._patterns:
            if expression.fullmatch(key):
                return pattern
        match = _PREFIX.match(key)
        if match is None:
            return OTHER
        prefix = match[1]
        group = self._found.get(prefix)
        if group is not None:
            return group
        return self._proposed(prefix, key)

    def _proposed(self, prefix: bytes, key: bytes) -> str:
        if len(self._found) + len(self._patterns) >= MOST_KEY_GROUPS:
            return OTHER
        if prefix not in self._candidates and len(self._candidates) >= MOST_CANDIDATES:
            self._candidates.clear()
        keys = self._candidates.setdefault(prefix, set())
        keys.add(hash(key))
        if len(keys) < LEAST_KEYS:
            return OTHER
        del self._candidates[prefix]
        return self._found.setdefault(prefix, prefix.decode())


def _compiled(pattern: str) -> re.Pattern[bytes]:
    parts = (re.escape(part.encode()) for part in pattern.split("*"))
    return re.compile(b".*".join(parts), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one key. None is what could not be asked, or does not apply."""

    group: str
    size_bytes: int | None
    ttl_seconds: float | None
    idle_seconds: float | None
    frequency: int | None


class KeySample:
    """The last looks at keys; how a database divides into groups follows from them."""

    def __init__(self, most: int) -> None:
        self._looks: deque[tuple[int, Look]] = deque(maxlen=most)

    def take(self, looks: Sequence[Look], at_ms: int) -> None:
        """Add looks; the oldest give way."""
        self._looks.extend((at_ms, look) for look in looks)

    def forget(self, before_ms: int) -> None:
        """Drop looks that are older."""
        while self._looks and self._looks[0][0] < before_ms:
            self._looks.popleft()

    def read(self, keys: float, readings: Readings) -> None:
        """Readings of each group, for a database of so many keys."""
        groups: dict[str, list[Look]] = {}
        for _, look in self._looks:
            groups.setdefault(look.group, []).append(look)
        for group, looks in groups.items():
            _group(group, looks, keys * len(looks) / len(self._looks), readings)


def _group(group: str, looks: Sequence[Look], keys: float, readings: Readings) -> None:
    readings.add("redis_key_group_sampled_keys", float(len(looks)), group=group)
    readings.add("redis_key_group_keys", keys, group=group)
    sizes = [look.size_bytes for look in looks if look.size_bytes is not None]
    if sizes:
        readings.add("redis_key_group_bytes", keys * sum(sizes) / len(sizes), group=group)
    lives = [look.ttl_seconds for look in looks if look.ttl_seconds is not None]
    expiring = len(lives) / len(looks)
    readings.add("redis_key_group_expiring_ratio", expiring, group=group)
    figures = {
        "redis_key_group_ttl_seconds": lives,
        "redis_key_group_idle_seconds": [
            look.idle_seconds for look in looks if look.idle_seconds is not None
        ],
        "redis_key_group_frequency": [
            float(look.frequency) for look in looks if look.frequency is not None
        ],
    }
    for name, values in figures.items():
        if values:
            ordered = sorted(values)
            for stat, share in (("p50", 0.5), ("p95", 0.95)):
                readings.add(name, ordered[ceil(share * len(ordered)) - 1], group=group, stat=stat)

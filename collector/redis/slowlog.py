"""The slow log without what was asked: of an entry remain number, time, command and group. Pure.

An entry holds the arguments, that is keys and values, and the address of the client. All of that is
dropped here, before anything is counted.
"""

import re
from collections import Counter
from dataclasses import dataclass

from collector.failure import CollectFailure, Failure
from collector.readings import Readings
from collector.redis.groups import OTHER, KeyGroups

AT_ONCE = 64
NO_KEY = frozenset({
    "acl", "auth", "bgrewriteaof", "bgsave", "client", "cluster", "command", "config", "dbsize",
    "debug", "echo", "eval", "eval_ro", "evalsha", "evalsha_ro", "exec", "fcall", "fcall_ro",
    "flushall", "flushdb", "function", "hello", "info", "keys", "lastsave", "latency", "memory",
    "module", "monitor", "multi", "object", "ping", "psubscribe", "publish", "pubsub", "quit",
    "randomkey", "replicaof", "reset", "role", "save", "scan", "script", "select", "shutdown",
    "slaveof", "slowlog", "spublish", "subscribe", "swapdb", "sync", "time", "unwatch", "wait",
    "xgroup", "xinfo", "xread", "xreadgroup",
})  # fmt: skip
"""Commands whose first argument is no key."""

_COMMAND = re.compile(rb"[A-Za-z][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of an entry."""

    number: int
    at_seconds: int
    took_usec: int
    cmd: str
    group: str
    arguments: int


def entries(reply: object, groups: KeyGroups) -> list[Entry]:
    """The entries of an answer, the newest first."""
    found = []
    for one in reply if isinstance(reply, list) else [None]:
        if not isinstance(one, list) or len(one) < 4 or not isinstance(one[3], list):
            raise CollectFailure(Failure.PARSE, "its answer to slowlog|get is none")
        number, at, took, words = one[:4]
        if not (isinstance(number, int) and isinstance(at, int) and isinstance(took, int)):
            raise CollectFailure(Failure.PARSE, "its answer to slowlog|get is none")
        cmd = _command(words[0] if words else None)
        key = words[1] if len(words) > 1 else None
        keyed = isinstance(key, bytes) and cmd not in NO_KEY and cmd != OTHER
        group = groups.of(key) if keyed and isinstance(key, bytes) else ""
        found.append(Entry(number, at, took, cmd, group, max(0, len(words) - 1)))
    return found


def _command(word: object) -> str:
    if isinstance(word, bytes) and _COMMAND.fullmatch(word):
        return word.decode().lower()
    return OTHER


class SlowCommands:
    """How many commands were slow, and how long they took, since we look."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._counts: Counter[tuple[str, str]] = Counter()
        self._usec: Counter[tuple[str, str]] = Counter()
        self._total = 0

    def take(self, found: list[Entry]) -> None:
        """The newest entries, the newest first. What was there before us is not counted."""
        newest = max((one.number for one in found), default=-1)
        before = self._newest
        if before is not None and newest < before:  # a restart: the numbers begin anew
            before = -1
        self._newest = newest if found or before is None else before
        if before is None:
            return
        self._total += max(0, newest - before)
        for one in found:
            if one.number > before:
                self._counts[one.cmd, one.group] += 1
                self._usec[one.cmd, one.group] += one.took_usec

    def read(self, readings: Readings) -> None:
        """All counts. More new entries than one look brings are in the total alone."""
        readings.add("redis_slowlog_entries_total", float(self._total))
        for (cmd, group), count in self._counts.items():
            labels = {"cmd": cmd, **({"group": group} if group else {})}
            readings.add("redis_slow_commands_total", float(count), **labels)
            seconds = self._usec[cmd, group] / 1e6
            readings.add("redis_slow_command_seconds_total", seconds, **labels)

"""The rights that a target needs on its server: the exact ACL, and whether it is in force.

`CONFIG GET` is not among them, since it shows `masterauth` and `requirepass`; nor is any command
that reads a value, lists all keys, or writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from collector.config import RedisTarget
from collector.redis.events import CHANNELS
from collector.redis.link import Command, Link, refused
from collector.redis.resp import Refusal, Reply

USER = "plimsoll"
PROBE_KEY = "plimsoll:setup:no-such-key"


class Right(StrEnum):
    """Whether a right is as it should be."""

    GRANTED = "granted"
    MISSING = "missing"
    UNKNOWN_COMMAND = "unknown_command"
    WITHHELD = "withheld"
    TOO_MUCH = "too_much"


@dataclass(frozen=True, slots=True)
class Finding:
    """One command that was tried, and what it is for."""

    command: str
    purpose: str
    right: Right


def needed(target: RedisTarget) -> Iterator[tuple[str, str, Command]]:
    """Each command as an ACL names it, what it is for, and a harmless call of it."""
    yield "client|setname", "shows who asks in CLIENT LIST", ("CLIENT", "SETNAME", USER)
    if target.database:
        yield "select", "chooses the database", ("SELECT", target.database)
    yield "info", "everything that the server counts", ("INFO", "server")
    yield "latency|histogram", "time of commands", ("LATENCY", "HISTOGRAM", "info")
    yield "slowlog|len", "length of the slow log", ("SLOWLOG", "LEN")
    yield "slowlog|get", "slow commands", ("SLOWLOG", "GET", 1)
    if target.sampled_keys:
        yield "scan", "keys to sample", ("SCAN", "0", "COUNT", 1)
        yield "object|idletime", "idle time of keys", ("OBJECT", "IDLETIME", PROBE_KEY)
        yield "object|freq", "the same under an LFU policy", ("OBJECT", "FREQ", PROBE_KEY)
        yield "pttl", "time to live of keys", ("PTTL", PROBE_KEY)
        yield "memory|usage", "size of keys", ("MEMORY", "USAGE", PROBE_KEY, "SAMPLES", 1)
    if target.events:
        for channel in CHANNELS:
            yield f"psubscribe &{channel}", "what happens to keys", ("PSUBSCRIBE", channel)


WITHHELD: tuple[tuple[str, Command], ...] = (
    ("get", ("GET", PROBE_KEY)),
    ("config|get", ("CONFIG", "GET", "port")),
    ("client|list", ("CLIENT", "LIST")),
    ("eval", ("EVAL", "return 1", 0)),
    ("setrange", ("SETRANGE", PROBE_KEY, 0, "")),
)
"""What such a user may not do, each by a call that changes nothing: `SETRANGE` of nothing creates
no key."""


def acl(target: RedisTarget, *, before_7: bool = False) -> list[str]:
    """The words of the command that makes the user; `<password>` stands for its password."""
    commands = [name for name, _, _ in needed(target)]
    if before_7:
        commands.remove("latency|histogram")
    rights = dict.fromkeys("+" + name.partition(" ")[0] for name in commands)
    keys = ("%R~*" if not before_7 else "~*") if target.sampled_keys else "resetkeys"
    channels = [f"&{channel}" for channel in CHANNELS] if target.events else []
    return [
        *("ACL", "SETUSER", target.username or USER, "reset", "on", "><password>"),
        *(keys, "resetchannels", *channels, "-@all", *rights),
    ]


async def verified(target: RedisTarget, link: Link) -> list[Finding]:
    """Try some rights that are not needed, then each that is; the link is of no more use after."""
    found = []
    for command, call in WITHHELD:
        (reply,) = await link.ask(call)
        held = isinstance(reply, Refusal) and reply.code == "NOPERM"
        found.append(Finding(command, "not needed", Right.WITHHELD if held else Right.TOO_MUCH))
    for command, purpose, call in needed(target):
        (reply,) = await link.ask(call)
        found.append(Finding(command, purpose, _right(reply, command)))
    return found


def _right(reply: Reply, command: str) -> Right:
    if not isinstance(reply, Refusal):
        return Right.GRANTED
    if reply.code == "NOPERM":
        return Right.MISSING
    if reply.code == "ERR":  # allowed, and not known, or of no use under this policy
        return Right.UNKNOWN_COMMAND if command == "latency|histogram" else Right.GRANTED
    raise refused(reply, command)

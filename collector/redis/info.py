"""What `INFO` says, as readings. Pure.

Look-ups of our own (a sampled key costs two) are taken out of hits and misses. For that the two are
counted anew from the first answer on: a counter that begins at zero with us is a plain restart to
whoever reads it, while one that jumps by our own look-ups when Plimsoll restarts would not be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collector.failure import CollectFailure, Failure
from collector.readings import Readings

SECTIONS = (
    "server", "clients", "memory", "stats", "replication", "cpu", "commandstats", "keyspace",
)  # fmt: skip
LEAST_TO_FRAGMENT = 100e6
"""Below so many bytes used the ratio says nothing: the program itself is most of it."""

COUNTERS = {
    "evicted_keys": "redis_evicted_keys_total",
    "expired_keys": "redis_expired_keys_total",
    "total_commands_processed": "redis_commands_processed_total",
    "rejected_connections": "redis_rejected_connections_total",
    "total_error_replies": "redis_error_replies_total",
    "total_net_input_bytes": "redis_net_input_bytes_total",
    "total_net_output_bytes": "redis_net_output_bytes_total",
}
GAUGES = {
    "used_memory": "redis_memory_used_bytes",
    "used_memory_rss": "redis_memory_rss_bytes",
    "connected_clients": "redis_connected_clients",
    "maxclients": "redis_max_clients",
    "blocked_clients": "redis_blocked_clients",
    "connected_slaves": "redis_connected_replicas",
}


def fields(text: bytes) -> dict[str, str]:
    """The lines `name:value` of an answer; a CollectFailure when it is no INFO."""
    found = {}
    for line in text.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            found[name] = value
    if "redis_version" not in found or "run_id" not in found:
        raise CollectFailure(Failure.PARSE, "its INFO names no version and no run")
    return found


def version(info: Mapping[str, str]) -> tuple[int, ...]:
    """The version of the protocol it follows; Valkey tells the Redis that it replaces."""
    parts = info["redis_version"].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def number(info: Mapping[str, str], name: str) -> float | None:
    """A figure; None where it is absent or none."""
    try:
        return float(info[name])
    except (KeyError, ValueError):
        return None


def pairs(value: str) -> dict[str, str]:
    """`keys=5,expires=1` as a mapping."""
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def numbered(info: Mapping[str, str], prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The fields that begin so and hold pairs: what follows the prefix, and the pairs."""
    for name, value in info.items():
        if name.startswith(prefix) and "=" in value:
            yield name[len(prefix) :], pairs(value)


@dataclass(slots=True)
class Lookups:
    """Hits and misses since the first answer, without our own look-ups."""

    run_id: str = ""
    seen: dict[str, float] = field(default_factory=dict)
    net: dict[str, float] = field(default_factory=lambda: {"hits": 0.0, "misses": 0.0})
    ours: dict[str, float] = field(default_factory=lambda: {"hits": 0.0, "misses": 0.0})
    pending: dict[str, float] = field(default_factory=lambda: {"hits": 0.0, "misses": 0.0})

    def probed(self, *, hits: int = 0, misses: int = 0) -> None:
        """We looked up so many keys ourselves; the next answer counts them."""
        for name, count in (("hits", hits), ("misses", misses)):
            self.pending[name] += count
            self.ours[name] += count

    def take(self, info: Mapping[str, str]) -> None:
        """One answer. After a restart or CONFIG RESETSTAT everything in it is new."""
        told = {name: number(info, f"keyspace_{name}") for name in self.net}
        if None in told.values():
            return
        first, restarted = not self.seen, info["run_id"] != self.run_id
        reset = any((told[name] or 0.0) < self.seen.get(name, 0.0) for name in self.net)
        for name in self.net:
            now = told[name] or 0.0
            if first:
                before = now
            elif restarted or reset:
                before = 0.0
            else:
                before = self.seen[name] + self.pending[name]
            self.net[name] += max(0.0, now - before)
            self.pending[name] = 0.0
            self.seen[name] = now
        self.run_id = info["run_id"]


@dataclass(slots=True)
class Started:
    """When the server began, without the jitter of whole seconds."""

    run_id: str = ""
    at_seconds: float = 0.0

    def take(self, info: Mapping[str, str], at_ms: int) -> float | None:
        """The time in seconds since the epoch."""
        uptime = number(info, "uptime_in_seconds")
        if uptime is None:
            return None
        if info["run_id"] != self.run_id:
            self.run_id, self.at_seconds = info["run_id"], round(at_ms / 1000 - uptime)
        return self.at_seconds


def read(info: Mapping[str, str], readings: Readings, lookups: Lookups, started: Started) -> None:
    """All readings of one answer; what it does not hold stays absent."""
    readings.add("redis_up", 1.0)
    readings.add("redis_start_time_seconds", started.take(info, readings.at_ms))
    lookups.take(info)
    readings.add("redis_keyspace_hits_total", lookups.net["hits"])
    readings.add("redis_keyspace_misses_total", lookups.net["misses"])
    for result, count in lookups.ours.items():
        readings.add("redis_keyspace_probe_lookups_total", count, result=result)
    for name, metric in {**COUNTERS, **GAUGES}.items():
        readings.add(metric, number(info, name))
    _memory(info, readings)
    for mode in ("user", "sys"):
        readings.add("redis_cpu_seconds_total", number(info, f"used_cpu_{mode}"), mode=mode)
    for cmd, stat in numbered(info, "cmdstat_"):
        readings.add("redis_command_calls_total", number(stat, "calls"), cmd=cmd)
        usec = number(stat, "usec")
        readings.add("redis_command_seconds_total", None if usec is None else usec / 1e6, cmd=cmd)
    for db, stat in numbered(info, "db"):
        if db.isdigit():
            _database(db, stat, readings)
    _replication(info, readings)


def _memory(info: Mapping[str, str], readings: Readings) -> None:
    most = number(info, "maxmemory")
    if most:  # 0 is no limit, and no limit is no figure
        readings.add("redis_memory_max_bytes", most)
    if (number(info, "used_memory") or 0.0) > LEAST_TO_FRAGMENT:
        ratio = number(info, "mem_fragmentation_ratio")
        readings.add("redis_memory_fragmentation_ratio", ratio)


def _database(db: str, stat: Mapping[str, str], readings: Readings) -> None:
    expiring, average_ms = number(stat, "expires"), number(stat, "avg_ttl")
    readings.add("redis_db_keys", number(stat, "keys"), db=db)
    readings.add("redis_db_expiring_keys", expiring, db=db)
    if expiring and average_ms:  # 0 stands for "not sampled yet" as well
        readings.add("redis_db_average_ttl_seconds", average_ms / 1000, db=db)


def _replication(info: Mapping[str, str], readings: Readings) -> None:
    """How far the furthest replica is behind, as its primary sees it."""
    ours = number(info, "master_repl_offset")
    theirs = [
        offset
        for position, stat in numbered(info, "slave")
        if position.isdigit() and (offset := number(stat, "offset")) is not None
    ]
    if info.get("role") == "master" and ours is not None and theirs:
        readings.add("redis_replication_offset_lag_bytes", max(0.0, ours - min(theirs)))


def keys_of(info: Mapping[str, str], database: int) -> float:
    """How many keys a database has; one that is not listed is empty."""
    return number(pairs(info.get(f"db{database}", "")), "keys") or 0.0

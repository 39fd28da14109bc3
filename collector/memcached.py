"""A memcached server: `stats`, `stats items` and `stats slabs` over TCP.

Metrics are named as memcached_exporter names them, so that signals read both alike. Where memcached
tells what expired or was evicted without ever having been fetched, that is evidence about times to
live that costs nothing.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from collector.addresses import Resolve, SystemResolver, checked
from collector.config import CollectorConfig, MemcachedTarget
from collector.connect import SHARE_OF_INTERVAL, Streams, connect_any, places
from collector.failure import CollectFailure, Failure
from collector.readings import PartedRun, Readings, SeriesOfSource
from collector.source import Collected
from collector.watched import split_address

MOST_BYTES = 1024 * 1024
"""Of one answer; a server with all 63 slab classes tells about 60 kB."""

COMMANDS = {
    "get_hits": ("get", "hit"),
    "get_misses": ("get", "miss"),
    "delete_hits": ("delete", "hit"),
    "delete_misses": ("delete", "miss"),
    "incr_hits": ("incr", "hit"),
    "incr_misses": ("incr", "miss"),
    "decr_hits": ("decr", "hit"),
    "decr_misses": ("decr", "miss"),
    "cas_hits": ("cas", "hit"),
    "cas_misses": ("cas", "miss"),
    "cas_badval": ("cas", "badval"),
    "touch_hits": ("touch", "hit"),
    "touch_misses": ("touch", "miss"),
    "cmd_flush": ("flush", "hit"),
}
FIGURES = {
    "uptime": "memcached_uptime_seconds",
    "bytes": "memcached_current_bytes",
    "limit_maxbytes": "memcached_limit_bytes",
    "curr_items": "memcached_current_items",
    "total_items": "memcached_items_total",
    "evictions": "memcached_items_evicted_total",
    "reclaimed": "memcached_items_reclaimed_total",
    "get_expired": "memcached_get_expired_total",
    "expired_unfetched": "memcached_expired_unfetched_total",
    "evicted_unfetched": "memcached_evicted_unfetched_total",
    "curr_connections": "memcached_current_connections",
    "max_connections": "memcached_max_connections",
    "total_connections": "memcached_connections_total",
    "rejected_connections": "memcached_connections_rejected_total",
    "listen_disabled_num": "memcached_connections_listener_disabled_total",
    "bytes_read": "memcached_read_bytes_total",
    "bytes_written": "memcached_written_bytes_total",
}
OF_ITEMS = {
    "number": "memcached_slab_current_items",
    "age": "memcached_slab_items_age_seconds",
    "evicted": "memcached_slab_items_evicted_total",
    "evicted_unfetched": "memcached_slab_items_evicted_unfetched_total",
    "evicted_time": "memcached_slab_items_evicted_time_seconds",
    "expired_unfetched": "memcached_slab_items_expired_unfetched_total",
    "reclaimed": "memcached_slab_items_reclaimed_total",
    "outofmemory": "memcached_slab_items_outofmemory_total",
}
OF_SLABS = {
    "chunk_size": "memcached_slab_chunk_size_bytes",
    "total_pages": "memcached_slab_current_pages",
    "used_chunks": "memcached_slab_chunks_used",
    "free_chunks": "memcached_slab_chunks_free",
}


class Memcached:
    """One server. Parts: `stats` (without it the server is down), `items`, `slabs`."""

    kind = "memcached"
    immediate = False

    def __init__(
        self,
        target: MemcachedTarget,
        config: CollectorConfig,
        *,
        resolve: Resolve | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = target.name
        self.interval_seconds = target.interval or config.interval
        self.timeout_seconds = min(
            target.timeout or config.timeout, SHARE_OF_INTERVAL * self.interval_seconds
        )
        self._target = target
        self._most_bytes = min(MOST_BYTES, config.limits.body_bytes)
        self._resolve = resolve or SystemResolver()
        self._book = SeriesOfSource(target.labels, target.name, config.limits)
        self._stopwatch = stopwatch

    def __repr__(self) -> str:
        return f"Memcached({self.name!r})"

    async def collect(self, at_ms: int) -> Collected:
        """Ask on a connection that ends with the run; CollectFailure when `stats` fails."""
        host, port = split_address(self._target.address)
        addresses = await checked(host, port, self._resolve)
        streams = await connect_any(places(addresses, port, self.timeout_seconds, None, host))
        run = PartedRun(self._book, at_ms, self._stopwatch)
        try:
            if not await run.part("stats", self._part(streams, "", _general)):
                (part,) = run.collected().parts
                raise part.failure or CollectFailure(Failure.INTERNAL, "no answer")
            await run.part("items", self._part(streams, " items", _items))
            await run.part("slabs", self._part(streams, " slabs", _slabs))
        finally:
            streams[1].transport.abort()
        return run.collected()

    async def close(self) -> None:
        """Every connection ended with its run."""

    def _part(
        self, streams: Streams, which: str, read: Callable[[Mapping[str, str], Readings], None]
    ) -> Callable[[Readings], Awaitable[None]]:
        async def work(readings: Readings) -> None:
            read(await self._stats(streams, which), readings)

        return work

    async def _stats(self, streams: Streams, which: str) -> dict[str, str]:
        reader, writer = streams
        writer.write(f"stats{which}\r\n".encode())
        found: dict[str, str] = {}
        told = 0
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
                raise CollectFailure(Failure.PROTOCOL, "it ended the connection") from None
            except asyncio.LimitOverrunError:
                raise _no_memcached() from None
            told += len(line)
            if told > self._most_bytes:
                raise CollectFailure(
                    Failure.TOO_LARGE, f"an answer is longer than {self._most_bytes} bytes"
                )
            words = line.decode("ascii", "replace").split()
            if words == ["END"]:
                return found
            if words[:1] == ["ERROR"]:
                # With SASL every command is refused before a login; stats has no other error.
                raise CollectFailure(Failure.PERMISSION, "it refuses stats")
            if len(words) < 2 or words[0] != "STAT":
                raise _no_memcached()
            found[words[1]] = words[2] if len(words) > 2 else ""


def _no_memcached() -> CollectFailure:
    return CollectFailure(Failure.PROTOCOL, "it does not speak the protocol of memcached")


def _number(stats: Mapping[str, str], name: str) -> float | None:
    try:
        return float(stats[name])
    except (KeyError, ValueError):
        return None


def _general(stats: Mapping[str, str], readings: Readings) -> None:
    if "uptime" not in stats:
        raise CollectFailure(Failure.PARSE, "its stats name no uptime")
    readings.add("memcached_up", 1.0)
    for name, (command, status) in COMMANDS.items():
        labels = {"command": command, "status": status}
        readings.add("memcached_commands_total", _number(stats, name), **labels)
    # A set has no misses; those that failed for want of room are under their slab.
    labels = {"command": "set", "status": "hit"}
    readings.add("memcached_commands_total", _number(stats, "cmd_set"), **labels)
    for name, metric in FIGURES.items():
        readings.add(metric, _number(stats, name))
    for mode in ("user", "system"):
        seconds = _number(stats, f"rusage_{mode}")
        readings.add("memcached_cpu_seconds_total", seconds, mode=mode)


def _items(stats: Mapping[str, str], readings: Readings) -> None:
    for name in stats:
        prefix, _, rest = name.partition(":")
        slab, _, figure = rest.partition(":")
        if prefix == "items" and slab.isdigit() and figure in OF_ITEMS:
            readings.add(OF_ITEMS[figure], _number(stats, name), slab=slab)


def _slabs(stats: Mapping[str, str], readings: Readings) -> None:
    for name in stats:
        slab, _, figure = name.partition(":")
        if slab.isdigit() and figure in OF_SLABS:
            readings.add(OF_SLABS[figure], _number(stats, name), slab=slab)

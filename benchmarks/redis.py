"""Redis: what being watched costs the server, beside redis_exporter.

A server with 200,000 keys in five groups and with notifications on. Ours asks for everything that
it asks for by default (INFO, histograms, slow log, a share of 2,000 keys in five minutes, events),
turn after turn without waiting for the interval. Theirs is scraped as often, with its defaults, and
once more counting keys by group, which is what is nearest to ours. The cost is the growth of the
server's own CPU time for a turn, less what it takes when it is left alone for as long, as a share
of a core when there is a turn every 15 seconds. What keymiss events cost is measured with look-ups
of which every tenth misses: the server's CPU time for each with a listener and without.
"""

import asyncio
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

from benchmarks._peers import free_port, started, version_of
from benchmarks._redis import GROUPS, Server, redis_server
from collector.config import CollectorConfig
from collector.redis.source import Redis

KEYS = 200_000
TURNS = 200
INTERVAL_SECONDS = 15.0
LOOKUPS = 200_000
GOAL_SHARE = 0.005
EXPORTER = "prometheus-redis-exporter"


def measure() -> dict[str, object]:
    """The share of a core that a server spends on being watched."""
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-redis-") as folder,
        redis_server(Path(folder), "--notify-keyspace-events", "Eexm") as server,
    ):
        server.fill(KEYS)
        ours, ours_here, parts = asyncio.run(by_us(server))
        without = lookups(server)
        with_events = asyncio.run(listened(server))
        theirs = by_exporter(server) if shutil.which(EXPORTER) else None
        groups = by_exporter(server, groups=True) if shutil.which(EXPORTER) else None
        told = server.client.info("server")["redis_version"]
    share = ours / INTERVAL_SECONDS
    peer = None if theirs is None else theirs / INTERVAL_SECONDS
    return {
        "name": "redis",
        "ours": round(100 * share, 4),
        "peer": None if peer is None else round(100 * peer, 4),
        "ratio": None if not peer else round(share / peer, 2),
        "goal": f"< {100 * GOAL_SHARE:g} % of a core",
        "met": share < GOAL_SHARE,
        "unit": "% of a core of the watched server, asked every 15 s; the peer is redis_exporter",
        "ours_ms_per_turn": round(1000 * ours, 3),
        "peer_with_key_groups": None
        if groups is None
        else round(100 * groups / INTERVAL_SECONDS, 3),
        "plimsoll_ms_per_turn": round(1000 * ours_here, 3),
        "parts_ms": {name: round(1000 * seconds, 3) for name, seconds in parts.items()},
        "us_per_lookup_without_events": round(1e6 * without, 3),
        "us_per_lookup_with_events": round(1e6 * with_events, 3),
        "keys": KEYS,
        "turns": TURNS,
        "versions": {
            "python": platform.python_version(),
            "plimsoll": version("plimsoll"),
            "redis": told,
            "redis_exporter": version_of(EXPORTER, "--version") if theirs is not None else None,
        },
    }


def source(server: Server) -> Redis:
    """A source with its defaults."""
    target = {"name": "cache", "address": f"127.0.0.1:{server.port}"}
    config = CollectorConfig.model_validate({"redis": [target]})
    return Redis(config.redis[0], config)


async def by_us(server: Server) -> tuple[float, float, dict[str, float]]:
    """CPU seconds of a turn: of the server, and of ours; and how long each part took."""
    one = source(server)
    parts: dict[str, float] = {}
    try:
        for turn in range(20):  # caches, groups, the connections
            await one.collect(turn * 15_000)
        idle, wall = await alone(server), perf_counter()
        server_cpu, our_cpu = server.cpu_seconds(), process_time()
        for turn in range(20, 20 + TURNS):
            came = await one.collect(turn * 15_000)
            for part in came.parts:
                if part.failure is not None:
                    raise RuntimeError(f"{part.name}: {part.failure.detail}")
                parts[part.name] = parts.get(part.name, 0.0) + part.seconds / TURNS
        our_cpu = process_time() - our_cpu
        wall = perf_counter() - wall
        spent = server.cpu_seconds() - server_cpu - idle * wall
    finally:
        await one.close()
    return spent / TURNS, our_cpu / TURNS, parts


async def alone(server: Server, seconds: float = 3.0) -> float:
    """CPU seconds of the server for a second in which nobody asks."""
    before = server.cpu_seconds()
    await asyncio.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


def lookups(server: Server) -> float:
    """CPU seconds of the server for a look-up, of which every tenth misses."""
    before = server.cpu_seconds()
    for first in range(0, LOOKUPS, 2000):
        pipeline: Any = server.client.pipeline(transaction=False)
        for number in range(first, first + 2000):
            known = number if number % 10 else KEYS * 10 + number
            pipeline.get(f"{GROUPS[known % len(GROUPS)]}:{known}")
        pipeline.execute()
    return (server.cpu_seconds() - before) / LOOKUPS


async def listened(server: Server) -> float:
    """The same while we listen."""
    one = source(server)
    try:
        await one.collect(0)
        return await asyncio.to_thread(lookups, server)
    finally:
        await one.close()


def by_exporter(server: Server, *, groups: bool = False) -> float:
    """CPU seconds of the server for a scrape of redis_exporter."""
    port = free_port()
    command = [
        EXPORTER, f"-redis.addr=redis://127.0.0.1:{server.port}",
        f"-web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    if groups:
        command.append("-check-key-groups=^([a-z]+):")
    turns = 5 if groups else TURNS
    with started(command, port, "/metrics") as process:
        before, began = server.cpu_seconds(), perf_counter()
        sleep(3.0)
        idle = (server.cpu_seconds() - before) / (perf_counter() - began)
        before, began = server.cpu_seconds(), perf_counter()
        for _ in range(turns):
            process.get("/metrics")
        return (server.cpu_seconds() - before - idle * (perf_counter() - began)) / turns

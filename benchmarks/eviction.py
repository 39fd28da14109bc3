"""Eviction: a real Redis whose working set outgrows its memory, judged in real time.

The proof that tests make on a simulated clock, once with the real one: Plimsoll runs as `plimsoll
run` does, with windows of a minute and the shipped rules, beside a shop that looks sessions and a
catalogue up ten times a second. Only the 8 days before are made up, so that there is an average.
After three minutes the shop has four times as many sessions as fit into memory. Told is how many
seconds later the hit rate and the misses of the right key group were open regressions, and what
else was opened, which should be nothing.
"""

import asyncio
import platform
import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops, clock
from api.serve import build
from api.settings import build as settings_of
from benchmarks._cachework import LOOKUPS, STRANGERS, Shop, past
from benchmarks._redis import redis_server
from detector.run import milliseconds

QUIET = timedelta(minutes=3)
PATIENCE = timedelta(minutes=50)
DAYS = 8
SESSIONS = 1500
ROUNDS_A_MINUTE = 20
WANTED = {("cache_hit_rate_drop", ""), ("cache_group_misses_rise", "session")}


def measure() -> dict[str, object]:
    """Seconds from the first eviction to the regressions."""
    options = ("--notify-keyspace-events", "Eexm", "--maxmemory-policy", "volatile-lru")
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-eviction-") as folder,
        redis_server(Path(folder), *options) as server,
    ):
        shop = Shop(server.client, SESSIONS)
        shop.fill()
        used = server.client.info("memory")["used_memory"]
        server.client.config_set("maxmemory", used + 500_000)
        house = settled(Path(folder) / "data", f"127.0.0.1:{server.port}")
        with closing(house.file), closing(house.state):
            opened, at = asyncio.run(live(house, shop))
        told = server.client.info("server")["redis_version"]
        evicted = server.client.info("stats")["evicted_keys"]
    seconds = {" ".join(one).strip(): (when - at).total_seconds() for one, when in opened.items()}
    last = max(seconds.get(" ".join(one).strip(), float("inf")) for one in WANTED)
    strangers = [name for one in opened if (name := " ".join(one).strip()) and one not in EXPECTED]
    return {
        "name": "eviction",
        "ours": round(last, 0) if last < float("inf") else None,
        "peer": None,
        "ratio": None,
        "goal": "both, and nothing else",
        "met": last < float("inf") and not strangers,
        "unit": "seconds from the first eviction to both regressions, in real time",
        "opened_after_seconds": {name: round(one) for name, one in seconds.items()},
        "opened_besides": strangers,
        "evicted_keys": evicted,
        "versions": {
            "python": platform.python_version(),
            "plimsoll": version("plimsoll"),
            "redis": told,
        },
    }


EXPECTED = {*WANTED, ("cache_hit_rate_low", "")}
"""The last one is the same story: the hit rate is below 85 % for ten minutes."""


def settled(directory: Path, address: str) -> House:
    """A house with the made-up past of one Redis, evaluated."""
    data = {
        "storage": {"directory": str(directory)},
        "collector": {"host": False, "redis": [{"name": "sessions", "address": address}]},
    }
    house = build(settings_of(Document(data=data)))
    now_ms = milliseconds(clock()) // 60_000 * 60_000
    for samples in past("sessions", now_ms - DAYS * 86_400_000, now_ms - 60_000):
        house.history.append(samples)
    return house


async def live(house: House, shop: Shop) -> tuple[dict[tuple[str, str], datetime], datetime]:
    """When each rule was seen open, by rule and key group; and when the memory became too small."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    running = asyncio.create_task(loops.run())
    opened: dict[tuple[str, str], datetime] = {}
    began = grown = clock()
    try:
        while clock() < began + QUIET + PATIENCE and not set(opened) >= EXPECTED:
            if shop.sessions == SESSIONS and clock() > began + QUIET:
                shop.sessions, grown = 4 * SESSIONS, clock()
            use = (LOOKUPS // ROUNDS_A_MINUTE, max(1, STRANGERS // ROUNDS_A_MINUTE))
            await asyncio.to_thread(shop.use, *use)
            for one in await asyncio.to_thread(open_now, house):
                opened.setdefault(one, clock())
            await asyncio.sleep(60 / ROUNDS_A_MINUTE)
    finally:
        loops.stop()
        await running
    return opened, grown


def open_now(house: House) -> list[tuple[str, str]]:
    """Rule and key group of each open regression."""
    with house.state.reading() as session:
        found = house.book.open_regressions(session)
    return [(one.rule, one.labels.get("group")) for one in found]

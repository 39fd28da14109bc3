"""The whole way with a real Redis, on a simulated clock: a working set that outgrows its memory."""

import asyncio
import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api.app import create_app
from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from benchmarks._cachework import Shop, past
from detector.regression import Regression
from detector.run import milliseconds
from tests.api.asking import Client
from tests.caches import RedisServer, redis_server

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=1)
BEFORE, AFTER = timedelta(minutes=20), timedelta(minutes=45)
SECRET = "hunter2-planted"
PASSWORD = "hunter3-planted"


def house_for(directory: Path, server: RedisServer) -> House:
    data = {
        "storage": {"directory": str(directory)},
        "collector": {
            "host": False,
            "interval": "60s",
            "redis": [
                {
                    "name": "sessions",
                    "address": server.address,
                    "username": "plimsoll",
                    "password": PASSWORD,
                }
            ],
        },
    }
    return build(settings_of(Document(data=data)), now=lambda: NOON)


async def live(house: House, shop: Shop) -> dict[str, str]:
    """Live through the story; what the API says at its end."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    now = NOON - BEFORE
    while now <= NOON + AFTER:
        if now == NOON:
            assert shop.client.info("stats")["evicted_keys"] == 0
            shop.sessions *= 4
        await asyncio.to_thread(shop.use)
        await asyncio.gather(*house.collector.start_due(now))
        loops.judge_due(now)
        now += STEP
    asked = (
        "targets",
        "regressions",
        "incidents",
        "signals",
        "judgements",
        "signals/cache_hit_rate",
    )
    client = Client(create_app(house))
    pages = [f"/api/v1/{path}" for path in asked] + ["/", "/signals/cache_group_misses"]
    told = {page: (await asyncio.to_thread(client.get, page)).text for page in pages}
    told["metrics"] = generate_latest(house.registry).decode()
    await house.collector.stop()
    return told


def stored(directory: Path) -> str:
    """Everything in the history and in the files beside it, as text."""
    parts = [file.read_bytes().decode("latin-1") for file in directory.rglob("*") if file.is_file()]
    with duckdb.connect(str(directory / "history.duckdb"), read_only=True) as connection:
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            parts.append(str(connection.execute(f'SELECT * FROM "{table}"').fetchall()))
    return "".join(parts)


@pytest.mark.timeout(240)
def test_a_working_set_beyond_its_memory_is_a_regression_of_its_key_group_and_no_secret_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options = ("--notify-keyspace-events", "Eexm", "--slowlog-log-slower-than", "0")
    data = tmp_path / "data"
    with redis_server(tmp_path / "redis", *options) as server:
        client = server.client
        client.execute_command(
            *f"ACL SETUSER plimsoll reset on >{PASSWORD} ~* &* +@all -@dangerous +info +slowlog "
            "+latency".split()
        )
        shop = Shop(client, 1500, secret=SECRET)
        shop.fill()
        client.config_set("maxmemory-policy", "volatile-lru")
        # With room for connections and the slow log: evictions before noon would be a change.
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_500_000)
        house = house_for(data, server)
        with closing(house.file), closing(house.state):
            start_ms = milliseconds(NOON - BEFORE)
            for samples in past("sessions", start_ms - 8 * 86_400_000, start_ms - 60_000):
                house.history.append(samples)
            house.refill.begin(start_ms)
            while house.refill.step():
                pass
            told = asyncio.run(live(house, shop))
            with house.state.reading() as session:
                found: list[Regression] = house.book.open_regressions(session)
        assert client.info("stats")["evicted_keys"] > 1000

    by_rule = {one.rule: one for one in found}
    assert set(by_rule) == {
        "cache_hit_rate_drop",
        "cache_hit_rate_low",
        "cache_group_misses_rise",
    }
    (group,) = [one for one in found if one.rule == "cache_group_misses_rise"]
    assert group.labels.get("group") == "session"
    for one in found:
        assert one.labels.get("target") == "sessions"
        assert one.began_lo_ms <= milliseconds(NOON) + 60_000
        assert one.began_hi_ms >= milliseconds(NOON) - 60_000

    everything = {"stored": stored(data), "log": caplog.text, **told}
    shown = {name for name, text in everything.items() if "session" in text}
    assert {"stored", "/api/v1/targets", "/signals/cache_group_misses"} <= shown
    leaks = [name for name, text in everything.items() if SECRET in text or PASSWORD in text]
    assert leaks == []

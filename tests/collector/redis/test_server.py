"""A real Redis: what is read, what is not, and what our own look-ups do to its figures."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.failure import CollectFailure, Failure
from tests.caches import RedisServer, redis_server
from tests.collector.redis.rig import Seen, Watch, fill, watching
from tests.collector.servers import CERTIFICATE, KEY
from tests.servers import free_port


@pytest.fixture
def server(redis_server_of_module: RedisServer) -> RedisServer:
    redis_server_of_module.client.flushall()
    redis_server_of_module.client.config_resetstat()
    redis_server_of_module.client.config_set("maxmemory", 0)
    redis_server_of_module.client.config_set("maxmemory-policy", "noeviction")
    return redis_server_of_module


@pytest.fixture(scope="module")
def redis_server_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(
        tmp_path_factory.mktemp("redis"), "--notify-keyspace-events", "Eexm"
    ) as started:
        yield started


def test_what_info_says_is_read_and_what_is_no_limit_stays_absent(server: RedisServer) -> None:
    fill(server, "session", 100, ex=1000)
    server.client.get("session:1")
    server.client.get("nobody")

    async def attempt(watch: Watch) -> None:
        seen = await watch.turn()
        assert set(seen.parts) == {"info", "latency", "slowlog", "keys", "events"}
        assert seen.failures() == {}
        told = server.client.info()
        assert seen("redis_up") == 1
        assert seen("redis_db_keys", db="0") == 100
        assert seen("redis_db_expiring_keys", db="0") == 100
        assert seen("redis_memory_max_bytes") is None
        assert seen("redis_memory_fragmentation_ratio") is None  # too small to say anything
        assert seen("redis_memory_used_bytes") == pytest.approx(told["used_memory"], rel=0.2)
        assert seen("redis_command_calls_total", cmd="set") == 100
        assert seen("redis_connected_replicas") == 0
        assert seen("redis_replication_offset_lag_bytes") is None
        server.client.config_set("maxmemory", 50_000_000)
        again = await watch.turn()
        assert again("redis_memory_max_bytes") == 50_000_000
        assert again("redis_start_time_seconds") == seen("redis_start_time_seconds")

    watching(attempt, server.address)


def test_our_own_look_ups_are_taken_out_of_hits_and_misses(server: RedisServer) -> None:
    fill(server, "session", 500)

    async def attempt(watch: Watch) -> None:
        first = await watch.turn()
        assert first("redis_keyspace_hits_total") == 0  # counted from here on
        raw = server.client.info("stats")["keyspace_hits"]
        assert raw > 500  # what was sampled by us
        pipeline = server.client.pipeline(transaction=False)
        for number in range(70):
            pipeline.get(f"session:{number}")
            pipeline.get("nobody")
        pipeline.execute()
        await watch.turn()
        await watch.turn()
        raw = server.client.info("stats")["keyspace_hits"]
        seen = await watch.turn()
        assert seen("redis_keyspace_hits_total") == 70
        assert seen("redis_keyspace_misses_total") == 70
        ours = seen("redis_keyspace_probe_lookups_total", result="hits")
        assert ours == raw - 70

    watching(attempt, server.address)


def test_resetstat_and_a_restart_are_new_beginnings(server: RedisServer, tmp_path: Path) -> None:
    fill(server, "session", 100)

    async def attempt(watch: Watch) -> None:
        await watch.turn()
        for _ in range(10):
            server.client.get("session:1")
        assert (await watch.turn())("redis_keyspace_hits_total") == 10
        server.client.config_resetstat()
        for _ in range(5):
            server.client.get("session:1")
        seen = await watch.turn()
        assert seen("redis_keyspace_hits_total") == 15
        count = seen("redis_command_duration_seconds_count", cmd="get")
        assert count is not None
        assert count <= 5  # a plain reset of the histogram

    watching(attempt, server.address)


def test_keys_are_told_by_group_and_never_by_name(server: RedisServer) -> None:
    fill(server, "session", 300, size=1000, ex=500)
    fill(server, "catalog", 100)
    server.client.set("alice@example.com", "x")
    server.client.set("single:1", "x")

    async def attempt(watch: Watch) -> None:
        for _ in range(4):
            seen = await watch.turn()
        groups = {"session": 300, "catalog": 100}
        for group, count in groups.items():
            told = seen("redis_key_group_keys", group=group)
            assert told is not None
            assert told == pytest.approx(count, rel=0.25)
        size = seen("redis_key_group_bytes", group="session")
        assert size is not None
        assert 300_000 * 0.75 < size < 450_000
        assert seen("redis_key_group_expiring_ratio", group="session") == 1
        assert seen("redis_key_group_expiring_ratio", group="catalog") == 0
        ttl = seen("redis_key_group_ttl_seconds", group="session", stat="p50")
        assert ttl is not None
        assert 300 < ttl <= 500
        assert seen("redis_key_group_ttl_seconds", group="catalog", stat="p50") is None
        assert seen("redis_key_group_idle_seconds", group="catalog", stat="p50") is not None
        assert not [one for one in seen.values if "alice" in one or "single" in one]
        assert seen("redis_key_group_keys", group="__other__") is not None

    watching(attempt, server.address)


def test_looking_at_keys_does_not_make_them_young(server: RedisServer) -> None:
    fill(server, "session", 100)
    time.sleep(2.1)  # the server counts idle time in whole seconds of its own clock

    async def attempt(watch: Watch) -> None:
        await watch.turn()
        seen = await watch.turn()
        idle = seen("redis_key_group_idle_seconds", group="session", stat="p50")
        assert idle is not None
        assert idle >= 1

    watching(attempt, server.address)


def test_under_lfu_there_is_a_frequency_and_no_idle_time(server: RedisServer) -> None:
    server.client.config_set("maxmemory-policy", "allkeys-lfu")
    fill(server, "session", 100)

    async def attempt(watch: Watch) -> None:
        await watch.turn()
        seen = await watch.turn()
        assert seen.failures() == {}
        assert seen("redis_key_group_frequency", group="session", stat="p50") is not None
        assert seen("redis_key_group_idle_seconds", group="session", stat="p50") is None

    watching(attempt, server.address)


def test_patterns_of_the_configuration_come_first(server: RedisServer) -> None:
    fill(server, "session:web", 50)
    fill(server, "session:app", 50)

    async def attempt(watch: Watch) -> None:
        seen = await watch.turn()
        assert seen("redis_key_group_keys", group="session:web:*") == 50
        assert seen("redis_key_group_keys", group="session") is not None

    watching(attempt, server.address, key_groups=["session:web:*"])


async def until(watch: Watch, name: str, value: float, **labels: str) -> Seen:
    """Turn until a figure is there; events take their time."""
    async with asyncio.timeout(20):
        while True:
            seen = await watch.turn()
            if seen(name, **labels) == value:
                return seen
            await asyncio.sleep(0.02)


def test_misses_and_expiries_are_counted_by_group_and_joined(server: RedisServer) -> None:
    fill(server, "warm", 30)

    async def attempt(watch: Watch) -> None:
        await watch.turn()  # from here on we listen
        fill(server, "session", 40, px=1)
        await asyncio.sleep(0.05)
        for number in range(40):  # looking at it is what makes it expire
            server.client.get(f"session:{number}")
            server.client.get(f"session:{number + 1000}")
        seen = await until(watch, "redis_keyspace_misses_total", 80)
        expired = seen("redis_key_group_expired_total", group="session") or 0
        other = seen("redis_key_group_expired_total", group="__other__") or 0
        assert expired + other == 40
        assert expired >= 21
        misses = seen("redis_key_group_misses_total", group="session")
        assert misses == 80 - (seen("redis_key_group_misses_total", group="__other__") or 0)
        again = [
            value for name, value in seen.values.items() if "missed_after_expiry_total" in name
        ]
        assert sum(again) == 40

    watching(attempt, server.address)


def test_eviction_is_told_by_group(server: RedisServer) -> None:
    fill(server, "catalog", 200)
    server.client.config_set("maxmemory-policy", "volatile-lru")

    async def attempt(watch: Watch) -> None:
        await watch.turn()
        used = server.client.info("memory")["used_memory"]
        server.client.config_set("maxmemory", used + 300_000)
        fill(server, "session", 2000, size=500, ex=1000)
        evicted = server.client.info("stats")["evicted_keys"]
        assert evicted > 100
        seen = await watch.turn()
        async with asyncio.timeout(20):
            while sum(v for k, v in seen.values.items() if "group_evicted" in k) < evicted:
                await asyncio.sleep(0.02)
                seen = await watch.turn()
        assert seen("redis_key_group_evicted_total", group="catalog") is None
        told = seen("redis_key_group_evicted_total", group="session")
        assert told is not None
        assert told > 0.8 * evicted

    watching(attempt, server.address)


def test_slow_commands_are_counted_without_what_was_asked(server: RedisServer) -> None:
    server.client.config_set("slowlog-log-slower-than", 0)
    try:

        async def attempt(watch: Watch) -> None:
            fill(server, "session", 30)
            await watch.turn()
            for number in range(5):
                server.client.get(f"session:{number}")
            seen = await watch.turn()
            assert seen("redis_slow_commands_total", cmd="get", group="session") == 5
            seconds = seen("redis_slow_command_seconds_total", cmd="get", group="session")
            assert seconds is not None
            assert 0 <= seconds < 0.1

        watching(attempt, server.address)
    finally:
        server.client.config_set("slowlog-log-slower-than", 10_000)


def test_the_time_of_commands_is_a_histogram_that_begins_with_us(server: RedisServer) -> None:
    fill(server, "session", 100)

    async def attempt(watch: Watch) -> None:
        first = await watch.turn()
        assert first("redis_command_duration_seconds_count", cmd="set") == 0
        fill(server, "session", 50)
        server.client.lpush("list", "x")
        seen = await watch.turn()
        assert seen("redis_command_duration_seconds_count", cmd="set") == 50
        assert seen("redis_command_duration_seconds_bucket", cmd="set", le="+Inf") == 50
        assert seen("redis_command_duration_seconds_count", cmd="lpush") == 1  # new since
        edges = [
            value
            for name, value in seen.values.items()
            if "seconds_bucket" in name and '"set"' in name
        ]
        assert len(edges) == 25

    watching(attempt, server.address)


def test_a_server_that_went_away_is_down_and_back_on_a_new_connection(tmp_path: Path) -> None:
    async def attempt(watch: Watch) -> None:
        await watch.turn()
        mortal.client.execute_command("CLIENT KILL TYPE normal SKIPME yes")
        mortal.client.execute_command("CLIENT KILL TYPE pubsub")
        seen = await watch.turn()  # the kept connection is gone: opened anew in the same turn
        assert seen("redis_up") == 1
        async with asyncio.timeout(20):
            while "events" not in seen.failures():  # it is told once that nobody listened
                await asyncio.sleep(0.02)
                seen = await watch.turn()
        assert seen.failures() == {"events": "it ended the connection"}
        assert (await watch.turn()).failures() == {}
        os.kill(mortal.pid, signal.SIGKILL)
        # A process that is dying still takes connections, and ends them: wait until it is dead.
        os.waitid(os.P_PID, mortal.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(CollectFailure) as caught:
            await watch.turn()
        assert caught.value.reason is Failure.REFUSED

    with redis_server(tmp_path) as mortal:
        watching(attempt, mortal.address)


def test_a_database_of_another_number_is_sampled(server: RedisServer) -> None:
    with server.connected(db=3) as other:
        other.mset({f"session:{number}": "x" for number in range(50)})

    async def attempt(watch: Watch) -> None:
        seen = await watch.turn()
        assert seen("redis_db_keys", db="3") == 50
        assert sum(v for k, v in seen.values.items() if "key_group_keys" in k) == 50

    watching(attempt, server.address, database=3)


def test_over_tls_the_certificate_is_checked(tmp_path: Path) -> None:
    port = free_port()
    files = ("--tls-cert-file", str(CERTIFICATE), "--tls-key-file", str(KEY))
    options = ("--tls-port", str(port), *files, "--tls-auth-clients", "no")

    async def trusted(watch: Watch) -> None:
        assert (await watch.turn()).failures() == {}

    async def refused(watch: Watch) -> None:
        with pytest.raises(CollectFailure) as caught:
            await watch.turn()
        assert caught.value.reason is Failure.TLS

    with redis_server(tmp_path, *options, "--tls-ca-cert-file", str(CERTIFICATE)):
        watching(trusted, f"shop.test:{port}", tls=True, ca_file=str(CERTIFICATE))
        watching(refused, f"shop.test:{port}", tls=True)
        watching(refused, f"other.test:{port}", tls=True, ca_file=str(CERTIFICATE))

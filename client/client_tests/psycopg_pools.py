"""Pools of psycopg_pool on a real PostgreSQL; run by test_alone, which installs the library."""

import asyncio
import os
import threading
import time

import psycopg_pool  # type: ignore[import-not-found]
import pytest
from prometheus_client import CollectorRegistry

from client_tests.asking import value
from plimsoll_client.pools import families_of, watch_pool
from plimsoll_client.sampling import SLOW_EVERY

ADDRESS = os.environ["POSTGRESQL"]
DEADLINE_SECONDS = 30.0


def states(registry: CollectorRegistry) -> dict[str, float]:
    """Connections by state, looked at now."""
    for _ in range(SLOW_EVERY):
        families_of(registry).sampler.sample()
    found = {
        state: value(registry, "db_client_connections", pool="main", state=state)
        for state in ("used", "idle", "overflow", "limit")
    }
    return {state: number for state, number in found.items() if number is not None}


def waits(registry: CollectorRegistry) -> float | None:
    return value(registry, "db_client_connection_wait_seconds_count", pool="main")


def failures(registry: CollectorRegistry, reason: str) -> float | None:
    return value(registry, "db_client_connection_failures_total", pool="main", reason=reason)


def test_a_plain_pool(registry: CollectorRegistry) -> None:
    with psycopg_pool.ConnectionPool(
        ADDRESS, min_size=2, max_size=2, max_waiting=1, open=True
    ) as pool:
        pool.wait(DEADLINE_SECONDS)
        watch_pool(pool, "main", registry)
        watch_pool(pool, "main", registry)
        with pool.connection() as one:
            one.execute("SELECT 1")
            assert states(registry) == {"used": 1, "idle": 1, "limit": 2}
            with pool.connection(), pytest.raises(psycopg_pool.PoolTimeout):
                pool.getconn(timeout=0.01)
        with pool.connection(), pool.connection():
            waiting = threading.Thread(target=lambda: pool.putconn(pool.getconn()))
            waiting.start()
            deadline = time.monotonic() + DEADLINE_SECONDS
            while pool.get_stats()["requests_waiting"] != 1:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            pending = value(registry, "db_client_connection_pending_requests", pool="main")
            with pytest.raises(psycopg_pool.TooManyRequests):
                pool.getconn()
        waiting.join(DEADLINE_SECONDS)

        assert pending == 1
        assert states(registry) == {"used": 0, "idle": 2, "limit": 2}
        assert waits(registry) == 6  # 2, the time-out, 2, the one that waited
        assert (failures(registry, "timeout"), failures(registry, "queue_full")) == (1, 1)

    assert states(registry)["idle"] == 0  # closed


def test_an_async_pool(registry: CollectorRegistry) -> None:
    async def use() -> None:
        pool = psycopg_pool.AsyncConnectionPool(ADDRESS, min_size=1, max_size=1, open=False)
        watch_pool(pool, "main", registry)
        await pool.open(wait=True)
        async with pool.connection() as one:
            await one.execute("SELECT 1")
            assert states(registry) == {"used": 1, "idle": 0, "limit": 1}
            waiting = asyncio.create_task(pool.getconn())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await pool.close()

    asyncio.run(asyncio.wait_for(use(), DEADLINE_SECONDS))

    assert waits(registry) == 1
    assert failures(registry, "timeout") == failures(registry, "connection") == 0


def test_a_pool_that_keeps_nothing(registry: CollectorRegistry) -> None:
    with psycopg_pool.NullConnectionPool(ADDRESS, max_size=3, open=True) as pool:
        watch_pool(pool, "main", registry)
        with pool.connection(), pool.connection():
            assert states(registry) == {"used": 2, "idle": 0, "limit": 3}
        assert states(registry)["used"] == 0


def test_something_else_is_refused(registry: CollectorRegistry) -> None:
    class Other:
        pass

    with pytest.raises(TypeError, match=r"has getconn\(\)"):
        watch_pool(Other(), "main", registry)

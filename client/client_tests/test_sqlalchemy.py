"""Engines of SQLAlchemy with each class of pool, on SQLite and on PostgreSQL."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine, Pool, create_engine, text
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import (
    AssertionPool,
    NullPool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from client_tests.asking import value
from client_tests.turning import Clock
from plimsoll_client.pools import MAX_POOLS, Connections, PoolWatch, families_of
from plimsoll_client.registries import OVERFLOW
from plimsoll_client.sampling import SLOW_EVERY
from plimsoll_client.sqlalchemy_engine import operation_of, watch_engine
from tests.postgres import Postgres, postgres

DEADLINE_SECONDS = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with postgres() as server:
        yield server


def look(registry: CollectorRegistry) -> None:
    """Take every reading now."""
    for _ in range(SLOW_EVERY):
        families_of(registry).sampler.sample()


def states(registry: CollectorRegistry, pool: str = "main") -> dict[str, float]:
    """Connections by state, looked at now."""
    look(registry)
    found = {
        state: value(registry, "db_client_connections", pool=pool, state=state)
        for state in ("used", "idle", "overflow", "limit")
    }
    return {state: number for state, number in found.items() if number is not None}


def failures(registry: CollectorRegistry, reason: str) -> float | None:
    return value(registry, "db_client_connection_failures_total", pool="main", reason=reason)


def waits(registry: CollectorRegistry) -> float | None:
    return value(registry, "db_client_connection_wait_seconds_count", pool="main")


def pending(registry: CollectorRegistry) -> float | None:
    return value(registry, "db_client_connection_pending_requests", pool="main")


def engine(path: Path, pool: type[Pool], registry: CollectorRegistry, **more: Any) -> Engine:
    made = create_engine(f"sqlite:///{path}/file.db", poolclass=pool, **more)
    watch_engine(made, "main", registry)
    return made


def test_a_queue_pool_tells_everything(tmp_path: Path, registry: CollectorRegistry) -> None:
    pool = engine(tmp_path, QueuePool, registry, pool_size=1, max_overflow=2, pool_timeout=0.01)
    first, second = pool.connect(), pool.connect()

    assert states(registry) == {"used": 2, "idle": 0, "overflow": 1, "limit": 3}
    second.close()
    assert states(registry) == {"used": 1, "idle": 1, "overflow": 1, "limit": 3}
    more = [pool.connect(), pool.connect()]
    with pytest.raises(TimeoutError):
        pool.connect()
    for one in (first, *more):
        one.close()

    # Overflow is closed when the pool is full again, not when it comes back.
    assert states(registry) == {"used": 0, "idle": 1, "overflow": 0, "limit": 3}
    assert (failures(registry, "timeout"), failures(registry, "connection")) == (1, 0)
    assert waits(registry) == 5  # a time-out is the longest wait
    assert pending(registry) == 0
    pool.dispose()


def test_the_wait_is_the_time_until_a_connection_or_a_timeout(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(PoolWatch, "clock", clock)
    watch = PoolWatch("main", registry, lambda: Connections(used=0, idle=0))
    with watch.obtaining():
        clock.seconds += 0.25

    def wait_in_vain() -> None:
        with watch.obtaining():
            clock.seconds += 30
            raise TimeoutError

    with pytest.raises(TimeoutError):
        wait_in_vain()
    families_of(registry).sampler.remove(watch.read)

    assert waits(registry) == 2
    assert value(registry, "db_client_connection_wait_seconds_sum", pool="main") == 30.25


def test_without_a_limit_there_is_none(tmp_path: Path, registry: CollectorRegistry) -> None:
    pool = engine(tmp_path, QueuePool, registry, pool_size=1, max_overflow=-1)
    with pool.connect(), pool.connect():
        assert states(registry) == {"used": 2, "idle": 0, "overflow": 1}
    pool.dispose()


@pytest.mark.parametrize(
    ("pool", "idle_afterwards"),
    [(NullPool, 0), (StaticPool, 1), (SingletonThreadPool, 1), (AssertionPool, 1)],
)
def test_every_other_class_of_pool_is_counted_by_its_events(
    tmp_path: Path, registry: CollectorRegistry, pool: type[Pool], idle_afterwards: int
) -> None:
    made = engine(tmp_path, pool, registry)
    for _ in range(3):
        with made.connect() as connection:
            connection.execute(text("SELECT 1"))
            assert states(registry) == {"used": 1, "idle": 0}

    assert states(registry) == {"used": 0, "idle": idle_afterwards}
    assert waits(registry) == 3
    made.dispose()


def test_connections_that_break_leave_or_are_lost_do_not_stay_in_the_count(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    pool = engine(tmp_path, QueuePool, registry, pool_size=2, max_overflow=0)
    with pool.connect() as broken:
        broken.invalidate()
    assert states(registry) == {"used": 0, "idle": 0, "overflow": 0, "limit": 2}
    with pool.connect() as own:
        own.detach()
        assert states(registry)["used"] == 0
    lost = pool.raw_connection()
    assert states(registry)["used"] == 1
    del lost
    gc.collect()

    assert states(registry)["used"] == 0
    pool.dispose()


def test_dispose_gives_a_new_pool_which_is_watched_in_turn(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    pool = engine(tmp_path, QueuePool, registry, pool_size=1, max_overflow=0)
    survivor = pool.connect()
    pool.dispose()
    with pool.connect():
        assert states(registry) == {"used": 2, "idle": 0, "overflow": 0, "limit": 1}
    survivor.close()
    pool.dispose()

    with pool.connect():
        assert states(registry)["used"] == 1
    assert waits(registry) == 3
    pool.dispose()


def test_a_server_that_cannot_be_reached_is_a_failure_and_no_wait(
    registry: CollectorRegistry,
) -> None:
    made = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    watch_engine(made, "main", registry)

    with pytest.raises(OperationalError):
        made.connect()

    assert (failures(registry, "connection"), failures(registry, "timeout")) == (1, 0)
    assert (waits(registry), pending(registry)) == (0, 0)


def test_waiting_is_seen_while_it_lasts(tmp_path: Path, registry: CollectorRegistry) -> None:
    pool = engine(tmp_path, QueuePool, registry, pool_size=1, max_overflow=0)
    held = pool.connect()
    waiting = threading.Thread(target=lambda: pool.connect().close())
    waiting.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while pending(registry) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    held.close()
    waiting.join(DEADLINE_SECONDS)

    assert (waits(registry), pending(registry)) == (2, 0)
    pool.dispose()


def test_watched_twice_is_once(tmp_path: Path, registry: CollectorRegistry) -> None:
    pool = engine(tmp_path, NullPool, registry)
    watch_engine(pool, "main", registry)
    with pool.connect():
        pass

    assert waits(registry) == 1


def test_no_thread_before_the_first_connection(tmp_path: Path, registry: CollectorRegistry) -> None:
    """A server that forks its workers imports the application first."""
    engine(tmp_path, NullPool, registry)

    assert families_of(registry).sampler._thread is None


def test_an_engine_that_is_gone_has_no_connections(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    pool = engine(tmp_path, QueuePool, registry)
    with pool.connect():
        pass
    assert states(registry)["idle"] == 1
    pool.dispose()
    del pool
    gc.collect()

    look(registry)
    assert value(registry, "db_client_connections", pool="main", state="idle") == 0
    assert families_of(registry).sampler._readings == []


def test_something_else_is_refused(registry: CollectorRegistry) -> None:
    with pytest.raises(TypeError, match="engine of SQLAlchemy"):
        watch_engine("sqlite://", "main", registry)


def test_an_async_engine_waits_and_is_cancelled_on_postgresql(
    server: Postgres, registry: CollectorRegistry
) -> None:
    async def use() -> None:
        engine = create_async_engine(server.database(), pool_size=1, max_overflow=0)
        watch_engine(engine, "main", registry)

        async def obtain() -> AsyncConnection:
            return await engine.connect()

        held = await obtain()
        await held.execute(text("SELECT 1"))
        waiting = asyncio.create_task(obtain())
        while pending(registry) != 1:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert states(registry) == {"used": 1, "idle": 0, "overflow": 0, "limit": 1}
        await held.close()
        await engine.dispose()

    asyncio.run(asyncio.wait_for(use(), DEADLINE_SECONDS))

    # Who is cancelled has not failed, and chose the end of the wait.
    assert (waits(registry), pending(registry)) == (1, 0)
    assert (failures(registry, "timeout"), failures(registry, "connection")) == (0, 0)
    assert (
        value(registry, "db_client_operation_duration_seconds_count", db="main", operation="SELECT")
        or 0
    ) >= 1


@pytest.mark.parametrize(
    ("statement", "operation"),
    [
        ("SELECT 1", "SELECT"),
        ("\n  select * from t where name = 'DELETE'", "SELECT"),
        ("/* route=/a */ UPDATE t SET a = 1", "UPDATE"),
        ("-- why\n-- more\nINSERT INTO t VALUES (1)", "INSERT"),
        ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH"),
        ("CREATE TABLE secret_1 (a int)", "OTHER"),
        ("", "OTHER"),
        ("/* never ends", "OTHER"),
        ("--" * 100_000, "OTHER"),
        ("/*" * 100_000, "OTHER"),
        ("/**/" * 100_000, "OTHER"),
    ],
    ids=lambda given: str(given)[:20],
)
def test_a_statement_is_known_by_its_first_word_only(statement: str, operation: str) -> None:
    started = time.process_time()

    assert operation_of(statement) == operation
    assert time.process_time() - started < 1  # comments made to be slow are not


def test_statements_are_timed_and_nothing_of_them_is_kept(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    made = engine(tmp_path, NullPool, registry)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE t (name TEXT)"))
        connection.execute(
            text("INSERT INTO t VALUES (:name)"), [{"name": "planted"}, {"name": "b"}]
        )
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT * FROM missing"))
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 2

    def counted(operation: str) -> float | None:
        return value(
            registry, "db_client_operation_duration_seconds_count", db="main", operation=operation
        )

    assert [counted(one) for one in ("OTHER", "INSERT", "SELECT")] == [1, 1, 1]
    page = generate_latest(registry).decode()
    assert not [word for word in ("planted", "count(", "missing", str(tmp_path)) if word in page]


def test_names_made_from_data_end_in_one_series(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    engines = [create_engine(f"sqlite:///{tmp_path}/f.db") for _ in range(MAX_POOLS + 2)]
    for number, made in enumerate(engines):
        watch_engine(made, f"tenant {number}", registry)
        with made.connect() as connection:
            connection.execute(text("SELECT 1"))

    name = "db_client_operation_duration_seconds_count"
    assert value(registry, name, db="tenant 0", operation="SELECT") == 1
    assert value(registry, name, db=OVERFLOW, operation="SELECT") == 2
    assert value(registry, "plimsoll_client_series_dropped_total", reason="too_many_pools") == 2
    for made in engines:
        made.dispose()

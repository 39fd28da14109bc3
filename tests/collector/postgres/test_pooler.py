"""Through a real pgbouncer that gives every transaction any server connection."""

import asyncio
import socket
from collections.abc import Iterator
from time import sleep

import psycopg
import pytest

from collector.failure import CollectFailure, Failure
from tests.collector.postgres.watching import (
    PRELOADED,
    documented,
    metric,
    part,
    runs,
    source_of,
    total,
    undocumented,
    values,
    watched,
)
from tests.pgbouncer import pgbouncer
from tests.postgres import Postgres, postgres


@pytest.fixture(scope="module")
def pooled() -> Iterator[tuple[Postgres, int]]:
    """A server with a database `shop`, and the port of its pooler."""
    with postgres(*PRELOADED) as server:
        watched(server, "shop")
        with pgbouncer(server) as port:
            yield server, port


def through(port: int, query: str) -> str:
    """What another client of the pooler gets."""
    with psycopg.connect(
        host="127.0.0.1", port=port, user="watcher", dbname="shop", autocommit=True
    ) as client:
        row = client.execute(query.encode()).fetchone()
        assert row is not None
        return str(row[0])


def test_everything_is_read_through_a_pooler(pooled: tuple[Postgres, int]) -> None:
    server, port = pooled
    found = runs(source_of(server, "shop", port=port), lambda: through(port, "SELECT 1 AS one"))
    assert [one for run in found for one in run.parts if one.failure is not None] == []
    assert total(found[-1], "pg_statement_calls_total", datname="shop") >= 1


def test_nothing_leaks_to_other_clients_of_the_pool(pooled: tuple[Postgres, int]) -> None:
    server, port = pooled
    settings = ("statement_timeout", "lock_timeout", "default_transaction_read_only")
    before = [through(port, f"SHOW {one}") for one in settings]
    runs(source_of(server, "shop", port=port), lambda: None)
    assert [through(port, f"SHOW {one}") for one in settings] == before
    assert through(port, "SELECT count(*) FROM pg_prepared_statements") == "0"


def test_a_query_that_is_ended_leaves_the_pool_usable(pooled: tuple[Postgres, int]) -> None:
    server, port = pooled
    source = source_of(server, "shop", port=port, statement_timeout="300ms")

    async def asked() -> None:
        await source._connection.open(10)
        with pytest.raises(CollectFailure, match="statement_timeout"):
            await source._ask("SELECT pg_sleep(60)")
        assert source._connection.is_open
        await source.close()

    asyncio.run(asked())
    assert through(port, "SELECT 1") == "1"


def test_the_console_tells_of_the_pools(pooled: tuple[Postgres, int]) -> None:
    server, port = pooled
    pooler = {"port": port, "user": "watcher"}
    source = source_of(server, "shop", pgbouncer=pooler)

    def counted() -> int:
        with psycopg.connect(
            host="127.0.0.1", port=port, user="watcher", dbname="pgbouncer", autocommit=True
        ) as console:
            rows = console.execute("SHOW STATS").fetchall()
        return sum(row[1] for row in rows if row[0] == "shop")

    def work() -> None:
        before = counted()
        through(port, "SELECT 1")
        while counted() == before:  # it adds up once a second
            sleep(0.05)

    _, found = runs(source, work, step_ms=15_000)
    assert part(found, "pgbouncer").failure is None
    assert undocumented(found) == set()
    told = {name for name in documented() if name.startswith("pgbouncer_")}
    assert told == {one.metric for one in values(found) if one.metric.startswith("pgbouncer_")}
    clients = metric(found, "pgbouncer_clients", database="shop")
    assert {one.get("state") for one in clients} == {"active", "waiting"}
    assert metric(found, "pgbouncer_servers", database="shop", state="idle")
    assert metric(found, "pgbouncer_max_wait_seconds", database="shop")
    assert total(found, "pgbouncer_transactions_total", database="shop") >= 1
    assert total(found, "pgbouncer_queries_total", database="shop") >= 1


def test_a_console_that_hangs_costs_only_its_own_numbers(pooled: tuple[Postgres, int]) -> None:
    server, _ = pooled
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        pooler = {"port": silent.getsockname()[1], "user": "watcher"}
        (found,) = runs(source_of(server, "shop", pgbouncer=pooler))
    failure = part(found, "pgbouncer").failure
    assert failure is not None
    assert failure.reason is Failure.TIMEOUT
    assert [one.name for one in found.parts if one.failure is not None] == ["pgbouncer"]


def test_a_console_that_lets_nobody_in_fails_alone(pooled: tuple[Postgres, int]) -> None:
    server, port = pooled
    (found,) = runs(source_of(server, "shop", pgbouncer={"port": port, "user": "stranger"}))
    assert part(found, "pgbouncer").failure is not None
    assert [one.name for one in found.parts if one.failure is not None] == ["pgbouncer"]

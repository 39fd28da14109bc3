"""A real PostgreSQL under the collector: what it brings, what it survives, what it never keeps."""

import asyncio
from collections.abc import Iterator
from itertools import count
from threading import Event, Thread
from time import perf_counter
from typing import Any

import psycopg
import pytest
from psycopg import sql

from collector.failure import CollectFailure, Failure
from collector.postgres.config import Group
from collector.postgres.io import Io
from collector.postgres.reading import Ask, Read
from collector.postgres.versions import Server
from collector.source import Drop
from tests.collector.postgres.watching import (
    MINUTE_MS,
    NOON_MS,
    PRELOADED,
    Notes,
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
from tests.postgres import Postgres, postgres, standby
from tests.servers import free_port

OTHER = "__other__"
_databases = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with pg_stat_statements."""
    with postgres(*PRELOADED) as made:
        yield made


@pytest.fixture
def database(server: Postgres) -> str:
    """A new database that is fit to be watched."""
    name = f"watched_{next(_databases)}"
    watched(server, name)
    return name


def do(server: Postgres, database: str, *statements: str) -> None:
    """Run these, each by itself."""
    with server.connected(database) as connection:
        for one in statements:
            connection.execute(one.encode())


def test_what_statements_took_is_their_difference_and_nothing_else(
    server: Postgres, database: str
) -> None:
    do(server, database, "CREATE TABLE t (a int)", *["SELECT count(*) FROM t WHERE a = 1"] * 50)
    notes = Notes()
    source = source_of(server, database, write=notes)

    def load() -> None:
        do(server, database, *(f"SELECT count(*) FROM t WHERE a = {i}" for i in range(30)))

    first, second, third = runs(source, load, load)

    assert total(first, "pg_statement_calls_total", datname=database) == 0
    name = notes.of("FROM t WHERE a")
    mine = {"datname": database, "fingerprint": name}
    assert total(second, "pg_statement_calls_total", **mine) == 30
    assert total(third, "pg_statement_calls_total", **mine) == 60
    assert total(third, "pg_statement_rows_total", **mine) == 60
    assert 0 < total(third, "pg_statement_exec_seconds_total", **mine) < 1
    assert [one for one in third.parts if one.failure is not None] == []


def test_our_own_statements_are_left_out(server: Postgres, database: str) -> None:
    notes = Notes()
    found = runs(source_of(server, database, write=notes), *[lambda: None] * 3)

    assert total(found[-1], "pg_statement_calls_total", datname=database) == 0
    assert notes.texts == {}
    with server.connected(database) as connection:
        (marked,) = connection.execute(
            "SELECT count(*) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid "
            "WHERE rolname = 'watcher' AND query NOT LIKE '/* plimsoll */%'"
        ).fetchone() or (None,)
    assert marked == 0


def test_one_statement_at_the_top_and_inside_a_function_is_added_up(
    server: Postgres, database: str
) -> None:
    do(
        server,
        database,
        "CREATE TABLE t (a int)",
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT count(*) FROM t WHERE a > 5); END'",
        "ALTER DATABASE " + database + " SET pg_stat_statements.track = 'all'",
    )
    notes = Notes()

    def load() -> None:
        do(server, database, *["SELECT f()"] * 3, *["(SELECT count(*) FROM t WHERE a > 5)"] * 4)

    *_, last = runs(source_of(server, database, write=notes), load)
    name = notes.of("count(*) FROM t")
    assert total(last, "pg_statement_calls_total", datname=database, fingerprint=name) == 7


def test_what_is_not_shown_is_the_rest_so_that_sums_stay_true(
    server: Postgres, database: str
) -> None:
    tables = [f"t{number}" for number in range(12)]
    do(server, database, *(f"CREATE TABLE {one} (a int)" for one in tables))
    source = source_of(server, database, statements={"shown": 2})

    def load() -> None:
        do(server, database, *(f"SELECT count(*) FROM {one}" for one in tables * 5))

    _, second, third, _ = runs(source, load, load, load)
    for found, calls in ((second, 60), (third, 120)):
        assert total(found, "pg_statement_calls_total", datname=database) == calls
        shown = {one.get("fingerprint") for one in metric(found, "pg_statement_calls_total")}
        assert OTHER in shown
        assert len(shown) <= 1 + 3 * 2


def test_a_foreign_reset_costs_an_interval_and_invents_nothing(
    server: Postgres, database: str
) -> None:
    do(server, database, "CREATE TABLE t (a int)")
    query = "SELECT count(*) FROM t"

    def load() -> None:
        do(server, database, *[query] * 10)

    def reset() -> None:
        do(server, database, "SELECT pg_stat_statements_reset()", *[query] * 4)

    source = source_of(server, database)
    _, loaded, after, later = runs(source, load, reset, load)
    assert total(loaded, "pg_statement_calls_total", datname=database) == 10
    assert total(after, "pg_statement_calls_total", datname=database) == 0
    assert total(later, "pg_statement_calls_total", datname=database) == 10


def test_a_reset_of_one_statement_counts_what_came_after_it(
    server: Postgres, database: str
) -> None:
    notes = Notes()
    do(server, database, "CREATE TABLE t (a int)", *["SELECT count(*) FROM t"] * 20)

    def reset() -> None:
        do(
            server,
            database,
            "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements "
            "WHERE query = 'SELECT count(*) FROM t'",
            *["SELECT count(*) FROM t"] * 4,
        )

    _, after = runs(source_of(server, database, write=notes), reset)
    name = notes.of("FROM t")
    assert total(after, "pg_statement_calls_total", fingerprint=name) == 4
    assert total(after, "pg_stat_statements_partial_intervals_total") == 1


def test_after_a_gap_counters_begin_at_zero(server: Postgres, database: str) -> None:
    do(server, database, "CREATE TABLE t (a int)")

    def load() -> None:
        do(server, database, *["SELECT count(*) FROM t"] * 10)

    source = source_of(server, database)
    _, loaded = runs(source, load, step_ms=MINUTE_MS)
    assert total(loaded, "pg_statement_calls_total", datname=database) == 10

    async def much_later() -> None:
        load()
        found = await source.collect(NOON_MS + 10 * MINUTE_MS)
        await source.close()
        assert total(found, "pg_statement_calls_total", datname=database) == 0
        assert total(found, "pg_database_xact_commit_total", datname=database) == 0
        assert total(found, "pg_table_seq_scans_total") == 0

    asyncio.run(much_later())


SECRETS = ("hunter2", "swordfish", "4929123412341234", "bob@example.com")


def test_nothing_that_people_put_into_statements_is_kept(
    server: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    notes = Notes()
    caplog.set_level("DEBUG")

    def plant() -> None:
        do(
            server,
            database,
            "CREATE ROLE bob PASSWORD 'hunter2'",
            "ALTER ROLE bob PASSWORD 'swordfish'",
            "DROP ROLE bob",
            "SET app.token = 'hunter2'",
            "SET app.other = hunter2",
            "DO $$ BEGIN PERFORM 'hunter2', 4929123412341234; END $$",
            "SELECT /* bob@example.com */ 'bob@example.com', 4929123412341234 -- hunter2",
            "CREATE TABLE IF NOT EXISTS cards (n text DEFAULT 'swordfish')",
            "COMMENT ON TABLE cards IS 'hunter2'",
            "PREPARE p AS SELECT 'hunter2'",
        )
        # Evicted or reset while it runs, a statement is stored as it was sent.
        begun = Event()

        def slow() -> None:
            with server.connected(database) as connection:
                begun.set()
                connection.execute(b"SELECT pg_sleep(0.5), 'hunter2', 4929123412341234 AS n")

        running = Thread(target=slow)
        running.start()
        begun.wait(10)
        with server.connected(database) as connection:
            while not connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%' "
                "AND pid <> pg_backend_pid() AND state = 'active'"
            ).fetchall():
                pass
            connection.execute(
                "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements "
                "WHERE query LIKE 'SELECT pg_sleep%'"
            )
        running.join(30)

    with server.connected(database) as connection:
        found = runs(source_of(server, database, write=notes), plant, plant, plant, plant)
        texts = connection.execute("SELECT query FROM pg_stat_statements").fetchall()
    planted = " ".join(text for (text,) in texts)
    assert "pg_sleep(0.5), 'hunter2'" in planted, "the server keeps what there is to leave out"
    assert "PASSWORD 'hunter2'" in planted
    kept = [*notes.texts.values(), caplog.text]
    kept += [str(labels) for one in found for labels in values(one)]
    kept += [one.failure.detail for run in found for one in run.parts if one.failure]
    assert "SELECT pg_sleep(?), ?, ? AS n" in notes.texts.values()
    for secret in SECRETS:
        assert [one for one in kept if secret in one] == []


def test_tables_and_indexes_are_counted_by_name(server: Postgres, database: str) -> None:
    do(
        server,
        database,
        "CREATE TABLE t (a int PRIMARY KEY, b int)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i",
    )
    # A session that ends tells its counts after its client has left, and the next one may be there.
    told = "SELECT pg_stat_force_next_flush()"
    do(server, database, "VACUUM ANALYZE t", told)

    def load() -> None:
        reads = [*["SELECT b FROM t WHERE a = 7"] * 5, *["SELECT max(b) FROM t"] * 3]
        do(server, database, *reads, told)
        do(server, database, "UPDATE t SET b = 0 WHERE a = 1", "DELETE FROM t WHERE a = 2", told)

    source = source_of(server, database)
    _, _, found = runs(source, load, lambda: None)
    table = {"schema": "public", "relation": "t", "datname": database}
    assert total(found, "pg_table_seq_scans_total", **table) == 3
    assert total(found, "pg_table_index_scans_total", **table) == 7
    assert total(found, "pg_table_tuples_updated_total", **table) == 1
    assert total(found, "pg_table_tuples_deleted_total", **table) == 1
    assert total(found, "pg_table_tuples_inserted_total", **table) == 0
    assert total(found, "pg_table_live_tuples", **table) == 999
    assert total(found, "pg_table_size_bytes", **table) > 0
    assert total(found, "pg_table_last_analyze_timestamp_seconds", **table) > 1e9
    index = {**table, "index": "t_pkey"}
    assert total(found, "pg_index_scans_total", **index) == 7
    assert total(found, "pg_index_invalid", **index) == 0


def test_what_is_brought_is_documented_with_its_labels(server: Postgres, database: str) -> None:
    do(server, database, "CREATE TABLE t (a int PRIMARY KEY)", "VACUUM ANALYZE t")
    with server.connected(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE t IN ACCESS SHARE MODE")
        found = runs(source_of(server, database))[0]
    assert undocumented(found) == set()
    brought = {labels.metric for labels in values(found)}
    told = {name for name in documented() if not name.startswith(("pgbouncer_", "pg_io_"))}
    # Nobody replicates here, and nothing was vacuumed by itself.
    rare = {name for name in told if "replication" in name or "autovacuum" in name}
    assert told - brought <= rare


def test_a_server_of_16_tells_of_its_reads_and_writes() -> None:
    rows = [
        ("client backend", "relation", "normal", 5.0, 1.0, 0.0, 2.0, 0.0, 0.5, 0.1, 0.0, 0.2, 0.0),
        ("checkpointer", "relation", "normal", *[0.0] * 10),
    ]
    more = [("client backend", "relation", "normal", 9.0, *rows[0][4:]), rows[1]]
    answers = iter([rows, more])

    async def ask(query: str) -> list[tuple[object, ...]]:
        assert "pg_stat_io" in query
        return list(next(answers))

    group = Io(60.0)

    async def twice() -> Read:
        newer = Server(version=160003, started_seconds=1.0)
        assert (
            await group.read(ask, Server(version=150018, started_seconds=1.0), 0)
        ).readings == ()
        await group.read(ask, newer, NOON_MS)
        return await group.read(ask, newer, NOON_MS + MINUTE_MS)

    readings = asyncio.run(twice()).readings
    found = {(name, labels["op"]): value for name, labels, value in readings}
    assert found["pg_io_operations_total", "read"] == 4
    assert {labels["backend_type"] for _, labels, _ in readings} == {"client backend"}
    assert {name for name, *_ in readings} <= set(documented())
    assert set(readings[0][1]) == documented()["pg_io_operations_total"]


def test_a_held_lock_delays_nothing(server: Postgres, database: str) -> None:
    do(server, database, "CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with server.connected(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        waiting = Thread(target=lambda: do(server, database, "SELECT * FROM t"))
        waiting.start()
        with server.connected(database) as looking:
            while not looking.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchall():
                pass
        # A query that waits for the lock would be ended by lock_timeout, and its part would fail.
        (found,) = runs(source_of(server, database))
    waiting.join(30)
    assert [one for one in found.parts if one.failure is not None] == []
    assert {one.name for one in found.parts} == set(Group) - {Group.PGBOUNCER}
    assert total(found, "pg_blocked_backends") == 1
    held = metric(found, "pg_locks", mode="AccessExclusiveLock", granted="true", datname=database)
    assert sum(held.values()) == 1
    assert total(found, "pg_table_live_tuples", relation="t") == 1


def test_a_thousand_tables_are_read_within_a_second(server: Postgres, database: str) -> None:
    with server.connected(database) as connection:
        connection.execute(
            "DO 'BEGIN FOR i IN 1..1000 LOOP "
            "EXECUTE format(''CREATE TABLE t%s (a int PRIMARY KEY, b int)'', i); "
            "END LOOP; END'"
        )
    source = source_of(server, database)
    seconds = []

    async def three() -> None:
        for number in range(3):
            begun = perf_counter()
            found = await source.collect(NOON_MS + number * 4 * MINUTE_MS)
            seconds.append(perf_counter() - begun)
            assert part(found, "tables").failure is None
            assert len(metric(found, "pg_table_live_tuples")) == 101
            assert len(metric(found, "pg_index_scans_total")) == 201
        await source.close()

    asyncio.run(three())
    assert min(seconds) < 1


def test_a_thing_that_enters_the_list_does_not_bring_its_past(
    server: Postgres, database: str
) -> None:
    do(server, database, "CREATE TABLE big (a int)", "CREATE TABLE small (a int)")
    do(server, database, "INSERT INTO big SELECT i FROM generate_series(1, 50000) i")
    do(server, database, *["SELECT count(*) FROM small"] * 40, "VACUUM ANALYZE big")

    def grow() -> None:
        do(server, database, "INSERT INTO small SELECT i FROM generate_series(1, 200000) i")
        do(server, database, "DROP TABLE big", "VACUUM ANALYZE small")

    source = source_of(server, database, tables=1)
    first, _, found = runs(source, grow, lambda: None)
    assert [one.get("relation") for one in metric(first, "pg_table_live_tuples")] == ["big", OTHER]
    shown = metric(found, "pg_table_seq_scans_total", relation="small")
    assert sum(shown.values()) == 0
    assert total(found, "pg_table_tuples_inserted_total") == 200_000


def test_a_database_in_sql_ascii_is_read_with_what_is_no_text_replaced(server: Postgres) -> None:
    with server.connected() as connection:
        connection.execute(
            "CREATE DATABASE ascii ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' "
            "TEMPLATE template0"
        )
        connection.execute("GRANT CONNECT ON DATABASE ascii TO PUBLIC")
    with server.connected("ascii") as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("SET client_encoding = SQL_ASCII")
        connection.execute(b'CREATE TABLE "caf\xe9" (a int)')
    notes = Notes()

    def load() -> None:
        with server.connected("ascii") as connection:
            connection.execute("SET client_encoding = SQL_ASCII")
            connection.execute(b'SELECT count(*) FROM "caf\xe9"')

    *_, found = runs(source_of(server, "ascii", write=notes), load, lambda: None)
    assert [one for one in found.parts if one.failure is not None] == []
    watched(server, "utf8")
    (elsewhere,) = runs(source_of(server, "utf8"))
    with server.connected("utf8") as connection:
        connection.execute("DROP DATABASE ascii")
        connection.execute("SELECT pg_stat_statements_reset()")
    unread = part(elsewhere, "statements")
    assert unread.failure is not None
    assert "a database in SQL_ASCII shows it" in unread.failure.detail
    assert unread.samples > 0
    assert len(metric(found, "pg_table_live_tuples", relation="caf\N{REPLACEMENT CHARACTER}")) == 1
    assert "caf\N{REPLACEMENT CHARACTER}" in notes.texts[notes.of('FROM "caf')]


def test_without_pg_monitor_the_parts_say_what_is_missing(server: Postgres, database: str) -> None:
    do(server, database, "CREATE TABLE t (a int)")
    with server.connected(database) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(database)))
    found = runs(source_of(server, database, user=database))[0]
    failure = part(found, "statements").failure
    assert failure is not None
    assert failure.reason is Failure.PERMISSION
    assert "GRANT pg_monitor" in failure.detail
    assert part(found, "tables").failure is None
    assert total(found, "pg_up") == 1


def test_without_the_extension_only_statements_are_missing(server: Postgres) -> None:
    watched(server, "bare", extension=False)
    (found,) = runs(source_of(server, "bare"))
    failure = part(found, "statements").failure
    assert failure is not None
    assert failure.reason is Failure.NOT_INSTALLED
    assert "CREATE EXTENSION pg_stat_statements" in failure.detail
    assert [one.name for one in found.parts if one.failure] == ["statements"]
    (skipping,) = runs(source_of(server, "bare", skip=["statements"]))
    assert [one for one in skipping.parts if one.failure] == []


class Slow:
    """A group whose query never ends by itself."""

    group = Group.IO
    interval_seconds = 15.0

    async def read(self, ask: Ask, server: object, at_ms: int) -> Read:
        await ask("SELECT pg_sleep(60)")
        return Read(())


def test_a_query_that_takes_too_long_fails_alone_and_the_connection_goes_on(
    server: Postgres, database: str
) -> None:
    source = source_of(server, database, statement_timeout="300ms")
    source._groups.insert(0, Slow())
    first, second = runs(source, lambda: None)
    for found in (first, second):
        failure = part(found, "io").failure if found is second else found.parts[0].failure
        assert failure is not None
        assert failure.reason is Failure.TIMEOUT
        assert total(found, "pg_up") == 1
        assert len(metric(found, "pg_database_xact_commit_total")) > 0


def test_what_there_is_no_time_for_is_left_for_the_next_turn(
    server: Postgres, database: str
) -> None:
    ticking = count(0.0, 2.0)
    source = source_of(server, database, stopwatch=lambda: next(ticking))
    first, second = runs(source, lambda: None)
    late = [one for one in first.parts if one.failure is not None]
    assert late
    assert {one.failure.detail for one in late if one.failure} == {"no time was left in this run"}
    assert first.parts[0].failure is None
    assert {one.name for one in late} <= {one.name for one in second.parts}


def test_more_series_than_allowed_are_left_out_and_counted(server: Postgres, database: str) -> None:
    source = source_of(server, database)
    source._most_series = 5
    (found,) = runs(source)
    assert len(found.samples) == 5
    assert found.dropped[Drop.SERIES] > 5


def failure_of(server: Postgres, database: str = "postgres", **keys: Any) -> CollectFailure:
    """Why nothing could be collected."""
    source = source_of(server, database, **keys)
    with pytest.raises(CollectFailure) as caught:
        runs(source)
    return caught.value


def test_why_there_is_no_connection_is_told_in_our_words(server: Postgres) -> None:
    assert failure_of(server, port=free_port()).reason is Failure.REFUSED
    assert failure_of(server, host="169.254.169.254").reason is Failure.DENIED
    assert failure_of(server, sslmode="require").reason is Failure.TLS
    unknown = failure_of(server, user="nobody-of-that-name")
    assert unknown.reason is Failure.AUTH
    assert "nobody-of-that-name" not in unknown.detail
    assert failure_of(server, database="nowhere").reason is Failure.PROTOCOL
    with server.connected() as connection:
        connection.execute("CREATE DATABASE closed")
        connection.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        connection.execute("REVOKE CONNECT ON DATABASE closed FROM watcher")
    assert failure_of(server, database="closed").reason is Failure.PERMISSION


def test_a_connection_that_was_cut_fails_the_run_and_is_made_anew(
    server: Postgres, database: str
) -> None:
    source = source_of(server, database)

    async def cut() -> None:
        await source.collect(NOON_MS)
        with server.connected() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'plimsoll' AND datname = %s",
                [database],
            )
        with pytest.raises(CollectFailure, match="the server ended the connection"):
            await source.collect(NOON_MS + MINUTE_MS)
        found = await source.collect(NOON_MS + 2 * MINUTE_MS)
        assert total(found, "pg_up") == 1
        await source.close()

    asyncio.run(cut())


def test_a_run_that_is_cancelled_leaves_no_query_on_the_server(
    server: Postgres, database: str
) -> None:
    source = source_of(server, database)

    async def cancelled() -> None:
        await source.collect(NOON_MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await source._ask("SELECT pg_sleep(2)")
        assert not source._connection.is_open
        with server.connected() as connection:
            for _ in range(100):
                running = connection.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' "
                    "AND state = 'active' AND pid <> pg_backend_pid()"
                ).fetchall()
                if not running:
                    break
            assert not running
        await source.close()

    asyncio.run(cancelled())


def test_texts_that_cannot_be_written_cost_no_number_and_are_written_later(
    server: Postgres, database: str
) -> None:
    do(server, database, "CREATE TABLE t (a int)")
    written: list[int] = []

    def write(target: str, seen: object, at_ms: int) -> None:
        written.append(at_ms)
        if len(written) == 1:
            raise psycopg.OperationalError("the state is busy with hunter2")

    def load() -> None:
        do(server, database, "SELECT count(*) FROM t")

    source = source_of(server, database, write=write)
    _, first, _ = runs(source, load, lambda: None)
    assert total(first, "pg_statement_calls_total", datname=database) == 1
    assert written == [NOON_MS + MINUTE_MS, NOON_MS + 2 * MINUTE_MS]


def test_a_state_that_hangs_costs_no_number(server: Postgres, database: str) -> None:
    do(server, database, "CREATE TABLE t (a int)")
    may_go_on = Event()

    def write(target: str, seen: object, at_ms: int) -> None:
        may_go_on.wait(60)

    def load() -> None:
        do(server, database, "SELECT count(*) FROM t")

    _, first, second = runs(source_of(server, database, write=write), load, load)
    may_go_on.set()
    assert total(first, "pg_statement_calls_total", datname=database) == 1
    assert total(second, "pg_statement_calls_total", datname=database) == 2


def test_a_standby_is_watched_and_its_primary_tells_how_far_it_is_behind() -> None:
    with postgres(*PRELOADED) as primary:
        watched(primary, "shop")
        with standby(primary) as follower, primary.connected() as looking:
            while not looking.execute(
                "SELECT 1 FROM pg_stat_replication WHERE replay_lsn IS NOT NULL"
            ).fetchall():
                pass

            def load() -> None:
                do(primary, "shop", "CREATE TABLE t (a int)")

            _, found = runs(source_of(primary, "shop"), load)
            stage = {"application_name": "standby", "stage": "replay"}
            assert len(metric(found, "pg_replication_lag_bytes", **stage)) == 1
            assert len(metric(found, "pg_replication_lag_seconds", **stage)) == 1
            assert total(found, "pg_in_recovery") == 0

            (there,) = runs(source_of(follower, "shop", skip=["statements"]))
            assert total(there, "pg_in_recovery") == 1
            assert len(metric(there, "pg_replication_lag_seconds", stage="replay")) == 1
            assert [one for one in there.parts if one.failure is not None] == []

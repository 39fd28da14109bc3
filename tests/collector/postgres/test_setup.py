"""The SQL that is printed makes a role that may do what it has to; the check names the rest."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from api.main import app
from collector.addresses import SystemResolver
from collector.postgres.config import PostgresTarget
from collector.postgres.setup import Check, Outcome, statements, verify
from tests.collector.postgres.watching import PRELOADED, runs, source_of
from tests.pgbouncer import pgbouncer
from tests.postgres import Postgres, postgres

PASSWORD = "open sesame"
WATCHER = {"user": "watcher", "password": PASSWORD}
HBA = """host all watcher 127.0.0.1/32 scram-sha-256
host all asked 127.0.0.1/32 password
host all all 127.0.0.1/32 trust
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with a shop that nobody watches yet; the role `plimsoll` needs a password."""
    with postgres(*PRELOADED, hba=HBA) as made:
        with made.connected() as connection:
            connection.execute("CREATE DATABASE shop")
        with made.connected("shop") as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, card text)")
        yield made


def target(server: Postgres, **keys: Any) -> PostgresTarget:
    """The target as a user would write it."""
    data = {"name": "main", "port": server.port, "database": "shop", **WATCHER, **keys}
    return PostgresTarget.model_validate(data)


def administered(server: Postgres, sql: list[str]) -> None:
    """Run printed SQL as an administrator with psql would: comments left out."""
    with server.connected("shop") as connection:
        for line in sql:
            if line and not line.startswith("--"):
                connection.execute(line.encode())


def checks(target: PostgresTarget) -> list[Check]:
    return asyncio.run(verify(target, SystemResolver()))


def missing(found: list[Check]) -> list[str]:
    return [one.what for one in found if one.outcome is Outcome.MISSING]


@pytest.fixture
def prepared(server: Postgres) -> Iterator[Postgres]:
    """The server after the printed SQL was run; it is as before afterwards."""
    administered(server, statements(target(server), 150000))
    with server.connected("shop") as connection:
        connection.execute(f"ALTER ROLE watcher PASSWORD '{PASSWORD}'".encode())
        yield server
        connection.execute("DROP EXTENSION IF EXISTS pg_stat_statements")
        connection.execute("DROP OWNED BY watcher")
        connection.execute("DROP ROLE watcher")


def test_the_printed_sql_is_all_that_is_needed(prepared: Postgres) -> None:
    found = checks(target(prepared))
    assert {one.outcome for one in found} == {Outcome.OK}, found
    (collected,) = runs(source_of(prepared, "shop", password=PASSWORD))
    assert [one for one in collected.parts if one.failure is not None] == []


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT * FROM orders",
        "INSERT INTO orders VALUES (1, 'x')",
        "CREATE TABLE mine (a int)",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_stat_statements_reset()",
        "COPY orders TO PROGRAM 'cat'",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_the_role_can_do_nothing_else(prepared: Postgres, forbidden: str) -> None:
    with (
        psycopg.connect(
            host="127.0.0.1",
            port=prepared.port,
            user="watcher",
            password=PASSWORD,
            dbname="shop",
            autocommit=True,
        ) as connection,
        pytest.raises(
            (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
        ),
    ):
        connection.execute(forbidden.encode())


@pytest.mark.parametrize(
    ("undo", "told"),
    [
        ("REVOKE pg_monitor FROM watcher", "pg_read_all_stats"),
        ("DROP EXTENSION pg_stat_statements", "pg_stat_statements is installed"),
        ("ALTER ROLE watcher NOLOGIN", "logs in to shop"),
        ("REVOKE CONNECT ON DATABASE shop FROM watcher, PUBLIC", "may not connect"),
        ("ALTER DATABASE shop SET pg_stat_statements.track = none", "statements are counted"),
        ("ALTER ROLE watcher PASSWORD 'another'", "the server refused the login"),
    ],
)
def test_what_is_missing_is_named(prepared: Postgres, undo: str, told: str) -> None:
    with prepared.connected("shop") as connection:
        connection.execute(undo.encode())
        found = missing(checks(target(prepared)))
        connection.execute("ALTER DATABASE shop RESET ALL")
        connection.execute("GRANT CONNECT ON DATABASE shop TO PUBLIC")
    assert any(told in one for one in found), found


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("GRANT SELECT ON orders TO watcher", "1 of your tables"),
        ("ALTER ROLE watcher SUPERUSER", "superuser"),
        ("ALTER ROLE watcher RESET default_transaction_read_only", "read-only"),
        ("ALTER DATABASE shop SET track_io_timing = off", "track_io_timing"),
    ],
)
def test_what_is_more_or_less_than_wise_is_advice(prepared: Postgres, more: str, told: str) -> None:
    with prepared.connected("shop") as connection:
        connection.execute(more.encode())
        found = checks(target(prepared))
        connection.execute("ALTER DATABASE shop RESET ALL")
    assert missing(found) == []
    (advice,) = (one for one in found if one.outcome is Outcome.ADVICE)
    assert told in advice.what
    assert advice.mend


def test_a_password_is_not_sent_as_it_is_to_whoever_asks_without_tls(server: Postgres) -> None:
    with server.connected("shop") as connection:
        connection.execute(f"CREATE ROLE asked LOGIN PASSWORD '{PASSWORD}'".encode())
    found = checks(target(server, user="asked"))
    assert [one.outcome for one in found] == [Outcome.MISSING]
    assert "refused the login" in found[0].what


def test_a_role_whose_connections_are_all_taken_is_not_told_to_have_a_wrong_password(
    prepared: Postgres,
) -> None:
    # That would keep it waiting for a quarter of an hour, as for a refused password.
    with prepared.connected("shop") as connection:
        connection.execute("ALTER ROLE watcher CONNECTION LIMIT 0")
        (told,) = missing(checks(target(prepared)))
    assert "all connections that this role may have are taken" in told


def test_the_console_of_a_pooler_is_checked_too(prepared: Postgres) -> None:
    with pgbouncer(prepared) as port:
        pooler = {"port": port, "user": "watcher"}
        assert {one.outcome for one in checks(target(prepared, pgbouncer=pooler))} == {Outcome.OK}
        stranger = {"port": port, "user": "stranger"}
        (told,) = missing(checks(target(prepared, pgbouncer=stranger)))
        assert "stranger reads the pools" in told


def configured(server: Postgres, folder: Path) -> str:
    """A configuration file with the target `main`."""
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    file = folder / "plimsoll.yaml"
    file.write_text(
        "collector:\n  postgres:\n    - name: main\n"
        f"      port: {server.port}\n      database: shop\n      user: watcher\n"
        f"      password_file: {secret}\n"
    )
    return str(file)


def test_the_command_prints_sql_and_verifies_it(server: Postgres, tmp_path: Path) -> None:
    config = configured(server, tmp_path)
    run = CliRunner().invoke
    printed = run(app, ["setup", "postgres", "main", "-c", config])
    assert printed.exit_code == 0
    assert 'CREATE ROLE "watcher" LOGIN' in printed.stdout
    assert "PostgreSQL 18" in printed.stderr  # nobody is let in yet, so that it cannot be asked
    assert PASSWORD not in printed.output

    refused = run(app, ["setup", "postgres", "main", "--verify", "-c", config])
    assert refused.exit_code == 1
    assert "refused the login" in " ".join(refused.output.split())

    administered(server, printed.stdout.splitlines())
    with server.connected("shop") as connection:
        connection.execute(f"ALTER ROLE watcher PASSWORD '{PASSWORD}'".encode())
    verified = run(app, ["setup", "postgres", "main", "--verify", "-c", config])
    assert verified.exit_code == 0, verified.output
    again = run(app, ["setup", "postgres", "main", "-c", config])
    assert again.stdout.startswith("-- PostgreSQL 15:")
    with server.connected("shop") as connection:
        connection.execute("DROP EXTENSION pg_stat_statements")
        connection.execute("DROP OWNED BY watcher")
        connection.execute("DROP ROLE watcher")


def test_a_target_that_is_not_configured_is_told_with_what_is_meant(
    server: Postgres, tmp_path: Path
) -> None:
    told = CliRunner().invoke(
        app, ["setup", "postgres", "mian", "-c", configured(server, tmp_path)]
    )
    assert told.exit_code == 1
    assert "did you mean main?" in told.output


def test_names_are_quoted_in_the_sql() -> None:
    odd = PostgresTarget.model_validate({"name": "x", "user": 'a"b', "database": "My Shop"})
    text = "\n".join(statements(odd, 150000))
    assert 'CREATE ROLE "a""b" LOGIN' in text
    assert 'ON DATABASE "My Shop" TO "a""b";' in text

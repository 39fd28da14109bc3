"""A new state is made at once, and is to the letter what all migrations make of nothing."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import alerts.outbox_tables
import alerts.tables
import api.access.tables
import api.repeats
import collector.postgres.book
import detector.incident_tables
import detector.tables
from storage.schema import VERSIONS, file_of
from storage.state import State, revisions
from tests.postgres import USER, Postgres, binaries
from tests.storage.newest import in_order, of_postgresql, of_sqlite
from tests.storage.recorded import upgraded

# What fills the metadata: every module with tables.
TABLES = (
    alerts.outbox_tables, alerts.tables, api.access.tables, api.repeats, collector.postgres.book,
    detector.incident_tables, detector.tables,
)  # fmt: skip


@pytest.fixture
def another_url(state_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of another new state on the same database."""
    if state_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'another.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.database()


def dumped(state: State) -> str:
    """Everything that makes these tables anew, and the version, as the database itself tells it."""
    if state.file is not None:
        with closing(sqlite3.connect(state.file)) as connection:
            made = connection.execute("SELECT * FROM sqlite_master ORDER BY type, name").fetchall()
            version = connection.execute(f"SELECT * FROM {VERSIONS}").fetchall()
        without_place = [
            (kind, name, table, sql and in_order(sql)) for kind, name, table, _, sql in made
        ]
        return "\n".join(map(str, [*without_place, *version]))
    url = state.engine.url
    done = subprocess.run(
        [
            binaries() / "pg_dump", "--no-owner", "--inserts", "-h", "127.0.0.1",
            "-p", str(url.port), "-U", USER, str(url.database),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    # Some versions fence a dump with a word that is another each time.
    return "\n".join(one for one in done.stdout.splitlines() if not one.startswith("\\"))


def test_a_new_state_is_to_the_letter_what_all_migrations_make(
    state_url: str, another_url: str
) -> None:
    with closing(State(state_url)) as new, closing(State(another_url)) as migrated:
        new.migrate()
        upgraded(migrated, "head")

        assert "ix_regression_live" in dumped(new)
        assert dumped(new) == dumped(migrated)


def test_what_all_migrations_make_is_what_the_code_uses(state_url: str) -> None:
    assert all(one.__name__ for one in TABLES)
    with closing(State(state_url)) as migrated:
        upgraded(migrated, "head")
        with migrated.engine.connect() as connection:
            options = {"compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, SQLModel.metadata) == []


def test_what_a_new_state_is_made_of_was_written_down_after_the_last_migration(
    state_url: str,
) -> None:
    with closing(State(state_url)) as migrated:
        upgraded(migrated, "head")
        made = of_postgresql(migrated) if migrated.file is None else of_sqlite(migrated.file)
        kept = file_of(migrated.engine.dialect.name).read_text(encoding="utf-8")

    assert kept == made, "run `python -m tests.storage.newest` and commit what it wrote"


def test_a_state_whose_migrations_were_all_taken_back_is_made_anew(state_url: str) -> None:
    with closing(State(state_url)) as state:
        with state.engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TABLE {VERSIONS} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
            )
        state.migrate()

        assert state.revision() == revisions()[-1]

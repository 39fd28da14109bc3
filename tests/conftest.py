"""What the tests of several rooms share: histories, states on SQLite and PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import settings

from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.schema import VERSIONS
from storage.state import State
from tests.postgres import Postgres, postgres

# Same examples in every run, and no clock in the verdict: a slow machine is no bug.
settings.register_profile("plimsoll", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("plimsoll")
KEPT = {VERSIONS}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of the run."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty state, on both databases in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.database()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Postgres) -> Iterator[State]:
    """A migrated state that tests share, one after the other."""
    made = State(postgres_server.database())
    made.migrate()
    yield made
    made.close()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to make copies of."""
    path = tmp_path_factory.mktemp("migrated") / "state.sqlite3"
    made = State(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A migrated state with nothing in it, on both databases in turn."""
    if request.param == "sqlite":
        path = tmp_path / "state.sqlite3"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        made = State(f"sqlite:///{path}")
        yield made
        made.close()
        return
    shared: State = request.getfixturevalue("migrated_postgres")
    tables = ", ".join(set(sqlalchemy.inspect(shared.engine).get_table_names()) - KEPT)
    with shared.unit() as session:
        session.connection().execute(sqlalchemy.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    yield shared


@pytest.fixture
def duck_file(tmp_path: Path) -> Iterator[DuckFile]:
    """A new DuckDB file."""
    file = DuckFile(tmp_path / "history.duckdb")
    yield file
    file.close()


@pytest.fixture
def history(duck_file: DuckFile) -> DuckHistory:
    """A new history."""
    return DuckHistory(duck_file)

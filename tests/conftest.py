"""What the tests of several rooms share: histories, states on SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.duck import DuckFile, DuckHistory
from storage.state import State
from tests.postgres import Postgres, postgres

# Same examples in every run, and no clock in the verdict: a slow machine is no bug.
settings.register_profile("plimsoll", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("plimsoll")


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


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """A migrated state, on both databases in turn."""
    made = State(state_url)
    made.migrate()
    yield made
    made.close()


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

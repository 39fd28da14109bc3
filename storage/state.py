"""What was concluded: engine, session, one transaction per unit of work.

SQLite (write-ahead log) by default, PostgreSQL by URL. Each room declares its own tables and keeps
its own book; migrations stand in `storage/migrations` and are run at start.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event
from sqlalchemy.pool import NullPool
from sqlmodel import Session

BUSY_SECONDS = 10.0
READS = "plimsoll_reads"


class StateError(Exception):
    """The state cannot be opened; the message says what to do."""


class State:
    """The engine, and the only way to a session.

    `url` is an SQLAlchemy URL: `sqlite:////path/state.sqlite3` or `postgresql+psycopg://...`. Its
    password never appears in `repr` or in errors.
    """

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self.readers = self.engine.execution_options(**{READS: True})

    def __repr__(self) -> str:
        return f"State({self.engine.url.render_as_string(hide_password=True)})"

    @contextmanager
    def unit(self) -> Iterator[Session]:
        """One unit of work: committed as a whole at the end, or not at all."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view that never makes a writer wait; what it changes is thrown away."""
        with Session(self.readers, expire_on_commit=False) as session:
            yield session
            session.rollback()

    def migrate(self) -> None:
        """Bring the tables to this version; a state written by a newer version is refused."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise StateError(
                    f"the state is of a newer version of Plimsoll (revision {current}): "
                    "start that version, or restore a backup made before the upgrade"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def make_engine(url: str) -> Engine:
    """An engine whose SQLite connections wait for each other and survive kill -9."""
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise StateError(
            f"{re.sub(r'//.*@', '//***@', url)!r} is no database URL; "
            "use sqlite:////path/state.sqlite3 or postgresql+psycopg://user@host/name"
        ) from None
    if parsed.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(parsed, pool_pre_ping=True)
    # NullPool: SQLite connections are cheap, and a pooled one keeps the log from being truncated.
    engine = sqlalchemy.create_engine(
        parsed, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves, see below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: sqlalchemy.Connection) -> None:
        # IMMEDIATE: a deferred transaction that turns writer fails at once instead of waiting.
        reads = connection.get_execution_options().get(READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine

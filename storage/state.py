"""What was concluded: engine, session, one transaction per unit of work.

SQLite (write-ahead log) by default, PostgreSQL by URL. Each room declares its own tables and keeps
its own book; migrations stand in `storage/migrations` and are run at start, where there is anything
to migrate.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
import sqlalchemy
from sqlalchemy import URL, Engine, event
from sqlalchemy.pool import QueuePool
from sqlmodel import Session

from storage.cost import Part, spent
from storage.fresh import ask_the_doubtful
from storage.schema import VERSIONS, create
from storage.sizes import size_bytes
from storage.views import View

BUSY_SECONDS = 10.0
KEPT_CONNECTIONS = 4
MOST_LOG_BYTES = 16 * 1024 * 1024
"""What the log of an SQLite state is cut down to once a writer begins it anew."""
READS = "plimsoll_reads"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
ADDRESSES = "sqlite:////path/state.sqlite3 or postgresql+psycopg://user@host/name"
CHANGING = frozenset({"INSERT", "UPDATE", "DELETE"})
ORPHANS = "PRAGMA foreign_key_check"
LARGEST_KEY = 2**31 - 1
"""The largest number that a database gives to a row. PostgreSQL refuses to compare with more."""
MIGRATING = 0x506C696D  # any number that nobody else locks; this one spells "Plim"


class StateError(Exception):
    """The state cannot be opened; the message says what to do."""


class State:
    """The engine, and the only way to a session.

    `url` is an SQLAlchemy URL: `sqlite:////path/state.sqlite3` or `postgresql+psycopg://...`. Its
    password never appears in `repr` or in errors. `writes` counts the units of work of this process
    that changed rows: what was read while it was another number may be old.
    """

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self.writes = 0
        self._counting = threading.Lock()
        self._thread = threading.local()
        event.listen(self.engine, "after_cursor_execute", self._look)
        options: dict[str, Any] = {READS: True}
        if self.engine.dialect.name == POSTGRESQL:
            options["isolation_level"] = "REPEATABLE READ"  # one view for all statements
        self.readers = self.engine.execution_options(**options)

    def __repr__(self) -> str:
        return f"State({self.address})"

    @property
    def address(self) -> str:
        """Where the state is, for people: without the password, also where the query holds one."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def unit(self) -> Iterator[Session]:
        """One unit of work: committed as a whole at the end, or not at all."""
        self._thread.wrote = False
        try:
            with (
                spent(Part.STATE),
                Session(self.engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session
        finally:
            # Not before the commit: who reads in between would take the old rows for the new.
            # Also after an error: a connection that broke may have done it.
            if self._thread.wrote:
                with self._counting:
                    self.writes += 1

    def _look(self, *executed: Any) -> None:
        """Note that a statement changed rows."""
        _, cursor, statement = executed[:3]
        verb = statement.lstrip()[:6].upper()
        # How many rows is known at the end of a statement, and RETURNING has not come to it yet.
        known = verb in CHANGING and "RETURNING" not in statement
        if verb == "INSERT" or (verb in CHANGING and not (known and cursor.rowcount == 0)):
            self._thread.wrote = True

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view that never makes a writer wait; what it changes is thrown away."""
        with spent(Part.STATE), Session(self.readers, expire_on_commit=False) as session:
            yield session
            session.rollback()

    @contextmanager
    def looking(self) -> Iterator[View]:
        """Rows without a session, where one statement, or few, say all that an answer needs."""
        with spent(Part.STATE):
            pooled, dialect = self.engine.raw_connection(), self.engine.dialect
            raw: Any = pooled.dbapi_connection
            alone, sound = dialect.name == POSTGRESQL, False
            try:
                if alone:
                    raw.autocommit = True  # sends nothing
                yield View(raw, dialect)
                sound = True
            except dialect.loaded_dbapi.Error as error:
                if dialect.is_disconnect(error, raw, None):
                    self.engine.dispose()  # the others are from before as well
                raise
            except Exception:  # of whoever asks
                sound = True
                raise
            finally:
                if not sound:  # in what state it is, is not worth finding out
                    pooled.invalidate()
                elif alone:
                    raw.autocommit = False
                pooled.close()

    @property
    def file(self) -> Path | None:
        """The SQLite file; None where the state is in PostgreSQL."""
        url = self.engine.url
        return Path(url.database or "") if url.get_backend_name() == SQLITE else None

    def size_bytes(self) -> int | None:
        """What an SQLite state and its logs take on disk; None where it is in PostgreSQL."""
        if self.file is None:
            return None
        files = (self.file.with_name(self.file.name + log) for log in ("", "-wal", "-shm"))
        return sum(map(size_bytes, files))

    def copy_to(self, path: Path) -> None:
        """Write an SQLite state into a new file, as it is at one moment; writers do not wait."""
        try:
            with (
                closing(sqlite3.connect(str(self.file), timeout=BUSY_SECONDS)) as source,
                closing(sqlite3.connect(str(path))) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise StateError(
                f"{self.address} cannot be copied to {path.parent} ({error}): "
                "check that there is as much free space as it takes"
            ) from None

    def revision(self) -> str | None:
        """The version of the tables; None where there are none yet."""
        with self.opened() as connection:
            return revision_of(connection)

    def migrate(self) -> None:
        """Bring the tables to this version; a state written by a newer version is refused."""
        known = revisions()
        with self.opened(checked=False) as connection:
            if self.engine.dialect.name == POSTGRESQL:
                # Of replicas that start together one makes the tables, the others wait for it.
                connection.execute(
                    sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING}
                )
            current = revision_of(connection)
            if current is not None and current not in known:
                raise StateError(
                    f"the state is of a newer version of Plimsoll (revision {current}): "
                    "start that version, or restore a backup made before the upgrade"
                )
            if current == known[-1]:
                return
            if current is None:
                create(connection, known[-1])
                connection.commit()
                return
            # Few starts change a table that is there, and only they need Alembic.
            from storage.migrating import upgrade

            upgrade(connection)
            # Of every row: seconds over a large state, so only after tables were changed.
            if self.file is not None and connection.exec_driver_sql(ORPHANS).first() is not None:
                raise StateError(f"{self.address} refers to rows that are gone: restore a backup")
            connection.commit()

    @contextmanager
    def opened(self, *, checked: bool = True) -> Iterator[sqlalchemy.Connection]:
        """A first connection; a `StateError` says what is wrong when there is none to be had.

        Unless `checked`, SQLite looks at references between tables only when it is asked: it alters
        a table by putting a copy in its place, and what refers to it would be left in the air.
        """
        try:
            with self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                if not checked and isinstance(raw, sqlite3.Connection):
                    raw.execute("PRAGMA foreign_keys=OFF")  # does nothing inside a transaction
                connection.begin()
                yield connection
        except sqlalchemy.exc.OperationalError as error:
            raise StateError(
                f"{self.address} cannot be opened "
                f"({first_line(error)}): check the address, that the server or directory is "
                "there, and who may write to it"
            ) from None
        except sqlalchemy.exc.DatabaseError as error:
            raise StateError(
                f"{self.address} cannot be read as a "
                f"state ({first_line(error)}): restore a backup, or choose another place"
            ) from None

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def revisions() -> tuple[str, ...]:
    """The versions of the tables that this program knows, the oldest first."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return tuple(sorted(one.name[:4] for one in folder.glob("[0-9]*_*.py")))


def revision_of(connection: sqlalchemy.Connection) -> str | None:
    """The version of the tables as Alembic notes it; None where there are none yet."""
    if not sqlalchemy.inspect(connection).has_table(VERSIONS):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSIONS}").scalar()
    return None if found is None else str(found)


def first_line(error: sqlalchemy.exc.DBAPIError) -> str:
    """What the driver says, without the statement and its values."""
    return str(error.orig).strip().partition("\n")[0]


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file; characters that mean something in an address are escaped."""
    return URL.create(SQLITE, database=str(path.resolve())).render_as_string(hide_password=False)


def write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch the file to a write-ahead log, waiting for others that are at it.

    SQLite does not ask its own time-out here: of processes that make the same file at the same
    moment all but one would fail at once.
    """
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise
            sleep(0.01)


def document(text: str | bytes) -> Any:
    """A JSON column; pages read hundreds of them, and `json` takes several times as long."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # Python writes numbers that JSON has not, like NaN
        return json.loads(text)


def make_engine(url: str) -> Engine:
    """An engine whose SQLite connections wait for each other and survive kill -9.

    The address is never quoted in an error: where it cannot be read, nobody can tell where in it
    the password is.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise StateError(f"this is no address of a database; use {ADDRESSES}") from None
    if parsed.drivername not in DRIVERS:
        name = parsed.drivername
        raise StateError(f"{name!r} is no database that state can be kept in; use {ADDRESSES}")
    if parsed.get_backend_name() != SQLITE:
        # The last one first: what a server has prepared, it has for one connection.
        remote = sqlalchemy.create_engine(parsed, pool_use_lifo=True, json_deserializer=document)
        ask_the_doubtful(remote)
        return remote
    if parsed.database in (None, "", ":memory:"):
        raise StateError(f"a state in memory would be lost; use {ADDRESSES}")
    # A new connection reads the whole schema before its first statement, which costs more than most
    # statements do. However many are asked for are made; so many are kept, the last one first.
    engine = sqlalchemy.create_engine(
        parsed,
        poolclass=QueuePool,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_use_lifo=True,
        connect_args={"timeout": BUSY_SECONDS},
        json_deserializer=document,
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves, see below
        cursor = connection.cursor()
        write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # The log is emptied when the last connection goes, and these stay.
        cursor.execute(f"PRAGMA journal_size_limit={MOST_LOG_BYTES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: sqlalchemy.Connection) -> None:
        # IMMEDIATE: a deferred transaction that turns writer fails at once instead of waiting.
        reads = connection.get_execution_options().get(READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine

"""One DuckDB file, and what to do when it cannot be read.

Only one process can have it open. Whoever keeps tables in it (the history, the ledger, the marks of
what was read) shares the connection and writes in transactions of its own.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from storage.catalogue import Catalogue
from storage.sizes import size_bytes

Connection = duckdb.DuckDBPyConnection

BLOCK_BYTES = 262_144
HEADERS_BYTES = 3 * 4096  # before the first block: one header of the file, two of the database
FORBIDDEN = tuple(map(os.strerror, (errno.EACCES, errno.EPERM, errno.EROFS)))
FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))
DAMAGED = ("Corrupt", "Could not read", "database has been invalidated")


class HistoryError(Exception):
    """The history cannot be opened; the message says what to do."""


class DuckFile:
    """One open DuckDB file, shared by the books that keep tables in it.

    Only one process can have it open. `memory` is DuckDB's own limit for its buffers.
    """

    def __init__(self, path: Path, *, memory: str = "256MB", threads: int = 2) -> None:
        self.path = path
        self.copying = threading.Lock()  # held while a copy is made and handed out: one at a time
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            log = path.with_name(path.name + ".wal")
            replays = log.exists() and log.stat().st_size > 0
            self.connection = duckdb.connect(
                str(path), config={"memory_limit": memory, "threads": threads}
            )
            if not replays:  # a log that was replayed has made blocks that are not written yet
                check_length(self.connection, path)
        except (duckdb.Error, OSError) as error:
            raise HistoryError(advice(path, error)) from None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the same file; cursors are not shared between threads."""
        return self.connection.cursor()

    def size_bytes(self) -> int:
        """What the file and its log take on disk."""
        files = (self.path, self.path.with_name(self.path.name + ".wal"))
        return sum(map(size_bytes, files))

    def rows(self) -> dict[str, int]:
        """How many rows each table has, as DuckDB keeps count of them; nothing is read for it."""
        found = self.cursor().execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = current_database() ORDER BY table_name"
        )
        return {name: int(count) for name, count in found.fetchall()}

    def memory_bytes(self) -> int:
        """What the buffers take in memory."""
        found = self.cursor().execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
        (total,) = found.fetchone() or (0,)
        return int(total or 0)

    def copy_to(self, path: Path) -> None:
        """Write everything into a new file, as it is at one moment; others go on meanwhile."""
        cursor = self.cursor()
        (name,) = cursor.execute("SELECT current_database()").fetchone() or ("",)
        target = str(path).replace("'", "''")
        try:
            cursor.execute(f"ATTACH '{target}' AS plimsoll_copy")
            try:
                # One statement is one transaction, so the copy is of one moment.
                cursor.execute(f'COPY FROM DATABASE "{name}" TO plimsoll_copy')
                cursor.execute("CHECKPOINT plimsoll_copy")  # else part of it stays in its log
            finally:
                cursor.execute("DETACH plimsoll_copy")
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise HistoryError(
                f"the history cannot be copied to {path.parent} ({first}): "
                "check that there is as much free space as it takes"
            ) from None
        finally:
            cursor.close()

    def close(self) -> None:
        """Write the log into the file and give it back."""
        self.connection.close()


def trouble(path: Path, error: Exception) -> str | None:
    """What to do about an error while the history is in use; None where it is no fault of the file.

    Damage inside of a file shows when that part is read, which may be long after the start.
    """
    said = str(error)
    signs = (*DAMAGED, *FULL, *FORBIDDEN)
    ours = isinstance(error, duckdb.Error) and any(one in said for one in signs)
    return advice(path, error) if ours else None


def check_length(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a file that was cut off; DuckDB notices it when it reads the part that is gone.

    Its exception is a `duckdb.IOException`, and then the connection is closed. The number of blocks
    in the header does not tell: a block that is free at the end need not be in the file.
    """
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()
    newest = 0
    for (name,) in tables:
        (block,) = connection.execute(
            "SELECT coalesce(max(block_id), -1) FROM pragma_storage_info(?)", [name]
        ).fetchone() or (-1,)
        newest = max(newest, HEADERS_BYTES + (block + 1) * BLOCK_BYTES)
    missing = newest - path.stat().st_size
    if newest > HEADERS_BYTES and missing > 0:
        connection.close()
        raise duckdb.IOException(f"it was cut off: {missing} bytes are missing")


def advice(path: Path, error: Exception) -> str:
    """Say what is wrong with the file, and the way out."""
    said = str(error)
    if "could not set lock" in said.lower():
        return (
            f"{path} is in use by another Plimsoll process: "
            "stop that one, or choose another data directory"
        )
    if isinstance(error, duckdb.IOException) and "newer version" in said.lower():
        return (
            f"{path} was written by a newer version: "
            "start that version, or choose another data directory"
        )
    if isinstance(error, OSError):
        return f"{path} cannot be opened ({error.strerror}): check that the directory is writable"
    if reason := next((one for one in FORBIDDEN if one in said), None):
        return (
            f"{path} cannot be opened ({reason}): "
            "check that the directory and the files in it are writable"
        )
    if reason := next((one for one in FULL if one in said), None):
        return (
            f"{path} cannot be written ({reason}): "
            "make space on its disk; nothing that is stored is lost"
        )
    first = said.splitlines()[0] if said else type(error).__name__
    if "replaying WAL" in first:
        return (
            f"the log {path}.wal is damaged ({first}): move that one file away, which loses only "
            "what was written since the last checkpoint, or restore a backup"
        )
    return (
        f"{path} cannot be read as a history ({first}): move it away to start afresh "
        "(regressions are kept in the state file), or restore a backup"
    )


@contextmanager
def transaction(file: DuckFile, *catalogues: Catalogue) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor inside one transaction, rolled back when the body raises.

    What was new in these catalogues is then taken back.
    """
    cursor = file.cursor()
    cursor.begin()
    try:
        yield cursor
        cursor.commit()
    except BaseException:
        for one in catalogues:
            one.settle(committed=False)
        with suppress(duckdb.TransactionException):  # a commit that failed has ended it already
            cursor.rollback()
        raise
    else:
        for one in catalogues:
            one.settle(committed=True)
    finally:
        cursor.close()

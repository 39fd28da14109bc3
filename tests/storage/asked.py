"""Which statements are run on a DuckDB file."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.duckfile import DuckFile

WORDS = {"BEGIN": 1, "COMMIT": 1, "ROLLBACK": 1, "INSERT": 3, "SELECT": 1, "DELETE": 3, "FROM": 2}


@contextmanager
def statements(file: DuckFile) -> Iterator[list[str]]:
    """The beginnings of the statements that are run meanwhile, by anybody; filled at the end."""
    cursor, seen = file.cursor(), list[str]()
    cursor.execute("CALL enable_logging('QueryLog')")
    yield seen
    cursor.execute("CALL disable_logging()")
    rows = cursor.execute("SELECT message FROM duckdb_logs WHERE type = 'QueryLog'").fetchall()
    cursor.execute("CALL truncate_duckdb_logs()")
    for (text,) in rows:
        words = text.split()
        if words[0] != "CALL":
            seen.append(" ".join(words[: WORDS[words[0]]]))

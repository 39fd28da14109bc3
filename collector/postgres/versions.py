"""What differs between versions: of the server, and of the extension pg_stat_statements. Pure.

The columns of pg_stat_statements follow the version of the extension, which an upgrade of the
server leaves as it was until somebody runs ALTER EXTENSION.
"""

from dataclasses import dataclass

OLDEST = 120000
PG_14, PG_16 = 140000, 160000

COLUMNS = (
    "calls",
    "rows",
    "exec_seconds",
    "plan_seconds",
    "shared_blocks_hit",
    "shared_blocks_read",
    "temp_blocks_written",
    "block_read_seconds",
    "block_write_seconds",
    "wal_bytes",
)
"""What is counted of a statement, in the order in which it is read."""

EXEC_SECONDS = COLUMNS.index("exec_seconds")


@dataclass(frozen=True, slots=True)
class Extension:
    """pg_stat_statements as it is installed: its version, and the schema it is in."""

    version: tuple[int, ...]
    schema: str

    @classmethod
    def of(cls, version: str, schema: str) -> "Extension":
        """From pg_extension: `1.10` is newer than `1.9`."""
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        return cls(numbers, schema)

    def named(self, name: str) -> str:
        """A function or view of it, whatever the search path is."""
        schema = self.schema.replace('"', '""')
        return f'"{schema}".{name}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known of the server at one run."""

    version: int
    started_seconds: float
    in_recovery: bool = False
    max_connections: float = 0
    statements: Extension | None = None
    tracked: str | None = None
    most_statements: float | None = None


def statement_numbers(extension: Extension) -> str:
    """The counters of every statement: key, name of the database, since when, then `COLUMNS`.

    Times come in seconds. What a version does not count is NULL.
    """
    version = extension.version
    timed = version >= (1, 8)
    shared = "shared_" if version >= (1, 11) else ""
    columns = (
        "s.calls",
        "s.rows",
        f"s.total_{'exec_' if timed else ''}time / 1e3",
        "s.total_plan_time / 1e3" if timed else "NULL",
        "s.shared_blks_hit",
        "s.shared_blks_read",
        "s.temp_blks_written",
        f"s.{shared}blk_read_time / 1e3",
        f"s.{shared}blk_write_time / 1e3",
        "s.wal_bytes::float8" if timed else "NULL",
    )
    toplevel = "s.toplevel" if version >= (1, 9) else "true"
    since = "extract(epoch FROM s.stats_since)::float8" if version >= (1, 11) else "NULL"
    return (
        f"SELECT s.dbid, s.userid, s.queryid, {toplevel}, d.datname, {since}, {', '.join(columns)} "
        f"FROM {extension.named('pg_stat_statements')}(false) s "
        "JOIN pg_catalog.pg_database d ON d.oid = s.dbid WHERE d.datallowconn"
    )


def statement_texts(extension: Extension, longest: int, ids: tuple[int, ...] = ()) -> str:
    """The texts of statements, of those with these ids or of all: the key, then the text."""
    toplevel = "s.toplevel" if extension.version >= (1, 9) else "true"
    # One constant, so that the statement is the same one to the server however many they are.
    where = f" WHERE s.queryid = ANY ('{{{','.join(map(str, ids))}}}'::bigint[])" if ids else ""
    return (
        f"SELECT s.dbid, s.userid, s.queryid, {toplevel}, left(s.query, {longest}) "
        f"FROM {extension.named('pg_stat_statements')}(true) s{where}"
    )


def statement_info(extension: Extension) -> str | None:
    """How many entries were evicted, and when all were reset; None before PostgreSQL 14."""
    if extension.version < (1, 9):
        return None
    return (
        "SELECT dealloc, extract(epoch FROM stats_reset)::float8 "
        f"FROM {extension.named('pg_stat_statements_info')}"
    )

"""Databases: commits, blocks, temporary files, deadlocks; and how large each is."""

from collector.postgres.config import Group
from collector.postgres.counting import Readings, Row, Totals
from collector.postgres.reading import OTHER, Ask, Read, Reading
from collector.postgres.versions import PG_14, Server

MOST_DATABASES = 100
COUNTED = (
    "xact_commit",
    "xact_rollback",
    "blocks_hit",
    "blocks_read",
    "temp_files",
    "temp_bytes",
    "deadlocks",
    "block_read_seconds",
    "block_write_seconds",
)
COUNTED_14 = ("sessions", "active_seconds", "idle_in_transaction_seconds")

QUERY = """SELECT s.datid, s.datname, s.xact_commit, s.xact_rollback, s.blks_hit, s.blks_read,
  s.temp_files, s.temp_bytes, s.deadlocks, s.blk_read_time / 1e3, s.blk_write_time / 1e3{more}
FROM pg_catalog.pg_stat_database s JOIN pg_catalog.pg_database d ON d.oid = s.datid
WHERE d.datallowconn AND NOT d.datistemplate"""
MORE = ", s.sessions, s.active_time / 1e3, s.idle_in_transaction_time / 1e3"

SIZES = """SELECT d.datname, pg_catalog.pg_database_size(d.oid)::float8
FROM pg_catalog.pg_database d
WHERE d.datallowconn AND NOT d.datistemplate
  AND (pg_catalog.has_database_privilege(d.oid, 'CONNECT')
    OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))"""


class Databases:
    """The counters of every database, the busiest ones under their names."""

    group = Group.DATABASES

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._last: Readings[int] = Readings()
        self._totals: Totals[str] = Totals()

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Template databases, which nobody works in, are left out."""
        columns = COUNTED + (COUNTED_14 if server.version >= PG_14 else ())
        rows: dict[int, Row] = {}
        names: dict[int, str] = {}
        for oid, name, *values in await ask(
            QUERY.format(more=MORE if server.version >= PG_14 else "")
        ):
            names[oid], rows[oid] = name, tuple(map(float, values))
        growth = self._last.compare(rows, at_ms, server.started_seconds)
        if not growth.compared:
            self._totals.clear()
        busiest = sorted(rows, key=lambda oid: (-rows[oid][0], oid))[:MOST_DATABASES]
        shown = {oid: names[oid] for oid in busiest}
        nothing = (0.0,) * len(columns)
        for oid in rows:
            self._totals.add(shown.get(oid, OTHER), growth.rows.get(oid, nothing))
        self._totals.keep([*shown.values(), *([OTHER] if len(rows) > len(shown) else [])])
        readings: list[Reading] = [
            (f"pg_database_{column}_total", {"datname": name}, value)
            for name, row in self._totals.items()
            for column, value in zip(columns, row, strict=True)
        ]
        return Read(readings)


class Sizes:
    """How large databases are; asked rarely, since the server looks at every file."""

    group = Group.SIZES

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Only of databases whose size the role may know."""
        rows = sorted(await ask(SIZES), key=lambda row: -row[1])
        readings: list[Reading] = [
            ("pg_database_size_bytes", {"datname": name}, size)
            for name, size in rows[:MOST_DATABASES]
        ]
        return Read(readings)

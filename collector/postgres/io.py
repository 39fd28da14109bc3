"""Reads and writes by who does them, from PostgreSQL 16 on."""

from collections import defaultdict

from collector.postgres.config import Group
from collector.postgres.counting import Readings, Row, Totals
from collector.postgres.reading import Ask, Read, Reading
from collector.postgres.versions import PG_16, Server

OPERATIONS = ("read", "write", "writeback", "extend", "fsync")
Key = tuple[str, str, str]

QUERY = """SELECT backend_type, object, context,
  coalesce(reads, 0)::float8, coalesce(writes, 0)::float8, coalesce(writebacks, 0)::float8,
  coalesce(extends, 0)::float8, coalesce(fsyncs, 0)::float8,
  coalesce(read_time, 0) / 1e3, coalesce(write_time, 0) / 1e3, coalesce(writeback_time, 0) / 1e3,
  coalesce(extend_time, 0) / 1e3, coalesce(fsync_time, 0) / 1e3
FROM pg_catalog.pg_stat_io"""


class Io:
    """pg_stat_io; before 16 there is none, and so there are no series."""

    group = Group.IO

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._last: Readings[Key] = Readings()
        self._totals: Totals[Key] = Totals()

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Kinds that never did anything have no series."""
        if server.version < PG_16:
            return Read(())
        sums: dict[Key, Row] = defaultdict(lambda: (0.0,) * (2 * len(OPERATIONS)))
        for kind, what, context, *values in await ask(QUERY):
            key = (kind, what, context)
            sums[key] = tuple(a + b for a, b in zip(sums[key], values, strict=True))
        rows = {key: row for key, row in sums.items() if any(row)}
        growth = self._last.compare(rows, at_ms, server.started_seconds)
        if not growth.compared:
            self._totals.clear()
        nothing = (0.0,) * (2 * len(OPERATIONS))
        for key in rows:
            self._totals.add(key, growth.rows.get(key, nothing))
        self._totals.keep(rows)
        readings: list[Reading] = []
        for (kind, what, context), total in self._totals.items():
            labels = {"backend_type": kind, "object": what, "context": context}
            half = len(OPERATIONS)
            for operation, count, seconds in zip(
                OPERATIONS, total[:half], total[half:], strict=True
            ):
                named = {**labels, "op": operation}
                readings.append(("pg_io_operations_total", named, count))
                readings.append(("pg_io_seconds_total", named, seconds))
        return Read(readings)

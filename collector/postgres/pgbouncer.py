"""pgbouncer: clients and servers of each pool, and how long the longest client waits."""

import asyncio

from collector.failure import CollectFailure, Failure
from collector.postgres.config import Group
from collector.postgres.connection import Connection
from collector.postgres.counting import Readings, Row, Totals
from collector.postgres.reading import Ask, Read, Reading
from collector.postgres.versions import Server

CONSOLE = "pgbouncer"
MOST_POOLS = 200
LONGEST_SECONDS = 2.0
"""A console that hangs must not cost the run what the server itself has told."""

CLIENTS = {"active": "cl_active", "waiting": "cl_waiting"}
SERVERS = {"active": "sv_active", "idle": "sv_idle", "used": "sv_used", "tested": "sv_tested",
           "login": "sv_login"}  # fmt: skip
COUNTED = {
    "transactions": ("total_xact_count", 1.0),
    "queries": ("total_query_count", 1.0),
    "received_bytes": ("total_received", 1.0),
    "sent_bytes": ("total_sent", 1.0),
    "transaction_seconds": ("total_xact_time", 1e-6),
    "query_seconds": ("total_query_time", 1e-6),
    "wait_seconds": ("total_wait_time", 1e-6),
}


class Pgbouncer:
    """The console's SHOW POOLS and SHOW STATS, which take no BEGIN and no comment."""

    group = Group.PGBOUNCER

    def __init__(self, interval_seconds: float, connection: Connection) -> None:
        self.interval_seconds = interval_seconds
        self.connection = connection
        self._last: Readings[str] = Readings()
        self._totals: Totals[str] = Totals()

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Columns are found by name: they differ between versions."""
        asking = asyncio.ensure_future(self._everything(at_ms))
        try:
            done, _ = await asyncio.wait({asking}, timeout=LONGEST_SECONDS)
        finally:
            if not asking.done():
                # Cut first: who is only cancelled would wait for an answer to that, too.
                await self.connection.close()
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        if not done:
            raise CollectFailure(Failure.TIMEOUT, "the console of pgbouncer does not answer")
        return Read(asking.result())

    async def _everything(self, at_ms: int) -> list[Reading]:
        await self.connection.open(LONGEST_SECONDS)
        return [*await self._pools(), *await self._stats(at_ms)]

    async def _pools(self) -> list[Reading]:
        readings: list[Reading] = []
        for row in (await self._table("SHOW POOLS"))[:MOST_POOLS]:
            labels = {"database": str(row["database"]), "user": str(row["user"])}
            for kind, states in (("clients", CLIENTS), ("servers", SERVERS)):
                readings += [
                    (f"pgbouncer_{kind}", {**labels, "state": state}, float(row[column]))
                    for state, column in states.items()
                    if column in row
                ]
            seconds = float(row["maxwait"]) + float(row.get("maxwait_us", 0)) / 1e6
            readings.append(("pgbouncer_max_wait_seconds", labels, seconds))
        return readings

    async def _stats(self, at_ms: int) -> list[Reading]:
        rows: dict[str, Row] = {
            str(row["database"]): tuple(
                float(row.get(column, 0)) * scale for column, scale in COUNTED.values()
            )
            for row in (await self._table("SHOW STATS"))[:MOST_POOLS]
        }
        growth = self._last.compare(rows, at_ms, None)
        if not growth.compared:
            self._totals.clear()
        nothing = (0.0,) * len(COUNTED)
        for name in rows:
            self._totals.add(name, growth.rows.get(name, nothing))
        self._totals.keep(rows)
        return [
            (f"pgbouncer_{column}_total", {"database": name}, value)
            for name, row in self._totals.items()
            for column, value in zip(COUNTED, row, strict=True)
        ]

    async def _table(self, command: str) -> list[dict[str, str | int]]:
        names, rows = await self.connection.show(command)
        if "database" not in names:
            raise CollectFailure(Failure.PROTOCOL, f"what it answers to {command} is no table")
        return [dict(zip(names, row, strict=True)) for row in rows]

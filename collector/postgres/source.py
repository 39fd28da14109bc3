"""One PostgreSQL server as a source: which groups are due, asked one after the other.

A group that fails leaves the others as they are, and says why as a part of the run. Only a server
that does not answer at all fails the run. What would not be done in time is left for the next turn,
so that what was read is not lost with it.
"""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from collector.addresses import Resolve
from collector.config import CollectorConfig
from collector.connect import SHARE_OF_INTERVAL
from collector.failure import CollectFailure, Failure
from collector.postgres.activity import Activity
from collector.postgres.config import Group, PostgresTarget
from collector.postgres.connection import Connection, Rows
from collector.postgres.databases import Databases, Sizes
from collector.postgres.io import Io
from collector.postgres.locks import Locks
from collector.postgres.noting import Noting, Write
from collector.postgres.pgbouncer import CONSOLE, Pgbouncer
from collector.postgres.reading import Asked, Read, Reading
from collector.postgres.replication import Replication
from collector.postgres.statements import StatementReader
from collector.postgres.tables import Indexes, Tables
from collector.postgres.versions import OLDEST, Extension, Server
from collector.sidethread import StillBusyError
from collector.source import TARGET, Collected, Drop, Part
from storage.history import Samples
from storage.series import NAME, Labels

KIND = "postgres"

SERVER = """SELECT current_setting('server_version_num')::int,
  extract(epoch FROM pg_catalog.pg_postmaster_start_time())::float8, pg_catalog.pg_is_in_recovery(),
  current_setting('max_connections')::float8, e.extversion, n.nspname,
  current_setting('pg_stat_statements.track', true),
  current_setting('pg_stat_statements.max', true)::float8
FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"""


class Postgres:
    """One server; samples of all its groups carry the time of the run."""

    kind = KIND
    immediate = False

    def __init__(
        self,
        target: PostgresTarget,
        config: CollectorConfig,
        resolve: Resolve,
        *,
        write: Write | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = target.name
        self.interval_seconds = target.interval or config.interval
        self.timeout_seconds = min(
            target.timeout or config.timeout, SHARE_OF_INTERVAL * self.interval_seconds
        )
        self._target = target
        # So that a query which hangs leaves time for another one.
        self._statement_seconds = min(target.statement_timeout, self.timeout_seconds / 2)
        self._most_series = config.limits.series
        self._stopwatch = stopwatch
        self._noting = Noting(target.name, write)
        self._connection = Connection(target, target.database, resolve)
        pooler = target.pgbouncer
        self._console = None if pooler is None else Connection(pooler, CONSOLE, resolve)
        self._groups = groups(target, self.interval_seconds, self._console, self._noting.add)
        self._asked_ms: dict[Group, int] = {}

    def __repr__(self) -> str:
        return f"Postgres({self.name!r})"

    async def collect(self, at_ms: int) -> Collected:
        """Ask whatever is due; a CollectFailure when the server does not answer."""
        started = self._stopwatch()
        await self._connection.open(self.timeout_seconds)
        server = await self._server()
        readings: list[Reading] = [
            ("pg_up", {}, 1.0),
            ("pg_postmaster_start_time_seconds", {}, server.started_seconds),
            ("pg_settings_max_connections", {}, server.max_connections),
            ("pg_server_version", {}, float(server.version)),
        ]
        parts: list[Part] = []
        for group in self._groups:
            if not self._due(group, at_ms):
                continue
            begun = self._stopwatch()
            read = await self._read(group, server, at_ms, begun - started)
            seconds = self._stopwatch() - begun
            readings += read.readings
            parts.append(
                Part(
                    name=group.group.value,
                    seconds=seconds,
                    samples=len(read.readings),
                    failure=read.failure,
                )
            )
        await self._noting.write(at_ms)
        return self._collected(readings, at_ms, parts)

    async def close(self) -> None:
        """Give both connections back."""
        await self._connection.close()
        if self._console is not None:
            await self._console.close()

    async def _read(self, group: Asked, server: Server, at_ms: int, spent: float) -> Read:
        """One group; what fails of it is told, unless the connection itself is gone."""
        if self.timeout_seconds - spent < self._statement_seconds:
            return Read((), CollectFailure(Failure.TIMEOUT, "no time was left in this run"))
        self._asked_ms[group.group] = at_ms
        try:
            return await group.read(self._ask, server, at_ms)
        except StillBusyError:
            return Read((), CollectFailure(Failure.TIMEOUT, "the last texts are still being read"))
        except CollectFailure as failure:
            if group.group is not Group.PGBOUNCER and not self._connection.is_open:
                raise
            return Read((), failure)

    def _due(self, group: Asked, at_ms: int) -> bool:
        """Whether its turn has come; half a turn early is in time."""
        last_ms = self._asked_ms.get(group.group)
        if last_ms is None or at_ms < last_ms:
            return True
        return at_ms - last_ms >= 1000 * (group.interval_seconds - self.interval_seconds / 2)

    async def _server(self) -> Server:
        (
            (version, started, standby, connections, extension, schema, tracked, most),
        ) = await self._ask(SERVER)
        if version < OLDEST:
            raise CollectFailure(
                Failure.PROTOCOL, f"PostgreSQL {version // 10000} is older than {OLDEST // 10000}"
            )
        return Server(
            version=version,
            started_seconds=started,
            in_recovery=standby,
            max_connections=connections,
            statements=extension and Extension.of(extension, schema),
            tracked=tracked,
            most_statements=most,
        )

    async def _ask(self, query: str) -> Rows:
        lock_seconds = self._target.lock_timeout
        return await self._connection.ask(query, self._statement_seconds, lock_seconds)

    def _collected(
        self, readings: Sequence[Reading], at_ms: int, parts: Sequence[Part]
    ) -> Collected:
        kept = readings[: self._most_series]
        series = [self._labels(name, labels) for name, labels, _ in kept]
        left_out = len(readings) - len(kept)
        return Collected(
            Samples.at(series, at_ms, [value for *_, value in kept]),
            {Drop.SERIES: left_out} if left_out else {},
            tuple(parts),
        )

    def _labels(self, name: str, labels: Mapping[str, str]) -> Labels:
        return Labels.of({**self._target.labels, **labels}, **{NAME: name, TARGET: self.name})


def groups(
    target: PostgresTarget,
    interval_seconds: float,
    console: Connection | None,
    note: Callable[[Mapping[tuple[str, str], str], int], None],
) -> list[Asked]:
    """All groups that are asked of a target, the most telling ones first."""

    def pace(seconds: float) -> float:
        return max(seconds, interval_seconds)

    paces = target.intervals
    found: list[Asked] = [
        Activity(interval_seconds),
        Databases(interval_seconds),
        StatementReader(pace(paces.statements), target.statements, note),
        Locks(pace(paces.locks)),
        Replication(interval_seconds),
        Io(pace(paces.io)),
        Tables(pace(paces.tables), target.tables),
        Indexes(pace(paces.tables), 2 * target.tables),
        Sizes(pace(paces.sizes)),
    ]
    if console is not None:
        found.append(Pgbouncer(interval_seconds, console))
    return [one for one in found if one.group not in target.skip]

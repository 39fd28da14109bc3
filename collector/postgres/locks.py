"""Locks: how many of each mode are held and waited for, and how many sessions are blocked."""

from collector.postgres.config import Group
from collector.postgres.reading import Ask, Read, Reading, Seen
from collector.postgres.versions import Server

QUERY = """SELECT coalesce(d.datname, ''), l.mode, l.granted, count(*)
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database
WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() GROUP BY 1, 2, 3"""

BLOCKED = """SELECT count(*),
  coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8
FROM pg_catalog.pg_stat_activity
WHERE wait_event_type = 'Lock' AND cardinality(pg_catalog.pg_blocking_pids(pid)) > 0"""


class Locks:
    """Locks and who waits for them; each question takes the lock table's own locks, so rarely."""

    group = Group.LOCKS

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._seen = Seen()

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Which table is locked is not asked: that would be a series for each."""
        found: dict[tuple[str, ...], float] = {
            (datname, mode, "true" if granted else "false"): float(count)
            for datname, mode, granted, count in await ask(QUERY)
        }
        readings: list[Reading] = [
            ("pg_locks", {"datname": datname, "mode": mode, "granted": granted}, count)
            for (datname, mode, granted), count in self._seen.complete(found, at_ms).items()
        ]
        ((blocked, longest),) = await ask(BLOCKED)
        readings.append(("pg_blocked_backends", {}, float(blocked)))
        readings.append(("pg_longest_blocked_seconds", {}, longest))
        return Read(readings)

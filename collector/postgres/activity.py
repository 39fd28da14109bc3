"""Sessions: how many, in which state, waiting for what. Counts only, never what they run."""

from collections import defaultdict

from collector.postgres.config import Group
from collector.postgres.reading import Ask, Read, Reading, Seen
from collector.postgres.versions import Server

QUERY = """SELECT coalesce(datname, ''), coalesce(state, ''),
  coalesce(wait_event_type, CASE WHEN state = 'active' THEN 'CPU' ELSE '' END),
  count(*), coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8,
  coalesce(max(extract(epoch FROM clock_timestamp() - state_change))
    FILTER (WHERE state LIKE 'idle in transaction%'), 0)::float8
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() GROUP BY 1, 2, 3"""


class Activity:
    """Sessions by database, state and wait; how old the oldest transactions are."""

    group = Group.ACTIVITY

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._seen = Seen()

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Of others the server tells a role without pg_monitor only that they are there."""
        found: dict[tuple[str, ...], float] = defaultdict(float)
        longest = idle = 0.0
        for datname, state, wait, count, transaction, idling in await ask(QUERY):
            found[datname, state, wait] += count
            longest, idle = max(longest, transaction), max(idle, idling)
        readings: list[Reading] = [
            ("pg_backends", {"datname": datname, "state": state, "wait_event_type": wait}, count)
            for (datname, state, wait), count in self._seen.complete(found, at_ms).items()
        ]
        readings.append(("pg_longest_transaction_seconds", {}, longest))
        readings.append(("pg_longest_idle_in_transaction_seconds", {}, idle))
        return Read(readings)

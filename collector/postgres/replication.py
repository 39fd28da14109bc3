"""Replication: how far standbys are behind, and what slots keep."""

from collector.postgres.config import Group
from collector.postgres.reading import Ask, Read, Reading
from collector.postgres.versions import Server

STAGES = ("write", "flush", "replay")

SENDERS = """SELECT coalesce(nullif(application_name, ''), 'unnamed'),
  max(pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn))::float8,
  max(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn))::float8,
  max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::float8,
  max(extract(epoch FROM write_lag))::float8, max(extract(epoch FROM flush_lag))::float8,
  max(extract(epoch FROM replay_lag))::float8
FROM pg_catalog.pg_stat_replication GROUP BY 1 ORDER BY 1 LIMIT 50"""

SLOTS = """SELECT slot_name, pg_wal_lsn_diff(
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
  restart_lsn)::float8
FROM pg_catalog.pg_replication_slots WHERE restart_lsn IS NOT NULL
ORDER BY 2 DESC NULLS LAST LIMIT 50"""

STANDBY = """SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
  ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8,
  pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8"""


class Replication:
    """On a primary what its standbys say, on a standby what it knows of itself."""

    group = Group.REPLICATION

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """A lag that the server does not know, as of a standby that has nothing to do, is 0."""
        readings: list[Reading] = [("pg_in_recovery", {}, float(server.in_recovery))]
        if server.in_recovery:
            ((seconds, lag_bytes),) = await ask(STANDBY)
            labels = {"stage": "replay"}
            if seconds is not None:
                readings.append(("pg_replication_lag_seconds", labels, seconds))
            if lag_bytes is not None:
                readings.append(("pg_replication_lag_bytes", labels, max(0.0, lag_bytes)))
        else:
            for name, *lags in await ask(SENDERS):
                for stage, lag_bytes, seconds in zip(STAGES, lags[:3], lags[3:], strict=True):
                    labels = {"application_name": name, "stage": stage}
                    readings.append(("pg_replication_lag_seconds", labels, seconds or 0.0))
                    if lag_bytes is not None:
                        readings.append(("pg_replication_lag_bytes", labels, max(0.0, lag_bytes)))
        for name, retained in await ask(SLOTS):
            if retained is not None:
                slot = {"slot": name}
                readings.append(("pg_replication_slot_retained_bytes", slot, max(0.0, retained)))
        return Read(readings)

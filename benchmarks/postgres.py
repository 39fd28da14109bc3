"""PostgreSQL: what watching a server with 5,000 statements costs the server, and us.

A real server with 5,000 entries in pg_stat_statements and 1,000 tables is watched for an hour of
injected time, every group at its own pace, while statements run between the readings. What counts
is the CPU time of the server's process that answers Plimsoll, by the kernel, as a share of one
processor over that hour; beside it that of Plimsoll's own process while it collects.
"""

import asyncio
import platform
import random
import time
from importlib.metadata import version
from pathlib import Path

import psycopg

from collector.addresses import SystemResolver
from collector.config import CollectorConfig
from collector.postgres.config import PostgresTarget
from collector.postgres.source import Postgres
from tests.postgres import Postgres as Server
from tests.postgres import postgres

STATEMENTS = 5000
TABLES, COLUMNS = 1000, 5
TURNS, TURN_SECONDS = 240, 15
BUSY_STATEMENTS = 200
"""Statements that run between two turns."""

BEGIN_MS = 1_772_452_800_000
GOAL = 0.005
NANOSECONDS = 1e9
PRELOADED = ("shared_preload_libraries=pg_stat_statements", "track_io_timing=on")


def measure() -> dict[str, object]:
    """The share of one processor, of the server and of ours."""
    with postgres(*PRELOADED, "max_connections=20") as server:
        fill(server)
        server_seconds, ours_seconds, slowest, entries = asyncio.run(watch(server))
        with server.connected() as connection:
            told = connection.execute("SHOW server_version").fetchone()
    span = TURNS * TURN_SECONDS
    share = server_seconds / span
    return {
        "name": "postgres",
        "ours": round(100 * share, 4),
        "peer": None,
        "ratio": None,
        "goal": f"< {100 * GOAL:g} % of one core on the server",
        "met": share < GOAL,
        "unit": f"% of one core of the server over {span} s",
        "plimsoll_percent": round(100 * ours_seconds / span, 4),
        "slowest_turn_cpu_ms": round(1000 * slowest, 1),
        "entries": entries,
        "versions": {
            "python": platform.python_version(),
            "postgresql": told[0] if told else "",
            **{name: version(name) for name in ("plimsoll", "psycopg")},
        },
    }


def query(number: int) -> bytes:
    """One of the statements that the server is to know."""
    table, column = divmod(number, COLUMNS)
    return f"SELECT c{column} FROM t{table} WHERE c{column} = {number}".encode()


def fill(server: Server) -> None:
    """Make the tables, run every statement once, and the role that watches."""
    columns = ", ".join(f"c{number} int" for number in range(COLUMNS))
    with server.connected() as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
        connection.execute(
            f"DO 'BEGIN FOR i IN 0..{TABLES - 1} LOOP "
            f"EXECUTE format(''CREATE TABLE t%s ({columns})'', i); END LOOP; END'".encode()
        )
        connection.execute("SELECT pg_stat_statements_reset()")
        for number in range(STATEMENTS - 60):  # our own statements need some room
            connection.execute(query(number))


async def watch(server: Server) -> tuple[float, float, float, int]:
    """CPU seconds of the server's process and of ours, of our slowest turn, and the entries."""
    target = PostgresTarget(name="main", port=server.port, user="watcher", database="postgres")
    source = Postgres(target, CollectorConfig(), SystemResolver())
    chosen = random.Random(7)
    ours = slowest = 0.0
    entries = 0
    try:
        with server.connected() as connection:
            for turn in range(TURNS):
                for number in chosen.sample(range(STATEMENTS - 60), BUSY_STATEMENTS):
                    connection.execute(query(number))
                begun = time.process_time()
                found = await source.collect(BEGIN_MS + turn * TURN_SECONDS * 1000)
                took = time.process_time() - begun
                failed = [one.name for one in found.parts if one.failure is not None]
                if failed:
                    raise RuntimeError(f"not collected: {', '.join(failed)}")
                ours += took
                slowest = max(slowest, took)
            seconds = processor_seconds(backend(connection))
            row = connection.execute("SELECT count(*) FROM pg_stat_statements").fetchone()
            entries = row[0] if row else 0
    finally:
        await source.close()
    return seconds, ours, slowest, entries


def backend(connection: psycopg.Connection) -> int:
    """The server's process that answers Plimsoll."""
    ((pid,),) = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'plimsoll'"
    ).fetchall()
    return int(pid)


def processor_seconds(pid: int) -> float:
    """The CPU time of a process since its start, by the kernel's scheduler."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / NANOSECONDS

"""From a pgbench load on a real PostgreSQL to a regression, when an index is dropped half-way.

The clock is injected, everything else is real: the server, the load, the collector, the ticks. The
eight days before are the minutes that were measured first, over and over.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from collector.postgres.scrub import fingerprint
from collector.run import UP
from detector.regression import Regression
from detector.run import milliseconds
from storage.history import Samples
from storage.series import NAME, Labels
from tests.api.asking import Client
from tests.collector.postgres.watching import PRELOADED, runs, source_of, values, watched
from tests.postgres import USER, Postgres, binaries, postgres

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
MINUTE_MS, DAYS = 60_000, 8
MEASURED, CALLS = 8, 12
QUIET, PATIENCE = timedelta(minutes=6), timedelta(minutes=45)
LOOKUP = "SELECT balance FROM accounts WHERE owner = ?"
SCRIPTS = {
    "lookup": "\\set owner random(1, 60000)\nSELECT balance FROM accounts WHERE owner = :owner;\n",
    "steady": "\\set day random(1, 300)\nSELECT count(*) FROM days WHERE day > :day;\n",
}


@dataclass(frozen=True)
class Load:
    """pgbench with two statements, each as often as the other."""

    server: Postgres
    folder: Path

    def __call__(self) -> None:
        files = [part for name in SCRIPTS for part in ("-f", str(self.folder / f"{name}.sql"))]
        where = ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", USER, "shop"]
        command = [str(binaries() / "pgbench"), "-n", "-t", str(2 * CALLS), "--random-seed=7"]
        done = subprocess.run(
            [*command, *files, *where], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A shop whose accounts are found by an index."""
    for name, script in SCRIPTS.items():
        (tmp_path / f"{name}.sql").write_text(script)
    with postgres(*PRELOADED, "max_parallel_workers_per_gather=0", "autovacuum=off") as server:
        watched(server, "shop")
        with server.connected("shop") as connection:
            connection.execute(
                "CREATE TABLE accounts AS SELECT i AS id, 1 + i % 60000 AS owner, 0 AS balance, "
                "repeat('x', 60) AS note FROM generate_series(1, 180000) i"
            )
            connection.execute("CREATE INDEX accounts_owner ON accounts (owner)")
            connection.execute("CREATE TABLE days AS SELECT generate_series(1, 20000) AS day")
            connection.execute("VACUUM ANALYZE")
        yield Load(server, tmp_path)


def past(load: Load) -> list[Samples]:
    """Counters of eight days up to noon: the growth of some real minutes, repeated."""
    found = [values(one) for one in runs(source_of(load.server, "shop"), *[load] * (MEASURED + 1))]
    names = ("pg_statement_calls_total", "pg_statement_exec_seconds_total")
    steps = DAYS * 1440
    at_ms = milliseconds(NOON) - MINUTE_MS * np.arange(steps, dtype=np.int64)[::-1]
    made = []
    for labels in found[-1]:
        if labels.metric not in names:
            continue
        counts = np.array([one.get(labels, 0.0) for one in found[1:]])
        series = labels.plus(target="main")
        total = np.cumsum(np.resize(np.diff(counts), steps))
        made.append(Samples((series,), np.zeros(steps, np.int64), at_ms, total))
    up = Labels.of({NAME: UP, "collector": "postgres", "target": "main"})
    made.append(Samples((up,), np.zeros(steps, np.int64), at_ms, np.ones(steps)))
    return made


def house_for(directory: Path, load: Load) -> House:
    target = {"name": "main", "port": load.server.port, "user": "watcher", "database": "shop"}
    data = {
        "storage": {"directory": str(directory)},
        "collector": {"host": False, "interval": "60s", "postgres": [target]},
    }
    return build(settings_of(Document(data=data)), now=lambda: NOON)


async def until_told(house: House, load: Load) -> tuple[list[Regression], datetime]:
    """Live on after noon, minute by minute; the regressions of statements once there is one."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    dropped_at = NOON + QUIET
    now = NOON
    found: list[Regression] = []
    while now < dropped_at + PATIENCE:
        now += timedelta(minutes=1)
        if now == dropped_at:
            with load.server.connected("shop") as connection:
                connection.execute("DROP INDEX accounts_owner")
        await asyncio.to_thread(load)
        await asyncio.gather(*house.collector.start_due(now))
        loops.judge_due(now + timedelta(seconds=15))
        with house.state.reading() as session:
            open_ = house.book.open_regressions(session)
        found = [one for one in open_ if one.rule == "db_statement_regression"]
        if found:
            break
    await house.collector.stop()
    return found, now


@pytest.mark.timeout(240)
def test_a_dropped_index_is_a_regression_of_just_the_statement_that_used_it(
    tmp_path: Path, load: Load
) -> None:
    history = past(load)
    house = house_for(tmp_path, load)
    with closing(house.file), closing(house.state):
        house.history.append(*history)
        house.refill.begin(milliseconds(NOON))
        while house.refill.step():
            pass
        found, told_at = asyncio.run(until_told(house, load))

        (regression,) = found
        name = fingerprint(LOOKUP)
        assert regression.labels.as_dict() == {
            "target": "main",
            "datname": "shop",
            "fingerprint": name,
        }
        dropped_ms = milliseconds(NOON + QUIET)
        assert abs(regression.began_hi_ms - dropped_ms) <= 15 * MINUTE_MS
        assert told_at <= NOON + QUIET + timedelta(minutes=25)
        assert regression.worst is not None
        assert regression.baseline is not None
        assert regression.worst > 5 * regression.baseline

        (known,) = house.statements.find({name}).values()
        assert known.text == LOOKUP
        page = Client(create_app(house)).get(f"/queries/{name}")
        assert LOOKUP in page.text
        assert f"/regressions/{regression.id}" in page.text

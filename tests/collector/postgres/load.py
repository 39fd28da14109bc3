"""A shop under pgbench, whose accounts are found by an index, and a past made of its minutes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collector.run import UP
from storage.history import Samples
from storage.series import NAME, Labels
from tests.collector.postgres.watching import PRELOADED, runs, source_of, values, watched
from tests.postgres import USER, Postgres, binaries, postgres

MINUTE_MS, DAYS = 60_000, 8
MEASURED, CALLS = 8, 12
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

    def command(self, *options: str) -> list[str]:
        """A run of pgbench with these options."""
        files = [part for name in SCRIPTS for part in ("-f", str(self.folder / f"{name}.sql"))]
        where = ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", USER, "shop"]
        program = [str(binaries() / "pgbench"), "-n", "--random-seed=7"]
        return [*program, *options, *files, *where]

    def __call__(self) -> None:
        """A minute's worth of it."""
        command = self.command("-t", str(2 * CALLS))
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    def drop_index(self) -> None:
        """From now on accounts are looked for in all rows."""
        with self.server.connected("shop") as connection:
            connection.execute("DROP INDEX accounts_owner")


@contextmanager
def shop(folder: Path) -> Iterator[Load]:
    """A server with accounts and an index on them; scripts are written to the folder."""
    for name, script in SCRIPTS.items():
        (folder / f"{name}.sql").write_text(script)
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
        yield Load(server, folder)


def past(load: Load, until_ms: int) -> list[Samples]:
    """Counters of eight days up to a time: the growth of some real minutes, drawn anew.

    Not one after the other: what comes back every so many minutes is the same in each span of as
    many, and any change of it beyond what two weeks have held.
    """
    found = [values(one) for one in runs(source_of(load.server, "shop"), *[load] * (MEASURED + 1))]
    names = ("pg_statement_calls_total", "pg_statement_exec_seconds_total")
    steps = DAYS * 1440
    at_ms = until_ms - MINUTE_MS * np.arange(steps, dtype=np.int64)[::-1]
    drawn = np.random.default_rng(7).integers(0, MEASURED, steps)
    made = []
    for labels in found[-1]:
        if labels.metric not in names:
            continue
        counts = np.array([one.get(labels, 0.0) for one in found[1:]])
        series = labels.plus(target="main")
        total = np.cumsum(np.diff(counts)[drawn])
        made.append(Samples((series,), np.zeros(steps, np.int64), at_ms, total))
    up = Labels.of({NAME: UP, "collector": "postgres", "target": "main"})
    made.append(Samples((up,), np.zeros(steps, np.int64), at_ms, np.ones(steps)))
    return made

"""A book of regressions as a busy company has it after three years: rows, straight into a state.

Rows are written by SQL, not by ticks: what is measured is asking. Their shape, and the size of
their evidence, are those that ticks write.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import psycopg
from sqlalchemy import Integer, Table
from sqlmodel import SQLModel

from detector.incident_tables import FindingRow, IncidentStepRow
from detector.tables import DeploymentRow, IncidentRow, RegressionRow, TransitionRow
from storage.state import State

REACH_MS = 3 * 365 * 86_400_000
HOLDING = 50
STORM = 400
BATCH = 20_000
SIGNALS = [f"signal_{number:02}" for number in range(45)]
TARGETS = [f"target-{number:02}" for number in range(40)]
PEOPLE = ("ada", "ben", "cleo", "dag")
OVER = {"resolved": 70, "transient": 15, "accepted": 8, "false_positive": 7}
SEVERITIES = {"warning": 75, "critical": 20, "info": 5}
STEPS = ("suspected", "opened", "escalated", "acknowledged", "commented", "muted", "unmuted",
         "resolved")  # fmt: skip
STAGES = {
    "expected": 0.2181624262195727, "scale": 0.005692153171544347, "effect": 0.154451686330239,
    "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014874897316283001,
    "span_seconds": 1200.0, "before": 0.2164780164083259, "after": 0.28955409589210124,
}  # fmt: skip
EVIDENCE = json.dumps(
    {"value": 0.3257, "n": 1270.73, "threshold": 0.2619, "baseline": 0.2182, "deviation": 0.00546,
     "baseline_n": 393119.9, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed",
     "reason": "", "stages": STAGES}
)  # fmt: skip
ORIGIN = json.dumps({"verdict": "only_one", "regression_id": "", "reasons": [], "among": []})


def falling(names: Sequence[str]) -> tuple[Sequence[str], list[float]]:
    """Names with weights that fall as 1/rank: a few signals and targets make most of the noise."""
    return names, list(accumulate(1 / rank for rank in range(1, len(names) + 1)))


class Past:
    """The rows, in an order in which each refers only to what is there; seeded."""

    def __init__(
        self, regressions: int, events: int, now_ms: int, *, holding: int = HOLDING, seed: int = 7
    ) -> None:
        self.regressions, self.events, self.now_ms = regressions, events, now_ms
        self.holding = holding
        self.random = random.Random(seed)
        self.deployments = max(1, regressions // 50)

    def opened_ms(self, number: int) -> int:
        """When the regression of this number was found."""
        return self.now_ms - REACH_MS + REACH_MS * (number + 1) // (self.regressions + 1)

    def tables(self) -> Iterator[tuple[Table, Iterable[dict[str, Any]]]]:
        """Each table with its rows; the events follow what was made before them."""
        incidents, regressions = self.lives()
        yield table(DeploymentRow), self.deployed()
        yield table(IncidentRow), incidents
        yield table(RegressionRow), regressions
        found = [
            {
                "incident_id": one["id"],
                "at_ms": one["opened_ms"],
                "merged_into": "",
                "storm": False,
                "origin": ORIGIN,
                "correlations": "[]",
            }
            for one in incidents
        ]
        yield table(FindingRow), found
        yield table(IncidentStepRow), self.incident_steps(incidents)
        yield table(TransitionRow), self.steps(regressions, self.events - 2 * len(incidents))

    def deployed(self) -> Iterator[dict[str, Any]]:
        """Deployments, evenly over time."""
        for number in range(self.deployments):
            yield {
                "id": f"dep_{number:016x}",
                "service": TARGETS[number % len(TARGETS)],
                "version": f"1.{number}",
                "at_ms": self.now_ms - REACH_MS + REACH_MS * number // self.deployments,
                "sha": "9f1c2ab",
                "environment": "production",
                "url": "https://ci.example/runs/4711",
            }

    def lives(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Incidents of one to six regressions, one of them a storm; a tenth got better."""
        incidents: list[dict[str, Any]] = []
        regressions = []
        room = 0
        for number in range(self.regressions):
            better = self.random.random() < 0.1
            holds = number >= self.regressions - self.holding
            if not better and room == 0:
                room = STORM if number > self.regressions // 2 >= number - 7 else 0
                room = room or self.random.randint(1, 6)
                incidents.append(self.incident(number, holds))
            room -= not better
            regressions.append(
                self.regression(number, None if better else incidents[-1]["id"], holds)
            )
        return incidents, regressions

    def incident(self, number: int, holds: bool) -> dict[str, Any]:
        """One incident that this regression begins."""
        opened_ms = self.opened_ms(number)
        return {
            "id": f"inc_{self.random.getrandbits(64):016x}",
            "labels": '{"target": "target-00"}',
            "phase": "open" if holds else "resolved",
            "severity": self.pick(SEVERITIES),
            "opened_ms": opened_ms,
            "resolved_ms": None if holds else opened_ms + 5_400_000,
            "version": 2,
            "announced": 2,
            "deployment_id": f"dep_{number * self.deployments // self.regressions:016x}",
        }

    def regression(self, number: int, incident_id: str | None, holds: bool) -> dict[str, Any]:
        """One regression, or an improvement where there is no incident."""
        phase = "open" if holds else self.pick(OVER)
        opened_ms = self.opened_ms(number)
        signal = self.heavy(SIGNALS)
        target = self.heavy(TARGETS)
        fingerprint = f"{self.random.getrandbits(64):016x}"
        labels = {"method": "GET", "route": f"/page/{number % 300}", "target": target}
        return {
            "id": f"reg_{self.random.getrandbits(64):016x}",
            "incident_id": incident_id,
            "fingerprint": fingerprint,
            "open_key": fingerprint if holds else None,
            "rule": f"{signal}_{'sigma' if number % 3 else 'high'}",
            "signal": signal,
            "title": f"Signal of {target}",
            "unit": "seconds",
            "labels": json.dumps(labels),
            "target": target,
            "worse": "up",
            "severity": self.pick(SEVERITIES),
            "phase": phase,
            "value": 0.3257,
            "worst": 0.3621,
            "threshold": 0.2619,
            "baseline": 0.2182,
            "began_lo_ms": opened_ms - 900_000,
            "began_hi_ms": opened_ms - 600_000,
            "opened_ms": opened_ms,
            "updated_ms": opened_ms + 5_400_000,
            "clear_since_ms": None if holds else opened_ms + 3_600_000,
            "resolved_ms": None if holds else opened_ms + 5_400_000,
            "runbook": "/runbooks/api_p95_high",
            "evidence": EVIDENCE,
            "kind": "regression" if incident_id else "improvement",
            "version": 2,
            "held_since_ms": opened_ms,
            "earlier": "[]",
            "recorded": 0.1099,
            "recorded_ms": opened_ms,
            "tags": "[]",
            "muted_until_ms": None,
            "silent_since_ms": None,
            "accepted_from_ms": opened_ms - 600_000 if phase == "accepted" else None,
            "by": "",
        }

    def incident_steps(self, incidents: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Two steps of each incident."""
        for one in incidents:
            for step, at_ms in (("opened", one["opened_ms"]), ("tested", one["resolved_ms"])):
                yield {
                    "incident_id": one["id"],
                    "at_ms": at_ms or one["opened_ms"],
                    "actor": "detector",
                    "step": step,
                    "reason": "a regression began it",
                    "evidence": '{"regression": ""}',
                }

    def steps(self, regressions: Sequence[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
        """The steps of regressions; those of the detector carry evidence, people give reasons."""
        for number in range(count):
            one = regressions[number * len(regressions) // count]
            step = STEPS[number % len(STEPS)]
            person = step in {"acknowledged", "commented", "muted", "unmuted"}
            yield {
                "regression_id": one["id"],
                "at_ms": one["opened_ms"] + number % len(STEPS) * 60_000,
                "actor": PEOPLE[number % 4] if person and number % 5 == 0 else "detector",
                "before": "open",
                "after": "open",
                "reason": "clear for long enough",
                "step": step,
                "evidence": "{}" if person else EVIDENCE,
            }

    def pick(self, shares: dict[str, int]) -> str:
        """One of them, by its share."""
        return self.random.choices(list(shares), list(shares.values()))[0]

    def heavy(self, names: Sequence[str]) -> str:
        """One of them; the first is the most common."""
        known, weights = falling(names)
        return self.random.choices(known, cum_weights=weights)[0]


def table(model: type[SQLModel]) -> Table:
    """The table of a model."""
    found: Table = model.metadata.tables[str(model.__tablename__)]
    return found


def fill(state: State, past: Past) -> None:
    """Write a past into a migrated, empty state; its indexes are built at the end."""
    raw = state.engine.raw_connection()
    try:
        inner = raw.driver_connection
        if isinstance(inner, sqlite3.Connection):
            fill_sqlite(inner, past)
        elif isinstance(inner, psycopg.Connection):
            fill_postgres(inner, past)
    finally:
        raw.close()


def fill_sqlite(connection: sqlite3.Connection, past: Past) -> None:
    """Into SQLite."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    made = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    for into, rows in past.tables():
        known = columns(into)
        places = ", ".join("?" for _ in known)
        connection.executemany(
            f"INSERT INTO {into.name} ({', '.join(known)}) VALUES ({places})",
            (ordered(row, known) for row in rows),
        )
    for _, sql in made:
        connection.execute(sql)
    connection.execute("ANALYZE")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_postgres(connection: psycopg.Connection, past: Past) -> None:
    """Into PostgreSQL."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname "
        "LIKE 'ix_%'"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}".encode())
    for into, rows in past.tables():
        known = columns(into)
        asked = f"COPY {into.name} ({', '.join(map(quoted, known))}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(asked.encode()) as copy:
            for row in rows:
                copy.write_row(ordered(row, known))
    for _, sql in found:
        connection.execute(sql.encode())
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def columns(into: Table) -> list[str]:
    """The columns that rows are written to; numbers that the state gives itself are left out."""
    return [
        one.name for one in into.columns if not isinstance(one.type, Integer) or one.name != "id"
    ]


def quoted(name: str) -> str:
    """A name that may be a word of SQL."""
    return f'"{name}"'


def ordered(row: dict[str, Any], known: Sequence[str]) -> tuple[Any, ...]:
    """The values of a row in the order of the columns."""
    return tuple(row[name] for name in known)

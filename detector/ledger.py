"""What was judged, with its evidence, in columns beside the history.

Judgements are many (each rule, each series, each minute) and hardly ever read, so they stand in
the DuckDB file and not among the regressions. Those that say something, refusals among them, are
all kept. `steady` and `unknown` are kept when the verdict or its reason is another than before, and
once an hour: what was said at any time is what was said last within the hour before. A tick that is
repeated after a crash replaces what it wrote before, and so does a process that has just started.
"""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.judgement import REASONS, VERDICTS, Judgement, Reason, Verdict, Verdicts
from storage.catalogue import Catalogue, read_labels
from storage.cost import Part, counted
from storage.duckfile import Connection, DuckFile, transaction
from storage.history import Flags, Ints
from storage.series import Labels

SCHEMA = """
CREATE TABLE IF NOT EXISTS judged_series (id INTEGER, rule VARCHAR, labels VARCHAR);
CREATE TABLE IF NOT EXISTS judgements (
    at_ms BIGINT, series INTEGER, signal VARCHAR, verdict VARCHAR, reason VARCHAR,
    value DOUBLE, n DOUBLE, threshold DOUBLE, baseline DOUBLE, deviation DOUBLE,
    baseline_n DOUBLE, days INTEGER, breaches INTEGER, of_windows INTEGER,
    critical BOOLEAN, clear BOOLEAN, began_lo_ms BIGINT, began_hi_ms BIGINT
);
"""
COLUMNS = (
    "at_ms, signal, verdict, reason, value, n, threshold, baseline, deviation, baseline_n, days, "
    "breaches, of_windows, critical, clear, began_lo_ms, began_hi_ms"
)

# Words are handed over as numbers: of a column of Python's strings DuckDB looks at each.
INSERT = (
    "INSERT INTO judgements SELECT ?, series, (?::VARCHAR[])[signal], (?::VARCHAR[])[verdict], "
    "(?::VARCHAR[])[reason], value, n, threshold, baseline, deviation, baseline_n, days, breaches, "
    "of_windows, critical, clear, began_lo_ms, began_hi_ms FROM judged"
)
Column = NDArray[Any]
Unit = Callable[[Catalogue], AbstractContextManager[Connection]]
"""Begins a transaction in which the new series of a catalogue are written."""

REPEAT_MS = 3_600_000
"""A verdict that does not change is written again after so long."""

ALWAYS = np.array([one not in (Verdict.UNKNOWN, Verdict.STEADY) for one in VERDICTS])
"""Which verdicts are written each time."""

NUMBERS = (
    "value", "n", "threshold", "baseline", "deviation", "baseline_n", "days", "breaches", "of",
    "critical", "clear", "began_lo_ms", "began_hi_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which judgements: each given condition narrows the answer.

    `last` leaves only the newest of each rule on each series.
    """

    rule: str | None = None
    signal: str | None = None
    labels: Labels | None = None
    verdict: Verdict | None = None
    reason: Reason | None = None
    since_ms: int = 0
    until_ms: int = 2**62
    last: bool = False
    limit: int = 100


class Said:
    """The verdict and reason that stand last in the ledger, by the id of the series."""

    def __init__(self) -> None:
        self.until_ms: int | None = None  # the tick that was written last
        self.at_ms = np.empty(0, np.int64)
        self.kind = np.empty(0, np.int64)

    def is_before(self, at_ms: int) -> bool:
        """Whether this is what stood there when a tick at this time is written."""
        return self.until_ms is not None and self.until_ms < at_ms

    def kept(self, at_ms: int, ids: Ints, kind: Ints, always: Flags) -> Ints:
        """Which of the judgements are kept; they are noted."""
        self.reserve(ids)
        changed = (self.kind[ids] != kind) | (self.at_ms[ids] <= at_ms - REPEAT_MS)
        rows = np.flatnonzero(always | changed)
        self.note(np.full(len(rows), at_ms), ids[rows], kind[rows])
        return rows

    def note(self, at_ms: Ints, ids: Ints, kind: Ints) -> None:
        """These stand last now."""
        self.reserve(ids)
        self.at_ms[ids], self.kind[ids] = at_ms, kind

    def reserve(self, ids: Ints) -> None:
        """Make room for these ids."""
        more = int(ids.max(initial=-1)) + 1 - len(self.kind)
        if more > 0:
            spare = np.full(more + len(self.kind), -1, np.int64)
            self.kind = np.concatenate([self.kind, spare])
            self.at_ms = np.concatenate([self.at_ms, np.full(len(spare), -(2**62))])


class Ledger:
    """The judgements on a DuckDB file. Safe to call from several threads."""

    def __init__(self, file: DuckFile) -> None:
        self.file = file
        self.lock = threading.Lock()
        cursor = file.cursor()
        cursor.execute(SCHEMA)
        self.series = Catalogue(cursor.execute("FROM judged_series").fetchall())
        self.said = Said()
        self.ids: dict[str, tuple[tuple[Labels, ...], Ints]] = {}

    def write(self, at_ms: int, all_verdicts: Sequence[Verdicts], unit: Unit | None = None) -> None:
        """Store the judgements of one tick in one transaction, in place of earlier ones.

        `unit` begins that transaction where others write in it as well, as a tick its windows.
        """
        begun = unit or partial(transaction, self.file)
        with self.lock:
            try:
                if self.said.is_before(at_ms):
                    rows = self.rows(at_ms, all_verdicts)
                    if len(rows) or self.series.new:  # else nothing is new: no transaction
                        with begun(self.series) as cursor:
                            self.insert(cursor, at_ms, rows, all_verdicts)
                else:
                    with begun(self.series) as cursor:
                        cursor.execute("DELETE FROM judgements WHERE at_ms = ?", [at_ms])
                        self.said = self.read_said(cursor, at_ms)
                        rows = self.rows(at_ms, all_verdicts)
                        self.insert(cursor, at_ms, rows, all_verdicts)
                self.said.until_ms = at_ms
            except BaseException:
                # What was noted is not stored, and the ids of new series are taken back.
                self.said = Said()
                self.ids.clear()
                self.series.settle(committed=False)
                raise

    def rows(self, at_ms: int, all_verdicts: Sequence[Verdicts]) -> dict[str, Column]:
        """The judgements of a tick that are kept, as columns; empty when none is."""
        found = []
        for number, verdicts in enumerate(all_verdicts, 1):
            ids = self.identify(verdicts)
            kind = verdicts.verdict * len(REASONS) + verdicts.reason
            rows = self.said.kept(at_ms, ids, kind, ALWAYS[verdicts.verdict])
            if len(rows):
                mine = {"series": ids[rows], "signal": np.full(len(rows), number)}
                found.append(columns(verdicts, rows) | mine)
        if not found:
            return {}
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def insert(
        self,
        cursor: Connection,
        at_ms: int,
        judged: dict[str, Column],
        all_verdicts: Sequence[Verdicts],
    ) -> None:
        """Write what is kept, and the series that are new."""
        if judged:
            # DuckDB finds `judged` by its name in this frame, in half the time of register().
            signals = [one.signal for one in all_verdicts]
            cursor.execute(INSERT, [at_ms, signals, list(VERDICTS), list(REASONS)])
        self.series.store_new(cursor, "judged_series")

    def identify(self, verdicts: Verdicts) -> Ints:
        """The id of each series under a rule; at once when the same ones are judged again."""
        known = self.ids.get(verdicts.rule)
        if known is None or known[0] is not verdicts.judged.series:
            ids = self.series.identify(verdicts.judged.series, verdicts.rule)
            known = self.ids[verdicts.rule] = (verdicts.judged.series, ids)
        return known[1]

    def read_said(self, cursor: Connection, at_ms: int) -> "Said":
        """What was said last in the hour before, as a process that has just started finds it."""
        found = cursor.execute(
            "SELECT series, max(at_ms) AS at_ms, arg_max(verdict, at_ms) AS verdict, "
            "arg_max(reason, at_ms) AS reason FROM judgements "
            "WHERE at_ms > ? AND at_ms < ? GROUP BY series",
            [at_ms - REPEAT_MS, at_ms],
        ).fetchnumpy()
        said = Said()
        verdict = [VERDICTS.index(Verdict(one)) for one in found["verdict"]]
        reason = [REASONS.index(Reason(one)) for one in found["reason"]]
        kind = np.array(verdict, np.int64) * len(REASONS) + np.array(reason, np.int64)
        said.note(found["at_ms"].astype(np.int64), found["series"].astype(np.int64), kind)
        return said

    def in_force(
        self, signal: str, labels: Labels, at_ms: int, step_ms: int = 60_000
    ) -> list[Judgement]:
        """What each rule said about a series at a time, with the numbers of when it was written.

        `step_ms` is the distance of ticks. A rule that is not among them did not judge the series.
        """
        since_ms = at_ms - REPEAT_MS - step_ms + 1
        wanted = Wanted(
            signal=signal, labels=labels, since_ms=since_ms, until_ms=at_ms, last=True, limit=10_000
        )
        return sorted(self.read(wanted), key=lambda one: one.rule)

    @counted(Part.HISTORY)
    def read(self, wanted: Wanted) -> list[Judgement]:
        """Judgements, newest first."""
        conditions, values = ["at_ms >= ?", "at_ms <= ?"], [wanted.since_ms, wanted.until_ms]
        equal = {
            "rule": wanted.rule,
            "signal": wanted.signal,
            "verdict": wanted.verdict,
            "reason": wanted.reason,
        }
        given = {name: str(value) for name, value in equal.items() if value is not None}
        if wanted.labels is not None:
            labels, rules = wanted.labels, list(self.series.ids)
            ids = [id_ for one in rules for id_ in self.series.find(one, lambda s: s == labels)]
            conditions.append(f"series IN ({', '.join(map(str, ids or [-1]))})")
        conditions += [f"{name} = ?" for name in given]
        last = "QUALIFY row_number() OVER (PARTITION BY series ORDER BY at_ms DESC) = 1"
        rows = (
            self.file.cursor()
            .execute(
                f"SELECT rule, labels, {COLUMNS} FROM judgements JOIN judged_series ON series = id "
                f"WHERE {' AND '.join(conditions)} {last if wanted.last else ''} "
                "ORDER BY at_ms DESC, rule, id LIMIT ?",
                [*values, *given.values(), wanted.limit],
            )
            .fetchall()
        )
        return [judgement(*row) for row in rows]

    def retain(self, after_ms: int) -> int:
        """Drop what is older, give back how many went."""
        with self.lock, transaction(self.file, self.series) as cursor:
            row = cursor.execute("DELETE FROM judgements WHERE at_ms <= ?", [after_ms]).fetchone()
        return int(row[0]) if row else 0


def columns(verdicts: Verdicts, rows: Ints) -> dict[str, Column]:
    """Some of the judgements as columns that SQL can read; words as their places from 1 up."""
    background, limits = verdicts.background, verdicts.limits
    every: dict[str, Column] = {
        "value": verdicts.judged.values[:, -1],
        "n": verdicts.judged.n[:, -1],
        "threshold": limits.threshold,
        "baseline": background.mean,
        "deviation": background.deviation,
        "baseline_n": background.n,
        "days": background.days,
        "breaches": verdicts.breaches,
        "critical": verdicts.critical,
        "clear": verdicts.clear,
        "began_lo_ms": verdicts.began_lo_ms,
        "began_hi_ms": verdicts.began_hi_ms,
    }
    return {
        "of_windows": np.full(len(rows), verdicts.judged.values.shape[1]),
        "verdict": verdicts.verdict[rows] + 1,
        "reason": verdicts.reason[rows] + 1,
        **{name: column[rows] for name, column in every.items()},
    }


def judgement(rule: str, labels: str, at_ms: int, signal: str, *rest: object) -> Judgement:
    """One judgement from its row."""
    verdict, reason, *numbers = rest
    named = dict(zip(NUMBERS, numbers, strict=True))
    floats = {name: math.nan if named[name] is None else named[name] for name in NUMBERS}
    return Judgement(
        rule=rule,
        signal=signal,
        labels=read_labels(labels),
        at_ms=at_ms,
        verdict=Verdict(str(verdict)),
        reason=Reason(str(reason)),
        **floats,  # type: ignore[arg-type]
    )

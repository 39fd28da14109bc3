"""Every judgement with its evidence, in columns beside the history.

Judgements are many (each rule, each series, each minute) and hardly ever read, so they stand in
the DuckDB file and not among the regressions. A tick that is repeated after a crash replaces what
it wrote before.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.judgement import REASONS, VERDICTS, Judgement, Reason, Verdict, Verdicts
from storage.catalogue import Catalogue, read_labels
from storage.duck import DuckFile, transaction
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

NUMBERS = (
    "value", "n", "threshold", "baseline", "deviation", "baseline_n", "days", "breaches", "of",
    "critical", "clear", "began_lo_ms", "began_hi_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which judgements: each given condition narrows the answer."""

    rule: str | None = None
    signal: str | None = None
    labels: Labels | None = None
    verdict: Verdict | None = None
    reason: Reason | None = None
    since_ms: int = 0
    until_ms: int = 2**62
    limit: int = 100


class Ledger:
    """The judgements on a DuckDB file. Safe to call from several threads."""

    def __init__(self, file: DuckFile) -> None:
        self.file = file
        self.lock = threading.Lock()
        cursor = file.cursor()
        cursor.execute(SCHEMA)
        self.series = Catalogue(cursor.execute("FROM judged_series").fetchall())

    def write(self, at_ms: int, all_verdicts: Sequence[Verdicts]) -> None:
        """Store the judgements of one tick in one transaction, in place of earlier ones."""
        with self.lock, transaction(self.file, self.series) as cursor:
            cursor.execute("DELETE FROM judgements WHERE at_ms = ?", [at_ms])
            for verdicts in all_verdicts:
                if not len(verdicts):
                    continue
                ids = self.series.identify(verdicts.judged.series, verdicts.rule)
                cursor.register("judged", columns(verdicts) | {"series": ids})
                cursor.execute(
                    "INSERT INTO judgements SELECT ?, series, ?, verdict, reason, value, n, "
                    "threshold, baseline, deviation, baseline_n, days, breaches, ?, critical, "
                    "clear, began_lo_ms, began_lo_ms + ? FROM judged",
                    [at_ms, verdicts.signal, verdicts.judged.values.shape[1], verdicts.each_ms],
                )
            self.series.store_new(cursor, "judged_series")

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
        rows = (
            self.file.cursor()
            .execute(
                f"SELECT rule, labels, {COLUMNS} FROM judgements JOIN judged_series ON series = id "
                f"WHERE {' AND '.join(conditions)} ORDER BY at_ms DESC, rule, id LIMIT ?",
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


def columns(verdicts: Verdicts) -> dict[str, object]:
    """Judgements as columns that SQL can read."""
    background, limits = verdicts.background, verdicts.limits
    return {
        "verdict": np.array(VERDICTS, object)[verdicts.verdict],
        "reason": np.array(REASONS, object)[verdicts.reason],
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

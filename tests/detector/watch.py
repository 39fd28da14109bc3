"""A detector over a small history: one gauge a series, a level a minute, ticks when told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from detector.book import Book
from detector.config import build_rules, build_signals
from detector.incidents import Depth
from detector.increase import UP
from detector.ledger import Ledger
from detector.meters import DetectorMeters
from detector.regression import Regression
from detector.run import Definitions, Detector
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import NO_LAYOUT, Samples, Windows
from storage.series import NAME, Labels
from storage.state import State
from tests.migrated import place_state
from tests.notation import array

NOON_MS = 1_772_452_800_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SERIES = Labels.of(target="shop")
LEVEL = {"form": "gauge", "metric": "level", "by": ["target"], "unit": "seconds", "title": "Level"}
HIGH = {
    "signal": "level",
    "trigger": {"absolute": {"above": 20}},
    "sustain": {"for": "3m"},
    "clear": {"level": 15, "for": "3m"},
}
RISEN = {
    "signal": "level",
    "trigger": {"relative": {"above": 1.2}},
    "sustain": {"windows": 2, "of": 2},
    "clear": {"level": 1.1, "for": "10m"},
    "critical": 1.5,
}


def definitions(
    rules: Mapping[str, Any] | None = None, signals: Mapping[str, Any] | None = None
) -> Definitions:
    """The gauge `level`, above 20 for three minutes and a fifth above its average."""
    return Definitions(
        build_signals({"level": LEVEL} if signals is None else signals),
        build_rules({"high": HIGH, "risen": RISEN} if rules is None else rules),
    )


class Watch:
    """Everything that a tick needs, on files in a directory; `restarted` opens them anew."""

    def __init__(
        self, directory: Path, chosen: Definitions | None = None, book: Book | None = None
    ) -> None:
        self.directory = directory
        self.file = DuckFile(directory / "history.duckdb")
        self.history = DuckHistory(self.file)
        place_state(directory / "state.sqlite3")
        self.state = State(f"sqlite:///{directory / 'state.sqlite3'}")
        self.registry = CollectorRegistry()
        self.ledger = Ledger(self.file)
        self.book = book or Book()
        self.detector = Detector(
            chosen or definitions(),
            self.history,
            self.state,
            self.book,
            self.ledger,
            DetectorMeters(self.registry),
        )

    def close(self) -> None:
        """Give back the files."""
        self.state.close()
        self.file.close()

    def restarted(self, chosen: Definitions | None = None) -> "Watch":
        """As after a new start of the process."""
        self.close()
        return Watch(self.directory, chosen or self.detector.definitions)

    def level(self, text: str, first_minute: int = 1, labels: Labels = SERIES) -> None:
        """One sample a minute, the first so many minutes after noon."""
        values = array(text)
        at_ms = NOON_MS + (first_minute + np.arange(len(values))) * MINUTE_MS
        there = ~np.isnan(values)
        count = int(there.sum())
        up = Labels.of({NAME: UP, "target": labels.get("target")})
        self.history.append(
            Samples(
                (labels.plus(**{NAME: "level"}), up),
                np.concatenate([np.zeros(count, np.int64), np.ones(count, np.int64)]),
                np.tile(at_ms[there], 2),
                np.concatenate([values[there], np.ones(count)]),
            )
        )

    def past(self, text: str, days: int = 8, seconds: float = 300.0) -> None:
        """A window every five minutes before noon, evenly shared by the values of the text."""
        ends = np.arange(NOON_MS - days * DAY_MS, NOON_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
        given = array(text)
        values = given[np.arange(len(ends)) * len(given) // len(ends)]
        there = ~np.isnan(values)
        self.windows(ends[there].tolist(), values[there].tolist(), seconds)

    def windows(
        self,
        ends: Sequence[int],
        values: Sequence[float],
        seconds: float = 300.0,
        signal: str = "level",
    ) -> None:
        """Windows as they stand, each of five observations."""
        count = len(ends)
        self.history.put_windows(
            Windows(
                signal,
                (SERIES,),
                np.zeros(count, np.int64),
                np.asarray(ends, np.int64),
                np.full(count, seconds),
                np.asarray(values, np.float64),
                np.full(count, 5.0),
                np.full(count, NO_LAYOUT, np.int64),
            )
        )

    def ticks(self, first_minute: int, last_minute: int) -> None:
        """Every minute from one to the other."""
        for minute in range(first_minute, last_minute + 1):
            self.detector.tick(NOON_MS + minute * MINUTE_MS)

    def judgement(self, minute: int, rule: str) -> Any:
        """What a rule says about the one series at a minute."""
        verdicts = self.detector.tick(NOON_MS + minute * MINUTE_MS)
        (found,) = [row for one in verdicts if one.rule == rule for row in one.rows()]
        return found

    def regressions(self) -> list[Regression]:
        """All of them, the oldest first."""
        with self.state.reading() as session:
            found = self.book.spans(session, 0, Depth.WHOLE)
        return sorted(found, key=lambda one: (one.opened_ms, one.rule))

    def metric(self, name: str, **labels: str) -> float:
        """A number that the detector tells about itself."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table, in words, so that two runs can be compared to the last bit."""
        found: dict[str, list[str]] = {}
        cursor = self.file.cursor()
        for table, names in (("windows", "window_series"), ("judgements", "judged_series")):
            rows = cursor.execute(
                f"SELECT * EXCLUDE (id, series) FROM {table} JOIN {names} ON series = id"
            ).fetchall()
            found[table] = sorted(map(repr, rows))
        with self.state.engine.connect() as connection:
            for table in (
                "regression", "incident", "incident_finding", "incident_step", "transition",
                "deployment", "progress",
            ):  # fmt: skip
                all_ = connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
                found[table] = sorted(repr(tuple(row)) for row in all_)
        return found

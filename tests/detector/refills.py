"""A history with days of samples, and a refill over it; as a program, one that can be killed."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from detector.backfill import Backfills
from detector.book import Book
from detector.config import build_rules, build_signals
from detector.definition import DefinitionBook
from detector.increase import UP
from detector.ledger import Ledger
from detector.meters import DetectorMeters
from detector.refill import Reach, Refill
from detector.run import Definitions, Detector
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples
from storage.series import NAME, Labels
from storage.state import State
from tests.detector.watch import DAY_MS, HIGH, LEVEL, MINUTE_MS, NOON_MS, RISEN
from tests.migrated import place_state

KEPT = Reach(8 * DAY_MS, 2 * DAY_MS)
LE = ("0.1", "0.5", "1", "+Inf")
LAG = {"form": "quantile", "metric": "lag_seconds", "q": 0.9, "by": ["target"]}
SIGNALS: dict[str, dict[str, Any]] = {
    "level": LEVEL,
    "lag": LAG,
    "hits": {"form": "rate", "metric": "hits_total", "by": ["target", "name"]},
    "errors": {
        "form": "ratio",
        "numerator": 'hits_total{name="a"}',
        "denominator": "hits_total",
        "by": ["target"],
    },
    "quick": {"form": "share", "metric": "lag_seconds", "bound": 0.5, "by": ["target"]},
    "slow": {**LEVEL, "window": "20m", "over": "20m", "stat": "max"},
}
RULES: dict[str, dict[str, Any]] = {"high": HIGH, "risen": RISEN}


def chosen(signals: Mapping[str, Any], rules: Mapping[str, Any] | None = None) -> Definitions:
    """Signals, and the rules of those that are there."""
    given = RULES if rules is None else rules
    return Definitions(
        build_signals(dict(signals)),
        build_rules({name: dict(one) for name, one in given.items() if one["signal"] in signals}),
    )


class Place:
    """A detector and its refill on files in a directory, and on any state."""

    def __init__(
        self,
        directory: Path,
        definitions: Definitions,
        state: State | None = None,
        most_samples: int = 20_000,
    ) -> None:
        self.file = DuckFile(directory / "history.duckdb")
        self.history = DuckHistory(self.file)
        self.own = state is None
        place_state(directory / "state.sqlite3")
        self.state = state or State(f"sqlite:///{directory / 'state.sqlite3'}")
        self.book = Book()
        self.ledger = Ledger(self.file)
        self.backfills: Backfills = {}
        meters = DetectorMeters(CollectorRegistry())
        self.detector = Detector(
            definitions, self.history, self.state, self.book, self.ledger, meters
        )
        self.definitions = DefinitionBook(self.file)
        self.refill = Refill(
            self.detector, self.definitions, self.backfills, KEPT, most_samples=most_samples
        )

    def close(self) -> None:
        """Give back what was opened here."""
        if self.own:
            self.state.close()
        self.file.close()

    def refilled(self) -> int:
        """Do all that is left; how many pieces it took."""
        pieces = 0
        while self.refill.waiting:
            self.refill.step()
            pieces += 1
        return pieces

    def windows(self, signal: str | None = None) -> list[str]:
        """Every stored window in words, so that two histories can be compared to the last bit."""
        rows = self.file.cursor().execute(
            "SELECT signal, labels, end_ms, seconds, value, n, counts, bounds FROM windows "
            "JOIN window_series s ON series = s.id LEFT JOIN layouts l ON layout = l.id "
            "WHERE ? IS NULL OR signal = ?",
            [signal, signal],
        )
        return sorted(map(repr, rows.fetchall()))


def samples(days: float, every_ms: int = MINUTE_MS, seed: int = 5) -> Samples:
    """What two targets showed until noon: a gauge, counters and a histogram, with odd hours.

    Both restart at times, one is away for a while, and one changes its buckets half way.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(NOON_MS - round(days * DAY_MS), NOON_MS + 1, every_ms)
    labels: list[Labels] = []
    index, at_ms, values = [], [], []

    def show(name: str, target: str, at: Any, numbers: Any, /, **more: str) -> None:
        index.append(np.full(len(at), len(labels), np.int64))
        labels.append(Labels.of({NAME: name, "target": target}, **more))
        at_ms.append(at)
        values.append(np.asarray(numbers, np.float64))

    for number, target in enumerate(("shop", "till")):
        away = (times > times[len(times) // 3]) & (times < times[len(times) // 3] + 25 * MINUTE_MS)
        at = times[~away] if number else times
        restarts = rng.random(len(at)) < 0.002
        restarts[len(at) // 2] = True
        began = np.maximum.accumulate(np.where(restarts, np.arange(len(at)), 0))

        def counted(most: int, began: Any = began) -> Any:
            total = rng.integers(0, most, len(began)).cumsum().astype(np.float64)
            return total - np.where(began > 0, total[np.maximum(began - 1, 0)], 0)

        show(UP, target, at, np.ones(len(at)))
        show("level", target, at, 10 + rng.normal(0, 1, len(at)))
        for name in "ab":
            show("hits_total", target, at, counted(9), name=name)
        buckets = np.cumsum([counted(20) for _ in LE], axis=0)
        half = np.arange(len(at)) < len(at) // 2
        for place, le in enumerate(LE):
            there = half if number and le == "0.5" else np.ones(len(at), np.bool_)
            show("lag_seconds_bucket", target, at[there], buckets[place][there], le=le)
        if number:
            show("lag_seconds_bucket", target, at[~half], buckets[1][~half], le="0.7")
    return Samples(tuple(labels), *map(np.concatenate, (index, at_ms, values)))


def main(directory: Path) -> None:
    """Evaluate what is left, telling each piece."""
    place = Place(directory, chosen(SIGNALS), most_samples=2_000)
    place.refill.begin(NOON_MS)
    while place.refill.waiting:
        place.refill.step()
        sys.stdout.write("piece\n")
        sys.stdout.flush()
    place.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A crowd of series for benchmarks: gauges, rates, ratios and histograms, a page a minute.

Of 100 series of signals, which are windows a minute, 36 are gauges, 20 rates, 20 ratios, and 24 are
quantile, mean and share of 8 histograms; 208 series of samples stand behind them. All figures are
seeded and follow from the minute alone. Mean times scatter by 5 % with a correlation of 0.9 from
minute to minute, around a level that has been there for fifteen days (`past`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from detector.config import build_rules, build_signals
from detector.increase import UP
from detector.run import Definitions
from storage.history import NO_LAYOUT, Floats, Samples, Windows
from storage.series import NAME, Labels

MINUTE_MS = 60_000
DAY_MS = 86_400_000
PAST_DAYS = 15
SCATTER, MEMORY = 0.05, 0.9
MEAN_SECONDS = 0.08
ITEMS_PER_TARGET = 4
EDGES = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0")
BY = ["target", "item"]
SIGNALS: Mapping[str, Any] = {
    "level": {"form": "gauge", "metric": "crowd_level", "by": [*BY, "part"]},
    "flow": {"form": "rate", "metric": "crowd_flow_total", "by": [*BY, "part"]},
    "faults": {
        "form": "ratio",
        "numerator": 'crowd_calls_total{status=~"5.."}',
        "denominator": "crowd_calls_total",
        "by": [*BY, "part"],
    },
    "p95": {"form": "quantile", "q": 0.95, "metric": "crowd_seconds", "by": [*BY, "part"]},
    "mean": {"form": "mean", "metric": "crowd_seconds", "by": [*BY, "part"]},
    "within": {"form": "share", "bound": 0.25, "metric": "crowd_seconds", "by": [*BY, "part"]},
}
RISEN = {"sustain": {"windows": 3, "of": 4}, "clear": {"level": 1.1, "for": "60m"}}
RULES: Mapping[str, Any] = {
    "level_high": {
        "signal": "level",
        "trigger": {"absolute": {"above": 0.85}},
        "sustain": {"for": "15m"},
        "clear": {"level": 0.8, "for": "15m"},
    },
    "level_risen": {"signal": "level", "trigger": {"relative": {"above": 1.5}}, **RISEN},
    "flow_risen": {"signal": "flow", "trigger": {"relative": {"above": 1.5}}, **RISEN},
    "faults_spike": {
        "signal": "faults",
        "trigger": {"sigma": {"above": 2}},
        "sustain": {"windows": 3, "of": 3},
        "gates": {"min_count": 200, "min_events": 10, "min_delta": 0.005},
        "clear": {"level": 1, "for": "30m"},
    },
    "faults_high": {
        "signal": "faults",
        "trigger": {"absolute": {"above": 0.05}},
        "sustain": {"for": "5m"},
        "gates": {"min_count": 20, "min_events": 1},
        "clear": {"level": 0.03, "for": "5m"},
    },
    "p95_risen": {
        "signal": "p95",
        "trigger": {"relative": {"above": 1.2}},
        "gates": {"min_count": 35, "min_baseline_count": 1000, "min_delta": 0.025},
        **RISEN,
    },
    "p95_high": {
        "signal": "p95",
        "trigger": {"absolute": {"above": 0.5}},
        "sustain": {"for": "5m"},
        "clear": {"level": 0.45, "for": "5m"},
    },
    "mean_risen": {"signal": "mean", "trigger": {"relative": {"above": 1.2}}, **RISEN},
    "within_low": {
        "signal": "within",
        "trigger": {"absolute": {"below": 0.5}},
        "sustain": {"for": "5m"},
        "clear": {"level": 0.6, "for": "5m"},
    },
}


CHANGES: Mapping[str, Any] = {
    f"{signal}_moved": {
        "signal": signal,
        "trigger": {"change": {"above": 1.08}},
        "sustain": {"windows": 3, "of": 4},
        "gates": {"min_count": 35, "min_baseline_count": 1000, "expected": True},
        "clear": {"for": "60m"},
    }
    for signal in ("p95", "mean")
}
"""What ships for response times beside the relative rules."""


def definitions(*, changes: bool = False) -> Definitions:
    """Six signals and nine rules on them; two more look for changes if that is asked for."""
    rules = {**RULES, **CHANGES} if changes else RULES
    return Definitions(build_signals(SIGNALS), build_rules(rules))


class Crowd:
    """Series of samples behind `count` series of signals, at least 100."""

    def __init__(self, count: int, seed: int = 1) -> None:
        self.items = max(count // 100, 1)
        self.count = self.items * 100
        self.rng = np.random.default_rng(seed)
        groups: list[tuple[str, int, list[dict[str, str]]]] = [
            ("crowd_level", 36, [{}]),
            ("crowd_flow_total", 20, [{}]),
            ("crowd_calls_total", 20, [{"status": "200"}, {"status": "500"}]),
            ("crowd_seconds_bucket", 8, [{"le": one} for one in (*EDGES, "+Inf")]),
            ("crowd_seconds_sum", 8, [{}]),
            ("crowd_seconds_count", 8, [{}]),
        ]
        self.series: list[Labels] = []
        self.slices: dict[str, slice] = {}
        for metric, parts, kinds in groups:
            first = len(self.series)
            for item in range(self.items):
                target = f"t{item // ITEMS_PER_TARGET}"
                for part in range(parts):
                    base = {NAME: metric, "target": target, "item": f"i{item}", "part": f"p{part}"}
                    self.series += [Labels.of(base, **kind) for kind in kinds]
            self.slices[metric] = slice(first, len(self.series))
        self.targets = sorted({one.get("target") for one in self.series})
        self.up = [Labels.of({NAME: UP, "target": one}) for one in self.targets]
        self.value = np.zeros(len(self.series))
        self.scatter = self.rng.normal(0, SCATTER, self.items * 8)

    def minutes(self, first_ms: int, last_ms: int) -> Iterator[Samples]:
        """A page of each minute, all targets at once; counters grow from minute to minute."""
        all_ = (*self.series, *self.up)
        for at_ms in range(first_ms, last_ms + 1, MINUTE_MS):
            self.grow()
            yield Samples.at(all_, at_ms, np.concatenate([self.value, np.ones(len(self.up))]))  # type: ignore[arg-type]

    def grow(self) -> None:
        """A minute more: 600 calls of each part, one of a hundred fails, 60 ms in the middle."""
        items, rng = self.items, self.rng
        self.value[self.slices["crowd_level"]] = 0.5 + 0.05 * rng.standard_normal(items * 36)
        self.value[self.slices["crowd_flow_total"]] += rng.poisson(600, items * 20)
        calls = np.column_stack([rng.poisson(594, items * 20), rng.poisson(6, items * 20)])
        self.value[self.slices["crowd_calls_total"]] += calls.ravel()
        shares = np.diff([0, 0.01, 0.03, 0.15, 0.45, 0.75, 0.9, 0.96, 0.985, 0.995, 0.998, 1, 1])
        counts: Floats = rng.poisson(600 * shares, (items * 8, 12)).astype(np.float64)
        self.value[self.slices["crowd_seconds_bucket"]] += counts.cumsum(axis=1).ravel()
        fresh = rng.normal(0, SCATTER * np.sqrt(1 - MEMORY**2), items * 8)
        self.scatter = MEMORY * self.scatter + fresh
        took = counts.sum(axis=1) * MEAN_SECONDS * np.exp(self.scatter)
        self.value[self.slices["crowd_seconds_sum"]] += took
        self.value[self.slices["crowd_seconds_count"]] += counts.sum(axis=1)

    def past(self, signal: str, level: float, end_ms: int) -> Iterator[Windows]:
        """Fifteen days of judged windows of the response times, an hour at a time."""
        rng, count, each_ms = self.rng, self.items * 8, 5 * MINUTE_MS
        first = self.slices["crowd_seconds_sum"]
        names = [{k: one.get(k) for k in (*BY, "part")} for one in self.series[first]]
        series = tuple(Labels.of(one) for one in names)
        # Of five windows of a minute: what is left of their scatter, and how alike neighbours are.
        scatter, memory = 0.042, MEMORY**5
        state = rng.normal(0, scatter, count)
        for start_ms in range(end_ms - PAST_DAYS * DAY_MS, end_ms, 12 * each_ms):
            values = np.empty((12, count))
            for row in range(12):
                state = memory * state + rng.normal(0, scatter * np.sqrt(1 - memory**2), count)
                values[row] = level * np.exp(state)
            total = values.size
            yield Windows(
                signal,
                series,
                np.tile(np.arange(count), 12),
                np.repeat(start_ms + each_ms * np.arange(1, 13), count),
                np.full(total, each_ms / 1000),
                values.ravel(),
                np.full(total, 3000.0),
                np.full(total, NO_LAYOUT, np.int64),
            )

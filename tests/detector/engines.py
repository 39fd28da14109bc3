"""Counters of generated programs, written alike into a history and into an engine that is asked."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from detector.increase import UP
from storage.history import Samples
from storage.series import NAME, Labels, Sample

SCRAPE_MS = 15_000
EDGES = ("0.1", "0.5", "1", "+Inf")
ROUTES = ("/cart", "/pay")


@dataclass
class Program:
    """One target: its name, when it is scraped within each 15 s, and what happens to it."""

    name: str
    offset_ms: int = 4_200
    restart_tick: int = -1
    missed_ticks: frozenset[int] = frozenset()
    samples: list[Sample] = field(default_factory=list)

    def run(self, start_ms: int, end_ms: int, seed: int) -> "Program":
        """Fill it with samples in `[start, end]`."""
        rng = np.random.default_rng(seed)
        counted = dict.fromkeys(counters(), 1000.0)
        for tick, at_ms in enumerate(range(start_ms + self.offset_ms, end_ms + 1, SCRAPE_MS)):
            if tick == self.restart_tick:
                counted = dict.fromkeys(counters(), 0.0)
            for route in ROUTES:
                self.grow(counted, route, rng)
            if tick not in self.missed_ticks:
                self.show(counted, at_ms)
        return self

    def grow(self, counted: dict[str, float], route: str, rng: np.random.Generator) -> None:
        for le in EDGES:
            key = f"{route} {le}"
            counted[key] = counted[key] + float(rng.integers(1, 20))
        key = f"{route} seconds"
        counted[key] = counted[key] + float(rng.integers(1, 20)) / 8
        counted["level"] = float(rng.normal(100, 10))

    def show(self, counted: dict[str, float], at_ms: int) -> None:
        def line(metric: str, value: float, **labels: str) -> None:
            full = Labels.of({NAME: metric, "target": self.name}, **labels)
            self.samples.append(Sample(full, at_ms, value))

        for route in ROUTES:
            total = 0.0
            for le in EDGES:
                total += counted[f"{route} {le}"]
                line("lag_seconds_bucket", total, route=route, le=le)
            line("lag_seconds_count", total, route=route)
            line("lag_seconds_sum", counted[f"{route} seconds"], route=route)
            line("hits_total", counted[f"{route} 0.1"], route=route, code="200")
            line("hits_total", counted[f"{route} 1"], route=route, code="500")
        line("level", counted["level"])


def counters() -> list[str]:
    """What a program counts."""
    return [f"{route} {what}" for route in ROUTES for what in (*EDGES, "seconds")]


def in_history(programs: Iterable[Program]) -> Samples:
    """The samples, and when each target was read."""
    rows = [one for program in programs for one in program.samples]
    ups = {(one.labels.get("target"), one.at_ms) for one in rows}
    rows += [Sample(Labels.of({NAME: UP, "target": who}), at, 1.0) for who, at in sorted(ups)]
    return Samples.of(rows)


def exposition(samples: Iterable[Sample], *, per_second: bool) -> str:
    """As text, `target` called `instance`: OpenMetrics with seconds, or with milliseconds."""
    by_series: dict[Labels, list[Sample]] = {}
    for one in samples:
        by_series.setdefault(one.labels, []).append(one)
    lines = []
    for labels in sorted(by_series, key=str):
        pairs = {("instance" if n == "target" else n): v for n, v in labels}
        shown = Labels.of(pairs)
        for one in by_series[labels]:
            at = f"{one.at_ms / 1000:.3f}" if per_second else str(one.at_ms)
            value = "NaN" if math.isnan(one.value) else repr(one.value)
            lines.append(f"{shown} {value} {at}")
    return "\n".join([*lines, "# EOF", ""] if per_second else [*lines, ""])

"""Generated targets whose samples go into the history and into a Prometheus alike.

A `Case` is one target: what it showed at each time. Where it was read on both edges of a window,
and nothing is hidden there, the two must agree.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from detector.increase import UP
from storage.history import Samples
from storage.series import NAME, Labels, Sample
from tests.detector.scrapes import START_MS, as_read

TICK_MS = 15_000
MINUTE_MS = 60_000
MINUTES = 6
TICKS = (MINUTES + 1) * 4 + 1  # the first a minute before the first window
GAUGE_AFTER_MS = 7_000  # no gauge is read on an edge of a window: Prometheus counts it twice
LAYOUTS = (("0.1", "0.5", "1", "+Inf"), ("0.5", "2", "+Inf"), ("0.05", "0.25", "0.5", "5", "+Inf"))
Rng = np.random.Generator


@dataclass
class Case:
    """One target: values by series and time; `read` are the times at which it was read."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    read: set[int] = field(default_factory=set)

    def show(self, metric: str, at_ms: int, value: float, /, **labels: str) -> None:
        """One number on the page at a time."""
        full = Labels.of({NAME: metric, "target": self.name}, **labels)
        self.samples.append(Sample(full, at_ms, value))

    def whole(self, start_ms: int, end_ms: int) -> bool:
        """Whether it was read on both edges of a span."""
        return start_ms in self.read and end_ms in self.read


@dataclass
class Shop:
    """The counters of a program while it runs: two histograms of one layout and three counters."""

    rng: Rng
    layout: tuple[str, ...]
    counted: dict[str, float] = field(default_factory=dict)

    def start(self, base: int, most: int) -> None:
        """From at least `base` each: large before a restart, none after it, so that all fall."""
        for key in self.keys():
            self.counted[key] = float(base + self.rng.integers(0, most + 1))

    def keys(self) -> Iterator[str]:
        """Each bucket of its own, and the counters."""
        yield from (f"{who}:{le}" for who in "xy" for le in self.layout)
        yield from ("seconds:x", "seconds:y", "hits:a", "hits:b", "hits:c")

    def grow(self, most: int) -> None:
        """Something was asked for."""
        for key in self.keys():
            self.counted[key] += float(self.rng.integers(0, most + 1))

    def page(self, case: Case, at_ms: int, chance: float, *, errors: bool) -> None:
        """What it shows now; each number is NaN with this chance."""

        def show(metric: str, value: float, **labels: str) -> None:
            case.show(metric, at_ms, math.nan if self.rng.random() < chance else value, **labels)

        for who in "xy":
            total = 0.0
            for le in self.layout:
                total += self.counted[f"{who}:{le}"]
                show("lag_seconds_bucket", total, name=who, le=le)
            show("lag_seconds_count", total, name=who)
            show("lag_seconds_sum", self.counted[f"seconds:{who}"] / 8, name=who)
        for name in "abc" if errors else "bc":
            show("hits_total", self.counted[f"hits:{name}"], name=name)


KINDS = ("steady", "restart", "missed", "nan", "idle", "outage", "mixed", "no errors")


def generated(number: int, rng: Rng) -> Case:
    """A target read every 15 s on the edges of windows, with what its kind brings."""
    kind = KINDS[number % len(KINDS)]
    case = Case(f"{number:03d} {kind}")
    shop = Shop(rng, LAYOUTS[int(rng.integers(len(LAYOUTS)))])
    shop.start(500, 1000)
    restart = int(rng.integers(6, TICKS)) if kind in ("restart", "mixed") else -1
    away = int(rng.integers(5, TICKS - 9)) if kind == "outage" else TICKS
    for tick in range(TICKS):
        at_ms = START_MS - MINUTE_MS + tick * TICK_MS
        inside = tick % 4 != 0
        if tick == restart:
            shop.start(0, 5)
        elif not (kind == "idle" and rng.random() < 0.8):
            shop.grow(20)
        missed = kind in ("missed", "mixed") and inside and tick != restart and rng.random() < 0.4
        for name in "pq":
            if not missed and rng.random() < 0.9:
                level = float(rng.normal(100, 20))
                case.show("level", at_ms + GAUGE_AFTER_MS, level, name=name)
        if missed or away <= tick < away + 8:
            continue
        case.read.add(at_ms)
        chance = 0.3 if kind == "nan" and inside else 0.0
        shop.page(case, at_ms, chance, errors=kind != "no errors")
    return case


def linear(number: int, rng: Rng) -> Case:
    """A target that grows evenly and is read off the edges: what is extrapolated is what was."""
    case = Case(f"{number:03d} linear")
    shop = Shop(rng, LAYOUTS[number % len(LAYOUTS)])
    shop.start(100_000, 1000)
    before, offset_ms = dict(shop.counted), int(rng.integers(1, TICK_MS))
    shop.grow(20)
    step = {key: shop.counted[key] - before[key] for key in before}
    for tick in range(TICKS):
        at_ms = START_MS - MINUTE_MS + tick * TICK_MS + offset_ms
        shop.counted = {key: before[key] + tick * step[key] for key in before}
        shop.page(case, at_ms, 0.0, errors=True)
    return case


def samples_of(cases: Iterable[Case]) -> Samples:
    """What the history holds: the pages, and when each target was read."""
    rows = [sample for case in cases for sample in case.samples]
    ups = {(one.labels.get("target"), one.at_ms) for one in rows if one.labels.metric != "level"}
    return as_read(
        [*rows, *(Sample(Labels.of({NAME: UP, "target": who}), at, 1.0) for who, at in sorted(ups))]
    )


def openmetrics(cases: Iterable[Case]) -> str:
    """The pages as one file, series by series."""
    by_series: dict[Labels, list[Sample]] = {}
    for case in cases:
        for sample in case.samples:
            by_series.setdefault(sample.labels, []).append(sample)
    lines = [
        f"{labels} {value(sample.value)} {sample.at_ms / 1000:.3f}"
        for labels in sorted(by_series, key=str)
        for sample in sorted(by_series[labels], key=lambda one: one.at_ms)
    ]
    return "\n".join([*lines, "# EOF", ""])


def value(number: float) -> str:
    """A number in the text format."""
    return "NaN" if math.isnan(number) else repr(number).replace("inf", "+Inf")

"""Generated targets whose samples go into the history and into a Prometheus alike.

A `Case` is one target: what it showed at each time. Where it was read on both edges of a window,
and nothing is hidden there, the two must agree.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from collector.config import Limits
from collector.exposition import Exposition
from detector.increase import UP
from storage.history import Samples
from storage.series import NAME, Labels, Sample
from tests.detector.scrapes import START_MS
from tests.remote_write import STALE, Point

TICK_MS = 15_000
MINUTE_MS = 60_000
MINUTES = 6
TICKS = (MINUTES + 1) * 4 + 1  # the first a minute before the first window
GAUGE_AFTER_MS = 7_000  # no gauge is read on an edge of a window: Prometheus counts it twice
LAYOUTS = (("0.1", "0.5", "1", "+Inf"), ("0.5", "2", "+Inf"), ("0.05", "0.25", "0.5", "5", "+Inf"))
Rng = np.random.Generator


@dataclass
class Case:
    """One target: what it showed and when. `late` are the samples that come after all others.

    `tried` are the times at which it was read, or should have been: a series that was there before
    and is not there then gets a stale marker, as Prometheus writes it.
    """

    name: str
    samples: list[Sample] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)
    late: set[int] = field(default_factory=set)

    def show(self, metric: str, at_ms: int, value: float, /, **labels: str) -> None:
        """One number on the page at a time."""
        full = Labels.of({NAME: metric, "target": self.name}, **labels)
        self.samples.append(Sample(full, at_ms, value))

    @cached_property
    def times(self) -> dict[str, dict[Labels, set[int]]]:
        """When each series was there, by metric."""
        found: dict[str, dict[Labels, set[int]]] = {}
        for one in self.samples:
            found.setdefault(one.labels.metric, {}).setdefault(one.labels, set()).add(one.at_ms)
        return found

    def whole(self, metric: str, start_ms: int, end_ms: int) -> bool:
        """Whether each series of a metric was there on both edges of a span, or not at all."""
        return all(
            {start_ms, end_ms} <= times or not any(start_ms <= at <= end_ms for at in times)
            for times in self.times.get(metric, {}).values()
        )

    def same(self, metric: str, edges: Sequence[int]) -> bool:
        """Whether each series of a metric was there at all of these times, or at none."""
        there = [times & set(edges) for times in self.times.get(metric, {}).values()]
        return all(len(one) in (0, len(edges)) for one in there)

    def stale(self) -> Iterator[tuple[Labels, int]]:
        """The stale markers that Prometheus would write."""
        for by_series in self.times.values():
            for labels, times in by_series.items():
                for before_ms, at_ms in pairwise(self.tried):
                    if before_ms in times and at_ms not in times:
                        yield labels, at_ms

    def told(self, metrics: Collection[str], start_ms: int, end_ms: int) -> str:
        """What can matter to a window of some metrics, a line a series."""
        lines = [f"{self.name}: from {start_ms} to {end_ms}, every {TICK_MS} ms"]
        for metric in metrics:
            for labels in sorted(self.times.get(metric, {}), key=str):
                shown = {one.at_ms: one.value for one in self.samples if one.labels == labels}
                near = [at for at in shown if start_ms - MINUTE_MS <= at <= end_ms]
                ticks = range(min(near, default=0), max(near, default=-1) + 1, TICK_MS)
                text = " ".join(f"{shown[at]:g}" if at in shown else "_" for at in ticks)
                first_ms = ticks.start - start_ms if near else 0
                lines.append(f"  {labels.without('target')} from {first_ms:+d} ms: {text}")
        return "\n".join(lines)


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

    def page(
        self, case: Case, at_ms: int, chance: float, *, errors: bool = True, gone: bool = False
    ) -> None:
        """What it shows now; each number is NaN with this chance. `gone`: without `y` and `b`."""

        def show(metric: str, value: float, **labels: str) -> None:
            case.show(metric, at_ms, math.nan if self.rng.random() < chance else value, **labels)

        for who in "x" if gone else "xy":
            total = 0.0
            for le in self.layout:
                total += self.counted[f"{who}:{le}"]
                show("lag_seconds_bucket", total, name=who, le=le)
            show("lag_seconds_count", total, name=who)
            show("lag_seconds_sum", self.counted[f"seconds:{who}"] / 8, name=who)
        names = "abc" if errors else "bc"
        for name in names.replace("b", "") if gone else names:
            show("hits_total", self.counted[f"hits:{name}"], name=name)


KINDS = (
    "steady", "restart", "missed", "nan", "idle", "outage", "mixed", "no errors",
    "vanished", "deployed", "late", "infinite", "interleaved",
)  # fmt: skip


def generated(number: int, seed: int) -> Case:
    """A target read every 15 s on the edges of windows, with what its kind brings.

    Each case has random numbers of its own, so that one can be made again without the others.
    """
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    case = Case(f"{number:03d} {kind}")
    shop = Shop(rng, LAYOUTS[int(rng.integers(len(LAYOUTS)))])
    shop.start(500, 1000)
    restart = int(rng.integers(6, TICKS)) if kind in ("restart", "mixed", "deployed") else -1
    away = int(rng.integers(5, TICKS - 9)) if kind == "outage" else TICKS
    last = 4 * int(rng.integers(2, MINUTES)) if kind == "vanished" else TICKS
    for tick in range(TICKS):
        at_ms = START_MS - MINUTE_MS + tick * TICK_MS
        inside = tick % 4 != 0
        if tick == restart:
            if kind == "deployed":
                shop = Shop(rng, LAYOUTS[(LAYOUTS.index(shop.layout) + 1) % len(LAYOUTS)])
            shop.start(0, 5)
        elif not (kind == "idle" and rng.random() < 0.8):
            shop.grow(20)
        missed = kind in ("missed", "mixed") and inside and tick != restart and rng.random() < 0.4
        for name in "pq":
            if not missed and rng.random() < 0.9:
                level = float(rng.normal(100, 20))
                if kind == "infinite" and rng.random() < 0.1:
                    level = math.inf
                case.show("level", at_ms + GAUGE_AFTER_MS, level, name=name)
        case.tried.append(at_ms)
        if missed or away <= tick < away + 8:
            continue
        chance = 0.3 if kind == "nan" and inside else 0.0
        shop.page(case, at_ms, chance, errors=kind != "no errors", gone=tick > last)
    if kind == "late":
        case.late = set(rng.permutation(len(case.samples))[: len(case.samples) // 4].tolist())
    if kind == "interleaved":
        case.samples = as_parsed(case, rng)
    return case


def as_parsed(case: Case, rng: Rng) -> list[Sample]:
    """The samples as the collector reads them from pages whose families are all mixed up."""
    pages: dict[int, list[Sample]] = {}
    for one in case.samples:
        pages.setdefault(one.at_ms, []).append(one)
    parser, read = Exposition({"target": case.name}, Limits()), []
    for at_ms, samples in pages.items():
        lines = [f"{one.labels.without('target')} {value(one.value)}\n" for one in samples]
        body = "".join(lines[i] for i in rng.permutation(len(lines))).encode()
        found = parser.read(body, "text/plain; version=0.0.4", at_ms).samples
        read += [
            Sample(found.series[i], at, number)
            for i, at, number in zip(
                found.index.tolist(), found.at_ms.tolist(), found.values.tolist(), strict=True
            )
        ]
    return read


def linear(number: int, seed: int) -> Case:
    """A target that grows evenly and is read off the edges: what is extrapolated is what was."""
    rng = np.random.default_rng([seed, number])
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


def samples_of(cases: Iterable[Case], rng: Rng) -> list[Samples]:
    """What comes to the history, in no order: what came at once, then what came late.

    With it comes when each target was read.
    """
    at_once: list[Sample] = []
    late: list[Sample] = []
    for case in cases:
        for number, sample in enumerate(case.samples):
            (late if number in case.late else at_once).append(sample)
        ups = {one.at_ms for one in case.samples if one.labels.metric != "level"}
        up = Labels.of({NAME: UP, "target": case.name})
        at_once += [Sample(up, at_ms, 1.0) for at_ms in sorted(ups)]
    return [
        Samples.of(rows[i] for i in rng.permutation(len(rows)).tolist()) for rows in (at_once, late)
    ]


def points_of(cases: Iterable[Case]) -> list[dict[Labels, list[Point]]]:
    """What comes to Prometheus, stale markers with it: what came at once, then what came late."""
    at_once: dict[Labels, list[Point]] = {}
    late: dict[Labels, list[Point]] = {}
    for case in cases:
        for number, sample in enumerate(case.samples):
            goes = late if number in case.late else at_once
            goes.setdefault(sample.labels, []).append((sample.at_ms, sample.value))
        for labels, at_ms in case.stale():
            at_once.setdefault(labels, []).append((at_ms, STALE))
    for points in at_once.values():
        points.sort(key=lambda one: one[0])
    return [at_once, late]


def value(number: float) -> str:
    """A number in the text format."""
    return "NaN" if math.isnan(number) else repr(number).replace("inf", "+Inf")

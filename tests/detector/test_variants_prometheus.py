"""Signals with variants in the history and in a real Prometheus: the same windows in both.

Generated targets show our own series, an exporter's, both at once, or first the one and then the
other; in other units, under other labels, with quotients of several metrics.
"""

import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from detector import evaluate
from detector.config import build_signals
from detector.promql import INSTANCE, compile, counted
from detector.signal import Signal
from detector.window import Span, merge
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.series import NAME, Labels, Sample
from tests.detector.exposed import (
    GAUGE_AFTER_MS,
    MINUTE_MS,
    MINUTES,
    TICK_MS,
    TICKS,
    Case,
    points_of,
    samples_of,
)
from tests.detector.scrapes import START_MS
from tests.remote_write import push
from tests.servers import prometheus

SEED = int(os.environ.get("PLIMSOLL_SEED", "20260718"))
CASES = 84
END_MS = START_MS + MINUTES * MINUTE_MS
BY = ["target", "route"]
TIMES = {"metric": "lag_seconds", "by": BY, "variants": [
    {"metric": "their_lag_ms", "labels": {"route": "path"}, "scale": 0.001},
    {"source": "late", "metric": 'late_seconds{kind="a"}', "labels": {"route": "handler"}},
    {"source": "late", "metric": 'late_seconds{kind="b"}', "constants": {"route": "b$1"}},
]}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "p90": {"form": "quantile", "q": 0.9, **TIMES},
    "p90_by_initial": {"form": "quantile", "q": 0.9, **TIMES, "by": ["target", "initial"],
        "derive": {"initial": {"label": "route", "pattern": "(.)[a-z$]*"}}},
    "mean": {"form": "mean", **TIMES},
    "share": {"form": "share", "bound": 0.5, **TIMES},
    "rate": {"form": "rate", "metric": "bytes_total", "by": BY, "variants": [
        {"metric": "their_kilobytes_total", "labels": {"route": "path"}, "scale": 1024},
    ]},
    "hit_rate": {
        "form": "ratio", "numerator": "hits_total", "by": ["target", "route"],
        "denominator": ["hits_total", "misses_total"],
        "variants": [{
            "numerator": ["their_hits", "their_late_hits"],
            "denominator": ["their_hits", "their_late_hits", 'their_misses{kind!="odd"}'],
            "labels": {"route": "path"},
        }],
    },
    "used": {"form": "gauge", "metric": "used_ratio", "by": ["target"], "variants": [
        {"metric": "free_bytes", "of": "all_bytes", "complement": True},
    ]},
    "share_of_all": {
        "form": "gauge", "stat": "sum", "metric": "free_bytes", "of": "limit_bytes",
        "by": ["target"],
    },
    "free_by_name": {
        "form": "gauge", "stat": "last", "metric": "free_bytes", "of": "all_bytes",
        "by": ["target", "place"], "labels": {"place": "name"}, "scale": 0.5,
    },
}  # fmt: skip
SIGNALS = build_signals(FORMS)
KINDS = ("ours", "theirs", "both", "switched", "late", "late and theirs", "silent")
EDGES = ("0.1", "0.5", "2", "+Inf")
EDGES_MS = ("50", "100", "500", "1000", "+Inf")
Values = dict[Labels, float]


class Program:
    """Counters of one target that grow, whoever shows them."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.case, self.rng = case, rng
        self.counted: dict[str, float] = {}

    def grown(self, key: str) -> float:
        """A counter that has grown; it may restart together with all others."""
        self.counted[key] = self.counted.get(key, 0.0) + float(self.rng.integers(1, 20))
        return self.counted[key]

    def histogram(self, metric: str, edges: tuple[str, ...], at_ms: int, **labels: str) -> None:
        """Buckets, sum and count."""
        total, name = 0.0, f"{metric}{sorted(labels.items())}"
        for le in edges:
            total += self.grown(f"{name}{le}")
            self.case.show(f"{metric}_bucket", at_ms, total, le=le, **labels)
        self.case.show(f"{metric}_count", at_ms, total, **labels)
        self.case.show(f"{metric}_sum", at_ms, self.grown(f"{name}sum") / 8, **labels)

    def counter(self, metric: str, at_ms: int, **labels: str) -> None:
        """One counter."""
        self.case.show(metric, at_ms, self.grown(f"{metric}{sorted(labels.items())}"), **labels)

    def ours(self, at_ms: int) -> None:
        """What the signals read by themselves."""
        for route in ("/a", "/b"):
            self.histogram("lag_seconds", EDGES, at_ms, route=route)
            for metric in ("bytes_total", "hits_total", "misses_total"):
                self.counter(metric, at_ms, route=route)
        self.case.show("used_ratio", at_ms + GAUGE_AFTER_MS, float(self.rng.random()))

    def theirs(self, at_ms: int) -> None:
        """The same things as another program shows them; it has no misses of one route."""
        for path in ("/a", "/c"):
            self.histogram("their_lag_ms", EDGES_MS, at_ms, path=path, route="not this one")
            for metric in ("their_kilobytes_total", "their_hits", "their_late_hits"):
                self.counter(metric, at_ms, path=path)
        self.counter("their_misses", at_ms, path="/a", kind="odd")
        self.counter("their_misses", at_ms, path="/a", kind="even")
        for name in ("x", "y"):
            free = float(self.rng.integers(1, 1000))
            self.case.show("free_bytes", at_ms + GAUGE_AFTER_MS, free, name=name)
            self.case.show("all_bytes", at_ms + GAUGE_AFTER_MS, 1000.0, name=name)
        self.case.show("limit_bytes", at_ms + GAUGE_AFTER_MS, 4000.0)

    def late(self, at_ms: int) -> None:
        """One source in two parts."""
        self.histogram("late_seconds", EDGES, at_ms, kind="a", handler="/l")
        self.histogram("late_seconds", EDGES, at_ms, kind="b", handler="/m")


def made(number: int, rng: np.random.Generator) -> Case:
    """One target, read on the edges of windows."""
    kind = KINDS[number % len(KINDS)]
    case = Case(f"{number:03d} {kind}")
    program, switch = Program(case, rng), int(rng.integers(6, TICKS - 5))
    restart = int(rng.integers(1, TICKS)) if number % 3 == 0 else -1
    for tick in range(TICKS):
        at_ms = START_MS - MINUTE_MS + tick * TICK_MS
        if tick == restart:
            program.counted.clear()
        before = kind == "switched" and tick < switch
        shown: list[Callable[[int], None]] = []
        if kind in ("ours", "both") or (kind == "switched" and not before):
            shown.append(program.ours)
        if kind in ("theirs", "both", "late and theirs") or before:
            shown.append(program.theirs)
        if kind.startswith("late"):
            shown.append(program.late)
        for show in shown:
            show(at_ms)
    return case


class Both:
    """The same samples twice; in Prometheus the target is called `instance` beside it."""

    def __init__(self, cases: list[Case], history: DuckHistory, address: str) -> None:
        self.cases, self.history = cases, history
        self.seen = evaluate.seen(history, START_MS - MINUTE_MS, END_MS)
        self.client = httpx.Client(base_url=address, trust_env=False, timeout=30)

    def ours(self, signal: Signal) -> dict[int, dict[Labels, tuple[float, float]]]:
        """Values and n by the end of the window."""
        fine = evaluate.evaluate(self.history, signal, self.seen, START_MS - MINUTE_MS, END_MS)
        found: dict[int, dict[Labels, tuple[float, float]]] = {}
        for row in fine.rows():
            found.setdefault(row.end_ms, {})[row.labels] = row.value, row.n
        return found

    def asked(self, query: str, at_ms: int) -> Values:
        """What Prometheus says at a time, but for NaN."""
        asked = {"query": query, "time": str(at_ms / 1000)}
        answer = self.client.post("/api/v1/query", data=asked)
        assert answer.status_code == 200, answer.text
        rows = [
            (Labels.of(one["metric"]).without(NAME), float(one["value"][1]))
            for one in answer.json()["data"]["result"]
        ]
        assert len({labels for labels, _ in rows}) == len(rows)
        return {labels: value for labels, value in rows if not math.isnan(value)}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Targets of all kinds; for Prometheus each series has its instance, too."""
    sys.stdout.write(f"seed {SEED} (PLIMSOLL_SEED)\n")
    rng = np.random.default_rng(SEED)
    cases = [made(number, rng) for number in range(CASES)]
    directory: Path = tmp_path_factory.mktemp("both")
    file = DuckFile(directory / "history.duckdb")
    history = DuckHistory(file)
    for samples in samples_of(cases, rng):
        history.append(samples)
    with prometheus(directory, "", "--web.enable-remote-write-receiver") as address:
        for points in points_of(with_instance(one) for one in cases):
            assert {answer.status_code for answer in push(address, points)} <= {204}
        both = Both(cases, history, address)
        yield both
        both.client.close()
    file.close()


def with_instance(case: Case) -> Case:
    """The target as a Prometheus that scrapes it by itself would call it, beside our name."""
    samples = [
        Sample(one.labels.plus(instance=one.labels.get("target")), one.at_ms, one.value)
        for one in case.samples
    ]
    return Case(case.name, samples)


def settled(case: Case, at_ms: int) -> bool:
    """Whether a window is one of those in which the two are meant to agree.

    Where a series begins inside of it, Prometheus extrapolates.
    """
    if not case.name.endswith("switched"):
        return True
    first = min(
        (one.at_ms for one in case.samples if one.labels.metric == "bytes_total"), default=0
    )
    last = max((one.at_ms for one in case.samples if one.labels.metric == "their_hits"), default=0)
    return not (at_ms - MINUTE_MS <= first <= at_ms or at_ms - MINUTE_MS <= last < at_ms)


@pytest.mark.parametrize("target", ["target", INSTANCE])
@pytest.mark.parametrize("name", SIGNALS)
def test_windows_of_variants_are_what_prometheus_says(both: Both, name: str, target: str) -> None:
    signal, compared = SIGNALS[name], Counter[str]()
    windows = both.ours(signal)
    for end_ms in range(START_MS + MINUTE_MS, END_MS + 1, MINUTE_MS):
        values = both.asked(compile(signal, target=target), end_ms)
        counts = both.asked(counted(signal, target=target), end_ms)
        assert {*values} <= {*counts}
        mine = windows.get(end_ms, {})
        for case in both.cases:
            if settled(case, end_ms):
                for which, theirs in ((0, values), (1, counts)):
                    got = {k: v[which] for k, v in mine.items() if k.get("target") == case.name}
                    said = {k: v for k, v in theirs.items() if k.get("target") == case.name}
                    assert got == pytest.approx(said, rel=1e-9, abs=1e-12), (SEED, case, end_ms)
                compared[case.name.split(" ", 1)[1]] += len(got)
    showing = {"used": 5, "share_of_all": 4, "free_by_name": 4, "rate": 5, "hit_rate": 5}
    assert sum(count > 0 for count in compared.values()) == showing.get(name, 6)
    assert compared["silent"] == 0
    assert compared.total() > 200


@pytest.mark.parametrize("name", SIGNALS)
def test_merged_windows_of_variants_are_what_prometheus_says_of_the_longer_span(
    both: Both, name: str
) -> None:
    signal = SIGNALS[name]
    over_ms = signal.form.window_ms * 5
    fine = evaluate.evaluate(both.history, signal, both.seen, START_MS, START_MS + over_ms)
    whole = merge(signal.form, fine, Span(START_MS, over_ms, 1))
    mine = {row.labels: row.value for row in whole.rows()}
    theirs = both.asked(compile(signal, over_ms / 1000), START_MS + over_ms)
    steady = [one.name for one in both.cases if not one.name.endswith("switched")]
    assert {k: v for k, v in mine.items() if k.get("target") in steady} == pytest.approx(
        {k: v for k, v in theirs.items() if k.get("target") in steady}, rel=1e-9, abs=1e-12
    )


def test_while_a_target_shows_both_the_first_variant_stands(both: Both) -> None:
    ours = both.ours(SIGNALS["p90"])
    for found in ours.values():
        routes = {k.get("route") for k in found if k.get("target").endswith("both")}
        assert routes == {"/a", "/b"}
        late = {k.get("route") for k in found if k.get("target").endswith("late")}
        assert late == {"/l", "b$1"}

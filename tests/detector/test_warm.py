"""What is held between ticks: a process that goes on and one that has just started say the same."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from detector import evaluate
from detector.increase import LOOKBACK_MS, UP
from detector.ledger import Ledger
from detector.meters import DetectorMeters
from detector.run import Detector
from detector.tail import Tail
from storage.history import Samples, Windows
from storage.series import NAME, Labels, Sample, Selector, Window
from tests.detector.watch import MINUTE_MS, NOON_MS, Watch, definitions

BY = ["target"]
SIGNALS: dict[str, Any] = {
    "level": {"form": "gauge", "metric": "level", "by": BY, "stat": "last"},
    "flow": {"form": "rate", "metric": "flow_total", "by": BY, "over": "2m"},
    "faults": {
        "form": "ratio",
        "numerator": 'calls_total{code="500"}',
        "denominator": "calls_total",
        "by": BY,
    },
    "p90": {"form": "quantile", "q": 0.9, "metric": "wait", "by": BY, "over": "3m"},
    "mean": {"form": "mean", "metric": "wait", "by": BY, "over": "1m"},
    "within": {"form": "share", "bound": 1.0, "metric": "wait", "by": BY},
    "slow": {"form": "gauge", "metric": "level", "by": BY, "window": "10m", "over": "10m"},
}
RULES: dict[str, Any] = {
    f"{signal}_{kind}": {
        "signal": signal,
        "trigger": {kind: {"above": level}},
        "sustain": sustain,
        "clear": {"level": level, "for": "2m"},
    }
    for signal, level, kind, sustain in (
        ("level", 1.1, "relative", {"windows": 2, "of": 3}),
        ("level", 8.0, "absolute", {"for": "3m"}),
        ("flow", 1.2, "relative", {"windows": 1, "of": 4}),
        ("faults", 0.3, "absolute", {"windows": 1, "of": 1}),
        ("p90", 1.5, "absolute", {"windows": 2, "of": 4}),
        ("mean", 1.1, "sigma", {"windows": 2, "of": 2}),
        ("within", 0.5, "absolute", {"for": "4m"}),
    )
}
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("0.5", "1.0", "+Inf"),
    ("1.0", "2.0", "+Inf"),
    ("0.5", "+Inf"),
)


class Shop:
    """Targets whose counters grow, restart, miss pages and change their buckets."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.counts: dict[Labels, float] = {}
        self.layout = dict.fromkeys("abcd", LAYOUTS[0])

    def page(self, target: str, at_ms: int) -> list[Sample]:
        """What a target shows."""
        rng = self.rng
        if rng.random() < 0.1:  # a restart, perhaps with another version
            self.layout[target] = LAYOUTS[rng.integers(len(LAYOUTS))]
            self.counts = {k: v for k, v in self.counts.items() if k.get("target") != target}
        waits = rng.exponential(1.0, rng.integers(0, 30))
        shown = {
            Labels.of({NAME: "level", "target": target}): float(rng.normal(7, 1)),
            Labels.of({NAME: UP, "target": target}): 1.0,
        }

        def grow(metric: str, by: float, **labels: str) -> None:
            key = Labels.of({NAME: metric, "target": target, **labels})
            shown[key] = self.counts[key] = self.counts.get(key, 0.0) + by

        grow("flow_total", float(rng.integers(0, 50)))
        grow("calls_total", float(rng.integers(0, 50)), code="200")
        if rng.random() < 0.5:
            grow("calls_total", float(rng.integers(0, 20)), code="500")
        for bound in self.layout[target]:
            grow("wait_bucket", float((waits <= float(bound)).sum()), le=bound)
        grow("wait_sum", float(waits.sum()))
        if rng.random() < 0.9:
            grow("wait_count", float(len(waits)))
        return [Sample(one, at_ms, value) for one, value in shown.items()]

    def minute(self, at_ms: int) -> tuple[list[Sample], list[Sample]]:
        """What came in time, and what comes late."""
        in_time: list[Sample] = []
        late: list[Sample] = []
        for target in "abcd":
            if self.rng.random() < 0.1:
                continue  # not read
            page = self.page(target, at_ms - int(self.rng.integers(0, 50_000)))
            if self.rng.random() < 0.05:
                page = [Sample(one.labels, one.at_ms, math.nan) for one in page[:3]] + page[3:]
            (late if self.rng.random() < 0.15 else in_time).extend(page)
        return in_time, late


def fresh(watch: Watch) -> Detector:
    """As after a new start, on the same files."""
    ledger, registry = Ledger(watch.file), CollectorRegistry()
    return Detector(
        watch.detector.definitions,
        watch.history,
        watch.state,
        watch.book,
        ledger,
        DetectorMeters(registry),
    )


def live(watch: Watch, seed: int, *, restarts: bool) -> dict[str, list[str]]:
    """Forty minutes with everything that can go wrong; what is stored at the end."""
    shop, waiting = Shop(seed), list[Sample]()
    chance = np.random.default_rng(seed + 1)
    past = [
        Window(name, Labels.of(target=target), NOON_MS - back * 300_000, 300.0, 5.0 + back % 3, 4.0)
        for name in ("level", "faults", "within")
        for target in "abc"
        for back in range(7 * 288)
    ]
    for name in ("level", "faults", "within"):
        watch.history.put_windows(watch_windows(name, past))
    for minute in range(1, 41):
        in_time, late = shop.minute(NOON_MS + minute * MINUTE_MS)
        watch.history.append(Samples.of(in_time))
        if chance.random() < 0.05:
            continue  # no tick
        if (chance.random() < 0.4) and restarts:
            watch.detector = fresh(watch)
        watch.ticks(minute, minute)
        if chance.random() < 0.1:  # repeated
            watch.ticks(minute, minute)
        waiting += late
        if chance.random() < 0.3:
            watch.history.append(Samples.of(waiting))
            waiting.clear()
        if chance.random() < 0.1:  # somebody else writes into the past
            at_ms = NOON_MS + (minute - 7) * MINUTE_MS
            window = Window("level", Labels.of(target="z"), at_ms, 60.0, 9.0, 1.0)
            watch.history.put_windows(watch_windows("level", [window]))
            at_ms = NOON_MS - 300_000 * int(chance.integers(1, 2000))
            window = Window("level", Labels.of(target="a"), at_ms, 300.0, 90.0, 1.0)
            watch.history.put_windows(watch_windows("level", [window]))
    return watch.everything()


def watch_windows(name: str, rows: list[Window]) -> Windows:
    """Those of one signal."""
    return Windows.of(name, [one for one in rows if one.signal == name])


def test_a_process_that_goes_on_says_what_one_that_starts_again_and_again_says(
    tmp_path: Path,
) -> None:
    found = []
    for restarts in (False, True):
        directory = tmp_path / str(restarts)
        directory.mkdir()
        watch = Watch(directory, definitions(RULES, SIGNALS))
        found.append(live(watch, seed=1, restarts=restarts))
        watch.close()
    warm, cold = found
    for table in warm:
        assert warm[table] == cold[table], table
    assert len(warm["windows"]) > 6000 + 400
    assert {row.split("'")[3] for row in warm["judgements"]} >= {"steady", "regressed", "rejected"}


# --- the tail ---


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path, definitions(RULES, SIGNALS))
    yield made
    made.close()


def rows(samples: Samples) -> list[tuple[str, int, float]]:
    return [
        (str(samples.series[i]), at, value)
        for i, at, value in zip(
            samples.index.tolist(), samples.at_ms.tolist(), samples.values.tolist(), strict=True
        )
    ]


def test_the_tail_is_what_the_history_would_give_whatever_comes_late(watch: Watch) -> None:
    shop, rng = Shop(9), np.random.default_rng(4)
    reach_ms = LOOKBACK_MS + MINUTE_MS
    metrics = evaluate.metrics(watch.detector.definitions.signals.values()) | {UP}
    tail, kept = Tail(watch.history, metrics, reach_ms), list[Sample]()
    selectors = [s for one in watch.detector.definitions.signals.values()
                 for s in (one.form.selectors(),)]  # fmt: skip
    for minute in range(1, 60):
        in_time, late = shop.minute(NOON_MS + minute * MINUTE_MS)
        watch.history.append(Samples.of(in_time))
        kept += late
        if rng.random() < 0.3:
            watch.history.append(Samples.of(kept))
            kept.clear()
        if rng.random() < 0.1:
            watch.history.retain(NOON_MS + (minute - 3) * MINUTE_MS, 0)
        if rng.random() < 0.2:
            continue
        end_ms = NOON_MS + minute * MINUTE_MS
        assert tail.advance(end_ms)
        for chosen in [*selectors, (Selector(UP),)]:
            for back_ms in (reach_ms, MINUTE_MS, 2 * reach_ms):
                expected = watch.history.samples(chosen, end_ms - back_ms, end_ms)
                found = tail.samples(chosen, end_ms - back_ms, end_ms)
                assert repr(rows(found)) == repr(rows(expected))
                assert found.ids.tolist() == expected.ids.tolist()
                assert found.series == expected.series


def test_a_tail_reads_only_what_is_new(watch: Watch) -> None:
    asked: list[tuple[int, int]] = []

    class Noting:
        journal = watch.history.journal

        def samples(self, selectors: Any, start_ms: int, end_ms: int) -> Samples:
            asked.append((start_ms - NOON_MS, end_ms - NOON_MS))
            return watch.history.samples(selectors, start_ms, end_ms)

    tail = Tail(Noting(), {"level"}, 6 * MINUTE_MS)  # type: ignore[arg-type]
    for minute in range(1, 4):
        watch.level("5", minute)
        tail.advance(NOON_MS + minute * MINUTE_MS)
    watch.level("6", 1)  # late
    tail.advance(NOON_MS + 4 * MINUTE_MS)
    assert asked == [
        (-5 * MINUTE_MS, MINUTE_MS),
        (MINUTE_MS, 2 * MINUTE_MS),
        (2 * MINUTE_MS, 3 * MINUTE_MS),
        (MINUTE_MS - 1, 4 * MINUTE_MS),
    ]


def test_a_tail_that_would_be_too_long_is_not_held(watch: Watch) -> None:
    watch.level("5x5")
    tail = Tail(watch.history, {"level"}, 6 * MINUTE_MS, rows_max=4)
    end_ms = NOON_MS + 5 * MINUTE_MS
    assert not tail.advance(end_ms)
    assert len(tail) == 0
    assert len(tail.samples([Selector("level")], end_ms - 6 * MINUTE_MS, end_ms)) == 5

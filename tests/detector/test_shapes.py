"""The named shapes through real ticks, with the shipped gates and with each of them taken away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from detector.config import shipped
from detector.increase import UP
from detector.ledger import Wanted
from detector.lifecycle import DETECTOR
from detector.regression import Step
from storage.history import NO_LAYOUT, Floats, Ints, Samples, Windows
from storage.series import NAME, Labels, Sample
from tests.detector.shapes import autoregressive
from tests.detector.watch import DAY_MS, HOUR_MS, LEVEL, MINUTE_MS, NOON_MS, Watch, definitions

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "shapes.yaml").read_text(encoding="utf-8")
)
NAMED = {
    "flat",
    "noisy",
    "step",
    "ramp",
    "single spike",
    "transient",
    "bimodal",
    "weekend",
    "daily peak",
    "holiday",
    "missing hours",
    "zero baseline",
    "constant",
    "counter reset",
    "DST change",
    "traffic drop to nothing",
    "regression on top of a regression",
    "slow drift",
}
RULE = shipped()[1]["api_mean_time_regression"] | {"signal": "level"}
GATES = RULE["gates"]
FLOW = {
    "form": "rate",
    "metric": "flow_total",
    "by": ["target"],
    "window": "5m",
    "unit": "per_second",
    "title": "Flow",
}
RULES = {
    "shipped": RULE,
    "without_significance": RULE
    | {"gates": {k: v for k, v in GATES.items() if k != "significance"}},
    "counted": RULE
    | {"signal": "flow", "gates": {k: v for k, v in GATES.items() if "min_" not in k}},
    "without_expected": RULE | {"gates": {k: v for k, v in GATES.items() if k != "expected"}},
}
SIGNALS = {"level": LEVEL, "flow": FLOW}
ONSET_MS, END_MS = NOON_MS + 30 * MINUTE_MS, NOON_MS + 3 * HOUR_MS
TODAY_MS = NOON_MS // DAY_MS * DAY_MS
LEVEL_SECONDS = 0.2


def course(case: dict[str, Any], ends: Ints, generator: np.random.Generator) -> Floats:
    """The values of a case at the ends of windows."""
    deviation, phi = case.get("noise", 0.02), case.get("phi", 0.0)
    noise = autoregressive(generator, 1, len(ends), phi, deviation)[0]
    values: Floats = LEVEL_SECONDS * np.exp(np.clip(noise, -3 * deviation, 3 * deviation))
    times = ends - 1
    day = (times // DAY_MS + 3) % 7  # the epoch was a Thursday
    ago = TODAY_MS // DAY_MS - times // DAY_MS
    free = (day >= 5) | np.isin(ago, case.get("holidays", ()))
    values *= np.where(free, case.get("weekend", 1.0), 1.0)
    hour = times % DAY_MS / HOUR_MS + np.where(times >= TODAY_MS, case.get("shifted", 0), 0)
    first, last = case.get("hours", (0, 0))
    part = np.where((hour >= first) & (hour < last), 1.0, 0.0)
    if "smooth" in case:
        part *= np.sin(np.pi * (hour - first) / (last - first)) ** 2
    values *= 1 + (case.get("peak", 1.0) - 1) * part
    clock = times % DAY_MS / HOUR_MS
    job = (day == 0) & (clock >= 12.25) & (clock < 15)
    values *= np.where(job, case.get("weekly", 1.0), 1.0)
    if "odd" in case:
        other = (times // HOUR_MS) % case["odd"] == 0
        values *= np.where(other & (times < NOON_MS), case["at"], 1.0)
    values *= case.get("drift", 1.0) ** ((times - NOON_MS) / DAY_MS)
    values *= np.where(times >= NOON_MS - case.get("since", 0) * DAY_MS, case.get("level", 1.0), 1)
    since = (times - ONSET_MS) / MINUTE_MS
    risen = np.clip(since / case["ramp"], 0, 1) if "ramp" in case else 1.0
    begun = (since >= 0) & (since < case.get("lasts", 10**6))
    values *= np.where(begun, 1 + (case.get("times", 1.0) - 1) * risen, 1.0)
    first, last = case.get("missing", (0, 0))
    values[(clock >= first) & (clock < last)] = np.nan
    if "stops" in case:
        values[times >= ONSET_MS] = np.nan
    return values


def labels(number: int) -> Labels:
    return Labels.of(target=f"case-{number:02d}")


def put(watch: Watch, seconds: int, ends: Ints) -> None:
    """The windows of all cases, of one length."""
    for number, case in enumerate(CASES):
        if "restarts" in case:
            continue
        values = course(case, ends, np.random.default_rng([seconds, number]))
        there = np.isfinite(values)
        count = int(there.sum())
        watch.history.put_windows(
            Windows(
                "level",
                (labels(number),),
                np.zeros(count, np.int64),
                ends[there],
                np.full(count, float(seconds)),
                values[there],
                np.full(count, 2.0 * seconds),
                np.full(count, NO_LAYOUT, np.int64),
            )
        )


def count(watch: Watch) -> None:
    """The cases of counters: samples every minute from noon, and before it what they came to."""
    for number, case in enumerate(CASES):
        if "restarts" not in case:
            continue
        generator = np.random.default_rng([1, number])
        past = np.arange(NOON_MS - 15 * DAY_MS, NOON_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
        rates = 1000 * course(case, past, generator)
        watch.history.put_windows(
            Windows(
                "flow",
                (labels(number),),
                np.zeros(len(past), np.int64),
                past,
                np.full(len(past), 300.0),
                rates,
                300 * rates,
                np.full(len(past), NO_LAYOUT, np.int64),
            )
        )
        at_ms = np.arange(NOON_MS - 10 * MINUTE_MS, END_MS + 1, MINUTE_MS)
        value, shown = 0.0, list[Sample]()
        for minute, rate in enumerate((1000 * course(case, at_ms, generator)).tolist()):
            value = 0.0 if minute % case["restarts"] == 0 else value
            value += round(60 * rate)
            counter, up = (
                Labels.of({NAME: name, "target": labels(number).get("target")})
                for name in ("flow_total", UP)
            )
            shown += [Sample(counter, int(at_ms[minute]), value)]
            shown += [Sample(up, int(at_ms[minute]), 1.0)]
        watch.history.append(Samples.of(shown))


def put_hours(watch: Watch) -> None:
    """Four weeks of hours of the cases that have a week."""
    for number, case in enumerate(CASES):
        if "weekly" in case:
            ends = np.arange(NOON_MS - 29 * DAY_MS, NOON_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
            values = course(case, ends, np.random.default_rng([3600, number]))
            hours = values.reshape(-1, 12).mean(axis=1)
            count = len(hours)
            watch.history.put_windows(
                Windows(
                    "level",
                    (labels(number),),
                    np.zeros(count, np.int64),
                    ends[11::12],
                    np.full(count, 3600.0),
                    hours,
                    np.full(count, 7200.0),
                    np.full(count, NO_LAYOUT, np.int64),
                )
            )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    watch = Watch(tmp_path_factory.mktemp("shapes"), definitions(RULES, SIGNALS))
    count(watch)
    put_hours(watch)
    put(watch, 300, np.arange(NOON_MS - 15 * DAY_MS, END_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS)
    put(watch, 60, np.arange(NOON_MS - HOUR_MS, END_MS, MINUTE_MS) + MINUTE_MS)
    for tick_ms in range(NOON_MS, END_MS + 1, 5 * MINUTE_MS):
        watch.detector.tick(tick_ms)
    yield watch
    watch.close()


def openings(watch: Watch, number: int, rule: str) -> list[tuple[int, str]]:
    """When a rule opened confirmed regressions on the series of a case, and what became of each."""
    with watch.state.reading() as session:
        return [
            (step.at_ms, str(one.phase))
            for one in watch.book.spans(session, 0)
            if one.rule == rule and one.labels == labels(number) and one.kind == "regression"
            for step in watch.book.transitions(session, one.id)
            if step.actor == DETECTOR and step.step is Step.OPENED
        ]


NUMBERED = [pytest.param(number, one, id=one["case"]) for number, one in enumerate(CASES)]


@pytest.mark.parametrize(("number", "case"), NUMBERED)
def test_a_shape_opens_or_is_refused_by_its_gate(
    lived: Watch, number: int, case: dict[str, Any]
) -> None:
    rule = "counted" if "restarts" in case else "shipped"
    found = lived.ledger.read(Wanted(rule=rule, labels=labels(number), limit=1000))
    refused = [one.reason for one in found if one.verdict == "rejected"]
    found_ = openings(lived, number, rule)
    assert bool(found_) is (case["opened"] == "yes"), refused
    if "promptly" in case:
        assert (found_[0][0] - ONSET_MS) // MINUTE_MS <= case["promptly"]
    if "ended" in case:
        assert [phase for _, phase in found_] == [case["ended"]]
    if "gate" in case:
        assert case["gate"] in refused
    if "without" in case:
        assert openings(lived, number, f"without_{case['without']}")


def test_every_gate_has_a_shape_that_opens_without_it() -> None:
    assert {one["without"] for one in CASES if "without" in one} == {"significance", "expected"}


def test_every_named_shape_has_a_case() -> None:
    assert {one["shape"] for one in CASES} == NAMED


def test_a_counter_that_restarts_is_judged_at_all(lived: Watch) -> None:
    for number, case in enumerate(CASES):
        if "restarts" in case:
            found = lived.ledger.read(Wanted(rule="counted", labels=labels(number), limit=1000))
            assert not [one for one in found if one.verdict == "unknown"], case["case"]

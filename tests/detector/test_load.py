"""The work of a series: whose it is, how much it is now and usually, and what it explains."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.dependencies import Dependencies
from detector.load import LoadFinder, Work, related
from detector.regression import Kind, Regression, Severity, Tag
from detector.run import Definitions
from detector.tagging import Tagging
from detector.tags import all_told
from detector.why import explain
from storage.history import NO_LAYOUT, Floats, Windows
from storage.series import Labels
from tests.detector.watch import DAY_MS, LEVEL, MINUTE_MS, NOON_MS, RISEN, Watch, definitions

WORK = {"form": "rate", "metric": "work_total", "by": ["target", "route"], "unit": "per_second"}
USED = RISEN | {"clear": {"level": 1.1, "for": "10m"}, "gates": {"warming": False}}
CART, HOME = (Labels.of(target="shop", route=route) for route in ("/cart", "/"))
TILL = Labels.of(target="till", route="/")


def chosen(milder: bool = False, **more: Any) -> Definitions:
    load = {"signal": "work", "milder": milder}
    rules = {"risen": USED | {"load": load} | more}
    return definitions(rules, {"level": LEVEL, "work": WORK | {"title": "Work"}})


def put(watch: Watch, name: str, labels: Labels, values: Floats, seconds: float = 300.0) -> None:
    """Windows of five minutes that end at noon and before it."""
    count = len(values)
    watch.history.put_windows(
        Windows(
            name,
            (labels,),
            np.zeros(count, np.int64),
            NOON_MS + 30 * MINUTE_MS - 5 * MINUTE_MS * np.arange(count - 1, -1, -1),
            np.full(count, seconds),
            values,
            np.full(count, 100.0),
            np.full(count, NO_LAYOUT, np.int64),
        )
    )


def week(usual: float, now: float, days: int = 8) -> Floats:
    """So many days of one value, and half an hour of another."""
    values = np.full(days * 288, usual)
    values[-6:] = now
    return values


def lived(watch: Watch) -> Regression:
    """Half an hour of ticks; the one regression that opened."""
    for minute in range(0, 31, 5):
        watch.detector.tick(NOON_MS + minute * MINUTE_MS)
    (one,) = [r for r in watch.regressions() if r.kind is Kind.REGRESSION]
    return one


def busy(directory: Path, work: float, value: float, milder: bool = False) -> Watch:
    """A shop whose usual level is 10 at 100 requests a second on two routes."""
    watch = Watch(directory, chosen(milder))
    put(watch, "level", Labels.of(target="shop"), week(10, value))
    fine = np.repeat([10.0, value], 30)
    count = len(fine)
    watch.history.put_windows(
        Windows(
            "level",
            (Labels.of(target="shop"),),
            np.zeros(count, np.int64),
            NOON_MS - 30 * MINUTE_MS + MINUTE_MS * np.arange(1, count + 1),
            np.full(count, 60.0),
            fine,
            np.full(count, 20.0),
            np.full(count, NO_LAYOUT, np.int64),
        )
    )
    put(watch, "work", CART, week(70, 0.7 * work))
    put(watch, "work", HOME, week(30, 0.3 * work))
    put(watch, "work", TILL, week(500, 500))
    return watch


def test_a_regression_that_grew_no_more_than_the_work_says_so_with_its_numbers(
    tmp_path: Path,
) -> None:
    watch = busy(tmp_path, work=200, value=16)
    one = lived(watch)
    assert (one.tags, one.severity) == ((Tag.LOAD_DRIVEN,), Severity.CRITICAL)
    kept = one.evidence["tags"]["load_driven"]
    assert (kept["load"], kept["series"], kept["days"], kept["milder"]) == ("work", 2, 7, False)
    assert kept["now"] == pytest.approx(200)
    assert kept["usual"] == pytest.approx(100)
    assert all_told(one) == [
        "Load driven: work is 200/s, 2 x the 100/s usual at this hour; for the same work it is "
        "0.8 x what it was."
    ]
    watch.close()


def test_a_rule_may_let_more_work_make_it_milder_for_good(tmp_path: Path) -> None:
    watch = busy(tmp_path, work=200, value=16, milder=True)
    one = lived(watch)
    assert (one.tags, one.severity, one.is_mild) == ((Tag.LOAD_DRIVEN,), Severity.INFO, True)
    watch.close()


def test_more_for_the_same_work_is_not_driven_by_load(tmp_path: Path) -> None:
    watch = busy(tmp_path, work=120, value=16, milder=True)
    one = lived(watch)
    assert (one.tags, one.severity) == ((), Severity.CRITICAL)
    assert "tags" not in one.evidence
    watch.close()


def test_an_explanation_tells_what_the_tick_told(tmp_path: Path) -> None:
    watch = busy(tmp_path, work=200, value=16)
    for minute in (20, 25):
        watch.detector.tick(NOON_MS + minute * MINUTE_MS)
    signals = watch.detector.definitions.signals
    why = explain(
        watch.history,
        signals["level"],
        watch.detector.definitions.rules_of("level"),
        Labels.of(target="shop"),
        NOON_MS + 25 * MINUTE_MS,
        tagging=Tagging(signals, LoadFinder(watch.history)),
    )
    (one,) = why.rules
    (kept,) = watch.regressions()
    assert [tag.tag for tag in one.tags] == [Tag.LOAD_DRIVEN]
    assert dict(one.tags[0].evidence)["usual"] == kept.evidence["tags"]["load_driven"]["usual"]
    watch.close()


def test_the_work_of_a_machine_is_that_of_what_rests_on_it(tmp_path: Path) -> None:
    host = Labels.of(target="vm-1")
    needs = Dependencies({"shop": ("vm-1",)})
    assert related(host, (CART, HOME, TILL), needs) == {CART, HOME}
    assert related(host, (CART, HOME, TILL), Dependencies()) == frozenset()
    assert related(CART, (CART, HOME, TILL), needs) == {CART}
    assert related(Labels.of(target="shop"), (CART, HOME, TILL), needs) == {CART, HOME}


def test_the_usual_work_is_that_of_this_hour_and_not_of_the_day(tmp_path: Path) -> None:
    watch = Watch(tmp_path, chosen())
    ends = np.arange(8 * 288)[::-1]
    at_noon = ends % 288 < 12
    put(watch, "work", CART, np.where(at_noon, 300.0, 10.0))
    finder = LoadFinder(watch.history)
    signal, end_ms = watch.detector.definitions.signals["work"], NOON_MS + 30 * MINUTE_MS
    work = finder.work(signal, CART, end_ms, 15 * MINUTE_MS)
    assert work == Work(now=300.0, usual=300.0, days=7, series=1)
    assert finder.work(signal, TILL, end_ms, 15 * MINUTE_MS) is None
    watch.close()


def test_one_day_before_is_too_little_to_call_anything_usual(tmp_path: Path) -> None:
    watch = Watch(tmp_path, chosen())
    put(watch, "work", CART, np.full(288 + 6, 10.0))
    signal = watch.detector.definitions.signals["work"]
    assert LoadFinder(watch.history).work(signal, CART, NOON_MS, DAY_MS // 96) is None
    watch.close()

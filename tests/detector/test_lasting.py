"""Small changes that last: looked at by the hour, and held for as long as two hours hold them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.bounds import held
from detector.config import build_signals
from detector.current import Members
from detector.extent import may_grow
from detector.gates import Gate, conclude
from detector.judgement import Assessment, Background, Judged, Judgement, Reason, Verdict
from detector.judges.change import ChangeJudge, Hours
from detector.judging import Facts, judge_of
from detector.lasting import hours, is_turn
from detector.lifecycle import continued, opened
from detector.recent import Budget, Recent
from detector.regression import Phase, Step
from detector.rule import Rule
from detector.why import explain
from storage.history import Floats, Ints
from storage.series import Labels
from tests.detector.test_change import COARSE, COUNT, FIVE_MS, MOVED, fed
from tests.detector.watch import DAY_MS, HOUR_MS, NOON_MS, SERIES, Watch, definitions

OVER = 96  # windows after noon in which the change is over


def loud(factor: float) -> Floats:
    """Fifteen days and twelve hours that scatter by 40 %, eight hours `factor` times as high."""
    values = 100 * np.exp(np.random.default_rng(4).normal(0, 0.4, COUNT + 144))
    values[COUNT : COUNT + OVER] *= factor
    return np.asarray(values, np.float64)


def held_of(
    values: dict[int, float], n: float = 5.0, step_ms: int = FIVE_MS
) -> tuple[Members, Recent]:
    """Ten series of which each is at a level so many days ago, for the three hours before noon."""
    members, recent = Members(), Recent(step_ms, 8 * DAY_MS // step_ms, Budget(2**30))
    rows = members.rows(tuple(Labels.of(target=f"shop-{number}") for number in range(10)))
    recent.advance(NOON_MS)
    for day, level in values.items():
        for back in range(0, 3 * HOUR_MS, step_ms):
            ends = np.full(len(rows), NOON_MS - day * DAY_MS - back)
            recent.put(rows, ends, np.full(len(rows), level), np.full(len(rows), n))
    return members, recent


def found(
    values: dict[int, float], rows: tuple[int, ...] = (3,), **how: Any
) -> tuple[float, float, float]:
    least_n, left_out = how.pop("least_n", 1.0), how.pop("left_out", {})
    members, recent = held_of(values, **how)
    one = hours(members, recent, np.array(rows), NOON_MS, left_out, least_n)
    return float(one.now[0]), float(one.usual[0]), float(one.deviation[0])


WEEK = {0: 13.0, 1: 10.0, 2: 11.0, 3: 9.0, 4: 10.0, 5: 12.0, 6: 10.0, 7: 8.0}


def test_two_hours_stand_beside_the_same_hours_of_seven_days() -> None:
    now, usual, deviation = found(WEEK)
    assert (now, usual) == (13.0, 10.0)
    assert deviation == pytest.approx(1.4826)


def test_of_two_days_nobody_knows_how_far_days_lie_apart() -> None:
    assert not np.isnan(found({0: 13.0, 1: 10.0, 2: 11.0, 3: 9.0})).any()
    now, usual, deviation = found({0: 13.0, 1: 10.0, 2: 11.0})
    assert (now, math.isnan(usual), math.isnan(deviation)) == (13.0, True, True)


def test_windows_of_few_observations_are_none() -> None:
    assert np.isnan(found(WEEK, n=4.0, least_n=5.0)).all()


def test_a_series_without_windows_has_no_hours() -> None:
    assert np.isnan(found(WEEK, rows=(-1,))).all()
    assert np.isnan(found(WEEK, rows=(10,))).all()


def test_half_of_the_windows_must_be_there() -> None:
    for last, known in ((60, True), (55, False)):
        members, recent = held_of({day: level for day, level in WEEK.items() if day})
        for back in range(0, last, 5):
            recent.put(np.array([0]), np.array([NOON_MS - back * 60_000]), np.ones(1), np.ones(1))
        now = hours(members, recent, np.array([0]), NOON_MS, {}, 1.0).now
        assert bool(np.isfinite(now[0])) is known


def test_what_was_a_regression_on_the_days_before_is_not_usual_and_today_is_judged() -> None:
    series = Labels.of(target="shop-3")
    odd = {**WEEK, 2: 90.0, 5: 90.0, 6: 90.0, 7: 90.0}
    spans = [(NOON_MS - day * DAY_MS - 4 * HOUR_MS, NOON_MS - day * DAY_MS) for day in (2, 5, 6, 7)]
    spans.append((NOON_MS - 4 * HOUR_MS, NOON_MS + 1))
    assert found(odd, left_out={series: spans})[:2] == (13.0, 10.0)
    assert found(odd)[1] == 90.0
    assert found(odd, left_out={Labels.of(target="shop-4"): spans})[1] == 90.0


def test_of_windows_of_half_an_hour_those_of_the_rule_say_as_much() -> None:
    assert not np.isnan(found(WEEK, step_ms=15 * 60_000)).any()
    assert np.isnan(found(WEEK, step_ms=30 * 60_000)).all()


def test_a_ring_gives_the_same_windows_one_by_one_and_at_once() -> None:
    _, recent = held_of(WEEK)
    ends = NOON_MS - FIVE_MS * np.arange(30, -1, -1)
    values, n = recent.at(np.array([7, 2]), ends)
    one = recent.one(2, int(ends[0]) - FIVE_MS, int(ends[-1]))
    np.testing.assert_array_equal(values[1], one[0])
    np.testing.assert_array_equal(n[1], one[1])
    beyond = np.array([NOON_MS + FIVE_MS, NOON_MS - 8 * DAY_MS])
    assert np.isnan(recent.at(np.array([2]), beyond)[0]).all()


@pytest.mark.parametrize(("step_ms", "turns"), [(FIVE_MS, 12), (15 * 60_000, 4), (2 * HOUR_MS, 1)])
def test_each_series_has_a_turn_an_hour_by_its_labels_alone(step_ms: int, turns: int) -> None:
    names = tuple(Labels.of(target=f"shop-{number}") for number in range(100))

    def due(order: tuple[Labels, ...]) -> Ints:
        members = Members()
        for part in (order[:30], order):  # series come by and by
            rows = members.rows(part)
            found = [
                is_turn(members, rows, at, step_ms) for at in range(0, turns * step_ms, step_ms)
            ]
        return np.array([np.flatnonzero(each) for each in np.array(found).T])

    first = due(names)
    assert first.shape == (100, 1)
    assert len(np.unique(first)) == turns
    np.testing.assert_array_equal(due(names[::-1])[::-1], first)


@pytest.mark.parametrize(
    ("now", "usual", "deviation", "level", "lasts"),
    [
        (105.0, 100.0, 1.0, 1.08, True),
        (103.0, 100.0, 1.0, 1.08, False),  # not half of the way on
        (105.0, 100.0, 6.0, 1.08, False),  # days differ by as much
        (94.0, 100.0, 1.0, 0.9, True),
        (96.0, 100.0, 1.0, 0.9, False),
        (94.0, 100.0, 7.0, 0.9, False),
        (5.0, 0.0, 0.0, 1.08, False),  # a multiple of nothing
        (math.nan, 100.0, 1.0, 1.08, False),
    ],
)
def test_the_hours_of_a_change_are_half_of_the_way_on_and_beyond_what_days_differ_by(
    now: float, usual: float, deviation: float, level: float, lasts: bool
) -> None:
    judge = ChangeJudge(level, (1 + level) / 2, math.inf, level > 1)
    background = Background(
        np.array([100.0]), np.array([40.0]), np.ones(1), np.full(1, 7), of_hours=True
    )
    hours_ = Hours(np.array([now]), np.array([usual]), np.array([deviation]))
    limits = judge.judge(background, hours_)
    windows = np.array([[100.0, 99.0, 101.0, 100.0]])
    assert held(limits, windows, level > 1).tolist() == [[float(lasts)] * 4]


def test_what_is_usual_on_this_weekday_is_no_change_that_lasts() -> None:
    rule = Rule.model_validate(MOVED | {"gates": {"expected": True}})
    known = Background(np.array([100.0]), np.array([40.0]), np.ones(1), np.full(1, 7))
    facts = Facts(hours=Hours(np.array([115.0]), np.array([105.0]), np.array([2.0])))
    for expected, holds in ((100.0, 1.0), (110.0, 0.0)):
        assessment = Assessment.nothing(1)
        assessment.expected[:] = expected
        levels = judge_of(rule).judge(known, facts, assessment)
        assert levels.expected is not None
        assert held(levels.expected, np.full((1, 4), 90.0), True)[0, -1] == holds


def said(value: float, hours_: float, at_ms: int, **gates: float) -> Judgement:
    """What a rule says of four windows of one value, and of two hours; 100 is usual, give or take.

    The past is not asked.
    """
    rule = Rule.model_validate(MOVED | {"gates": gates})
    known = Background(
        np.array([100.0]), np.array([40.0]), np.ones(1), np.full(1, 7), of_hours=True
    )
    facts = Facts(hours=Hours(np.array([hours_]), np.array([100.0]), np.array([2.0])))
    judged = Judged((SERIES,), np.full((1, 4), value), np.full((1, 4), 5.0), at_ms)
    levels = judge_of(rule).judge(known, facts)
    return conclude("moved", rule, rule.span(300, 300), judged, known, levels).row(0)


def test_the_least_distance_is_that_of_the_hours() -> None:
    assert said(95.0, 112.0, NOON_MS, min_delta=8.0).verdict is Verdict.REGRESSED
    small = said(95.0, 107.0, NOON_MS, min_delta=8.0)
    assert (small.verdict, small.reason) == (Verdict.REJECTED, Reason.MIN_DELTA)
    assert said(95.0, 103.0, NOON_MS, min_delta=8.0).verdict is Verdict.STEADY


def test_what_two_hours_still_hold_is_not_over_when_the_newest_windows_are_clear() -> None:
    rule, (signal,) = Rule.model_validate(MOVED), build_signals(COARSE).values()
    now, _ = opened(signal, rule, said(95.0, 112.0, NOON_MS))
    assert (now.value, now.worst) == (112.0, 112.0)
    for window in range(1, 37):
        now, steps = continued(now, rule, said(95.0, 112.0, NOON_MS + window * FIVE_MS))
        assert steps == ()
    over, (step,) = continued(now, rule, said(95.0, 101.0, NOON_MS + 37 * FIVE_MS))
    assert over.phase is Phase.RESOLVED
    assert step.reason == "clear for long enough"
    # A window that is further on is the value to tell.
    assert continued(now, rule, said(180.0, 112.0, NOON_MS + 37 * FIVE_MS))[0].value == 180.0


def test_the_past_of_an_open_change_is_asked_by_the_hour_and_where_it_has_grown() -> None:
    rule, (signal,) = Rule.model_validate(MOVED), build_signals(COARSE).values()
    now, _ = opened(signal, rule, said(170.0, math.nan, NOON_MS))
    soon, later = NOON_MS + 23 * FIVE_MS, NOON_MS + 24 * FIVE_MS
    assert may_grow(now, rule, said(170.0, math.nan, later), turn=True)
    assert not may_grow(now, rule, said(170.0, math.nan, later), turn=False)
    assert may_grow(now, rule, said(260.0, math.nan, later), turn=False)
    assert not may_grow(now, rule, said(95.0, math.nan, later), turn=True)
    assert not may_grow(now, rule, said(260.0, math.nan, soon), turn=True)
    # For two hours after it was told growth is only recorded.
    for at_ms, steps in ((soon, []), (later, [Step.ESCALATED])):
        again = replace(said(260.0, math.nan, at_ms), anew=True)
        assert [one.step for one in continued(now, rule, again)[1]] == steps


def test_on_a_loud_series_a_change_is_found_by_the_hour_and_lasts_until_it_is_over(
    tmp_path: Path,
) -> None:
    rule = MOVED | {"gates": {"min_delta": 8.0, "expected": True}}
    watch = fed(Watch(tmp_path, definitions({"moved": rule}, COARSE)), loud(1.3))
    shown, by_hours = list[float](), list[int]()
    for window in range(1, 108):
        (said_,) = (
            row for one in watch.detector.tick(NOON_MS + window * FIVE_MS) for row in one.rows()
        )
        if said_.hours > 100 > said_.value:
            by_hours.append(said_.at_ms)
        if window < OVER:
            shown += [one.value for one in watch.regressions() if one.phase.holds]
    (one,) = (each for each in watch.regressions() if each.phase is Phase.RESOLVED)
    assert one.opened_ms < NOON_MS + 60 * FIVE_MS
    assert one.resolved_ms is not None
    assert HOUR_MS - 4 * FIVE_MS <= one.resolved_ms - (NOON_MS + OVER * FIVE_MS) <= HOUR_MS
    # Windows below what is usual come all the time, and are told to nobody as its value.
    assert min(shown) > 105
    explains(watch, by_hours[0])
    watch.close()


def explains(watch: Watch, at_ms: int) -> None:
    """At a window that is no breach the hours are told, with what they have to be beyond."""
    definitions_ = watch.detector.definitions
    why = explain(watch.history, definitions_.signals["level"], definitions_.rules, SERIES, at_ms)
    seen = {one.gate: one.checks for one in why.rules[0].passages}
    newest, last = seen[Gate.TRIGGER]
    assert newest.saw < newest.needed
    assert (last.name, last.saw > last.needed) == ("last two hours", True)
    (distance,) = seen[Gate.MIN_DELTA]
    assert distance.saw > 8.0


def test_what_merely_scatters_is_looked_at_once_an_hour_at_most(tmp_path: Path) -> None:
    watch = fed(Watch(tmp_path, definitions({"moved": MOVED}, COARSE)), loud(1.0))
    for window in range(1, 61):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
    looked = sum(
        watch.metric("plimsoll_candidates_total", signal="level", outcome=outcome)
        for outcome in ("unknown", "steady", "small", "suspected", "changed")
    )
    assert looked <= 5
    assert watch.regressions() == []
    watch.close()


def test_a_process_that_has_just_started_says_the_same_of_hours(tmp_path: Path) -> None:
    watch = fed(Watch(tmp_path, definitions({"moved": MOVED}, COARSE)), loud(1.3))
    for window in range(1, 22):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
    warm = watch.detector.tick(NOON_MS + 22 * FIVE_MS)
    again = watch.restarted()
    cold = again.detector.tick(NOON_MS + 22 * FIVE_MS)
    rows = [repr(row) for one in cold for row in one.rows()]
    assert rows == [repr(row) for one in warm for row in one.rows()]
    assert any(np.isfinite(row.hours) for one in cold for row in one.rows())
    again.close()

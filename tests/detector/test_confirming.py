"""Candidates against their own past: how many, which windows, and what is no past."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.assessment import Finding
from detector.change import Scale, examined, method_for
from detector.confirming import turn
from detector.exclusion import apart
from detector.judgement import Reason, Verdict
from detector.method import five_minutes
from detector.regression import Phase, Regression
from storage.series import Labels
from tests.detector.regressions import regression
from tests.detector.watch import (
    DAY_MS,
    HOUR_MS,
    LEVEL,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    Watch,
    definitions,
)

GATES = {"expected": True, "significance": 0.5}
RULES = {"risen": RISEN | {"gates": GATES}}
PAST = "10.1 9.9 10 10.2 9.8 " * 864


@pytest.mark.parametrize(("count", "most"), [(0, 3), (3, 3), (7, 3), (8, 2)])
def test_each_candidate_has_its_turn(count: int, most: int) -> None:
    rows = [(0, row) for row in range(count)]
    rounds = -(-count // most)
    seen = [one for tick in range(rounds) for one in turn(rows, tick, most)]
    assert set(seen) == set(rows)
    assert all(len(turn(rows, tick, most)) == min(count, most) for tick in range(9))
    assert turn(rows, 5, most) == turn(rows, 5, most)


def risen(watch: Watch, minute: int) -> Any:
    return watch.judgement(minute, "risen")


def test_a_step_is_confirmed_by_the_past_and_says_when_it_began(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions(RULES))
    watch.past(PAST, days=15)
    watch.level("10x10 13x60")
    found = [risen(watch, minute) for minute in range(1, 66)]
    verdicts = [one.verdict for one in found]
    doubted, first = (verdicts.index(one) + 1 for one in (Verdict.SUSPECTED, Verdict.REGRESSED))
    # The change came at minute 10; the seventh window of eight, all or most of it, is over by then.
    assert 41 <= doubted <= 45
    # Only part of the windows lies behind the change: unusual, and not yet worth a notice.
    earlier = found[doubted - 2]
    assert (earlier.verdict, earlier.reason) == (Verdict.REJECTED, Reason.EFFECT)
    assert found[doubted - 1].reason == Reason.SIGNIFICANCE
    assert dict(found[doubted - 1].stages)["agreeing"] < 0.5
    assert 51 <= first <= 55
    stages = dict(found[first - 1].stages)
    assert stages["agreeing"] >= 0.5
    assert stages["expected"] == pytest.approx(10, rel=0.03)
    assert stages["effect"] == pytest.approx(0.3, abs=0.06)
    assert stages["before"] == pytest.approx(10, rel=0.03)
    assert stages["after"] == pytest.approx(13, rel=0.03)
    one = found[first - 1]
    assert one.began_lo_ms <= NOON_MS + 10 * MINUTE_MS <= one.began_hi_ms
    (open_,) = [r for r in watch.regressions() if r.kind == "regression"]
    assert open_.began_lo_ms <= NOON_MS + 10 * MINUTE_MS <= open_.began_hi_ms
    for name in ("agreeing", "effect", "after"):  # what confirmed it, not what was suspected first
        assert open_.evidence["stages"][name] == stages[name]
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="changed") == 1
    watch.close()


def test_a_process_that_has_just_started_finds_the_same(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions(RULES))
    watch.past(PAST, days=15)
    watch.level("10x10 13x60")
    for minute in range(1, 25):
        risen(watch, minute)
    warm = risen(watch, 25)
    again = watch.restarted()
    cold = risen(again, 25)
    assert repr(cold) == repr(warm)
    assert dict(cold.stages)["agreeing"] == dict(warm.stages)["agreeing"]
    again.close()


def test_beyond_the_budget_a_candidate_waits(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions(RULES))
    watch.past(PAST, days=15)
    watch.level("10x10 13x60")
    watch.detector.confirming.most = 0
    watch.ticks(1, 35)
    one = risen(watch, 36)
    assert (one.verdict, one.reason) == (Verdict.REJECTED, Reason.AWAITING_EVIDENCE)
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="awaiting") > 0
    watch.close()


def test_windows_of_a_length_without_a_method_leave_it_to_the_literal_rule(tmp_path: Path) -> None:
    odd = {"level": LEVEL | {"over": "10m"}}
    watch = Watch(tmp_path, definitions(RULES, odd))
    watch.past(PAST, days=15, seconds=600.0)
    watch.level("10x10 13x60")
    watch.ticks(1, 35)
    assert risen(watch, 36).verdict is Verdict.REGRESSED
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="no_method") > 0
    watch.close()


@pytest.mark.parametrize(
    ("seconds", "known"), [(300, True), (600, False), (900, True), (3600, True), (21_600, True)]
)
def test_methods_are_for_some_lengths_of_windows(seconds: float, known: bool) -> None:
    assert (method_for(seconds) is not None) is known


@pytest.mark.parametrize(("upwards", "times"), [(True, 1.3), (False, 0.75)])
def test_levels_come_back_in_the_unit_of_the_signal(upwards: bool, times: float) -> None:
    values = 0.2 * np.exp(np.random.default_rng(5).normal(0, 0.01, 15 * 288))
    values[-9:] *= times
    found = examined(five_minutes(), values, 0, np.ones(len(values), np.bool_), upwards=upwards)
    assert found.finding is Finding.CHANGED
    assert found.effect == pytest.approx(times - 1, abs=0.03)
    assert found.before == pytest.approx(0.2, rel=0.01)
    assert found.after == pytest.approx(0.2 * times, rel=0.02)
    assert found.expected == pytest.approx(0.2, rel=0.01)
    assert found.began_lo >= 8 >= found.began_hi
    other = examined(five_minutes(), values, 0, np.ones(len(values), np.bool_), upwards=not upwards)
    assert other.finding is not Finding.CHANGED


@pytest.mark.parametrize(
    ("usual", "now", "is_share", "finding"),
    [
        # A tenth less of the hits is below the floor of the shortest span; misses are 12 x as many.
        (0.99, 0.88, True, Finding.CHANGED),
        (0.99, 0.88, False, Finding.SMALL),
        (0.40, 0.34, True, Finding.CHANGED),
        (0.40, 0.37, True, Finding.SMALL),
    ],
)
def test_of_a_share_the_side_nearer_to_zero_says_how_much_has_changed(
    usual: float, now: float, is_share: bool, finding: Finding
) -> None:
    noise = np.random.default_rng(5).normal(0, 0.001, 15 * 288)
    values = usual + noise
    values[-9:] += now - usual
    known = np.ones(len(values), np.bool_)
    found = examined(five_minutes(), values, 0, known, upwards=False, is_share=is_share)
    assert found.finding is finding
    assert found.expected == pytest.approx(usual, abs=0.002)
    if finding is Finding.CHANGED:
        assert [found.before, found.after] == pytest.approx([usual, now], abs=0.005)
        assert found.of_rest == (usual > 0.5)
        rest = (1 - now) / (1 - usual) if usual > 0.5 else now / usual
        assert found.effect == pytest.approx(rest - 1, rel=0.15)


def test_one_half_is_the_same_from_either_side() -> None:
    noise = np.random.default_rng(6).normal(0, 0.002, 15 * 288)
    low, high = np.clip(0.499 + noise, 0, 0.4999), np.clip(0.501 + noise, 0.5001, 1)
    known = np.ones(len(noise), np.bool_)
    for values in (low, high):
        values[-9:] *= 0.8
    found = [
        examined(five_minutes(), one, 0, known, upwards=False, is_share=True) for one in (low, high)
    ]
    assert [one.of_rest for one in found] == [0.0, 1.0]
    assert {one.finding for one in found} == {Finding.CHANGED}
    assert [one.after for one in found] == pytest.approx([0.4, 0.4], abs=0.005)


def test_a_tick_judges_a_hit_rate_by_its_misses(tmp_path: Path) -> None:
    fallen = RISEN | {"trigger": {"relative": {"below": 0.9}}, "gates": {"significance": 0.5}}
    fallen |= {"clear": {"level": 0.95, "for": "10m"}, "critical": 0.5}
    told = {}
    for unit, last in (("ratio", 58), ("count", 85)):
        (tmp_path / unit).mkdir()
        signals = {"level": LEVEL | {"unit": unit}}
        watch = Watch(tmp_path / unit, definitions({"risen": fallen}, signals))
        watch.past("0.991 0.989 0.99 0.992 0.988 " * 864, days=15)
        watch.level("0.99x10 0.885x75")
        found = [risen(watch, minute) for minute in range(8, last)]
        told[unit] = [dict(one.stages) for one in found if one.verdict is Verdict.REGRESSED]
        watch.close()
    assert told["ratio"][0]["of_rest"] == 1.0
    assert told["ratio"][0]["span_seconds"] == 2400
    assert told["count"][0]["span_seconds"] == 3600  # less than the floor of the shortest span


@pytest.mark.parametrize("top", [1.2, np.nan])
def test_what_is_more_than_a_whole_is_no_share_of_one(top: float) -> None:
    values = np.full(15 * 288, 0.9)
    values[0] = top
    assert Scale.of(values, upwards=False, is_share=True).of_rest is (top != 1.2)


def test_a_short_past_has_no_say() -> None:
    values = np.full(288, 0.2)
    found = examined(five_minutes(), values, 0, np.ones(288, np.bool_), upwards=True)
    assert found.finding is Finding.UNKNOWN
    assert np.isnan(found.agreeing)
    assert np.isnan(found.expected)


def kept_apart(one: Regression) -> Any:
    return apart([one], NOON_MS + DAY_MS).get(one.labels)


def test_what_is_no_past_depends_on_how_it_ended() -> None:
    one = replace(
        regression(0, labels=Labels.of(target="shop")),
        began_lo_ms=NOON_MS,
        resolved_ms=None,
        earlier=((NOON_MS - 2 * DAY_MS, NOON_MS - DAY_MS),),
    )
    assert kept_apart(one).since_ms == NOON_MS
    assert kept_apart(one).over == one.earlier
    over = replace(one, phase=Phase.RESOLVED, resolved_ms=NOON_MS + 13 * HOUR_MS)
    assert kept_apart(over).since_ms is None
    assert kept_apart(over).over == (*one.earlier, (NOON_MS, NOON_MS + 13 * HOUR_MS))
    # What was over within half a day comes and goes: it is learnt.
    brief = replace(over, resolved_ms=NOON_MS + 12 * HOUR_MS)
    assert kept_apart(brief).over == one.earlier
    assert kept_apart(replace(over, phase=Phase.TRANSIENT)) is None
    assert kept_apart(replace(over, phase=Phase.FALSE_POSITIVE)) is None
    normal = replace(over, phase=Phase.ACCEPTED, accepted_from_ms=NOON_MS)
    assert kept_apart(normal).until_ms == NOON_MS
    assert kept_apart(normal).over == ()


@pytest.mark.parametrize(("times", "windows"), [(1.2, 52), (1.35, 10), (2.0, 9)])
def test_what_was_rolled_back_is_told_again_when_it_comes_back(times: float, windows: int) -> None:
    values = 10 * np.exp(np.random.default_rng(8).normal(0, 0.01, 16 * 288))
    values[-2 * 288 - 36 : -2 * 288] *= times  # three hours, two days ago
    values[-windows:] *= times
    known = np.ones(len(values), np.bool_)
    assert examined(five_minutes(), values, 0, known, upwards=True).finding is Finding.CHANGED


def test_a_disturbance_that_went_away_is_told_once_in_two_weeks(tmp_path: Path) -> None:
    values = 10 * np.exp(np.random.default_rng(8).normal(0, 0.01, 16 * 288))
    disturbed = values.copy()
    day_before = slice(-288 - 9, -288)
    disturbed[day_before] *= 1.35
    disturbed[-9:] *= 1.35
    known = np.ones(len(values), np.bool_)
    first_time = values.copy()
    first_time[-9:] *= 1.35
    assert examined(five_minutes(), first_time, 0, known, upwards=True).finding is Finding.CHANGED
    # Learnt, as what was over within half a day is ...
    again = examined(five_minutes(), disturbed, 0, known, upwards=True)
    assert again.finding is not Finding.CHANGED
    # ... and not, as what lasted longer is not.
    resolved = disturbed.copy()
    resolved[day_before] = np.nan
    assert examined(five_minutes(), resolved, 0, known, upwards=True).finding is Finding.CHANGED

"""Candidates against their own past: how many, which windows, and what is no past."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.assessment import Finding
from detector.change import examined, method_for
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
    found = [risen(watch, minute) for minute in range(1, 41)]
    verdicts = [one.verdict for one in found]
    first = verdicts.index(Verdict.REGRESSED) + 1
    # The change came at minute 10; the fourth window, all of it or nearly, is over by then.
    assert 26 <= first <= 30
    # Only part of the four windows lies behind the change: unusual, and not yet worth a notice.
    assert (found[first - 2].verdict, found[first - 2].reason) == (Verdict.REJECTED, Reason.EFFECT)
    stages = dict(found[first - 1].stages)
    assert stages["agreeing"] >= 0.5
    assert stages["expected"] == pytest.approx(10, rel=0.03)
    assert stages["effect"] == pytest.approx(0.3, abs=0.06)
    assert stages["before"] == pytest.approx(10, rel=0.03)
    assert stages["after"] == pytest.approx(13, rel=0.03)
    one = found[first - 1]
    assert one.began_lo_ms <= NOON_MS + 10 * MINUTE_MS <= one.began_hi_ms
    (open_,) = [r for r in watch.regressions() if r.kind == "regression"]
    assert open_.began_lo_ms == one.began_lo_ms
    assert open_.evidence["stages"]["after"] == stages["after"]
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
    values[-6:] *= times
    found = examined(five_minutes(), values, 0, np.ones(len(values), np.bool_), upwards=upwards)
    assert found.finding is Finding.CHANGED
    assert found.effect == pytest.approx(times - 1, abs=0.03)
    assert found.before == pytest.approx(0.2, rel=0.01)
    assert found.after == pytest.approx(0.2 * times, rel=0.02)
    assert found.expected == pytest.approx(0.2, rel=0.01)
    assert found.began_lo >= 5 >= found.began_hi
    other = examined(five_minutes(), values, 0, np.ones(len(values), np.bool_), upwards=not upwards)
    assert other.finding is not Finding.CHANGED


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
        earlier=((NOON_MS - DAY_MS, NOON_MS - DAY_MS + HOUR_MS),),
    )
    assert kept_apart(one).since_ms == NOON_MS
    assert kept_apart(one).over == one.earlier
    over = replace(one, phase=Phase.RESOLVED, resolved_ms=NOON_MS + HOUR_MS)
    assert kept_apart(over).since_ms is None
    assert kept_apart(over).over == (*one.earlier, (NOON_MS, NOON_MS + HOUR_MS))
    assert kept_apart(replace(over, phase=Phase.TRANSIENT)) is None
    assert kept_apart(replace(over, phase=Phase.FALSE_POSITIVE)) is None
    normal = replace(over, phase=Phase.ACCEPTED, accepted_from_ms=NOON_MS)
    assert kept_apart(normal).until_ms == NOON_MS
    assert kept_apart(normal).over == ()

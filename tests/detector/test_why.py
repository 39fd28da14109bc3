"""Why a rule fires or not: the stages of the tick, run again on what is stored."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.bounds import Levels
from detector.checks import Case
from detector.gates import ASKS, Gate, stages
from detector.incidents import Depth
from detector.judgement import Judgement, Reason, Verdict
from detector.why import Result, Why, explain, passages
from storage.series import Labels
from tests.detector.judging import judged, rule_of
from tests.detector.watch import DAY_MS, MINUTE_MS, NOON_MS, SERIES, Watch
from tests.notation import cases

FILES = ("absolute", "relative", "sigma", "conclude", "stages", "trees")


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.close()


def why(watch: Watch, minute: float, labels: Labels = SERIES) -> Why:
    chosen = watch.detector.definitions
    with watch.state.reading() as session:
        known = watch.book.spans(session, 0, Depth.WHOLE)
    at_ms = NOON_MS + round(minute * MINUTE_MS)
    signal = chosen.signals["level"]
    return explain(watch.history, signal, chosen.rules, labels, at_ms, known)


def way(case: dict[str, Any]) -> dict[Gate, Result]:
    found = judged(case)
    rule = rule_of(case)
    span = rule.span(60.0, 300.0)
    whole = Case.of(rule, span, found.judged, found.background, found.levels, found.assessment)
    return {one.gate: one.result for one in passages(whole, 0)}


@pytest.mark.parametrize("case", [one for file in FILES for one in cases(file)])
def test_the_first_gate_that_does_not_let_pass_is_that_of_the_verdict(case: dict[str, Any]) -> None:
    found, row = way(case), judged(case).row(0)
    assert list(found) == list(Gate)
    stopped = [gate for gate, one in found.items() if one in (Result.REFUSED, Result.ENDED)]
    if row.verdict is Verdict.REGRESSED:
        assert stopped == []
        assert Result.NOT_REACHED not in found.values()
        return
    (gate,) = stopped
    names = {
        Reason.NO_DATA: Gate.DATA,
        Reason.TOO_FEW_OBSERVATIONS: Gate.MIN_COUNT,
        Reason.TOO_LITTLE_HISTORY: Gate.HISTORY,
    }
    if (row.verdict, row.reason) == (Verdict.SUSPECTED, Reason.SIGNIFICANCE):
        names[Reason.SIGNIFICANCE] = Gate.SUSPICION
    if row.verdict is Verdict.IMPROVED:
        assert (gate, found[gate]) == (Gate.IMPROVEMENT, Result.ENDED)
    elif row.verdict is Verdict.STEADY:
        assert (gate, found[gate]) == (Gate.TRIGGER, Result.ENDED)
    else:
        assert gate == names.get(row.reason, row.reason)
        assert found[gate] is Result.REFUSED
    after = list(found)[list(found).index(gate) + 1 :]
    assert {found[one] for one in after} <= {Result.NOT_REACHED, Result.NOT_ASKED}


@pytest.mark.parametrize("case", [one for file in FILES for one in cases(file)])
def test_a_gate_that_refuses_shows_a_number_that_does_not_suffice(case: dict[str, Any]) -> None:
    found, rule = judged(case), rule_of(case)
    span = rule.span(60.0, 300.0)
    whole = Case.of(rule, span, found.judged, found.background, found.levels, found.assessment)
    for one in passages(whole, 0):
        if one.result is Result.REFUSED and one.gate not in (Gate.HISTORY, Gate.EXPECTED):
            assert any(not suffices(check) for check in one.checks), one
        if one.result is Result.PASSED and one.gate in (Gate.SUSTAIN, Gate.MIN_COUNT):
            assert all(suffices(check) for check in one.checks), one


def suffices(check: Any) -> bool:
    if math.isnan(check.saw) or math.isnan(check.needed):
        return False
    relation = str(check.relation)
    return bool(
        {
            "at least": check.saw >= check.needed,
            "at most": check.saw <= check.needed,
            "above": check.saw > check.needed,
            "below": check.saw < check.needed,
        }[relation]
    )


def test_every_gate_has_words_and_a_stage() -> None:
    found = judged({"recent": "100 100", "verdict": "steady"})
    rule = rule_of({"recent": "100 100"})
    assert isinstance(found.levels, Levels)
    whole = Case.of(rule, rule.span(60, 300), found.judged, found.background, found.levels)
    assert [one.gate for one in stages(whole)] == list(Gate) == list(ASKS)


def same(one: Judgement, other: Judgement) -> None:
    for name in Judgement.__slots__:
        here, there = getattr(one, name), getattr(other, name)
        if isinstance(here, float) and isinstance(there, float):
            np.testing.assert_equal(here, there)
        else:
            assert here == there, name


def test_what_is_explained_is_what_the_tick_concluded_to_the_last_bit(watch: Watch) -> None:
    watch.past("10x6 11x2")
    watch.level("10x32 13x9 30x6 10x12")
    watch.ticks(1, 25)
    compared = 0
    for minute in range(26, 59):
        verdicts = watch.detector.tick(NOON_MS + minute * MINUTE_MS)
        if minute % 3 == 0:
            found = {one.rule: one.judgement for one in why(watch, minute + 0.9).rules}
            for one in verdicts:
                same(found[one.rule], one.row(0))
                compared += 1
    assert compared == 22
    with watch.state.reading() as session:
        assert {one.rule for one in watch.book.spans(session, 0)} == {"high", "risen"}


def test_while_a_regression_is_open_its_frozen_baseline_is_told(watch: Watch) -> None:
    watch.past("10")
    watch.level("10x10 12.5x30")
    watch.ticks(1, 40)
    (risen,) = [one for one in why(watch, 39).rules if one.rule == "risen"]
    assert risen.regression is not None
    assert risen.judgement.baseline == risen.regression.baseline == 10.0
    assert risen.clear == pytest.approx(11)
    (before,) = [one for one in why(watch, 15).rules if one.rule == "risen"]
    assert before.regression is None


def test_days_ago_the_longer_windows_are_explained(watch: Watch) -> None:
    watch.past("10")
    found = why(watch, -DAY_MS / MINUTE_MS + 3)
    assert found.is_coarse
    assert found.at_ms == NOON_MS - DAY_MS
    assert [one.judgement.verdict for one in found.rules] == [Verdict.STEADY, Verdict.STEADY]
    assert [len(one.windows) for one in found.rules] == [1, 2]


def test_a_series_that_never_was_is_unknown_for_every_rule(watch: Watch) -> None:
    watch.past("10")
    found = why(watch, 5, Labels.of(target="nobody"))
    assert [one.rule for one in found.rules] == ["high", "risen"]
    for one in found.rules:
        assert (one.judgement.verdict, one.judgement.reason) == (Verdict.UNKNOWN, Reason.NO_DATA)
        assert one.passages[0].result is Result.REFUSED

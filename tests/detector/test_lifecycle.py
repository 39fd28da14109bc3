"""The life of a regression, minute by minute."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import build_signals
from detector.extent import evidence
from detector.gates import conclude
from detector.identity import fingerprint, identity
from detector.judgement import Background, Judged, Judgement, Verdict
from detector.judging import judge_of
from detector.lifecycle import continued, opened, withdrawn
from detector.regression import Phase, Regression, Severity, Transition
from detector.rule import Rule
from storage.series import Labels
from tests.notation import array, cases

SIGNAL = build_signals(
    {"s": {"form": "gauge", "metric": "m", "title": "Level", "unit": "seconds"}}
)["s"]
LABELS = Labels.of(target="shop", route="/cart")
MINUTE_MS = 60_000
NOTHING = Background(np.array([math.nan]), np.array([math.nan]), np.zeros(1), np.zeros(1, np.int64))


def rule(below: bool = False) -> Rule:
    side, sign = ("below", -1) if below else ("above", 1)
    return Rule.model_validate(
        {
            "signal": "s",
            "trigger": {"absolute": {side: sign * 10}},
            "sustain": {"for": "2m"},
            "gates": {"min_count": 5},
            "clear": {"level": sign * 8, "for": "3m"},
            "critical": sign * 20,
            "runbook": "https://example.org/run",
        }
    )


def judgements(case: dict[str, Any]) -> list[Judgement]:
    """One judgement a minute, over the newest two windows."""
    values = np.concatenate([[math.nan], array(case["values"])])
    usual = f"100x{len(values) - 1}"
    n = np.where(np.isnan(values), 0, np.concatenate([[0], array(case.get("n", usual))]))
    mine = rule("below" in case)
    span, limits = mine.span(60.0, 300.0), judge_of(mine).judge(NOTHING)
    return [
        conclude(
            "r",
            mine,
            span,
            Judged((LABELS,), values[None, i - 1 : i + 1], n[None, i - 1 : i + 1], i * MINUTE_MS),
            NOTHING,
            limits,
        ).row(0)
        for i in range(1, len(values))
    ]


def lived(
    all_: list[Judgement], mine: Rule, *, twice: bool = False
) -> tuple[list[Regression], list[Transition]]:
    """All regressions in the order of their opening, and every step."""
    found: list[Regression] = []
    steps: list[Transition] = []
    for one in np.repeat(np.array(all_, object), 2 if twice else 1):
        if found and (not found[-1].phase.is_over or found[-1].updated_ms == one.at_ms):
            found[-1], taken = continued(found[-1], mine, one)
            steps += taken
        elif one.verdict is Verdict.REGRESSED:
            new, taken_ = opened(SIGNAL, mine, one)
            found.append(new)
            steps.append(taken_)
    return found, steps


@pytest.mark.parametrize("case", cases("lifecycle"))
def test_case(case: dict[str, Any]) -> None:
    found, steps = lived(judgements(case), rule("below" in case))
    assert [f"{one.at_ms // MINUTE_MS} {one.step}" for one in steps] == case["steps"]
    assert bool(found) is bool(case["steps"])
    for name in ("phase", "severity"):
        if name in case:
            assert getattr(found[-1], name) == case[name]
    for name in ("value", "worst"):
        if name in case:
            assert getattr(found[-1], name) == float(case[name])


@pytest.mark.parametrize("case", cases("lifecycle"))
def test_a_tick_that_is_repeated_changes_nothing(case: dict[str, Any]) -> None:
    mine = rule("below" in case)
    assert lived(judgements(case), mine, twice=True) == lived(judgements(case), mine)


def first(values: str = "5 11 12") -> tuple[Regression, Transition, Judgement]:
    last = judgements({"values": values})[-1]
    return (*opened(SIGNAL, rule(), last), last)


def test_what_is_opened_holds_what_was_found() -> None:
    regression, step, judgement = first()
    assert regression == Regression(
        id=regression.id,
        incident_id="",
        fingerprint=fingerprint("r", "s", LABELS),
        rule="r",
        signal="s",
        title="Level",
        unit=SIGNAL.form.unit,
        labels=LABELS,
        worse="up",
        severity=Severity.WARNING,
        phase=Phase.OPEN,
        value=12.0,
        worst=12.0,
        threshold=10.0,
        baseline=None,
        began_lo_ms=1 * MINUTE_MS,
        began_hi_ms=2 * MINUTE_MS,
        opened_ms=3 * MINUTE_MS,
        updated_ms=3 * MINUTE_MS,
        runbook="https://example.org/run",
        evidence=evidence(judgement),
        held_since_ms=3 * MINUTE_MS,
        recorded=11.0,
        recorded_ms=3 * MINUTE_MS,
    )
    assert (step.regression_id, step.at_ms, step.actor) == (
        regression.id,
        3 * MINUTE_MS,
        "detector",
    )
    assert (step.before, step.after, step.step, step.reason) == ("", "open", "opened", "r held")


def test_a_relative_rule_keeps_its_baseline_and_an_absolute_one_has_none() -> None:
    _, _, judgement = first()
    known = replace(judgement, baseline=7.0, deviation=1.0, days=7, baseline_n=99.0)
    relative = Rule.model_validate(
        {
            "signal": "s",
            "trigger": {"relative": {"above": 1.2}},
            "sustain": {"for": "2m"},
            "clear": {"level": 1.1, "for": "3m"},
        }
    )
    kept, _ = opened(SIGNAL, relative, known)
    assert (kept.baseline, kept.evidence["deviation"], kept.evidence["days"]) == (7.0, 1.0, 7)
    assert kept.change == "+71 %"
    assert opened(SIGNAL, rule(), known)[0].baseline is None
    assert opened(SIGNAL, rule(), known)[0].change == ""


def test_what_it_opened_with_never_changes() -> None:
    regression, _, _ = first()
    fixed = ("id", "fingerprint", "baseline", "threshold", "began_lo_ms", "opened_ms", "evidence")
    for later in judgements({"values": "11x3 30 9 7 _ 5x9"})[3:]:
        after, _ = continued(regression, rule(), later)
        assert [getattr(after, one) for one in fixed] == [getattr(regression, one) for one in fixed]
        regression = after
    assert regression.phase is Phase.RESOLVED
    assert regression.resolved_ms == regression.updated_ms


def test_evidence_is_fit_for_json() -> None:
    _, _, judgement = first()
    found = evidence(replace(judgement, baseline=math.nan, threshold=math.inf))
    assert (found["baseline"], found["threshold"], found["value"]) == (None, None, 12.0)
    assert found["verdict"] == "regressed"


def test_a_regression_whose_rule_is_gone_is_closed() -> None:
    regression, _, _ = first()
    over, (step,) = withdrawn(regression, 9 * MINUTE_MS)
    assert (over.phase, over.resolved_ms, over.updated_ms) == (
        Phase.RESOLVED,
        9 * MINUTE_MS,
        9 * MINUTE_MS,
    )
    assert (step.after, step.reason) == ("resolved", "r is not in force any more")
    assert over.value == regression.value


@given(st.text(), st.text(), st.dictionaries(st.text(min_size=1), st.text()))
def test_a_fingerprint_is_of_rule_signal_and_labels(
    name: str, signal: str, labels: dict[str, str]
) -> None:
    mine = fingerprint(name, signal, Labels.of(labels))
    assert mine == fingerprint(name, signal, Labels.of(dict(reversed(labels.items()))))
    assert mine != fingerprint(name + "x", signal, Labels.of(labels))
    assert mine != fingerprint(name, signal + "x", Labels.of(labels))
    assert mine != fingerprint(name, signal, Labels.of({**labels, "x": "y", "z": "y"}))


def test_an_identity_is_the_same_for_the_same_and_tells_parts_apart() -> None:
    assert identity("reg", "a", 1) == identity("reg", "a", 1)
    assert identity("reg", "a", 1) != identity("reg", "a", 2)
    assert identity("reg", "ab", "c") != identity("reg", "a", "bc")
    assert identity("reg", "a").startswith("reg_")


def test_severities_are_ordered() -> None:
    assert Severity.INFO.rank < Severity.WARNING.rank < Severity.CRITICAL.rank

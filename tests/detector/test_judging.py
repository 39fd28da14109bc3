"""Every judge, sustain and every gate, as cases that read aloud."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import gates
from detector.checks import Case
from detector.gates import Gate, Stage
from detector.judgement import Reason, Verdict
from tests.detector.judging import END_MS, OVER_SECONDS, judged
from tests.notation import array, cases

FILES = ("absolute", "relative", "sigma", "conclude", "stages", "trees")


ALL = [one for file in FILES for one in cases(file)]


@pytest.mark.parametrize("case", ALL)
def test_case(case: dict[str, Any]) -> None:
    row = judged(case).row(0)
    assert (row.verdict, row.reason) == (Verdict(case["verdict"]), Reason(case.get("reason", "")))
    for name in ("clear", "critical"):
        if f"is_{name}" in case:
            assert getattr(row, name) is (case[f"is_{name}"] == "yes")
    for name in ("breaches", "days"):
        if name in case:
            assert getattr(row, name) == int(case[name])
    if "threshold" in case:
        assert row.threshold == pytest.approx(float(case["threshold"]))
    if "began" in case:  # so many judged windows ago
        each_ms = round(OVER_SECONDS * 1000)
        assert END_MS - row.began_lo_ms == int(case["began"]) * each_ms
        assert row.began_hi_ms - row.began_lo_ms == each_ms


def test_the_cases_have_names_of_their_own() -> None:
    for file in FILES:
        names = [one.id for one in cases(file)]
        assert len(names) == len(set(names))


def test_every_verdict_and_reason_has_a_case() -> None:
    found = {
        (case.values[0]["verdict"], case.values[0].get("reason", ""))
        for file in FILES
        for case in cases(file)
    }
    assert {Verdict(one) for one, _ in found} == set(Verdict)
    assert {Reason(one) for _, one in found} == set(Reason)


@pytest.mark.parametrize("gate", Gate)
def test_some_case_fails_when_a_gate_is_removed(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(case: Case) -> tuple[Stage, ...]:
        return tuple(one for one in gates.stages(case) if one.gate is not gate)

    monkeypatch.setattr(gates, "needed", without)
    failing = []
    for one in ALL:
        (case,) = one.values
        row = judged(case).row(0)
        if (row.verdict, row.reason) != (Verdict(case["verdict"]), Reason(case.get("reason", ""))):
            failing.append(one.id)
    assert failing, f"no case of {FILES} needs the gate {gate}"


def test_the_chain_holds_every_gate_once_and_in_the_order_of_its_enumeration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Gate, ...]] = []

    def noted(case: Case) -> tuple[Stage, ...]:
        seen.append(tuple(one.gate for one in gates.stages(case)))
        return gates.stages(case)

    monkeypatch.setattr(gates, "needed", noted)
    judged(ALL[0].values[0])
    assert seen == [tuple(Gate)]


@pytest.mark.parametrize("case", ALL)
def test_stages_that_are_left_out_would_have_changed_nothing(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = judged(case).row(0)
    monkeypatch.setattr(gates, "needed", gates.stages)
    assert repr(judged(case).row(0)) == repr(short)


def test_the_evidence_is_in_the_judgement() -> None:
    row = judged(
        {
            "trigger": {"sigma": {"above": "2"}},
            "sustain": {"windows": "2", "of": "3"},
            "baseline": "0x35 2x35",
            "baseline_n": "10x70",
            "recent": "1 4 5",
            "n": "100 200 300",
        }
    ).row(0)
    assert (row.value, row.n, row.threshold) == (5.0, 300.0, 3.0)
    assert (row.baseline, row.deviation, row.baseline_n, row.days) == (1.0, 1.0, 700.0, 7)
    assert (row.breaches, row.of, row.at_ms) == (2, 3, END_MS)


UNITLESS = [
    one.values[0]
    for file in ("relative", "sigma")
    for one in cases(file)
    if "gates" not in one.values[0]
]


@given(st.sampled_from(UNITLESS), st.sampled_from([1e-9, 0.001, 1 / 3, 60, 1024, 1e9]))
def test_the_unit_does_not_matter(case: dict[str, Any], factor: float) -> None:
    def scaled(text: str) -> str:
        return " ".join("_" if np.isnan(one) else repr(float(one * factor)) for one in array(text))

    here = judged(case).row(0)
    there = judged({**case, "recent": scaled(case["recent"]), "baseline": scaled(case["baseline"])})
    there_row = there.row(0)
    if abs(here.value - here.threshold) > 1e-9 * abs(here.threshold):  # at the edge digits decide
        assert (there_row.verdict, there_row.reason) == (here.verdict, here.reason)
        assert (there_row.clear, there_row.critical) == (here.clear, here.critical)
    assert there_row.threshold == pytest.approx(here.threshold * factor, nan_ok=True)

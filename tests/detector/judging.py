"""One case of `tests/cases`: from the text of a rule and series to its judgement."""

from dataclasses import replace
from typing import Any

import numpy as np

from detector.baseline import DAY_MS, DAYS, flat
from detector.gates import conclude
from detector.judgement import Assessment, Judged, Verdicts
from detector.judging import judge_of
from detector.recent import Part
from detector.rule import Rule
from storage.series import Labels
from tests.notation import array

SERIES = Labels.of(target="shop")
END_MS = 1_772_452_800_000
OVER_SECONDS = 300.0
USUAL_N = 1000.0


def rule_of(case: dict[str, Any]) -> Rule:
    """The rule of a case; what it leaves out does nothing."""
    text = {
        key: case[key]
        for key in (
            "trigger",
            "sustain",
            "gates",
            "clear",
            "critical",
            "critical_when",
            "improvements",
        )
        if key in case
    }
    sustain = {"windows": len(case["recent"].split()), "of": len(case["recent"].split())}
    text.setdefault("trigger", {"relative": {"above": "1.2"}})
    clear = {"for": "5m"} if is_new(case) else clear_of(text["trigger"])
    return Rule.model_validate({"signal": "s", "sustain": sustain, "clear": clear, **text})


def is_new(case: dict[str, Any]) -> bool:
    """Whether the case leaves the clear level to the trigger, as those of trees and stages do."""
    return case.get("file") in ("trees", "stages")


def clear_of(trigger: dict[str, dict[str, str]]) -> dict[str, str]:
    """A clear level at the trigger."""
    ((_, part),) = trigger.items()
    ((_, level),) = part.items()
    return {"level": level, "for": "5m"}


def past(case: dict[str, Any]) -> Part:
    """The windows of the last seven days, evenly spread, the oldest first."""
    values = array(case.get("baseline", "100x70" if is_new(case) else ""))
    n = array(case.get("baseline_n", f"{USUAL_N:g}x{len(values)}"))
    ends = (
        END_MS
        - DAYS * DAY_MS
        + np.arange(1, len(values) + 1) * (DAYS * DAY_MS // max(len(values), 1))
    )
    return Part(
        np.zeros(1, np.int64),
        ends.astype(np.int64),
        values[None, :].astype(np.float32),
        n[None, :].astype(np.float32),
    )


def judged(case: dict[str, Any]) -> Verdicts:
    """The verdict of the case's rule on its series."""
    rule = rule_of(case)
    span = rule.span(60.0, OVER_SECONDS)
    values = array(case["recent"])
    n = array(case["n"]) if "n" in case else np.where(np.isnan(values), 0, USUAL_N)
    step_ms, weigh_by_n = round(OVER_SECONDS * 1000), "weigh_by_n" in case
    usual = flat({SERIES: 0}, [past(case)], END_MS, step_ms, {}, weigh_by_n=weigh_by_n)
    background = usual.background((SERIES,))
    stages: dict[str, Any] = {
        name: np.array([float(value)]) for name, value in case.get("stages", {}).items()
    }
    if "awaiting" in stages:
        stages["awaiting"] = stages["awaiting"] > 0
    assessment = replace(Assessment.nothing(1), **stages)
    levels = judge_of(rule).judge(background, assessment=assessment)
    rows = Judged((SERIES,), values[None, :], n[None, :], END_MS)
    if "settling" in case:
        rows = replace(
            rows,
            settling=array(case["settling"])[None, :] == 1,
            disturbed_ms=np.array([END_MS - 60_000.0]),
        )
    if "parts" in case:
        rows = replace(rows, parts=array(case["parts"]))
    return conclude("rule", rule, span, rows, background, levels, assessment)

"""How bad it is, as a judgement says: severity, size, and the numbers that both rest on."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from detector.episode import GROWTH_AT_LEAST
from detector.judgement import Judgement
from detector.regression import Severity
from detector.rule import Rule
from detector.tags import Tagged

ESCALATION = 1.25


def severity_of(rule: Rule, judgement: Judgement) -> Severity:
    """The severity of the rule, or critical beyond its critical level."""
    return Severity.CRITICAL if judgement.critical else rule.severity


def size(rule: Rule, judgement: Judgement) -> float:
    """How bad it is over the judged windows, in a number whose growth by a quarter is a quarter.

    The distance of their median from the baseline; of fixed limits, from `rule.origin`. The
    median, because one wild window is no escalation. Of a change a share of what is usual at the
    hour: day and night differ by more than it does.
    """
    if rule.is_change:
        return abs(judgement.typical / judgement.baseline - 1) if judgement.baseline else math.nan
    origin = judgement.baseline if rule.is_statistical else rule.origin
    return abs(judgement.typical - origin)


def is_more(rule: Rule, grown: float, recorded: float) -> bool:
    """Whether it is larger by enough to be told again: a quarter.

    Of a change a quarter and a tenth on the scale on which changes add, as `episode.Telling` has
    it: from 15 % more than usual it is 32 %, and from 16 times it is 35 times.
    """
    if rule.is_change:
        return math.log1p(grown) >= ESCALATION * math.log1p(recorded) + GROWTH_AT_LEAST
    return grown >= ESCALATION * recorded > 0


def evidence(judgement: Judgement) -> Mapping[str, Any]:
    """The numbers a verdict rests on, for people and for JSON; NaN becomes null."""
    numbers = {
        "value": judgement.value,
        "n": judgement.n,
        "threshold": judgement.threshold,
        "baseline": judgement.baseline,
        "deviation": judgement.deviation,
        "baseline_n": judgement.baseline_n,
    }
    counts = {"days": judgement.days, "breaches": judgement.breaches, "of": judgement.of}
    found: dict[str, Any] = {name: finite(value) for name, value in numbers.items()}
    if judgement.of_hours:
        found["of_hours"] = True
    found |= {**counts, "verdict": judgement.verdict, "reason": judgement.reason}
    stages = {name: value for name, value in judgement.stages if math.isfinite(value)}
    if stages:
        found["stages"] = stages
    if judgement.visits:
        found["visits"] = dict(judgement.visits)
    if judgement.leaves:
        found["leaves"] = [
            {
                "trigger": one.trigger,
                "value": finite(one.value),
                "threshold": finite(one.threshold),
                "holds": one.holds,
            }
            for one in judgement.leaves
        ]
    return found


def tagged(found: Mapping[str, Any], tags: Iterable[Tagged]) -> Mapping[str, Any]:
    """Evidence with that of its tags."""
    kept = {one.tag: {**one.evidence, "milder": one.milder} for one in tags}
    return {**found, "tags": kept} if kept else found


def finite(value: float) -> float | None:
    """A number for JSON."""
    return value if math.isfinite(value) else None

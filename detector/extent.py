"""How bad it is, as a judgement says: severity, size, and the numbers that both rest on."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from detector.episode import GROWTH_AT_LEAST
from detector.judgement import Judgement, Verdict
from detector.regression import Regression, Severity
from detector.rule import Rule
from detector.tags import Tagged

ESCALATION = 1.25
UNFOLDING_MS = 7_200_000
"""A change unfolds slowly: for two hours after it was told growth is only recorded."""

FROZEN = ("baseline", "deviation", "baseline_n", "days", "of_hours")
"""What of the evidence a regression is judged against until it is over."""


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


def may_grow(regression: Regression, rule: Rule, judgement: Judgement, *, turn: bool) -> bool:
    """Whether the past of a change that is open has to say if it has grown, or is critical.

    Once an hour where it has its `turn`, and at once where the judged windows are larger by enough.
    For two hours after it was told only whether it is critical is news.
    """
    worse = severity_of(rule, judgement).rank > regression.severity.rank
    if worse and judgement.mostly_critical and not regression.is_mild:
        return True
    if judgement.at_ms - (regression.recorded_ms or 0) < UNFOLDING_MS:
        return False
    grown = size(rule, judgement)
    larger = regression.recorded is not None and is_more(rule, grown, regression.recorded)
    return judgement.verdict is Verdict.REGRESSED and (turn or larger)


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


def confirmed(suspicion: Mapping[str, Any], judgement: Judgement) -> Mapping[str, Any]:
    """The evidence that confirmed a suspicion, with the baseline that this froze."""
    frozen = {name: suspicion[name] for name in FROZEN if name in suspicion}
    return {**evidence(judgement), **frozen}


def tagged(found: Mapping[str, Any], tags: Iterable[Tagged]) -> Mapping[str, Any]:
    """Evidence with that of its tags."""
    kept = {one.tag: {**one.evidence, "milder": one.milder} for one in tags}
    return {**found, "tags": kept} if kept else found


def finite(value: float) -> float | None:
    """A number for JSON."""
    return value if math.isfinite(value) else None

"""The life of a regression: open, escalated, resolved. Pure: rows in, rows and steps out."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detector.judgement import Judgement, Verdict
from detector.regression import Phase, Regression, Severity, Transition
from detector.rule import Rule
from detector.signal import Signal
from storage.series import Labels

DETECTOR = "detector"


def fingerprint(rule: str, signal: str, labels: Labels) -> str:
    """What a regression is about; at most one with the same fingerprint is open."""
    text = json.dumps([rule, signal, labels.as_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(prefix: str, *parts: object) -> str:
    """A stable id: the same parts give the same id, so that a repeated tick makes no second row."""
    text = json.dumps(parts, default=str)
    return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def severity_of(rule: Rule, judgement: Judgement) -> Severity:
    """The severity of the rule, or critical beyond its critical level."""
    return Severity.CRITICAL if judgement.critical else rule.severity


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
    shown = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {**shown, **counts, "verdict": judgement.verdict, "reason": judgement.reason}


def opened(signal: Signal, rule: Rule, judgement: Judgement) -> tuple[Regression, Transition]:
    """A new regression from a judgement that says regressed; its incident is given later."""
    print_ = fingerprint(judgement.rule, judgement.signal, judgement.labels)
    relative = rule.trigger.absolute is None
    regression = Regression(
        id=identity("reg", print_, judgement.at_ms),
        incident_id="",
        fingerprint=print_,
        rule=judgement.rule,
        signal=judgement.signal,
        title=signal.title,
        unit=signal.form.unit,
        labels=judgement.labels,
        worse="up" if rule.upwards else "down",
        severity=severity_of(rule, judgement),
        phase=Phase.OPEN,
        value=judgement.value,
        worst=judgement.value,
        threshold=judgement.threshold,
        baseline=judgement.baseline if relative else None,
        began_lo_ms=judgement.began_lo_ms,
        began_hi_ms=judgement.began_hi_ms,
        opened_ms=judgement.at_ms,
        updated_ms=judgement.at_ms,
        runbook=rule.runbook,
        evidence=evidence(judgement),
    )
    return regression, step(regression, judgement, "", "open", f"{judgement.rule} held")


def continued(
    regression: Regression, rule: Rule, judgement: Judgement
) -> tuple[Regression, tuple[Transition, ...]]:
    """An open regression after one more judgement: escalated, cleared for a while, or resolved.

    Only values that are clear without a break resolve it. Silence never does: an unknown verdict
    leaves the regression as it is and starts the clear time anew.
    """
    if judgement.at_ms <= regression.updated_ms:  # this tick was counted before a crash
        return regression, ()
    if judgement.verdict is Verdict.UNKNOWN:
        waiting = replace(regression, updated_ms=judgement.at_ms, clear_since_ms=None)
        return waiting, ()
    furthest = max if regression.worse == "up" else min
    began_ms = regression.clear_since_ms if regression.clear_since_ms else judgement.at_ms
    now = replace(
        regression,
        value=judgement.value,
        worst=furthest(regression.worst, judgement.value),
        updated_ms=judgement.at_ms,
        clear_since_ms=began_ms if judgement.clear else None,
    )
    severity = severity_of(rule, judgement)
    if severity.rank > regression.severity.rank:
        worse = replace(now, severity=severity)
        reason = f"beyond the {severity} level"
        return worse, (step(worse, judgement, regression.severity, severity, reason),)
    if now.clear_since_ms and judgement.at_ms - now.clear_since_ms >= rule.clear.for_ * 1000:
        over = replace(now, phase=Phase.RESOLVED, resolved_ms=judgement.at_ms)
        return over, (step(over, judgement, "open", "resolved", "clear for long enough"),)
    return now, ()


def withdrawn(
    regression: Regression, at_ms: int, reason: str = ""
) -> tuple[Regression, tuple[Transition, ...]]:
    """An open regression that nobody judges any more, so it cannot stay open.

    Its rule is gone, unless the reason tells something else.
    """
    over = replace(regression, phase=Phase.RESOLVED, resolved_ms=at_ms, updated_ms=at_ms)
    taken = Transition(
        regression_id=over.id,
        at_ms=at_ms,
        actor=DETECTOR,
        before="open",
        after="resolved",
        reason=reason or f"{regression.rule} is not in force any more",
    )
    return over, (taken,)


def step(
    regression: Regression, judgement: Judgement, before: str, after: str, reason: str
) -> Transition:
    """One transition, taken by the detector."""
    return Transition(
        regression_id=regression.id,
        at_ms=judgement.at_ms,
        actor=DETECTOR,
        before=before,
        after=after,
        reason=reason,
        evidence=evidence(judgement),
    )

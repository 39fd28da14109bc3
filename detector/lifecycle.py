"""The life of a regression as ticks see it: suspected, open, escalated, resolved, reopened.

Pure: rows in, rows and transitions out. What people do with a regression is in `actions`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from detector.extent import (
    UNFOLDING_MS,
    confirmed,
    evidence,
    finite,
    is_more,
    severity_of,
    size,
    tagged,
)
from detector.identity import fingerprint, identity
from detector.judgement import Judgement, Verdict
from detector.regression import Kind, Phase, Regression, Severity, Step, Transition
from detector.rule import Rule
from detector.signal import Signal
from detector.tags import Tagged

DETECTOR = "detector"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# A statistical rule may not resolve sooner after opening. For as long after opening or escalating
# its size is still being found: the judged windows hold the time before the change too.
SETTLING_MS = 30 * MINUTE_MS
# What goes away by itself sooner was a disturbance: told, withdrawn, and learnt by its series.
TRANSIENT_MS = 60 * MINUTE_MS
REOPENS_WITHIN_MS = 7 * DAY_MS
# What a person has closed by hand is not opened again by the very next tick.
HANDS_OFF_MS = 30 * MINUTE_MS
SUSPECTED_AT_MOST_MS = DAY_MS
SILENT_AFTER_MS = 15 * MINUTE_MS
SUGGEST_AFTER_MS = 14 * DAY_MS

Taken = tuple[Regression, tuple[Transition, ...]]


def opened(
    signal: Signal, rule: Rule, judgement: Judgement, tags: Sequence[Tagged] = ()
) -> tuple[Regression, Transition]:
    """A new regression (or suspicion, or improvement) from a judgement; its incident comes later.

    What a tag makes milder opens as `info`, and stays so.
    """
    kind = Kind.IMPROVEMENT if judgement.verdict is Verdict.IMPROVED else Kind.REGRESSION
    phase, what = Phase.OPEN, Step.OPENED
    if judgement.verdict is Verdict.SUSPECTED:
        phase, what = Phase.SUSPECTED, Step.SUSPECTED
    print_ = fingerprint(judgement.rule, judgement.signal, judgement.labels, kind)
    mild = any(one.milder for one in tags) or kind is Kind.IMPROVEMENT
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
        severity=Severity.INFO if mild else severity_of(rule, judgement),
        phase=phase,
        value=judgement.shown,
        worst=judgement.shown,
        threshold=judgement.threshold,
        baseline=finite(judgement.baseline) if rule.is_statistical else None,
        began_lo_ms=judgement.began_lo_ms,
        began_hi_ms=judgement.began_hi_ms,
        opened_ms=judgement.at_ms,
        updated_ms=judgement.at_ms,
        runbook=rule.runbook,
        evidence=tagged(evidence(judgement), tags),
        kind=kind,
        held_since_ms=judgement.at_ms,
        recorded=finite(size(rule, judgement)),
        recorded_ms=judgement.at_ms,
        tags=tuple(one.tag for one in tags),
    )
    return regression, step(regression, judgement, "", what, f"{judgement.rule} {SAID[what]}")


SAID = {Step.OPENED: "held", Step.SUSPECTED: "holds, and may still go away"}


def continued(
    regression: Regression, rule: Rule, judgement: Judgement, tags: Sequence[Tagged] = ()
) -> Taken:
    """A regression that is not over, after one more judgement; `tags` count if that confirms it.

    Only values that are clear without a break resolve it. Silence never does: an unknown verdict
    leaves the regression as it is, starts the clear time anew, and is noted when it lasts.
    """
    if judgement.at_ms <= regression.updated_ms:  # this tick was counted before a crash
        return regression, ()
    if regression.phase is Phase.FALSE_POSITIVE:
        return watched(regression, judgement)
    if judgement.verdict is Verdict.UNKNOWN:
        return silent(regression, judgement)
    now, steps = heard(regression, judgement)
    if now.phase is Phase.SUSPECTED:
        after, more = suspected(now, rule, judgement, tags)
    elif now.kind is Kind.IMPROVEMENT:
        after, more = improving(now, rule, judgement)
    else:
        after, more = holding(now, rule, judgement)
    return after, (*steps, *more)


def heard(regression: Regression, judgement: Judgement) -> Taken:
    """The newest numbers, and a note where data came back."""
    worse = (regression.worse == "up") == (regression.kind is Kind.REGRESSION)
    now = replace(
        regression,
        value=judgement.shown,
        worst=(max if worse else min)(regression.worst, judgement.shown),
        updated_ms=judgement.at_ms,
        silent_since_ms=None,
    )
    if regression.silent_since_ms is None or not is_silent(regression, regression.updated_ms):
        return now, ()
    back = step(now, judgement, now.phase, Step.DATA_BACK, "there are data again")
    return now, (back,)


def is_silent(regression: Regression, at_ms: int) -> bool:
    """Whether so long nothing was heard that it is worth a mark."""
    since = regression.silent_since_ms
    return since is not None and at_ms - since >= SILENT_AFTER_MS


def silent(regression: Regression, judgement: Judgement) -> Taken:
    """An unknown verdict: nothing is concluded; after three windows of five minutes it is noted."""
    since = regression.silent_since_ms
    waiting = replace(
        regression,
        updated_ms=judgement.at_ms,
        clear_since_ms=None,
        silent_since_ms=judgement.at_ms if since is None else since,
    )
    if regression.phase is Phase.SUSPECTED and too_old(waiting, judgement.at_ms):
        return gone(waiting, judgement, "nothing confirmed it")
    was, is_ = (is_silent(one, one.updated_ms) for one in (regression, waiting))
    if was or not is_:
        return waiting, ()
    minutes = (judgement.at_ms - (waiting.silent_since_ms or 0)) // MINUTE_MS
    reason = f"nothing to judge for {minutes} minutes; silence does not resolve it"
    return waiting, (step(waiting, judgement, waiting.phase, Step.NO_DATA, reason),)


def too_old(regression: Regression, at_ms: int) -> bool:
    """Whether a suspicion has waited long enough."""
    return at_ms - regression.held_since_ms >= SUSPECTED_AT_MOST_MS


def suspected(
    now: Regression, rule: Rule, judgement: Judgement, tags: Sequence[Tagged] = ()
) -> Taken:
    """A suspicion: confirmed, gone away, or still waiting."""
    if judgement.verdict is Verdict.REGRESSED:
        if now.resolved_ms is not None:
            return reopened(now, rule, judgement, tags)
        worst = max(now.severity, severity_of(rule, judgement), key=lambda s: s.rank)
        mild = any(one.milder for one in tags)
        opened_ = replace(
            now,
            phase=Phase.OPEN,
            severity=Severity.INFO if mild else worst,
            tags=tuple(one.tag for one in tags),
            evidence=tagged(confirmed(now.evidence, judgement), tags),
            held_since_ms=judgement.at_ms,
            clear_since_ms=None,
            recorded=finite(size(rule, judgement)),
            recorded_ms=judgement.at_ms,
        )
        return opened_, (step(opened_, judgement, now.phase, Step.OPENED, "confirmed"),)
    if judgement.verdict is Verdict.SUSPECTED:
        waiting = replace(now, clear_since_ms=None)
        if too_old(waiting, judgement.at_ms):
            return gone(waiting, judgement, "nothing confirmed it")
        return waiting, ()
    since = now.clear_since_ms if now.clear_since_ms is not None else judgement.at_ms
    waiting = replace(now, clear_since_ms=since)
    if judgement.clear or judgement.at_ms - since >= SETTLING_MS:
        return gone(waiting, judgement, "it went away before it was confirmed")
    return waiting, ()


def holding(now: Regression, rule: Rule, judgement: Judgement) -> Taken:
    """A confirmed regression: escalated, clear for a while, or resolved.

    Where there is a baseline one wild window does not end the time for which it was clear: values
    scatter, and a job of a minute each hour would keep it open for ever. Nor does one make a change
    critical.
    """
    since = now.clear_since_ms if now.clear_since_ms is not None else judgement.at_ms
    goes_on = rule.is_statistical and now.clear_since_ms is not None and judgement.mostly_clear
    is_clear = judgement.clear or goes_on
    now = replace(now, clear_since_ms=since if is_clear else None)
    settled = judgement.at_ms - now.held_since_ms >= SETTLING_MS
    grown, holds = size(rule, judgement), judgement.verdict is Verdict.REGRESSED
    severity = severity_of(rule, judgement)
    surely = (judgement.mostly_critical and judgement.severe) or not rule.is_change
    if severity.rank > now.severity.rank and surely and not now.is_mild:
        reason = f"beyond the {severity} level"
        return escalated(replace(now, severity=severity), judgement, grown, reason)
    settling_ms = UNFOLDING_MS if rule.is_change else SETTLING_MS
    unfolds = judgement.at_ms - now.recorded_ms < settling_ms
    recorded = now.recorded
    if judgement.anew and not unfolds:
        return escalated(now, judgement, grown, "changed again since it was told")
    if recorded is not None and grown > recorded:
        if unfolds:
            now = replace(now, recorded=grown)
        elif not rule.is_change and is_more(rule, grown, recorded) and holds:
            more = f"{grown / recorded - 1:.0%} larger than it was recorded"
            return escalated(now, judgement, grown, more)
    if not math.isnan(judgement.hours):
        # The newest windows may be clear, the last two hours are not. When they let go, one of
        # them was: that is how long it has been clear then.
        if now.clear_since_ms is not None:
            an_hour_ms = judgement.at_ms - round(rule.clear.for_ * 1000)
            now = replace(now, clear_since_ms=max(now.clear_since_ms, an_hour_ms))
        return now, ()
    cleared_ms = judgement.at_ms - since if judgement.clear else -1
    lasted_ms = since - now.began_hi_ms
    if rule.is_statistical and lasted_ms <= TRANSIENT_MS and settled and cleared_ms >= SETTLING_MS:
        reason = f"went away by itself within {max(lasted_ms, MINUTE_MS) // MINUTE_MS} minutes"
        return ended(now, judgement, Step.TRANSIENT, reason)
    may = settled or not rule.is_statistical
    if cleared_ms >= rule.clear.for_ * 1000 and may:
        return ended(now, judgement, Step.RESOLVED, "clear for long enough")
    return now, ()


def escalated(now: Regression, judgement: Judgement, grown: float, reason: str) -> Taken:
    """Worse than was known. Whoever has muted it is not asked again; it is noted."""
    phase = Phase.MUTED if now.phase is Phase.MUTED else Phase.ESCALATED
    recorded = max(grown, now.recorded or 0.0) if math.isfinite(grown) else now.recorded
    worse = replace(now, phase=phase, recorded=recorded, recorded_ms=judgement.at_ms)
    return worse, (step(worse, judgement, now.phase, Step.ESCALATED, reason),)


def improving(now: Regression, rule: Rule, judgement: Judgement) -> Taken:
    """An improvement: it lasts, it has become the normal, or it is lost again.

    Its windows stay in the baseline, so what lasts ceases to stand out within a week.
    """
    if judgement.verdict is Verdict.IMPROVED:
        return replace(now, clear_since_ms=None), ()
    since = now.clear_since_ms if now.clear_since_ms is not None else judgement.at_ms
    now = replace(now, clear_since_ms=since)
    if judgement.at_ms - since < rule.clear.for_ * 1000:
        return now, ()
    was = abs((now.baseline or 0.0) - now.threshold)
    gained = ((now.baseline or 0.0) - judgement.typical) * (1 if rule.upwards else -1)
    if gained >= was / 2:
        return ended(now, judgement, Step.ACCEPTED, "it has become the normal")
    return ended(now, judgement, Step.RESOLVED, "it is lost again")


def watched(regression: Regression, judgement: Judgement) -> Taken:
    """A false positive whose breach still lasts: quiet until it was clear once."""
    quiet = judgement.verdict not in (Verdict.UNKNOWN, Verdict.REGRESSED, Verdict.SUSPECTED)
    cleared = judgement.at_ms if quiet and judgement.clear else None
    return replace(regression, updated_ms=judgement.at_ms, clear_since_ms=cleared), ()


def reopens(regression: Regression, at_ms: int) -> bool:
    """Whether a breach now is this one come back, and no new one.

    Of transients those that were told: they are in an incident.
    """
    ended_ms = regression.resolved_ms
    back = regression.phase in (Phase.RESOLVED, Phase.FALSE_POSITIVE) or (
        regression.phase is Phase.TRANSIENT and regression.incident_id != ""
    )
    return back and ended_ms is not None and at_ms - ended_ms <= REOPENS_WITHIN_MS


def is_hands_off(regression: Regression, at_ms: int) -> bool:
    """Whether a person closed it so lately, or for so long as it lasts, that it stays closed."""
    if regression.phase is Phase.FALSE_POSITIVE:
        return regression.clear_since_ms is None
    by_hand = regression.phase in (Phase.RESOLVED, Phase.ACCEPTED) and regression.by != ""
    return by_hand and at_ms - (regression.resolved_ms or 0) < HANDS_OFF_MS


def reopened(
    over: Regression, rule: Rule, judgement: Judgement, tags: Sequence[Tagged] = ()
) -> Taken:
    """The same thing again within a week: the same id, the next version, a span of its own."""
    before = over.phase
    if over.resolved_ms is None or (before.is_over and judgement.at_ms <= over.updated_ms):
        return over, ()
    mild = any(one.milder for one in tags)
    again = replace(
        over,
        phase=Phase.REOPENED,
        version=over.version + 1,
        severity=Severity.INFO if mild else severity_of(rule, judgement),
        tags=tuple(one.tag for one in tags),
        value=judgement.shown,
        worst=judgement.shown,
        threshold=judgement.threshold,
        baseline=finite(judgement.baseline) if rule.is_statistical else None,
        # A false positive was none of ours: its span stays in the baseline.
        earlier=over.spans(judgement.at_ms) if over.freezes else over.earlier,
        began_lo_ms=max(judgement.began_lo_ms, over.resolved_ms),
        began_hi_ms=max(judgement.began_hi_ms, over.resolved_ms),
        held_since_ms=judgement.at_ms,
        updated_ms=judgement.at_ms,
        resolved_ms=None,
        clear_since_ms=None,
        silent_since_ms=None,
        muted_until_ms=None,
        recorded=finite(size(rule, judgement)),
        recorded_ms=judgement.at_ms,
        evidence=tagged(evidence(judgement), tags),
        by="",
    )
    reason = f"back within {REOPENS_WITHIN_MS // DAY_MS} days, version {again.version}"
    return again, (step(again, judgement, before, Step.REOPENED, reason),)


def suspected_again(over: Regression, judgement: Judgement) -> Taken:
    """One that is over may be coming back: it keeps its end until that is confirmed."""
    if judgement.at_ms <= over.updated_ms:
        return over, ()
    doubted = replace(
        over,
        phase=Phase.SUSPECTED,
        value=judgement.shown,
        updated_ms=judgement.at_ms,
        held_since_ms=judgement.at_ms,
        clear_since_ms=None,
        silent_since_ms=None,
    )
    reason = f"{doubted.rule} {SAID[Step.SUSPECTED]}"
    return doubted, (step(doubted, judgement, over.phase, Step.SUSPECTED, reason),)


def gone(now: Regression, judgement: Judgement, reason: str) -> Taken:
    """A suspicion that came to nothing; one that was over before is over as it was."""
    if now.resolved_ms is None:
        return ended(now, judgement, Step.TRANSIENT, reason)
    over = replace(now, phase=Phase.RESOLVED)
    return over, (step(over, judgement, now.phase, Step.TRANSIENT, reason),)


def woken(regression: Regression, at_ms: int) -> Taken:
    """A mute whose time is over ends by itself."""
    until = regression.muted_until_ms
    if regression.phase is not Phase.MUTED or until is None or at_ms < until:
        return regression, ()
    awake = replace(regression, phase=Phase.OPEN, muted_until_ms=None)
    return awake, (noted(awake, at_ms, Phase.MUTED, Step.UNMUTED, "the time of the mute is over"),)


def ended(now: Regression, judgement: Judgement, what: Step, reason: str) -> Taken:
    """Over, by the detector."""
    over = replace(
        now, phase=Phase(what.value), resolved_ms=judgement.at_ms, muted_until_ms=None, by=""
    )
    return over, (step(over, judgement, now.phase, what, reason),)


def withdrawn(regression: Regression, at_ms: int, reason: str = "") -> Taken:
    """A regression that nobody judges any more, so it cannot stay open.

    Its rule is gone, unless the reason tells something else.
    """
    over = replace(
        regression,
        phase=Phase.RESOLVED if regression.phase.holds else Phase.TRANSIENT,
        resolved_ms=at_ms,
        updated_ms=at_ms,
        muted_until_ms=None,
    )
    told = reason or f"{regression.rule} is not in force any more"
    return over, (noted(over, at_ms, regression.phase, Step.WITHDRAWN, told),)


def suggests_acceptance(regression: Regression, now_ms: int) -> bool:
    """Whether it has lasted so long that it may be the new normal; a person decides."""
    lasting = regression.phase.holds and now_ms - regression.held_since_ms >= SUGGEST_AFTER_MS
    return lasting and regression.is_statistical and regression.kind is Kind.REGRESSION


def noted(regression: Regression, at_ms: int, before: str, what: Step, reason: str) -> Transition:
    """One transition of the detector that rests on no judgement."""
    return Transition(
        regression_id=regression.id,
        at_ms=at_ms,
        actor=DETECTOR,
        before=before,
        after=regression.phase,
        reason=reason,
        step=what,
    )


def step(
    regression: Regression, judgement: Judgement, before: str, what: Step, reason: str
) -> Transition:
    """One transition of the detector, with the judgement it rests on."""
    taken = noted(regression, judgement.at_ms, before, what, reason)
    return replace(taken, evidence=evidence(judgement))

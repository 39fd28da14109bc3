"""The chain that a verdict goes through: each stage with what it saw and what it needed. Pure.

One table of stages serves those who conclude, those who explain and those who write about it: the
first stage that applies to a series decides, and a stage can say for one series which numbers it
looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detector.bounds import Levels, Limits, beyond_critical, cleared, fixed, held, shown
from detector.checks import (
    Case,
    Checks,
    of_band,
    of_certainty,
    of_count,
    of_data,
    of_distance,
    of_effect,
    of_events,
    of_evidence,
    of_expected,
    of_history,
    of_improvement,
    of_kept,
    of_mix,
    of_parts,
    of_settling,
    of_significance,
    of_sustain,
    of_trigger,
    of_warming,
)
from detector.judgement import (
    REASON_NUMBER,
    VERDICT_NUMBER,
    VERDICTS,
    Assessment,
    Background,
    Judged,
    Reason,
    Verdict,
    Verdicts,
)
from detector.rule import Gates, Rule, Span
from storage.history import Flags, Floats, Ints


class Gate(StrEnum):
    """The stages, in their order."""

    DATA = "data"
    MIN_COUNT = "min_count"
    SETTLING = "settling"
    HISTORY = "history"
    IMPROVEMENT = "improvement"
    TRIGGER = "trigger"
    SUSTAIN = "sustain"
    MIN_DELTA = "min_delta"
    MIN_EVENTS = "min_events"
    MIN_PARTS = "min_parts"
    AWAITING_EVIDENCE = "awaiting_evidence"
    EXPECTED = "expected"
    BAND = "band"
    EFFECT = "effect"
    SIGNIFICANCE = "significance"
    MIX = "mix"
    WARMING = "warming"
    SUSPICION = "suspicion"
    WENT_AWAY = "went_away"


ASKS: Mapping[Gate, str] = {
    Gate.DATA: "The newest window has a value.",
    Gate.MIN_COUNT: "Enough observations are in the newest window.",
    Gate.SETTLING: "Nothing that it rests on was restarted, flushed or deployed in this window.",
    Gate.HISTORY: "There is enough history to say what a breach is.",
    Gate.IMPROVEMENT: "It has not got better by as much, for as long.",
    Gate.TRIGGER: "The newest window is beyond the threshold.",
    Gate.SUSTAIN: "Enough of the judged windows are beyond it.",
    Gate.MIN_DELTA: "It is far enough from the 7-day average for a person to notice.",
    Gate.MIN_EVENTS: "Enough events are behind the newest value.",
    Gate.MIN_PARTS: "It holds several series together; of one alone, that one is judged instead.",
    Gate.AWAITING_EVIDENCE: "Its own past has been looked at; of very many candidates some wait.",
    Gate.EXPECTED: "It is beyond the threshold of this hour, too.",
    Gate.BAND: "So few observations do not differ as much by chance.",
    Gate.EFFECT: "It is far enough from what is usual at this hour.",
    Gate.SIGNIFICANCE: "Its own past of two weeks holds nothing like it, or hardly.",
    Gate.MIX: "It is no change of those who came: enough is left with the visitors made alike.",
    Gate.WARMING: "Enough of the seven days have data for anybody to be told.",
    Gate.SUSPICION: "It is beyond the thresholds of its past for sure; until then suspected.",
    Gate.WENT_AWAY: "The last two hours have kept enough of the step.",
}
"""What each stage asks for, in a sentence."""


REJECTED = Verdict.REJECTED
HOLDING = np.array([one in (Verdict.REGRESSED, Verdict.SUSPECTED) for one in VERDICTS])


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage for all series: where it ends the chain, and with which verdict.

    `asked` is false where the rule does not have it. `checks` gives the numbers of one series; it
    is called only when somebody wants to know, never by a tick.
    """

    gate: Gate
    ends: Flags
    verdict: Verdict
    reason: Reason
    checks: Checks
    asked: bool = True


def conclude(
    name: str,
    rule: Rule,
    span: Span,
    judged: Judged,
    background: Background,
    levels: Levels,
    assessment: Assessment | None = None,
) -> Verdicts:
    """Turn levels into verdicts: sustain, then the gates, each refusal under its own name.

    A regression needs `span.need` breaching windows, the newest among them: a breach that is over
    already is told to nobody.
    """
    up = rule.upwards
    case = Case.of(rule, span, judged, background, levels, assessment)
    verdict = np.full(len(judged), VERDICT_NUMBER[Verdict.REGRESSED])
    reason = np.full(len(judged), REASON_NUMBER[Reason.NONE])
    for stage in reversed(needed(case)):  # the first that ends the way stays
        verdict[stage.ends] = VERDICT_NUMBER[stage.verdict]
        reason[stage.ends] = REASON_NUMBER[stage.reason]
    said = verdict != VERDICT_NUMBER[Verdict.UNKNOWN]
    is_better = verdict == VERDICT_NUMBER[Verdict.IMPROVED]
    moved = np.where(is_better[:, None], case.better, case.breach)
    began_ms = judged.end_ms - span.total_ms + np.argmax(moved, axis=1) * span.each_ms
    began_lo_ms, began_hi_ms = dated(began_ms, began_ms + span.each_ms, case.assessed, verdict)
    limits = shown(levels.worse, up)
    if levels.better is not None and is_better.any():
        level = np.where(is_better, shown(levels.better, not up).threshold, limits.threshold)
        limits = Limits(level, limits.clear, limits.critical, limits.measured)
    return Verdicts(
        rule=name,
        signal=rule.signal,
        judged=judged,
        background=background,
        levels=levels,
        limits=limits,
        verdict=verdict,
        reason=reason,
        breaches=moved.sum(axis=1).astype(np.int64),
        critical=beyond_critical(levels, judged.values, up) & said,
        clear=cleared(levels.worse, case.newest, up) & said,
        began_lo_ms=began_lo_ms,
        began_hi_ms=began_hi_ms,
        upwards=up,
        assessment=assessment,
    )


def stages(case: Case) -> tuple[Stage, ...]:
    """All stages in their order; what none of them ends has regressed."""
    return (*literal(case), *statistical(case))


def needed(case: Case) -> tuple[Stage, ...]:
    """The stages that decide: where those of the literal rule end every way, no others."""
    first = literal(case)
    ended = np.logical_or.reduce([one.ends for one in first])
    return first if ended.all() else (*first, *statistical(case))


def literal(case: Case) -> tuple[Stage, ...]:
    """The stages of the rule as it is written, and of its plain gates, in their order."""
    rule, judged, background = case.rule, case.judged, case.background
    gates, up, newest, better = rule.gates, rule.upwards, case.newest, case.better
    history = ~np.isnan(case.truth[:, -1])
    if rule.is_statistical:
        enough = background.n >= gates.min_baseline_count
        if not enough.all():
            enough |= held(fixed(case.levels.worse), judged.values, up)[:, -1] == 1
        history &= enough
    far = is_far(gates, newest, background, up)
    if isinstance(case.levels.worse, Limits) and case.levels.worse.lasting is not None:
        far |= is_far(gates, case.levels.worse.lasting, background, up)
    alone = is_alone(gates, judged)
    improved = better[:, -1] & (better.sum(axis=1) >= case.span.need) & far & ~alone
    short = case.breach.sum(axis=1) < case.span.need
    # What merely scatters is no change that a gate refused: it is steady.
    unsustained = (Verdict.STEADY, Reason.NONE) if rule.is_change else (REJECTED, Reason.SUSTAIN)
    return (
        Stage(Gate.DATA, np.isnan(newest), Verdict.UNKNOWN, Reason.NO_DATA, of_data(case)),
        Stage(
            Gate.MIN_COUNT,
            ~case.enough[:, -1],
            Verdict.UNKNOWN,
            Reason.TOO_FEW_OBSERVATIONS,
            of_count(case),
            gates.min_count > 0,
        ),
        Stage(
            Gate.SETTLING,
            np.zeros(len(judged), np.bool_) if judged.settling is None else judged.settling[:, -1],
            Verdict.UNKNOWN,
            Reason.SETTLING,
            of_settling(case),
            bool(gates.settling) or judged.settling is not None,
        ),
        Stage(
            Gate.HISTORY,
            ~history,
            Verdict.UNKNOWN,
            Reason.TOO_LITTLE_HISTORY,
            of_history(case),
            rule.is_statistical,
        ),
        Stage(
            Gate.IMPROVEMENT,
            improved,
            Verdict.IMPROVED,
            Reason.NONE,
            of_improvement(case),
            case.levels.better is not None and rule.improvements,
        ),
        Stage(Gate.TRIGGER, ~case.breach[:, -1], Verdict.STEADY, Reason.NONE, of_trigger(case)),
        Stage(Gate.SUSTAIN, short, *unsustained, of_sustain(case)),
        Stage(
            Gate.MIN_DELTA,
            ~far,
            Verdict.REJECTED,
            Reason.MIN_DELTA,
            of_distance(case),
            bool(gates.min_delta) or gates.min_ratio is not None,
        ),
        Stage(
            Gate.MIN_EVENTS,
            is_rare(gates, judged),
            Verdict.REJECTED,
            Reason.MIN_EVENTS,
            of_events(case),
            gates.min_events > 0,
        ),
        Stage(
            Gate.MIN_PARTS,
            alone,
            Verdict.REJECTED,
            Reason.MIN_PARTS,
            of_parts(case),
            gates.min_parts > 0,
        ),
    )


def statistical(case: Case) -> tuple[Stage, ...]:
    """The stages that ask more than the literal rule, in their order.

    A stage without a number for a series abstains. What has too short a history for one is held
    back by `warming`, the last but one; only what has passed everything else is suspected.
    """
    rule, assessed, newest = case.rule, case.assessed, case.newest
    gates, up, values = rule.gates, rule.upwards, case.judged.values
    none = np.zeros(len(case.judged), np.bool_)
    least = rule.agreement
    asks = not np.isnan(least)
    usual = within = effect = weak = others = doubted = away = warming = none
    expected = case.levels.expected
    if gates.expected and expected is not None:
        usual = held(expected, values, up)[:, -1] == 0
    if gates.band is not None:
        edge, past = assessed.edge, assessed.same_hours
        within = edge <= past if up else edge >= past
    if gates.mix is not None:
        others = assessed.left < gates.mix
    if gates.effect is not None:
        multiple = assessed.expected * gates.effect
        effect = newest < multiple if up else newest > multiple
    if asks:
        surely, maybe = assessed.agreeing >= least, assessed.suspecting >= least
        effect = effect | (~surely & ~maybe & (assessed.unusual >= least))
        weak = ~surely & ~maybe & ~np.isnan(assessed.agreeing)
        doubted = ~surely & maybe
    if rule.is_change:
        # Its past is the trigger: what it does not speak for is no change.
        weak = assessed.looked & ~(assessed.suspecting >= least) & ~effect
        weak &= ~assessed.awaiting
        small = np.abs(np.log1p(assessed.effect)) < abs(np.log(rule.trigger.part.level))
        effect = effect | small
    if gates.went_away is not None:
        away = assessed.kept < gates.went_away
    if gates.warming and rule.is_statistical:
        # A fixed limit of `any` that holds needs no history.
        alone = held(fixed(case.levels.worse), values, up)[:, -1] == 1
        warming = ~case.background.ready & ~alone
    rejected = REJECTED
    weakly = (Verdict.STEADY, Reason.NONE) if rule.is_change else (rejected, Reason.SIGNIFICANCE)
    return (
        Stage(
            Gate.AWAITING_EVIDENCE,
            assessed.awaiting,
            rejected,
            Reason.AWAITING_EVIDENCE,
            of_evidence(case),
            rule.asks_the_past,
        ),
        Stage(Gate.EXPECTED, usual, rejected, Reason.EXPECTED, of_expected(case), gates.expected),
        Stage(
            Gate.BAND,
            within,
            rejected,
            Reason.BAND,
            of_band(case),
            gates.band is not None,
        ),
        Stage(
            Gate.EFFECT,
            effect,
            rejected,
            Reason.EFFECT,
            of_effect(case),
            gates.effect is not None or asks,
        ),
        Stage(
            Gate.SIGNIFICANCE,
            weak,
            *weakly,
            of_significance(case),
            asks,
        ),
        Stage(
            Gate.MIX,
            others,
            rejected,
            Reason.MIX,
            of_mix(case),
            gates.mix is not None,
        ),
        Stage(
            Gate.WARMING,
            warming,
            rejected,
            Reason.WARMING,
            of_warming(case),
            gates.warming and rule.is_statistical,
        ),
        Stage(
            Gate.SUSPICION,
            doubted,
            Verdict.SUSPECTED,
            Reason.SIGNIFICANCE,
            of_certainty(case),
            asks,
        ),
        Stage(
            Gate.WENT_AWAY,
            away,
            Verdict.SUSPECTED,
            Reason.WENT_AWAY,
            of_kept(case),
            gates.went_away is not None,
        ),
    )


def dated(lo_ms: Ints, hi_ms: Ints, assessed: Assessment, verdict: Ints) -> tuple[Ints, Ints]:
    """When it began: the interval found in the past of the series, else the first breach."""
    known = ~np.isnan(assessed.began_lo_ms)
    if known.any():
        known &= HOLDING[verdict]
    if not known.any():
        return lo_ms, hi_ms
    return (
        np.where(known, np.nan_to_num(assessed.began_lo_ms), lo_ms).astype(np.int64),
        np.where(known, np.nan_to_num(assessed.began_hi_ms), hi_ms).astype(np.int64),
    )


def is_far(gates: Gates, newest: Floats, background: Background, upwards: bool) -> Flags:
    """Whether the newest value is far enough from the baseline, by difference or by multiple."""
    mean = background.mean
    if not gates.min_delta and gates.min_ratio is None:
        return np.ones(len(newest), np.bool_)
    far = np.zeros(len(newest), np.bool_)
    if gates.min_delta:
        far |= np.abs(newest - mean) >= gates.min_delta
    if gates.min_ratio is not None:
        multiple = mean * gates.min_ratio
        far |= newest >= multiple if upwards else newest <= multiple
    return far | np.isnan(mean)


def is_rare(gates: Gates, judged: Judged) -> Flags:
    """Whether too few events are behind the newest value."""
    # Rounded: a tenth of 30 observations are 3 events, not 2.9999999999999996.
    events = np.round(judged.values[:, -1] * judged.n[:, -1], 6)
    return (events < gates.min_events) & (gates.min_events > 0)


def is_alone(gates: Gates, judged: Judged) -> Flags:
    """Whether too few series are in it; where none is known it may be any number."""
    if judged.parts is None:
        return np.zeros(len(judged), np.bool_)
    few: Flags = judged.parts < gates.min_parts
    return few

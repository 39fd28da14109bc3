"""The chain that a verdict goes through: each stage with what it saw and what it needed. Pure.

One table of stages serves those who conclude, those who explain and those who write about it: the
first stage that applies to a series decides, and a stage can say for one series which numbers it
looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detector.bounds import (
    Levels,
    Limits,
    beyond_critical,
    cleared,
    fixed,
    held,
    leaves,
    shown,
)
from detector.judgement import (
    REASONS,
    VERDICTS,
    Assessment,
    Background,
    Judged,
    Reason,
    Verdict,
    Verdicts,
)
from detector.rule import Gates, Rule, Span
from storage.history import Flags, Floats


class Gate(StrEnum):
    """The stages, in their order."""

    DATA = "data"
    MIN_COUNT = "min_count"
    HISTORY = "history"
    IMPROVEMENT = "improvement"
    TRIGGER = "trigger"
    SUSTAIN = "sustain"
    MIN_DELTA = "min_delta"
    MIN_EVENTS = "min_events"
    EXPECTED = "expected"
    EFFECT = "effect"
    SIGNIFICANCE = "significance"
    FDR = "fdr"
    WARMING = "warming"
    WENT_AWAY = "went_away"


ASKS: Mapping[Gate, str] = {
    Gate.DATA: "The newest window has a value.",
    Gate.MIN_COUNT: "Enough observations are in the newest window.",
    Gate.HISTORY: "There is enough history to say what a breach is.",
    Gate.IMPROVEMENT: "It has not got better by as much, for as long.",
    Gate.TRIGGER: "The newest window is beyond the threshold.",
    Gate.SUSTAIN: "Enough of the judged windows are beyond it.",
    Gate.MIN_DELTA: "It is far enough from the 7-day average for a person to notice.",
    Gate.MIN_EVENTS: "Enough events are behind the newest value.",
    Gate.EXPECTED: "It is beyond the threshold of this hour, too.",
    Gate.EFFECT: "It is far enough from what is usual at this hour.",
    Gate.SIGNIFICANCE: "It differs by more than hours usually differ.",
    Gate.FDR: "Among all series that are tested at once it is hardly chance.",
    Gate.WARMING: "Enough of the seven days have data for anybody to be told.",
    Gate.WENT_AWAY: "The last two hours have kept enough of the step.",
}
"""What each stage asks for, in a sentence."""


class Relation(StrEnum):
    """How what was seen must stand to what is needed."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    ABOVE = "above"
    BELOW = "below"


class Measure(StrEnum):
    """What a number of a check counts."""

    VALUE = "value"  # in the unit of the signal
    DISTANCE = "distance"  # between two values
    MULTIPLE = "multiple"
    OBSERVATIONS = "observations"
    EVENTS = "events"
    DAYS = "days"
    WINDOWS = "windows"
    DEVIATIONS = "deviations"
    SHARE = "share"
    NUMBER = "number"  # in the terms of its trigger


@dataclass(frozen=True, slots=True)
class Check:
    """One number that a stage looked at, beside the one it needs; NaN where there is none."""

    name: str
    saw: float
    relation: Relation
    needed: float
    measure: Measure
    of: int | None = None


Checks = Callable[[int], tuple[Check, ...]]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule is judged on: its windows, what was normal, its levels, what is assessed.

    `truth` says where the trigger holds (as `bounds.held`), `enough` where there are enough
    observations, `breach` where both are so; `better` is the same of the mirror of the trigger.
    All four are series x windows.
    """

    rule: Rule
    span: Span
    judged: Judged
    background: Background
    levels: Levels
    assessed: Assessment
    truth: Floats
    enough: Flags
    breach: Flags
    better: Flags

    @classmethod
    def of(
        cls,
        rule: Rule,
        span: Span,
        judged: Judged,
        background: Background,
        levels: Levels,
        assessment: Assessment | None = None,
    ) -> "Case":
        """From what a tick has."""
        up, values = rule.upwards, judged.values
        truth = held(levels.worse, values, up)
        enough = judged.n >= rule.gates.min_count
        breach = (truth == 1) & enough
        better = np.zeros_like(breach)
        if levels.better is not None and rule.improvements:
            better = (held(levels.better, values, not up) == 1) & enough
            better &= background.ready[:, None]
        nothing = Assessment.nothing(len(judged)) if assessment is None else assessment
        return cls(
            rule=rule,
            span=span,
            judged=judged,
            background=background,
            levels=levels,
            assessed=nothing,
            truth=truth,
            enough=enough,
            breach=breach,
            better=better,
        )

    @property
    def newest(self) -> Floats:
        """The newest value of each series."""
        newest: Floats = self.judged.values[:, -1]
        return newest


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
    chain = stages(case)
    conditions = [one.ends for one in chain]
    otherwise = VERDICTS.index(Verdict.REGRESSED), REASONS.index(Reason.NONE)
    verdict = np.select(conditions, [VERDICTS.index(one.verdict) for one in chain], otherwise[0])
    reason = np.select(conditions, [REASONS.index(one.reason) for one in chain], otherwise[1])
    said = verdict != VERDICTS.index(Verdict.UNKNOWN)
    is_better = verdict == VERDICTS.index(Verdict.IMPROVED)
    moved = np.where(is_better[:, None], case.better, case.breach)
    start_ms = judged.end_ms - span.total_ms
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
        verdict=verdict.astype(np.int64),
        reason=reason.astype(np.int64),
        breaches=moved.sum(axis=1).astype(np.int64),
        critical=beyond_critical(levels, judged.values, up) & said,
        clear=cleared(levels.worse, case.newest, up) & said,
        began_lo_ms=(start_ms + np.argmax(moved, axis=1) * span.each_ms).astype(np.int64),
        each_ms=span.each_ms,
        upwards=up,
        assessment=assessment,
    )


def stages(case: Case) -> tuple[Stage, ...]:
    """All stages in their order; what none of them ends has regressed."""
    rule, judged, background = case.rule, case.judged, case.background
    gates, up, newest, better = rule.gates, rule.upwards, case.newest, case.better
    history = ~np.isnan(case.truth[:, -1])
    if rule.is_statistical:
        alone = held(fixed(case.levels.worse), judged.values, up)[:, -1] == 1
        history &= (background.n >= gates.min_baseline_count) | alone
    far = is_far(gates, newest, background, up)
    improved = better[:, -1] & (better.sum(axis=1) >= case.span.need) & far
    short = case.breach.sum(axis=1) < case.span.need
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
        Stage(Gate.SUSTAIN, short, Verdict.REJECTED, Reason.SUSTAIN, of_sustain(case)),
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
        *statistical(case),
    )


def statistical(case: Case) -> tuple[Stage, ...]:
    """The stages that ask more than the literal rule, in their order.

    A stage without a number for a series abstains. What has too short a history for one is held
    back by `warming`, the last but one; only what has passed everything else is suspected.
    """
    rule, assessed, newest = case.rule, case.assessed, case.newest
    gates, up, values = rule.gates, rule.upwards, case.judged.values
    none = np.zeros(len(case.judged), np.bool_)
    usual = effect = weak = by_chance = away = warming = none
    expected = case.levels.expected
    if gates.expected and expected is not None:
        usual = held(expected, values, up)[:, -1] == 0
    if gates.effect is not None:
        multiple = assessed.expected * gates.effect
        effect = newest < multiple if up else newest > multiple
    if gates.significance is not None:
        least = gates.significance
        both = (assessed.score >= least) & (assessed.agreeing >= least)
        weak = ~(both | (assessed.score >= 2 * least) | np.isnan(assessed.score))
    if gates.fdr is not None:
        by_chance = assessed.q > gates.fdr
    if gates.went_away is not None:
        away = assessed.kept < gates.went_away
    if gates.warming and rule.is_statistical:
        # A fixed limit of `any` that holds needs no history.
        alone = held(fixed(case.levels.worse), values, up)[:, -1] == 1
        warming = ~case.background.ready & ~alone
    rejected = Verdict.REJECTED
    return (
        Stage(Gate.EXPECTED, usual, rejected, Reason.EXPECTED, of_expected(case), gates.expected),
        Stage(
            Gate.EFFECT, effect, rejected, Reason.EFFECT, of_effect(case), gates.effect is not None
        ),
        Stage(
            Gate.SIGNIFICANCE,
            weak,
            rejected,
            Reason.SIGNIFICANCE,
            of_significance(case),
            gates.significance is not None,
        ),
        Stage(Gate.FDR, by_chance, rejected, Reason.FDR, of_fdr(case), gates.fdr is not None),
        Stage(
            Gate.WARMING,
            warming,
            rejected,
            Reason.WARMING,
            of_warming(case),
            gates.warming and rule.is_statistical,
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


# What each stage saw of one series.


def of_data(case: Case) -> Checks:
    """How many windows are there at all."""

    def checks(i: int) -> tuple[Check, ...]:
        there = float(~np.isnan(case.newest[i]))
        return (Check("newest window", there, Relation.AT_LEAST, 1.0, Measure.WINDOWS),)

    return checks


def of_count(case: Case) -> Checks:
    """The observations of the newest window."""

    def checks(i: int) -> tuple[Check, ...]:
        n, least = float(case.judged.n[i, -1]), case.rule.gates.min_count
        return (Check("n", n, Relation.AT_LEAST, least, Measure.OBSERVATIONS),)

    return checks


LEAST_DAYS = 2  # `Background.usable`: data of more than one day


def of_history(case: Case) -> Checks:
    """Days and observations behind the baseline."""

    def checks(i: int) -> tuple[Check, ...]:
        days = float(case.background.days[i])
        found = [Check("days", days, Relation.AT_LEAST, LEAST_DAYS, Measure.DAYS)]
        least = case.rule.gates.min_baseline_count
        if least:
            n = float(case.background.n[i])
            found.append(Check("baseline n", n, Relation.AT_LEAST, least, Measure.OBSERVATIONS))
        return tuple(found)

    return checks


def of_improvement(case: Case) -> Checks:
    """How many windows are beyond the mirror; as many as must breach would be an improvement."""

    def checks(i: int) -> tuple[Check, ...]:
        count, of = float(case.better[i].sum()), case.span.of
        most = case.span.need - 1.0
        return (Check("better windows", count, Relation.AT_MOST, most, Measure.WINDOWS, of),)

    return checks


def of_trigger(case: Case) -> Checks:
    """The newest value and the threshold; of a tree each of its triggers."""
    up = case.rule.upwards
    relation = Relation.ABOVE if up else Relation.BELOW

    def checks(i: int) -> tuple[Check, ...]:
        worse = case.levels.worse
        if isinstance(worse, Limits):
            plain = worse.measured is None
            measured = case.judged.values if worse.measured is None else worse.measured
            measure = Measure.VALUE if plain else Measure.NUMBER
            level = float(worse.threshold[i])
            return (Check("value", float(measured[i, -1]), relation, level, measure),)
        return tuple(
            Check(one.trigger, one.value, relation, one.threshold, Measure.NUMBER)
            for one in leaves(worse, case.judged.values, i, up)
        )

    return checks


def of_sustain(case: Case) -> Checks:
    """How many of the judged windows breach."""

    def checks(i: int) -> tuple[Check, ...]:
        count, need = float(case.breach[i].sum()), float(case.span.need)
        windows = Measure.WINDOWS
        return (Check("breaches", count, Relation.AT_LEAST, need, windows, case.span.of),)

    return checks


def of_distance(case: Case) -> Checks:
    """How far from the average; either is enough where both are asked for."""

    def checks(i: int) -> tuple[Check, ...]:
        gates, value = case.rule.gates, float(case.newest[i])
        mean = float(case.background.mean[i])
        found = []
        if gates.min_delta:
            far, least = abs(value - mean), gates.min_delta
            found.append(Check("difference", far, Relation.AT_LEAST, least, Measure.DISTANCE))
        if gates.min_ratio is not None:
            times = value / mean if mean else np.nan
            relation = Relation.AT_LEAST if case.rule.upwards else Relation.AT_MOST
            found.append(Check("ratio", times, relation, gates.min_ratio, Measure.MULTIPLE))
        return tuple(found)

    return checks


def of_events(case: Case) -> Checks:
    """Value times observations."""

    def checks(i: int) -> tuple[Check, ...]:
        events = round(float(case.newest[i] * case.judged.n[i, -1]), 6)
        least = case.rule.gates.min_events
        return (Check("events", events, Relation.AT_LEAST, least, Measure.EVENTS),)

    return checks


def of_expected(case: Case) -> Checks:
    """The newest value and the threshold of this hour."""
    relation = Relation.ABOVE if case.rule.upwards else Relation.BELOW

    def checks(i: int) -> tuple[Check, ...]:
        bounds, value, level = case.levels.expected, float(case.newest[i]), np.nan
        if bounds is not None:
            level = float(shown(bounds, case.rule.upwards).threshold[i])
        return (Check("value", value, relation, level, Measure.VALUE),)

    return checks


def of_effect(case: Case) -> Checks:
    """The newest value as a multiple of what is usual at this hour."""

    def checks(i: int) -> tuple[Check, ...]:
        usual, value = float(case.assessed.expected[i]), float(case.newest[i])
        times = value / usual if usual else np.nan
        relation = Relation.AT_LEAST if case.rule.upwards else Relation.AT_MOST
        least = case.rule.gates.effect or np.nan
        return (Check("times usual", times, relation, least, Measure.MULTIPLE),)

    return checks


def of_significance(case: Case) -> Checks:
    """The distances of the two newest hours; twice as much in the newest is enough alone."""

    def checks(i: int) -> tuple[Check, ...]:
        least = case.rule.gates.significance or np.nan
        parts = (("last hour", case.assessed.score), ("hour before", case.assessed.agreeing))
        return tuple(
            Check(name, float(one[i]), Relation.AT_LEAST, least, Measure.DEVIATIONS)
            for name, one in parts
        )

    return checks


def of_fdr(case: Case) -> Checks:
    """The smallest false-discovery rate at which it would be told."""

    def checks(i: int) -> tuple[Check, ...]:
        most = case.rule.gates.fdr or np.nan
        return (Check("q", float(case.assessed.q[i]), Relation.AT_MOST, most, Measure.SHARE),)

    return checks


def of_warming(case: Case) -> Checks:
    """The days with data."""

    def checks(i: int) -> tuple[Check, ...]:
        days, needed = float(case.background.days[i]), float(case.background.asked(i))
        return (Check("days", days, Relation.AT_LEAST, needed, Measure.DAYS),)

    return checks


def of_kept(case: Case) -> Checks:
    """The share of the step that is still there."""

    def checks(i: int) -> tuple[Check, ...]:
        kept, least = float(case.assessed.kept[i]), case.rule.gates.went_away or np.nan
        return (Check("kept", kept, Relation.AT_LEAST, least, Measure.SHARE),)

    return checks

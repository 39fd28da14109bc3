"""What each stage of a verdict saw of one series, and what it needed. Pure.

Nothing of this is computed by a tick; it is asked for when somebody wants to know why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detector.bounds import Bounds, Levels, Limits, held, leaves, shown
from detector.judgement import Assessment, Background, Judged
from detector.rule import Rule, Span
from detector.trigger import Relative
from storage.history import Flags, Floats


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
        valid = enough if judged.settling is None else enough & ~judged.settling
        breach = (truth == 1) & valid
        better = np.zeros_like(breach)
        if levels.better is not None and rule.improvements:
            better = (held(levels.better, values, not up) == 1) & valid
            better &= background.ready[:, None]
        nothing = Assessment.silent(len(judged)) if assessment is None else assessment
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


def of_hours(limits: Bounds | None, i: int, relation: Relation) -> tuple[Check, ...]:
    """The last two hours of a series, where they hold a change; else nothing."""
    if not isinstance(limits, Limits) or limits.lasting is None or limits.hours is None:
        return ()
    hours, level = float(limits.lasting[i]), float(limits.hours[i])
    if np.isnan(hours):
        return ()
    return (Check("last two hours", hours, relation, level, Measure.VALUE),)


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


def of_settling(case: Case) -> Checks:
    """The minutes since something began anew; without anything there is no number."""

    def checks(i: int) -> tuple[Check, ...]:
        at_ms, markers = case.judged.disturbed_ms, case.rule.gates.settling
        since = np.nan if at_ms is None else (case.judged.end_ms - float(at_ms[i])) / 60_000
        # Every window must begin after the longest of the times.
        least = (max((one.for_ for one in markers), default=0) + case.span.each_ms / 1000) / 60
        name = "minutes since a restart, flush or deployment"
        return (Check(name, since, Relation.AT_LEAST, least, Measure.NUMBER),)

    return checks


LEAST_DAYS = 2  # `Background.usable`: data of more than one day


def of_history(case: Case) -> Checks:
    """Days and observations behind the baseline; for a multiple, that there is something of it."""

    def checks(i: int) -> tuple[Check, ...]:
        parts = [leaf for _, leaf in case.rule.trigger.leaves()]
        days = float(case.background.days[i])
        found = [Check("days", days, Relation.AT_LEAST, LEAST_DAYS, Measure.DAYS)]
        least = case.rule.gates.min_baseline_count
        if least:
            n = float(case.background.n[i])
            found.append(Check("baseline n", n, Relation.AT_LEAST, least, Measure.OBSERVATIONS))
        if any(isinstance(one, Relative) and one.mode == "relative" for one in parts):
            # A multiple of zero says nothing.
            mean = float(case.background.mean[i])
            found.append(Check("average", mean, Relation.ABOVE, 0.0, Measure.VALUE))
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
            value = Check("value", float(measured[i, -1]), relation, level, measure)
            return (value, *of_hours(worse, i, relation))
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
        for hours in of_hours(case.levels.worse, i, Relation.AT_LEAST):
            value = max(value, hours.saw, key=lambda one: abs(one - mean))
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


def of_parts(case: Case) -> Checks:
    """How many series it holds together; without a count there is no number."""

    def checks(i: int) -> tuple[Check, ...]:
        seen = np.nan if case.judged.parts is None else float(case.judged.parts[i])
        least = case.rule.gates.min_parts
        return (Check("series in it", seen, Relation.AT_LEAST, least, Measure.NUMBER),)

    return checks


def of_expected(case: Case) -> Checks:
    """The newest value and the threshold of this hour."""
    relation = Relation.ABOVE if case.rule.upwards else Relation.BELOW

    def checks(i: int) -> tuple[Check, ...]:
        bounds, value, level = case.levels.expected, float(case.newest[i]), np.nan
        if bounds is not None:
            level = float(shown(bounds, case.rule.upwards).threshold[i])
        weeks = case.assessed.weeks[i]
        whence = f"by {weeks:.0f} weeks" if weeks > 0 else "by the last days"
        name = "value" if np.isnan(weeks) else f"value, usual {whence}"
        found = Check(name, value, relation, level, Measure.VALUE)
        return (found, *of_hours(bounds, i, relation))

    return checks


def of_band(case: Case) -> Checks:
    """The nearer edge of the band of the newest value, and the value of the same hours before."""
    relation = Relation.ABOVE if case.rule.upwards else Relation.BELOW

    def checks(i: int) -> tuple[Check, ...]:
        edge, past = float(case.assessed.edge[i]), float(case.assessed.same_hours[i])
        return (Check("edge of its band", edge, relation, past, Measure.VALUE),)

    return checks


def of_mix(case: Case) -> Checks:
    """The part of the difference that is left with the visitors made alike."""

    def checks(i: int) -> tuple[Check, ...]:
        left, least = float(case.assessed.left[i]), case.rule.gates.mix or np.nan
        return (
            Check("left with the same visitors", left, Relation.AT_LEAST, least, Measure.SHARE),
        )

    return checks


def of_effect(case: Case) -> Checks:
    """The newest value as a multiple of what is usual at this hour."""

    def checks(i: int) -> tuple[Check, ...]:
        usual, value = float(case.assessed.expected[i]), float(case.newest[i])
        times = value / usual if usual else np.nan
        relation = Relation.AT_LEAST if case.rule.upwards else Relation.AT_MOST
        least = case.rule.gates.effect or np.nan
        found = Check("times usual", times, relation, least, Measure.MULTIPLE)
        if not case.rule.is_change:
            return (found,)
        part = case.rule.trigger.part
        # Of what is judged: the value, or what a share lacks to 1. Both ways as times more.
        size = float(np.exp(abs(np.log1p(case.assessed.effect[i]))))
        asked = max(part.level, 1 / part.level)
        change = Check("change", size, Relation.AT_LEAST, asked, Measure.MULTIPLE)
        return (change,) if case.rule.gates.effect is None else (change, found)

    return checks


def of_significance(case: Case) -> Checks:
    """The share of comparisons with its past that are beyond the thresholds of a suspicion."""

    def checks(i: int) -> tuple[Check, ...]:
        least = case.rule.agreement
        saw = float(case.assessed.suspecting[i])
        return (Check("nearly beyond its past", saw, Relation.AT_LEAST, least, Measure.SHARE),)

    return checks


def of_certainty(case: Case) -> Checks:
    """The share of comparisons with its past that are beyond their thresholds for sure."""

    def checks(i: int) -> tuple[Check, ...]:
        least = case.rule.agreement
        saw = float(case.assessed.agreeing[i])
        return (Check("beyond its past", saw, Relation.AT_LEAST, least, Measure.SHARE),)

    return checks


def of_evidence(case: Case) -> Checks:
    """Whether its past was looked at in this tick: 1, or 0 for not yet."""

    def checks(i: int) -> tuple[Check, ...]:
        looked = 0.0 if case.assessed.awaiting[i] else 1.0
        return (Check("looked at", looked, Relation.AT_LEAST, 1.0, Measure.NUMBER),)

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

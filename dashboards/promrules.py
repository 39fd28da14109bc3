"""Rules as PromQL: when a rule breaches, as Prometheus would find it by itself. Pure.

Triggers with fixed limits, multiples of the 7-day average and standard deviations are said wholly,
and so are sustain, the counting gates and trees of triggers. PromQL cannot compare a series with
its own past at this hour, or a histogram with another; `left_out` names what a rule loses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from detector.baseline import DAYS, DAYS_NEEDED
from detector.form import Promql, weights_are_counts
from detector.promql import INSTANCE, compile, counted
from detector.rule import Rule, Span
from detector.signal import Signal
from detector.trigger import (
    Absolute,
    AnyLeaf,
    Burn,
    Change,
    Distribution,
    Relative,
    Sigma,
    Slope,
    Trigger,
)
from storage.duration import written

LEAST_DAYS = 2  # with less there is nothing to compare with
BASELINE_EVERY = 3600.0
# The baseline ends an hour ago, so that what begins now is not part of it.
GAP = "1h"


class LeftOut(StrEnum):
    """What a rule asks for that an exported rule does not."""

    EXPECTED = "expected"
    EFFECT = "effect"
    SIGNIFICANCE = "significance"
    BAND = "band"
    MIX = "mix"
    WENT_AWAY = "went_away"
    SETTLING = "settling"
    MIN_PARTS = "min_parts"
    CLEAR_LEVEL = "clear_level"
    FROZEN_BASELINE = "frozen_baseline"


class Unsaid(StrEnum):
    """Why a rule is not exported at all."""

    DISTRIBUTION = "distribution"
    SLOPE = "slope"
    CHANGE = "change"
    DISABLED = "disabled"
    NO_COUNT = "no_count"


WHY = {
    LeftOut.EXPECTED: "what is usual at this hour is not looked at",
    LeftOut.EFFECT: "the distance from what is usual at this hour is not asked for",
    LeftOut.SIGNIFICANCE: "the series' own past of two weeks is not looked at",
    LeftOut.BAND: "chance in few observations is not weighed against the same hours",
    LeftOut.MIX: "a change of visitors is not told from a slower page",
    LeftOut.WENT_AWAY: "it does not wait until the step has lasted for two hours",
    LeftOut.SETTLING: "the minutes after a restart, flush or deployment are judged like any other",
    LeftOut.MIN_PARTS: "what holds one series alone together is told beside that one",
    LeftOut.CLEAR_LEVEL: "it ends where it began, after the time to clear, not at the clear level",
    LeftOut.FROZEN_BASELINE: "a regression that lasts becomes part of the average after an hour",
}
WHY_NOT = {
    Unsaid.DISTRIBUTION: "PromQL cannot compare two histograms edge by edge",
    Unsaid.SLOPE: "PromQL has no slope through the lows of days since the last restart",
    Unsaid.CHANGE: "PromQL has no thresholds learnt from the two weeks of each series",
    Unsaid.DISABLED: "the rule is disabled",
    Unsaid.NO_COUNT: "a gate counts observations, and the signal says nothing of them",
}


def left_out(rule: Rule) -> list[LeftOut]:
    """What of a rule an exported one does not ask for."""
    gates = rule.gates
    asked = {
        LeftOut.EXPECTED: gates.expected,
        LeftOut.EFFECT: gates.effect is not None,
        LeftOut.SIGNIFICANCE: gates.significance is not None,
        LeftOut.BAND: gates.band is not None,
        LeftOut.MIX: gates.mix is not None,
        LeftOut.WENT_AWAY: gates.went_away is not None,
        LeftOut.SETTLING: bool(gates.settling),
        LeftOut.MIN_PARTS: gates.min_parts > 0,
        LeftOut.CLEAR_LEVEL: True,
        LeftOut.FROZEN_BASELINE: rule.is_statistical,
    }
    return [one for one, yes in asked.items() if yes]


def unsaid(rule: Rule, signal: Signal) -> Unsaid | None:
    """Why a rule cannot be exported; None where it can."""
    if not rule.enabled:
        return Unsaid.DISABLED
    triggers = [rule.trigger, *([rule.critical_when] if rule.critical_when else [])]
    leaves = [leaf for one in triggers for _, leaf in one.leaves()]
    if any(isinstance(one, Distribution) for one in leaves):
        return Unsaid.DISTRIBUTION
    if any(isinstance(one, Slope) for one in leaves):
        return Unsaid.SLOPE
    if rule.is_change:
        return Unsaid.CHANGE
    gates = rule.gates
    counts = gates.min_count or gates.min_events or gates.min_baseline_count or gates.sampling
    counts = counts or any(isinstance(one, Burn) for one in leaves)
    if counts and isinstance(signal.form, Promql) and signal.form.count is None:
        return Unsaid.NO_COUNT
    return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recorded series of a signal over spans of `seconds`, and of its baseline."""

    signal: Signal
    seconds: float

    def named(self, what: str, seconds: float | None = None) -> str:
        """The name of a recorded series."""
        length = written(self.seconds if seconds is None else seconds)
        return f"plimsoll:{self.signal.name}:{what}_{length}"

    @property
    def value(self) -> str:
        """The value of the newest span."""
        return self.named("value")

    @property
    def count(self) -> str:
        """How many observations are behind it."""
        return self.named("count")

    def baseline(self, what: str) -> str:
        """A series of the baseline as it was last computed, which is once an hour."""
        return f"last_over_time({self.named(what, DAYS * 86_400.0)}[2h])"

    @property
    def has_count(self) -> bool:
        """Whether anything tells of observations."""
        return not (isinstance(self.signal.form, Promql) and self.signal.form.count is None)

    def records(self) -> Iterator[tuple[str, str]]:
        """Name and expression of value and count. A span without observations has no sample."""
        # NaN is greater than nothing; recorded it would spoil every sum over the days.
        yield self.value, f"({compile(self.signal, self.seconds, target=INSTANCE)}) > -Inf"
        if self.has_count:
            yield self.count, counted(self.signal, self.seconds, target=INSTANCE)

    def weighted(self) -> Iterator[tuple[str, str]]:
        """What the baseline is summed up from, where observations are its weights."""
        if weights_are_counts(self.signal.form):
            yield self.named("weight"), f"{self.value} * {self.count}"
            yield self.named("square"), f"{self.value} ^ 2 * {self.count}"

    def share_over(self, seconds: float) -> str:
        """Value times observations over observations, of the spans that end within so long."""
        spans = max(1, math.ceil(round(seconds / self.seconds, 6)))
        # Half a span less, so that no span more falls into it.
        within = written(self.seconds * (spans - 0.5))
        sums = (f"sum_over_time({one}[{within}])" for one in (self.named("weight"), self.count))
        return " / ".join(sums)

    def baselines(self) -> Iterator[tuple[str, str]]:
        """Average, deviation, observations and days with data of the 7 days until an hour ago."""
        week = DAYS * 86_400.0
        span = f"[{written(week)}] offset {GAP}"
        mean = self.named("mean", week)
        if weights_are_counts(self.signal.form):
            total = f"sum_over_time({self.count}{span})"
            yield mean, f"sum_over_time({self.named('weight')}{span}) / {total}"
            squares = f"sum_over_time({self.named('square')}{span}) / {total}"
            yield self.named("deviation", week), f"sqrt(clamp_min({squares} - {mean} ^ 2, 0))"
        else:
            yield mean, f"avg_over_time({self.value}{span})"
            yield self.named("deviation", week), f"stddev_over_time({self.value}{span})"
        if self.has_count:
            yield self.named("observations", week), f"sum_over_time({self.count}{span})"
        yield (
            self.named("days", week),
            "\n+ ".join(
                f"((count_over_time({self.value}[1d] offset {ago}) > bool 0) or 0 * {mean})"
                for ago in (GAP, *(f"{day}d{GAP}" for day in range(1, DAYS)))
            ),
        )


@dataclass(frozen=True, slots=True)
class Breach:
    """When a rule is breached, over the recorded series of its judged windows and its baseline.

    `now` are the spans that are judged, `past` those that the baseline is made of.
    """

    rule: Rule
    now: Recorded
    past: Recorded

    def breached(self, trigger: Trigger) -> str:
        """The series that are beyond a trigger, with their value."""
        if trigger.branches:
            joint = "\nand " if trigger.all is not None else "\nor "
            return joint.join(f"({self.breached(one)})" for one in trigger.branches)
        return self.beyond(trigger.part)

    def beyond(self, leaf: AnyLeaf, level: float | None = None) -> str:
        """The series beyond one level; beyond another one where it is given."""
        if isinstance(leaf, Burn):
            return self.burning(leaf, leaf.level if level is None else level)
        sign = ">" if leaf.upwards else "<"
        return f"{self.now.value} {sign} {self.limit(leaf, leaf.level if level is None else level)}"

    def limit(self, leaf: AnyLeaf, level: float) -> str:
        """The value that a level means."""
        mean = self.past.baseline("mean")
        match leaf:
            case Absolute():
                return f"{level!r}"
            case Relative(mode="points"):
                return f"({mean} + {round(level - 1, 12)!r})"
            case Relative():
                return f"{level!r} * ({mean} > 0)"
            case Sigma():
                side = "+" if leaf.upwards else "-"
                return f"({mean} {side} {level!r} * {self.deviation()})"
            case Distribution() | Slope() | Burn() | Change():
                raise ValueError(f"{type(leaf).__name__} cannot be said in PromQL")
        assert_never(leaf)

    def burning(self, leaf: Burn, rate: float) -> str:
        """The series that spend their budget too fast over both spans, at the value of the long."""
        errors = round(rate * (1 - leaf.objective), 12)
        limit = f"> {errors!r}" if leaf.upwards else f"< {1 - errors!r}"
        spans = (leaf.long, leaf.short_seconds)
        return "\nand ".join(f"({self.past.share_over(one)} {limit})" for one in spans)

    def deviation(self) -> str:
        """Standard deviation; with `sampling` the chance of so few observations is part of it."""
        deviation = self.past.baseline("deviation")
        if not self.rule.gates.sampling:
            return deviation
        mean, n = self.past.baseline("mean"), self.past.baseline("observations")
        p = f"(({mean} * {n} + 0.5) / ({n} + 1))"
        return f"sqrt({deviation} ^ 2 + clamp_min({p} * (1 - {p}), 0) / {self.now.count})"

    def counted(self, condition: str) -> str:
        """The condition, where a window has enough observations and there is a past to ask."""
        parts = [f"({condition})"]
        if self.rule.gates.min_count:
            parts.append(f"({self.now.count} >= {self.rule.gates.min_count!r})")
        if self.rule.is_statistical:
            days = DAYS_NEEDED if self.rule.gates.warming else LEAST_DAYS
            parts.append(f"({self.past.baseline('days')} >= {days})")
        return "\nand ".join(parts)

    def gated(self, condition: str) -> str:
        """The condition, where the gates on the newest window hold as well."""
        gates, value = self.rule.gates, self.now.value
        parts = [condition]
        if gates.min_baseline_count and self.rule.is_statistical:
            parts.append(
                f"and ({self.past.baseline('observations')} >= {gates.min_baseline_count!r})"
            )
        if gates.min_events:
            parts.append(f"and ({value} * {self.now.count} >= {gates.min_events!r})")
        near = self.near()
        if near:
            parts.append(f"unless ({near})")
        return "\n".join(parts)

    def near(self) -> str:
        """The series that are too near to their average; empty where nobody asks.

        A series without an average is not near to it.
        """
        gates, value, mean = self.rule.gates, self.now.value, self.past.baseline("mean")
        parts = []
        if gates.min_delta:
            parts.append(f"abs({value} - {mean}) < {gates.min_delta!r}")
        if gates.min_ratio is not None:
            sign = "<" if self.rule.upwards else ">"
            parts.append(f"{value} {sign} {gates.min_ratio!r} * {mean}")
        return " and ".join(f"({one})" for one in parts)

    def critical(self) -> str | None:
        """What makes it critical; None where nothing does."""
        rule = self.rule
        if rule.critical_when is not None:
            return self.breached(rule.critical_when)
        if rule.critical is not None:
            return self.beyond(rule.trigger.part, rule.critical)
        return None

    @property
    def burns(self) -> list[Burn]:
        """Its burn rates."""
        triggers = [self.rule.trigger, *filter(None, [self.rule.critical_when])]
        leaves = [leaf for one in triggers for _, leaf in one.leaves()]
        return [one for one in leaves if isinstance(one, Burn)]

    @property
    def asks_the_past(self) -> bool:
        """Whether a baseline is needed."""
        gates = self.rule.gates
        triggers = [self.rule.trigger, *filter(None, [self.rule.critical_when])]
        statistical = any(one.is_statistical for one in triggers)
        return statistical or bool(gates.min_delta) or gates.min_ratio is not None


def breach_of(rule: Rule, signal: Signal) -> tuple[Breach, Span]:
    """The breach of a rule on its signal, and the windows that are judged."""
    span = rule.span(signal.form.window, signal.form.over)
    now, past = Recorded(signal, span.each_ms / 1000), Recorded(signal, signal.form.over)
    return Breach(rule, now, past), span

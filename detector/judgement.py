"""What a rule says about a series: the verdict, and the evidence it rests on."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detector.rule import Rule, Span
from storage.history import Flags, Floats, Ints
from storage.series import Labels


class Verdict(StrEnum):
    """The words a rule may use."""

    UNKNOWN = "unknown"  # too little to say: never the same as steady
    STEADY = "steady"
    REJECTED = "rejected"  # the trigger holds, a gate refused it
    REGRESSED = "regressed"


class Reason(StrEnum):
    """Why a verdict is unknown, or which gate refused a candidate."""

    NONE = ""
    NO_DATA = "no_data"
    TOO_FEW_OBSERVATIONS = "too_few_observations"
    TOO_LITTLE_HISTORY = "too_little_history"
    SUSTAIN = "sustain"
    MIN_DELTA = "min_delta"
    MIN_EVENTS = "min_events"


VERDICTS, REASONS = tuple(Verdict), tuple(Reason)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged, one row a series: `of` windows in a row, the newest last; NaN is a gap."""

    series: tuple[Labels, ...]
    values: Floats
    n: Floats
    end_ms: int

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trigger means for each series: NaN where its history does not suffice."""

    threshold: Floats
    clear: Floats
    critical: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of one rule on one series at one tick, and the numbers behind it.

    `breaches` of the `of` judged windows were beyond `threshold`; `baseline` and `deviation` are
    the 7-day average and standard deviation (NaN for none), resting on `days` days with data and
    `baseline_n` observations. `clear` says that the newest window is back beyond the clear level.
    """

    rule: str
    signal: str
    labels: Labels
    at_ms: int
    verdict: Verdict
    reason: Reason
    value: float
    n: float
    threshold: float
    baseline: float
    deviation: float
    baseline_n: float
    days: int
    breaches: int
    of: int
    critical: bool
    clear: bool
    began_lo_ms: int
    began_hi_ms: int


@dataclass(frozen=True, slots=True)
class Background:
    """What was normal for each judged series; NaN and 0 where nothing is known."""

    mean: Floats
    deviation: Floats
    n: Floats
    days: Ints


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judgements in columns: those of one rule at one tick. `rows` gives them one by one."""

    rule: str
    signal: str
    judged: Judged
    background: Background
    limits: Limits
    verdict: Ints
    reason: Ints
    breaches: Ints
    critical: Flags
    clear: Flags
    began_lo_ms: Ints
    each_ms: int

    def __len__(self) -> int:
        return len(self.judged)

    def row(self, i: int) -> Judgement:
        """One judgement."""
        return Judgement(
            rule=self.rule,
            signal=self.signal,
            labels=self.judged.series[i],
            at_ms=self.judged.end_ms,
            verdict=VERDICTS[self.verdict[i]],
            reason=REASONS[self.reason[i]],
            value=float(self.judged.values[i, -1]),
            n=float(self.judged.n[i, -1]),
            threshold=float(self.limits.threshold[i]),
            baseline=float(self.background.mean[i]),
            deviation=float(self.background.deviation[i]),
            baseline_n=float(self.background.n[i]),
            days=int(self.background.days[i]),
            breaches=int(self.breaches[i]),
            of=self.judged.values.shape[1],
            critical=bool(self.critical[i]),
            clear=bool(self.clear[i]),
            began_lo_ms=int(self.began_lo_ms[i]),
            began_hi_ms=int(self.began_lo_ms[i]) + self.each_ms,
        )

    def rows(self) -> list[Judgement]:
        """One by one."""
        return [self.row(i) for i in range(len(self))]


def conclude(
    name: str, rule: Rule, span: Span, judged: Judged, background: Background, limits: Limits
) -> Verdicts:
    """Turn limits into verdicts: sustain, then the gates, each refusal under its own name.

    A regression needs `span.need` breaching windows, the newest among them: a breach that is over
    already is told to nobody.
    """
    gates, up = rule.gates, rule.upwards
    enough = judged.n >= gates.min_count
    beyond = judged.values > limits.threshold[:, None]
    if not up:
        beyond = judged.values < limits.threshold[:, None]
    breach = beyond & enough
    newest, newest_n = judged.values[:, -1], judged.n[:, -1]
    delta = np.abs(newest - background.mean)
    far = np.isnan(background.mean) | (delta >= gates.min_delta)
    # Rounded: a tenth of 30 observations are 3 events, not 2.9999999999999996.
    few = (np.round(newest * newest_n, 6) < gates.min_events) & (gates.min_events > 0)
    history = ~np.isnan(limits.threshold)
    if rule.trigger.absolute is None:
        history &= background.n >= gates.min_baseline_count
    stages = (  # the first that applies decides
        (np.isnan(newest), Verdict.UNKNOWN, Reason.NO_DATA),
        (~enough[:, -1], Verdict.UNKNOWN, Reason.TOO_FEW_OBSERVATIONS),
        (~history, Verdict.UNKNOWN, Reason.TOO_LITTLE_HISTORY),
        (~breach[:, -1], Verdict.STEADY, Reason.NONE),
        (breach.sum(axis=1) < span.need, Verdict.REJECTED, Reason.SUSTAIN),
        (~far, Verdict.REJECTED, Reason.MIN_DELTA),
        (few, Verdict.REJECTED, Reason.MIN_EVENTS),
        (np.ones(len(judged), np.bool_), Verdict.REGRESSED, Reason.NONE),
    )
    conditions = [condition for condition, _, _ in stages]
    verdict = np.select(conditions, [VERDICTS.index(v) for _, v, _ in stages])
    reason = np.select(conditions, [REASONS.index(r) for _, _, r in stages])
    said = verdict != VERDICTS.index(Verdict.UNKNOWN)
    back = newest < limits.clear if up else newest > limits.clear
    critical = newest > limits.critical if up else newest < limits.critical
    oldest = np.argmax(breach, axis=1)
    start_ms = judged.end_ms - span.total_ms
    return Verdicts(
        rule=name,
        signal=rule.signal,
        judged=judged,
        background=background,
        limits=limits,
        verdict=verdict.astype(np.int64),
        reason=reason.astype(np.int64),
        breaches=breach.sum(axis=1).astype(np.int64),
        critical=critical & said,
        clear=back & said,
        began_lo_ms=(start_ms + oldest * span.each_ms).astype(np.int64),
        each_ms=span.each_ms,
    )

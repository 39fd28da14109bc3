"""What a rule says about a series: the verdict, and the evidence it rests on."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detector.bounds import (
    LeafEvidence,
    Levels,
    Limits,
    beyond_critical,
    cleared,
    fixed,
    held,
    leaves,
    shown,
)
from detector.rule import Gates, Rule, Span
from storage.history import Flags, Floats, Ints
from storage.series import Labels


class Verdict(StrEnum):
    """The words a rule may use."""

    UNKNOWN = "unknown"  # too little to say: never the same as steady
    STEADY = "steady"
    REJECTED = "rejected"  # the trigger holds, a gate refused it
    SUSPECTED = "suspected"  # everything holds, and it may still go away
    REGRESSED = "regressed"
    IMPROVED = "improved"  # the mirror of the trigger holds


class Reason(StrEnum):
    """Why a verdict is unknown, or which gate refused a candidate."""

    NONE = ""
    NO_DATA = "no_data"
    TOO_FEW_OBSERVATIONS = "too_few_observations"
    TOO_LITTLE_HISTORY = "too_little_history"
    SUSTAIN = "sustain"
    MIN_DELTA = "min_delta"
    MIN_EVENTS = "min_events"
    EXPECTED = "expected"
    EFFECT = "effect"
    SIGNIFICANCE = "significance"
    AWAITING_EVIDENCE = "awaiting_evidence"
    FDR = "fdr"
    WARMING = "warming"
    WENT_AWAY = "went_away"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the statistical stages say of each series; NaN where one has nothing to say.

    `expected` is usual at this hour, `scale` how far values usually are from it. `effect` is by how
    much three quarters of the span are beyond the past at least, as a share. `agreeing` is the
    share of comparisons with the past that are beyond their thresholds, `suspecting` the same with
    the lower ones of a suspicion, both where the effect is worth a notice; `unusual` however small
    it is. `kept` is the share of the step that the last two hours keep. `q` is the smallest
    false-discovery rate at which the series would be among those that fire; no stage gives it yet.
    The span that says so has `span_seconds`; the change set in between `began_lo_ms` and
    `began_hi_ms`, from the median `before` to that `after`, the difference known to a standard
    error of `error`. `awaiting`: nobody has looked yet.
    """

    expected: Floats
    scale: Floats
    effect: Floats
    agreeing: Floats
    suspecting: Floats
    unusual: Floats
    kept: Floats
    q: Floats
    span_seconds: Floats
    began_lo_ms: Floats
    began_hi_ms: Floats
    before: Floats
    after: Floats
    error: Floats
    awaiting: Flags

    @classmethod
    def nothing(cls, count: int) -> "Assessment":
        """Every stage abstains."""
        columns = {name: np.full(count, np.nan) for name in STAGES}
        return cls(**columns, awaiting=np.zeros(count, np.bool_))

    def row(self, i: int) -> tuple[tuple[str, float], ...]:
        """The numbers of one series by name."""
        return tuple((name, float(getattr(self, name)[i])) for name in STAGES)


STAGES = tuple(one for one in Assessment.__slots__ if one != "awaiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of one rule on one series at one tick, and the numbers behind it.

    `breaches` of the `of` judged windows were beyond `threshold`; `baseline` and `deviation` are
    the 7-day average and standard deviation (NaN for none), resting on `days` days with data and
    `baseline_n` observations. `clear` says that the newest window is back beyond the clear level.
    `typical` is the median of the judged windows. `leaves` are the single triggers of a tree,
    `stages` the numbers of the statistical stages by name.
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
    typical: float = np.nan
    leaves: tuple[LeafEvidence, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()


DAYS_NEEDED = 5  # 70 % of seven; office-hours traffic has five


class Standing(StrEnum):
    """How much history a series has."""

    COLD = "cold"  # not a day: only fixed limits are judged
    WARMING = "warming"  # judged against the days there are; nothing is opened
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Background:
    """What was normal for each judged series; NaN and 0 where nothing is known.

    `needed` is how many days with data make it ready, where that is not `DAYS_NEEDED`: fewer after
    a regression was accepted, because the days before it count no more.
    """

    mean: Floats
    deviation: Floats
    n: Floats
    days: Ints
    needed: Ints | None = None

    @property
    def usable(self) -> Flags:
        """Whether there is anything to compare with: data of more than one day."""
        return self.days >= 2

    @property
    def ready(self) -> Flags:
        """Whether enough days have data."""
        return self.days >= (DAYS_NEEDED if self.needed is None else self.needed)

    def standing(self, i: int) -> Standing:
        """How much history one series has."""
        if self.ready[i]:
            return Standing.READY
        return Standing.WARMING if self.usable[i] else Standing.COLD


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judgements in columns: those of one rule at one tick. `rows` gives them one by one."""

    rule: str
    signal: str
    judged: Judged
    background: Background
    levels: Levels
    limits: Limits
    verdict: Ints
    reason: Ints
    breaches: Ints
    critical: Flags
    clear: Flags
    began_lo_ms: Ints
    began_hi_ms: Ints
    upwards: bool = True
    assessment: Assessment | None = None

    def __len__(self) -> int:
        return len(self.judged)

    def row(self, i: int) -> Judgement:
        """One judgement."""
        assessed = self.assessment
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
            began_hi_ms=int(self.began_hi_ms[i]),
            typical=median(self.judged.values[i]),
            leaves=tuple(leaves(self.levels.worse, self.judged.values, i, self.upwards)),
            stages=() if assessed is None else assessed.row(i),
        )

    def rows(self) -> list[Judgement]:
        """One by one."""
        return [self.row(i) for i in range(len(self))]


def median(values: Floats) -> float:
    """The median of what is there; NaN where nothing is."""
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else np.nan


Stage = tuple[Flags, Verdict, Reason]


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
    gates, up, count = rule.gates, rule.upwards, len(judged)
    assessed = Assessment.nothing(count) if assessment is None else assessment
    enough = judged.n >= gates.min_count
    truth = held(levels.worse, judged.values, up)
    breach = (truth == 1) & enough
    better = np.zeros_like(breach)
    if levels.better is not None and rule.improvements:
        better = (held(levels.better, judged.values, not up) == 1) & enough
        better &= background.ready[:, None]
    newest = judged.values[:, -1]
    history = ~np.isnan(truth[:, -1])
    if rule.is_statistical:
        alone = held(fixed(levels.worse), judged.values, up)[:, -1] == 1
        history &= (background.n >= gates.min_baseline_count) | alone
    far = is_far(gates, newest, background, up)
    improved = better[:, -1] & (better.sum(axis=1) >= span.need) & far
    stages: tuple[Stage, ...] = (  # the first that applies decides
        (np.isnan(newest), Verdict.UNKNOWN, Reason.NO_DATA),
        (~enough[:, -1], Verdict.UNKNOWN, Reason.TOO_FEW_OBSERVATIONS),
        (~history, Verdict.UNKNOWN, Reason.TOO_LITTLE_HISTORY),
        (improved, Verdict.IMPROVED, Reason.NONE),
        (~breach[:, -1], Verdict.STEADY, Reason.NONE),
        (breach.sum(axis=1) < span.need, Verdict.REJECTED, Reason.SUSTAIN),
        (~far, Verdict.REJECTED, Reason.MIN_DELTA),
        (is_rare(gates, judged), Verdict.REJECTED, Reason.MIN_EVENTS),
        *statistical(rule, judged, background, levels, assessed),
        (np.ones(count, np.bool_), Verdict.REGRESSED, Reason.NONE),
    )
    conditions = [condition for condition, _, _ in stages]
    verdict = np.select(conditions, [VERDICTS.index(v) for _, v, _ in stages])
    reason = np.select(conditions, [REASONS.index(r) for _, _, r in stages])
    said = verdict != VERDICTS.index(Verdict.UNKNOWN)
    is_better = verdict == VERDICTS.index(Verdict.IMPROVED)
    moved = np.where(is_better[:, None], better, breach)
    start_ms = judged.end_ms - span.total_ms
    began_ms = start_ms + np.argmax(moved, axis=1) * span.each_ms
    began_lo_ms, began_hi_ms = dated(began_ms, began_ms + span.each_ms, assessed, verdict)
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
        clear=cleared(levels.worse, newest, up) & said,
        began_lo_ms=began_lo_ms,
        began_hi_ms=began_hi_ms,
        upwards=up,
        assessment=assessment,
    )


def dated(lo_ms: Ints, hi_ms: Ints, assessed: Assessment, verdict: Ints) -> tuple[Ints, Ints]:
    """When it began: the interval found in the past of the series, else the first breach."""
    holds = np.isin(verdict, [VERDICTS.index(Verdict.REGRESSED), VERDICTS.index(Verdict.SUSPECTED)])
    known = holds & ~np.isnan(assessed.began_lo_ms)
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


def statistical(
    rule: Rule, judged: Judged, background: Background, levels: Levels, assessed: Assessment
) -> tuple[Stage, ...]:
    """The stages that ask more than the literal rule, in their order.

    A stage without a number for a series abstains. What has too short a history for one is held
    back by `warming`, the last but one; only what has passed everything else is suspected.
    """
    gates, up, count = rule.gates, rule.upwards, len(judged)
    newest, none = judged.values[:, -1], np.zeros(count, np.bool_)
    usual = effect = weak = doubted = by_chance = away = none
    if gates.expected and levels.expected is not None:
        usual = held(levels.expected, judged.values, up)[:, -1] == 0
    if gates.effect is not None:
        multiple = assessed.expected * gates.effect
        effect = newest < multiple if up else newest > multiple
    if gates.significance is not None:
        least = gates.significance
        surely, maybe = assessed.agreeing >= least, assessed.suspecting >= least
        effect = effect | (~surely & ~maybe & (assessed.unusual >= least))
        weak = ~surely & ~maybe & ~np.isnan(assessed.agreeing)
        doubted = ~surely & maybe
    if gates.fdr is not None:
        by_chance = assessed.q > gates.fdr
    if gates.went_away is not None:
        away = assessed.kept < gates.went_away
    warming = none
    if gates.warming and rule.is_statistical:
        # A fixed limit of `any` that holds needs no history.
        warming = ~background.ready & ~(held(fixed(levels.worse), judged.values, up)[:, -1] == 1)
    return (
        (assessed.awaiting, Verdict.REJECTED, Reason.AWAITING_EVIDENCE),
        (usual, Verdict.REJECTED, Reason.EXPECTED),
        (effect, Verdict.REJECTED, Reason.EFFECT),
        (weak, Verdict.REJECTED, Reason.SIGNIFICANCE),
        (by_chance, Verdict.REJECTED, Reason.FDR),
        (warming, Verdict.REJECTED, Reason.WARMING),
        (doubted, Verdict.SUSPECTED, Reason.SIGNIFICANCE),
        (away, Verdict.SUSPECTED, Reason.WENT_AWAY),
    )

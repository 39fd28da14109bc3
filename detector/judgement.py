"""What a rule says about a series: the verdict, and the evidence it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from detector.bounds import LeafEvidence, Levels, Limits, Tree, is_back, leaves
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
    SETTLING = "settling"
    TOO_LITTLE_HISTORY = "too_little_history"
    SUSTAIN = "sustain"
    MIN_DELTA = "min_delta"
    MIN_EVENTS = "min_events"
    MIN_PARTS = "min_parts"
    EXPECTED = "expected"
    BAND = "band"
    EFFECT = "effect"
    SIGNIFICANCE = "significance"
    MIX = "mix"
    AWAITING_EVIDENCE = "awaiting_evidence"
    WARMING = "warming"
    WENT_AWAY = "went_away"


VERDICTS, REASONS = tuple(Verdict), tuple(Reason)
VERDICT_NUMBER = {one: number for number, one in enumerate(VERDICTS)}
REASON_NUMBER = {one: number for number, one in enumerate(REASONS)}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged, one row a series: `of` windows in a row, the newest last; NaN is a gap.

    `settling` marks windows that say nothing because something began anew at `disturbed_ms` (NaN
    for nothing). `parts` is how many series of finer signals are in the newest window (NaN for not
    known). All three are None where nobody looked.
    """

    series: tuple[Labels, ...]
    values: Floats
    n: Floats
    end_ms: int
    settling: Flags | None = None
    disturbed_ms: Floats | None = None
    parts: Floats | None = None

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the statistical stages say of each series; NaN where one has nothing to say.

    `expected` is usual at this hour: that of the week in so many `weeks`, of the day where that is
    0; `scale` how far values usually are from it. `effect` is by how
    much three quarters of the span are beyond the past at least, as a share: of the value, or where
    `of_rest` is 1 of what it lacks to 1. `agreeing` is the
    share of comparisons with the past that are beyond their thresholds, `suspecting` the same with
    the lower ones of a suspicion, both where the effect is worth a notice; `unusual` however small
    it is. `kept` is the share of the step that the last two hours keep. The span that says so has
    `span_seconds`; the change set in between `began_lo_ms` and `began_hi_ms`, from the median
    `before` to that `after`, the difference known to a standard error of `error`. `edge` is the
    nearer edge of the band of the newest value, `same_hours` what it is held against: the same
    hours of the seven days before. `left` is the part of the difference that is left with the
    visitors made alike. `looked`: its past is asked; `awaiting`: and nobody has looked yet.
    `visits` is what page views say of some rows, for people and for JSON.
    Of changes that are open: `anew`, the past that holds them too finds one that began since they
    were told; `severe`, what it finds is beyond the critical level.
    """

    expected: Floats
    weeks: Floats
    scale: Floats
    effect: Floats
    of_rest: Floats
    agreeing: Floats
    suspecting: Floats
    unusual: Floats
    kept: Floats
    span_seconds: Floats
    began_lo_ms: Floats
    began_hi_ms: Floats
    before: Floats
    after: Floats
    error: Floats
    edge: Floats
    same_hours: Floats
    left: Floats
    looked: Flags
    awaiting: Flags
    anew: Flags
    severe: Flags
    visits: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def nothing(cls, count: int) -> "Assessment":
        """Every stage abstains."""
        columns: dict[str, Any] = {name: np.full(count, np.nan) for name in STAGES}
        flags: dict[str, Any] = {name: np.zeros(count, np.bool_) for name in FLAGS}
        return cls(**columns, **flags)

    @classmethod
    def silent(cls, count: int) -> "Assessment":
        """The same for reading only: one column stands for all, which a tick makes often."""
        nothing, no = np.full(count, np.nan), np.zeros(count, np.bool_)
        nothing.flags.writeable = no.flags.writeable = False
        columns: dict[str, Any] = dict.fromkeys(STAGES, nothing) | dict.fromkeys(FLAGS, no)
        return cls(**columns)

    def row(self, i: int) -> tuple[tuple[str, float], ...]:
        """The numbers of one series by name."""
        return tuple((name, float(getattr(self, name)[i])) for name in STAGES)


FLAGS = ("looked", "awaiting", "anew", "severe")
STAGES = tuple(one for one in Assessment.__slots__ if one not in (*FLAGS, "visits"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of one rule on one series at one tick, and the numbers behind it.

    `breaches` of the `of` judged windows were beyond `threshold`; `baseline` and `deviation` are
    the 7-day average and standard deviation (NaN for none), resting on `days` days with data and
    `baseline_n` observations. `clear` says that the newest window is back beyond the clear level.
    `typical` is the median of the judged windows, of an even number the better of the middle two;
    `mostly_clear` and `mostly_critical` say of it what `clear` and `critical` say of the newest.
    `leaves` are the single triggers of a tree,
    `stages` the numbers of the statistical stages by name, `visits` what page views say of it.
    `of_hours`: the baseline is what is usual at this hour, and not the 7-day average.
    `hours` is the median of the last two hours where these hold a change; `anew` and `severe` are
    what the past says of one that is open.
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
    mostly_clear: bool = False
    mostly_critical: bool = False
    leaves: tuple[LeafEvidence, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    visits: Mapping[str, Any] = field(default_factory=dict)
    of_hours: bool = False
    hours: float = np.nan
    anew: bool = False
    severe: bool = False

    @property
    def shown(self) -> float:
        """The value to tell: that of the newest window, or of the hours that alone hold it."""
        return self.value if np.isnan(self.hours) or self.breached else self.hours

    @property
    def breached(self) -> bool:
        """Whether the newest window itself is as far on as the hours are."""
        far = abs(self.value - self.baseline) >= abs(self.hours - self.baseline)
        return bool(far and (self.value > self.baseline) == (self.hours > self.baseline))


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
    a regression was accepted, because the days before it count no more. `of_hours`: `mean` is what
    is usual at this hour and `deviation` how far values usually are from it (`detector.usual`).
    """

    mean: Floats
    deviation: Floats
    n: Floats
    days: Ints
    needed: Ints | None = None
    of_hours: bool = False

    @property
    def usable(self) -> Flags:
        """Whether there is anything to compare with: data of more than one day."""
        return self.days >= 2

    @property
    def ready(self) -> Flags:
        """Whether enough days have data."""
        return self.days >= (DAYS_NEEDED if self.needed is None else self.needed)

    def asked(self, i: int) -> int:
        """How many days with data make one series ready."""
        return DAYS_NEEDED if self.needed is None else int(self.needed[i])

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
        typical = median(self.judged.values[i], self.upwards)
        said = VERDICTS[self.verdict[i]] is not Verdict.UNKNOWN
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
            typical=typical,
            mostly_clear=said and is_back(self.levels.worse, i, typical, self.upwards),
            mostly_critical=bool(self.critical[i]) and self.is_critical(i, typical),
            leaves=tuple(leaves(self.levels.worse, self.judged.values, i, self.upwards)),
            stages=(*self.disturbed(i), *(() if assessed is None else assessed.row(i))),
            visits={} if assessed is None else assessed.visits.get(i, {}),
            of_hours=self.background.of_hours,
            hours=self.hours(i) if said else np.nan,
            anew=assessed is not None and bool(assessed.anew[i]),
            severe=assessed is not None and bool(assessed.severe[i]),
        )

    def hours(self, i: int) -> float:
        """The last two hours of one series where they hold a change; else NaN."""
        held = None if isinstance(self.levels.worse, Tree) else self.levels.worse.lasting
        return np.nan if held is None else float(held[i])

    def is_critical(self, i: int, value: float) -> bool:
        """Whether a value of one series is beyond the critical level, where there is one level."""
        worse = self.levels.worse
        if (
            self.levels.critical is not None
            or isinstance(worse, Tree)
            or worse.measured is not None
        ):
            return True
        level = worse.critical[i]
        return bool(value > level if self.upwards else value < level)

    def disturbed(self, i: int) -> tuple[tuple[str, float], ...]:
        """When something last began anew that makes windows of one series say nothing."""
        at_ms = self.judged.disturbed_ms
        if at_ms is None or np.isnan(at_ms[i]):
            return ()
        return (("disturbed_ms", float(at_ms[i])),)

    def rows(self) -> list[Judgement]:
        """One by one."""
        return [self.row(i) for i in range(len(self))]


def median(values: Floats, upwards: bool) -> float:
    """The median of what is there, of an even number the better of both; NaN where nothing is.

    Half of four windows that are wild make it no worse than the others are.
    """
    there = np.sort(values[~np.isnan(values)])
    if not len(there):
        return np.nan
    return float(there[(len(there) - 1) // 2 if upwards else len(there) // 2])

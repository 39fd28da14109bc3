"""One series against its own past, in numbers that a rule's gates can use. Pure.

The method says whether it changed (`method`); here stands what of that is told: by how much, beyond
what, since when, and what was usual at this hour, all in the unit of the signal.
"""

from dataclasses import dataclass, replace

import numpy as np

from detector.assessment import Finding
from detector.calibration import NORMAL_MAD
from detector.evidence import Span
from detector.expected import same_hours
from detector.localise import Change, localise
from detector.method import Method, coarse, five_minutes
from detector.transform import LEAST_SHARE, logarithmic, usual_size, without_trifles
from detector.weekly import hour_of_week
from storage.history import Flags, Floats

MEMORY_DAYS = 15
"""How far back windows are read: 28 blocks of half a day, the newest complete one left out."""

PAST_DAYS = 29
"""How far back anything is looked at: four weeks of hours, and the hour before."""

KEPT_SECONDS = 7200
SCALE_DAYS = 7
SHORTEST_COARSE, LONGEST_COARSE = 900, 21_600
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the method found at the newest window; NaN where it has nothing to say.

    `expected` is usual at this hour, from the same hour of the week in `weeks` weeks (0: the same
    hours of the last days); `scale` is how far values usually are from those. `effect` is what
    three quarters of the span lie beyond the past by at least, as a share (0.3 is 30 % more); of
    what the value lacks to 1 where `of_rest`.
    `agreeing` is the largest share of comparisons beyond their thresholds, over the spans whose
    effect is worth a notice; `suspecting` the same with the lower thresholds of a suspicion;
    `unusual` as `agreeing`, however small the effect. `kept` is the share of the step that the last
    two hours keep. The change set in between `began_lo` and `began_hi` windows before the newest
    one; `before` and `after` are medians, `error` the standard error of their difference.
    """

    finding: Finding
    expected: float = np.nan
    weeks: float = np.nan
    scale: float = np.nan
    effect: float = np.nan
    of_rest: float = np.nan
    agreeing: float = np.nan
    suspecting: float = np.nan
    unusual: float = np.nan
    kept: float = np.nan
    span_windows: int = 0
    began_lo: int = -1
    began_hi: int = -1
    before: float = np.nan
    after: float = np.nan
    error: float = np.nan


def method_for(window_seconds: float) -> Method | None:
    """The method for windows of this length; None where none was calibrated."""
    seconds = round(window_seconds)
    if seconds == 300:
        return five_minutes()
    fits = SHORTEST_COARSE <= seconds <= LONGEST_COARSE and DAY_SECONDS % seconds == 0
    return coarse(seconds) if fits else None


@dataclass(frozen=True, slots=True)
class Scale:
    """The way between the unit of a signal and the scale on which a change adds and is upwards.

    A share above one half is judged by what it lacks to 1 (`of_rest`): a hit rate that falls from
    99 to 97 % has lost 2 % of itself, and its misses are three times as many. The smaller side of a
    whole is the one whose size by itself says how much has changed; at one half both are the same.
    """

    usual: float
    sign: float
    of_rest: bool = False

    @classmethod
    def of(cls, values: Floats, *, upwards: bool, is_share: bool) -> "Scale":
        """For these values; shares are those of a whole where none is above it."""
        known, sign = values[np.isfinite(values)], 1.0 if upwards else -1.0
        if is_share and len(known) and np.median(known) > 0.5 and known.max() <= 1:
            return cls(usual_size(1 - values), -sign, True)
        return cls(usual_size(values), sign)

    def scaled(self, values: Floats) -> Floats:
        """Larger is worse."""
        return self.sign * logarithmic(self.side(values), self.usual)

    def judged(self, values: Floats) -> Floats:
        """The same as the method takes it: what is next to nothing counts as little."""
        return self.sign * logarithmic(without_trifles(self.side(values), self.usual), self.usual)

    def side(self, values: Floats) -> Floats:
        """What is judged of the values: they themselves, or the rest."""
        return 1 - values if self.of_rest else values

    def original(self, level: float) -> float:
        """The way back; NaN stays NaN."""
        judged = max(float(np.exp(self.sign * level)) - LEAST_SHARE * self.usual, 0.0)
        return 1 - judged if self.of_rest else judged

    def distance(self, at: float, on_scale: float) -> float:
        """A small distance on the scale as one in the unit, at a value."""
        return on_scale * (1 - at if self.of_rest else at)


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a change began, in columns; `base` is what its levels were measured from."""

    change: Change
    first: int
    base: float


def beginning(values: Floats, same: Floats, column: int, span: Span) -> Beginning | None:
    """When the change began that this span sees at this column; None where too little is known.

    Looked for in what is steadier from window to window: the values, or what is left of them
    against the same hours.
    """
    first = max(column + 1 - 3 * max(span.windows, 4), 0)
    recent, left = values[first : column + 1], (values - same)[first : column + 1]
    steps, steps_left = np.abs(np.diff(recent)), np.abs(np.diff(left))
    seasonal = bool(np.isfinite(left).all() and np.median(steps_left) < np.median(steps))
    known = int(np.isfinite(recent[-span.windows :]).sum())
    since = max(known - span.rank * span.piece, 1)  # a gap makes those before the change no later
    change = localise(left if seasonal else recent, since=since)
    if change is None:
        return None
    return Beginning(change, first, float(same[column]) if seasonal else 0.0)


@dataclass(frozen=True, slots=True)
class Month:
    """Windows of an hour (or of `over`, where that is longer) as `weekly.hour_of_week` takes them.

    Four weeks, the window that holds the newest time, and the one after it; `into` is how far into
    it that time lies.
    """

    values: Floats
    per_week: int
    into: float


def examined(
    method: Method,
    values: Floats,
    first_slot: int,
    learnt: Flags,
    *,
    upwards: bool,
    is_share: bool = False,
    month: Month | None = None,
) -> Evidence:
    """The evidence at the last of these windows: `[windows]`, not negative, NaN where none is.

    Where `learnt` is false a regression is open: judged, and not learnt from. What is usual at this
    hour is that of the hour of the week where `month` has three weeks of it.
    """
    scale = Scale.of(values, upwards=upwards, is_share=is_share)
    scaled = scale.scaled(values)
    same = same_hours(scaled, method.per_day, method.around)
    left = scaled - same
    usual, weeks = float(same[-1]), 0 if np.isfinite(same[-1]) else np.nan
    if month is not None:
        weekly = hour_of_week(scale.scaled(month.values), month.per_week, month.into)
        if weekly.weeks:
            usual = weekly.above + median(scaled[-SCALE_DAYS * method.per_day :])
            weeks = weekly.weeks
    expected, week = scale.original(usual), left[-SCALE_DAYS * method.per_day :]
    spread = scale.distance(expected, NORMAL_MAD * median(np.abs(week - median(week))))
    found = method.judge(scale.judged(values), first_slot, learnt)
    told = Evidence(
        finding=Finding(found.finding()[-1]), expected=expected, weeks=weeks, scale=spread
    )
    if told.finding is Finding.UNKNOWN:
        return told
    worth = found.effect[:, -1] >= found.floors[:, 0]
    agreeing, suspecting = found.agreeing[:, -1], found.suspecting[:, -1]
    told = replace(
        told,
        agreeing=float(agreeing[worth].max(initial=0.0)),
        suspecting=float(suspecting[worth].max(initial=0.0)),
        unusual=float(agreeing.max(initial=0.0)),
    )
    number = int(found.span[-1])
    if number < 0:
        return told
    span = method.spans[number]
    two_hours = max(KEPT_SECONDS * method.per_day // DAY_SECONDS, 1)
    step = median(left[-span.windows :])
    told = replace(
        told,
        effect=float(np.expm1(scale.sign * found.size[-1])),
        of_rest=float(scale.of_rest),
        kept=median(left[-two_hours:]) / step if step > 0 else np.nan,
        span_windows=span.windows,
    )
    began = beginning(scaled, same, len(scaled) - 1, span)
    return told if began is None else dated(told, began, scale, len(scaled) - 1)


def dated(told: Evidence, began: Beginning, scale: Scale, last: int) -> Evidence:
    """The same with when it began, and the levels before and after in the unit of the signal."""
    change = began.change
    after = scale.original(change.after + began.base)
    return replace(
        told,
        began_lo=last - (began.first + change.first),
        began_hi=last - (began.first + change.last),
        before=scale.original(change.before + began.base),
        after=after,
        error=scale.distance(after, change.error),
    )


def median(values: Floats) -> float:
    """The median of what is there; NaN where nothing is."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if len(there) else np.nan

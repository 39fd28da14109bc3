"""What is usual at this hour, of every series of a signal at once, from what is held in memory.

The same hours of the last seven days, as `expected.same_hours` has it of one series; windows of
regressions left out. Cheap enough for all series of a tick: no history is read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from detector.baseline import DAY_MS
from detector.calibration import NORMAL_MAD
from detector.change import method_for
from detector.current import Members
from detector.expected import SAME_HOURS_DAYS, middle, ordered, over_days
from detector.judgement import Background
from detector.recent import Recent
from detector.rule import Rule
from detector.signal import Signal
from storage.history import Floats, Ints
from storage.series import Labels

Spans = Mapping[Labels, Sequence[tuple[int, int]]]


def usual(
    members: Members, recent: Recent, now_ms: int, left_out: Spans, least_n: float
) -> tuple[Floats, Floats]:
    """(what is usual at `now`, how far values are usually from it) of each series, by its number.

    NaN with fewer than two days, and for windows of a length that no method is for. Windows with
    fewer than `least_n` observations, and those of the spans that are left out, count as missing.
    """
    method = method_for(recent.step_ms / 1000)
    found = np.full((2, len(members)), np.nan)
    if method is None:
        return found[0], found[1]
    ends = ends_of(now_ms, recent.step_ms, method.around)
    gone = {
        members.position[one]: spans for one, spans in left_out.items() if one in members.position
    }
    for parts in zip(
        *(recent.parts(int(day[0]) - recent.step_ms, int(day[-1])) for day in ends), strict=True
    ):
        rows = parts[0].rows
        values = np.stack([one.values for one in parts], axis=1).astype(np.float64)
        n = np.stack([one.n for one in parts], axis=1)
        values[~np.isfinite(values) | (n < least_n)] = np.nan
        for place, row in enumerate(rows.tolist()):
            for lo_ms, hi_ms in gone.get(row, ()):
                values[place, (ends > lo_ms) & (ends - recent.step_ms < hi_ms)] = np.nan
        level = over_days(middle(ordered(values)))
        off = np.abs(values - level[:, None, None]).reshape(len(values), -1)
        found[:, rows] = level, NORMAL_MAD * middle(ordered(off))
    return found[0], found[1]


def ends_of(now_ms: int, step_ms: int, around: int) -> Ints:
    """The ends of the windows about the same time of the days before, days x windows."""
    first, last = (1 - around if around else 0), around
    about = np.arange(first, last + 1, dtype=np.int64) * step_ms
    days = np.arange(1, SAME_HOURS_DAYS + 1, dtype=np.int64) * DAY_MS
    ends: Ints = now_ms - days[:, None] + about[None, :]
    return ends


def about_this_hour(
    background: Background,
    found: tuple[Floats, Floats],
    members: Members,
    series: Sequence[Labels],
    open_: Collection[Labels],
) -> Background:
    """The background of these series with what is usual at this hour in place of the average.

    Where nothing is known of that any more, because a regression has been open for a week, it stays
    what it was when it opened: `background` is frozen for those that are `open_`.
    """
    place = members.places(series)
    level, spread = (np.append(one, np.nan)[place] for one in found)
    frozen = np.array([one in open_ for one in series], np.bool_) & ~np.isfinite(level)
    return replace(
        background,
        mean=np.where(frozen, background.mean, level),
        deviation=np.where(frozen, background.deviation, spread),
        of_hours=True,
    )


def is_blind(rule: Rule, signal: Signal) -> bool:
    """Whether a rule looks for changes in windows of a length that the method is not for.

    Its judgements are all unknown. Of a shipped rule that is no fault of whoever made the windows
    shorter; of a rule of their own it is.
    """
    return rule.is_change and method_for(signal.form.over) is None

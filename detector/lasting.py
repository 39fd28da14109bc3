"""Small changes that last: the last two hours of a series beside the same hours of days before.

A window of a series that scatters by 40 % says little of a change of 20 %, the median of two hours
much more. How far medians of these hours lie apart from day to day is their scatter: whatever the
windows owe to their neighbours is in it. All from what is held in memory, for a part of the series
at each tick; pure.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from detector.baseline import DAY_MS, DAYS, HOUR_MS
from detector.calibration import NORMAL_MAD
from detector.current import TURNS, Members
from detector.expected import middle, ordered
from detector.judges.change import Hours
from detector.recent import Recent
from storage.history import Flags, Floats, Ints
from storage.series import Labels

SPAN_MS = 2 * HOUR_MS
LEAST_WINDOWS = 8
"""Where two hours hold fewer windows, those that a rule judges say as much."""

LEAST_DAYS = 3
"""Of fewer days nobody knows how far they usually lie apart."""


def is_turn(members: Members, rows: Ints, now_ms: int, step_ms: int) -> Flags:
    """Which series have their turn at this tick, by their numbers: each has one an hour."""
    turns = max(min(HOUR_MS // step_ms, TURNS), 1)
    due = np.append(members.turns() % turns == now_ms // step_ms % turns, False)
    return due[rows]


def hours(
    members: Members,
    recent: Recent,
    rows: Ints,
    now_ms: int,
    left_out: Mapping[Labels, Sequence[tuple[int, int]]],
    least_n: float,
) -> Hours:
    """The last two hours of these series, by their numbers; -1 is a series that has none.

    Windows with fewer than `least_n` observations count as missing, and so do those of `left_out`
    on the days before. Half of the windows must be there.
    """
    step_ms = recent.step_ms
    count = SPAN_MS // step_ms
    if count < LEAST_WINDOWS:
        nothing = np.full(len(rows), np.nan)
        return Hours(nothing, nothing, nothing)
    ends = now_ms - np.arange(DAYS + 1)[:, None] * DAY_MS - np.arange(count)[None, :] * step_ms
    held, n = recent.at(rows, ends.ravel())
    values: Floats = held.astype(np.float64).reshape(len(rows), *ends.shape)
    values[~np.isfinite(values) | (n.reshape(values.shape) < least_n)] = np.nan
    place = {int(row): at for at, row in enumerate(rows.tolist())} if left_out else {}
    for labels, spans in left_out.items():
        at = place.get(members.position.get(labels, -1))
        for lo_ms, hi_ms in spans if at is not None else ():
            gone = (ends > lo_ms) & (ends - step_ms < hi_ms)
            gone[0] = False
            values[at, gone] = np.nan
    in_order = ordered(values)
    levels = np.where(np.isnan(in_order[..., count // 2 - 1]), np.nan, middle(in_order))
    days = ordered(levels[:, 1:])
    usual = np.where(np.isnan(days[:, LEAST_DAYS - 1]), np.nan, middle(days))
    apart = middle(ordered(np.abs(levels[:, 1:] - usual[:, None])))
    return Hours(levels[:, 0], usual, NORMAL_MAD * apart)

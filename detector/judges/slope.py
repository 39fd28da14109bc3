"""Slope: the daily lows rise so steadily that they project a multiple, as a leak does."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from detector.bounds import Limits
from storage.history import Floats, Windows

DAY_MS = 86_400_000
# A process that leaks never gives back this much at once: it was started anew.
RESTART_DROP = 0.2


@dataclass(frozen=True, slots=True)
class SlopeJudge:
    """Judge the projected multiple of the newest low."""

    level: float
    clear: float
    critical: float
    within_seconds: float
    days: int

    def judge(self, lows: Floats) -> Limits:
        """`lows` are the daily lows since the last restart, series x days, NaN where none is."""
        upwards = self.level > 1
        measured = np.array(
            [projected(row, self.within_seconds, self.days, upwards) for row in lows]
        ).reshape(len(lows), 1)
        unknown = np.isnan(measured[:, 0])
        levels = (self.level, self.clear, self.critical)
        threshold, clear, critical = (np.where(unknown, np.nan, level) for level in levels)
        return Limits(threshold, clear, critical, measured)


def theil_sen(days: Floats, lows: Floats) -> float:
    """The median of the slopes between all pairs (Sen 1968): one odd day does not turn it."""
    pairs = combinations(range(len(days)), 2)
    return float(np.median([(lows[j] - lows[i]) / (days[j] - days[i]) for i, j in pairs]))


def projected(lows: Floats, within_seconds: float, days: int, upwards: bool) -> float:
    """The multiple of today's low that the slope leads to; NaN where too few days are known.

    Where any of the last `days` days did not move that way it is 1: memory that goes up and down
    is no leak, whatever line fits it.
    """
    there = np.flatnonzero(~np.isnan(lows))
    if len(there) < days + 1:
        return np.nan
    values = lows[there]
    steps = np.diff(values[-days - 1 :]) * (1 if upwards else -1)
    today = values[-1]
    if today <= 0 or (steps <= 0).any():
        return 1.0
    slope = theil_sen(there.astype(np.float64), values)
    return max(0.0, 1.0 + slope * within_seconds * 1000 / DAY_MS / float(today))


def daily_lows(windows: Windows, end_ms: int, days: int) -> Floats:
    """The lowest value of each of the last `days` days since the last restart, series x days.

    A restart is a fall by more than a fifth from one window to the next; the day on which it
    happened does not count, because its low is that of an empty process.
    """
    count, start_ms = len(windows.series), end_ms - days * DAY_MS
    lows = np.full((count, days), np.inf)
    kept = (windows.end_ms > start_ms) & (windows.end_ms <= end_ms) & np.isfinite(windows.values)
    order = np.lexsort((windows.end_ms[kept], windows.index[kept]))
    index = windows.index[kept][order]
    values = windows.values[kept][order]
    day = (windows.end_ms[kept][order] - 1 - start_ms) // DAY_MS
    np.minimum.at(lows, (index, day), values)
    fell = (index[1:] == index[:-1]) & (values[1:] < values[:-1] * (1 - RESTART_DROP))
    last = np.full(count, -1)
    np.maximum.at(last, index[1:][fell], day[1:][fell])
    lows[np.arange(days)[None, :] <= last[:, None]] = np.nan
    return np.where(np.isinf(lows), np.nan, lows)

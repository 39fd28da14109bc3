"""What was normal: the plain 7-day average and standard deviation. Pure, over columns.

The baseline ends at a full hour at least `GAP_MS` ago, so that it changes once an hour, is the same
whenever it is computed, and holds nothing of a change that has just begun. Spans in which the
series was in an open regression are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.judgement import DAYS_NEEDED as DAYS_NEEDED
from detector.judgement import Background
from storage.history import Floats, Ints, Windows
from storage.series import Labels

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAYS = 7
GAP_MS = HOUR_MS

Excluded = Mapping[Labels, Sequence[tuple[int, int]]]


def baseline_end_ms(now_ms: int) -> int:
    """Where the baseline of a tick ends."""
    return (now_ms - GAP_MS) // HOUR_MS * HOUR_MS


@dataclass(frozen=True, slots=True)
class Flat:
    """The flat baselines of one signal. `days` counts the days (of 7) that have data."""

    position: Mapping[Labels, int]
    mean: Floats
    deviation: Floats
    n: Floats
    days: Ints

    def background(self, series: Iterable[Labels]) -> Background:
        """The baselines of these series, in their order."""
        rows = np.array([self.position.get(labels, -1) for labels in series], np.int64)
        known = rows >= 0

        def column(values: Floats, absent: float) -> Floats:
            padded = np.append(values, absent)
            return np.where(known, padded[rows], absent)

        return Background(
            column(self.mean, np.nan),
            column(self.deviation, np.nan),
            column(self.n, 0.0),
            column(self.days.astype(np.float64), 0.0).astype(np.int64),
        )


def flat(windows: Windows, end_ms: int, excluded: Excluded, *, weigh_by_n: bool) -> Flat:
    """The average and the population standard deviation of the windows in `(end - 7 d, end]`.

    With `weigh_by_n` a window counts as often as it has observations: the request-weighted average
    of the requirement, so that a quiet night does not weigh as much as a busy day.
    """
    start_ms = end_ms - DAYS * DAY_MS
    kept = (windows.end_ms > start_ms) & (windows.end_ms <= end_ms) & np.isfinite(windows.values)
    for position, labels in enumerate(windows.series):
        for lo_ms, hi_ms in excluded.get(labels, ()):
            begin_ms = windows.end_ms - (windows.seconds * 1000).astype(np.int64)
            overlaps = (begin_ms < hi_ms) & (windows.end_ms > lo_ms)
            kept &= ~((windows.index == position) & overlaps)
    index, values, n = windows.index[kept], windows.values[kept], windows.n[kept]
    count = len(windows.series)
    weight = n if weigh_by_n else np.ones(len(index))
    total = np.bincount(index, weight, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(index, weight * values, count) / total
        spread = np.bincount(index, weight * (values - mean[index]) ** 2, count) / total
    day = (windows.end_ms[kept] - 1 - start_ms) // DAY_MS
    filled = np.zeros((count, DAYS), np.bool_)
    filled[index, day] = True
    return Flat(
        {labels: position for position, labels in enumerate(windows.series)},
        mean,
        np.sqrt(spread),
        np.bincount(index, n, count).astype(np.float64),
        filled.sum(axis=1).astype(np.int64),
    )

"""What was normal: the plain 7-day average and standard deviation. Pure, over columns.

The baseline ends at a full hour at least `GAP_MS` ago, so that it changes once an hour, is the same
whenever it is computed, and holds nothing of a change that has just begun. Spans in which the
series was in an open regression are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.judgement import DAYS_NEEDED as DAYS_NEEDED
from detector.judgement import Background
from detector.recent import Part
from storage.history import Flags, Floats, Ints
from storage.series import Labels

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAYS = 7
GAP_MS = HOUR_MS

Excluded = Mapping[Labels, Sequence[tuple[int, int]]]


def baseline_end_ms(now_ms: int) -> int:
    """Where the baseline of a tick ends."""
    return (now_ms - GAP_MS) // HOUR_MS * HOUR_MS


@dataclass(slots=True)
class Flat:
    """The flat baselines of one signal. `days` counts the days (of 7) that have data."""

    position: Mapping[Labels, int]
    mean: Floats
    deviation: Floats
    n: Floats
    days: Ints
    _asked: tuple[Sequence[Labels], Background] | None = field(default=None, repr=False)

    def background(self, series: Sequence[Labels]) -> Background:
        """The baselines of these series, in their order."""
        if self._asked is None or self._asked[0] is not series:  # rules ask about the same ones
            self._asked = (series, self.placed(series))
        return self._asked[1]

    def placed(self, series: Sequence[Labels]) -> Background:
        """The columns in the order of these series."""
        rows = np.array([self.position.get(labels, -1) for labels in series], np.int64)
        known = (rows >= 0) & (rows < len(self.mean))

        def column(values: Floats, absent: float) -> Floats:
            padded = np.append(values, absent)
            return np.where(known, padded[np.where(known, rows, -1)], absent)

        return Background(
            column(self.mean, np.nan),
            column(self.deviation, np.nan),
            column(self.n, 0.0),
            column(self.days.astype(np.float64), 0.0).astype(np.int64),
        )


def nothing(position: Mapping[Labels, int]) -> Flat:
    """The baselines before there is any history."""
    count = len(position)
    mean, deviation = np.full(count, np.nan), np.full(count, np.nan)
    return Flat(position, mean, deviation, np.zeros(count), np.zeros(count, np.int64))


def flat(
    position: Mapping[Labels, int],
    parts: Iterable[Part],
    end_ms: int,
    step_ms: int,
    excluded: Excluded,
    *,
    weigh_by_n: bool,
) -> Flat:
    """The average and the population standard deviation of the windows in `(end - 7 d, end]`.

    `parts` holds these windows, of `step_ms` each; their rows are those of `position`. With
    `weigh_by_n` a window counts as often as it has observations: the request-weighted average of
    the requirement, so that a quiet night does not weigh as much as a busy day.
    """
    made = nothing(position)
    spans = {position[one]: lost for one, lost in excluded.items() if one in position}
    for part in parts:
        values, n = part.values.astype(np.float64), part.n.astype(np.float64)
        kept = np.isfinite(values)
        for row, series in enumerate(part.rows.tolist()):
            for lo_ms, hi_ms in spans.get(series, ()):
                kept[row] &= (part.end_ms - step_ms >= hi_ms) | (part.end_ms <= lo_ms)
        values[~kept] = 0
        n[~kept] = 0
        weight = n if weigh_by_n else kept.astype(np.float64)
        total = weight.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weight * values).sum(axis=1) / total
            values -= mean[:, None]
            spread = (weight * values * values).sum(axis=1) / total
        made.mean[part.rows], made.deviation[part.rows] = mean, np.sqrt(spread)
        made.n[part.rows] = n.sum(axis=1)
        made.days[part.rows] = days_filled(kept, part.end_ms, end_ms)
    return made


def days_filled(kept: Flags, ends_ms: Ints, end_ms: int) -> Ints:
    """How many of the seven days before `end` have data, for each row."""
    day = (ends_ms - 1 - (end_ms - DAYS * DAY_MS)) // DAY_MS
    days = np.zeros(len(kept), np.int64)
    for one in range(DAYS):
        days += kept[:, day == one].any(axis=1)
    return days

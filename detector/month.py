"""The hours of the last four weeks of single series, for what is usual at an hour of the week."""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from detector.change import Month
from detector.exclusion import Apart
from detector.signal import Signal
from detector.weekly import WEEKS
from storage.history import Floats, History
from storage.series import Labels

HOUR_MS = 3_600_000
WEEK_MS = 168 * HOUR_MS
MOST_MONTHS = 800
"""That are held in memory, of 5 KiB each."""


@dataclass(slots=True)
class Months:
    """Reads windows of an hour (or those that are judged, where these are longer), once an hour."""

    history: History
    _held: OrderedDict[tuple[str, Labels], tuple[tuple[int, int], Floats]] = field(
        default_factory=OrderedDict
    )

    def forget(self) -> None:
        """Read everything anew."""
        self._held.clear()

    def of(
        self, signal: Signal, labels: Labels, now_ms: int, version: int, left_out: Apart
    ) -> Month | None:
        """The month of a series at a time, without what is no past; None for odd windows."""
        step_ms = max(HOUR_MS, round(signal.form.over * 1000))
        if WEEK_MS % step_ms:
            return None
        at_ms = now_ms - round(signal.form.over * 1000) // 2  # the middle of what is judged
        first_ms = at_ms // step_ms * step_ms
        per_week = WEEK_MS // step_ms
        values = self.read(signal, labels, first_ms, step_ms, version).copy()
        ends = first_ms + step_ms * (2 - np.arange(len(values), 0, -1, dtype=np.int64) + 1)
        gone = ends <= left_out.until_ms
        for lo_ms, hi_ms in left_out.over:
            gone |= (ends > lo_ms) & (ends - step_ms < hi_ms)
        values[gone | ~np.isfinite(values)] = np.nan
        return Month(values, per_week, (at_ms - first_ms) / step_ms)

    def read(
        self, signal: Signal, labels: Labels, first_ms: int, step_ms: int, version: int
    ) -> Floats:
        """Four weeks and three windows; those that are not over when `first_ms` begins are NaN."""
        key, now = (signal.name, labels), (first_ms, version)
        held = self._held.get(key)
        if held is None or held[0] != now:
            count = WEEKS * WEEK_MS // step_ms + 3
            start_ms = first_ms + 2 * step_ms - count * step_ms
            found = self.history.windows(
                signal.name, start_ms, first_ms, labels, seconds=step_ms / 1000, counts=False
            )
            values = np.full(count, np.nan)
            on_grid = found.end_ms % step_ms == 0
            at = (found.end_ms[on_grid] - start_ms) // step_ms - 1
            values[at] = found.values[on_grid]
            held = (now, values)
            self._held[key] = held
            while len(self._held) > MOST_MONTHS:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return held[1]

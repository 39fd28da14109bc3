"""Change: where a value lies so far beyond what is usual at this hour that its past is asked."""

from dataclasses import dataclass, replace

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background
from storage.history import Floats

SCATTER = 1.5
"""How many deviations of the same hours a window must be beyond, or its past is not asked."""

HOURS_SCATTER = 1.0
"""The same for the median of two hours, in deviations of the days: it is looked at once an hour."""

CLEAR_SCATTER = 1.0
"""Up to so many deviations are back at what is usual: else twelve quiet windows in a row are rare
where values scatter, and what is long over would stay open."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Of each series the median of its last two hours, beside those of the same hours before.

    `usual` is the median of the days, `deviation` how far days usually are from it. NaN where it is
    not the turn of a series, or too little is known.
    """

    now: Floats
    usual: Floats
    deviation: Floats

    def against(self, times: Floats) -> "Hours":
        """The same with so many times as much as usual, however far days lie apart."""
        return replace(self, usual=self.usual * times, deviation=np.zeros(len(self.deviation)))


@dataclass(frozen=True, slots=True)
class ChangeJudge:
    """Judge which windows may belong to a change; whether they do is said by the past alone.

    `level` is the least change that is told. A window counts from half of the way on, since values
    scatter to both sides of a new level. Of shares above one half (`is_share`) what they lack to 1
    is judged, as the method does (`change.Scale`).
    """

    level: float
    clear: float
    critical: float
    upwards: bool
    is_share: bool = False

    def judge(self, background: Background, hours: Hours | None = None) -> Limits:
        """Levels about what is usual at this hour; NaN where that is not known, or is zero.

        With `hours` a series whose last two hours are beyond theirs may belong to one as well.
        """
        usable = background.usable & (background.mean > 0)
        usual = np.where(usable, background.mean, np.nan)
        near = 1 + (self.level - 1) / 2
        threshold = self.beyond(usual, near, background.deviation, SCATTER)
        clear = self.beyond(usual, self.clear, background.deviation, CLEAR_SCATTER)
        critical = np.full(len(usual), self.critical)
        if np.isfinite(self.critical):
            critical = self.at(usual, self.critical)
        found = Limits(threshold, clear, critical)
        return found if hours is None else self.lasting(found, hours, near)

    def lasting(self, found: Limits, hours: Hours, near: float) -> Limits:
        """The same with the last two hours that are as near, and beyond what days differ by."""
        level = self.beyond(hours.usual, near, hours.deviation, HOURS_SCATTER)
        beyond = hours.now > level if self.upwards else hours.now < level
        lasts = (hours.usual > 0) & beyond
        return replace(
            found, lasting=np.where(lasts, hours.now, np.nan), hours=np.where(lasts, level, np.nan)
        )

    def at(self, usual: Floats, level: float) -> Floats:
        """The value that a multiple means."""
        times = usual * level
        if not self.is_share:
            return times
        # The rest changes the other way about: nine tenths of a share are a ninth more of its rest.
        return np.where(usual > 0.5, 1 - (1 - usual) / level, times)

    def beyond(self, usual: Floats, level: float, deviation: Floats, scatter: float) -> Floats:
        """The further one of a multiple and of so many deviations."""
        times, known = self.at(usual, level), np.nan_to_num(deviation)
        if self.upwards:
            return np.maximum(times, usual + scatter * known)
        return np.minimum(times, usual - scatter * known)

"""Change: where a value lies so far beyond what is usual at this hour that its past is asked."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background
from storage.history import Floats

SCATTER = 1.5
"""How many deviations of the same hours a window must be beyond, or its past is not asked."""

CLEAR_SCATTER = 1.0
"""Up to so many deviations are back at what is usual: else twelve quiet windows in a row are rare
where values scatter, and what is long over would stay open."""


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

    def judge(self, background: Background) -> Limits:
        """Levels about what is usual at this hour; NaN where that is not known, or is zero."""
        usable = background.usable & (background.mean > 0)
        usual = np.where(usable, background.mean, np.nan)
        near = 1 + (self.level - 1) / 2
        threshold = self.beyond(usual, near, background.deviation, SCATTER)
        clear = self.beyond(usual, self.clear, background.deviation, CLEAR_SCATTER)
        if not np.isfinite(self.critical):
            return Limits(threshold, clear, np.full(len(usual), self.critical))
        return Limits(threshold, clear, self.at(usual, self.critical))

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

"""Relative: the value is beyond a multiple of the 7-day average, or so many points from it."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background
from storage.history import Floats


@dataclass(frozen=True, slots=True)
class RelativeJudge:
    """Judge against multiples of the flat baseline: 1.2 is "more than 20 % above it".

    With `points` the distance of a multiple from 1 is added instead: of 95 %, 0.9 is 85.5 % as a
    multiple and 85 % in points.
    """

    level: float
    clear: float
    critical: float
    points: bool = False

    def judge(self, background: Background) -> Limits:
        """Multiples of each average; NaN where it is less than a day old or the average is zero.

        A multiple of zero is zero, so any value at all would be beyond it; points have no such
        trouble.
        """
        usable = background.usable & (self.points | (background.mean > 0))
        mean = np.where(usable, background.mean, np.nan)
        return Limits(self.at(mean, self.level), self.at(mean, self.clear), self.far(mean))

    def at(self, mean: Floats, level: float) -> Floats:
        """The value that a level means."""
        return mean + (level - 1) if self.points else mean * level

    def far(self, mean: Floats) -> Floats:
        """The critical value; without a critical level it is beyond everything."""
        finite = np.isfinite(self.critical)
        return self.at(mean, self.critical) if finite else np.full(len(mean), self.critical)

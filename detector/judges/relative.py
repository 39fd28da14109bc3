"""Relative: the value is beyond a multiple of the 7-day average."""

from dataclasses import dataclass

import numpy as np

from detector.baseline import DAYS_NEEDED
from detector.judgement import Background, Limits


@dataclass(frozen=True, slots=True)
class RelativeJudge:
    """Judge against multiples of the flat baseline: 1.2 is "more than 20 % above it"."""

    level: float
    clear: float
    critical: float

    def judge(self, background: Background) -> Limits:
        """Multiples of each average; NaN where too few days have data or the average is zero.

        A multiple of zero is zero, so any value at all would be beyond it.
        """
        usable = (background.days >= DAYS_NEEDED) & (background.mean > 0)
        mean = np.where(usable, background.mean, np.nan)
        return Limits(mean * self.level, mean * self.clear, mean * self.critical)

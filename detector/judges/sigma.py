"""Sigma: the value is beyond the 7-day average by so many standard deviations."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background


@dataclass(frozen=True, slots=True)
class SigmaJudge:
    """Judge against the flat baseline plus or minus standard deviations of the same seven days."""

    level: float
    clear: float
    critical: float
    upwards: bool

    def judge(self, background: Background) -> Limits:
        """Average and deviations of each series; NaN where it is less than a day old."""
        mean = np.where(background.usable, background.mean, np.nan)
        step = background.deviation if self.upwards else -background.deviation
        with np.errstate(invalid="ignore"):  # no deviation times an infinite level says nothing
            return Limits(
                mean + step * self.level, mean + step * self.clear, mean + step * self.critical
            )

"""Sigma: the value is beyond the 7-day average by so many standard deviations."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background
from storage.history import Floats


@dataclass(frozen=True, slots=True)
class SigmaJudge:
    """Judge against the flat baseline plus or minus standard deviations of the same seven days.

    With `n`, the observations behind the newest value of a share, the chance of so few is a
    deviation too: sigma^2 = s^2 + p(1-p)/n. p is (e+1/2)/(m+1) with e events among the m of the
    baseline, so that a baseline without a single error has a deviation as well.
    """

    level: float
    clear: float
    critical: float
    upwards: bool
    n: Floats | None = None

    def judge(self, background: Background) -> Limits:
        """Average and deviations of each series; NaN where it is less than a day old."""
        mean = np.where(background.usable, background.mean, np.nan)
        deviation = background.deviation
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.n is not None:
                p = (background.mean * background.n + 0.5) / (background.n + 1)
                deviation = np.sqrt(deviation**2 + np.clip(p * (1 - p), 0, None) / self.n)
            step = deviation if self.upwards else -deviation
            # No deviation times an infinite level says nothing.
            return Limits(
                mean + step * self.level, mean + step * self.clear, mean + step * self.critical
            )

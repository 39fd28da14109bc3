"""Absolute: the value is beyond a fixed level, whatever was normal."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import Background


@dataclass(frozen=True, slots=True)
class AbsoluteJudge:
    """Judge against fixed levels in the unit of the signal; needs no history."""

    level: float
    clear: float
    critical: float

    def judge(self, background: Background) -> Limits:
        """The same levels for every series."""
        count = len(background.mean)
        return Limits(
            np.full(count, self.level), np.full(count, self.clear), np.full(count, self.critical)
        )

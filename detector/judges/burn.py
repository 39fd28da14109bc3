"""Burn: an error budget is spent faster than it lasts, over a long and over a short span.

A burn rate of 1 spends just the budget; at 14.4 two per cent of a budget of 30 days are gone within
the hour (Beyer et al., The Site Reliability Workbook, 2018, chapter 5). The long span says that it
matters, the short one that it goes on: it is over minutes after the cause is.
"""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.increase import sums
from storage.history import Floats, Windows


@dataclass(frozen=True, slots=True)
class BurnJudge:
    """Judge the shares of both spans against so many times the budget.

    Everything is said as a share, in the unit of the signal: a level of 14.4 at an objective of
    0.999 is a share of errors above 0.0144, or a share of good ones below 0.9856.
    """

    level: float
    clear: float
    critical: float
    objective: float
    upwards: bool

    def judge(self, shares: Floats) -> Limits:
        """`shares` are those of the long and the short span, series x 2, NaN where nothing was.

        What is measured is the better one of the two: beyond a level it says that both are.
        """
        better = np.minimum if self.upwards else np.maximum
        measured = better(shares[:, 0], shares[:, 1])[:, None]
        unknown = np.isnan(measured[:, 0])
        levels = (self.share(rate) for rate in (self.level, self.clear, self.critical))
        threshold, clear, critical = (np.where(unknown, np.nan, level) for level in levels)
        return Limits(threshold, clear, critical, measured)

    def share(self, rate: float) -> float:
        """A burn rate as a share of all events."""
        errors = rate * (1 - self.objective)
        return errors if self.upwards else 1 - errors


@dataclass(frozen=True, slots=True)
class Events:
    """Of each series: value times n, and n, added up over a span; shares are value over n."""

    weighted: Floats
    n: Floats

    @classmethod
    def of(cls, windows: Windows, start_ms: int, end_ms: int) -> "Events":
        """The windows that end in `(start, end]`."""
        inside = (windows.end_ms > start_ms) & (windows.end_ms <= end_ms)
        inside &= np.isfinite(windows.values)
        index, n = windows.index[inside], windows.n[inside]
        count = len(windows.series)
        weighted = windows.values[inside] * n
        return cls(*(sums(index, one, count) for one in (weighted, n)))

    def __add__(self, other: "Events") -> "Events":
        """Both spans as one."""
        return Events(self.weighted + other.weighted, self.n + other.n)

    @property
    def shares(self) -> Floats:
        """The share of each series; NaN where nothing was observed."""
        there = self.n > 0
        return np.where(there, self.weighted / np.where(there, self.n, 1), np.nan)

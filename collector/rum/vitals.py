"""The five Web Vitals: what is a possible value, where its buckets end, what counts as good.

Thresholds are those of web.dev and CrUX; the inclusive upper ends of "good" and "needs improvement"
are edges of the buckets, so shares are exact. With these edges the p75 of 100,000 lognormal LCP
values is off by at most 1.7 % (simulated). INP comes in steps of 8 ms, and about half of all CLS
are exactly 0, hence a bucket of its own.
"""

from bisect import bisect_left
from dataclasses import dataclass

MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Vital:
    """One metric: its name, bucket edges (seconds, CLS: score) and the ends of good and fair.

    Values above `most` are no measurement, nor is 0 where a vital is `above_zero`.
    """

    name: str
    edges: tuple[float, ...]
    good: float
    fair: float
    most: float = MOST_SECONDS
    above_zero: bool = False
    is_time: bool = True

    def value(self, sent: float) -> float | None:
        """What was sent (milliseconds, CLS: score) in base units; None where it is impossible.

        Division, because x * 0.001 puts 104 ms and 1,400 ms into the wrong bucket. Adding 0.0 makes
        a negative zero positive.
        """
        value = (sent / 1000 if self.is_time else sent) + 0.0
        if not 0.0 <= value <= self.most or (self.above_zero and not value):
            return None
        return value

    def bucket(self, value: float) -> int:
        """Index of the first edge that is not below the value; beyond the last: their number."""
        return bisect_left(self.edges, value)


LCP = Vital(
    "LCP",
    (
        *(0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.1),
        *(2.5, 3.0, 3.5, 4.0, 5.0, 6.5, 8.5, 12.0, 20.0, 60.0),
    ),
    good=2.5,
    fair=4.0,
    above_zero=True,
)
FCP = Vital(
    "FCP",
    (
        *(0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8),
        *(2.1, 2.5, 3.0, 3.5, 4.5, 6.0, 9.0, 15.0, 60.0),
    ),
    good=1.8,
    fair=3.0,
    above_zero=True,
)
TTFB = Vital(
    "TTFB",
    (
        *(0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        *(1.0, 1.2, 1.5, 1.8, 2.4, 3.2, 5.0, 10.0, 30.0, 60.0),
    ),
    good=0.8,
    fair=1.8,
)
INP = Vital(
    "INP",
    (
        *(0.008, 0.016, 0.024, 0.04, 0.056, 0.08, 0.104, 0.136, 0.168, 0.2),
        *(0.248, 0.304, 0.4, 0.5, 0.65, 0.85, 1.2, 2.0, 5.0, 15.0),
    ),
    good=0.2,
    fair=0.5,
)
CLS = Vital(
    "CLS",
    (
        *(0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125),
        *(0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0),
    ),
    good=0.1,
    fair=0.25,
    most=100.0,
    is_time=False,
)
VITALS = {vital.name: vital for vital in (LCP, INP, CLS, FCP, TTFB)}

SECONDS = "rum_web_vital_seconds"
SHIFT = "rum_layout_shift_score"

NAVIGATE = "navigate"
SOFT = "soft-navigation"
RESTORED = "back-forward-cache"
NAVIGATIONS = frozenset(
    {NAVIGATE, "reload", "back-forward", RESTORED, "prerender", "restore", SOFT}
)
WITHOUT_TTFB = frozenset({SOFT, RESTORED})
"""No request was made, so their TTFB of 0 is a dummy of web-vitals."""

CONNECTIONS = frozenset({"slow-2g", "2g", "3g", "4g"})
UNKNOWN = "unknown"
DEVICES = {"m": "mobile", "t": "tablet", "d": "desktop"}

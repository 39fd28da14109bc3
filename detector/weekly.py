"""What the hour of the week was expected to be: up to four weeks back, at the level of today. Pure.

Once three weeks are known an hour is compared with the same hour of the same weekday. Four values
are few, and a month ago the level may have been another: so it is the distance from the level of
its own week that is kept, and added to the level of the last seven days.

Hours are counted in UTC. Where a clock changes, what follows the clock comes an hour off until
half of the weeks lie behind the change.
"""

from dataclasses import dataclass

import numpy as np

from detector.expected import middle, ordered
from storage.history import Floats

WEEKS = 4
LEAST_WEEKS = 3
LEAST_SHARE = 0.5
"""Of a week that must be known for its level."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """The expected distance from the level of the last seven days, from so many `weeks`."""

    above: float
    weeks: int


NOTHING = Weekly(float("nan"), 0)


def hour_of_week(values: Floats, per_week: int, into: float) -> Weekly:
    """What the last of these windows is usually, on the scale of the values.

    `values` are four weeks and two windows more, the windows before, of and after the time of the
    newest included: `values[-2]` is the one that holds it. NaN where none is. `into` says how far
    into that window the time lies, 0 to 1. Nothing with fewer than three weeks.
    """
    here = len(values) - 2
    found = np.full(WEEKS, np.nan)
    for back in range(1, WEEKS + 1):
        at = here - back * per_week
        if at < 1:
            break
        week = values[at + 1 : at + 1 + per_week]
        known = week[np.isfinite(week)]
        if len(known) >= LEAST_SHARE * per_week:
            found[back - 1] = within(values[at - 1 : at + 2], into) - np.median(known)
    weeks = int(np.isfinite(found).sum())
    if weeks < LEAST_WEEKS:
        return NOTHING
    return Weekly(float(middle(ordered(found[None, :]))[0]), weeks)


def within(three: Floats, into: float) -> float:
    """The value at a place in the middle one of three windows; its own where a side is missing.

    A window's mean is the level at its middle, and its slope the smaller of the steps to its two
    neighbours, none where they point apart (the minmod limiter: Roe 1986, Annu. Rev. Fluid Mech.
    18, 337). A straight line to the next middle would give a job that ends at the full hour up in
    its last half hour: the busy windows there would be far above what is said to be usual.
    """
    before, after = np.diff(three)
    if not before * after > 0:
        return float(three[1])
    slope = min(before, after, key=abs)
    return float(three[1] + (into - 0.5) * slope)

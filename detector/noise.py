"""Whether a rule would be noise: a named verdict on what it fired in the past. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Noise(StrEnum):
    """What enabling a rule would mean for those who are told."""

    SILENT = "silent"  # nothing fired
    QUIET = "quiet"
    ACCEPTABLE = "acceptable"
    NOISY = "noisy"
    NOT_ENOUGH_HISTORY = "not_enough_history"


QUIET_PER_100 = 2.0
"""Openings for each 100 series and day that are quiet: what the shipped rules are calibrated to
stay below where nothing is wrong at all."""

ACCEPTABLE_PER_100 = 10.0
"""Up to so many a team with 100 series can still look at each, one or two an hour of work. A band
around the same hours alone fires 13 times, the literal +20 % rule 229 times (docs:
how-detection-works)."""

TRANSIENT_SHARE = 0.5
"""When more of them than this were over within an hour, most messages were too late to act on: then
it is noisy above the quiet rate already."""

FEW_OPENINGS = 3
"""Fewer say nothing of a rate: two incidents a month on one machine are what a rule is for."""

LEAST_DAYS = 7
"""Days that must have been judged: a week has one weekend, and fewer days have none or too much of
it. A rule that is noisy in fewer is called noisy all the same."""

WITHIN_MS = 3_600_000
"""What is over sooner is a transient."""


@dataclass(frozen=True, slots=True)
class Fired:
    """What a rule fired: openings, those over within an hour, and how much it has judged."""

    openings: int
    transients: int
    series_days: float
    days: int

    @property
    def per_100(self) -> float:
        """Openings for each 100 series and day; 0 where nothing was judged."""
        return 100 * self.openings / self.series_days if self.series_days else 0.0

    @property
    def transient_share(self) -> float | None:
        """Which share was over within an hour; None where nothing fired."""
        return self.transients / self.openings if self.openings else None


def verdict(fired: Fired) -> Noise:
    """The verdict; what is shown to be noisy needs no week of history."""
    share = fired.transient_share or 0.0
    many = fired.openings >= FEW_OPENINGS
    fleeting = fired.per_100 > QUIET_PER_100 and share > TRANSIENT_SHARE
    if many and (fired.per_100 > ACCEPTABLE_PER_100 or fleeting):
        return Noise.NOISY
    if fired.days < LEAST_DAYS:
        return Noise.NOT_ENOUGH_HISTORY
    if not fired.openings:
        return Noise.SILENT
    return Noise.ACCEPTABLE if many and fired.per_100 > QUIET_PER_100 else Noise.QUIET

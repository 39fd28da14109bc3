"""What REST and the pages say of a deployment: what changed around it, and what regressed then.

All of it is correlation in time; the shapes have no word for more.
"""

from datetime import datetime

from api import words
from api.changes import Change, Moment
from api.moments import at
from api.shapes import DeploymentShape, RegressionShape, Shape
from api.standing import series_id
from detector import units
from detector.comparison import Median, Outcome
from detector.finding import Check, Match
from detector.units import Unit


class MedianShape(Shape):
    """The median of some windows."""

    value: float
    """The median."""
    low: float
    """Lower end of its 95 % interval, by order statistics."""
    high: float
    """Upper end."""
    windows: int
    """How many windows are behind it."""
    effective: float
    """How many independent ones would say as much: windows in a row resemble each other."""
    text: str
    """The median for people."""
    range_text: str
    """The interval for people."""


class SignalChange(Shape):
    """One series before and after a deployment."""

    signal: str
    """The signal."""
    title: str
    """Its title."""
    kind: str
    """Its kind, such as api or database."""
    unit: Unit
    """Base unit of the medians."""
    series: str
    """The series, by its id inside the signal."""
    name: str
    """The series as a person would say it; empty where it has no labels."""
    labels: dict[str, str]
    """Its labels."""
    match: Match
    """How close it stands to what was deployed."""
    outcome: Outcome
    """What the comparison says."""
    before: MedianShape | None
    """Before; null of fewer than 6 effective windows."""
    after: MedianShape | None
    """After; null of fewer than 6 effective windows."""
    ratio: float | None
    """After over before; null where before is zero or unknown."""
    change: str
    """`+42 %`; empty without a ratio."""
    usual: float | None
    """The ratio that the days before had at that time; null where fewer than 3 are known."""
    earlier: Check
    """Whether the change is one that the days before did not see at that time."""
    page: str
    """The page of the series."""

    @classmethod
    def of(cls, one: Change) -> "SignalChange":
        """From what was compared."""
        form, found, id_ = one.signal.form, one.found, series_id(one.labels)
        return cls(
            signal=one.signal.name,
            title=one.signal.title,
            kind=form.kind,
            unit=form.unit,
            series=id_,
            name=words.place(one.labels),
            labels=one.labels.as_dict(),
            match=one.match,
            outcome=found.outcome,
            before=median_of(found.before, form.unit),
            after=median_of(found.after, form.unit),
            ratio=found.ratio,
            change=f"{100 * (found.ratio - 1):+.3g} %" if found.ratio is not None else "",
            usual=found.slots.usual,
            earlier=found.slots.check,
            page=f"/signals/{one.signal.name}/series/{id_}",
        )


class FittingRegression(RegressionShape):
    """A regression that set in when a deployment could have moved it."""

    match: Match
    """How close it stands to what was deployed."""


class DeploymentChanges(Shape):
    """What every signal did before and after a deployment. A difference in time proves no cause."""

    deployment: DeploymentShape
    """The deployment."""
    since: datetime
    """Begin of the time before."""
    until: datetime
    """End of the time after: now, where not all of it is over yet."""
    complete: bool
    """Whether the time after is over."""
    counts: dict[Outcome, int]
    """How many series have each outcome; all of them, whatever is asked for."""
    items: list[SignalChange]
    """The series: worse, better, moved, usual, steady, unknown; the closest first in each."""
    more: bool
    """Whether there are more than are given."""
    regressions: list[FittingRegression]
    """Regressions, open or over, that set in at most 30 minutes after it, the closest first."""


def median_of(one: Median | None, unit: Unit) -> MedianShape | None:
    """A median for an answer."""
    if one is None:
        return None
    return MedianShape(
        value=one.value,
        low=one.low,
        high=one.high,
        windows=one.n,
        effective=round(one.effective, 1),
        text=units.text(one.value, unit),
        range_text=f"{units.text(one.low, unit)} to {units.text(one.high, unit)}",
    )


def ends(moment: Moment) -> tuple[datetime, datetime]:
    """Begin and end of what was looked at."""
    return at(moment.since_ms), at(moment.until_ms)

"""What a chart needs to know before it fetches its windows, and what it says to those who hear."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from api import words
from api.standing import Series, Standing, band, series_id
from detector import units
from detector.form import Direction
from detector.regression import Regression
from detector.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart. Without `since` it shows the last three hours.

    `expected`, `upper` and `lower` are given where they are not those of now: a regression keeps
    the baseline it opened with. `limits` are levels to draw as lines; the change set in within
    `shade`. With a `path` its curve is asked for there, else it is the windows of its signal.
    """

    signal: str
    series: str
    unit: units.Unit
    worse: Direction
    text: str
    limits: tuple[float, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    expected: float | None = None
    upper: float | None = None
    lower: float | None = None
    shade: tuple[int, int] | None = None
    path: str = ""

    @property
    def id(self) -> str:
        """An id for its element."""
        return f"{self.signal}-{self.series}"


def of_series(
    one: Standing, each: Series, since: datetime | None = None, until: datetime | None = None
) -> Chart:
    """The chart of a series as it stands."""
    form, reading = one.signal.form, each.reading
    told = f"{one.signal.title} of {words.place(each.labels) or 'all'}"
    if reading is not None:
        told += f": now {units.text(reading.value, form.unit)}"
    if each.band is not None:
        told += f", 7-day average {units.text(each.band.expected, form.unit)}"
    return Chart(
        signal=one.signal.name,
        series=each.id,
        unit=form.unit,
        worse=form.worse,
        text=f"{told}.",
        limits=limits(one.rules.values()),
        since=since,
        until=until,
    )


def of_regression(
    one: Regression, since: datetime | None = None, until: datetime | None = None
) -> Chart:
    """The chart of a regression, against the baseline it opened with."""
    deviation = one.evidence.get("deviation")
    normal = band(one.baseline, deviation if isinstance(deviation, int | float) else None)
    over = one.phase.is_over
    now = units.text(one.value, one.unit)
    told = f"{one.title} of {words.place(one.labels) or 'all'}: {'last' if over else 'now'} {now}, "
    told += f"at its worst {units.text(one.worst, one.unit)}, "
    told += f"threshold {units.text(one.threshold, one.unit)}"
    if normal is not None:
        told += f", {one.normal} {units.text(normal.expected, one.unit)}"
    return Chart(
        signal=one.signal,
        series=series_id(one.labels),
        unit=one.unit,
        worse=Direction(one.worse),
        text=f"{told}.",
        limits=(one.threshold,),
        since=since,
        until=until,
        expected=normal.expected if normal else None,
        upper=normal.upper if normal else None,
        lower=normal.lower if normal else None,
        shade=(one.began_lo_ms, one.began_hi_ms),
    )


def limits(rules: Iterable[Rule]) -> tuple[float, ...]:
    """The levels of the absolute rules that are judged."""
    return tuple(
        one.trigger.absolute.level for one in rules if one.enabled and one.trigger.absolute
    )

"""`/signals`: what is measured, how it stands, and its windows over time."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.curves import Curve, curves, rounded, stretch
from api.errors import invalid, missing
from api.moments import Moment, at, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Id, Name
from api.shapes import DeploymentShape, Shape
from api.signal_shapes import SignalShape
from api.standing import all_standing, band_of, known_series, series_id, standing
from detector.readings import Reading
from detector.regression import Regression, Severity
from detector.signal import Signal
from detector.units import Unit
from storage.series import Labels

routes = router("signals")

MOST_POINTS = 1500
MOST_SERIES = 20
MOST_ROWS = 150_000
SPAN = timedelta(hours=3)
LONGEST = timedelta(days=400)


class SignalsList(Shape):
    """All signals, in the order of their definitions."""

    items: list[SignalShape]
    """The signals."""


class WindowsAsked(Asked):
    """Which windows."""

    series: list[Name] = Field(
        default_factory=list,
        max_length=MOST_SERIES,
        description=f"Ids of series, as `/signals/{{name}}` has them; repeat it for several. "
        f"Without any, all are given if there are at most {MOST_SERIES}.",
    )
    since: Moment | None = Field(None, description="Windows that end later; 3 h before `until`.")
    until: Moment | None = Field(None, description="Windows that end by then; now if left out.")
    points: int = Field(
        MOST_POINTS, ge=10, le=MOST_POINTS, description="Most windows of one series."
    )
    digits: int | None = Field(
        None,
        ge=2,
        le=17,
        description="Round values to so many significant digits, which makes a chart's answer half "
        "as long; left out: as they are.",
    )


class OpenSpan(Shape):
    """A regression that was open at some time in the span."""

    id: str
    """The regression."""
    rule: str
    """Its rule."""
    severity: Severity
    """How bad."""
    since: datetime
    """When the change set in."""
    until: datetime | None
    """When it was over; null while it is open."""


class CurveShape(Shape):
    """One series over time, in columns of equal length. A gap has no entry."""

    id: str
    """The series."""
    labels: dict[str, str]
    """Its labels."""
    end_ms: list[int]
    """Ends of the windows, milliseconds since the epoch, oldest first."""
    value: list[float | None]
    """The values."""
    n: list[float | None]
    """How many observations are behind each."""
    baseline: float | None
    """The 7-day average as it is now; null until enough days have data."""
    upper: float | None
    """Average and two standard deviations."""
    lower: float | None
    """Average less two standard deviations, not below zero."""
    regressions: list[OpenSpan]
    """What was open on it in the span."""


class WindowsShape(Shape):
    """The windows of a signal over a span of time."""

    signal: str
    """The signal."""
    unit: Unit
    """Base unit of the values."""
    since: datetime
    """Begin of the span."""
    until: datetime
    """End of the span."""
    window_seconds: float
    """Length of each window: the shortest that keeps to `points`."""
    series: list[CurveShape]
    """The series asked for."""
    deployments: list[DeploymentShape]
    """What was deployed in the span."""


@routes.get("/signals", summary="Signals and how they stand")
def signals(house: Rooms, asked: Annotated[Asked, Query()]) -> SignalsList:
    """Each with its rules, its series, their newest values and what is open on them."""
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
    return SignalsList(items=[SignalShape.of(one) for one in all_standing(house, open_)])


@routes.get("/signals/{name}", summary="One signal")
def signal(house: Rooms, name: Id, asked: Annotated[Asked, Query()]) -> SignalShape:
    """With its rules and series."""
    found = known_signal(house, name)
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
    return SignalShape.of(standing(house, found, open_))


@routes.get(
    "/signals/{name}/windows",
    summary="The windows of a signal over time",
    openapi_extra=beyond(
        {
            "?since": f"must be before `until`, by {LONGEST.days} days at most",
            "?series": "are more than a span of that length may have",
        }
    ),
)
def windows(house: Rooms, name: Id, asked: Annotated[WindowsAsked, Query()]) -> WindowsShape:
    """Short windows for short spans, longer ones, merged where needed, for long spans."""
    found = known_signal(house, name)
    until_ms = milliseconds(asked.until or house.now())
    since_ms = milliseconds(asked.since) if asked.since else until_ms - milliseconds(at(0) + SPAN)
    if since_ms >= until_ms:
        raise invalid("?since", "must be before `until`")
    if until_ms - since_ms > LONGEST / timedelta(milliseconds=1):
        raise invalid("?since", f"is more than {LONGEST.days} days before `until`")
    series = chosen(house, found, asked.series)
    reach = stretch(house, found, since_ms, until_ms, asked.points)
    if reach.rows * len(series) > MOST_ROWS:
        raise invalid("?series", "too many series for so long a span; ask for fewer")
    drawn = curves(house, found, series, reach)
    if asked.digits is not None:
        drawn = {labels: rounded(one, asked.digits) for labels, one in drawn.items()}
    readings = {one.labels: one for one in house.detector.readings.get(name, ())}
    with house.state.reading() as session:
        spans = house.book.spans(session, since_ms, signal=name)
        deployed = house.book.deployments(session, since_ms, until_ms)
    return WindowsShape(
        signal=name,
        unit=found.form.unit,
        since=at(since_ms),
        until=at(until_ms),
        window_seconds=reach.seconds,
        series=[
            shape(drawn[one], readings.get(one), [r for r in spans if r.labels == one], until_ms)
            for one in series
        ],
        deployments=[DeploymentShape.of(one) for one in deployed],
    )


def known_signal(house: Rooms, name: str) -> Signal:
    """A signal by its name; a 404 problem when there is none."""
    found = house.detector.definitions.signals.get(name)
    if found is None:
        raise missing(f"signal {name}", name, house.detector.definitions.signals)
    return found


def chosen(house: Rooms, signal: Signal, ids: list[str]) -> list[Labels]:
    """The series that are asked for, or all if they are few; a 404 problem for an unknown id."""
    known = known_series(house, signal.name)
    if not ids:
        if len(known) > MOST_SERIES:
            raise invalid(
                "?series",
                f"{signal.name} has {len(known)} series; name up to {MOST_SERIES} of them",
            )
        return list(known.values())
    for one in ids:
        if one not in known:
            raise missing(f"series {one} of {signal.name}")
    return [known[one] for one in dict.fromkeys(ids)]


def shape(
    curve: Curve, reading: Reading | None, spans: list[Regression], until_ms: int
) -> CurveShape:
    """One curve with what is normal and what was open."""
    normal = band_of(reading)
    return CurveShape(
        id=series_id(curve.labels),
        labels=curve.labels.as_dict(),
        end_ms=curve.end_ms,
        value=curve.value,
        n=curve.n,
        baseline=normal.expected if normal else None,
        upper=normal.upper if normal else None,
        lower=normal.lower if normal else None,
        regressions=[
            OpenSpan(
                id=one.id,
                rule=one.rule,
                severity=one.severity,
                since=at(one.began_lo_ms),
                until=None if one.resolved_ms is None else at(one.resolved_ms),
            )
            for one in spans
            if one.began_lo_ms < until_ms
        ],
    )

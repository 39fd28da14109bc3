"""The charts of one target: its signals with their bands, and its figures."""

from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from api.figure_shapes import FigureNow, SignalNow, TargetNow
from api.house import House
from api.pages.charts import Chart, of_series
from api.pages.render import machine
from api.rooms import Asked
from api.signal_shapes import SeriesShape
from api.standing import standing
from detector.form import Direction

MOST_SERIES = 8
LIMITS = {"redis_memory": "redis_memory_max", "memcached_memory": "memcached_memory_max"}


class Span(StrEnum):
    """How far back the charts go; raw samples, and so figures, reach about as far."""

    HOURS = "3h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """The same as a time."""
        return timedelta(hours={Span.HOURS: 3, Span.DAY: 24, Span.WEEK: 168}[self])


class TargetAsked(Asked):
    """How far back."""

    span: Span = Span.HOURS


SignalTiles = tuple[SignalNow, list[tuple[SeriesShape, Chart]], int]


def of_signals(house: House, one: TargetNow, since: datetime) -> list[SignalTiles]:
    """Each signal with the charts of its weightiest series, and how many more there are."""
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
    found = []
    for each in one.signals:
        signal = house.detector.definitions.signals[each.signal]
        stands = standing(house, signal, open_)
        known = {series.id: series for series in stands.series}
        rows = [
            (shape, of_series(stands, known[shape.id], since))
            for shape in each.series[:MOST_SERIES]
            if shape.id in known
        ]
        found.append((each, rows, len(each.series) - len(rows)))
    return found


def of_figures(one: TargetNow, since: datetime) -> list[tuple[FigureNow, Chart]]:
    """Each figure with its chart; a limit of memory is a line in the chart of the memory."""
    limits = {each.figure: each.value for each in one.figures if each.figure in LIMITS.values()}
    path = f"/api/v1/targets/{quote(one.target, safe='')}/figures?since={machine(since)}"
    return [
        (
            each,
            Chart(
                signal="figure",
                series=each.id,
                unit=each.unit,
                worse=Direction.UP,
                limits=(limits[LIMITS[each.figure]],) if LIMITS.get(each.figure) in limits else (),
                text=f"{heading(each)} of {one.target}: now {each.text}.",
                since=since,
                path=path,
            ),
        )
        for each in one.figures
        if each.figure not in limits
    ]


def heading(one: FigureNow) -> str:
    """`Connections of a pool: main, idle`."""
    labels = ", ".join(one.labels.values())
    return f"{one.title}: {labels}" if labels else one.title

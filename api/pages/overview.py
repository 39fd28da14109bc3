"""The first page: what has regressed, how every signal stands, whether collection works."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from api.moments import at, milliseconds
from api.pages.charts import Chart, of_regression, of_series
from api.pages.render import KINDS, render
from api.rooms import Asked, Rooms, Targets
from api.routes.source import shape_of
from api.routes.targets import TargetShape
from api.shapes import RegressionShape
from api.signal_shapes import SeriesShape, SignalShape
from api.standing import Series, Standing, all_standing
from api.told import Told, lately_better, lately_resolved, open_now, suspected_now
from collector.run import TargetState
from detector.baseline import DAYS, DAYS_NEEDED
from detector.run import TICK
from storage.duration import written
from storage.series import Labels

routes = APIRouter(include_in_schema=False)

MOST_ROWS = 6
MOST_PANELS = 10
"""Signals of one kind that all have a panel."""
RESOLVED_WITHIN = timedelta(days=7)


class OverviewAsked(Asked):
    """Links from dashboards name a signal."""

    signal: str | None = Field(None, max_length=200)


@routes.api_route("/", methods=["GET", "HEAD"])
def overview(house: Rooms, known: Targets, asked: Annotated[OverviewAsked, Query()]) -> Response:
    """The page."""
    if asked.signal is not None:
        return RedirectResponse(f"/signals/{quote(asked.signal, safe='')}")
    now_ms = milliseconds(house.now())
    with house.state.reading() as session:
        open_ = open_now(house, session)
        since_ms = now_ms - round(RESOLVED_WITHIN / timedelta(milliseconds=1))
        resolved = lately_resolved(house, session, since_ms)
        better = lately_better(house, session, since_ms)
        suspected = suspected_now(house, session)
        tick_ms = house.book.progress_ms(session, TICK)
    stands = all_standing(house, [one.regression for one in open_])
    targets = [TargetShape.of(one) for one in known]
    seen = [one for one in stands if one.series]
    return render(
        "overview.html",
        {
            "open": cards(open_),
            "open_count": len(open_),
            "resolved": [RegressionShape.of(one) for one in resolved],
            "better": [RegressionShape.of(one) for one in better],
            "suspected": [RegressionShape.of(one) for one in suspected],
            "sections": sections(seen),
            "waiting": [SignalShape.of(one) for one in stands if not one.series],
            "targets": targets,
            "down": [one for one in targets if one.state is TargetState.DOWN],
            "filling": [one for one in stands if one.backfill and one.backfill.done < 1],
            "filled": filled(stands),
            "days": days(stands),
            "days_of": DAYS,
            "days_needed": DAYS_NEEDED,
            "series_count": sum(len(one.series) for one in stands),
            "signal_count": len(seen),
            "tick": at(tick_ms) if tick_ms is not None else None,
            "step": written(house.detector.definitions.step_ms / 1000),
            "history_bytes": house.file.size_bytes(),
            "state_bytes": house.state.size_bytes(),
            "rows": house.file.rows(),
            "own_targets": any(house.settings.collector.watched()) or house.source is not None,
            "source": shape_of(house),
        },
    )


@dataclass(frozen=True, slots=True)
class Card:
    """What is open on one series: the one that is shown with its chart, and what else is."""

    shown: RegressionShape
    chart: Chart
    also: list[RegressionShape]


def cards(open_: Sequence[Told]) -> list[Card]:
    """A card for each series, in the order of what is open.

    Several rules look at the same change of one series; one picture of it is enough. It is that of
    the worst, and of equals the first, so that a card stays when another rule finds the same.
    """
    by_series: dict[tuple[str, Labels], list[Told]] = {}
    for one in open_:
        by_series.setdefault((one.regression.signal, one.regression.labels), []).append(one)
    return [
        Card(
            RegressionShape.of(first),
            of_regression(first.regression),
            [RegressionShape.of(one) for one in others],
        )
        for first, *others in (sorted(mine, key=prominence) for mine in by_series.values())
    ]


def prominence(one: Told) -> tuple[int, int, str]:
    """The worst first, then what opened first."""
    return -one.regression.severity.rank, one.regression.opened_ms, one.regression.id


@dataclass(frozen=True, slots=True)
class Folded:
    """A signal that is only named, with how many series it has."""

    name: str
    title: str
    count: int


Section = tuple[str, list[dict[str, object]], list[Folded]]


def sections(stands: list[Standing]) -> list[Section]:
    """The signals with data by kind, in the order in which kinds are shown; panels and names."""
    kinds = [*KINDS, *sorted({one.signal.form.kind for one in stands} - KINDS.keys())]
    pools = {one.signal.form.pool for one in stands}
    found: list[Section] = []
    for kind in kinds:
        mine = [one for one in stands if one.signal.form.kind == kind]
        folded = [one for one in mine if folds(one, len(mine), one.signal.name in pools)]
        if mine:
            title = KINDS.get(kind, kind.replace("_", " ").capitalize())
            shown = [panel(one) for one in mine if one not in folded]
            named = [Folded(s.signal.name, s.signal.title, len(s.series)) for s in folded]
            found.append((title, shown, named))
    return found


def folds(one: Standing, many: int, is_pool: bool) -> bool:
    """Whether a signal is only named: of a kind with many, what is open on nothing and is judged
    by no rule, or holds together series that stand here themselves.
    """
    is_open = any(each.open for each in one.series)
    return many > MOST_PANELS and not is_open and (is_pool or not one.rules)


def panel(one: Standing) -> dict[str, object]:
    """One signal with its weightiest series."""
    shown = one.series[:MOST_ROWS]
    return {
        "signal": SignalShape.of(one),
        "rows": [row(one, each) for each in shown],
        "more": len(one.series) - len(shown),
        "severity": one.series[0].severity if one.series else None,
    }


def row(one: Standing, each: Series) -> tuple[SeriesShape, Chart]:
    """One series and its chart."""
    return SeriesShape.of(each, one.signal.form.unit), of_series(one, each)


def filled(stands: list[Standing]) -> float:
    """The share of all the past to evaluate that is evaluated; 1 where there was none."""
    found = [one.backfill.done for one in stands if one.backfill]
    return sum(found) / len(found) if found else 1.0


def days(stands: list[Standing]) -> int:
    """Which day of history this is: the first is day 1 from its first minute."""
    found = [s.reading.days for one in stands for s in one.series if s.reading is not None]
    return max([1, *found])

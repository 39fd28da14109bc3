"""One signal: all its series, its rules in words, and what was judged last."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.pages.charts import of_series
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.routes.signals import known_signal
from api.signal_shapes import JudgementShape, SeriesShape, SignalShape
from api.standing import series_id, standing
from detector.judgement import Verdict
from detector.ledger import REPEAT_MS, Wanted
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

MOST_SERIES = 40
MOST_JUDGEMENTS = 200
TELLING = (
    Verdict.REGRESSED,
    Verdict.SUSPECTED,
    Verdict.REJECTED,
    Verdict.IMPROVED,
    Verdict.UNKNOWN,
    Verdict.STEADY,
)


class Span(StrEnum):
    """How far back the charts go."""

    HOURS = "3h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        """The same as a time."""
        hours = {Span.HOURS: 3, Span.DAY: 24, Span.WEEK: 168, Span.MONTH: 720}
        return timedelta(hours=hours[self])


class SignalAsked(Asked):
    """How far back."""

    span: Span = Field(Span.HOURS)


@routes.api_route("/signals/{name}", methods=["GET", "HEAD"])
def signal(house: Rooms, name: str, asked: Annotated[SignalAsked, Query()]) -> Response:
    """The page."""
    found = known_signal(house, name)
    with house.state.reading() as session:
        open_ = house.book.open_regressions(session)
        tick_ms = house.book.progress_ms(session, TICK)
    one = standing(house, found, open_)
    since = None if asked.span is Span.HOURS else house.now() - asked.span.length
    shown = one.series[:MOST_SERIES]
    return render(
        "signal.html",
        {
            "signal": SignalShape.of(one),
            "rows": [
                (SeriesShape.of(each, found.form.unit), of_series(one, each, since))
                for each in shown
            ],
            "more": len(one.series) - len(shown),
            "spans": list(Span),
            "span": asked.span,
            "tick_ms": tick_ms,
            "judgements": newest(house, name, tick_ms or 0),
        },
    )


def newest(house: Rooms, name: str, tick_ms: int) -> list[JudgementShape]:
    """What the rules say of the series of a signal, the telling ones first.

    What does not change is written once an hour, so that the last of each within an hour holds.
    """
    definitions = house.detector.definitions
    wanted = Wanted(
        signal=name,
        since_ms=tick_ms - REPEAT_MS - definitions.step_ms + 1,
        last=True,
        limit=MOST_JUDGEMENTS,
    )
    found = [
        JudgementShape.of_judgement(one, series_id(one.labels), definitions)
        for one in house.ledger.read(wanted)
    ]
    return sorted(found, key=lambda one: (TELLING.index(one.verdict), one.rule, one.name))

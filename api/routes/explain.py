"""`/signals/{name}/series/{series}/explain`: why its rules fire, or why not."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.errors import invalid, missing
from api.moments import Moment, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import beyond, router
from api.routes.signals import known_signal
from api.routes.texts import Id
from api.standing import known_series
from api.why_shapes import WhyShape, why_of
from detector.run import TICK
from detector.signal import Signal
from storage.series import Labels

routes = router("signals")


class ExplainAsked(Asked):
    """When."""

    at: Moment | None = Field(None, description="RFC 3339; the newest tick when left out.")


@routes.get(
    "/signals/{name}/series/{series}/explain",
    summary="Why its rules fire, or why not",
    openapi_extra=beyond({"?at": "is in the future, or before 1970"}),
)
def explain_series(
    house: Rooms, name: Id, series: Id, asked: Annotated[ExplainAsked, Query()]
) -> WhyShape:
    """Each rule gate by gate: what was seen, what is needed, passed, refused or not reached."""
    signal = known_signal(house, name)
    return why_of(house, signal, series_of(house, signal, series), moment_of(house, asked))


def series_of(house: Rooms, signal: Signal, series: str) -> Labels:
    """The labels of a series; a 404 problem when there is none with that id."""
    labels = known_series(house, signal.name).get(series)
    if labels is None:
        raise missing(f"series {series} of {signal.name}")
    return labels


def moment_of(house: Rooms, asked: ExplainAsked) -> int:
    """The time that is asked about, in milliseconds; never later than the newest tick."""
    now_ms = milliseconds(house.now())
    with house.state.reading() as session:
        done_ms = house.book.progress_ms(session, TICK)
    newest_ms = now_ms if done_ms is None else done_ms
    if asked.at is None:
        return newest_ms
    at_ms = milliseconds(asked.at)
    if at_ms > now_ms:
        raise invalid("?at", "is in the future")
    if at_ms < 0:
        raise invalid("?at", "is before 1970")
    return min(at_ms, newest_ms)

"""`/source`: the Prometheus-compatible engine that signals are read from, and how that goes."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from api.house import House
from api.moments import maybe_at, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import router
from api.shapes import Shape
from detector.track import SignalState, SignalStatus, SourceState, SourceStatus
from storage.config import Engine
from storage.matrix import Outcome

routes = router("source")

IN_WORDS = {
    Outcome.ANSWERED: "it answered",
    Outcome.NO_DATA: "it has nothing",
    Outcome.PARTIAL: "it says itself that data is missing; asked again, see `partial_responses`",
    Outcome.BAD_QUERY: "it does not understand the query",
    Outcome.TOO_MUCH: "the query is more than it allows; asked again in halves",
    Outcome.TOO_LARGE: "the answer is longer than `max_bytes`; asked again in halves",
    Outcome.TOO_MANY_SERIES: "the answer has more series than `max_series`",
    Outcome.THROTTLED: "it wants to be left alone for a while",
    Outcome.UNAVAILABLE: "it is there but cannot answer",
    Outcome.TIMEOUT: "it did not answer in time",
    Outcome.REFUSED: "it refused the connection",
    Outcome.DNS: "its name could not be resolved",
    Outcome.DENIED: "its address is not allowed",
    Outcome.TLS: "its certificate is not trusted, or TLS failed",
    Outcome.AUTH: "it refused our credentials",
    Outcome.PERMISSION: "it does not let us read",
    Outcome.NOT_FOUND: "there is no such API at this address",
    Outcome.REDIRECT: "it leads elsewhere",
    Outcome.HTTP_STATUS: "it answered with another error status",
    Outcome.HTML: "a web page came instead of an answer, as from a proxy or a login",
    Outcome.INVALID_JSON: "what it answered is no JSON",
    Outcome.UNEXPECTED: "what it answered is JSON, but none of this API",
    Outcome.TRUNCATED: "the answer ended too early",
    Outcome.PROTOCOL: "it broke the HTTP protocol",
}
STATES_IN_WORDS = {
    SignalState.PENDING: "not asked for yet",
    SignalState.READ: "has data",
    SignalState.NO_DATA: "no series there match, or they are silent",
    SignalState.SCRAPED_TOO_RARELY: "its samples come more rarely than its windows end",
    SignalState.FAILING: "the newest query failed",
}


class SourceSignalShape(Shape):
    """How reading one signal goes."""

    signal: str
    """The signal's name."""
    state: SignalState
    """`pending` until it is asked for; never zero because nobody answered."""
    outcome: Outcome | None
    """Why the newest query brought nothing."""
    text: str
    """The state in words."""
    scrape_interval_seconds: float | None
    """How often its series are scraped, as measured or configured."""
    newest_data: datetime | None
    """The end of its newest window with data since the start."""
    read_ratio: float
    """How much of its past that is wanted has been read, 0 to 1."""

    @classmethod
    def of(cls, one: SignalStatus) -> "SourceSignalShape":
        """From the detector."""
        detail = f" ({one.detail})" if one.detail else ""
        return cls(
            signal=one.signal,
            state=one.state,
            outcome=one.outcome,
            text=f"{STATES_IN_WORDS[one.state]}{detail}",
            scrape_interval_seconds=one.scrape_seconds,
            newest_data=maybe_at(one.newest_data_ms),
            read_ratio=one.share_read,
        )


class SourceShape(Shape):
    """The engine that signals are read from."""

    url: str
    """Its address."""
    engine: Engine
    """Whose PromQL it speaks; `auto` until it was asked."""
    state: SourceState
    """`pending` until the first answer, then `up` or `down`."""
    outcome: Outcome | None
    """Why it is down."""
    text: str
    """The state in words."""
    last_success: datetime | None
    """When it last answered."""
    next_attempt: datetime | None
    """When it is asked again, after a failure."""
    read_ratio: float
    """How much of the past that is wanted has been read, 0 to 1."""
    warnings: list[str]
    """What it remarked, in its own words; the newest last."""
    insecure: bool
    """Whether any certificate is trusted."""
    signals: list[SourceSignalShape]
    """How each signal stands."""

    @classmethod
    def of(cls, one: SourceStatus) -> "SourceShape":
        """From the detector."""
        down = one.state is SourceState.DOWN
        return cls(
            url=one.url,
            engine=one.engine,
            state=one.state,
            outcome=one.outcome,
            text=source_text(one),
            last_success=maybe_at(one.last_success_ms),
            next_attempt=maybe_at(one.next_attempt_ms) if down else None,
            read_ratio=one.share_read,
            warnings=list(one.warnings),
            insecure=one.insecure,
            signals=[SourceSignalShape.of(each) for each in one.signals],
        )


class SourceAnswer(Shape):
    """The source; null where none is configured."""

    source: SourceShape | None
    """The engine that signals are read from."""


@routes.get("/source", summary="The Prometheus-compatible source")
def source(house: Rooms, asked: Annotated[Asked, Query()]) -> SourceAnswer:
    """How reading from `storage.prometheus` goes, as a whole and signal by signal."""
    return SourceAnswer(source=shape_of(house))


def shape_of(house: House) -> SourceShape | None:
    """The source of a house; None where it has none."""
    if house.source is None:
        return None
    return SourceShape.of(house.source.status(milliseconds(house.now())))


def source_text(one: SourceStatus) -> str:
    """`down: it refused the connection (Connection refused)`."""
    if one.state is SourceState.PENDING:
        return "pending: not asked yet"
    if one.state is SourceState.UP or one.outcome is None:
        return str(one.state)
    detail = f" ({one.detail})" if one.detail else ""
    return f"down: {IN_WORDS[one.outcome]}{detail}"

"""`/judgements`: every verdict of every rule, also those that came to nothing."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.errors import invalid, missing
from api.moments import Moment, milliseconds
from api.rooms import Asked, Rooms
from api.routes.router import beyond, problems, router
from api.routes.texts import Name
from api.shapes import Shape
from api.signal_shapes import JudgementShape
from api.standing import known_series, series_id
from detector.judgement import Reason, Verdict
from detector.ledger import Wanted

routes = router("judgements")


class JudgementsAsked(Asked):
    """Which judgements; each filter narrows the answer."""

    rule: Name | None = Field(None, description="Name of a rule.")
    signal: Name | None = Field(None, description="Name of a signal.")
    series: Name | None = Field(None, description="Id of a series; with `signal`.")
    verdict: Verdict | None = Field(None, description="What the rule concluded.")
    reason: Reason | None = Field(None, description="Why it is unknown or rejected.")
    gate: Reason | None = Field(None, description="The same as `reason`, for rejected ones.")
    since: Moment | None = Field(None, description="At this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="At this time or earlier, RFC 3339.")
    limit: int = Field(100, ge=1, le=500, description="Most judgements of an answer.")


class JudgementsList(Shape):
    """Judgements, newest first."""

    items: list[JudgementShape]
    """The judgements."""


@routes.get(
    "/judgements",
    summary="Judgements, newest first",
    responses=problems({404: "There is no such series."}),
    openapi_extra=beyond(
        {"?gate": "says the same as `reason`", "?series": "is given without `signal`"}
    ),
)
def judgements(house: Rooms, asked: Annotated[JudgementsAsked, Query()]) -> JudgementsList:
    """Why it fired, and why it did not: `?verdict=rejected&gate=min_delta`."""
    return JudgementsList(items=find(house, asked))


def find(house: Rooms, asked: JudgementsAsked) -> list[JudgementShape]:
    """The judgements that are asked for."""
    if asked.gate is not None and asked.reason is not None:
        raise invalid("?gate", "says the same as `reason`; give one of them")
    wanted = Wanted(
        rule=asked.rule,
        signal=asked.signal,
        verdict=asked.verdict,
        reason=asked.reason if asked.gate is None else asked.gate,
        limit=asked.limit,
    )
    if asked.since is not None:
        wanted = replace(wanted, since_ms=milliseconds(asked.since))
    if asked.until is not None:
        wanted = replace(wanted, until_ms=milliseconds(asked.until))
    if asked.series is not None:
        if asked.signal is None:
            raise invalid("?series", "is an id inside a signal; give `signal` too")
        labels = known_series(house, asked.signal).get(asked.series)
        if labels is None:
            raise missing(f"series {asked.series} of {asked.signal}")
        wanted = replace(wanted, labels=labels)
    definitions = house.detector.definitions
    return [
        JudgementShape.of_judgement(one, series_id(one.labels), definitions)
        for one in house.ledger.read(wanted)
    ]

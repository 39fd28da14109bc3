"""Why not: what broke its rule and was not told, with the gate that refused it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.moments import milliseconds
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.signal_shapes import JudgementShape
from api.standing import series_id
from detector.judgement import Judgement, Reason, Verdict
from detector.ledger import Wanted

routes = APIRouter(include_in_schema=False)

SPANS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
MOST_READ = 5000
MOST_ROWS = 100
# What each gate waits for, for whoever asks why he was not told.
GATES = {
    Reason.SUSTAIN: "too short so far",
    Reason.MIN_DELTA: "too small a difference",
    Reason.MIN_EVENTS: "too few events",
    Reason.MIN_PARTS: "one series alone, which is judged itself",
    Reason.EXPECTED: "usual at this hour",
    Reason.EFFECT: "too close to what is usual",
    Reason.BAND: "so few observations differ as much by chance",
    Reason.MIX: "other visitors came, and nobody was served worse",
    Reason.SIGNIFICANCE: "within what it did by itself",
    Reason.AWAITING_EVIDENCE: "too many at once, looked at next",
    Reason.WARMING: "too few days of history",
}


class WhyNotAsked(Asked):
    """Which candidates; a form sends the empty ones too, which filter nothing."""

    signal: str = Field("", max_length=200)
    rule: str = Field("", max_length=200)
    gate: Reason = Reason.NONE
    span: Literal["1h", "6h", "24h", "7d"] = "24h"


@dataclass(slots=True)
class Candidate:
    """All refusals of one rule on one series by one gate: the newest, and how many."""

    newest: JudgementShape
    count: int
    first: JudgementShape


@routes.api_route("/why-not", methods=["GET", "HEAD"])
def why_not(house: Rooms, asked: Annotated[WhyNotAsked, Query()]) -> Response:
    """The page."""
    now = house.now()
    found = house.ledger.read(
        Wanted(
            rule=asked.rule or None,
            signal=asked.signal or None,
            verdict=Verdict.REJECTED,
            reason=asked.gate or None,
            since_ms=milliseconds(now - SPANS[asked.span]),
            limit=MOST_READ,
        )
    )
    definitions = house.detector.definitions

    def shape(one: Judgement) -> JudgementShape:
        return JudgementShape.of_judgement(one, series_id(one.labels), definitions)

    rows = candidates(found, shape)
    return render(
        "whynot.html",
        {
            "rows": rows[:MOST_ROWS],
            "more": max(0, len(rows) - MOST_ROWS),
            "cut": len(found) == MOST_READ,
            "choices": {
                "signal": list(definitions.signals),
                "rule": list(definitions.rules),
                "gate": list(GATES),
            },
            "given": {"signal": asked.signal, "rule": asked.rule, "gate": asked.gate.value},
            "spans": list(SPANS),
            "span": asked.span,
            "filtered": bool(asked.signal or asked.rule or asked.gate),
            "gates": GATES,
        },
    )


def candidates(
    found: Iterable[Judgement], shape: Callable[[Judgement], JudgementShape]
) -> list[Candidate]:
    """Refusals of the same thing by the same gate as one; the newest come first, as they do."""
    rows: dict[tuple[object, ...], tuple[Judgement, Judgement, int]] = {}
    for one in found:
        key = (one.rule, one.signal, one.labels, one.reason)
        newest, _, count = rows.get(key, (one, one, 0))
        rows[key] = (newest, one, count + 1)
    return [Candidate(shape(newest), count, shape(first)) for newest, first, count in rows.values()]

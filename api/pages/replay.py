"""Replay: what rules would have fired in the past, before anybody enables them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.moments import at
from api.pages.render import render
from api.rooms import Asked, Rooms
from api.signal_shapes import RuleShape
from api.trial import MOST_DAYS, MOST_TEXT, NOISE_IN_WORDS
from detector.judgement import Reason
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

START_DAYS = 7.0
EXAMPLE = """rules:
  checkout_slow:
    signal: api_p95
    trigger: {absolute: {above: 0.8}}
    sustain: {for: 5m}
    clear: {level: 0.7, for: 10m}
"""


class ReplayAsked(Asked):
    """What the form begins with, so that a link can name a rule."""

    rule: str = Field("", max_length=200)
    days: float = Field(START_DAYS, gt=0, le=MOST_DAYS)


@routes.api_route("/replay", methods=["GET", "HEAD"])
def replay(house: Rooms, asked: Annotated[ReplayAsked, Query()]) -> Response:
    """The form; a script sends it, since the answer comes line by line while it goes on."""
    definitions = house.detector.definitions
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    rules = [
        RuleShape.of(name, rule, definitions.signals[rule.signal])
        for name, rule in definitions.rules.items()
        if rule.signal in definitions.signals
    ]
    return render(
        "replay.html",
        {
            "rules": rules,
            "given": asked.rule if asked.rule in definitions.rules else "",
            "days": asked.days,
            "most_days": MOST_DAYS,
            "most_text": MOST_TEXT,
            "example": EXAMPLE,
            "noise": NOISE_IN_WORDS,
            "gates": [one for one in Reason if one],
            "until": None if tick_ms is None else at(tick_ms),
        },
    )

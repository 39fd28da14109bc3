"""`POST /replay`: what rules would have fired in the past, line by line as it goes on."""

import logging
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.document import Fault
from api.errors import FaultShape, ProblemError
from api.rooms import Rooms
from api.routes.router import beyond, problems, router
from api.settings import SettingsError
from api.trial import DraftError, ReplayLine, ReplayPosted, ReplayShape, planned, work
from detector.replay import Replay

log = logging.getLogger(__name__)
routes = router("replay")

MEDIA_TYPE = "application/x-ndjson"
MOST_JUDGEMENTS = 1e9
"""What one replay of a running Plimsoll may judge: some minutes beside its ticks."""
STEP = 0.005


class Outcome(StrEnum):
    """What became of a replay that was asked for."""

    DONE = "done"
    BUSY = "busy"  # another one was running
    TOO_LARGE = "too_large"
    LEFT = "left"  # whoever asked went away
    FAILED = "failed"


class Replays:
    """One replay at a time, and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = threading.Lock()
        self.outcomes = Counter(
            "plimsoll_replays", "Replays by outcome.", ["outcome"], registry=registry
        )

    def count(self, outcome: Outcome) -> None:
        """One more."""
        self.outcomes.labels(outcome).inc()


async def replays_of(request: Request) -> Replays:
    """Those of the application."""
    replays: Replays = request.app.state.replays
    return replays


class Told(StreamingResponse):
    """A replay on its way; the next one may begin however this one ends."""

    def __init__(self, replays: Replays, replay: Replay, asked: ReplayPosted) -> None:
        self.replays, self.outcome = replays, Outcome.LEFT
        super().__init__(self.lines(replay, asked), media_type=MEDIA_TYPE)

    def lines(self, replay: Replay, asked: ReplayPosted) -> Iterator[str]:
        """How far it is, and at last the report."""
        told = 0.0
        yield line(ReplayLine(done=0.0))
        try:
            for done in replay.run():
                if done - told >= STEP:
                    told = done
                    yield line(ReplayLine(done=done))
            report = ReplayShape.of_replay(replay, replay.report(), asked.gates)
        except Exception:
            log.exception("a replay failed")
            self.outcome = Outcome.FAILED
            yield line(ReplayLine(done=told, error="It failed inside; the log says how."))
            return
        self.outcome = Outcome.DONE
        yield line(ReplayLine(done=1.0, report=report))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then let the next one begin."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.replays.running.release()
            self.replays.count(self.outcome)


def refused(fault: Fault, *, is_text: bool) -> FaultShape:
    """Where it stands in the body: what was pasted is one member, whose lines are told."""
    if is_text:
        return FaultShape(pointer="#/text", detail=str(fault).replace("\n    ", " "))
    return FaultShape(pointer="#/" + fault.key.replace(".", "/"), detail=fault.reason)


class Lines(Response):
    """What an answer is called in the document."""

    media_type = MEDIA_TYPE


def line(one: ReplayLine) -> str:
    """One line of JSON."""
    return one.model_dump_json(exclude_defaults=True) + "\n"


@routes.post(
    "/replay",
    summary="What rules would have fired in the past",
    response_class=Lines,
    responses={
        200: {"model": ReplayLine, "description": "Lines, each one of these."},
        **problems({409: "Another replay is under way."}),
    },
    openapi_extra=beyond(
        {
            "#/": "has `rules` and `text`",
            "#/text": "is no text of rules, or of none",
            "#/days": "are too many for these rules",
            "#/rule_names": "name a rule that is not there",
            "#/signals": "name a signal that is not there",
            "#/rules": "are none, or not as rules are written in plimsoll.yaml",
        }
    ),
)
def replay(
    house: Rooms, asked: ReplayPosted, replays: Annotated[Replays, Depends(replays_of)]
) -> Response:
    """Lines of JSON as it goes on, the report in the last one. One at a time, else 409.

    Nothing is enabled, stored or told. What would take too long is a 422; `plimsoll replay` on the
    files of a Plimsoll that is stopped has no such bound.
    """
    if not replays.running.acquire(blocking=False):
        replays.count(Outcome.BUSY)
        raise ProblemError(
            409,
            "A replay is running already; ask again when it is done.",
            headers={"retry-after": "60"},
        )
    try:
        made = planned(house, asked)
        if work(house, made) > MOST_JUDGEMENTS:
            replays.count(Outcome.TOO_LARGE)
            told = "Too much at once: ask for fewer days, one signal or one rule."
            fault = FaultShape(pointer="#/days", detail="are too many for these rules")
            raise ProblemError(422, told, errors=[fault])
        return Told(replays, made, asked)
    except SettingsError as error:
        replays.running.release()
        faults = [refused(one, is_text=isinstance(error, DraftError)) for one in error.faults]
        raise ProblemError(422, "; ".join(map(str, error.faults[:3])), errors=faults) from None
    except BaseException:
        replays.running.release()
        raise

"""`/configuration`: what is in force, without secrets; and what a text would be in its place."""

import threading
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, Field

from api.checking import MOST_TEXT, CheckShape, checked
from api.errors import ProblemError, ProblemType
from api.letters import LINES
from api.plain_settings import plain
from api.rooms import Asked, Rooms
from api.routes.router import router
from api.shapes import Shape

routes = router("configuration")


class Outcome(StrEnum):
    """What became of a text that was to be checked."""

    OK = "ok"
    FAULTY = "faulty"
    BUSY = "busy"


class Checks:
    """One check at a time, and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = threading.Lock()
        self.outcomes = Counter(
            "plimsoll_configuration_checks",
            "Texts that were checked as a configuration, by outcome.",
            ["outcome"],
            registry=registry,
        )

    def count(self, outcome: Outcome) -> None:
        """One more."""
        self.outcomes.labels(outcome).inc()


async def checks_of(request: Request) -> Checks:
    """Those of the application."""
    checks: Checks = request.app.state.checks
    return checks


class CheckPosted(BaseModel):
    """A configuration to check."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"text": "collector:\n  interval: 30s\n"}]},
    )

    text: str = Field(
        max_length=MOST_TEXT, pattern=LINES, description="The text of a plimsoll.yaml."
    )


class ConfigurationShape(Shape):
    """What Plimsoll was started with."""

    version: str
    """The version that reads it."""
    settings: dict[str, Any]
    """What differs from the defaults, by section; secrets are masked. Durations are seconds."""


@routes.get("/configuration", summary="The configuration in force, without secrets")
def configuration(house: Rooms, asked: Annotated[Asked, Query()]) -> ConfigurationShape:
    """As it was read at the start; a file that was changed since is read at the next one."""
    return ConfigurationShape(version=version("plimsoll"), settings=plain(house.settings))


@routes.post("/configuration/check", summary="Check a text as a configuration")
def check(
    house: Rooms,
    posted: CheckPosted,
    checks: Annotated[Checks, Depends(checks_of)],
    asked: Annotated[Asked, Query()],
) -> CheckShape:
    """Every fault with line, key, reason and hint, as `plimsoll check` says it, and what would
    change. Nothing is stored; files that it names and variables are not looked at. One at a time,
    else 409."""
    if not checks.running.acquire(blocking=False):
        checks.count(Outcome.BUSY)
        detail = "Another text is being checked; try again in a second."
        raise ProblemError(409, detail, type_=ProblemType.CONFLICT, headers={"retry-after": "1"})
    try:
        found = checked(house.settings, posted.text)
    finally:
        checks.running.release()
    checks.count(Outcome.OK if found.ok else Outcome.FAULTY)
    return found

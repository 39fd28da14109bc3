"""How an endpoint gets at the house it serves."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api.house import House
from collector.run import TargetStatus

MOST_ITEMS = 200


def house_of(request: Request) -> House:
    """The house that the application was made for."""
    house: House = request.app.state.house
    return house


async def rooms_of(request: Request) -> House:
    """The same for an endpoint: here and now, as a plain function would be handed to a thread."""
    return house_of(request)


async def targets_of(request: Request) -> tuple[TargetStatus, ...]:
    """How the targets are doing; asked on the event loop, which the collector belongs to."""
    return house_of(request).collector.status()


Rooms = Annotated[House, Depends(rooms_of)]
Targets = Annotated[tuple[TargetStatus, ...], Depends(targets_of)]


class Asked(BaseModel):
    """Query parameters; an unknown one is an error, because a misspelt filter filters nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limited(Asked):
    """Query parameters of a list."""

    limit: int = Field(50, ge=1, le=MOST_ITEMS, description="Most items of an answer.")

"""`/itself`: how this process is doing."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from api.itself import ItselfShape, itself
from api.rooms import Asked, Rooms
from api.routes.health import failing
from api.routes.router import router

routes = router("itself")


async def started_at(request: Request) -> datetime:
    """When the application was made."""
    started: datetime = request.app.state.started
    return started


Started = Annotated[datetime, Depends(started_at)]


@routes.get("/itself", summary="How Plimsoll itself is doing")
def of_itself(house: Rooms, started: Started, asked: Annotated[Asked, Query()]) -> ItselfShape:
    """Loops, ticks, stores, queues, memory, and what was left out, each by its reason."""
    return itself(house, started, failing(house))

"""`/healthz` and `/readyz`: whether the process lives, and whether it does its work."""

from typing import Annotated

import duckdb
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from api.errors import FaultShape, ProblemError, ProblemType
from api.moments import milliseconds
from api.rooms import Asked, Rooms
from detector import units
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

LATE_WINDOWS = 5


@routes.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz(asked: Annotated[Asked, Query()]) -> Response:
    """The process answers. Nothing else is asked: restarting cures no full disk."""
    return JSONResponse({"status": "ok"})


@routes.api_route("/readyz", methods=["GET", "HEAD"])
def readyz(house: Rooms, asked: Annotated[Asked, Query()]) -> Response:
    """History and state answer, and the detector keeps up; otherwise 503 with what does not."""
    faults = [FaultShape(pointer=name, detail=why) for name, why in failing(house).items()]
    if faults:
        told = "; ".join(f"{one.pointer}: {one.detail}" for one in faults)
        raise ProblemError(503, told, type_=ProblemType.NOT_READY, errors=faults)
    return JSONResponse({"status": "ready"})


def failing(house: Rooms) -> dict[str, str]:
    """What does not work, by name."""
    faults = {}
    try:
        house.file.cursor().execute("SELECT 1").fetchone()
    except duckdb.Error:
        faults["history"] = "does not answer"
    try:
        with house.state.reading() as session:
            done_ms = house.book.progress_ms(session, TICK)
    except SQLAlchemyError:
        return {**faults, "state": "does not answer"}
    if done_ms is None:
        return {**faults, "detector": "no tick has ended yet"}
    step_ms = house.detector.definitions.step_ms
    allowed_ms = LATE_WINDOWS * step_ms + round(house.settings.delay * 1000)
    late_ms = milliseconds(house.now()) - done_ms
    if late_ms > allowed_ms:
        late, allowed = units.duration(late_ms / 1000), units.duration(allowed_ms / 1000)
        faults["detector"] = f"the last tick was {late} ago, {allowed} are allowed"
    return faults

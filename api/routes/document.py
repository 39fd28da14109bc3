"""`/api/v1/openapi.json`: what can be asked for and what comes, for programs that read it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api import contract
from api.access.gate import Access
from api.moments import milliseconds
from api.rooms import Asked, Rooms
from api.shapes import API

routes = APIRouter(include_in_schema=False)


@routes.get(f"{API}/openapi.json")
def openapi(house: Rooms, request: Request, asked: Annotated[Asked, Query()]) -> Response:
    """The OpenAPI document of all addresses above; while there is no token, none is asked for."""
    access: Access = request.app.state.access
    document = request.app.openapi()
    demanded = access.door.demanded(milliseconds(house.now()))
    return JSONResponse(document if demanded else contract.unasked(document))

"""How a router of the API is made: below one prefix, with problem details documented."""

from typing import Any

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from api.errors import MEDIA_TYPE, ProblemShape
from api.fields import Selecting
from api.shapes import API

# The gate has asked already; this is for the readers of the OpenAPI document.
BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `plimsoll token create`. Not asked for while there is none.",
)


def router(tag: str, prefix: str = API) -> APIRouter:
    """A router, below `/api/v1` unless told otherwise, whose endpoints document how they fail."""
    schema = ProblemShape.model_json_schema()
    # OpenAPI does not look for definitions inside of a schema.
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FaultShape"]
    problem: dict[str, Any] = {
        "description": "Problem details (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        responses={"4XX": problem, "5XX": problem},
        dependencies=[Depends(BEARER)],
        route_class=Selecting,
    )

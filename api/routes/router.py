"""How a router of the API is made: below one prefix, with problem details documented."""

from typing import Any

from fastapi import APIRouter

from api.errors import MEDIA_TYPE, ProblemShape
from api.shapes import API


def router(tag: str, prefix: str = API) -> APIRouter:
    """A router, below `/api/v1` unless told otherwise, whose endpoints document how they fail."""
    schema = ProblemShape.model_json_schema()
    # OpenAPI does not look for definitions inside of a schema.
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FaultShape"]
    problem: dict[str, Any] = {
        "description": "Problem details (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    return APIRouter(prefix=prefix, tags=[tag], responses={"4XX": problem, "5XX": problem})

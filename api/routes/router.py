"""How a router of the API is made: below one prefix, and how an operation says how it may fail."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from api.contract import BEYOND
from api.fields import Selecting
from api.shapes import API

# The gate has asked already; this is for the readers of the OpenAPI document.
BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `plimsoll token create`. Not asked for while there is none.",
)


def router(tag: str, prefix: str = API) -> APIRouter:
    """A router, below `/api/v1` unless told otherwise; `api.contract` documents how it fails."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        dependencies=[Depends(BEARER)],
        route_class=Selecting,
    )


def problems(told: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that has these problems beside those that all have."""
    return {status: {"description": why} for status, why in told.items()}


def beyond(rules: Mapping[str, str]) -> dict[str, Any]:
    """The `openapi_extra` of an operation that refuses what fits its schema: where, and why.

    The places are the pointers of the problem: `?since`, `#/ends_at`. A test insists that nothing
    else that fits the schema is refused.
    """
    return {BEYOND: dict(rules)}

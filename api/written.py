"""Pages of lists, written from the members of their shapes without a shape for each item.

A shape checks every member and makes an object of it: for a page of fifty items that takes as long
as to find and read them. The shapes stay what is documented, and what these answers are tested
against, byte by byte.
"""

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

JSON = "application/json"


def page_of(items: list[dict[str, Any]], next_cursor: str | None) -> Response:
    """The answer with one page: of each item the members of its shape, in their order.

    Written by what writes shapes, so that each number and each time looks as it does there.
    """
    body = {"items": items, "next_cursor": next_cursor}
    return Response(to_json(body, inf_nan_mode="null"), media_type=JSON)

"""Pages of lists, written from the members of their shapes without a shape for each item.

A shape checks every member and makes an object of it: for a page of fifty items that takes as long
as to find and read them. The shapes stay what is documented, and what these answers are tested
against, byte by byte.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic_core import to_json
from starlette.responses import Response

from api.errors import bad_cursor
from detector.paging import BadCursorError
from storage.state import State
from storage.views import View

JSON = "application/json"
Wanted = TypeVar("Wanted")
One = TypeVar("One")


def looked_up(
    state: State,
    page: Callable[[View, Wanted], tuple[Sequence[One], str | None]],
    wanted: Wanted,
    members: Callable[[One], dict[str, Any]],
) -> Response:
    """The answer with the page that is wanted; a 422 problem for a cursor that is none."""
    with state.looking() as view:
        try:
            found, cursor = page(view, wanted)
        except (BadCursorError, OverflowError):
            raise bad_cursor() from None
    return page_of([members(one) for one in found], cursor)


def page_of(items: list[dict[str, Any]], next_cursor: str | None) -> Response:
    """The answer with one page: of each item the members of its shape, in their order.

    Written by what writes shapes, so that each number and each time looks as it does there.
    """
    body = {"items": items, "next_cursor": next_cursor}
    return Response(to_json(body, inf_nan_mode="null"), media_type=JSON)

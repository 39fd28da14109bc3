"""`/routing` and `/receivers`: who is told of what, and how telling them goes."""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from alerts.matchers import MatcherError
from api.addressed import RoutingShape, label_set, routing
from api.hearers import ReceiverShape, receivers
from api.rooms import Asked, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Text
from api.shapes import Shape

routes = router("routing")

MOST_LABELS = 50


def written(text: str) -> str:
    """`name=value`."""
    try:
        label_set([text])
    except MatcherError as error:
        raise ValueError(str(error)) from None
    return text


class RoutingAsked(Asked):
    """Which labels an alert would have."""

    label: list[Annotated[Text, Field(max_length=200), AfterValidator(written)]] = Field(
        [],
        max_length=MOST_LABELS,
        description="A label of an alert, `service=shop`; repeat it.",
    )


class ReceiversList(Shape):
    """All receivers."""

    items: list[ReceiverShape]
    """In the order of the configuration."""


@routes.get(
    "/routing",
    summary="The tree of routes, and whom an alert would reach",
    openapi_extra=beyond({"?label": "is not one label like `service=shop`"}),
)
def tree(house: Rooms, asked: Annotated[RoutingAsked, Query()]) -> RoutingShape:
    """With labels it says which nodes take such an alert, which receivers hear of it, and which
    silences would keep it quiet."""
    return routing(house, label_set(asked.label) if asked.label else None)


@routes.get("/receivers", summary="Receivers and how telling them goes")
def all_receivers(house: Rooms, asked: Annotated[Asked, Query()]) -> ReceiversList:
    """What waits for each, what went wrong last, and what arrived in the last 7 days."""
    return ReceiversList(items=receivers(house))

"""`/rules`: what counts as a regression."""

from typing import Annotated

from fastapi import Query

from api.rooms import Asked, Rooms
from api.routes.router import router
from api.shapes import Shape
from api.signal_shapes import RuleShape

routes = router("rules")


class RulesList(Shape):
    """All rules, in the order of their definitions."""

    items: list[RuleShape]
    """The rules."""


@routes.get("/rules", summary="Rules in words and as configured")
def rules(house: Rooms, asked: Annotated[Asked, Query()]) -> RulesList:
    """Shipped ones and the user's own, disabled ones too."""
    definitions = house.detector.definitions
    return RulesList(
        items=[
            RuleShape.of(name, rule, definitions.signals[rule.signal])
            for name, rule in definitions.rules.items()
            if rule.signal in definitions.signals
        ]
    )

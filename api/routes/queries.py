"""`/queries`: which statements of databases took the time."""

from enum import StrEnum
from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.query_shapes import QueryShape, queries
from api.rooms import Limited, Rooms
from api.routes.router import router
from api.routes.texts import Name
from api.shapes import Shape
from api.statements import Span

routes = router("queries")


class Sort(StrEnum):
    """What the first of a list has most of."""

    TOTAL_TIME = "total_time"
    MEAN = "mean"
    CALLS = "calls"

    def size(self, one: QueryShape) -> float:
        """How much of it a statement has."""
        match self:
            case Sort.TOTAL_TIME:
                return one.total_seconds
            case Sort.MEAN:
                return one.mean_seconds
            case Sort.CALLS:
                return one.calls


class QueriesAsked(Limited):
    """Which statements; each filter narrows the answer."""

    target: Name | None = Field(None, description="Name of a target.")
    datname: Name | None = Field(None, description="Name of a database.")
    sort: Sort = Field(Sort.TOTAL_TIME, description="What the first one has most of.")
    span: Span = Field(Span.DAY, description="How far back executions are added up.")


class QueriesList(Shape):
    """Statements, those with most of what is asked for first."""

    items: list[QueryShape]
    """The statements."""
    total: int
    """How many there are, those beyond `limit` counted."""


@routes.get("/queries", summary="Statements of databases and what they took")
def statements(house: Rooms, asked: Annotated[QueriesAsked, Query()]) -> QueriesList:
    """Those with series of their own: the ones that took most time. Texts hold no constants."""
    with house.state.reading() as session:
        open_ = list(house.book.open_regressions(session))
    found = find(queries(house, asked.span, open_), asked)
    return QueriesList(items=found[: asked.limit], total=len(found))


def find(all_: list[QueryShape], asked: QueriesAsked) -> list[QueryShape]:
    """Those that are asked for, in order."""
    chosen = [
        one
        for one in all_
        if asked.target in (None, one.target) and asked.datname in (None, one.datname)
    ]
    return sorted(
        chosen,
        key=lambda one: (-asked.sort.size(one), one.target, one.datname, one.fingerprint),
    )

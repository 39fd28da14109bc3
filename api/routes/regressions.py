"""`/regressions`: what got worse, now and in the past."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from api.errors import ProblemError, ProblemType, missing
from api.moments import Moment, maybe_milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import router
from api.shapes import RegressionShape, Shape, WholeRegression
from api.told import Told, told
from detector.book import BadCursorError
from detector.book import Query as Wanted
from detector.regression import Phase, Severity

routes = router("regressions")


class RegressionsAsked(Limited):
    """Which regressions; each filter narrows the answer."""

    state: Phase | None = Field(None, description="`open` or `resolved`.")
    severity: Severity | None = Field(None, description="`info`, `warning` or `critical`.")
    signal: str | None = Field(None, max_length=200, description="Name of a signal.")
    rule: str | None = Field(None, max_length=200, description="Name of a rule.")
    target: str | None = Field(None, max_length=200, description="Name of a target.")
    since: Moment | None = Field(None, description="Found at this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="Found at this time or earlier, RFC 3339.")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of a page.")

    def wanted(self) -> Wanted:
        """The same for the book."""
        return Wanted(
            phase=self.state,
            severity=self.severity,
            signal=self.signal,
            rule=self.rule,
            target=self.target,
            since_ms=maybe_milliseconds(self.since),
            until_ms=maybe_milliseconds(self.until),
            cursor=self.cursor,
            limit=self.limit,
        )


class RegressionsPage(Shape):
    """One page, newest first."""

    items: list[RegressionShape]
    """The regressions."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


def find(house: Rooms, asked: RegressionsAsked) -> tuple[list[Told], str | None]:
    """One page of regressions with their incidents, and the cursor of the next."""
    with house.state.reading() as session:
        try:
            page = house.book.page(session, asked.wanted())
        except (BadCursorError, OverflowError):
            raise ProblemError(
                400,
                "This cursor was not handed out by this API; begin again without one.",
                type_=ProblemType.BAD_CURSOR,
            ) from None
        return told(house, session, page.regressions), page.next_cursor


def find_whole(house: Rooms, regression_id: str) -> WholeRegression:
    """One regression with everything; a 404 problem when there is none."""
    with house.state.reading() as session:
        regression = house.book.regression(session, regression_id)
        if regression is None:
            raise missing(f"regression {regression_id}")
        (one,) = told(house, session, [regression])
        steps = house.book.transitions(session, regression_id)
    return WholeRegression.whole(one, steps, house.detector.definitions)


@routes.get("/regressions", summary="Regressions, newest first")
def regressions(house: Rooms, asked: Annotated[RegressionsAsked, Query()]) -> RegressionsPage:
    """Pages stay right while new regressions come in: a cursor is a place, not a number of rows."""
    found, cursor = find(house, asked)
    return RegressionsPage(items=[RegressionShape.of(one) for one in found], next_cursor=cursor)


@routes.get("/regressions/{regression_id}", summary="One regression, whole")
def regression(
    house: Rooms, regression_id: str, asked: Annotated[Asked, Query()]
) -> WholeRegression:
    """With its evidence, its steps, its incident and the deployment that fits in time."""
    return find_whole(house, regression_id)

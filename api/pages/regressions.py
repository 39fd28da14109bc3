"""The history of regressions, and one regression with chart, facts and evidence."""

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from alerts.subject import labels_of
from api.curves import curves, stretch
from api.house import House
from api.moments import at
from api.pages.charts import of_regression
from api.pages.render import render
from api.pages.troubles import elsewhere
from api.rooms import Asked, Rooms, Targets
from api.routes.regressions import Life, RegressionsAsked, Which, find, find_whole
from api.shapes import RegressionShape
from api.signal_shapes import RuleShape
from detector.regression import Regression, Severity
from detector.units import text
from storage.series import Match, Matcher

routes = APIRouter(include_in_schema=False)

ROWS = 25
BEFORE = timedelta(hours=2)
AFTER = timedelta(hours=1)
MOST_NUMBERS = 60
# What may differ the next time, or follows from the rule.
ITS_OWN = frozenset({"incident", "kind", "severity", "signal"})


@routes.api_route("/regressions", methods=["GET", "HEAD"])
def history(house: Rooms, known: Targets, request: Request) -> Response:
    """A table with filters; a form sends the empty ones too, which filter nothing."""
    given = {name: value for name, value in request.query_params.items() if value}
    try:
        asked = RegressionsAsked.model_validate({"limit": ROWS, **given})
    except ValidationError as error:
        faults = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(faults) from None
    found, cursor = find(house, asked)
    definitions = house.detector.definitions
    filters = {name: value for name, value in given.items() if name != "cursor"}
    choices = {
        "state": list(Life),
        "kind": list(Which),
        "severity": list(Severity),
        "signal": list(definitions.signals),
        "rule": list(definitions.rules),
        "target": [one.name for one in known],
    }
    return render(
        "history.html",
        {
            "rows": [RegressionShape.of(one) for one in found],
            "choices": choices,
            "given": given,
            "filtered": bool(filters.keys() & choices.keys()),
            "first": f"/regressions?{urlencode(filters)}" if asked.cursor else None,
            "older": f"/regressions?{urlencode({**filters, 'cursor': cursor})}" if cursor else None,
            "as_json": f"/api/v1/regressions?{urlencode(filters)}",
        },
    )


@routes.api_route("/regressions/{regression_id}", methods=["GET", "HEAD"])
def regression(house: Rooms, regression_id: str, asked: Annotated[Asked, Query()]) -> Response:
    """One regression."""
    if (shown_elsewhere := elsewhere(regression_id)) is not None:
        return shown_elsewhere
    whole = find_whole(house, regression_id)
    with house.state.reading() as session:
        one = house.book.regression(session, regression_id)
    assert one is not None  # found a moment ago, and regressions are never deleted
    definitions = house.detector.definitions
    rule, signal = definitions.rules.get(one.rule), definitions.signals.get(one.signal)
    since, until = shown(one, house.now())
    return render(
        "regression.html",
        {
            "one": whole,
            "chart": of_regression(one, since, until) if signal else None,
            "rule": RuleShape.of(one.rule, rule, signal) if rule and signal else None,
            "numbers": numbers(house, one, since, until),
            "silence": f"/silences?{urlencode({'matchers': like(one)})}",
        },
    )


def like(one: Regression) -> str:
    """The conditions of a silence for the same rule on the same series, one in each line."""
    labels = labels_of(one, one.incident_id)
    kept = [(name, value) for name, value in labels.items() if name not in ITS_OWN]
    kept.sort(key=lambda one: one[0] != "alertname")  # what one looks for comes first
    return "\n".join(str(Matcher(name, Match.EQUAL, value)) for name, value in kept)


def shown(one: Regression, now: datetime) -> tuple[datetime, datetime]:
    """The span of its chart: some time before the change, until now or a while after the end."""
    began = at(one.began_lo_ms)
    ended = now if one.resolved_ms is None else min(now, at(one.resolved_ms) + AFTER)
    return began - max(BEFORE, (ended - began) / 3), max(ended, began + timedelta(minutes=1))


def numbers(
    house: House, one: Regression, since: datetime, until: datetime
) -> list[tuple[datetime, str, str]]:
    """The chart as a table, for those who cannot see it: time, value, observations."""
    signal = house.detector.definitions.signals.get(one.signal)
    if signal is None:
        return []
    since_ms, until_ms = (round(moment.timestamp() * 1000) for moment in (since, until))
    reach = stretch(house, signal, since_ms, until_ms, MOST_NUMBERS)
    drawn = curves(house, signal, [one.labels], reach)[one.labels]
    rows = zip(drawn.end_ms, drawn.value, drawn.n, strict=True)
    return [(at(end_ms), text(value, one.unit), text(n, "")) for end_ms, value, n in rows]

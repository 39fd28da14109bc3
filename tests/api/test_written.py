"""Pages of lists are written without a shape for each item, and say what their shapes say."""

from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlmodel import Session

from api import incident_shapes
from api.app import ROUTERS
from api.house import House
from api.incident_shapes import IncidentSummary
from api.routes.events import EventShape, EventsPage
from api.routes.incidents import IncidentsPage
from api.routes.regressions import RegressionsPage
from api.shapes import RegressionShape, Shape
from api.told import told
from api.written import page_of
from detector import timeline
from detector.paging import Query, page
from detector.regression import Kind, Phase, Tag
from detector.units import Unit
from storage.series import Labels
from tests.alerts.test_visitors import ELEMENT, RELEASES
from tests.api.asking import Client
from tests.api.shop import MINUTE_MS, NOW_MS, deployment
from tests.api.test_regressions import put

ODD: list[dict[str, Any]] = [
    {"evidence": {"visits": {"releases": RELEASES, "elements": [ELEMENT]}}, "unit": Unit.SECONDS},
    {"baseline": 0.4, "evidence": {"of_hours": True}, "tags": (Tag.COST_SHIFT, Tag.LOAD_DRIVEN)},
    {"value": float("inf"), "worst": 1e22, "threshold": 1e-7, "title": 'ä "b" \\ \x7f \u2028'},
    {"kind": Kind.IMPROVEMENT, "worse": "down", "labels": Labels.of(route="/ü?", target="a b")},
    {"phase": Phase.SUSPECTED, "labels": Labels.of(), "silent_since_ms": 1},
    {"phase": Phase.MUTED, "muted_until_ms": NOW_MS + 1, "by": "ada", "version": 3},
]
LISTS = ("/api/v1/regressions?kind=any", "/api/v1/incidents", "/api/v1/events")


@pytest.fixture
def told_of(house: House, client: Client) -> Client:
    """The application of a house with a regression of each oddness, one of them resolved."""
    with house.state.unit() as session:
        house.book.add_deployment(session, deployment("host0", "2.7.1", NOW_MS - 2 * MINUTE_MS))
    for number, changes in enumerate(ODD):
        put(house, number, NOW_MS + number, **changes)
    resolved = {"actor": "ada", "reason": "\t<b>&\u00e9"}
    assert client.post("/api/v1/regressions/reg_001/resolve", json=resolved).status_code == 200
    return client


def test_regressions_are_written_as_their_shapes_are(told_of: Client, house: House) -> None:
    with house.state.reading() as session:
        found = page(session, Query())
        items = [RegressionShape.of(one) for one in told(house, session, found.regressions)]
    assert len(items) == len(ODD)
    assert any(one.deployment for one in items)
    whole = RegressionsPage(items=items, next_cursor=None)
    assert told_of.get(LISTS[0]).content == whole.model_dump_json().encode()


def test_incidents_are_written_as_their_shapes_are(told_of: Client, house: House) -> None:
    with house.state.reading() as session:
        found = house.book.incidents(session, True)
    found.sort(key=lambda one: (one.opened_ms, one.id), reverse=True)
    items = [IncidentSummary(**incident_shapes.members(one)) for one in found]
    assert len(items) > 1
    whole = IncidentsPage(items=items, next_cursor=None)
    assert told_of.get(LISTS[1]).content == whole.model_dump_json().encode()


def test_events_are_written_as_their_shapes_are(told_of: Client, house: House) -> None:
    with house.state.looking() as view:
        found, _ = timeline.page(view, timeline.Wanted())
    whole = EventsPage(items=[EventShape.of(one) for one in found], next_cursor=None)
    assert {one.about.value for one in found} == {"regression", "incident"}
    assert told_of.get(LISTS[2]).content == whole.model_dump_json().encode()


@pytest.mark.parametrize(
    ("shape", "members"),
    [
        (RegressionShape, "regressions"),
        (IncidentSummary, "incidents"),
        (EventShape, "events"),
    ],
)
def test_members_stand_in_the_order_of_the_shape(
    told_of: Client, shape: type[BaseModel], members: str
) -> None:
    (first, *_) = told_of.get(f"/api/v1/{members}").json()["items"]
    assert list(first) == list(shape.model_fields)


@pytest.mark.parametrize("path", LISTS)
def test_a_page_is_one_statement_without_a_session_or_a_shape(
    told_of: Client, house: House, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    with house.state.looking() as view:
        connection: Any = view.connection
    connection.set_trace_callback(statements.append)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a page needs none")

    monkeypatch.setattr(Session, "__init__", refused)
    monkeypatch.setattr(Shape, "__init__", refused)
    answer = told_of.get(f"{path}{'&' if '?' in path else '?'}limit=2")
    connection.set_trace_callback(None)
    assert answer.status_code == 200
    assert len(statements) == 1


def test_numbers_that_json_has_not_are_written_as_null() -> None:
    items = [{"a": float("nan"), "b": float("-inf"), "c": 1e22}]
    assert bytes(page_of(items, "x").body) == (
        b'{"items":[{"a":null,"b":null,"c":1e+22}],"next_cursor":"x"}'
    )


def test_no_request_is_handed_to_a_thread_for_what_it_depends_on() -> None:
    routes = [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]
    assert len(routes) > 100
    known = {one.call for route in routes for one in inner(route.dependant)}
    assert {one for one in known if not waits(one)} == set()


def inner(dependant: Dependant) -> Iterator[Dependant]:
    """All that something depends on."""
    for one in dependant.dependencies:
        yield one
        yield from inner(one)


def waits(call: Any) -> bool:
    """Whether it is a coroutine, or an object that is called as one."""
    return iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)

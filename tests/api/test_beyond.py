"""What operations say they refuse although it fits their schema, they do refuse; and nothing else.

Each rule of `x-beyond-schema` has a request here that fits the schema and is refused for that rule
alone. A rule that is declared and never happens, or happens and is not declared, is found.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query

from api import contract
from api.contract import BEYOND
from api.errors import MEDIA_TYPE, invalid, register
from api.routes import signals
from api.routes.router import beyond
from tests.api.asking import problem
from tests.api.offered import Told, name_of, resolved, told_of
from tests.api.scrutiny import errors, is_declared, rule_of, scrutinised
from tests.api.shop import close, shop_house
from tests.api.test_access import bearing

CHECK = "positive_data_acceptance"
KEY, CURSOR = "Idempotency-Key", "?cursor"
LATER, LONG_AGO, EARLY = "2026-03-02T11:00:00Z", "2020-01-01T00:00:00Z", "2026-03-02T10:00:00Z"
BACKWARDS = {"since": LATER, "until": EARLY}
TOO_LONG = {"since": LONG_AGO}
MINE = {"actor": "ada", "reason": "a test"}
QUIET = {"created_by": "ada", "comment": "a test"}
SILENCE = {**QUIET, "matchers": ["service=shop"]}
CALM = {**QUIET, "service": "shop"}
NEEDED = {"app": "shop", "metric": "LCP"}
PAST, SOON, FAR = "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "2300-01-01T00:00:00Z"

# (operation, rule): the queries, or the bodies, that are refused for it.
Refused = dict[tuple[str, str], list[dict[str, Any]]]
SPANS = (
    "/signals/{name}/windows",
    "/signals/{name}/windows/export",
    "/targets/{target}/figures",
    *(f"/web-vitals{one}" for one in ("", "/elements", "/shift", "/routes", "/trend")),
    "/web-vitals/releases",
    "/web-vitals/distribution",
)
CURSORS = ("regressions", "incidents", "events", "notifications", "silences", "recommendations")
QUERIES: Refused = {
    **{(f"GET {one}", "?since"): [BACKWARDS, TOO_LONG] for one in SPANS},
    **{(f"GET /{one}", CURSOR): [{"cursor": "bm9uZQ"}] for one in CURSORS},
    ("GET /signals/{name}/windows/export", "?seconds"): [{"seconds": 61}],
    ("GET /signals/{name}/windows", "?series"): [{}],
    ("GET /signals/{name}/series/{series}/explain", "?at"): [
        {"at": "2026-03-02T13:00:00Z"},
        {"at": "1969-12-31T00:00:00Z"},
    ],
    ("GET /judgements", "?gate"): [{"gate": "min_delta", "reason": "min_delta"}],
    ("GET /judgements", "?series"): [{"series": "0123456789ab"}],
    ("GET /silences/preview", "?matcher"): [
        {"matcher": "service"},
        {"matcher": "service=~("},
        {"matcher": "service=~.*"},
    ],
    ("GET /routing", "?label"): [{"label": "service"}],
}
ENDS = ({"ends_at": PAST}, {"ends_at": FAR}, {"starts_at": FAR, "ends_at": SOON})
BODIES: Refused = {
    ("POST /regressions/{regression_id}/mute", "#/for"): [{**MINE, "for": "1h", "until": SOON}],
    ("POST /regressions/{regression_id}/mute", "#/until"): [{**MINE, "until": PAST}],
    ("POST /replay", "#/"): [{"rules": {}, "text": "rules: {}"}],
    ("POST /replay", "#/text"): [{"text": "rules: ["}, {"text": "none"}],
    ("POST /replay", "#/days"): [{"days": 400}],
    ("POST /replay", "#/rule_names"): [{"rule_names": ["nobody"]}],
    ("POST /replay", "#/signals"): [{"signals": ["nobody"]}],
    ("POST /replay", "#/rules"): [{"rules": {}}, {"rules": {"mine": {"signal": 3}}}],
    ("POST /deployments", "#/at"): [
        {"service": "shop", "version": "1", "at": "2026-03-05T00:00:00Z"},
        {"service": "shop", "version": "1", "at": LONG_AGO},
    ],
    ("POST /deployments", "#/url"): [
        {"service": "shop", "version": "1", "url": "https://ada:secret@ci.example/"},
    ],
    ("POST /silences", "#/"): [SILENCE, {**SILENCE, "for": "1h", "ends_at": SOON}],
    ("POST /silences", "#/ends_at"): [{**SILENCE, **one} for one in ENDS],
    ("POST /silences", "#/matchers"): [
        {**SILENCE, "for": "1h", "matchers": [one]} for one in ("service", "service=~.*")
    ],
    ("POST /maintenance", "#/"): [CALM, {**CALM, "for": "1h", "ends_at": SOON}],
    ("POST /maintenance", "#/matchers"): [
        {**QUIET, "for": "1h"},
        {**QUIET, "for": "1h", "matchers": ["service=~.*"]},
    ],
    ("POST /maintenance", "#/ends_at"): [{**CALM, **one} for one in ENDS],
    ("PATCH /silences/{silence_id}", "#/ends_at"): [{"ends_at": PAST}, {"ends_at": FAR}],
    ("POST /tokens", "#/expires_in"): [
        {"name": "ci", "scopes": ["read"], "expires_in": "1h", "expires_at": SOON}
    ],
    ("POST /tokens", "#/expires_at"): [{"name": "ci", "scopes": ["read"], "expires_at": PAST}],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A shop with things to ask for; asking for three series without naming them is too much."""
    house = shop_house(tmp_path_factory.mktemp("beyond"))
    with told_of(house) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "MOST_SERIES", 2)
        yield made
    close(house)


def declared(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Every operation and rule."""
    return {
        (name_of(method, path.removeprefix("/api/v1")), rule)
        for path, method, operation in contract.operations(document)
        for rule in operation.get(BEYOND, {})
    }


def asked(told: Told, name: str, **more: Any) -> httpx.Response:
    """One request of an operation."""
    method, _, path = name.partition(" ")
    headers = {**bearing(told.token), **more.pop("headers", {})}
    return told.client.request(method, told.path(f"/api/v1{path}"), headers=headers, **more)


def holds(told: Told, name: str, rule: str, answer: httpx.Response) -> None:
    """It was refused for this rule alone, and the document says so."""
    status, type_ = (400, "bad-cursor") if rule == CURSOR else (422, "invalid")
    body = problem(answer, status, type_)
    assert {rule_of(one["pointer"]) for one in body["errors"]} == {rule}, (name, body)
    method, _, path = name.partition(" ")
    label = f"{method} /api/v1{path}"
    assert is_declared(told.document, label, CHECK, answer.content)
    rules = dict(told.document["paths"][f"/api/v1{path}"][method.lower()][BEYOND])
    del rules[rule]
    without = {"paths": {f"/api/v1{path}": {method.lower(): {BEYOND: rules}}}}
    assert not is_declared(without, label, CHECK, answer.content), "it would not be found"


def test_every_declared_refusal_has_a_request_here(told: Told) -> None:
    posts = {
        (name_of(method, path.removeprefix("/api/v1")), KEY)
        for path, method, _ in told.operations()
        if method == "post"
    }
    assert declared(told.document) == QUERIES.keys() | BODIES.keys() | posts


@pytest.mark.parametrize(("name", "rule"), QUERIES)
def test_a_query_that_fits_is_refused_as_declared(told: Told, name: str, rule: str) -> None:
    method, _, path = name.partition(" ")
    operation = told.document["paths"][f"/api/v1{path}"][method.lower()]
    known = {
        one["name"]: one["schema"]
        for one in (resolved(told.document, each) for each in operation["parameters"])
        if one["in"] == "query"
    }
    for query in QUERIES[name, rule]:
        query = {**{one: NEEDED[one] for one in NEEDED if one in known}, **query}
        for parameter, value in query.items():
            schema = {**known[parameter], "components": told.document["components"]}
            listed = value if schema.get("type") != "array" else [value]
            assert list(errors(schema, listed)) == [], f"{name}: {parameter} does not fit"
        holds(told, name, rule, asked(told, name, params=query))


@pytest.mark.parametrize(("name", "rule"), BODIES)
def test_a_body_that_fits_is_refused_as_declared(told: Told, name: str, rule: str) -> None:
    method, _, path = name.partition(" ")
    operation = told.document["paths"][f"/api/v1{path}"][method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    for body in BODIES[name, rule]:
        fits = list(errors({**schema, "components": told.document["components"]}, body))
        assert fits == [], f"{name}: {fits}"
        holds(told, name, rule, asked(told, name, json=body))


def test_a_key_of_another_request_is_refused_by_every_post(told: Told) -> None:
    posts = [(p, o) for p, method, o in told.operations() if method == "post"]
    first = {"headers": {KEY: "one-of-them"}, "json": {"name": "x", "scopes": ["read"]}}
    made = asked(told, "POST /tokens", **first)
    assert made.status_code == 201
    for path, operation in posts:
        headers = {KEY: "one-of-them"}
        more: dict[str, Any] = {"headers": headers, "json": {"other": 1}}
        name = name_of("post", path.removeprefix("/api/v1"))
        body = problem(asked(told, name, **more), 422, "invalid")
        assert {one["pointer"] for one in body["errors"]} == {KEY}
        assert KEY in operation[BEYOND]


# --- what declares nothing is found ---


def half(rules: dict[str, str]) -> FastAPI:
    """An application that refuses odd numbers, and declares `rules`."""
    app = FastAPI()
    register(app)

    @app.get(
        "/halves",
        tags=["summary"],
        summary="Half of it",
        openapi_extra=beyond(rules),
        responses={422: {"content": {MEDIA_TYPE: {}}, "description": "no"}},
    )
    def halves(n: Annotated[int, Query(ge=0, le=9)]) -> int:
        """Half of an even number."""
        if n % 2:
            raise invalid("?n", "is odd")
        return n // 2

    return app


def test_a_refusal_that_nobody_declared_is_found() -> None:
    found = {}
    for rules in ({}, {"?n": "is odd"}, {"?m": "is odd"}):
        app = half(rules)
        made = scrutinised(app, app.openapi(), phases=("fuzzing",), examples=20, seed=1)
        found[str(rules)] = [one for one in made.findings if CHECK in one]
    assert [len(one) for one in found.values()] == [1, 0, 1], found

"""The OpenAPI document keeps its word: asked for everything it offers, and for much it does not.

Everything here goes over all operations of the document, so that what is new is covered by itself.
`PLIMSOLL_REWRITE_GOLDEN=1` writes the answers in `api/examples.json` anew. What takes longer is in
`test_contract_long.py`.
"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api import contract
from api.access import book
from api.access.token import Scope
from tests.api.asking import problem
from tests.api.offered import Told, body_of, holds, keep, name_of, resolved, told_of
from tests.api.scrutiny import errors, scrutinised
from tests.api.shop import close, shop_house
from tests.api.test_access import bearing, token

SEED = 20260302
FEW = 2
"""How many requests are made up for each operation beside those on the edges of its schema."""

ALIKE = frozenset({"fields", "If-None-Match", "Idempotency-Key"})
SHORT = 1
"""So many items of a list stand in an example."""

WEAKER = {
    Scope.READ: Scope.INGEST,
    Scope.WRITE: Scope.READ,
    Scope.INGEST: Scope.READ,
    Scope.ADMIN: Scope.WRITE,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A shop with things to ask for."""
    house = shop_house(tmp_path_factory.mktemp("contract"))
    with told_of(house) as made:
        yield made
    close(house)


# --- what schemathesis finds ---


@pytest.mark.timeout(900)
def test_nothing_is_found_while_nobody_has_to_say_who_he_is(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tokens are made on the way, and everybody would be asked from the first one on.
    monkeypatch.setattr(book, "any_live", lambda *_: False)
    told.app.state.access.door.forget()
    found = scrutinised(
        told.app,
        contract.unasked(once(told.document)),
        phases=("examples", "coverage"),
        examples=FEW,
        seed=SEED,
    )
    told.app.state.access.door.forget()
    holds(told, found)


@pytest.mark.timeout(900)
def test_nothing_is_found_with_a_token(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(told, monkeypatch)
    found = scrutinised(
        told.app,
        once(told.document),
        phases=("fuzzing",),
        examples=FEW,
        seed=SEED,
        token=told.token,
    )
    holds(told, found)
    assert found.statuses[401] < 0.7 * found.requests, "the token is no longer let in"


def once(document: dict[str, Any]) -> dict[str, Any]:
    """The document with parameters that work alike everywhere on one operation of each method."""
    made, kept = deepcopy(document), set()
    for _, method, operation in contract.operations(made):
        left = []
        for one in operation["parameters"]:
            name = one.get("name") or one["$ref"].rpartition("/")[2]
            if name not in ALIKE or (name, method) not in kept:
                kept.add((name, method))
                left.append(one)
        operation["parameters"] = left
    return made


# --- who may ---


def test_every_operation_refuses_who_has_no_token_or_lacks_the_scope(told: Told) -> None:
    texts = {scope: token(told.house, scope, name=f"only {scope}") for scope in Scope}
    for path, method, operation in told.operations():
        scope = contract.scope_of(operation)
        assert scope is not None, f"{name_of(method, path)} lets anybody in"
        problem(told.ask(method, path, operation, ""), 401, "unauthorized")
        problem(told.ask(method, path, operation, "plimsoll_x_y"), 401, "unauthorized")
        refused = problem(told.ask(method, path, operation, texts[WEAKER[scope]]), 403, "forbidden")
        assert scope.value in refused["detail"]


def test_the_document_says_whether_a_token_is_needed_now(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = told.client.get("/api/v1/openapi.json", headers=bearing(told.token)).json()
    assert asked["paths"]["/api/v1/rules"]["get"]["security"] == [{"token": ["read"]}]
    monkeypatch.setattr(book, "any_live", lambda *_: False)
    told.app.state.access.door.forget()
    unasked = told.client.get("/api/v1/openapi.json").json()
    assert unasked["paths"]["/api/v1/rules"]["get"]["security"] == [{"token": ["read"]}, {}]
    told.app.state.access.door.forget()


# --- what the document says ---


def test_every_operation_is_described(told: Told) -> None:
    tags = {one["name"]: one["description"] for one in told.document["tags"]}
    for path, method, operation in told.operations():
        name = name_of(method, path)
        assert operation["summary"], name
        assert len(operation["description"]) > 30, f"{name}: say more in its docstring"
        assert set(operation["tags"]) <= tags.keys(), f"{name}: describe its tag in api.contract"
        for one in operation["parameters"]:
            parameter = resolved(told.document, one)
            described = parameter.get("description") or parameter["in"] == "path"
            assert described, f"{name}: {parameter['name']} has no description"


def test_every_text_that_comes_in_is_bounded(told: Told) -> None:
    for path, method, operation in told.operations():
        for one in operation["parameters"]:
            parameter = resolved(told.document, one)
            if parameter["name"] != "If-None-Match":
                where = f"{name_of(method, path)}: {parameter['name']}"
                assert unbounded(told.document, parameter["schema"], where) == []
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert unbounded(told.document, schema, name_of(method, path)) == []


def unbounded(document: dict[str, Any], schema: Any, where: str) -> list[str]:
    """The texts, lists and integers of a schema that may be of any length, or hold anything."""
    one = resolved(document, schema)
    found = []
    kind = one.get("type")
    if kind == "string" and not one.keys() & {"enum", "const", "format"}:
        found += [f"{where}: a text without a pattern"] if "pattern" not in one else []
        long = "maxLength" not in one and not str(one.get("pattern", "")).endswith("}$")
        found += [f"{where}: a text of any length"] if long else []
    if kind == "integer":
        found += [f"{where}: a number of any size"] if "maximum" not in one else []
    if kind == "array":
        found += [f"{where}: a list of any length"] if "maxItems" not in one else []
        found += unbounded(document, one["items"], f"{where}[]")
    for inner in one.get("anyOf", ()):
        found += unbounded(document, inner, where)
    for name, inner in one.get("properties", {}).items():
        found += unbounded(document, inner, f"{where}.{name}")
    return found


# --- where answers lead ---

EMPTY = {"GET /api/v1/databases", "GET /api/v1/recommendations", "GET /api/v1/caches"}
"""What this house has nothing of."""


def test_every_link_leads_to_something_that_is_there(told: Told) -> None:
    targets = {o["operationId"]: (path, method, o) for path, method, o in told.operations()}
    followed, left = set(), set()
    for path, method, operation in told.operations():
        name = name_of(method, path)
        links = [one.get("links", {}) for one in operation["responses"].values()]
        if not any(links):
            continue
        answer = told.ask(method, path, operation, told.token)
        # Not all can be done twice: what is over already is a 409 here.
        assert answer.status_code in (200, 201, 409), f"{name}: {answer.text}"
        known = operation["responses"].get(str(answer.status_code), {}).get("links", {})
        for link, one in known.items():
            target, asked, aim = targets[one["operationId"]]
            given = {k: value_of(told, path, answer, v) for k, v in one["parameters"].items()}
            needed = {p["name"] for p in aim["parameters"] if p.get("in") == "path"}
            assert needed <= given.keys(), f"{name}: {link} leaves a part of the address open"
            if asked != "get" or None in given.values():
                left.add(name if None in given.values() and link != "next" else "")
                continue
            query = {k: v for k, v in given.items() if k not in needed}
            for part in needed:
                target = target.replace(f"{{{part}}}", quote(str(given[part]), safe=""))
            found = told.client.get(target, params=query, headers=bearing(told.token))
            assert found.status_code == 200, f"{name}: {link}: {found.text}"
            followed.add(f"{name} {link}")
    assert left - {""} <= EMPTY
    assert len(followed) > 15


def value_of(told: Told, path: str, answer: httpx.Response, expression: str) -> Any:
    """What a runtime expression of a link stands for; None where the answer has none."""
    if expression.startswith("$request.path."):
        shown = dict(zip(path.split("/"), told.path(path).split("/"), strict=True))
        return shown[f"{{{expression.removeprefix('$request.path.')}}}"]
    value = answer.json()
    for part in expression.removeprefix("$response.body#/").split("/"):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value[part]
        if value is None:
            return None
    return value


# --- examples ---


def answers_of(told: Told, patch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """An answer of each operation, by name and status, cut short."""
    keep(told, patch)
    found: dict[str, dict[str, Any]] = {}
    for path, method, operation in told.operations():
        answer = told.ask(method, path, operation, told.token)
        kind = answer.headers["content-type"].partition(";")[0]
        if kind not in contract.ILLUSTRATED:
            # A picture; or what this house has nothing of, such as a PostgreSQL server.
            name = name_of(method, path)
            found |= {name: contract.examples()[name]} if name in contract.examples() else {}
            continue
        if kind == "application/json":
            value = shortened(answer.json())
        elif kind == "text/event-stream":
            value = {"id": "8.8", "event": "ready", "data": "{}"}
        else:
            value = json.loads(answer.text.splitlines()[0])
        if "token" in value:
            value["token"] = "plimsoll_0123456789ab_" + "0" * 64
        found[name_of(method, path)] = {str(answer.status_code): value}
    return found


def shortened(value: Any) -> Any:
    """The same with lists of one."""
    if isinstance(value, list):
        return [shortened(one) for one in value[:SHORT]]
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    return value


def test_every_answer_has_an_example_that_fits_its_schema(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN"):
        written = json.dumps(answers_of(told, monkeypatch), indent=1, sort_keys=True)
        # Wherever the house of this run stands, a reader has another.
        house = str(told.house.settings.storage.directory)
        written = written.replace(house, "plimsoll-data")
        Path(contract.EXAMPLES).write_text(f"{written}\n", encoding="utf-8")
        pytest.skip("written anew: run it again without PLIMSOLL_REWRITE_GOLDEN")
    components = told.document["components"]
    for path, method, operation in told.operations():
        name = name_of(method, path)
        shown = []
        for status, answer in operation["responses"].items():
            for kind, media in answer.get("content", {}).items():
                if "example" not in media:
                    continue
                shown.append(status)
                schema = {**media["schema"], "components": components}
                if kind == "application/x-ndjson" and media["schema"].get("type") == "string":
                    continue
                faults = list(errors(schema, media["example"]))
                assert not faults, f"the example of {name} is stale, write it anew: {faults[:3]}"
        meant = [
            status
            for status, answer in operation["responses"].items()
            if status.startswith("2") and answer.get("content", {}).keys() & contract.ILLUSTRATED
        ]
        assert shown or not meant, f"{name} has no example: write them anew (see above)"


def test_every_body_has_an_example_that_fits_its_schema_and_is_taken(told: Told) -> None:
    components = told.document["components"]
    for path, method, operation in told.operations():
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        name = name_of(method, path)
        assert "examples" in resolved(told.document, schema), f"{name}: its body has no example"
        example = body_of(told.document, operation)
        assert list(errors({**schema, "components": components}, example)) == [], name
        answer = told.ask(method, path, operation, told.token)
        assert answer.status_code in (200, 201, 409), f"{name}: {answer.text}"

"""The OpenAPI document keeps its word: asked for everything it offers, and for much it does not.

Everything here goes over all operations of the document, so that what is new is covered by itself.
`PLIMSOLL_REWRITE_GOLDEN=1` writes the answers in `api/examples.json` anew. `PLIMSOLL_FUZZ_EXAMPLES`
asks for more than the few examples that every run makes (see `docs/http-api.md`).
"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import contract
from api.access import book
from api.access.door import Door
from api.access.token import Refusal, Scope
from api.access.who import Who
from api.app import create_app
from api.house import House
from api.routes import replay, stream
from tests.api.asking import Client, problem
from tests.api.scrutiny import Scrutinised, errors, scrutinised
from tests.api.shop import close, shop_house
from tests.api.test_access import bearing, token

SEED = 20260302
EXAMPLES = int(os.environ.get("PLIMSOLL_FUZZ_EXAMPLES", "0"))
"""How many requests are made up for each operation beside those on the edges of its schema."""

FEW = 2
ALIKE = frozenset({"fields", "If-None-Match", "Idempotency-Key"})
SHORT = 1
"""So many items of a list stand in an example."""

WEAKER = {
    Scope.READ: Scope.INGEST,
    Scope.WRITE: Scope.READ,
    Scope.INGEST: Scope.READ,
    Scope.ADMIN: Scope.WRITE,
}


@dataclass
class Told:
    """An application with things to ask for, its document, and a token that may do anything."""

    app: FastAPI
    house: House
    document: dict[str, Any]
    token: str
    client: Client
    known: dict[str, str]
    regressions: list[str]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        return contract.operations(self.document)

    def path(self, template: str) -> str:
        """A path with ids of things that are there; one that is not known has a silly one."""
        # Those that end one are taken on others: nobody mutes what is over.
        own = {"resolve": 1, "accept": 2}.get(template.rpartition("/")[2], 0)
        known = {**self.known, "regression_id": self.regressions[own]}
        if "/resources/" in template:
            known["target"] = known["machine"]
        for name, value in known.items():
            template = template.replace(f"{{{name}}}", value)
        return template.replace("{", "no-").replace("}", "")

    def ask(self, method: str, path: str, operation: dict[str, Any], text: str) -> httpx.Response:
        """A request that fits: with what is required, and the example of the body."""
        required = [one for one in operation["parameters"] if one.get("required")]
        fit = {"matcher": "service=shop"}
        query = {
            one["name"]: fit.get(one["name"], "shop") for one in required if one["in"] == "query"
        }
        more: dict[str, Any] = {"params": query, "headers": bearing(text) if text else {}}
        if "requestBody" in operation:
            more["json"] = body_of(self.document, operation)
        return self.client.request(method.upper(), self.path(path), **more)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Regressions, incidents, a deployment, a silence, a token; all answers come in full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "LONGEST_SECONDS", 0.0)  # a stream ends after what is known
        patch.setattr(replay, "MOST_JUDGEMENTS", 1e5)
        house = shop_house(tmp_path_factory.mktemp("contract"))
        app = create_app(house)
        client = Client(app)
        made = client.post(
            "/api/v1/silences",
            json={"matchers": ["a=b"], "for": "4h", "created_by": "ada", "comment": "load test"},
        ).json()
        series = client.get("/api/v1/signals/api_p95").json()["series"][0]["id"]
        text = token(house, name="all")
        other = token(house, Scope.READ, name="grafana").split("_")[1]
        app.state.access.door.forget()
        for throttle in (app.state.access.requests, app.state.access.failures):
            throttle.per_second = throttle.burst = 1e9
        known = {
            "name": "api_p95",
            "series": series,
            "silence_id": made["id"],
            "token_id": other,
        }
        found = {
            kind: client.get(f"/api/v1/{kind}?state=open", headers=bearing(text)).json()["items"]
            for kind in ("regressions", "incidents")
        }
        known["incident_id"] = found["incidents"][0]["id"]
        deployed = client.get("/api/v1/deployments", headers=bearing(text)).json()["items"]
        machines = client.get("/api/v1/resources", headers=bearing(text)).json()["items"]
        known |= {"deployment_id": deployed[0]["id"], "target": "shop"}
        known["machine"] = machines[0]["target"]
        ids = [one["id"] for one in found["regressions"]]
        yield Told(app, house, app.openapi(), text, client, known, ids)
        close(house)


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    """The example of a body."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return resolved(document, schema)["examples"][0]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, looked up where it is only named."""
    found: dict[str, Any] = schema
    while "$ref" in found:
        _, kind, part, name = found["$ref"].split("/")
        found = document[kind][part][name]
    return found


def name_of(method: str, path: str) -> str:
    return f"{method.upper()} {path}"


# --- what schemathesis finds ---


@pytest.mark.timeout(7200 if EXAMPLES else 900)
def test_nothing_is_found_while_nobody_has_to_say_who_he_is(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tokens are made on the way, and everybody would be asked from the first one on.
    monkeypatch.setattr(book, "any_live", lambda *_: False)
    told.app.state.access.door.forget()
    found = scrutinised(
        told.app,
        contract.unasked(told.document if EXAMPLES else once(told.document)),
        phases=("examples", "coverage", *(["fuzzing"] if EXAMPLES else [])),
        examples=EXAMPLES or FEW,
        seed=SEED,
    )
    told.app.state.access.door.forget()
    holds(told, found)


@pytest.mark.timeout(7200 if EXAMPLES else 900)
def test_nothing_is_found_with_a_token(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(told, monkeypatch)
    found = scrutinised(
        told.app,
        told.document if EXAMPLES else once(told.document),
        phases=("fuzzing", *(["examples", "coverage", "stateful"] if EXAMPLES else [])),
        examples=EXAMPLES or FEW,
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


def keep(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever tokens are revoked on the way, that of the one who asks stays."""
    usual = Door.by_token

    def by_token(self: Door, text: str, now_ms: int) -> Who | Refusal:
        return mine if text == told.token else usual(self, text, now_ms)

    mine = usual(told.app.state.access.door, told.token, contract_now(told))
    monkeypatch.setattr(Door, "by_token", by_token)


def contract_now(told: Told) -> int:
    """Milliseconds of the house."""
    clock: int = told.app.state.access.clock()
    return clock


def holds(told: Told, found: Scrutinised) -> None:
    """Every operation was asked, and nothing was found."""
    every = {name_of(method, path) for path, method, _ in told.operations()}
    assert every - found.asked == set()
    if EXAMPLES:
        print(f"{found.requests} requests, {dict(found.statuses)}, {process_time():.0f} s of CPU")  # noqa: T201
    assert not found.findings, f"\n{found.told()}"


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

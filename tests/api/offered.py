"""An application with things to ask for: what the tests of the OpenAPI document ask it with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import contract
from api.access.door import Door
from api.access.token import Refusal, Scope
from api.access.who import Who
from api.app import create_app
from api.house import House
from api.routes import replay, stream
from tests.api.asking import Client
from tests.api.scrutiny import Scrutinised
from tests.api.test_access import bearing, token


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


@contextmanager
def told_of(house: House) -> Iterator[Told]:
    """Regressions, incidents, a deployment, a silence, a token; all answers come in full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "LONGEST_SECONDS", 0.0)  # a stream ends after what is known
        patch.setattr(replay, "MOST_JUDGEMENTS", 1e5)
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
    assert not found.findings, f"\n{found.told()}"

"""What comes in, what goes out, and what an error looks like."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.guard import MOST_BODY_BYTES, SECURITY, allowed_hosts
from api.house import House
from detector.actions import Action
from tests.api.asking import Client, problem

ANY = ("/", "/healthz", "/metrics", "/static/plimsoll.css", "/api/v1/signals", "/nope")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8750", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8750"]
)
def test_loopback_is_let_in(asked: Client, host: str) -> None:
    assert asked.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", ANY)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8750", "127.0.0.1.evil.example", "localhost.", "10.0.0.1"],
)
def test_a_rebound_name_is_turned_away(asked: Client, path: str, host: str) -> None:
    problem(asked.get(path, headers={"host": host}), 421, "wrong-host")


@pytest.mark.parametrize(
    "host", ["", "a b", "http://127.0.0.1", "127.0.0.1:x", "[::1", "@127.0.0.1"]
)
def test_a_host_that_is_none_is_a_bad_request(asked: Client, host: str) -> None:
    problem(asked.get("/healthz", headers={"host": host}), 400, "bad-request")


def test_two_hosts_are_a_bad_request(asked: Client) -> None:
    headers = [("host", "127.0.0.1"), ("host", "evil.example")]
    problem(asked.get("/healthz", headers=headers), 400, "bad-request")


def test_the_configured_and_the_public_host_are_let_in() -> None:
    assert allowed_hosts("::1", "https://plimsoll.example/x") == {
        "127.0.0.1",
        "localhost",
        "[::1]",
        "plimsoll.example",
    }


@pytest.mark.parametrize("path", [*ANY, "/api/v1/regressions?cursor=zz"])
def test_security_headers_are_on_every_answer(asked: Client, path: str) -> None:
    answer = asked.get(path)
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]
    tagged = path in ("/", "/api/v1/signals")
    kept = {"/static/plimsoll.css": "no-cache", "/api/v1/signals": "private, no-cache"}
    cache = kept.get(path, "no-store")
    assert ("etag" in answer.headers) is (tagged or path.startswith("/static"))
    assert answer.headers["cache-control"] == cache


def test_the_largest_body_comes_in_and_a_larger_one_does_not(client: Client) -> None:
    headers = {"content-type": "application/json"}
    path = "/api/v1/deployments"
    fits = b'{"service": "a", "version": "1"}'.ljust(MOST_BODY_BYTES)
    assert client.post(path, content=fits, headers=headers).status_code == 201
    problem(client.post(path, content=fits + b" ", headers=headers), 413, "body-too-large")


def test_a_body_without_a_length_is_counted_while_it_comes(client: Client) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    answer = client.post("/api/v1/deployments", content=endless(), headers=headers)
    problem(answer, 413, "body-too-large")


def test_a_length_that_is_no_number_is_refused(client: Client) -> None:
    headers = {"content-type": "application/json", "content-length": "9x"}
    answer = client.post("/api/v1/deployments", content=b"{}", headers=headers)
    problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api/v1/nope",
        "/api",
        "/static/nope.js",
        "/static/../app.py",
        "/regressions/",
        "/docs",
    ],
)
def test_an_unknown_path_is_a_problem(asked: Client, path: str) -> None:
    answer = asked.get(path, follow_redirects=False)
    assert answer.status_code in (404, 307)
    if answer.status_code == 404:
        problem(answer, 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/deployments"),
        ("DELETE", "/api/v1/signals"),
        ("POST", "/metrics"),
        ("POST", "/"),
        ("OPTIONS", "/api/v1/deployments"),
    ],
)
def test_a_method_that_is_not_there_is_a_problem(asked: Client, method: str, path: str) -> None:
    answer = asked.request(method, path, headers={"content-type": "application/json"})
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/regressions?stat=open", "?stat: is not known here; did you mean state?"),
        ("/rules?colour=red", "?colour: is not known here; known are fields"),
        ("/regressions?limit=many", "?limit: must be a whole number"),
        ("/nothing", "GET /api/v1/openapi.json lists what there is."),
    ],
)
def test_a_problem_says_what_would_have_been_right(asked: Client, path: str, told: str) -> None:
    assert asked.get(f"/api/v1{path}").json()["detail"].endswith(told)


def test_so_does_one_with_a_body_or_a_method(asked: Client) -> None:
    path = "/api/v1/deployments"
    said = asked.post(path, json={"service": 5, "versoin": "1"}).json()["errors"]
    assert {one["pointer"]: one["detail"] for one in said} == {
        "#/service": "must be text",
        "#/version": "is missing",
        "#/versoin": "is not known here; did you mean version?",
    }
    assert asked.post(path).json()["detail"] == "#/: the body is missing"
    deep = {"text": "x", "rules": {}, "days": 1, "signal": []}
    assert "did you mean signals?" in asked.post("/api/v1/replay", json=deep).json()["detail"]
    assert asked.request("PUT", path).json()["detail"] == (
        "PUT is not allowed here, only GET, POST."
    )


def test_an_error_inside_tells_nothing_of_the_inside(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(create_app(house))

    def broken() -> None:
        raise RuntimeError("secret-of-the-inside")

    client.app.add_api_route("/api/v1/broken", broken)
    answer = client.get("/api/v1/broken")
    body = problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert body["detail"] == "Something went wrong inside; the log says what."
    assert "secret-of-the-inside" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_answer_that_breaks_off_is_not_answered_twice(house: House) -> None:
    app = create_app(house)

    async def begun(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("half way")

    app.mount("/half", begun)
    with pytest.raises(RuntimeError, match="half way"):
        Client(app).get("/half/")


def test_a_browser_sees_a_page_and_a_program_sees_json(asked: Client) -> None:
    page = asked.get("/nope", headers={"accept": "text/html,application/xhtml+xml"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "There is nothing at /nope." in page.text
    api = asked.get("/api/v1/nope", headers={"accept": "text/html"})
    problem(api, 404, "not-found")


def test_what_was_asked_for_is_escaped_in_the_page(asked: Client) -> None:
    page = asked.get("/regressions/<script>alert(1)<%2Fscript>", headers={"accept": "text/html"})
    assert "<script>alert" not in page.text


def test_the_description_of_the_api_is_served_and_loads_nothing(asked: Client) -> None:
    described = asked.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/audit",
        "/api/v1/backup",
        "/api/v1/caches",
        "/api/v1/caches/{target}",
        "/api/v1/configuration",
        "/api/v1/configuration/check",
        "/api/v1/databases",
        "/api/v1/databases/{target}/indexes",
        "/api/v1/databases/{target}/queries",
        "/api/v1/databases/{target}/tables",
        "/api/v1/deployments",
        "/api/v1/deployments/{deployment_id}",
        "/api/v1/deployments/{deployment_id}/changes",
        "/api/v1/events",
        "/api/v1/incidents",
        "/api/v1/incidents/{incident_id}",
        "/api/v1/incidents/{incident_id}/chart.png",
        "/api/v1/itself",
        "/api/v1/judgements",
        "/api/v1/maintenance",
        "/api/v1/notifications",
        "/api/v1/queries",
        "/api/v1/receivers",
        "/api/v1/recommendations",
        "/api/v1/regressions",
        "/api/v1/regressions/export",
        "/api/v1/regressions/{regression_id}",
        "/api/v1/regressions/{regression_id}/events",
        "/api/v1/replay",
        "/api/v1/resources",
        "/api/v1/resources/{target}",
        "/api/v1/routing",
        "/api/v1/rules",
        "/api/v1/signals",
        "/api/v1/signals/{name}",
        "/api/v1/signals/{name}/series/{series}/explain",
        "/api/v1/signals/{name}/windows",
        "/api/v1/signals/{name}/windows/export",
        "/api/v1/silences",
        "/api/v1/silences/preview",
        "/api/v1/silences/{silence_id}",
        "/api/v1/silences/{silence_id}/expire",
        "/api/v1/source",
        "/api/v1/stream",
        "/api/v1/summary",
        "/api/v1/targets",
        "/api/v1/targets/{target}/figures",
        "/api/v1/tokens",
        "/api/v1/tokens/{token_id}",
        "/api/v1/web-vitals",
        "/api/v1/web-vitals/distribution",
        "/api/v1/web-vitals/elements",
        "/api/v1/web-vitals/releases",
        "/api/v1/web-vitals/routes",
        "/api/v1/web-vitals/shift",
        "/api/v1/web-vitals/trend",
        "/api/v1/whoami",
        *(f"/api/v1/regressions/{{regression_id}}/{action}" for action in Action),
    }
    shape = described["components"]["schemas"]["RegressionShape"]["properties"]
    assert all("description" in one or "$ref" in one or "anyOf" in one for one in shape.values())
    for path in described["paths"].values():
        for operation in path.values():
            refused = operation["responses"]["422"]
            told = refused if "content" in refused else described["components"]["responses"]["422"]
            assert "application/problem+json" in told["content"]
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert asked.get(path).status_code == 404


TEXT = st.text(max_size=40)
NAMES = st.sampled_from(
    [
        "limit",
        "cursor",
        "since",
        "until",
        "state",
        "series",
        "signal",
        "points",
        "verdict",
        "x",
        "span",
    ]
)
PATHS = st.sampled_from(
    [
        "/api/v1/regressions",
        "/api/v1/regressions/{}",
        "/api/v1/signals/{}",
        "/api/v1/signals/{}/windows",
        "/api/v1/signals/api_p95/windows",
        "/api/v1/judgements",
        "/api/v1/deployments",
        "/regressions",
        "/regressions/{}",
        "/signals/{}",
        "/signals/api_p95",
        "/",
    ]
)
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-03-02T12:00:00Z",
        "LTE",
        "1e999",
    ]
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=PATHS, part=TEXT, query=st.dictionaries(NAMES, TEXT | TIMES, max_size=3))
def test_nothing_that_is_asked_breaks_the_inside(
    asked: Client, path: str, part: str, query: dict[str, str]
) -> None:
    answer = asked.get(path.replace("{}", quote(part or "x", safe="")), params=query)
    assert answer.status_code < 500, answer.text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | TEXT | TIMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["service", "version", "at", "sha", "environment", "url", "x"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(MEMBERS, TEXT | TIMES | JSON, max_size=7) | JSON)
def test_nothing_that_is_posted_breaks_the_inside(client: Client, body: object) -> None:
    answer = client.post("/api/v1/deployments", json=body)
    assert answer.status_code < 500, answer.text


def test_websockets_are_not_spoken(house: House) -> None:
    app: FastAPI = create_app(house)
    sent: list[dict[str, Any]] = []

    async def speak() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "app": app}
        await app(scope, receive, send)

    asyncio.run(speak())
    assert sent[0]["type"] == "websocket.close"

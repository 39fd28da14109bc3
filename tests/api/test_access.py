"""Who is let in, what he may do, and that what he changed is written down."""

import re
from datetime import timedelta
from typing import Any

import pytest
from starlette.routing import Mount, Route

from api.access import book, policy
from api.access.gate import COOKIE, FAILURES_AT_ONCE
from api.access.throttle import MOST_NAMES, Throttle, prefix_of
from api.access.token import Scope, allowed, fits, mint, taken_apart
from api.access.who import CURRENT, Who, signed
from api.house import House
from api.loops import KEEP_MESSAGES, LoopMeters, Loops
from api.moments import milliseconds
from api.pages.signin import local
from tests.api.asking import HERE, Client, problem
from tests.api.shop import Clock

DAY = timedelta(days=1)


def token(house: House, *scopes: Scope, name: str = "ops", lasting: timedelta | None = None) -> str:
    """The text of a new token."""
    now_ms = milliseconds(house.now())
    until_ms = None if lasting is None else now_ms + lasting // timedelta(milliseconds=1)
    with house.state.unit() as session:
        return book.create(session, name, scopes or (Scope.ADMIN,), now_ms, until_ms)[1]


def bearing(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def refused(house: House, reason: str) -> float:
    found = house.registry.get_sample_value("plimsoll_access_refused_total", {"reason": reason})
    return found or 0.0


# --- tokens ---


def test_a_token_is_known_by_its_secret_alone() -> None:
    text, id_, digest = mint()
    assert taken_apart(text) == (id_, text.rsplit("_", 1)[1])
    assert text.rsplit("_", 1)[1] not in digest
    assert mint()[0] != text


@pytest.mark.parametrize("text", ["", "plimsoll_", "x" * 90, "plimsoll_" + "0" * 12 + "_short"])
def test_what_is_no_token_is_not_looked_up(text: str) -> None:
    assert taken_apart(text) is None


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.INGEST, {Scope.INGEST}),
        (Scope.WRITE, {Scope.READ, Scope.WRITE, Scope.INGEST}),
        (Scope.ADMIN, set(Scope)),
    ],
)
def test_what_a_scope_holds(scope: Scope, holds: set[Scope]) -> None:
    assert allowed([scope]) == holds


def test_the_secret_is_in_no_row_and_no_repr(house: House) -> None:
    text = token(house)
    id_, secret = taken_apart(text) or ("", "")
    with house.state.reading() as session:
        (one,) = book.tokens(session)
    assert one.id == id_
    assert fits(one, secret)
    assert not fits(one, "0" * 64)
    assert secret not in f"{one.digest}{one!r}"


# --- the gate ---


def test_without_a_token_nobody_is_asked(client: Client) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/whoami").json() == {
        "name": "",
        "scopes": [one.value for one in Scope],
        "demanded": False,
    }


def paths() -> list[tuple[str, str]]:
    """Method and a path for every endpoint there is."""
    from api.app import ROUTERS

    found = [("GET", "/metrics"), ("GET", "/api/v1/openapi.json")]
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route), route
            assert not isinstance(route, Mount)
            path = re.sub(r"\{[a-z_]+\}", "x", route.path)
            found += [(method, path) for method in sorted(route.methods or ())]
    return sorted(set(found))


OPEN = {
    "/healthz",
    "/readyz",
    "/sign-in",
    "/sign-in/callback",
    "/sign-in/oidc",
    "/sign-out",
    "/slack/actions",
}
ENDPOINTS = [one for one in paths() if one[1] not in OPEN]


def test_a_new_endpoint_is_closed_unless_somebody_opened_it() -> None:
    assert {path for method, path in paths() if policy.needed(method, path) is None} == OPEN
    assert policy.needed("PUT", "/api/v1/nobody/thought/of") is Scope.WRITE


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_refuses_a_missing_a_wrong_and_a_too_small_token(
    house: House, client: Client, method: str, path: str
) -> None:
    needs = policy.needed(method, path)
    assert needs is not None
    small = [one for one in Scope if needs not in allowed([one])]
    lacking = token(house, *(small[:1] or [Scope.READ]))
    body: dict[str, Any] = {} if method in ("GET", "HEAD", "DELETE") else {"json": {}}
    if method == "HEAD":
        assert client.request(method, path).status_code == 401
        return
    problem(client.request(method, path, **body), 401, "unauthorized")
    wrong = client.request(method, path, headers=bearing(mint()[0]), **body)
    problem(wrong, 401, "unauthorized")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    if small:
        found = client.request(method, path, headers=bearing(lacking), **body)
        assert needs.value in problem(found, 403, "forbidden")["detail"]


def test_health_and_static_files_are_for_everybody(house: House, client: Client) -> None:
    token(house)
    for path in ("/healthz", "/static/plimsoll.css", "/sign-in"):
        assert client.get(path).status_code == 200


def test_a_token_with_the_scope_is_let_in(house: House, client: Client) -> None:
    text = token(house, Scope.READ)
    assert client.get("/api/v1/signals", headers=bearing(text)).status_code == 200
    assert client.get("/api/v1/whoami", headers=bearing(text)).json()["name"] == "ops"


def test_a_deployment_needs_no_more_than_ingest(house: House, client: Client) -> None:
    text = token(house, Scope.INGEST, name="ci")
    posted = {"service": "shop", "version": "1"}
    answer = client.post("/api/v1/deployments", json=posted, headers=bearing(text))
    assert answer.status_code == 201
    problem(client.get("/api/v1/deployments", headers=bearing(text)), 403, "forbidden")


def test_an_expired_and_a_revoked_token_say_so(house: House, client: Client, clock: Clock) -> None:
    short, kept = token(house, lasting=DAY), token(house, name="kept")
    with house.state.unit() as session:
        other, gone = book.create(session, "gone", [Scope.READ], 1, None)
        book.revoke(session, other.id, 2)
    clock.at += DAY
    expired = problem(client.get("/api/v1/rules", headers=bearing(short)), 401, "unauthorized")
    assert "expired" in expired["detail"]
    revoked = problem(client.get("/api/v1/rules", headers=bearing(gone)), 401, "unauthorized")
    assert "revoked" in revoked["detail"]
    assert client.get("/api/v1/rules", headers=bearing(kept)).status_code == 200


def test_a_token_that_was_revoked_over_rest_is_refused_at_once(
    house: House, client: Client
) -> None:
    admin = token(house, Scope.ADMIN)
    made = client.post(
        "/api/v1/tokens", json={"name": "ci", "scopes": ["read"]}, headers=bearing(admin)
    ).json()
    theirs = bearing(made["token"])
    assert client.get("/api/v1/rules", headers=theirs).status_code == 200
    gone = client.request("DELETE", f"/api/v1/tokens/{made['id']}", headers=bearing(admin))
    assert gone.json()["revoked_at"] is not None
    problem(client.get("/api/v1/rules", headers=theirs), 401, "unauthorized")


def test_a_secret_is_told_once(house: House, client: Client) -> None:
    admin = bearing(token(house, Scope.ADMIN))
    body = {"name": "ci", "scopes": ["ingest"], "expires_in": "90d"}
    made = client.post("/api/v1/tokens", json=body, headers=admin)
    assert made.status_code == 201
    secret = made.json()["token"].rsplit("_", 1)[1]
    listed = client.get("/api/v1/tokens", headers=admin)
    assert secret not in listed.text
    assert {one["name"] for one in listed.json()["items"]} == {"ci", "ops"}


@pytest.mark.parametrize(
    "posted",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {
            "name": "a",
            "scopes": ["read"],
            "expires_in": "1d",
            "expires_at": "2099-01-01T00:00:00Z",
        },
    ],
)
def test_a_token_that_makes_no_sense_is_refused(client: Client, posted: dict[str, Any]) -> None:
    problem(client.post("/api/v1/tokens", json=posted), 422, "invalid")


def test_guessing_is_slowed_and_a_good_token_still_comes_in(house: House, client: Client) -> None:
    text = token(house)
    for _ in range(FAILURES_AT_ONCE):
        problem(client.get("/metrics", headers=bearing(mint()[0])), 401, "unauthorized")
    late = client.get("/metrics", headers=bearing(mint()[0]))
    problem(late, 429, "too-many-requests")
    assert int(late.headers["retry-after"]) >= 1
    assert client.get("/metrics", headers=bearing(text)).status_code == 200
    assert refused(house, "throttled") == 1
    assert refused(house, "unknown") == FAILURES_AT_ONCE


def test_a_token_that_asks_too_often_waits(house: House, client: Client, clock: Clock) -> None:
    text = token(house, Scope.READ)
    access = client.app.state.access
    access.requests.burst = 3
    for _ in range(3):
        assert client.get("/api/v1/rules", headers=bearing(text)).status_code == 200
    problem(client.get("/api/v1/rules", headers=bearing(text)), 429, "too-many-requests")
    clock.at += timedelta(seconds=1)
    assert client.get("/api/v1/rules", headers=bearing(text)).status_code == 200


# --- sessions ---


def sign_in(client: Client, text: str, onward: str = "/", **more: str) -> Any:
    fields = {"token": text, "person": "ada", "next": onward, **more}
    return client.post("/sign-in", data=fields, headers={"origin": HERE})


def test_a_browser_is_led_to_the_door_and_back(house: House, client: Client) -> None:
    text = token(house, Scope.WRITE)
    away = client.get("/regressions?state=open", headers={"accept": "text/html"})
    assert away.status_code == 303
    assert away.headers["location"] == "/sign-in?next=%2Fregressions%3Fstate%3Dopen"
    form = client.get(away.headers["location"]).text
    assert 'value="/regressions?state=open"' in form
    answer = sign_in(client, text, "/regressions?state=open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/regressions?state=open")
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=strict" in told
    value = answer.cookies[COOKIE]
    page = client.get("/", headers={"cookie": f"{COOKIE}={value}"}).text
    assert "Sign out" in page
    assert "<span>ada</span>" in page


def cookie(client: Client, text: str) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={sign_in(client, text).cookies[COOKIE]}"}


def test_a_session_ends_by_signing_out_by_its_token_and_by_time(
    house: House, client: Client, clock: Clock
) -> None:
    text = token(house)
    first, second = cookie(client, text), cookie(client, text)
    out = client.post("/sign-out", headers={**first, "origin": HERE}, data={"a": "b"})
    assert out.status_code == 303
    assert client.get("/api/v1/rules", headers=first).status_code == 401
    assert client.get("/api/v1/rules", headers=second).status_code == 200
    clock.at += timedelta(hours=12)
    assert client.get("/api/v1/rules", headers=second).status_code == 401
    third = cookie(client, text)
    id_ = (taken_apart(text) or ("", ""))[0]
    token(house, name="another")
    with house.state.unit() as session:
        book.revoke(session, id_, 5)
    assert client.get("/api/v1/rules", headers=third).status_code == 401


@pytest.mark.parametrize("value", ["0" * 64, "short", "é" * 64, "a; b=c"])
def test_a_cookie_that_nobody_gave_opens_nothing(house: House, client: Client, value: str) -> None:
    token(house)
    raw = [(b"cookie", f"{COOKIE}={value}".encode())]
    problem(client.get("/api/v1/rules", headers=raw), 401, "unauthorized")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": HERE}, 201),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "cross-site", "origin": HERE}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_foreign_page_changes_nothing_with_our_cookie(
    house: House, client: Client, headers: dict[str, str], status: int
) -> None:
    mine = cookie(client, token(house, Scope.WRITE))
    posted = {"service": "shop", "version": "1"}
    answer = client.post("/api/v1/deployments", json=posted, headers={**mine, **headers})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"token": "nonsense"}, 401, "no token that is known"),
        ({"person": " "}, 422, "Say who you are"),
    ],
)
def test_what_is_wrong_with_signing_in_is_told(
    house: House, client: Client, fields: dict[str, str], status: int, told: str
) -> None:
    answer = sign_in(client, token(house), **fields)
    assert answer.status_code == status
    assert told in answer.text
    assert "set-cookie" not in answer.headers


def test_a_token_that_may_not_read_opens_no_session(house: House, client: Client) -> None:
    answer = sign_in(client, token(house, Scope.INGEST))
    assert answer.status_code == 403


def test_a_form_of_another_site_signs_nobody_in(house: House, client: Client) -> None:
    fields = {"token": token(house), "person": "eve", "next": "/"}
    answer = client.post("/sign-in", data=fields, headers={"origin": "https://evil.example"})
    problem(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/incidents/inc_1?a=b", "/incidents/inc_1?a=b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_site(onward: str, leads: str) -> None:
    assert local(onward) == leads


# --- who did it ---


def test_what_was_changed_is_in_the_audit_log_and_what_was_read_is_not(
    house: House, client: Client, clock: Clock
) -> None:
    ci, admin = token(house, Scope.INGEST, name="ci"), bearing(token(house, Scope.ADMIN))
    for version in ("1", "2", "3"):
        posted = {"service": "shop", "version": version}
        client.post("/api/v1/deployments", json=posted, headers=bearing(ci))
    client.post("/api/v1/deployments", json={}, headers=bearing(ci))  # refused: no change
    client.get("/api/v1/rules", headers=admin)
    first = client.get("/api/v1/audit?limit=2", headers=admin).json()
    assert [one["actor"] for one in first["items"]] == ["ci", "ci"]
    one = first["items"][0]
    assert (one["method"], one["path"], one["status"]) == ("POST", "/api/v1/deployments", 201)
    rest = client.get(f"/api/v1/audit?limit=2&cursor={first['next_cursor']}", headers=admin).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)


QUESTIONS: dict[str, dict[str, Any]] = {
    "/api/v1/replay": {"rule_names": ["cpu_high"], "days": 0.01},
    "/api/v1/configuration/check": {"text": "server: {}"},
}


@pytest.mark.parametrize("path", QUESTIONS)
def test_what_is_only_asked_is_not_in_the_audit_log_though_it_is_posted(
    path: str, house: House, client: Client
) -> None:
    before = house.state.writes
    answered = client.post(path, json=QUESTIONS[path])
    assert answered.status_code == 200, answered.text
    assert house.state.writes == before
    assert client.get("/api/v1/audit").json()["items"] == []


def test_every_other_request_that_is_no_look_is_a_change() -> None:
    unheard = {(method, path) for method, path in paths() if not policy.changes(method, path)}
    assert {path for method, path in unheard if method not in policy.SAFE} == set(QUESTIONS)


@pytest.mark.parametrize(
    ("person", "said", "known"),
    [
        ("ada", "eve", "ada (ops)"),
        ("", "ada", "ada (ops)"),
        ("", "ops", "ops"),
        ("", "", "ops"),
    ],
)
def test_an_action_is_written_down_for_who_really_took_it(
    house: House, person: str, said: str, known: str
) -> None:
    token(house)
    with house.state.reading() as session:
        (one,) = book.tokens(session)
    held = CURRENT.set(Who(token=one, person=person))
    try:
        assert signed(said) == known
    finally:
        CURRENT.reset(held)
    assert signed("ada") == "ada"


# --- throttles ---


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    throttle = Throttle(per_second=2, burst=3)
    assert [throttle.take("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert throttle.take("b", 0) == 0
    assert throttle.take("a", 499) > 0
    assert throttle.take("a", 1000) == 0
    assert [throttle.take("a", 60_000) for _ in range(4)][3] > 0


def test_a_bucket_stands_a_clock_that_goes_back() -> None:
    throttle = Throttle(per_second=1, burst=1)
    assert throttle.take("a", 10_000) == 0
    assert throttle.take("a", 0) == 1


def test_the_names_of_a_throttle_are_bounded() -> None:
    throttle = Throttle(per_second=1, burst=1)
    for number in range(MOST_NAMES + 10):
        throttle.take(str(number), 0)
    assert len(throttle._left) == MOST_NAMES


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "unknown"),
    ],
)
def test_who_counts_as_one(address: str, prefix: str) -> None:
    assert prefix_of(address) == prefix


def test_what_is_older_than_messages_are_kept_is_forgotten(house: House) -> None:
    now_ms = milliseconds(house.now())
    with house.state.unit() as session:
        for at_ms in (now_ms - (KEEP_MESSAGES + DAY) // timedelta(milliseconds=1), now_ms - 1):
            book.note(session, at_ms, "ci", "", ("POST", "/x"), 201)
    Loops(house, LoopMeters(house.registry)).forget(house.now())
    with house.state.reading() as session:
        assert [one.at_ms for one in book.changes(session, None, 10)] == [now_ms - 1]

"""Signing in through an OpenID Connect provider, and every way in which that must fail."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from api.access import book
from api.access.door import REMEMBERED_MS
from api.access.endings import IN_WORDS, PENDING_SECONDS, Ending
from api.access.gate import COOKIE
from api.access.oidc import is_safe
from api.access.token import Scope
from api.app import create_app
from api.config import OidcConfig, ServerConfig
from api.house import House
from api.moments import milliseconds
from api.pages.sso import PENDING
from api.serve import refuse_strangers
from tests.api.asking import HERE, Client, problem
from tests.api.shop import Clock, close, empty_house
from tests.oidc_provider import CLIENT, SECRET, Claims, Provider, provider
from tests.servers import free_port

GROUPS = {"sre": ["admin"], "dev": ["write", "read"], "ci": ["ingest"]}
EMAILS = {"*@example.com": ["read"], "Ada@Example.com": ["write"]}


def configured(address: str, **changes: Any) -> OidcConfig:
    given = {"issuer": address, "client_id": CLIENT, "client_secret": SECRET}
    return OidcConfig.model_validate({**given, "groups": GROUPS, "emails": EMAILS, **changes})


@pytest.fixture
def idp(clock: Clock) -> Iterator[Provider]:
    """The provider, at the time of the house."""
    with provider(lambda: clock.at.timestamp(), f"{HERE}/sign-in/callback") as made:
        made.claims = {"groups": ["dev"], "email": "ada@example.com", "email_verified": True}
        yield made


@pytest.fixture
def guarded(idp: Provider, tmp_path: Path, clock: Clock) -> Iterator[House]:
    """A house that knows the provider."""
    server = ServerConfig(oidc=configured(idp.address))
    made = empty_house(tmp_path, clock, server=server)
    yield made
    close(made)


@pytest.fixture
def door(guarded: House) -> Client:
    return Client(create_app(guarded))


def cookies(answer: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets, with their attributes."""
    return {
        one.partition("=")[0]: one.partition("=")[2]
        for one in answer.headers.get_list("set-cookie")
    }


def begun(door: Client, onward: str = "/alerts?action=post") -> tuple[str, str]:
    """A sign-in up to the provider: where it sends the browser back to, and what that keeps."""
    answer = door.get("/sign-in/oidc", params={"next": onward})
    assert answer.status_code == 303, answer.text
    kept = cookies(answer)[PENDING]
    assert "HttpOnly" in kept
    assert "SameSite=lax" in kept
    back = httpx.get(answer.headers["location"], trust_env=False)
    assert back.status_code == 302, back.text
    return back.headers["location"].removeprefix(HERE), kept.partition(";")[0]


def finished(door: Client, path: str, kept: str) -> httpx.Response:
    """The browser is back."""
    return door.get(path, headers={"cookie": f"{PENDING}={kept}"})


def signed_in(door: Client) -> httpx.Response:
    return finished(door, *begun(door))


def refused(answer: httpx.Response, ending: Ending, status: int = 403) -> None:
    """Nobody came in, and the page says why."""
    assert answer.status_code == status, answer.text
    assert COOKIE not in cookies(answer)
    said = re.sub(r"&#39;", "'", answer.text)
    assert IN_WORDS[ending] in said


def tries(house: House, ending: Ending) -> float:
    name = "plimsoll_oidc_sign_ins_total"
    return house.registry.get_sample_value(name, {"ending": ending}) or 0.0


# --- the way in ---


def test_somebody_signs_in_and_is_who_he_is_with_what_he_may_do(
    door: Client, guarded: House
) -> None:
    answer = signed_in(door)
    assert answer.status_code == 200
    # Not a redirect: a strict cookie would not come along.
    assert 'http-equiv="refresh" content="0; url=/alerts?action=post"' in answer.text
    given = cookies(answer)[COOKIE]
    assert "SameSite=strict" in given
    cookie = {"cookie": f"{COOKIE}={given.partition(';')[0]}"}
    who = door.get("/api/v1/whoami", headers=cookie).json()
    assert (who["name"], who["scopes"]) == ("ada@example.com (oidc)", ["read", "write"])
    page = door.get("/", headers=cookie)
    assert page.status_code == 200
    assert "ada@example.com" in page.text
    assert tries(guarded, Ending.SIGNED_IN) == 1


def test_a_sign_in_is_in_the_audit_log(door: Client, guarded: House) -> None:
    signed_in(door)
    with guarded.state.reading() as session:
        (one,) = book.changes(session, None, 10)
    assert (one.actor, one.path, one.status) == (
        "ada@example.com (oidc)",
        "/sign-in/callback",
        200,
    )


def test_with_a_provider_everybody_is_asked_though_there_is_no_token(
    door: Client, guarded: House
) -> None:
    problem(door.get("/api/v1/signals"), 401, "unauthorized")
    page = door.get("/", headers={"accept": "text/html"})
    assert page.headers["location"].startswith("/sign-in?next=")
    assert "Sign in with single sign-on" in door.get("/sign-in").text
    refuse_strangers(guarded)


def test_the_form_offers_no_provider_where_there_is_none(client: Client) -> None:
    assert "/sign-in/oidc" not in client.get("/sign-in").text
    problem(client.get("/sign-in/oidc"), 404, "not-found")
    problem(client.get("/sign-in/callback"), 404, "not-found")


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "/\\evil", "x"])
def test_nobody_is_led_to_another_site(door: Client, onward: str) -> None:
    answer = finished(door, *begun(door, onward))
    assert 'content="0; url=/"' in answer.text


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"groups": ["sre"]}, ["admin"]),
        ({"groups": "sre"}, ["admin"]),
        ({"groups": ["sre", "dev", "other"]}, ["read", "write", "admin"]),
        ({"email": "bob@example.com", "email_verified": True}, ["read"]),
        ({"email": "ADA@example.com", "email_verified": True}, ["read", "write"]),
    ],
)
def test_groups_and_addresses_say_what_somebody_may(
    door: Client, idp: Provider, claims: Claims, scopes: list[str]
) -> None:
    idp.claims = claims
    given = cookies(signed_in(door))[COOKIE].partition(";")[0]
    who = door.get("/api/v1/whoami", headers={"cookie": f"{COOKIE}={given}"}).json()
    assert who["scopes"] == scopes


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"groups": ["strangers"]},
        {"groups": [["sre"]]},
        {"groups": {"sre": 1}},
        {"groups": ["ci"]},  # may ingest, which is no reason to look at pages
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "email_verified": "true"},
        {"email": "ada@example.com.evil", "email_verified": True},
        {"email": "x@evil@example.org", "email_verified": True},
    ],
)
def test_whoever_is_not_allowed_is_told_so(
    door: Client, guarded: House, idp: Provider, claims: Claims
) -> None:
    idp.claims = claims
    refused(signed_in(door), Ending.NOT_ALLOWED)
    assert tries(guarded, Ending.NOT_ALLOWED) == 1


# --- what must fail ---


@pytest.mark.parametrize(
    ("claims", "ending"),
    [
        ({"nonce": "another"}, Ending.NONCE),
        ({"nonce": None}, Ending.NONCE),
        ({"aud": "another"}, Ending.AUDIENCE),
        ({"aud": [CLIENT, "another"], "azp": "another"}, Ending.AUDIENCE),
        ({"iss": "https://another.example"}, Ending.CLAIMS),
        ({"exp": 1_700_000_000}, Ending.EXPIRED),
        ({"iat": 4_000_000_000}, Ending.CLAIMS),
        ({"sub": None}, Ending.CLAIMS),
        ({"exp": None}, Ending.CLAIMS),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    door: Client, guarded: House, idp: Provider, claims: Claims, ending: Ending
) -> None:
    idp.change = lambda given: {
        name: value for name, value in {**given, **claims}.items() if value is not None
    }
    refused(signed_in(door), ending)
    assert tries(guarded, ending) == 1


def test_a_rotated_key_is_found_and_an_unknown_one_is_none(door: Client, idp: Provider) -> None:
    assert signed_in(door).status_code == 200
    idp.rotate()
    assert signed_in(door).status_code == 200
    assert idp.asked.count("/keys") == 2
    idp.rotate(publish=False)
    refused(signed_in(door), Ending.UNKNOWN_KEY)


def test_a_key_of_the_same_name_that_is_another_signs_nothing(door: Client, idp: Provider) -> None:
    from tests.oidc_provider import key

    assert signed_in(door).status_code == 200
    idp.published, idp.signing = [idp.signing], key("first")
    refused(signed_in(door), Ending.SIGNATURE)


def test_an_unsigned_token_is_none(
    door: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsigned(claims: Claims) -> str:
        parts = (json.dumps(one).encode() for one in ({"alg": "none"}, claims))
        coded = (base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)
        return ".".join([*coded, ""])

    monkeypatch.setattr(idp, "signed", unsigned)
    refused(signed_in(door), Ending.SIGNATURE)


def test_a_state_is_good_for_one_time_one_browser_and_ten_minutes(
    door: Client, guarded: House, clock: Clock
) -> None:
    path, kept = begun(door)
    assert finished(door, path, kept).status_code == 200
    refused(finished(door, path, kept), Ending.STATE)
    path, kept = begun(door)
    refused(door.get(path), Ending.STATE)
    other = begun(door)[1]
    refused(finished(door, path, other), Ending.STATE)
    clock.at += timedelta(seconds=PENDING_SECONDS + 2)
    refused(finished(door, path, kept), Ending.STATE)
    assert tries(guarded, Ending.STATE) == 4


@pytest.mark.parametrize(
    "kept", ["", "x", "1.2.3", "1.2.3.4.5.6", "9" * 99 + ".a.b.c.Lw", "..a.b.c"]
)
def test_what_a_browser_did_not_get_from_here_is_no_state(door: Client, kept: str) -> None:
    refused(finished(door, "/sign-in/callback?code=x&state=y", kept), Ending.STATE)
    refused(finished(door, "/sign-in/callback", kept), Ending.STATE)


def test_a_code_is_good_for_one_time_and_its_verifier(door: Client) -> None:
    path, kept = begun(door)
    moment, state, nonce, _, onward = kept.split(".")
    stolen = f"{moment}.{state}.{nonce}.{'v' * 48}.{onward}"
    refused(finished(door, path, stolen), Ending.CODE)
    path, kept = begun(door)
    refused(finished(door, re.sub("code=[^&]+", "code=other", path), kept), Ending.CODE)


def test_the_answer_of_another_provider_is_none(door: Client) -> None:
    path, kept = begun(door)
    other = re.sub("iss=[^&]+", "iss=https%3A%2F%2Fanother.example", path)
    refused(finished(door, other, kept), Ending.CLAIMS)


def test_whoever_cancels_is_back_at_the_form(door: Client) -> None:
    path, kept = begun(door)
    state = re.search("state=[^&]+", path)
    assert state is not None
    cancelled = f"/sign-in/callback?error=access_denied&{state[0]}"
    refused(finished(door, cancelled, kept), Ending.CANCELLED)


def test_a_wrong_secret_is_told_without_it(
    door: Client, idp: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    idp.secret = "another"
    answer = signed_in(door)
    refused(answer, Ending.CODE)
    assert SECRET not in answer.text + caplog.text


def test_a_provider_that_is_down_is_told_and_what_it_said_before_still_holds(
    door: Client, guarded: House, idp: Provider, clock: Clock
) -> None:
    idp.broken = 503
    refused(door.get("/sign-in/oidc"), Ending.UNREACHABLE, 503)
    idp.broken = 0
    path, kept = begun(door)
    clock.at += timedelta(hours=2)
    idp.broken = 502
    assert door.get("/sign-in/oidc").status_code == 303
    clock.at -= timedelta(hours=2)
    refused(finished(door, path, kept), Ending.UNREACHABLE, 503)
    assert tries(guarded, Ending.UNREACHABLE) == 2


def test_a_provider_that_nobody_listens_for_is_unreachable(tmp_path: Path) -> None:
    server = ServerConfig(oidc=configured(f"http://127.0.0.1:{free_port()}"))
    house = empty_house(tmp_path, server=server)
    refused(Client(create_app(house)).get("/sign-in/oidc"), Ending.UNREACHABLE, 503)
    close(house)


def test_a_provider_that_names_itself_otherwise_is_not_used(door: Client, idp: Provider) -> None:
    right = idp.metadata()
    for wrong in (
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://another.example/token"},
        {"jwks_uri": None},
    ):
        idp.metadata = lambda wrong=wrong: {**right, **wrong}  # type: ignore[method-assign, misc]
        refused(door.get("/sign-in/oidc"), Ending.PROVIDER, 503)


def test_too_many_tries_from_one_address_have_to_wait(door: Client) -> None:
    statuses = [door.get("/sign-in/callback").status_code for _ in range(25)]
    assert statuses[0] == 403
    assert statuses[-1] == 429


# --- sessions ---


def session_of(door: Client) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={cookies(signed_in(door))[COOKIE].partition(';')[0]}"}


def test_signing_out_holds_at_once_though_sessions_are_remembered(
    door: Client, guarded: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = session_of(door)
    reads: list[str] = []
    looked = book.session_of

    def counted(session: Any, value: str) -> Any:
        reads.append(value)
        return looked(session, value)

    monkeypatch.setattr(book, "session_of", counted)
    for _ in range(5):
        assert door.get("/api/v1/whoami", headers=cookie).status_code == 200
    assert len(reads) == 1
    own = {**cookie, "sec-fetch-site": "same-origin"}
    form = {**own, "content-type": "application/x-www-form-urlencoded"}
    assert door.post("/sign-out", headers=form).status_code == 303
    problem(door.get("/api/v1/whoami", headers=cookie), 401, "unauthorized")


def test_what_was_read_before_a_sign_out_is_not_remembered_after_it(
    guarded: House, door: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = session_of(door)["cookie"].partition("=")[2]
    known = door.app.state.access.door
    now_ms = milliseconds(guarded.now())
    looked = book.session_of

    def slow(session: Any, given: str) -> Any:
        found = looked(session, given)
        known.forget_session(value)  # somebody signs out while this was read
        return found

    monkeypatch.setattr(book, "session_of", slow)
    known.by_cookie(value, now_ms)
    assert known.by_cookie_lately(value, now_ms) is None


def test_a_session_ended_elsewhere_holds_here_for_seconds(
    door: Client, guarded: House, clock: Clock
) -> None:
    cookie = session_of(door)
    assert door.get("/api/v1/whoami", headers=cookie).status_code == 200
    with guarded.state.unit() as session:
        book.close_session(session, cookie["cookie"].partition("=")[2])
    clock.at += timedelta(milliseconds=REMEMBERED_MS - 1)
    assert door.get("/api/v1/whoami", headers=cookie).status_code == 200
    clock.at += timedelta(milliseconds=2)
    assert door.get("/api/v1/whoami", headers=cookie).status_code == 401


def test_revoking_what_stands_for_them_ends_their_sessions(door: Client, guarded: House) -> None:
    cookie = session_of(door)
    with guarded.state.reading() as session:
        (token,) = book.tokens(session)
    assert (token.name, token.scopes) == ("oidc", (Scope.READ, Scope.WRITE))
    session_of(door)
    with guarded.state.unit() as session:
        assert len(book.tokens(session)) == 1
        book.revoke(session, token.id, milliseconds(guarded.now()))
        assert not book.any_live(session, milliseconds(guarded.now()))
    door.app.state.access.door.forget()
    problem(door.get("/api/v1/whoami", headers=cookie), 401, "unauthorized")
    assert signed_in(door).status_code == 200


def test_nobody_can_send_the_token_that_stands_for_them(door: Client, guarded: House) -> None:
    signed_in(door)
    with guarded.state.reading() as session:
        (token,) = book.tokens(session)
    for secret in ("", "0" * 64):
        text = f"plimsoll_{token.id}_{secret}"
        answer = door.get("/api/v1/whoami", headers={"authorization": f"Bearer {text}"})
        assert answer.status_code == 401


def test_without_the_provider_its_sessions_are_over_and_nobody_is_locked_out(
    door: Client, guarded: House
) -> None:
    cookie = session_of(door)
    known = door.app.state.access.door
    known.sso = False
    known.forget()
    now_ms = milliseconds(guarded.now())
    assert known.by_cookie(cookie["cookie"].partition("=")[2], now_ms) == "revoked"
    assert not known.demanded(now_ms)


# --- the configuration ---


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "http://login.example"}, "https only"),
        ({"groups": {}, "emails": {}}, "nobody could sign in"),
        ({"groups": {"a": ["root"]}}, "'read', 'write', 'admin' or 'ingest'"),
        ({"emails": {"example.com": ["read"]}}, "is no address"),
        ({"request_scopes": ["email"]}, "must hold openid"),
        ({"client_secret_file": "/nowhere"}, "keep one of them"),
        ({"client_secret": None, "client_secret_file": "/nowhere"}, "cannot read"),
    ],
)
def test_a_fault_of_the_section_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)) as error:
        configured("https://login.example", **changes)
    assert SECRET not in str(error.value)


def test_a_secret_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sesame\n")
    found = configured("https://x.example", client_secret=None, client_secret_file=file)
    secret = found.secret()
    assert secret is not None
    assert secret.get_secret_value() == "sesame"
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://x.example/token", True),
        ("http://127.0.0.1:9/token", True),
        ("http://x.example/token", False),
        ("file:///etc/passwd", False),
        ("x", False),
    ],
)
def test_where_secrets_may_be_sent(url: str, safe: bool) -> None:
    assert is_safe(url) is safe

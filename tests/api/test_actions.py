"""What people do with a regression: over REST, on the command line, on the page."""

import getpass
import json
import os
import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import api.acting
from api.house import House
from api.main import app
from detector.actions import Action
from detector.lifecycle import HANDS_OFF_MS
from detector.regression import Phase
from tests.api.asking import Client, problem
from tests.api.shop import NOW_MS
from tests.api.test_regressions import put

HERE = "/api/v1/regressions/reg_001"
ADA = {"actor": "ada", "reason": "known"}


def relative(house: House, **changes: Any) -> None:
    """An open regression of a rule that knows a normal."""
    put(house, 1, NOW_MS, baseline=0.5, **changes)


def took(client: Client, action: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{HERE}/{action}", json={**ADA, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def steps(client: Client) -> list[str]:
    return [one["step"] for one in client.get(f"{HERE}/events").json()["items"]]


@pytest.mark.parametrize(
    ("action", "state", "step"),
    [
        ("acknowledge", "acknowledged", "acknowledged"),
        ("resolve", "resolved", "resolved"),
        ("accept", "accepted", "accepted"),
        ("mute", "muted", "muted"),
        ("false-positive", "false_positive", "false_positive"),
        ("comment", "open", "commented"),
    ],
)
def test_an_action_is_taken_once_however_often_it_is_sent(
    client: Client, house: House, action: str, state: str, step: str
) -> None:
    relative(house)
    first = took(client, action)
    assert (first["state"], first["is_open"]) == (state, Phase(state).holds)
    assert took(client, action) == first
    assert steps(client) == ["opened", step]
    taken = client.get(f"{HERE}/events").json()["items"][-1]
    assert (taken["actor"], taken["reason"], taken["after"]) == ("ada", "known", state)


def test_an_action_that_does_not_fit_is_a_conflict_that_says_what_does(
    client: Client, house: House
) -> None:
    relative(house)
    took(client, "resolve")
    body = problem(client.post(f"{HERE}/acknowledge", json=ADA), 409, "conflict")
    assert body["detail"].startswith("reg_001 is resolved: acknowledge is possible from")
    assert steps(client) == ["opened", "resolved"]


def test_a_fixed_limit_cannot_be_accepted(client: Client, house: House) -> None:
    put(house, 1, NOW_MS)
    assert "accept" not in client.get(HERE).json()["actions"]
    body = problem(client.post(f"{HERE}/accept", json=ADA), 409, "conflict")
    assert "has a fixed limit" in body["detail"]


def test_a_mute_has_an_end_or_lasts_until_it_is_resolved(client: Client, house: House) -> None:
    relative(house)
    assert took(client, "mute")["muted_until"] is None
    until = "2026-03-02T16:00:00Z"
    assert took(client, "mute", until=until)["muted_until"] == until
    assert took(client, "mute", **{"for": "1h"})["muted_until"] == "2026-03-02T13:00:05Z"
    assert took(client, "unmute")["state"] == "open"
    assert took(client, "unmute")["muted_until"] is None
    assert steps(client) == ["opened", "muted", "muted", "muted", "unmuted"]


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("acknowledge", {"actor": ""}, "#/actor"),
        ("acknowledge", {"actor": "a\nb"}, "#/actor"),
        ("acknowledge", {"until": "2026-03-02T16:00:00Z"}, "#/until"),
        ("comment", {"reason": ""}, "#/reason"),
        ("comment", {"reason": "x" * 1001}, "#/reason"),
        ("mute", {"until": "2026-03-02T12:00:00Z"}, "#/until"),
        ("mute", {"until": "2026-03-02T16:00:00Z", "for": "1h"}, "#/for"),
        ("mute", {"for": "long"}, "#/for"),
    ],
)
def test_a_wrong_body_is_named_and_changes_nothing(
    client: Client, house: House, action: str, body: dict[str, str], pointer: str
) -> None:
    relative(house)
    found = problem(client.post(f"{HERE}/{action}", json={**ADA, **body}), 422, "invalid")
    assert [one["pointer"] for one in found["errors"]] == [pointer]
    assert steps(client) == ["opened"]


@pytest.mark.parametrize("action", Action)
def test_no_action_on_what_is_not_there_and_none_from_a_form(
    client: Client, house: House, action: Action
) -> None:
    problem(client.post(f"{HERE}/{action}", json=ADA), 404, "not-found")
    relative(house)
    form = client.post(f"{HERE}/{action}", data={"actor": "ada", "reason": "x"})
    problem(form, 415, "content-type")
    assert steps(client) == ["opened"]


def test_open_means_all_that_holds_and_over_all_that_ended(client: Client, house: House) -> None:
    phases = [phase for phase in Phase if phase is not Phase.SUSPECTED]
    for number, phase in enumerate(phases):
        put(house, number, NOW_MS + number)
        with house.state.unit() as session:
            one = house.book.regression(session, f"reg_{number:03}")
            assert one is not None
            ended = NOW_MS if phase.is_over else None
            house.book.save(session, replace(one, phase=phase, resolved_ms=ended), [])

    def states(query: str) -> set[str]:
        items = client.get(f"/api/v1/regressions?state={query}").json()["items"]
        return {one["state"] for one in items}

    assert states("open") == {p.value for p in phases if p.holds}
    assert states("over") == {p.value for p in phases if p.is_over}
    for phase in phases:
        if phase is not Phase.OPEN:
            assert states(phase.value) == {phase.value}


def test_what_was_resolved_by_hand_stays_closed_for_half_an_hour() -> None:
    assert HANDS_OFF_MS == 30 * 60_000


def test_acceptance_is_told_in_the_summary(client: Client, house: House) -> None:
    relative(house)
    assert took(client, "accept")["summary"] == (
        "CPU usage on host1 is 90 %, +80 % against its baseline of 50 % (at its worst +90 %), "
        "accepted as the new normal, since 2026-03-02 11:59-12:00 UTC."
    )


def test_the_page_offers_what_is_possible(client: Client, house: House) -> None:
    relative(house)
    page = client.get("/regressions/reg_001").text
    assert 'data-path="/api/v1/regressions/reg_001"' in page
    for action in ("acknowledge", "accept", "mute", "false-positive"):
        assert f'data-action="{action}"' in page
    assert 'data-action="unmute"' not in page
    took(client, "mute")
    page = client.get("/regressions/reg_001").text
    assert 'data-action="unmute"' in page
    assert "until it is resolved" in page
    assert "<strong>muted</strong>: known" in page


# --- the command line ---


@pytest.fixture
def asked(client: Client, house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line against the application; gives the requests that it made."""
    made: list[str] = []

    def request(method: str, url: str, **more: Any) -> httpx.Response:
        del more["timeout"], more["verify"]
        path = url.removeprefix("http://127.0.0.1:8750")
        made.append(f"{method} {path}")
        found: list[httpx.Response] = []
        # A thread of its own: the client runs an event loop for each request.
        worker = threading.Thread(target=lambda: found.append(client.request(method, path, **more)))
        worker.start()
        worker.join()
        return found[0]

    monkeypatch.setattr(httpx, "request", request)
    relative(house)
    return made


def ran(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["regressions", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def test_a_list_shows_what_is_open(asked: list[str]) -> None:
    told = ran("list")
    assert told == "reg_001  open           warning   CPU usage +90 % on host1\n"
    assert "nothing is muted" in ran("list", "--state", "muted")
    assert json.loads(ran("list", "--json"))["items"][0]["id"] == "reg_001"


def test_one_is_shown_with_its_life_and_what_is_possible(asked: list[str]) -> None:
    told = ran("show", "reg_001")
    assert "reg_001  open, warning" in told
    assert "opened by detector: held" in told
    assert "possible: acknowledge, resolve, accept, mute, false-positive, comment" in told


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        (("acknowledge", "reg_001"), "acknowledged"),
        (("resolve", "reg_001"), "resolved"),
        (("accept", "reg_001"), "accepted"),
        (("mute", "reg_001", "--for", "4h"), "muted"),
        (("false-positive", "reg_001"), "false_positive"),
        (("comment", "reg_001", "see 4711"), "open"),
        (("unmute", "reg_001"), "open"),
    ],
)
def test_every_action_has_a_command(
    asked: list[str], arguments: tuple[str, ...], state: str
) -> None:
    told = ran(*arguments, "--by", "ada")
    assert told.startswith(f"reg_001  {state}: CPU usage")
    assert asked == [f"POST /api/v1/regressions/reg_001/{arguments[0]}"]


def test_what_is_wrong_is_said_in_one_line(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no regression reg_9." in ran("show", "reg_9", code=1)
    ran("resolve", "reg_001", "--by", "ada")
    assert "is resolved: mute is possible" in ran("mute", "reg_001", "--by", "ada", code=1)
    assert "is no duration" in ran("mute", "reg_001", "--by", "ada", "--for", "long", code=1)


def test_without_a_plimsoll_it_says_so() -> None:
    told = ran("list", "--url", "http://127.0.0.1:9", code=1)
    assert "no Plimsoll runs at http://127.0.0.1:9" in told
    assert "is not an address" in ran("list", "--url", "nowhere", code=1)


def test_why_no_answer_came_is_told_from_nobody_being_there() -> None:
    said = api.acting.unanswered
    refused = httpx.ConnectError("[Errno 111] Connection refused")
    assert said("http://x", refused) == "no Plimsoll runs at http://x: start it with plimsoll run"
    assert "no answer within 10 s" in said("http://x", httpx.ReadTimeout("timed out"))
    untrusted = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    assert said("https://x", untrusted).startswith("the certificate of https://x is not trusted")
    assert "http or https?" in said("https://x", httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER]"))
    assert "http or https?" in said("http://x", httpx.RemoteProtocolError("disconnected"))
    assert said("http://x", httpx.ConnectError("no route")) == "http://x cannot be asked (no route)"


def test_who_decides_is_whoever_runs_the_command(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PLIMSOLL_ACTOR", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    ran("comment", "reg_001", "seen")
    assert f"commented by {getpass.getuser()}" in ran("show", "reg_001")

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    ran("comment", "reg_001", "seen")
    assert f"commented by uid {os.getuid()}" in ran("show", "reg_001")
    monkeypatch.setenv("PLIMSOLL_ACTOR", "deploy pipeline")
    ran("comment", "reg_001", "seen")
    assert "commented by deploy pipeline" in ran("show", "reg_001")


def test_an_answer_of_somebody_else_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for body in ("<html>", "[]"):
        answer = httpx.Response(500, text=body)
        with pytest.raises(api.acting.AskError, match="but not as this Plimsoll does"):
            api.acting.body_of("http://x", answer)

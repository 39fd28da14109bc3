"""Slack beside the detector: real incidents, their charts, presses over HTTP, the commands."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from typer.testing import CliRunner

from alerts.drawing import Drawing
from api.album import Album
from api.app import create_app
from api.house import House
from api.main import app
from detector.regression import Incident, Phase
from tests.alerts.test_buttons import SECRET, headers
from tests.api.asking import Client, problem
from tests.api.chain import DEPLOYED_MS, chain_house, deploy
from tests.api.shop import MINUTE_MS, close
from tests.slack_fake import APP_TOKEN, CHANNEL, FakeSlack

NOW_MS = DEPLOYED_MS + 50 * MINUTE_MS
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATH = "/slack/actions"


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake


def section(slack: FakeSlack) -> dict[str, object]:
    return {
        "bot_token": slack.token,
        "signing_secret": SECRET,
        "channel": CHANNEL,
        "api_url": slack.api_url,
        "messages_per_minute": 100_000,
    }


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, slack: FakeSlack) -> Iterator[House]:
    now = datetime.fromtimestamp(NOW_MS / 1000 + 5, UTC)
    home = tmp_path_factory.mktemp("chain")
    made = chain_house(home, now=lambda: now, alerts={"slack": section(slack)})
    deploy(made)
    for tick_ms in range(DEPLOYED_MS, NOW_MS + 1, MINUTE_MS):
        made.detector.tick(tick_ms)
    made.alerts.announce(now)
    made.alerts.deliver(now)
    yield made
    close(made)


@pytest.fixture(scope="module")
def door(chain: House) -> Client:
    """The application of the chain."""
    return Client(create_app(chain))


def incidents(chain: House) -> list[Incident]:
    with chain.state.reading() as session:
        return chain.book.incidents(session, True)


def drawing(chain: House) -> Drawing:
    one = max(incidents(chain), key=lambda each: len(each.regressions))
    first = next(each for each in one.regressions if each.is_statistical)
    found = Album(chain).drawing(one, first, NOW_MS)
    assert found is not None
    return found


def test_a_chart_shows_the_windows_the_frozen_band_and_the_deployment(chain: House) -> None:
    made = drawing(chain)
    assert len(made.at_ms) > 100
    assert made.at_ms[0] <= made.change_ms[0] - 2 * 3_600_000 + 5 * MINUTE_MS
    assert made.lower is not None
    assert made.upper is not None
    assert made.expected is not None
    assert made.lower < made.expected < made.upper
    assert made.deployed_ms == DEPLOYED_MS
    assert made.deployed == "sessions 7.2.0"
    before = [v for at, v in zip(made.at_ms, made.values, strict=True) if at < DEPLOYED_MS]
    assert sum(made.lower <= (v or 0) <= made.upper for v in before) > 0.9 * len(before)


def test_charts_of_real_incidents_are_uploaded_into_their_threads(
    chain: House, slack: FakeSlack
) -> None:
    while chain.alerts.illustrate(chain.now()):
        pass
    assert slack.messages()
    for root in slack.messages():
        files = [one for reply in slack.thread(root) for one in reply.files]
        assert len(files) == 1
    assert all(one.content.startswith(b"\x89PNG") for one in slack.uploads.values())


def test_a_signed_press_acknowledges_a_real_incident(
    chain: House, door: Client, slack: FakeSlack
) -> None:
    message = slack.messages()[0]
    body = urlencode({"payload": json.dumps(slack.press(message, "Acknowledge"))}).encode()
    at = round(chain.now().timestamp())
    good = {**FORM, **headers(body, at)}
    assert door.post(PATH, content=body, headers=good).status_code == 200
    (one,) = [each for each in incidents(chain) if each.id == message.incident]
    assert {each.phase for each in one.regressions if each.phase.holds} == {Phase.ACKNOWLEDGED}
    assert {each.by for each in one.regressions if each.phase.holds} == {"ada (Slack)"}
    chain.alerts.announce(chain.now())
    chain.alerts.deliver(chain.now())
    shown = next(m for m in slack.messages() if m.ts == message.ts).shown
    assert "Acknowledged by ada (Slack)" in shown


def test_what_is_not_signed_by_slack_does_nothing(
    chain: House, door: Client, slack: FakeSlack
) -> None:
    body = urlencode({"payload": json.dumps(slack.press(slack.messages()[-1], "False positive"))})
    at = round(chain.now().timestamp())
    for given in ({}, headers(body.encode(), at, "other"), headers(body.encode(), at - 301)):
        answer = door.post(PATH, content=body.encode(), headers={**FORM, **given})
        problem(answer, 401, "unauthorized")
    assert not any(
        each.phase is Phase.FALSE_POSITIVE for one in incidents(chain) for each in one.regressions
    )


@pytest.mark.parametrize("body", [b"", b"payload=", b"payload=7", b"x=1", b"payload=%5B"])
def test_signed_nonsense_is_a_bad_request(chain: House, door: Client, body: bytes) -> None:
    at = round(chain.now().timestamp())
    answer = door.post(PATH, content=body, headers={**FORM, **headers(body, at)})
    problem(answer, 400, "bad-request")


def test_a_form_is_taken_nowhere_else(door: Client) -> None:
    answer = door.post("/api/v1/deployments", content=b"a=1", headers=FORM)
    problem(answer, 415, "content-type")


def test_without_a_signing_secret_there_is_no_such_page(client: Client) -> None:
    problem(client.post(PATH, content=b"payload=%7B%7D", headers=FORM), 404, "not-found")


# --- the commands -------------------------------------------------------------------------------


def configured(directory: Path, slack: FakeSlack, **changes: object) -> str:
    path = directory / "plimsoll.yaml"
    data = {
        "storage": {"directory": str(directory)},
        "alerts": {"slack": {**section(slack), **changes}},
    }
    path.write_text(yaml.safe_dump(data))
    return str(path)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["slack", *arguments])
    return result.exit_code, re.sub(r"\s+", " ", result.output)


@pytest.fixture
def fresh() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake


def test_what_works_is_said_to_work(tmp_path: Path, fresh: FakeSlack) -> None:
    path = configured(tmp_path, fresh, app_token=APP_TOKEN)
    code, told = run("test", "-c", path, "--post")
    assert code == 0, told
    for what in ("plimsoll in Fake", "scope chat:write", "can be read", "opens a connection"):
        assert what in told
    assert [one.text for one in fresh.messages()] == ["Plimsoll can post here."]
    assert fresh.token not in told


@pytest.mark.parametrize(
    ("spoil", "changes", "said"),
    [
        ("token", {}, "copy the Bot User OAuth Token anew"),
        ("scopes", {}, "scope chat:write is missing"),
        ("absent", {}, "the bot is not in the channel: /invite it"),
        ("", {"channel": "C0NOWHERE"}, "no such channel"),
        ("app", {"app_token": "xapp-wrong"}, "the wrong kind of token"),
        ("", {"api_url": "http://127.0.0.1:1/api/"}, "unreachable"),
    ],
)
def test_what_is_broken_is_named_with_what_to_do(
    tmp_path: Path, fresh: FakeSlack, spoil: str, changes: dict[str, object], said: str
) -> None:
    path = configured(tmp_path, fresh, **changes)
    match spoil:
        case "token":
            fresh.token = "xoxb-another"
        case "scopes":
            fresh.scopes = frozenset({"channels:history"})
        case "absent":
            fresh.absent.add(CHANNEL)
    code, told = run("test", "-c", path)
    assert code == 1, told
    assert said in told
    assert fresh.messages() == []


@pytest.mark.parametrize(
    ("scopes", "changes", "said"),
    [
        ({"chat:write", "files:write"}, {}, "a message may be doubled"),
        ({"chat:write", "channels:history"}, {}, "there are no charts"),
        (None, {"channel": "#alerts"}, "can change"),
        (None, {"signing_secret": None}, "messages have no buttons"),
    ],
)
def test_what_is_merely_less_good_is_advice(
    tmp_path: Path,
    fresh: FakeSlack,
    scopes: set[str] | None,
    changes: dict[str, object],
    said: str,
) -> None:
    if scopes is not None:
        fresh.scopes = frozenset(scopes)
    code, told = run("test", "-c", configured(tmp_path, fresh, **changes), "--json")
    assert code == 0, told
    assert said in told
    assert '"health": "advice"' in told


def test_a_webhook_says_what_it_lacks(tmp_path: Path, fresh: FakeSlack) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text(yaml.safe_dump({"alerts": {"slack": {"webhook_url": fresh.webhook_url}}}))
    code, told = run("test", "-c", str(path), "--post")
    assert code == 0, told
    assert "there are no threads, charts and buttons" in told
    assert len(fresh.messages()) == 1


def test_without_slack_the_commands_say_so(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("{}\n")
    code, told = run("test", "-c", str(path))
    assert (code, "Slack is not configured" in told) == (1, True)


def test_a_preview_is_the_message_that_would_be_sent(chain: House, slack: FakeSlack) -> None:
    directory = chain.settings.storage.directory
    path = configured(directory, slack)
    one = incidents(chain)[0]
    code, told = run("preview", one.id, "-c", path)
    assert code == 0, told
    assert '"action_id": "plimsoll.mute_1h"' in told
    same = run("preview", one.regressions[0].id, "-c", path)
    assert same == (code, told)
    result = CliRunner().invoke(app, ["slack", "preview", one.id, "-c", path, "--json"])
    assert set(json.loads(result.output)) == {"blocks", "attachments"}
    before = len(slack.calls)
    assert run("preview", "inc_nowhere", "-c", path)[0] == 1
    assert len(slack.calls) == before

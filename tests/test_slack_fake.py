"""The fake refuses what Slack refuses, and remembers as Slack does."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slack_fake import APP_TOKEN, CHANNEL, TOKEN, FakeSlack, RateLimited


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake


def call(url: str, body: dict[str, Any], token: str = TOKEN) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def section(**parts: Any) -> dict[str, Any]:
    return {"type": "section", **parts}


def text(length: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": "x" * length}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"blocks": [section(text=text(1))] * 51}, "invalid_blocks"),
        ({"blocks": [section(text=text(3001))]}, "invalid_blocks"),
        ({"blocks": [section(fields=[text(1)] * 11)]}, "invalid_blocks"),
        ({"blocks": [section(fields=[text(2001)])]}, "invalid_blocks"),
        ({"blocks": [section()]}, "invalid_blocks"),
        ({"blocks": [section(text=text(0))]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": text(1)}]}, "invalid_blocks"),
        (
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "invalid_blocks",
        ),
        ({"blocks": [section(text=text(1), block_id="a")] * 2}, "invalid_blocks"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"attachments": [{"blocks": [section()]}]}, "invalid_attachments"),
        ({"attachments": [{"color": "red"}]}, "invalid_attachments"),
        ({"attachments": [{}] * 101}, "too_many_attachments"),
        ({"text": "x", "metadata": {"event_type": "a b"}}, "invalid_metadata_format"),
    ],
)
def test_what_slack_refuses_is_refused(slack: FakeSlack, body: dict[str, Any], error: str) -> None:
    answer = call(slack.api_url + "chat.postMessage", {"channel": CHANNEL, **body})
    assert (answer["ok"], answer["error"]) == (False, error)
    assert slack.messages() == []


def test_tokens_and_methods_are_checked(slack: FakeSlack) -> None:
    assert call(slack.api_url + "auth.test", {})["user"] == "plimsoll"
    assert call(slack.api_url + "auth.test", {}, token="xoxb-no")["error"] == "invalid_auth"
    assert call(slack.api_url + "auth.test", {}, token="")["error"] == "not_authed"
    assert call(slack.api_url + "chat.nothing", {})["error"] == "unknown_method"


def test_an_edit_wants_the_id_of_the_channel_and_shows(slack: FakeSlack) -> None:
    posted = call(slack.api_url + "chat.postMessage", {"channel": "#alerts", "text": "one"})
    assert posted["channel"] == CHANNEL
    edit = {"ts": posted["ts"], "text": "two"}
    by_name = call(slack.api_url + "chat.update", {"channel": "#alerts", **edit})
    assert by_name["error"] == "channel_not_found"
    assert call(slack.api_url + "chat.update", {"channel": CHANNEL, **edit})["ok"]
    (message,) = slack.messages()
    assert (message.text, message.edited, message.shown) == ("two", True, "two")


def test_metadata_shows_only_when_asked_for(slack: FakeSlack) -> None:
    metadata = {"event_type": "plimsoll_incident", "event_payload": {"incident": "i"}}
    call(
        slack.api_url + "chat.postMessage",
        {"channel": CHANNEL, "text": "one", "metadata": metadata},
    )
    url = slack.api_url + "conversations.history"
    (plain,) = call(url, {"channel": CHANNEL})["messages"]
    (full,) = call(url, {"channel": CHANNEL, "include_all_metadata": True})["messages"]
    assert "metadata" not in plain
    assert full["metadata"] == metadata


def test_misbehaviour_is_used_up(slack: FakeSlack) -> None:
    slack.misbehave("auth.test", RateLimited(7))
    with pytest.raises(urllib.error.HTTPError) as limited:
        call(slack.api_url + "auth.test", {})
    assert (limited.value.code, limited.value.headers["Retry-After"]) == (429, "7")
    limited.value.close()
    assert call(slack.api_url + "auth.test", {})["ok"]


def test_as_a_process_it_keeps_its_channel_in_a_file(tmp_path: Path) -> None:
    journal = tmp_path / "slack.jsonl"
    command = [sys.executable, "-m", "tests.slack_fake", "--journal", str(journal)]
    for number in (1, 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            posted = call(
                where["api_url"] + "chat.postMessage",
                {"channel": where["channel"], "text": f"message {number}"},
                where["token"],
            )
            assert posted["ok"]
            process.kill()
    with FakeSlack(journal=journal) as again:
        assert [message.text for message in again.messages()] == ["message 1", "message 2"]


def button(**changes: Any) -> dict[str, Any]:
    made = {
        "type": "button",
        "action_id": "a",
        "text": {"type": "plain_text", "text": "Go"},
        "value": "v",
    }
    return {**made, **changes}


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [button(action_id=str(number)) for number in range(26)],
        [button(), button()],
        [button(text={"type": "plain_text", "text": "x" * 76})],
        [button(text={"type": "mrkdwn", "text": "x"})],
        [button(value="x" * 2001)],
        [button(action_id="")],
        [button(colour="red")],
        [button(confirm={"title": {"type": "plain_text", "text": "x" * 101}})],
    ],
)
def test_buttons_beyond_the_limits_are_refused(
    slack: FakeSlack, elements: list[dict[str, Any]]
) -> None:
    body = {"channel": CHANNEL, "blocks": [{"type": "actions", "elements": elements}]}
    assert call(slack.api_url + "chat.postMessage", body)["error"] == "invalid_blocks"


def test_a_reply_stands_in_its_thread_and_in_the_channel_only_if_broadcast(
    slack: FakeSlack,
) -> None:
    url = slack.api_url + "chat.postMessage"
    root = call(url, {"channel": CHANNEL, "text": "root"})["ts"]
    call(url, {"channel": CHANNEL, "text": "quiet", "thread_ts": root})
    loud = {"channel": CHANNEL, "text": "loud", "thread_ts": root, "reply_broadcast": True}
    call(url, loud)
    lost = call(url, {"channel": CHANNEL, "text": "x", "thread_ts": "1.0"})
    assert lost["error"] == "thread_not_found"
    assert slack.seen() == "root\n    quiet\n    loud (also sent to the channel)"

    def texts(method: str, **more: Any) -> list[str]:
        found = call(slack.api_url + method, {"channel": CHANNEL, **more})["messages"]
        return sorted(one["text"] for one in found)

    assert texts("conversations.history") == ["loud", "root"]
    assert texts("conversations.replies", ts=root) == ["loud", "quiet", "root"]


def test_a_file_has_to_be_whole_before_it_is_shared(slack: FakeSlack) -> None:
    begun = call(slack.api_url + "files.getUploadURLExternal", {"filename": "a.png", "length": 3})
    share = {"files": json.dumps([{"id": begun["file_id"], "title": "A"}]), "channel_id": CHANNEL}
    url = slack.api_url + "files.completeUploadExternal"
    assert call(url, share)["error"] == "file_not_found"
    request = urllib.request.Request(begun["upload_url"], b"png", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
    assert call(url, share)["ok"]
    assert slack.seen() == "[picture: A]"


def test_a_socket_is_given_to_an_app_token_only(slack: FakeSlack) -> None:
    url = slack.api_url + "apps.connections.open"
    assert call(url, {})["error"] == "not_allowed_token_type"
    assert call(url, {}, token=APP_TOKEN)["url"].startswith("ws://127.0.0.1:")

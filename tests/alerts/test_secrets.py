"""Tokens and webhook addresses stay out of logs, errors, rows and the status."""

import json
import logging
from pathlib import Path

import pytest

from alerts.alert import Errand, Outcome
from alerts.notifiers.slack import slack as make
from alerts.redact import redacted
from tests.alerts.desk import Desk
from tests.alerts.incidents import incident, resolved
from tests.slack_fake import (
    WEBHOOK_PATH,
    Dropped,
    FakeSlack,
    Garbage,
    Misbehaviour,
    Redirected,
    Refused,
)


@pytest.mark.parametrize(
    "text",
    [
        "token xoxb-12-34-SECRET refused",
        "xoxe.xoxb-1-SECRET",
        "xoxe-1-SECRET",
        "xapp-1-A1-SECRET",
        "POST https://hooks.slack.com/services/T1/B1/SECRET failed",
        "https://hooks.slack.com/workflows/T1/SECRET",
        "http://127.0.0.1:8080/services/T1/B1/SECRET",
        "Authorization: Bearer SECRET",
        "https://user:SECRET@proxy.example/",
    ],
)
def test_secrets_are_taken_out_and_the_rest_is_left(text: str) -> None:
    assert "SECRET" not in redacted(text)
    assert "***" in redacted(text)


def test_ordinary_text_is_left_alone_on_one_line_and_short() -> None:
    assert redacted("a\n b: invalid_auth") == "a b: invalid_auth"
    assert len(redacted("x" * 10_000)) == 500


@pytest.mark.parametrize("mode", ["by_token", "by_webhook"])
def test_no_secret_is_logged_or_stored_whatever_goes_wrong(
    desk: Desk, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.reconfigure(getattr(desk, mode)())
    secret = desk.slack.token if mode == "by_token" else WEBHOOK_PATH
    method = "chat.postMessage" if mode == "by_token" else "webhook"
    troubles: list[Misbehaviour] = [
        Refused(secret),
        Garbage(f"<html>{secret}</html>"),
        Garbage(json.dumps({"ok": False, "error": secret})),
        Dropped(accepted=False),
        Redirected(f"https://elsewhere.example/{secret}"),
    ]
    for number, how in enumerate(troubles):
        desk.slack.misbehave(method, how)
        desk.tell(incident(f"inc-{number}"))
        desk.wait(400)
    desk.tell(resolved(incident("inc-0")))
    everything = caplog.text + repr(desk.rows()) + repr(desk.status()) + repr(desk.config)
    everything += Path(desk.path).read_bytes().decode("latin-1")
    assert caplog.text
    assert secret not in everything


def test_a_token_that_was_mended_in_its_file_heals_without_a_restart(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("xoxb-0-0-old")
    desk.reconfigure(desk.by_token(bot_token=None, bot_token_file=str(path)))
    assert desk.tell(incident()) == [Outcome.RECEIVER_BROKEN]
    assert desk.status().receivers["slack"].error == "invalid_auth"
    path.unlink()
    desk.wait(301)
    assert desk.deliver() == [Outcome.RECEIVER_BROKEN]
    assert "cannot read" in desk.status().receivers["slack"].error
    path.write_text(desk.slack.token)
    desk.wait(301)
    assert desk.deliver() == [Outcome.SENT]
    assert len(desk.slack.messages()) == 1


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "fe80::1"])
def test_nothing_is_sent_to_link_local_and_metadata_addresses(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    # The name resolves to this machine, and the peer's address is what is looked at.
    monkeypatch.setattr("socket.socket.getpeername", lambda _: (address, 80))
    (notifier,) = [make("slack", desk.config.slack)] if desk.config.slack else []
    delivery = notifier.post({"text": "x"}, Errand(key="k", at_ms=0))
    assert delivery.outcome is Outcome.UNREACHABLE
    assert "link-local" in delivery.detail
    assert desk.slack.calls == []


def test_an_endless_answer_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.notifiers.outbound.LARGEST_ANSWER_BYTES", 1000)
    desk.slack.misbehave("chat.postMessage", Garbage("x" * 2000))
    assert desk.tell(incident()) == [Outcome.UNKNOWN]
    assert "too large" in desk.rows()[0].error


def test_a_certificate_nobody_trusts_means_nothing_was_sent(desk: Desk, slack: FakeSlack) -> None:
    https = slack.api_url.replace("http://", "https://")  # the server speaks no TLS at all
    desk.reconfigure(desk.by_token(api_url=https))
    assert desk.tell(incident()) == [Outcome.UNREACHABLE]
    assert slack.calls == []

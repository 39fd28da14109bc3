"""The reduced mode: no edits, no looking; what wakes somebody is told, what does not is not."""

import pytest
from sqlmodel import select

from alerts.alert import Action, Outcome, Reason
from alerts.outbox_tables import OutboxRow
from alerts.payload import REPEAT
from tests.alerts.desk import Desk
from tests.alerts.incidents import changed, incident, resolved, worse
from tests.slack_fake import (
    CHANNEL,
    Dropped,
    Garbage,
    Misbehaviour,
    RateLimited,
    Refused,
    ServerError,
)


@pytest.fixture(autouse=True)
def _webhook(desk: Desk) -> None:
    desk.reconfigure(desk.by_webhook())


def test_opened_worse_and_resolved_are_messages_and_mere_changes_are_not(desk: Desk) -> None:
    opened = incident()
    desk.tell(opened)
    (alert,) = desk.announce(changed(opened))
    assert (alert.action, alert.reason) == (Action.NOTHING, Reason.CANNOT_EDIT)
    assert desk.deliver() == []
    desk.tell(worse(changed(opened)))
    desk.tell(resolved(worse(changed(opened))))
    words = [message.text.split(":")[0] for message in desk.slack.messages()]
    assert words == ["Warning", "Critical", "Resolved"]
    assert all(message.by_webhook for message in desk.slack.messages())


def test_a_change_replaces_a_message_that_still_waits(desk: Desk) -> None:
    desk.announce(incident())
    desk.announce(changed(incident()))
    assert desk.deliver() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert "900 ms" in message.text


def test_an_alarm_that_is_taken_back_before_it_went_out_is_not_rung(desk: Desk) -> None:
    desk.tell(incident())
    desk.announce(worse(incident()))
    desk.announce(changed(incident(version=2)))
    desk.deliver()
    words = [message.text.split(":")[0] for message in desk.slack.messages()]
    assert words == ["Warning", "Warning"]


def test_a_server_error_is_tried_again(desk: Desk) -> None:
    desk.slack.misbehave("webhook", ServerError(503), ServerError(500))
    assert desk.tell(incident()) == [Outcome.SERVER_ERROR]
    desk.wait(2)
    assert desk.deliver() == [Outcome.SERVER_ERROR]
    desk.wait(3)
    assert desk.deliver() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert REPEAT not in message.text


def test_retry_after_is_honoured(desk: Desk) -> None:
    desk.slack.misbehave("webhook", RateLimited(42))
    assert desk.tell(incident()) == [Outcome.RATE_LIMITED]
    desk.wait(41)
    assert desk.deliver() == []
    desk.wait(2)
    assert desk.deliver() == [Outcome.SENT]


@pytest.mark.parametrize("how", [Dropped(accepted=True), Dropped(accepted=False), Garbage()])
def test_a_message_of_unknown_fate_is_sent_once_more_and_says_so(
    desk: Desk, how: Misbehaviour
) -> None:
    desk.slack.misbehave("webhook", how)
    assert desk.tell(incident()) == [Outcome.UNKNOWN]
    desk.wait(9)
    assert desk.deliver() == []
    desk.wait(2)
    assert desk.deliver() == [Outcome.BLIND, Outcome.SENT]
    assert REPEAT in desk.slack.messages()[-1].text
    assert desk.status().pending == 0


def test_repeats_in_doubt_grow_rare_and_end(desk: Desk) -> None:
    desk.slack.always("webhook", Dropped(accepted=True))
    desk.tell(incident())
    for seconds in (11, 61, 601):
        assert desk.deliver() == []
        desk.wait(seconds)
        assert desk.deliver() == [Outcome.BLIND, Outcome.UNKNOWN]
    desk.wait(86_400)
    assert desk.deliver() == []
    assert desk.states() == ["unknown"]
    assert desk.status().pending == 0
    assert [message.text.count(REPEAT) for message in desk.slack.messages()] == [0, 1, 1, 1]


def test_a_newer_version_of_a_doubtful_message_keeps_the_doubt(desk: Desk) -> None:
    desk.slack.misbehave("webhook", Dropped(accepted=True))
    desk.tell(incident())
    desk.announce(worse(incident()))
    desk.wait(11)
    assert desk.deliver() == [Outcome.BLIND, Outcome.SENT]
    _, second = desk.slack.messages()
    assert second.text.startswith("Critical")
    assert REPEAT in second.text


@pytest.mark.parametrize("fault", ["archived", "unknown", "refused"])
def test_a_webhook_that_is_no_more_breaks_the_receiver(desk: Desk, fault: str) -> None:
    if fault == "archived":
        desk.slack.archived.add(CHANNEL)
    elif fault == "refused":
        desk.slack.misbehave("webhook", Refused("action_prohibited"))
    else:
        other = desk.slack.webhook_url.replace("fakefake", "revoked")
        desk.reconfigure(desk.by_webhook(webhook_url=other))
    assert desk.tell(incident()) == [Outcome.RECEIVER_BROKEN]
    status = desk.status().receivers["slack-webhook"]
    assert status.broken
    assert status.error in ("channel_is_archived", "no_service", "action_prohibited")


def test_a_layout_the_webhook_refuses_is_sent_as_text_alone(desk: Desk) -> None:
    (alert,) = desk.announce(incident())
    assert alert.payload is not None
    with desk.state.unit() as session:
        (row,) = session.exec(select(OutboxRow)).all()
        row.payload = row.payload.replace('"type": "header"', '"type": "banner"')
        session.add(row)
    assert desk.deliver() == [Outcome.MESSAGE_REFUSED, Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.blocks == []
    assert message.text


def test_switching_from_token_to_webhook_tells_the_rest_by_webhook(desk: Desk) -> None:
    desk.reconfigure(desk.by_token())
    desk.tell(incident())
    desk.announce(changed(incident()))
    desk.reconfigure(desk.by_webhook())
    assert desk.deliver() == []
    desk.tell(resolved(incident(version=2)))
    assert [message.by_webhook for message in desk.slack.messages()] == [False, True]

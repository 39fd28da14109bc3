"""Buttons: what is offered, what a press does, who did it, and how presses come in."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.interval_runner import IntervalRunner

from alerts.buttons import Button, offered, pressed
from alerts.notifiers import slack_presses
from alerts.notifiers.slack_client import silent
from alerts.notifiers.slack_presses import hang_up
from alerts.presses import Result
from detector.regression import Phase
from tests.alerts.desk import Desk
from tests.alerts.incidents import POOL, decided, incident, minutes, resolved, worse
from tests.slack_fake import APP_TOKEN, FakeSlack

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@pytest.fixture
def clickable(desk: Desk) -> Desk:
    desk.reconfigure(desk.threaded(signing_secret=SECRET))
    desk.tell(incident())
    return desk


def press(desk: Desk, button: str, user: str = "ada") -> Result:
    (message,) = desk.slack.messages()
    result = desk.alerts.press(desk.slack.press(message, button, user), desk.now).result
    desk.announce()
    desk.deliver()
    return result


def test_what_can_be_done_is_offered_and_nothing_else() -> None:
    assert offered(incident()) == list(Button)
    assert Button.ACKNOWLEDGE not in offered(decided(incident(), Phase.ACKNOWLEDGED))
    assert offered(resolved(incident())) == []
    fixed = replace(incident(), regressions=(POOL,))
    assert Button.ACCEPT not in offered(fixed), "a fixed limit has no normal"


def test_without_a_way_back_there_are_no_buttons(desk: Desk) -> None:
    desk.reconfigure(desk.threaded())
    desk.tell(incident())
    assert "actions" not in str(desk.slack.messages()[0].attachments)


def test_a_press_acknowledges_and_the_message_and_its_thread_say_who(clickable: Desk) -> None:
    assert press(clickable, "Acknowledge", "grace") is Result.DONE
    (message,) = clickable.slack.messages()
    assert "Acknowledged by grace (Slack)" in message.shown
    assert [one.text for one in clickable.slack.thread(message)] == [
        "Acknowledged by grace (Slack)."
    ]
    metric = "plimsoll_slack_presses_total"
    assert clickable.metric(metric, button="acknowledge", result="done") == 1


def test_a_press_that_comes_twice_is_one(clickable: Desk) -> None:
    (message,) = clickable.slack.messages()
    payload = clickable.slack.press(message, "Acknowledge")
    for _ in range(2):
        assert clickable.alerts.press(payload, clickable.now).result is Result.DONE
        clickable.announce()
        clickable.deliver()
    (message,) = clickable.slack.messages()
    assert len(clickable.slack.thread(message)) == 1


@pytest.mark.parametrize(
    ("button", "phase", "until"),
    [
        ("Mute 1 h", Phase.MUTED, 3_600_000),
        ("Mute until resolved", Phase.MUTED, None),
        ("Accept as new normal", Phase.ACCEPTED, None),
        ("False positive", Phase.FALSE_POSITIVE, None),
    ],
)
def test_each_button_does_what_it_says(
    clickable: Desk, button: str, phase: Phase, until: int | None
) -> None:
    assert press(clickable, button) is Result.DONE
    with clickable.state.reading() as session:
        found = clickable.book.incident(session, "inc-1")
    assert found is not None
    (one,) = found.regressions
    assert (one.phase, one.by) == (phase, "ada (Slack)")
    now_ms = round(clickable.now.timestamp() * 1000)
    assert one.muted_until_ms == (now_ms + until if until else None)


def test_a_press_for_what_is_over_does_nothing_and_the_person_reads_why(clickable: Desk) -> None:
    (message,) = clickable.slack.messages()
    payload = clickable.slack.press(message, "Acknowledge")
    clickable.tell(resolved(incident()))
    answer = clickable.alerts.press(payload, clickable.now)
    assert answer.result is Result.NOT_POSSIBLE
    ((channel, user, text),) = clickable.slack.whispers
    assert (channel, user) == (message.channel, "U0ADA")
    assert text == "Acknowledge is not possible: it is over."


def test_accepting_a_fixed_limit_is_refused_with_its_reason(clickable: Desk) -> None:
    (message,) = clickable.slack.messages()
    payload = clickable.slack.press(message, "Accept as new normal")
    fixed = replace(incident(version=2), regressions=(replace(POOL, incident_id="inc-1"),))
    clickable.tell(fixed)
    assert clickable.alerts.press(payload, clickable.now).result is Result.NOT_POSSIBLE
    assert "fixed limit" in clickable.slack.whispers[0][2]


def test_all_that_holds_of_an_incident_is_acknowledged_at_once(clickable: Desk) -> None:
    clickable.tell(worse(incident()))
    assert press(clickable, "Acknowledge") is Result.DONE
    with clickable.state.reading() as session:
        found = clickable.book.incident(session, "inc-1")
    assert found is not None
    assert {one.phase for one in found.regressions} == {Phase.ACKNOWLEDGED}


def test_an_incident_that_is_forgotten_is_said_to_be(clickable: Desk) -> None:
    (message,) = clickable.slack.messages()
    payload = clickable.slack.press(message, "Acknowledge")
    payload["actions"][0]["value"] = "inc-gone"
    assert clickable.alerts.press(payload, clickable.now).result is Result.NO_INCIDENT


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "view_submission"},
        {"type": "block_actions"},
        {"type": "block_actions", "actions": [], "user": {"id": "U"}},
        {"type": "block_actions", "actions": [{"action_id": "other", "value": "x"}]},
        {"type": "block_actions", "actions": [{"action_id": "plimsoll.drop", "value": "x"}]},
        {"type": "block_actions", "actions": [{"action_id": "plimsoll.mute", "value": None}]},
        {"type": "block_actions", "actions": "no", "user": []},
    ],
)
def test_what_is_none_of_our_buttons_is_counted_and_does_nothing(
    clickable: Desk, payload: dict[str, Any]
) -> None:
    assert pressed(payload) is None
    assert clickable.alerts.press(payload, clickable.now).result is Result.NOT_OURS
    assert clickable.metric("plimsoll_slack_presses_total", button="", result="not_ours") == 1


def test_a_hostile_name_is_stored_short_and_shown_escaped(clickable: Desk) -> None:
    assert press(clickable, "Acknowledge", "<!channel>" + "x" * 5000) is Result.DONE
    (message,) = clickable.slack.messages()
    assert "<!channel>" not in message.shown
    assert "&lt;!channel&gt;" in message.shown


# --- how presses come in ------------------------------------------------------------------------


def headers(body: bytes, at_seconds: int, secret: str = SECRET) -> dict[str, str]:
    signed = hmac.new(secret.encode(), b"v0:%d:%s" % (at_seconds, body), hashlib.sha256)
    return {
        "X-Slack-Request-Timestamp": str(at_seconds),
        "X-Slack-Signature": f"v0={signed.hexdigest()}",
    }


def test_a_signature_is_checked_with_its_time(clickable: Desk) -> None:
    body, now = b"payload=%7B%7D", round(clickable.now.timestamp())

    def good(given: dict[str, str], sent: bytes = body) -> bool | None:
        return clickable.alerts.is_signed(given, sent, clickable.now)

    assert good(headers(body, now)) is True
    assert good(headers(body, now - 299)) is True
    assert good(headers(body, now - 301)) is False
    assert good(headers(body, now, "other")) is False
    assert good(headers(body, now), b"payload=%7B%20%7D") is False
    assert good({}) is False
    assert good({**headers(body, now), "X-Slack-Request-Timestamp": "soon"}) is False


def test_without_a_signing_secret_no_request_is_expected(desk: Desk) -> None:
    assert desk.alerts.is_signed({}, b"", desk.now) is None


@pytest.fixture
def listening(desk: Desk) -> Any:
    desk.reconfigure(desk.threaded(app_token=APP_TOKEN))
    desk.tell(incident())
    yield desk
    desk.alerts.close()


def test_a_press_over_the_socket_is_acknowledged_and_done(
    listening: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack: FakeSlack = listening.slack
    assert listening.alerts.listens
    listening.alerts.keep_listening(lambda: listening.now)
    assert listening.metric("plimsoll_slack_connections") == 1
    done, take = Event(), listening.alerts.press

    def took(*arguments: Any) -> Any:
        try:
            return take(*arguments)
        finally:
            done.set()

    monkeypatch.setattr(listening.alerts, "press", took)
    slack.sockets.send("e-1", slack.press(slack.messages()[0], "Acknowledge"))
    assert slack.sockets.wait_for("e-1")
    assert done.wait(10)
    listening.announce()
    listening.deliver()
    assert "Acknowledged by ada (Slack)" in slack.messages()[0].shown


def test_a_connection_that_cannot_be_made_is_tried_again(
    listening: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    good, listening.slack.app_token = listening.slack.app_token, "xapp-other"
    listening.alerts.keep_listening(lambda: listening.now)
    assert listening.metric("plimsoll_slack_connections") == 0
    assert "no connection for the buttons" in caplog.text
    assert APP_TOKEN not in caplog.text
    listening.slack.app_token = good
    listening.alerts.keep_listening(lambda: listening.now)
    assert listening.metric("plimsoll_slack_connections") == 1
    listening.alerts.keep_listening(lambda: listening.now)
    asked = listening.slack.counted("apps.connections.open")
    assert asked == 2, "a connection that stands is left alone"


def reading(loop: Callable[[SocketModeClient], None]) -> SocketModeClient:
    """The library's client, with another loop in the place of the one that reads."""
    client = SocketModeClient(APP_TOKEN, silent(), concurrency=1)
    client.current_session_runner.event.set()
    client.current_session_runner = IntervalRunner(lambda: loop(client)).start()
    return client


def test_a_sign_to_hang_up_that_the_library_takes_back_is_given_again() -> None:
    def loop(client: SocketModeClient) -> None:
        for _ in range(2):
            while not client.current_session_state.terminated:
                Event().wait(0.001)
            client.current_session_state.terminated = False

    client = reading(loop)
    hang_up(client)
    assert not client.current_session_runner.is_alive()


def test_a_loop_that_misses_the_sign_to_hang_up_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slack_presses, "LOOK_SECONDS", 0.04)
    elsewhere = Event()

    def loop(client: SocketModeClient) -> None:
        elsewhere.wait(60)

    client = reading(loop)
    hang_up(client)
    assert client.current_session_runner.is_alive()
    assert not client.message_processor.is_alive()
    elsewhere.set()
    client.current_session_runner.thread.join(10)
    assert not client.current_session_runner.is_alive()


def test_one_connection_serves_all_channels_of_an_app(desk: Desk) -> None:
    first = desk.threaded(app_token=APP_TOKEN)
    slack = {"bot_token": desk.slack.token, "app_token": APP_TOKEN, "api_url": desk.slack.api_url}
    given = {
        "slack": {**slack, "channel": "C0ALERTS0"},
        "receivers": [{"name": "other", "slack": {"channel": "C0OTHER00"}}],
    }
    desk.reconfigure(type(first).model_validate(given))
    desk.alerts.keep_listening(lambda: desk.now)
    assert desk.slack.counted("apps.connections.open") == 1
    desk.alerts.close()


def test_a_mute_in_the_past_cannot_be_asked_for() -> None:
    assert Button.MUTE_HOUR.until_ms(minutes(0)) == minutes(60)
    assert Button.MUTE.until_ms(minutes(0)) is None

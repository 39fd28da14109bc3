"""What was decided is sent, once, wherever the process ends."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from alerts.alert import Delivery, Outcome
from alerts.payload import REPEAT, only_text
from tests.alerts.books import TestBook, opened
from tests.alerts.desk import Desk
from tests.alerts.incidents import incident, resolved, worse
from tests.alerts.reading import LINKED, told
from tests.slack_fake import Dropped, FakeSlack, Message


def test_a_crash_between_decided_and_sent_loses_nothing(desk: Desk) -> None:
    desk.announce(incident())
    desk.crash()
    assert desk.announce() == []
    assert desk.deliver() == [Outcome.SENT]
    assert len(desk.slack.messages()) == 1


def test_a_crash_while_deciding_decides_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_disk(*_: object) -> None:
        raise OSError("no space left on device")

    desk.write(incident())
    with monkeypatch.context() as broken:
        broken.setattr("alerts.outbox.Outbox.put", out_of_disk)
        with pytest.raises(OSError, match="no space"):
            desk.alerts.announce(desk.now)
    desk.crash()
    assert len(desk.announce()) == 1
    assert desk.deliver() == [Outcome.SENT]


def crash_while_sending(desk: Desk, *, arrives: bool) -> None:
    """Claim a message, perhaps get it to Slack, and end before the outcome is written down."""
    with desk.state.unit() as session:
        letter = desk.alerts.deliverer._outbox.claim(session, int(desk.now.timestamp() * 1000))
    assert letter is not None
    if arrives:
        assert desk.alerts.deliverer.call(letter, 0).outcome is Outcome.SENT
    desk.crash()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_crash_while_posting_neither_loses_nor_doubles(desk: Desk, arrives: bool) -> None:
    desk.announce(incident())
    crash_while_sending(desk, arrives=arrives)
    assert desk.states() == ["unknown"]
    # Not at once: the request may still be on its way.
    assert desk.deliver() == []
    desk.wait(6)
    assert desk.deliver() == ([Outcome.FOUND] if arrives else [Outcome.ABSENT, Outcome.SENT])
    (message,) = desk.slack.messages()
    assert REPEAT not in message.text


@pytest.mark.parametrize("arrives", [True, False])
def test_a_crash_while_editing_makes_the_edit_again(desk: Desk, arrives: bool) -> None:
    desk.tell(incident())
    desk.announce(resolved(incident()))
    crash_while_sending(desk, arrives=arrives)
    assert desk.deliver() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")


def test_a_crash_while_looking_looks_again(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident())
    desk.wait(11)
    crash_while_sending(desk, arrives=False)
    desk.wait(6)
    assert desk.deliver() == [Outcome.FOUND]
    assert desk.slack.counted("chat.postMessage") == 1


def test_by_webhook_a_crash_while_posting_is_told_as_a_possible_repeat(desk: Desk) -> None:
    desk.reconfigure(desk.by_webhook())
    desk.announce(incident())
    crash_while_sending(desk, arrives=True)
    desk.wait(6)
    assert desk.deliver() == [Outcome.BLIND, Outcome.SENT]
    first, second = desk.slack.messages()
    assert REPEAT not in first.text
    assert REPEAT in second.text


def test_a_message_left_in_flight_by_a_failing_disk_is_taken_up_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_disk(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("alerts.outbox.Outbox.settle", out_of_disk)
        desk.announce(incident())
        with pytest.raises(OSError, match="no space"):
            desk.deliver()
    desk.wait(240)
    assert desk.deliver() == []
    desk.wait(61)
    assert desk.deliver() == []
    desk.wait(6)
    assert desk.deliver() == [Outcome.FOUND]
    assert len(desk.slack.messages()) == 1


def test_an_outcome_that_comes_after_the_recovery_changes_nothing(desk: Desk) -> None:
    now_ms = int(desk.now.timestamp() * 1000)
    desk.announce(incident())
    with desk.state.unit() as session:
        letter = desk.alerts.deliverer._outbox.claim(session, now_ms)
    assert letter is not None
    delivery = desk.alerts.deliverer.call(letter, 0)
    desk.alerts.recover(desk.now)
    with desk.state.unit() as session:
        desk.alerts.deliverer._outbox.settle(session, letter, delivery, now_ms)
    assert desk.states() == ["unknown"]
    desk.wait(6)
    assert desk.deliver() == [Outcome.FOUND]


def test_a_message_is_claimed_by_one_only(desk: Desk) -> None:
    desk.announce(incident())
    now_ms = int(desk.now.timestamp() * 1000)
    claims = []
    for _ in range(2):
        with desk.state.unit() as session:
            claims.append(desk.alerts.deliverer._outbox.claim(session, now_ms))
    assert [claim is not None for claim in claims] == [True, False]


def test_an_edit_of_what_never_arrived_is_a_post_with_all_its_care(desk: Desk) -> None:
    now_ms = int(desk.now.timestamp() * 1000)
    desk.announce(incident())
    with desk.state.unit() as session:
        first = desk.alerts.deliverer._outbox.claim(session, now_ms)
    assert first is not None
    desk.announce(worse(incident()))  # meant as an edit of what is just being sent
    refused = Delivery(outcome=Outcome.MESSAGE_REFUSED)
    with desk.state.unit() as session:
        bare = replace(first, payload=only_text(first.payload))
        desk.alerts.deliverer._outbox.settle(session, bare, refused, now_ms)
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    assert desk.deliver() == [Outcome.UNKNOWN]
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]
    assert len(desk.slack.messages()) == 1


KILLS = 20
# Fewer than a digest has, and more than a page of one holds.
SIZES = (5, 26)


@pytest.mark.timeout(400)
def test_kill_9_at_any_point_of_a_storm_leaves_each_incident_told_exactly_once(
    tmp_path: Path, slack: FakeSlack
) -> None:
    url = f"sqlite:///{tmp_path / 'state.sqlite3'}"
    state = opened(url)
    book = TestBook()
    # A day back, so that the fake's real clock is never before the child's.
    start = datetime.now(UTC) - timedelta(days=1)
    slack.delay_seconds = 0.005
    dice = random.Random(20260302)
    storms = [
        [f"inc-{kill:02}-{number:02}" for number in range(SIZES[kill % 2])] for kill in range(KILLS)
    ]
    ends = []
    with Teller(url, slack.api_url) as teller:
        for kill in range(KILLS + 1):
            with state.unit() as session:
                for name in storms[kill] if kill < KILLS else ():
                    book.write(session, incident(name))
                for name in storms[kill - 1][::2] if kill else ():
                    book.write(session, worse(incident(name)))
            after = dice.uniform(0, 0.2) if kill < KILLS else None
            ends.append(teller.run(start + timedelta(hours=kill), kill_after_seconds=after))
    state.close()

    assert ends[-1] == 0
    assert ends.count(-9) >= KILLS / 2, "the kills came too late to prove anything"
    names = [name for storm in storms for name in storm]
    assert told(slack) == Counter(dict.fromkeys(names, 1))
    everything = slack.everything()
    critical = {name for message in everything for name in critical_in(message)}
    assert critical == {name for storm in storms for name in storm[::2]}
    keys = Counter(m.metadata["event_payload"].get("key") for m in everything if m.metadata)
    assert {key: count for key, count in keys.items() if key and count > 1} == {}
    assert not any(REPEAT in message.text for message in everything)


def critical_in(message: Message) -> list[str]:
    """The incidents that a message shows as critical."""
    if message.incident.startswith("inc-"):
        return [message.incident] if message.text.startswith("Critical") else []
    lines = message.shown.split("\n")
    return [LINKED.findall(line)[0] for line in lines if line.startswith("*Critical*")]


class Teller:
    """The process of `tests.alerts.teller`, and the knife."""

    def __init__(self, url: str, api_url: str) -> None:
        self._nurse = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.teller", url, api_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._nurse:
            assert self._nurse.stdin is not None
            self._nurse.stdin.close()
            assert self._nurse.wait(timeout=30) == 0

    def run(self, now: datetime, *, kill_after_seconds: float | None) -> int:
        """Let one child work, kill it after a while or let it finish; how it ended."""
        assert self._nurse.stdin is not None
        assert self._nurse.stdout is not None
        self._nurse.stdin.write(f"{now.isoformat()}\n")
        self._nurse.stdin.flush()
        child = int(self._nurse.stdout.readline())
        if kill_after_seconds is not None:
            threading.Event().wait(kill_after_seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self._nurse.stdout.readline())

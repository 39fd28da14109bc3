"""The outbox by itself: what it forgets, and that each outcome leads somewhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from alerts.alert import Action, Delivery, Fate, Outcome, Reason
from alerts.deliver import milliseconds
from alerts.message import render
from alerts.outbox_tables import OutboxRow
from alerts.retry import Letter, State, next_step, scatter
from tests.alerts.desk import Desk
from tests.alerts.incidents import NOON, incident, resolved, worse

NOW_MS = 1_000_000
LETTER = Letter(
    id=1,
    key="slack:inc-1:1",
    incident_id="inc-1",
    receiver="slack",
    version=1,
    action=Action.POST,
    payload=render(incident(), "https://plimsoll.example"),
    attempts=1,
    repeats=0,
    in_doubt=False,
    first_attempt_ms=NOW_MS,
)


def test_what_was_told_is_forgotten_when_the_incident_is_long_over(desk: Desk) -> None:
    desk.tell(incident("old"))
    desk.tell(resolved(incident("old")))
    desk.tell(incident("long"))
    desk.wait(3600)
    desk.tell(worse(incident("long")))
    desk.tell(incident("new"))
    desk.tell(resolved(incident("new")))
    desk.announce(incident("waiting"))
    assert desk.alerts.retain(desk.now - timedelta(minutes=30)) == 2
    assert {row.incident_id for row in desk.rows()} == {"long", "new", "waiting"}
    # An open incident keeps its message however old it is, or it could not be edited.
    desk.wait(86_400 * 365)
    desk.tell(resolved(worse(incident("long"))))
    assert [m.edits for m in desk.slack.messages() if m.incident == "long"] == [2]


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_message_nobody_has_is_tried_again_unless_it_can_never_go(
    outcome: Outcome, in_doubt: bool
) -> None:
    letter = replace(LETTER, in_doubt=in_doubt)
    step = next_step(letter, Delivery(outcome=outcome, version=1), NOW_MS)
    if outcome.fate is Fate.TOLD:
        assert (step.state, step.next_attempt_ms) == (State.SENT, None)
    else:
        assert step.next_attempt_ms is not None
        assert step.next_attempt_ms >= NOW_MS
        assert step.state in (State.PENDING, State.UNKNOWN, State.FAILED)


@pytest.mark.parametrize(
    "outcome", [o for o in Outcome if o not in (Outcome.ABSENT, Outcome.BLIND)]
)
def test_a_post_in_doubt_is_not_sent_again_before_its_fate_was_looked_for(outcome: Outcome) -> None:
    letter = replace(LETTER, in_doubt=True)
    step = next_step(letter, Delivery(outcome=outcome, version=1), NOW_MS)
    harmless = outcome in (Outcome.MESSAGE_REFUSED, Outcome.GONE)  # no look-up ends like this
    assert harmless or step.state in (State.UNKNOWN, State.SENT)


def test_retry_after_is_never_cut_short_and_never_endless() -> None:
    def wait(seconds: float) -> int:
        limited = Delivery(outcome=Outcome.RATE_LIMITED, retry_after_seconds=seconds)
        at_ms = next_step(LETTER, limited, NOW_MS).next_attempt_ms
        assert at_ms is not None
        return at_ms - NOW_MS

    assert 30_000 <= wait(30) <= 30_500
    assert 3_600_000 <= wait(1e12) <= 3_600_500
    assert 0 <= wait(-5) <= 500


def test_the_scatter_is_even_and_the_same_every_time() -> None:
    numbers = [scatter(f"slack:inc-{n}:1:1") for n in range(1000)]
    assert numbers == [scatter(f"slack:inc-{n}:1:1") for n in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.45 < sum(numbers) / 1000 < 0.55


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        milliseconds(datetime(2026, 3, 2))  # noqa: DTZ001
    assert milliseconds(NOON) == milliseconds(NOON.astimezone(UTC))


def test_two_deliveries_at_once_are_one(desk: Desk) -> None:
    desk.announce(incident())
    with desk.alerts.deliverer._delivering:
        assert desk.deliver() == []
    assert desk.deliver() == [Outcome.SENT]


def test_a_fault_of_a_notifier_stops_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("bug, with xoxb-1-secret in it")

    with monkeypatch.context() as patched:
        patched.setattr("alerts.notifiers.slack.SlackBot.post", broken)
        assert desk.tell(incident()) == [Outcome.UNKNOWN]
    assert "secret" not in desk.rows()[0].error
    desk.wait(11)
    assert desk.deliver() == [Outcome.ABSENT, Outcome.SENT]


@pytest.mark.parametrize(
    "meanwhile", ["state = 'sending', attempts = 1", "attempts = 1", "state = 'sent'"]
)
def test_a_claim_on_what_another_took_meanwhile_comes_to_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    desk.announce(incident())
    with desk.state.unit() as session:
        stale = session.exec(select(OutboxRow)).one()  # as this process read it
        session.connection().exec_driver_sql(f"UPDATE outbox SET {meanwhile}")
        monkeypatch.setattr("alerts.outbox.due", lambda *_: select(OutboxRow))
        assert desk.alerts.deliverer._outbox.claim(session, milliseconds(desk.now)) is None
        assert stale.state == "pending"


def test_the_same_version_is_put_in_once(desk: Desk) -> None:
    (alert,) = desk.announce(incident())
    with desk.state.unit() as session:
        reason = desk.alerts.deliverer._outbox.put(session, alert, milliseconds(desk.now))
    assert reason is Reason.ALREADY_QUEUED
    assert len(desk.rows()) == 1


def test_a_receiver_that_is_dropped_while_running_is_not_called(desk: Desk) -> None:
    desk.announce(incident())
    desk.alerts.notifiers.clear()
    assert desk.deliver() == [Outcome.RECEIVER_BROKEN]
    assert desk.slack.calls == []

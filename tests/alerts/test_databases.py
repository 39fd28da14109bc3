"""The outbox, its pace and its digests on SQLite and on PostgreSQL."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlmodel import select

from alerts.alert import Action, Alert, Outcome, Reason
from alerts.deliver import Deliverer, milliseconds
from alerts.layouts import compose
from alerts.meters import AlertsMeters
from alerts.notifiers.slack import slack as slack_notifier
from alerts.outbox import Outbox
from alerts.outbox_tables import OutboxRow
from alerts.slack_config import SlackConfig
from detector.regression import Incident
from storage.state import State
from tests.alerts.incidents import NOON, incident, resolved, worse
from tests.alerts.reading import told
from tests.slack_fake import CHANNEL, Dropped, FakeSlack, RateLimited

URL = "https://plimsoll.example"


class Office:
    """An outbox on a database and a channel, without anything that decides."""

    def __init__(self, state: State, slack: FakeSlack) -> None:
        given = {
            "bot_token": slack.token,
            "channel": CHANNEL,
            "api_url": slack.api_url,
            "charts": False,
        }
        bot = slack_notifier("slack", SlackConfig.model_validate(given))
        self.state, self.receiver = state, bot.receiver
        self.outbox = Outbox([bot.receiver], URL)
        meters = AlertsMeters(CollectorRegistry())
        self.deliverer = Deliverer(state, self.outbox, {"slack": bot}, meters)

    def put(self, one: Incident, action: Action, reason: Reason, now: datetime) -> None:
        payload = compose(one, self.receiver, URL)
        alert = Alert(incident=one, receiver=self.receiver).send(action, reason, payload)
        with self.state.unit() as session:
            assert self.outbox.put(session, alert, milliseconds(now)) is reason

    def run(self, now: datetime) -> datetime:
        """Deliver until nothing waits, as the loop does."""
        for _ in range(500):
            wait = self.deliverer.due_in(now)
            if wait is None:
                return now
            now += timedelta(seconds=max(wait, 0.001))
            self.deliverer.deliver(now)
        raise AssertionError("it never ends")


@pytest.fixture
def office(state: State, slack: FakeSlack) -> Office:
    return Office(state, slack)


def test_a_storm_with_trouble_is_told_once_and_to_its_end(office: Office, slack: FakeSlack) -> None:
    slack.misbehave("chat.postMessage", Dropped(accepted=True), RateLimited(3))
    incidents = [incident(f"inc-{number:02}") for number in range(25)]
    for one in incidents:
        office.put(one, Action.POST, Reason.OPENED, NOON)
    now = office.run(NOON)
    for one in incidents[:3]:
        office.put(worse(one), Action.UPDATE, Reason.WORSE, now)
    now = office.run(now)
    for one in incidents:
        last = worse(one) if one in incidents[:3] else one
        office.put(resolved(last), Action.UPDATE, Reason.RESOLVED, now)
    now = office.run(now)

    assert told(slack) == Counter({one.id: 1 for one in incidents})
    (head,) = slack.messages()
    assert head.shown.startswith("25 incidents at once, 25 of them over")
    assert len([one for one in slack.thread(head) if one.text.startswith("*Worse*")]) == 3
    status = office.deliverer.status(now)
    assert (status.pending, status.receivers["slack"].broken) == (0, False)
    assert office.deliverer.retain(now + timedelta(hours=1)) > 0
    with office.state.unit() as session:
        assert session.exec(select(OutboxRow)).all() == []


def test_a_claim_is_given_once_and_the_pace_is_read_from_the_rows(office: Office) -> None:
    for name in ("inc-1", "inc-2"):
        office.put(incident(name), Action.POST, Reason.OPENED, NOON)
    assert office.deliverer.deliver(NOON) == [Outcome.SENT]
    assert office.deliverer.due_in(NOON) == 1.0
    assert office.deliverer.deliver(NOON + timedelta(seconds=0.5)) == []
    assert office.deliverer.deliver(NOON + timedelta(seconds=1)) == [Outcome.SENT]

"""A suspicion on its whole way, with the real book: told where a route asks, then one message."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.config import AlertsConfig
from api.document import Document
from api.house import House
from api.serve import build
from api.settings import build as settings_of
from detector.lifecycle import DETECTOR
from detector.regression import Phase, Regression, Step, Transition
from tests.alerts.incidents import CART
from tests.api.shop import Clock, close
from tests.slack_fake import CHANNEL, TOKEN, FakeSlack

SUSPICION = replace(CART, id="reg_1", incident_id="", phase=Phase.SUSPECTED)


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake


@pytest.fixture
def house(tmp_path: Path, slack: FakeSlack) -> Iterator[House]:
    alerts = {
        "slack": {"bot_token": TOKEN, "channel": CHANNEL, "api_url": slack.api_url},
        "routing": {"route": {"receiver": "slack", "group_wait": "0s", "notify": "suspected"}},
    }
    data = {
        "storage": {"directory": str(tmp_path)},
        "collector": {"host": False},
        "alerts": alerts,
    }
    settings = settings_of(Document(data=data))
    assert isinstance(settings.alerts, AlertsConfig)
    made = build(settings, now=Clock())
    yield made
    close(made)


def step(one: Regression, what: Step, before: str) -> Transition:
    return Transition(
        regression_id=one.id,
        at_ms=one.updated_ms,
        actor=DETECTOR,
        before=before,
        after=str(one.phase),
        reason="",
        step=what,
    )


def round_of(house: House, minutes: int) -> None:
    now = house.now() + timedelta(minutes=minutes)
    house.alerts.announce(now)
    house.alerts.deliver(now)


def suspect(house: House, slack: FakeSlack) -> None:
    with house.state.unit() as session:
        house.book.open(session, SUSPICION, step(SUSPICION, Step.SUSPECTED, ""))
    round_of(house, 0)
    (message,) = slack.messages()
    assert message.text.startswith("Warning, suspected: ")


def test_a_suspicion_that_is_confirmed_is_the_message_of_its_incident(
    house: House, slack: FakeSlack
) -> None:
    suspect(house, slack)
    with house.state.unit() as session:
        opened = replace(SUSPICION, phase=Phase.OPEN)
        house.book.save(session, opened, [step(opened, Step.OPENED, "suspected")])
        (incident,) = house.book.open_incidents(session)
        assert house.book.suspected(session) == []
    round_of(house, 1)
    (message,) = slack.messages()
    assert message.text.startswith("Warning: ")
    assert message.incident == incident.id


def test_a_suspicion_that_goes_away_is_withdrawn_in_its_message(
    house: House, slack: FakeSlack
) -> None:
    suspect(house, slack)
    gone = replace(SUSPICION, phase=Phase.TRANSIENT, resolved_ms=SUSPICION.updated_ms)
    with house.state.unit() as session:
        house.book.save(session, gone, [step(gone, Step.TRANSIENT, "suspected")])
    round_of(house, 1)
    (message,) = slack.messages()
    assert message.text.startswith("Withdrawn: ")
    round_of(house, 300)
    assert len(slack.messages()) == 1

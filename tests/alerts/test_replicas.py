"""Several processes on one PostgreSQL: each step is taken by one of them, whoever it is."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from alerts.alert import Action
from alerts.config import AlertsConfig
from alerts.dispatch import Routing
from alerts.group import Subject
from alerts.groups import Groups, OvertakenError
from alerts.meters import AlertsMeters
from alerts.route import Route
from alerts.routing_config import RoutingConfig
from alerts.run import Alerts
from alerts.slack_config import SlackConfig
from detector.regression import Severity
from storage.state import State
from tests.alerts.books import TestBook, opened
from tests.alerts.house import Deciding
from tests.alerts.incidents import CART, NOON, incident
from tests.postgres import Postgres, postgres
from tests.slack_fake import CHANNEL, FakeSlack

ROUTING = {
    "route": {
        "receiver": "slack",
        "group_by": ["service"],
        "group_wait": "10s",
        "group_interval": "20s",
        "repeat_interval": "1h",
    }
}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.mark.long
def test_three_processes_tell_a_storm_exactly_once(server: Postgres) -> None:
    url = server.database()
    first = opened(url)
    book = TestBook()
    names = [f"inc-{i}" for i in range(60)]
    with FakeSlack() as slack:
        config = AlertsConfig(
            slack=SlackConfig.model_validate(
                {
                    "bot_token": slack.token,
                    "channel": CHANNEL,
                    "api_url": slack.api_url,
                    "digest_from": 0,  # a message for each, so that they can be counted
                }
            ),
            routing=RoutingConfig.model_validate(ROUTING),
        )
        states = [first, State(url), State(url)]
        registries = [CollectorRegistry() for _ in states]
        processes = [
            Alerts(state, TestBook(), config, AlertsMeters(registry))
            for state, registry in zip(states, registries, strict=True)
        ]
        decided: Counter[tuple[str, int]] = Counter()
        lock = threading.Lock()
        began = threading.Barrier(len(processes) + 1)

        def write(rounds: int) -> None:
            rng = random.Random(3)
            began.wait()
            for number in range(rounds):
                for name in rng.sample(names, 20):
                    regression = replace(
                        CART, id=f"reg-{name}", incident_id=name, value=0.7 + number
                    )
                    made = incident(name, version=number + 1, regressions=(regression,))
                    with first.unit() as session:
                        book.write(session, made)

        def decide(one: Alerts) -> None:
            began.wait()
            for number in range(12):
                found = one.announce(NOON + timedelta(seconds=5 * number))
                with lock:
                    decided.update(
                        (alert.incident.id, alert.incident.version)
                        for alert in found
                        if alert.action is not Action.NOTHING
                    )

        threads = [threading.Thread(target=write, args=(6,))]
        threads += [threading.Thread(target=decide, args=(one,)) for one in processes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end = NOON + timedelta(minutes=10)
        for one in (*processes, *processes):
            one.announce(end)
        for second in range(len(names) * 6):  # at the pace of the channel
            for one in processes:
                one.deliver(end + timedelta(seconds=second))
        told = Counter(
            (one.metadata or {})["event_payload"]["incident"] for one in slack.messages()
        )
        with first.reading() as session:
            written = {one.id for one in TestBook().open_incidents(session)}
        for state in states:
            state.close()

    assert set(told) == written
    assert set(told.values()) == {1}
    assert set(decided.values()) == {1}


def test_of_two_that_change_a_group_one_is_overtaken_and_nothing_of_it_stays(
    server: Postgres,
) -> None:
    state = opened(server.database())
    routing = Routing(Route(key="{}#>a", receiver="a"))

    def subject(name: str) -> Subject:
        return Subject(labels={"name": name}, about=name, source=name, starts_ms=0)

    with state.unit() as session:
        groups = Groups(session)
        dispatch = groups.load(routing)
        dispatch.take([subject("a")], 0)
        groups.save(dispatch, 0)

    with pytest.raises(OvertakenError), state.unit() as slow:  # noqa: PT012 - the race is the test
        groups = Groups(slow)
        dispatch = groups.load(routing)
        with state.unit() as fast:
            others = Groups(fast)
            theirs = others.load(routing)
            theirs.take([subject("b")], 1)
            others.save(theirs, 1)
        dispatch.take([subject("c")], 1)
        groups.save(dispatch, 1)

    with state.unit() as session:
        (group,) = Groups(session).load(routing).groups.values()
    assert {one.source for one in group.members.values()} == {"a", "b"}
    state.close()


def test_a_severity_that_rises_is_told_the_same_on_postgresql(server: Postgres) -> None:
    state = opened(server.database())
    house = Deciding(state, {"route": {"receiver": "chat", "group_wait": "0s"}})
    silence = house.silence("severity=critical")
    first = replace(CART, severity=Severity.CRITICAL)
    assert house.told(incident(severity=Severity.CRITICAL, regressions=(first,))) == []
    house.expire(silence)
    assert house.after(300) == [("chat", "post", "opened")]
    state.close()

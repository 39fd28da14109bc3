"""Routes in a process as it runs: from the configuration to the channel, over a crash."""

from typing import Any

from alerts.alert import Outcome
from alerts.config import AlertsConfig
from tests.alerts.desk import Desk
from tests.alerts.incidents import changed, incident, resolved

ROUTING: dict[str, Any] = {
    "route": {"receiver": "team", "group_wait": "30s", "group_interval": "5m"}
}


def routed(desk: Desk) -> AlertsConfig:
    given = {"slack": desk.config.slack, "deliver": {"team": "slack"}, "routing": ROUTING}
    return AlertsConfig.model_validate(given)


def test_groups_survive_a_crash_and_keep_their_time(desk: Desk) -> None:
    desk.reconfigure(routed(desk))
    assert [str(one.reason) for one in desk.announce(incident())] == ["waiting_for_group"]
    desk.wait(20)
    desk.crash()
    assert desk.announce() == []
    desk.wait(10)
    assert [str(one.reason) for one in desk.announce()] == ["opened"]
    desk.crash()
    assert desk.announce() == []
    assert desk.deliver() == [Outcome.SENT]
    assert desk.tell(changed(incident())) == [Outcome.SENT]
    desk.announce(resolved(changed(incident())))
    desk.crash()
    desk.wait(300)
    assert desk.tell() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")
    assert message.edits == 2


def test_an_incident_that_was_open_before_there_were_routes_is_told_to_its_end(desk: Desk) -> None:
    desk.tell(incident())
    desk.wait(3600)
    desk.reconfigure(routed(desk))
    assert [str(one.reason) for one in desk.announce()] == ["nothing_changed"]
    desk.announce(resolved(incident()))
    desk.wait(300)
    assert desk.tell() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")


def test_going_back_to_no_routes_loses_nothing(desk: Desk) -> None:
    plain = desk.config
    desk.reconfigure(routed(desk))
    desk.announce(incident())
    desk.wait(30)
    desk.tell()
    desk.reconfigure(plain)
    assert desk.tell(resolved(incident())) == [Outcome.SENT]
    assert len(desk.slack.messages()) == 1


def test_what_waited_for_its_group_is_told_when_there_are_no_routes_any_more(desk: Desk) -> None:
    plain = desk.config
    desk.reconfigure(routed(desk))
    desk.announce(incident())
    desk.reconfigure(plain)
    assert desk.tell() == [Outcome.SENT]
    desk.crash()
    assert desk.tell() == []

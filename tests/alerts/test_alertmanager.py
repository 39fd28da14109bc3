"""A real Alertmanager: it gets what we find, does not forget it, and its silences are read."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.alert import Errand, Outcome
from alerts.config import AlertsConfig
from alerts.layouts import compose
from alerts.notifiers.alertmanager import Alertmanager, silences
from alerts.receivers import AlertmanagerConfig
from detector.regression import Incident
from storage.series import Match, Matcher
from tests.alerts.alertmanager import alertmanager
from tests.alerts.desk import Desk
from tests.alerts.incidents import incident, resolved, worse
from tests.endpoint import Answer, Endpoint
from tests.servers import wait_until

PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("alertmanager")
    with alertmanager(home, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n") as at:
        yield at


def notifier(address: str) -> Alertmanager:
    return Alertmanager("am", AlertmanagerConfig(url=address))


def post(address: str, one: Incident) -> Outcome:
    ours = notifier(address)
    errand = Errand(key="am:1", at_ms=0)
    return ours.post(compose(one, ours.receiver, "https://plimsoll.example"), errand).outcome


def alerts(address: str, service: str) -> list[dict[str, Any]]:
    found = httpx.get(
        f"{address}/api/v2/alerts",
        params={"filter": f'service="{service}"', "active": "true"},
        trust_env=False,
    )
    listed: list[dict[str, Any]] = found.json()
    return sorted(listed, key=lambda one: one["labels"]["alertname"])


def eventually(holds: Callable[[], bool]) -> None:
    assert wait_until(holds, PATIENCE_SECONDS)


def test_every_regression_is_an_alert_with_its_links(address: str) -> None:
    assert post(address, worse(incident())) is Outcome.SENT
    eventually(lambda: len(alerts(address, "shop")) == 2)
    api, db = alerts(address, "shop")
    assert api["labels"] == {
        "alertname": "api_p95_relative",
        "method": "GET",
        "route": "/cart",
        "service": "shop",
        "severity": "critical",
        "signal": "api_p95",
    }
    assert db["labels"]["alertname"] == "db_p95_absolute"
    assert api["annotations"]["regression_url"] == "https://plimsoll.example/regressions/reg-cart"
    assert api["annotations"]["summary"].startswith("API p95 +149 % on GET /cart")
    assert api["startsAt"].startswith("2026-03-02T12:03:00")


def test_what_is_resolved_is_resolved_there(address: str) -> None:
    post(address, resolved(worse(incident())))
    eventually(lambda: alerts(address, "shop") == [])


def test_a_hostile_label_is_a_label(address: str) -> None:
    from dataclasses import replace

    from storage.series import Labels

    labels = Labels.of(service="evil", route="{{ .X }} \x00\n\ud800" + "x" * 10_000)
    first = replace(incident().regressions[0], labels=labels)
    assert post(address, incident(regressions=(first,))) is Outcome.SENT
    eventually(lambda: len(alerts(address, "evil")) == 1)


def test_its_silences_are_read_with_their_matchers(address: str) -> None:
    now = datetime.now(UTC)
    made = httpx.post(
        f"{address}/api/v2/silences",
        json={
            "matchers": [
                {"name": "service", "value": "shop", "isRegex": False, "isEqual": True},
                {"name": "route", "value": "/c.*", "isRegex": True, "isEqual": False},
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "load test",
        },
        trust_env=False,
    )
    eventually(lambda: len(notifier(address).silences()) == 1)
    (one,) = notifier(address).silences()
    assert one.id == made.json()["silenceID"]
    assert set(one.matchers) == {
        Matcher("service", Match.EQUAL, "shop"),
        Matcher("route", Match.NOT_REGEX, "/c.*"),
    }
    assert (one.created_by, one.comment) == ("ada", "load test")
    assert abs(one.ends_ms - one.starts_ms - 3_600_000) < 5_000
    httpx.delete(f"{address}/api/v2/silence/{one.id}", trust_env=False)
    eventually(lambda: notifier(address).silences() == [])


@pytest.mark.parametrize("answer", [[{}], [{"status": {}}], [None], {"a": 1}, 7])
def test_silences_that_are_none_are_an_error_and_not_an_empty_list(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"silences without"):
        list(silences(answer))


def test_silences_that_cannot_be_read_are_an_error() -> None:
    with Endpoint() as web:
        web.script.append(Answer(502))
        with pytest.raises(OSError, match="HTTP 502"):
            notifier(web.url).silences()


# --- it forgets after five minutes, so it is told again -----------------------------------------


@pytest.fixture
def web() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def telling(desk: Desk, web: Endpoint) -> Desk:
    receiver = {"name": "am", "alertmanager": {"url": web.url, "resend": "1m"}}
    desk.reconfigure(AlertsConfig.model_validate({"receivers": [receiver]}))
    return desk


def sent(web: Endpoint) -> list[list[dict[str, Any]]]:
    return [json.loads(request.body) for request in web.requests]


def test_an_open_incident_is_told_again_before_it_is_forgotten(
    telling: Desk, web: Endpoint
) -> None:
    telling.tell(incident())
    for _ in range(10):
        telling.wait(60)
        assert telling.deliver() == [Outcome.SENT]
    assert len(sent(web)) == 11
    assert telling.status().pending == 0, "what is only told again does not wait"
    telling.crash()
    telling.wait(60)
    assert telling.deliver() == [Outcome.SENT]


def test_a_newer_version_takes_its_place_and_an_end_ends_it(telling: Desk, web: Endpoint) -> None:
    telling.tell(incident())
    telling.tell(worse(incident()))
    telling.wait(60)
    assert telling.deliver() == [Outcome.SENT]
    assert [len(one) for one in sent(web)] == [1, 2, 2]
    telling.tell(resolved(worse(incident())))
    telling.wait(3600)
    assert telling.deliver() == []
    assert all("endsAt" in one for one in sent(web)[-1])


def test_while_it_is_down_it_is_told_as_soon_as_it_is_back(telling: Desk, web: Endpoint) -> None:
    telling.tell(incident())
    web.script.extend([Answer(503)] * 3)
    telling.wait(60)
    outcomes = []
    for _ in range(20):
        outcomes += telling.deliver()
        telling.wait(1)
    assert outcomes == [Outcome.SERVER_ERROR] * 3 + [Outcome.SENT]
    # It was told before, so what follows is a change and not an opening.
    assert [alert.reason for alert in telling.announce(worse(incident()))] == ["worse"]


def test_a_merged_incident_is_told_with_the_other(telling: Desk, web: Endpoint) -> None:
    from dataclasses import replace

    from detector.finding import Finding
    from detector.regression import Phase

    telling.tell(incident())
    merged = replace(
        incident(version=2),
        phase=Phase.RESOLVED,
        regressions=(),
        finding=Finding(merged_into="inc-0"),
    )
    assert telling.tell(merged) == [Outcome.SENT]
    assert len(sent(web)) == 1


def test_several_receivers_are_all_told(desk: Desk, web: Endpoint, tmp_path: Path) -> None:
    slack = desk.threaded().slack
    hook = {"name": "pager", "webhook": {"url": web.url + "/hook"}}
    am = {"name": "am", "alertmanager": {"url": web.url}}
    desk.reconfigure(AlertsConfig.model_validate({"slack": slack, "receivers": [hook, am]}))
    desk.tell(incident())
    assert len(desk.slack.messages()) == 1
    assert sorted(request.path for request in web.requests) == ["/api/v2/alerts", "/hook"]
    assert {row.receiver for row in desk.rows()} == {"slack", "pager", "am"}

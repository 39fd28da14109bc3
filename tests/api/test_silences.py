"""`/silences`, `/maintenance` and `/notifications`, and the commands that ask for them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from alerts.alert import Alert, Reason, Receiver
from alerts.decisions import Decisions
from alerts.troubles import Symptom, TroubleKind
from api import acting
from api.app import create_app
from api.house import House
from api.main import app as commands
from api.moments import milliseconds
from api.watching import Watcher
from collector.run import TargetState, TargetStatus
from detector.run import TICK
from tests.alerts.incidents import incident
from tests.api.asking import HERE, Client, problem
from tests.api.shop import Clock

POSTED = {
    "matchers": ['service="shop"', 'alertname=~"api_.*"'],
    "for": "4h",
    "created_by": "ada",
    "comment": "load test",
}


def post(client: Client, **changes: Any) -> httpx.Response:
    body = {**POSTED, **changes}
    return client.post("/api/v1/silences", json={k: v for k, v in body.items() if v is not None})


def test_a_silence_is_created_listed_and_read(client: Client) -> None:
    made = post(client)
    assert made.status_code == 201
    body = made.json()
    assert body["state"] == "active"
    assert body["matchers"] == ['service="shop"', 'alertname=~"api_.*"']
    assert client.get("/api/v1/silences").json()["items"] == [body]
    assert client.get(f"/api/v1/silences/{body['id']}").json() == body


def test_a_silence_is_pending_active_and_expired_by_the_clock(client: Client, clock: Clock) -> None:
    starts = clock() + timedelta(hours=1)
    post(client, starts_at=starts.isoformat(), **{"for": "1h"})
    states = []
    for _ in range(3):
        (one,) = client.get("/api/v1/silences").json()["items"]
        states.append(one["state"])
        assert client.get(f"/api/v1/silences?state={one['state']}").json()["items"] == [one]
        others = {"pending", "active", "expired"} - {one["state"]}
        for other in others:
            assert client.get(f"/api/v1/silences?state={other}").json()["items"] == []
        clock.at += timedelta(hours=1)
    assert states == ["pending", "active", "expired"]


def test_a_silence_is_expired_once_and_then_stays(client: Client, clock: Clock) -> None:
    id_ = post(client).json()["id"]
    clock.at += timedelta(minutes=5)
    ended = client.post(f"/api/v1/silences/{id_}/expire", json={}).json()
    assert ended["state"] == "expired"
    clock.at += timedelta(minutes=5)
    assert client.post(f"/api/v1/silences/{id_}/expire", json={}).json() == ended
    late = (clock() + timedelta(hours=1)).isoformat()
    changed = client.request("PATCH", f"/api/v1/silences/{id_}", json={"ends_at": late})
    problem(changed, 409, "conflict")


def test_the_end_and_the_comment_of_a_silence_can_be_changed(client: Client, clock: Clock) -> None:
    id_ = post(client).json()["id"]
    late = (clock() + timedelta(hours=9)).isoformat()
    changed = client.request(
        "PATCH", f"/api/v1/silences/{id_}", json={"ends_at": late, "comment": "longer"}
    ).json()
    assert changed["comment"] == "longer"
    assert changed["ends_at"][:13] == late[:13]
    past = (clock() - timedelta(hours=9)).isoformat()
    problem(
        client.request("PATCH", f"/api/v1/silences/{id_}", json={"ends_at": past}), 422, "invalid"
    )


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"matchers": []}, "#/matchers"),
        ({"matchers": ["shop"]}, "#/matchers"),
        ({"matchers": ['service=~".*"']}, "#/matchers"),
        ({"matchers": ['service=""', 'zone!="x"']}, "#/matchers"),
        ({"for": None}, "#/"),
        ({"ends_at": "2030-01-01T00:00:00Z"}, "#/"),
        ({"for": None, "ends_at": "2020-01-01T00:00:00Z"}, "#/ends_at"),
        ({"for": "500d"}, "#/ends_at"),
        ({"comment": ""}, "#/comment"),
        ({"created_by": None}, "#/created_by"),
        ({"id": "x"}, "#/id"),
    ],
)
def test_a_silence_that_cannot_be_meant_is_refused(
    client: Client, changes: dict[str, Any], pointer: str
) -> None:
    body = problem(post(client, **changes), 422, "invalid")
    assert body["errors"][0]["pointer"].startswith(pointer)
    assert client.get("/api/v1/silences").json()["items"] == []


def test_pages_of_silences_hold_each_once(client: Client, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append(post(client).json()["id"])
    clock.at += timedelta(seconds=1)
    made.append(post(client).json()["id"])
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/silences?limit=2{cursor and '&cursor=' + cursor}").json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert found[0] == made[-1]
    assert sorted(found) == sorted(made)
    problem(client.get("/api/v1/silences?cursor=abc"), 400, "bad-cursor")


def test_a_maintenance_window_silences_a_service(client: Client) -> None:
    made = client.post(
        "/api/v1/maintenance", json={"service": "shop", "for": "20m", "created_by": "ci"}
    )
    assert made.status_code == 201
    assert made.json()["kind"] == "maintenance"
    assert made.json()["matchers"] == ['service="shop"']
    post(client)
    kinds = [
        len(client.get(f"/api/v1/silences?kind={kind}").json()["items"])
        for kind in ("maintenance", "silence")
    ]
    assert kinds == [1, 1]
    empty = client.post("/api/v1/maintenance", json={"for": "20m", "created_by": "ci"})
    problem(empty, 422, "invalid")


@pytest.fixture
def decided(house: House, clock: Clock) -> None:
    alerts = [
        Alert(incident=incident(f"inc-{i}"), receiver=Receiver("slack", edits=True)).stop(
            Reason.SILENCED if i % 2 else Reason.NOTHING_CHANGED
        )
        for i in range(5)
    ]
    with house.state.unit() as session:
        for i, one in enumerate(alerts):
            now_ms = milliseconds(clock()) + i // 2
            Decisions().record(session, [one], now_ms, grouped=True)


@pytest.mark.usefixtures("decided")
def test_decisions_are_listed_filtered_and_paged(client: Client) -> None:
    every = client.get("/api/v1/notifications").json()["items"]
    assert [one["incident_id"] for one in every] == [f"inc-{i}" for i in (4, 3, 2, 1, 0)]
    silenced = client.get("/api/v1/notifications?reason=silenced&action=nothing").json()["items"]
    assert [one["incident_id"] for one in silenced] == ["inc-3", "inc-1"]
    (one,) = client.get("/api/v1/notifications?incident=inc-2&receiver=slack").json()["items"]
    assert (one["reason"], one["delivery"]) == ("nothing_changed", "")
    assert client.get("/api/v1/notifications?receiver=pager").json()["items"] == []
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/notifications?limit=2{cursor and '&cursor=' + cursor}").json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == every
    problem(client.get("/api/v1/notifications?cursor=1.x"), 400, "bad-cursor")


@pytest.fixture
def shell(house: House, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A shell whose requests go to the house."""
    asked = Client(create_app(house))

    def ask(config: Path | None, url: str | None, method: str, path: str, **more: Any) -> Any:
        return acting.body_of(HERE, asked.request(method, f"/api/v1{path}", **more))

    monkeypatch.setattr(acting, "ask", ask)
    return CliRunner(env={"USER": "ada"})


def test_silences_are_made_listed_and_expired_in_the_shell(shell: CliRunner) -> None:
    words = ["silences", "create", "service=shop", "--for", "4h", "--comment", "load test"]
    made = shell.invoke(commands, words)
    assert made.exit_code == 0, made.output
    id_ = made.output.split()[0]
    window = shell.invoke(commands, ["maintenance", "start", "shop", "--for", "20m"])
    assert window.exit_code == 0, window.output
    listed = shell.invoke(commands, ["silences", "list", "--state", "active"]).output
    assert id_ in listed
    assert "maintenance" in listed
    assert 'service="shop"' in listed
    ended = shell.invoke(commands, ["silences", "expire", id_])
    assert " expired " in ended.output
    assert shell.invoke(commands, ["silences", "expire", "sil_none"]).exit_code == 1


@pytest.mark.usefixtures("decided")
def test_decisions_are_listed_in_the_shell(shell: CliRunner) -> None:
    lines = shell.invoke(commands, ["notifications", "list"]).output.splitlines()
    assert len(lines) == 5
    assert "inc-3 v1  slack" in lines[1]
    assert lines[1].endswith("nothing: silenced")
    one = shell.invoke(commands, ["notifications", "list", "--incident", "inc-3"]).output
    assert one.splitlines() == [lines[1]]


def test_a_trouble_has_a_page_that_links_in_messages_lead_to(house: House, clock: Clock) -> None:
    client = Client(create_app(house))
    symptom = Symptom(
        kind=TroubleKind.COLLECTOR_DOWN, subject="<shop>", seconds=900, detail="timeout"
    )
    (id_,) = house.alerts.watch([symptom], clock())
    house.alerts.announce(clock())
    for page in ("regressions", "incidents"):
        answer = client.get(f"/{page}/{id_}")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/troubles/{id_}"
    shown = client.get(f"/troubles/{id_}")
    assert shown.status_code == 200
    assert "Collector down: &lt;shop&gt;" in shown.text
    assert "<strong>no receiver</strong>" in shown.text
    assert "Nobody is configured." in shown.text
    assert 'How all targets do: <a href="/#collection">Collection</a>' in shown.text
    assert "plimsoll collect &#39;&lt;shop&gt;&#39; --once" in shown.text
    assert client.get("/troubles/own_1").status_code == 404


def test_a_target_that_gives_nothing_is_down_since_it_gave_something(
    house: House, clock: Clock
) -> None:
    watcher = Watcher(house, "here")
    down = TargetStatus(
        name="shop",
        kind="scrape",
        state=TargetState.DOWN,
        interval_seconds=15,
        last_success=clock() - timedelta(minutes=7),
    )
    never = TargetStatus(name="new", kind="scrape", state=TargetState.DOWN, interval_seconds=15)
    up = TargetStatus(name="up", kind="scrape", state=TargetState.UP, interval_seconds=15)
    watcher.symptoms([down, never, up])
    clock.at += timedelta(minutes=1)
    found = {one.subject: one.seconds for one in watcher.symptoms([down, never, up])}
    assert found == {"shop": 480.0, "new": 60.0}


def test_a_detector_is_late_from_the_end_of_its_next_window_on(house: House, clock: Clock) -> None:
    watcher = Watcher(house, "here")
    assert watcher.symptoms([]) == []
    with house.state.unit() as session:
        house.book.advance(session, TICK, milliseconds(clock()))
    step = house.detector.definitions.step_ms / 1000 + house.settings.delay
    clock.at += timedelta(seconds=step)
    assert watcher.symptoms([]) == []
    clock.at += timedelta(seconds=90)
    (late,) = watcher.symptoms([])
    assert (late.kind, late.seconds) == (TroubleKind.DETECTOR_LATE, 90.0)

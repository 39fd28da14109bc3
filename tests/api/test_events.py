"""`/events`: one history of regressions and incidents over HTTP."""

from datetime import datetime
from typing import Any

import pytest

from tests.api.asking import Client, problem


def events(asked: Client, query: str = "") -> list[dict[str, Any]]:
    answer = asked.get(f"/api/v1/events{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_the_history_holds_what_happened_newest_first(asked: Client) -> None:
    found = events(asked)
    moments = [datetime.fromisoformat(one["at"]) for one in found]
    assert moments == sorted(moments, reverse=True)
    assert {one["about"] for one in found} == {"regression", "incident"}
    opened = next(one for one in found if one["step"] == "opened" and one["regression_id"])
    regression = asked.get(f"/api/v1/regressions/{opened['regression_id']}").json()
    for name in ("signal", "rule", "incident_id"):
        assert opened[name] == regression[name]
    first = regression["transitions"][0]
    for name in ("at", "actor", "step", "before", "after", "reason", "evidence"):
        assert opened[name] == first[name]


def test_an_incident_has_the_steps_of_its_regressions(asked: Client) -> None:
    incident = events(asked, "?about=incident&limit=1")[0]["incident_id"]
    found = events(asked, f"?incident={incident}&limit=200")
    assert {one["incident_id"] for one in found} == {incident}
    assert {one["about"] for one in found} == {"regression", "incident"}


def test_a_step_of_either_kind_can_be_asked_for(asked: Client) -> None:
    assert {one["step"] for one in events(asked, "?step=opened")} == {"opened"}
    assert {one["about"] for one in events(asked, "?step=origin")} <= {"incident"}
    body = problem(asked.get("/api/v1/events?step=exploded"), 422, "invalid")
    assert {one["pointer"] for one in body["errors"]} == {"?step"}


def test_pages_follow_each_other(asked: Client) -> None:
    whole = [one["id"] for one in events(asked, "?limit=200")]
    found, query = [], "?limit=2"
    while True:
        page = asked.get(f"/api/v1/events{query}").json()
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"?limit=2&cursor={page['next_cursor']}"
    assert found == whole


@pytest.mark.parametrize("cursor", ["nonsense", "1.q3", "999999999999999999999.r1"])
def test_a_cursor_from_elsewhere_is_a_problem(asked: Client, cursor: str) -> None:
    problem(asked.get(f"/api/v1/events?cursor={cursor}"), 400, "bad-cursor")


def test_fields_narrow_the_events(asked: Client) -> None:
    (one,) = asked.get("/api/v1/events?limit=1&fields=id,step").json()["items"]
    assert set(one) == {"id", "step"}

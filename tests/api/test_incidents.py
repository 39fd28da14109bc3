"""`/incidents` and the page of an incident."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.app import create_app
from api.house import House
from api.report import plain, report
from detector.regression import Regression
from storage.series import Labels
from tests.api.asking import Client, problem
from tests.api.chain import DEPLOYED_MS, SESSIONS, chain_house, deploy
from tests.api.shop import MINUTE_MS, NOW_MS, close
from tests.api.test_regressions import put

NOW_OF_CHAIN_MS = DEPLOYED_MS + 50 * MINUTE_MS


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Fifty minutes after the deployment. Tests do not change it."""
    now = datetime.fromtimestamp(NOW_OF_CHAIN_MS / 1000 + 5, UTC)
    house = chain_house(tmp_path_factory.mktemp("chain"), now=lambda: now)
    deploy(house)
    for tick_ms in range(DEPLOYED_MS, NOW_OF_CHAIN_MS + 1, MINUTE_MS):
        house.detector.tick(tick_ms)
    yield house
    close(house)


@pytest.fixture(scope="module")
def asked(chain: House) -> Client:
    return Client(create_app(chain))


def incidents(asked: Client, query: str = "") -> list[dict[str, Any]]:
    answer = asked.get(f"/api/v1/incidents{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.fixture(scope="module")
def whole(asked: Client) -> dict[str, Any]:
    """The incident of the chain."""
    (id_,) = [one["id"] for one in incidents(asked) if one["regressions"] > 2]
    found: dict[str, Any] = asked.get(f"/api/v1/incidents/{id_}").json()
    return found


def test_incidents_come_newest_first_with_their_origin(asked: Client) -> None:
    found = incidents(asked)
    assert [one["opened_at"] for one in found] == sorted(
        (one["opened_at"] for one in found), reverse=True
    )
    (chain,) = [one for one in found if one["regressions"] > 2]
    assert chain["heading"].startswith("Cache hit rate at ")
    assert chain["origin"]["verdict"] == "probable"
    assert chain["origin"]["text"].startswith("Cache hit rate on sessions: ")
    # The literal rule and the change of one series are one thing.
    (alone,) = [one for one in found if one["regressions"] == 2]
    assert alone["origin"]["verdict"] == "only_one"


def test_its_regressions_are_in_the_order_in_which_they_changed(whole: dict[str, Any]) -> None:
    began = [one["began_from"] for one in whole["items"]]
    assert began == sorted(began)
    assert whole["items"][0]["labels"] == SESSIONS.as_dict()
    # The fixed limit was broken first, the drop was beyond chance later: two of one series.
    (origin,) = [o for o in whole["items"] if o["id"] == whole["origin"]["regression_id"]]
    assert (origin["rule"], origin["labels"]) == ("cache_hit_rate_low", SESSIONS.as_dict())


def test_a_deployment_is_correlated_with_its_comparisons(whole: dict[str, Any]) -> None:
    (one,) = whole["correlations"]
    assert (one["service"], one["version"], one["match"]) == ("sessions", "7.2.0", "same_service")
    assert one["probable"] is True
    assert one["same_time"]["check"] == one["peers"]["check"] == "passed"
    assert one["text"] == "unlike the same time of 7 days before, 0 of 1 peers moved"
    assert "caused" not in str(whole)


def test_its_life_is_told_in_words_and_in_evidence(whole: dict[str, Any]) -> None:
    steps = whole["steps"]
    assert steps[0]["text"] == "Cache hit rate on sessions began it"
    joined = [one for one in steps if one["step"] == "joined"]
    assert any(
        one["text"].endswith("one of the two is declared to need the other") for one in joined
    )
    assert set(joined[-1]["evidence"]) == {"regression", "with", "bond"}
    assert any(one["text"].startswith("sessions 7.2.0 compared:") for one in steps)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?state=open", 2),
        ("?state=resolved", 0),
        ("?severity=info", 0),
        ("?since=2026-03-02T12:00:00Z", 2),
        ("?until=2026-03-02T12:00:00Z", 0),
    ],
)
def test_each_filter_narrows_the_answer(asked: Client, query: str, count: int) -> None:
    assert len(incidents(asked, query)) == count


def test_pages_follow_each_other_without_loss_or_repeat(asked: Client) -> None:
    first = asked.get("/api/v1/incidents?limit=1").json()
    second = asked.get(f"/api/v1/incidents?limit=1&cursor={first['next_cursor']}").json()
    both = [one["id"] for one in (*first["items"], *second["items"])]
    assert both == [one["id"] for one in incidents(asked)]
    assert second["next_cursor"] is None


def test_what_is_not_there_is_a_problem(asked: Client) -> None:
    problem(asked.get("/api/v1/incidents/inc_absent"), 404, "not-found")
    problem(asked.get("/api/v1/incidents?cursor=x"), 400, "bad-cursor")
    problem(asked.get("/api/v1/incidents?colour=red"), 422, "invalid")
    assert asked.get("/incidents/inc_absent").status_code == 404


def test_the_page_says_what_rest_says(asked: Client, whole: dict[str, Any]) -> None:
    page = asked.get(whole["links"]["page"])
    assert page.status_code == 200
    for said in (
        whole["heading"],
        "In the order in which they changed",
        "probable origin",
        "Correlated with sessions 7.2.0, deployed 12:00 UTC (probable:",
        "0 of 1 moved as well",
        *(one["heading"] for one in whole["items"]),
        *(one["text"] for one in whole["steps"]),
    ):
        assert said in page.text, said
    assert "caused" not in page.text


def test_a_regression_leads_to_its_incident(asked: Client, whole: dict[str, Any]) -> None:
    page = asked.get(whole["items"][0]["links"]["page"])
    assert f'<a href="/incidents/{whole["id"]}">this incident</a>' in page.text


def shifted(minute: int, **changes: Any) -> dict[str, Any]:
    lo_ms = NOW_MS + minute * MINUTE_MS
    return {"began_lo_ms": lo_ms, "began_hi_ms": lo_ms + MINUTE_MS, **changes}


def test_an_incident_that_became_part_of_another_leads_there(client: Client, house: House) -> None:
    host = Labels.of(target="host")
    first = put(house, 1, NOW_MS, labels=host, **shifted(-20))
    second = put(house, 2, NOW_MS + 1, labels=host, rule="r2", signal="s", **shifted(0))
    between: Regression = put(
        house, 3, NOW_MS + 2, labels=host, rule="r3", signal="t", **shifted(-10)
    )
    assert between.incident_id == first.incident_id != second.incident_id
    gone = client.get(f"/api/v1/incidents/{second.incident_id}").json()
    assert (gone["state"], gone["regressions"]) == ("resolved", 0)
    assert gone["merged_into"] == first.incident_id
    page = client.get(f"/incidents/{second.incident_id}").text
    assert f'<a href="/incidents/{first.incident_id}">another incident</a>' in page
    kept = client.get(f"/api/v1/incidents/{first.incident_id}").json()
    assert any(one["text"].startswith("took over 1 reg") for one in kept["steps"])


# --- the report ---


def test_a_report_holds_what_is_known_and_asks_for_the_rest(asked: Client) -> None:
    one = max(incidents(asked), key=lambda each: int(each["regressions"]))
    body = asked.get(f"/api/v1/incidents/{one['id']}").json()
    lives = {
        each["id"]: asked.get(f"/api/v1/regressions/{each['id']}/events").json()["items"]
        for each in body["items"]
    }
    page = report(body, lives, "https://plimsoll.example", charts=[body["items"][0]["id"]])
    assert page.startswith("# ")
    assert f"https://plimsoll.example/incidents/{one['id']}" in page
    for each in body["items"]:
        assert f"/regressions/{each['id']})" in page
    assert page.count(".png)") == 1
    assert "was deployed" in page
    assert "Correlation in time is all that is claimed" in page
    times = re.findall(r"^\| (\d{4}-\d\d-\d\d \d\d:\d\d) \|", page, re.MULTILINE)
    assert len(times) > 5
    assert times == sorted(times)
    for title in ("Summary", "Impact", "Root cause", "Timeline", "What was done", "To be done"):
        assert f"## {title}\n" in page


def test_what_labels_hold_means_nothing_in_a_report() -> None:
    assert plain("a|b\n[x](y) <b> *c*") == r"a\|b \[x\](y) \<b\> \*c\*"


def test_the_chart_of_an_incident_is_a_picture_of_one_of_its_regressions(asked: Client) -> None:
    one = max(incidents(asked), key=lambda each: int(each["regressions"]))
    whole = asked.get(f"/api/v1/incidents/{one['id']}").json()
    last = whole["items"][-1]["id"]
    answer = asked.get(f"/api/v1/incidents/{one['id']}/chart.png?regression={last}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    problem(asked.get("/api/v1/incidents/inc_0/chart.png"), 404, "not-found")
    other = f"/api/v1/incidents/{one['id']}/chart.png?regression=reg_0"
    problem(asked.get(other), 404, "not-found")

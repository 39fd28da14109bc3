"""`/regressions`: filters, pages, one regression whole."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from api.house import House
from detector.lifecycle import DETECTOR
from detector.regression import Phase, Regression, Severity, Step, Transition
from detector.units import Unit
from storage.series import Labels
from tests.api.asking import Client, problem
from tests.api.shop import CART, MINUTE_MS, NOW_MS, SLOWER_MS

OPEN = {
    "api_response_time_regression",
    "api_response_time_change",
    "api_mean_time_regression",
    "api_mean_time_change",
    "db_response_time_regression",
}
RESOLVED = {"cache_hit_rate_low", "cache_hit_rate_drop"}


def items(asked: Client, query: str = "") -> list[dict[str, Any]]:
    answer = asked.get(f"/api/v1/regressions{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def cart(asked: Client) -> dict[str, Any]:
    (one,) = items(asked, "?rule=api_response_time_regression")
    return one


def test_what_regressed_is_told_in_one_sentence(asked: Client) -> None:
    assert cart(asked)["summary"] == (
        "API p95 on GET /cart of shop is 329 ms, +51 % against its baseline of 218 ms, "
        "since 2026-03-02 11:00-11:05 UTC, correlated with shop 2.7.1, deployed 11:01 UTC."
    )


def test_numbers_are_in_base_units_and_stand_beside_their_texts(asked: Client) -> None:
    one = cart(asked)
    assert one["unit"] == "seconds"
    assert one["value"] == pytest.approx(0.329, abs=0.001)
    assert one["value_text"] == "329 ms"
    assert one["baseline_text"] == "218 ms"
    assert one["change"] == "+51 %"
    assert one["labels"] == CART.as_dict()
    assert one["target"] == "shop"
    assert one["worse"] == "up"


def test_times_are_rfc_3339_in_utc(asked: Client) -> None:
    one = cart(asked)
    assert one["opened_at"] == "2026-03-02T11:36:00Z"
    assert one["resolved_at"] is None
    assert one["deployment"]["at"] == "2026-03-02T11:01:00Z"


def test_the_change_set_in_about_when_it_did(asked: Client, shop: House) -> None:
    with shop.state.reading() as session:
        one = shop.book.regression(session, cart(asked)["id"])
    assert one is not None
    assert one.began_lo_ms <= SLOWER_MS <= one.began_hi_ms
    assert one.began_hi_ms - one.began_lo_ms <= 5 * MINUTE_MS


def test_a_deployment_is_correlated_and_never_more(asked: Client) -> None:
    assert cart(asked)["deployment"]["text"].startswith("correlated with shop 2.7.1")


@pytest.mark.parametrize(
    ("query", "rules"),
    [
        ("?state=open", OPEN),
        ("?state=resolved", RESOLVED),
        ("?severity=warning&state=open", {"api_mean_time_regression", "api_mean_time_change"}),
        ("?signal=db_p95", {"db_response_time_regression"}),
        ("?rule=cache_hit_rate_low", {"cache_hit_rate_low"}),
        ("?target=host", set()),
        ("?target=shop&signal=cache_hit_rate&state=open", set()),
        ("?since=2026-03-02T11:00:00Z", OPEN),
        ("?until=2026-03-02T11:00:00Z", RESOLVED),
        ("?until=2026-03-02T12:00:00%2B01:00", RESOLVED),
    ],
)
def test_each_filter_narrows_the_answer(asked: Client, query: str, rules: set[str]) -> None:
    assert {one["rule"] for one in items(asked, query)} == rules


def test_pages_follow_each_other_without_loss_or_repeat(asked: Client) -> None:
    whole = [one["id"] for one in items(asked)]
    seen, cursor = [], ""
    for _ in range(len(whole)):
        body = asked.get(f"/api/v1/regressions?limit=2{cursor}").json()
        seen += [one["id"] for one in body["items"]]
        if body["next_cursor"] is None:
            break
        cursor = f"&cursor={body['next_cursor']}"
    assert seen == whole
    assert len(whole) == 7


def put(house: House, number: int, opened_ms: int, **changes: Any) -> Regression:
    one = Regression(
        id=f"reg_{number:03}",
        incident_id="",
        fingerprint=f"print{number}",
        rule="cpu_high",
        signal="host_cpu_usage",
        title="CPU usage",
        unit=Unit.RATIO,
        labels=Labels.of(target=f"host{number}"),
        worse="up",
        severity=Severity.WARNING,
        phase=Phase.OPEN,
        value=0.9,
        worst=0.95,
        threshold=0.8,
        baseline=None,
        began_lo_ms=opened_ms - MINUTE_MS,
        began_hi_ms=opened_ms,
        opened_ms=opened_ms,
        updated_ms=opened_ms,
    )
    one = replace(one, **changes)
    step = Transition(
        regression_id=one.id,
        at_ms=opened_ms,
        actor=DETECTOR,
        before="",
        after="open",
        reason="held",
        step=Step.OPENED,
    )
    with house.state.unit() as session:
        return house.book.open(session, one, step)


def test_a_page_stays_right_while_newer_regressions_come_in(client: Client, house: House) -> None:
    for number in range(4):
        put(house, number, NOW_MS + number)
    first = client.get("/api/v1/regressions?limit=2").json()
    put(house, 9, NOW_MS + 100)
    second = client.get(f"/api/v1/regressions?limit=2&cursor={first['next_cursor']}").json()
    ids = [one["id"] for one in itertools.chain(first["items"], second["items"])]
    assert ids == ["reg_003", "reg_002", "reg_001", "reg_000"]
    assert second["next_cursor"] is None


def test_an_absolute_rule_is_told_against_its_limit(client: Client, house: House) -> None:
    put(house, 1, NOW_MS)
    (one,) = items(client)
    assert one["heading"] == "CPU usage at 95 % on host1"
    assert "against the limit of 80 %" in one["summary"]
    assert one["baseline"] is None
    assert one["baseline_text"] == "-"


def test_one_regression_comes_with_all_that_is_known(asked: Client) -> None:
    answer = asked.get(f"/api/v1/regressions/{cart(asked)['id']}")
    one = answer.json()
    assert answer.status_code == 200
    assert one["why"] == (
        "4 of 4 five-minute windows were above 1.2 x the 7-day average of 218 ms; "
        f"{one['evidence']['n']:,.0f} observations in the last of them; "
        "the average rests on 7 of 7 days. Usual at this hour is 218 ms. "
        "Over the last 40 min it is at least +50 % against its last two weeks, beyond what it did "
        "by itself in 100 % of the comparisons; median 218 ms before and 326 ms after."
    )
    assert one["evidence"]["days"] == 7
    assert one["evidence"]["breaches"] == 4
    steps = [(step["before"], step["after"]) for step in one["transitions"]]
    assert steps == [("", "suspected"), ("suspected", "open"), ("open", "escalated")]
    assert [step["step"] for step in one["transitions"]] == ["suspected", "opened", "escalated"]
    assert one["actions"] == [
        "acknowledge", "resolve", "accept", "mute", "false-positive", "comment",
    ]  # fmt: skip
    siblings = {other["rule"] for other in one["incident"]["siblings"]}
    assert siblings == OPEN - {"api_response_time_regression"}
    assert one["incident"]["state"] == "open"
    assert one["links"]["page"] == f"/regressions/{one['id']}"
    assert asked.get(one["links"]["self"]).status_code == 200
    assert asked.get(one["links"]["signal"]).status_code == 200


def test_a_resolved_one_tells_its_whole_life(asked: Client) -> None:
    (short,) = items(asked, "?rule=cache_hit_rate_low")
    one = asked.get(f"/api/v1/regressions/{short['id']}").json()
    assert one["transitions"][-1]["after"] == "resolved"
    assert one["resolved_at"] > one["opened_at"]
    assert "is back at 96." in one["summary"]


def test_a_regression_whose_rule_is_gone_is_still_shown(client: Client, house: House) -> None:
    put(house, 1, NOW_MS, rule="a_rule_of_last_year", evidence={"breaches": 3, "of": 3, "n": 12.0})
    one = client.get("/api/v1/regressions/reg_001").json()
    assert one["why"].startswith("3 of 3 windows were beyond 80 %")
    assert client.get("/regressions/reg_001").status_code == 200


def test_an_unknown_one_is_not_found(asked: Client) -> None:
    body = problem(asked.get("/api/v1/regressions/reg_0"), 404, "not-found")
    assert body["detail"] == "There is no regression reg_0."
    assert body["instance"] == "/api/v1/regressions/reg_0"


@pytest.mark.parametrize(
    "cursor",
    ["zz", "not base64!", "", "LnJlZ18x", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkueA", "z" * 201],
)
def test_a_cursor_of_somebody_else_is_a_bad_request(asked: Client, cursor: str) -> None:
    answer = asked.get("/api/v1/regressions", params={"cursor": cursor})
    problem(answer, 400, "bad-cursor")


def test_a_cursor_hides_no_other_fault_of_a_request(asked: Client) -> None:
    answer = asked.get("/api/v1/regressions", params={"cursor": "not base64!", "limit": 0})
    faults = problem(answer, 422, "invalid")["errors"]
    assert {one["pointer"] for one in faults} == {"?cursor", "?limit"}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=many", "?limit"),
        ("state=closed", "?state"),
        ("severity=bad", "?severity"),
        ("since=yesterday", "?since"),
        ("since=1772452800", "?since"),
        ("since=2026-03-02T12:00:00", "?since"),
        ("until=2026-02-30T12:00:00Z", "?until"),
        ("stat=open", "?stat"),
    ],
)
def test_a_wrong_or_unknown_parameter_is_named(asked: Client, query: str, pointer: str) -> None:
    body = problem(asked.get(f"/api/v1/regressions?{query}"), 422, "invalid")
    assert [one["pointer"] for one in body["errors"]] == [pointer]

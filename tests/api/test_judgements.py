"""`/judgements`, `/rules` and `/targets`."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.house import House
from api.routes.targets import IN_WORDS, TargetShape
from api.standing import series_id
from collector.failure import CollectFailure, Failure
from collector.meters import CollectorMeters
from collector.run import Collector
from collector.source import Collected
from storage.history import Samples
from tests.api.asking import Client, problem
from tests.api.shop import CART, NOW


def judged(asked: Client, query: str) -> list[dict[str, Any]]:
    answer = asked.get(f"/api/v1/judgements{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_they_come_newest_first_and_no_more_than_asked_for(asked: Client) -> None:
    found = judged(asked, "?limit=30")
    assert len(found) == 30
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)


@pytest.mark.parametrize(
    ("query", "member", "value"),
    [
        ("?rule=cpu_high", "rule", "cpu_high"),
        ("?signal=db_p95", "signal", "db_p95"),
        ("?verdict=regressed", "verdict", "regressed"),
        ("?reason=sustain", "reason", "sustain"),
        ("?verdict=rejected&gate=sustain", "reason", "sustain"),
        (f"?signal=api_p95&series={series_id(CART)}", "labels", CART.as_dict()),
    ],
)
def test_each_filter_narrows_the_answer(
    asked: Client, query: str, member: str, value: object
) -> None:
    found = judged(asked, query)
    assert found
    assert all(one[member] == value for one in found)
    assert len(found) < len(judged(asked, "?limit=500"))


def test_a_span_of_time_narrows_the_answer(asked: Client) -> None:
    found = judged(asked, "?since=2026-03-02T11:56:00Z&until=2026-03-02T11:59:00Z&limit=500")
    assert {one["at"] for one in found} == {"2026-03-02T11:56:00Z", "2026-03-02T11:59:00Z"}


def test_a_verdict_is_told_in_words_with_its_numbers(asked: Client) -> None:
    (one,) = judged(asked, "?verdict=regressed&rule=api_response_time_regression&limit=1")
    assert one["text"] == "regressed: 4 of 4 windows beyond 262 ms, the last at 329 ms"
    assert one["series"] == series_id(CART)
    assert (one["breaches"], one["of"], one["days"]) == (4, 4, 7)


def test_numbers_that_are_none_are_null(asked: Client) -> None:
    (one,) = judged(asked, "?rule=cpu_high&limit=1")
    assert one["threshold"] == 0.8


def test_filters_that_contradict_or_hang_in_the_air_are_named(asked: Client) -> None:
    path = "/api/v1/judgements"
    both = problem(asked.get(f"{path}?gate=sustain&reason=no_data"), 422, "invalid")
    assert both["errors"][0]["pointer"] == "?gate"
    alone = problem(asked.get(f"{path}?series=abc"), 422, "invalid")
    assert alone["errors"][0]["pointer"] == "?series"
    problem(asked.get(f"{path}?series=abc&signal=api_p95"), 404, "not-found")
    problem(asked.get(f"{path}?verdict=maybe"), 422, "invalid")
    problem(asked.get(f"{path}?limit=501"), 422, "invalid")


def test_all_rules_are_listed_with_their_definition(asked: Client, shop: House) -> None:
    listed = {one["id"]: one for one in asked.get("/api/v1/rules").json()["items"]}
    assert list(listed) == list(shop.detector.definitions.rules)
    sigma = listed["error_rate_spike"]
    assert sigma["kind"] == "sigma"
    assert sigma["trigger"].startswith("more than 2 standard deviations above the 7-day average")
    assert sigma["definition"]["sustain"] == {"windows": 3, "of": 3}
    assert sigma["definition"]["clear"]["for"] == "30m"
    problem(asked.get("/api/v1/rules?signal=x"), 422, "invalid")


class Refuses:
    """A target that nobody listens at."""

    kind, name, interval_seconds, timeout_seconds, immediate = "scrape", "mail", 15.0, 5.0, True

    async def collect(self, at_ms: int) -> Collected:
        raise CollectFailure(Failure.REFUSED, "nobody listens on port 9000")

    async def close(self) -> None:
        return


class Works(Refuses):
    """One that answers."""

    name = "shop"

    async def collect(self, at_ms: int) -> Collected:
        return Collected(Samples.of([]))


def test_targets_tell_why_they_are_down(house: House) -> None:
    collector = Collector(
        [Refuses(), Works()], house.history.append, CollectorMeters(CollectorRegistry())
    )

    async def once() -> None:
        await asyncio.gather(*collector.start_due(NOW))

    pending = [TargetShape.of(one) for one in collector.status()]
    asyncio.run(once())
    down, up = (TargetShape.of(one) for one in collector.status())
    assert pending[0].text == "pending: not collected yet"
    assert down.text == "down: it refused the connection (nobody listens on port 9000)"
    assert down.reason is Failure.REFUSED
    assert (up.text, up.reason) == ("up", None)


def test_every_reason_has_words() -> None:
    assert set(IN_WORDS) == set(Failure)


def test_targets_are_listed_before_their_first_collection(asked: Client) -> None:
    listed = asked.get("/api/v1/targets").json()["items"]
    assert [(one["name"], one["state"]) for one in listed] == [
        ("host", "pending"),
        ("plimsoll", "pending"),
    ]

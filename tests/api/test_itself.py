"""Plimsoll about itself: what it costs, whether it keeps up, and what it had to leave out."""

import asyncio
from datetime import timedelta

import pytest

from api.app import create_app
from api.house import House
from api.itself import DROPS, QUEUES, drops, meters, quantile
from api.kept import Dropped
from api.loops import LoopMeters, Loops
from tests.api.asking import Client
from tests.api.shop import MINUTE_MS, NOW_MS, Clock
from tests.api.test_pages import text

INF = float("inf")


@pytest.fixture
def looped(house: House) -> Loops:
    """Loops of the fresh house, not running."""
    return Loops(house, LoopMeters(house.registry))


def test_every_counter_that_is_shown_is_one(house: House) -> None:
    create_app(house)
    families = set(meters(house))
    assert {one for one in DROPS if one not in families} == set()
    assert {one for one in QUEUES if one not in families} == set()


def test_every_counter_that_sounds_like_a_loss_is_shown(house: House) -> None:
    create_app(house)
    words = ("dropped", "left_out", "skipped", "refused", "excluded", "overflow", "unread")
    found = {
        name
        for name, one in meters(house).items()
        if one.type == "counter" and any(word in name for word in words)
    }
    assert found - set(DROPS) == set()


def test_a_loop_tells_its_rounds_failures_and_when_it_last_went_round(
    looped: Loops, client: Client, clock: Clock
) -> None:
    async def round_() -> float:
        looped.stop()
        raise RuntimeError("no luck")

    asyncio.run(looped.repeat("judge", round_))
    (one,) = client.get("/api/v1/itself").json()["loops"]
    assert (one["name"], one["rounds"], one["failures"]) == ("judge", 1, 1)
    assert one["last_at"] == clock.at.isoformat().replace("+00:00", "Z")
    assert "1 failed round" in text(client, "/itself")


def test_ticks_tell_their_cost_and_whether_they_keep_up(
    house: House, client: Client, clock: Clock
) -> None:
    before = client.get("/api/v1/itself").json()["ticks"]
    assert (before["count"], before["mean_seconds"], before["behind_seconds"]) == (0, None, None)
    house.detector.tick(NOW_MS)
    ticks = client.get("/api/v1/itself").json()["ticks"]
    assert (ticks["count"], ticks["behind_seconds"]) == (1, 0)
    assert ticks["mean_seconds"] > 0
    assert "Plimsoll keeps up" in text(client, "/itself")
    clock.at += timedelta(minutes=30)
    late = client.get("/api/v1/itself").json()
    assert late["ticks"]["behind_seconds"] > 1500
    assert "the last tick was" in late["not_ready"]["detector"]
    assert "Plimsoll needs a look" in text(client, "/itself")


def test_what_was_left_out_is_told_by_reason_and_what_went_well_is_not(
    house: House, client: Client
) -> None:
    assert "Nothing was left out" in text(client, "/itself")
    house.detector.meters.left_out.labels("api_p95", "no_bounds").inc(3)
    client.post("/api/v1/configuration/check", json={"text": ""})
    client.post("/api/v1/configuration/check", json={"text": "x: 1"})
    for why in Dropped:
        client.app.state.shared.meters.dropped[why].inc()
    found = [(one.metric, one.reason, one.count) for one in drops(meters(house))]
    assert found == [
        ("plimsoll_windows_left_out_total", "reason=no_bounds, signal=api_p95", 3),
        ("plimsoll_configuration_checks_total", "outcome=faulty", 1),
        ("plimsoll_kept_answers_dropped_total", "reason=full", 1),
        ("plimsoll_kept_answers_dropped_total", "reason=large", 1),
    ]


@pytest.mark.parametrize(
    ("buckets", "told"),
    [
        ([], None),
        ([(1.0, 0), (INF, 0)], None),
        ([(1.0, 100), (2.0, 100), (INF, 100)], 0.95),
        ([(1.0, 90), (2.0, 100), (INF, 100)], 1.5),
        ([(1.0, 0), (2.0, 10), (INF, 100)], 2.0),
    ],
)
def test_a_quantile_of_buckets_is_that_of_prometheus(
    buckets: list[tuple[float, float]], told: float | None
) -> None:
    found = quantile(buckets, 0.95)
    assert found == (None if told is None else pytest.approx(told))


def test_sizes_versions_and_memory_are_told(house: House, client: Client) -> None:
    one = client.get("/api/v1/itself").json()
    assert one["stores"]["state"] == "sqlite"
    assert one["stores"]["state_bytes"] > 0
    assert one["process"]["resident_bytes"] > 1e6
    assert "duckdb" in one["libraries"]
    assert one["ticks"]["step_seconds"] * 1000 == MINUTE_MS

"""The past of new signals, in the running house: between ticks, on metrics, pages and REST."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from api.house import House
from api.kept import LATE_MS
from api.loops import PULSE_SECONDS, LoopMeters, Loops
from detector.increase import UP
from storage.history import Samples
from storage.series import NAME, Labels
from tests.api.asking import Client
from tests.api.shop import DAY_MS, MINUTE_MS, NOW_MS, Clock

SIGNAL = "host_memory_usage"
METRIC = 'plimsoll_backfill_progress_ratio{signal="host_memory_usage",source="samples"}'


@pytest.fixture
def loops(house: House) -> Loops:
    times = np.arange(NOW_MS - 2 * DAY_MS, NOW_MS + 1, MINUTE_MS)
    names = ("host_memory_usage_ratio", UP)
    house.history.append(
        Samples(
            tuple(Labels.of({NAME: one, "target": "host"}) for one in names),
            np.repeat([0, 1], len(times)),
            np.tile(times, 2),
            np.repeat([0.4, 1.0], len(times)),
        )
    )
    return Loops(house, LoopMeters(CollectorRegistry()))


def test_ticks_go_on_while_the_past_is_evaluated(house: House, loops: Loops) -> None:
    pauses = [asyncio.run(loops.judge()) for _ in range(3)]
    assert pauses == [0.0] * 3  # no pause while there is something to do
    assert house.detector.readings[SIGNAL][0].value == 0.4
    assert house.refill.waiting
    rounds = 0
    while house.refill.waiting:
        loops.judge_due(house.now())
        rounds += 1
    assert rounds > 10
    assert asyncio.run(loops.judge()) == PULSE_SECONDS
    # All but the one that ends now, which is left to a tick once `delay` is over.
    stored = house.history.windows(SIGNAL, 0, NOW_MS, seconds=300.0)
    assert len(stored) == 2 * 288


def test_how_far_it_is_stands_on_metrics_pages_and_rest(
    house: House, loops: Loops, client: Client, clock: Clock
) -> None:
    assert client.get(f"/api/v1/signals/{SIGNAL}").json()["backfill"] is None
    assert METRIC not in client.get("/metrics").text
    house.refill.begin(NOW_MS)
    while house.refill.waiting[SIGNAL].done < 0.1:
        house.refill.step()
    done = house.refill.waiting[SIGNAL].done
    assert client.get(f"/api/v1/signals/{SIGNAL}").json()["backfill"] == {
        "source": "samples",
        "done": done,
    }
    assert f"{METRIC} {done}" in client.get("/metrics").text
    assert f"{int(100 * done)} % is done" in client.get(f"/signals/{SIGNAL}").text
    count = len(house.detector.definitions.signals)
    assert f"The past of {count} signals is being evaluated" in client.get("/").text
    while house.refill.step():
        pass
    clock.at += timedelta(milliseconds=LATE_MS)  # for so long the overview may tell what was
    assert client.get(f"/api/v1/signals/{SIGNAL}").json()["backfill"]["done"] == 1.0
    assert f"{METRIC} 1.0" in client.get("/metrics").text
    assert "being evaluated" not in client.get("/").text + client.get(f"/signals/{SIGNAL}").text

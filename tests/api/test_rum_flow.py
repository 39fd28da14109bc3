"""The whole way of a beacon: endpoint, receiver, collector, history, detector, REST."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from api.app import create_app
from api.document import Document
from api.house import House
from api.serve import build
from api.settings import build as settings_of
from collector.rum.beacon import decode
from collector.rum.views import Sender
from detector.run import milliseconds
from storage.config import StorageConfig
from tests.api.asking import Client
from tests.api.shop import Clock, close
from tests.collector.rum.sending import APP, ORIGIN, whole

MINUTE = timedelta(minutes=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    rum = {"apps": [APP], "app_per_second": 1e6, "app_burst": 10**6}
    collector = {"host": False, "rum": rum}
    settings = replace(
        settings_of(Document(data={"collector": collector})),
        storage=StorageConfig(directory=tmp_path),
    )
    made = build(settings, now=Clock())
    yield made
    close(made)


def pass_minutes(house: House, minutes: int, each: int, median_ms: float) -> None:
    """Page views arrive, the collector takes its turns, ticks are run: as the loops do it."""
    clock = house.now
    assert isinstance(clock, Clock)
    rng = np.random.default_rng(minutes)

    async def turn() -> None:
        # Plimsoll's own page is a target, too, and nobody serves it here.
        rum = [one for one in house.collector._tracks if one.source.kind == "rum"]
        house.collector._tracks[:] = rum
        await asyncio.gather(*house.collector.start_due(clock.at))

    for minute in range(minutes):
        now_ms = milliseconds(clock.at)
        for i, value in enumerate(rng.lognormal(np.log(median_ms), 0.5, each).tolist()):
            body = whole(f"view-{median_ms:.0f}-{minute:03}-{i:03}", lcp_ms=round(value, 1))
            sender = Sender(i * 1000 + minute, "chrome", "ZZ")
            beacon = decode(json.dumps(body).encode())
            refusal = house.rum.take(beacon, ORIGIN.encode(), sender, now_ms, robot=False)
            assert refusal is None
        asyncio.run(turn())
        house.collector.flush()
        for tick_ms in house.detector.due_ticks(now_ms - 10_000):
            house.detector.tick(tick_ms)
        clock.at += MINUTE


def test_what_browsers_send_becomes_windows_that_are_judged(house: House) -> None:
    begun_ms = milliseconds(house.now())
    pass_minutes(house, 40, each=12, median_ms=1600)
    windows = house.history.windows("rum_lcp", begun_ms, milliseconds(house.now()), seconds=300.0)
    rows = windows.rows()
    assert {row.labels.as_dict().get("service") for row in rows} == {"shop"}
    assert {row.labels.as_dict().get("route") for row in rows} == {"/"}
    # The first ones that are over count ten minutes later; no view is counted twice or lost.
    counted = sum(row.n for row in rows)
    told = Client(create_app(house)).get("/api/v1/web-vitals", params={"metric": "LCP"}).json()
    assert counted <= told["items"][0]["n"] <= 12 * 31
    assert counted >= 12 * 20
    full = [row for row in rows if row.n >= 50]
    assert full
    for row in full:
        assert row.value == pytest.approx(1.6 * np.exp(0.5 * 0.6745), rel=0.3)
    shares = house.history.windows(
        "rum_lcp_good", begun_ms, milliseconds(house.now()), seconds=300.0
    )
    assert all(0.5 < row.value <= 1 for row in shares.rows() if row.n >= 50)
    lost = house.history.windows(
        "rum_beacons_lost", begun_ms, milliseconds(house.now()), seconds=300.0
    )
    assert {row.value for row in lost.rows() if row.n} == {0.0}

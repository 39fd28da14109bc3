"""A part that fails is seen by people and by programs, and its target stays up."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from api.app import create_app
from api.document import Document
from api.house import House
from api.serve import build as build_house
from api.settings import build
from tests.api.asking import Client
from tests.caches import redis_server

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)


async def turn(house: House) -> None:
    """One turn of every target."""
    house.collector.start_due(NOW)
    due = house.collector.next_due()
    assert due is not None
    await asyncio.gather(*house.collector.start_due(due))
    await house.collector.stop()


def test_a_part_that_fails_is_on_the_overview_in_rest_and_in_metrics(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        server.client.acl_setuser("u", enabled=True, passwords=["+pw"], commands=["+info"])
        target = {"name": "sessions", "address": server.address, "username": "u", "password": "pw"}
        data = {
            "storage": {"directory": str(tmp_path / "data")},
            "collector": {"host": False, "interval": "60s", "redis": [target]},
        }
        house = build_house(build(Document(data=data)), now=lambda: NOW)
        with closing(house.file), closing(house.state):
            asyncio.run(turn(house))
            client = Client(create_app(house))
            items = client.get("/api/v1/targets").json()["items"]
            (found,) = [one for one in items if one["name"] == "sessions"]
            page, metrics = client.get("/").text, client.get("/metrics").text

    assert (found["kind"], found["state"]) == ("redis", "up")
    assert found["text"] == "up, without latency, slowlog, keys, events"
    parts = {one["name"]: one for one in found["parts"]}
    assert (parts["info"]["up"], parts["info"]["text"]) == (True, "ok")
    assert (parts["keys"]["up"], parts["keys"]["reason"]) == (False, "permission")
    assert parts["keys"]["text"] == "failed: it does not let us read (the user lacks +scan)"
    assert parts["keys"]["last_success"] is None
    assert "up, without latency, slowlog, keys, events" in page
    assert "keys failed: it does not let us read (the user lacks +scan)" in page
    who = 'collector="redis",part="keys"'
    assert f'plimsoll_collector_part_up{{{who},target="sessions"}} 0.0' in metrics
    told = f'part_failures_total{{{who},reason="permission",target="sessions"}} 1.0'
    assert told in metrics

"""From a pgbench load on a real PostgreSQL to a regression, when an index is dropped half-way.

The clock is injected, everything else is real: the server, the load, the collector, the ticks. The
eight days before are the minutes that were measured first, over and over.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from collector.postgres.scrub import fingerprint
from detector.regression import Regression
from detector.run import milliseconds
from tests.api.asking import Client
from tests.api.shop import Clock
from tests.collector.postgres.load import LOOKUP, MINUTE_MS, Load, past, shop

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
QUIET, PATIENCE = timedelta(minutes=6), timedelta(minutes=55)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A shop whose accounts are found by an index."""
    with shop(tmp_path) as made:
        yield made


def house_for(directory: Path, load: Load, clock: Clock) -> House:
    target = {"name": "main", "port": load.server.port, "user": "watcher", "database": "shop"}
    data = {
        "storage": {"directory": str(directory)},
        "collector": {"host": False, "interval": "60s", "postgres": [target]},
    }
    return build(settings_of(Document(data=data)), now=clock)


SECRETS = ("hunter2", "4929123412341234", "bob@example.com")


def plant(load: Load) -> None:
    """Statements with what nobody may keep, in an order that makes them worth showing."""
    with load.server.connected("shop") as connection:
        connection.execute("CREATE ROLE bob PASSWORD 'hunter2'")
        connection.execute("DROP ROLE bob")
        connection.execute("DO 'BEGIN PERFORM $$hunter2$$, 4929123412341234; END'")
        connection.execute("SELECT pg_sleep(0.01), 'hunter2' /* bob@example.com */")


def plant_is_nowhere(house: House, asked: Client, folder: Path) -> None:
    """What was planted stands in no series, in no table of the state, and on no page."""
    paths = ("/queries", "/queries?span=1h", "/api/v1/queries", "/api/v1/signals", "/metrics")
    pages = [asked.get(one).text for one in (*paths, "/", "/api/v1/targets")]
    assert "pg_sleep(?)" in pages[0]
    series = [
        str(one) for name in house.history.series.ids for one in house.history.series.ids[name]
    ]
    assert any("pg_statement_calls_total" in one for one in series)
    files = sorted(folder.glob("state.sqlite3*"))  # what is new stands in the log
    state = b"".join(one.read_bytes() for one in files).decode("latin-1")
    assert LOOKUP in state
    for secret in SECRETS:
        assert [one for one in (*pages, *series, state) if secret in one] == []


async def until_told(house: House, load: Load) -> tuple[list[Regression], datetime]:
    """Live on after noon, minute by minute; the regressions of statements once there is one."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    dropped_at = NOON + QUIET
    now = NOON
    found: list[Regression] = []
    while now < dropped_at + PATIENCE:
        now += timedelta(minutes=1)
        if now == dropped_at:
            load.drop_index()
        await asyncio.to_thread(load)
        plant(load)
        await asyncio.gather(*house.collector.start_due(now))
        loops.judge_due(now + timedelta(seconds=15))
        with house.state.reading() as session:
            open_ = house.book.open_regressions(session)
        found = [one for one in open_ if one.rule == "db_statement_regression"]
        if found:
            break
    await house.collector.stop()
    return found, now


@pytest.mark.timeout(240)
def test_a_dropped_index_is_a_regression_of_just_the_statement_that_used_it(
    tmp_path: Path, load: Load
) -> None:
    history = past(load, milliseconds(NOON))
    clock = Clock(NOON)
    house = house_for(tmp_path, load, clock)
    with closing(house.file), closing(house.state):
        house.history.append(*history)
        house.refill.begin(milliseconds(NOON))
        while house.refill.step():
            pass
        found, told_at = asyncio.run(until_told(house, load))

        clock.at = told_at
        (regression,) = found
        name = fingerprint(LOOKUP)
        assert regression.labels.as_dict() == {
            "target": "main",
            "datname": "shop",
            "fingerprint": name,
        }
        dropped_ms = milliseconds(NOON + QUIET)
        assert abs(regression.began_hi_ms - dropped_ms) <= 15 * MINUTE_MS
        # Seven windows of five minutes after it, and the one in which it lies.
        assert told_at <= NOON + QUIET + timedelta(minutes=40)
        assert regression.worst is not None
        assert regression.baseline is not None
        assert regression.worst > 5 * regression.baseline

        asked = Client(create_app(house))
        plant_is_nowhere(house, asked, tmp_path)
        (known,) = house.statements.find({name}).values()
        assert known.text == LOOKUP
        page = asked.get(f"/queries/{name}")
        assert LOOKUP in page.text
        assert f"/regressions/{regression.id}" in page.text
        assert f"/queries/{name}" in asked.get(f"/regressions/{regression.id}").text

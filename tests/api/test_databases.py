"""Tables, indexes and statements of a real PostgreSQL, as REST tells of them."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.app import create_app
from api.databases import Thing, Usage, growth
from api.document import Document
from api.serve import build
from api.settings import build as settings_of
from storage.series import Labels
from tests.api.asking import Client, problem
from tests.api.shop import Clock
from tests.collector.postgres.load import shop

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
PACE = timedelta(minutes=2)
ROWS = 180_000


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with two tables, an index that is used, one that is not, and one that is broken."""
    folder = tmp_path_factory.mktemp("databases")
    with shop(folder) as load:
        with load.server.connected("shop") as connection:
            connection.execute("CREATE INDEX accounts_note ON accounts (id, note)")
            connection.execute("CREATE INDEX accounts_broken ON accounts (balance)")
            connection.execute(
                "UPDATE pg_index SET indisvalid = false "
                "WHERE indexrelid = 'accounts_broken'::regclass"
            )
            connection.execute("VACUUM ANALYZE")
        target = {"name": "main", "port": load.server.port, "user": "watcher", "database": "shop"}
        data = {
            "storage": {"directory": str(folder)},
            "collector": {"host": False, "interval": "60s", "postgres": [target]},
        }
        clock = Clock(NOON)
        house = build(settings_of(Document(data=data)), now=clock)

        async def collected() -> None:
            # The first turn of a target is somewhere within an interval from the first call on.
            await asyncio.gather(*house.collector.start_due(clock.at))
            for turn in range(1, 4):
                if turn > 1:
                    await asyncio.to_thread(load)
                    with load.server.connected("shop") as connection:
                        connection.execute("DELETE FROM days WHERE day = %s", (turn,))
                        connection.execute("SELECT pg_stat_force_next_flush()")
                clock.at = NOON + turn * PACE
                await asyncio.gather(*house.collector.start_due(clock.at))
            await house.collector.stop()

        with closing(house.file), closing(house.state):
            asyncio.run(collected())
            clock.at += timedelta(seconds=5)
            yield Client(create_app(house))


def items(asked: Client, path: str) -> list[dict[str, Any]]:
    answer = asked.get(f"/api/v1/databases{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_servers_are_listed_with_their_databases(asked: Client) -> None:
    (server,) = items(asked, "")
    assert (server["target"], server["state"], server["database"]) == ("main", "up", "shop")
    sizes = {one["datname"]: one["size_bytes"] for one in server["databases"]}
    assert sizes["shop"] > 10_000_000
    assert items(asked, server["links"]["tables"].removeprefix("/api/v1/databases"))


def test_tables_have_sizes_rows_and_what_happened_to_them(asked: Client) -> None:
    found = {one["table"]: one for one in items(asked, "/main/tables")}
    accounts, days = found["accounts"], found["days"]
    assert next(iter(found)) == "accounts"
    assert accounts["rows"] == pytest.approx(ROWS, rel=0.01)
    assert accounts["size_bytes"] > days["size_bytes"] > 0
    assert accounts["index_scans"] > 0
    assert days["deleted_rows"] == 2
    assert days["seq_scans"] >= 2
    assert accounts["covered_seconds"] == 2 * PACE.total_seconds()


def test_what_a_list_of_tables_begins_with_can_be_chosen(asked: Client) -> None:
    assert items(asked, "/main/tables?sort=changes")[0]["table"] == "days"
    assert items(asked, "/main/tables?sort=rows")[0]["table"] == "accounts"
    assert [one["table"] for one in items(asked, "/main/tables?table=days")] == ["days"]
    assert items(asked, "/main/tables?schema=nope") == []
    assert items(asked, "/main/tables?datname=postgres") == []


def test_an_index_is_used_unused_or_cannot_be_used(asked: Client) -> None:
    found = {one["index"]: one for one in items(asked, "/main/indexes")}
    assert {name: one["usage"] for name, one in found.items()} == {
        "accounts_owner": "used",
        "accounts_note": "unused",
        "accounts_broken": "invalid",
    }
    assert found["accounts_owner"]["scans"] > 0
    assert found["accounts_note"]["size_bytes"] > found["accounts_owner"]["size_bytes"]
    (unused,) = items(asked, "/main/indexes?usage=unused&table=accounts")
    assert (unused["index"], unused["scans"]) == ("accounts_note", 0)
    assert items(asked, "/main/indexes?sort=scans")[0]["index"] == "accounts_owner"


def test_a_page_says_how_many_there_are(asked: Client) -> None:
    answer = asked.get("/api/v1/databases/main/indexes?limit=1&offset=1").json()
    assert answer["total"] == 3
    everything = items(asked, "/main/indexes")
    assert answer["items"] == everything[1:2]


def test_a_server_that_is_not_there_is_said_so(asked: Client) -> None:
    for path in ("tables", "indexes", "queries"):
        problem(asked.get(f"/api/v1/databases/nope/{path}"), 404, "not-found")
    assert items(asked, "/main/queries?sort=mean") == []  # no window has ended


def test_too_few_samples_say_nothing_of_use() -> None:
    assert growth([5.0]) == 0.0
    assert growth([5.0, 9.0, 2.0, 3.0]) == 4.0 + 2.0 + 1.0
    once = Thing(Labels.of(index="x"), grown={"scans_total": 0.0})
    assert once.usage is Usage.UNKNOWN
    assert replace(once, covered_seconds=120.0).usage is Usage.UNUSED


def test_there_is_no_advice_yet(asked: Client) -> None:
    assert asked.get("/api/v1/recommendations").json() == {"items": [], "next_cursor": None}
    problem(asked.get("/api/v1/recommendations?cursor=MTIz"), 400, "bad-cursor")

"""Cursors that nobody handed out are refused alike on both databases: numbers that no row has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.app import create_app
from api.routes import stream
from detector.paging import written
from storage.config import StorageConfig
from storage.state import LARGEST_KEY
from tests.api.asking import Client, problem
from tests.api.shop import close, empty_house
from tests.postgres import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("cursors")
    storage = StorageConfig(directory=folder)
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        storage = StorageConfig(directory=folder, state_url=SecretStr(server.database()))
    house = empty_house(folder, storage=storage)
    yield Client(create_app(house))
    close(house)


def test_the_largest_number_is_an_empty_page(client: Client) -> None:
    assert client.get(f"/api/v1/audit?cursor={LARGEST_KEY}").json()["items"] == []
    page = client.get(f"/api/v1/events?cursor=1772452800000.r{LARGEST_KEY}")
    assert (page.status_code, page.json()["items"]) == (200, [])


@pytest.mark.parametrize("more", [1, 2**33, 10**17])
def test_a_number_that_no_row_can_have_is_refused(client: Client, more: int) -> None:
    number = LARGEST_KEY + more
    problem(client.get(f"/api/v1/audit?cursor={number}"), 422, "invalid")
    for letter in "ri":
        cursor = f"1772452800000.{letter}{number}"
        problem(client.get(f"/api/v1/events?cursor={cursor}"), 400, "bad-cursor")


def test_a_listener_with_such_a_place_is_told_as_a_new_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.0)  # it ends after what is known
    for place in (f"{LARGEST_KEY + 1}.0", f"0.{10**17}"):
        told = client.get("/api/v1/stream", headers={"Last-Event-ID": place})
        assert told.status_code == 200
        assert "event: ready" in told.text
        assert "event: lost" not in told.text


def test_a_page_of_notices_after_such_a_place_is_refused(client: Client) -> None:
    for number in (LARGEST_KEY + 1, 10**17):
        cursor = written(1_772_452_800_000, str(number))
        problem(client.get(f"/api/v1/notifications?cursor={cursor}"), 400, "bad-cursor")
    cursor = written(1_772_452_800_000, str(LARGEST_KEY))
    assert client.get(f"/api/v1/notifications?cursor={cursor}").status_code == 200

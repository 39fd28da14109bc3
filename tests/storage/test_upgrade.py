"""A state of every earlier version is brought to this one, with every row that was in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from api.app import create_app
from storage.state import State, sqlite_url
from tests.api.asking import Client
from tests.api.shop import close, empty_house
from tests.postgres import Postgres
from tests.storage.recorded import Row, chain, file_of, fill, loaded, rows, upgraded

HEAD = chain()[-1]
# Columns that a later migration gives another meaning; what becomes of them is tested by itself.
REWRITTEN = {"transition": {"before", "after"}}


def test_every_revision_is_recorded() -> None:
    missing = [one for one in chain() if not file_of(one).is_file()]

    assert missing == [], "run `python -m tests.storage.recorded` and commit what it wrote"


def kept(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> list[str]:
    """The rows of before that are not there afterwards, with what they were."""
    lost = []
    for table, old in before.items():
        left = REWRITTEN.get(table, set())
        for row in old:
            wanted = {column: value for column, value in row.items() if column not in left}
            if not any(wanted.items() <= new.items() for new in after.get(table, [])):
                lost.append(f"{table}: {wanted}")
    return lost


@pytest.mark.parametrize("revision", chain())
def test_every_row_of_an_earlier_state_is_kept(revision: str, tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    loaded(revision, file)
    before = rows(file)
    assert all(before.values()), "a table without rows proves nothing"

    state = State(sqlite_url(file))
    state.migrate()
    assert state.revision() == HEAD
    state.close()

    after = rows(file)
    assert kept(before, after) == []
    assert {table: len(after[table]) for table in before} == {
        table: len(found) for table, found in before.items()
    }


@pytest.mark.parametrize("revision", chain())
def test_an_upgraded_state_has_the_tables_of_a_new_one(revision: str, tmp_path: Path) -> None:
    states = []
    for name in ("old", "new"):
        file = tmp_path / f"{name}.sqlite3"
        if name == "old":
            loaded(revision, file)
        state = State(sqlite_url(file))
        state.migrate()
        looked = inspect(state.engine)
        states.append(
            {
                table: (
                    [(one["name"], str(one["type"]), one["nullable"])
                     for one in looked.get_columns(table)],
                    sorted(str(one["name"]) for one in looked.get_indexes(table)),
                )
                for table in looked.get_table_names()
            }
        )  # fmt: skip
        state.close()

    assert states[0] == states[1]


@pytest.mark.parametrize("revision", [chain()[0], chain()[-2]])
def test_what_was_concluded_before_an_upgrade_is_shown_after_it(
    revision: str, tmp_path: Path
) -> None:
    file = tmp_path / "state.sqlite3"
    loaded(revision, file)
    with closing(sqlite3.connect(file)) as connection:
        if "access_token" in rows(file):  # where there is a token everybody is asked for one
            connection.execute("UPDATE access_token SET revoked_ms = 1")
            connection.commit()
    before = rows(file)
    house = empty_house(tmp_path)
    try:
        client = Client(create_app(house))
        listed = client.get("/api/v1/regressions?limit=200").json()["items"]
        assert {one["id"] for one in listed} == {one["id"] for one in before["regression"]}
        for one in before["regression"]:
            assert client.get(f"/regressions/{one['id']}").status_code == 200
        found = client.get("/api/v1/deployments").json()["items"]
        assert {one["id"] for one in found} == {one["id"] for one in before["deployment"]}
        assert client.get("/api/v1/events").status_code == 200
        assert client.get("/").status_code == 200
    finally:
        close(house)


def test_a_recorded_state_is_kept_on_postgresql_too(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    revision = chain()[0]
    loaded(revision, tmp_path / "state.sqlite3")
    before = rows(tmp_path / "state.sqlite3")
    state = State(postgres_server.database())
    try:
        upgraded(state, revision)
        with state.engine.begin() as connection:
            fill(connection, before)
        state.migrate()
        with state.engine.connect() as connection:
            for table, old in before.items():
                assert connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one() == (
                    len(old)
                )
        assert state.revision() == HEAD
    finally:
        state.close()


def test_a_row_that_is_gone_would_be_found() -> None:
    before = {"regression": [{"id": "a", "value": 1}], "transition": [{"id": 1, "after": "open"}]}

    assert kept(before, {"regression": [{"id": "a", "value": 1, "by": ""}],
                         "transition": [{"id": 1, "after": "closed"}]}) == []  # fmt: skip
    assert kept(before, {"regression": [{"id": "a", "value": 2}]}) == [
        "regression: {'id': 'a', 'value': 1}", "transition: {'id': 1}"
    ]  # fmt: skip

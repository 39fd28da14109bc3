"""Histories as files: lines of JSON and Parquet of the same columns."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from api import exporting
from api.app import create_app
from api.exporting import REGRESSIONS, TIME, WINDOWS
from api.house import House
from api.moments import milliseconds
from detector.regression import Regression
from tests.api.asking import Client, problem
from tests.api.shop import MINUTE_MS, NOW_MS
from tests.api.test_regressions import put


def rows(text: str) -> list[dict[str, Any]]:
    assert text == "" or text.endswith("\n")
    return [json.loads(one) for one in text.splitlines()]


def read_parquet(body: bytes, path: Path) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    path.write_bytes(body)
    with duckdb.connect(":memory:") as connection:
        told = connection.execute(f"DESCRIBE FROM '{path}'").fetchall()
        types = {str(name): str(type_) for name, type_, *_ in told}
        times = ", ".join(
            f'epoch_ms("{name}") AS "{name}"' for name, one in types.items() if one == TIME
        )
        found = connection.execute(f"SELECT * REPLACE ({times}) FROM '{path}'")
        return types, found.fetchall()


def test_every_regression_stands_on_a_line(asked: Client) -> None:
    answer = asked.get("/api/v1/regressions/export?kind=any")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].endswith('"regressions.ndjson"')
    listed = asked.get("/api/v1/regressions?kind=any&limit=200").json()["items"]
    found = rows(answer.text)
    assert [one["id"] for one in found] == [one["id"] for one in listed]
    for line, one in zip(found, listed, strict=True):
        assert list(line) == list(REGRESSIONS)
        assert line == {name: one[name] for name in REGRESSIONS}


def test_the_filters_of_the_list_hold(asked: Client) -> None:
    found = rows(asked.get("/api/v1/regressions/export?state=over").text)
    assert found
    assert {one["state"] for one in found} == {"resolved"}
    problem(asked.get("/api/v1/regressions/export?colour=red"), 422, "invalid")
    problem(asked.get("/api/v1/regressions/export?limit=5"), 422, "invalid")
    problem(asked.get("/api/v1/regressions/export?format=xlsx"), 422, "invalid")


def test_parquet_has_the_same_rows_with_types(asked: Client, tmp_path: Path) -> None:
    lines = rows(asked.get("/api/v1/regressions/export").text)
    answer = asked.get("/api/v1/regressions/export?format=parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    types, found = read_parquet(answer.content, tmp_path / "r.parquet")
    assert types == REGRESSIONS
    names = list(REGRESSIONS)
    for line, row in zip(lines, found, strict=True):
        told = dict(zip(names, row, strict=True))
        for name, type_ in REGRESSIONS.items():
            expected = line[name]
            if type_ == TIME and expected is not None:
                expected = milliseconds(datetime.fromisoformat(expected))
            assert told[name] == expected, name


@pytest.mark.parametrize("query", ["", "&seconds=3600"])
def test_windows_are_those_of_the_history(asked: Client, tmp_path: Path, query: str) -> None:
    path = "/api/v1/signals/api_p95/windows/export"
    lines = rows(asked.get(f"{path}?until=2026-03-02T12:00:00Z{query}").text)
    assert {tuple(one) for one in lines} == {tuple(WINDOWS)}
    series = asked.get("/api/v1/signals/api_p95").json()["series"]
    assert {one["series"] for one in lines} == {one["id"] for one in series}
    seconds = 3600.0 if query else 300.0
    assert len(lines) == len(series) * 86_400 / seconds
    assert {one["seconds"] for one in lines} == {seconds}
    body = asked.get(f"{path}?until=2026-03-02T12:00:00Z&format=parquet{query}").content
    types, found = read_parquet(body, tmp_path / "w.parquet")
    assert types == WINDOWS
    assert [(row[1], row[5]) for row in found] == [(one["series"], one["value"]) for one in lines]


def test_pieces_join_without_seam(
    asked: Client, shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/v1/signals/api_p95/windows/export?until=2026-03-02T12:00:00Z"
    whole = rows(asked.get(path).text)
    listed = rows(asked.get("/api/v1/regressions/export").text)
    monkeypatch.setattr(exporting, "WINDOWS_AT_ONCE", 7)
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 1)

    def order(one: dict[str, Any]) -> tuple[str, str]:
        return one["series"], one["end"]

    assert sorted(rows(asked.get(path).text), key=order) == sorted(whole, key=order)
    assert rows(asked.get("/api/v1/regressions/export").text) == listed
    assert len(listed) > 1


def test_one_series_can_be_chosen(asked: Client) -> None:
    first = asked.get("/api/v1/signals/api_p95").json()["series"][0]["id"]
    path = "/api/v1/signals/api_p95/windows/export"
    assert {one["series"] for one in rows(asked.get(f"{path}?series={first}").text)} == {first}
    problem(asked.get(f"{path}?series=000000000000"), 404, "not-found")
    problem(asked.get("/api/v1/signals/nope/windows/export"), 404, "not-found")
    body = problem(asked.get(f"{path}?seconds=61"), 422, "invalid")
    assert body["detail"].endswith("there are 60, 300, 3600")
    since = "since=2026-03-02T12:00:00Z&until=2026-03-02T11:00:00Z"
    problem(asked.get(f"{path}?{since}"), 422, "invalid")
    problem(asked.get(f"{path}?since=2020-03-02T12:00:00Z"), 422, "invalid")


def test_one_at_a_time_and_the_place_is_given_back(house: House) -> None:
    app = create_app(house)
    client = Client(app)
    exports = app.state.exports
    put(house, 1, NOW_MS - MINUTE_MS)
    exports.begin()
    busy = client.get("/api/v1/regressions/export")
    problem(busy, 409, "conflict" if "conflict" in busy.text else "other")
    assert busy.headers["retry-after"] == "10"
    exports.end("left")
    for format_ in ("ndjson", "parquet", "ndjson"):
        assert client.get(f"/api/v1/regressions/export?format={format_}").status_code == 200
    told = client.get("/metrics").text
    assert 'plimsoll_exports_total{outcome="done"} 3.0' in told
    assert 'plimsoll_exports_total{outcome="busy"} 1.0' in told


def test_nothing_is_left_behind(house: House) -> None:
    client = Client(create_app(house))
    directory = house.settings.storage.directory
    before = set(directory.iterdir())
    assert client.get("/api/v1/regressions/export?format=parquet").status_code == 200
    assert set(directory.iterdir()) == before


def test_a_file_that_cannot_be_made_is_a_problem(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    app = create_app(house)
    client = Client(app)
    monkeypatch.setattr("api.exporting.tempfile.mkdtemp", full)
    problem(client.get("/api/v1/regressions/export?format=parquet"), 507, "other")
    assert not app.state.exports.running.locked()
    assert client.get("/api/v1/regressions/export").status_code == 200


def test_what_fails_on_the_way_does_not_look_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(house)
    client = Client(app)

    def broken(one: Regression) -> dict[str, str]:
        if one.id == "reg_001":  # the second and last
            raise RuntimeError("the row is odd")
        return {"id": one.id}

    for number in (1, 2):
        put(house, number, NOW_MS + number * MINUTE_MS)
    monkeypatch.setattr(exporting, "of_regression", broken)
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 1)
    with pytest.raises(RuntimeError, match="odd"):
        client.get("/api/v1/regressions/export")
    assert not app.state.exports.running.locked()
    assert 'plimsoll_exports_total{outcome="failed"} 1.0' in client.get("/metrics").text

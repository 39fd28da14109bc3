"""Windows, files and live updates through the client of users."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from api.app import create_app
from api.house import House
from api.routes import stream
from plimsoll_client.api import AsyncPlimsoll, ProblemError, UnreachableError, Update
from plimsoll_client.listening import Listening
from tests.api.asking import HERE, Client
from tests.api.shop import NOW_MS
from tests.api.test_client import Through, client
from tests.api.test_regressions import put


def asynchronous(transport: httpx.AsyncBaseTransport, **more: Any) -> AsyncPlimsoll:
    """A client that waits for nothing and notes how long it would have."""
    made = AsyncPlimsoll(HERE, token="", http=httpx.AsyncClient(transport=transport), **more)
    made.waits = []  # type: ignore[attr-defined]

    async def slept(seconds: float) -> None:
        made.waits.append(seconds)  # type: ignore[attr-defined]

    made.sleep = slept  # type: ignore[assignment]
    return made


def test_windows_come_in_columns(asked: Client) -> None:
    plimsoll = client(Through(asked.app))
    everything = plimsoll.windows("api_p95")
    assert (everything["signal"], everything["unit"]) == ("api_p95", "seconds")
    ids = [one["id"] for one in everything["series"][:2]]
    two = plimsoll.windows("api_p95", series=ids, points=20)
    assert [one["id"] for one in two["series"]] == ids
    assert all(len(one["end_ms"]) == len(one["value"]) <= 20 for one in two["series"])


def test_rows_of_a_file_come_one_by_one(asked: Client) -> None:
    plimsoll = client(Through(asked.app))
    rows = list(plimsoll.regression_rows(kind="any"))
    assert [one["id"] for one in rows] == [one["id"] for one in plimsoll.regressions(kind="any")]
    (first, *_) = plimsoll.window_rows("api_p95", seconds=3600)
    assert first["signal"] == "api_p95"


def test_a_parquet_file_is_there_once_it_is_whole(asked: Client, tmp_path: Path) -> None:
    plimsoll = client(Through(asked.app))
    file = plimsoll.save_regressions(tmp_path / "all.parquet")
    found = duckdb.execute(f"SELECT id FROM '{file}'").fetchall()
    assert [one for (one,) in found] == [one["id"] for one in plimsoll.regressions()]
    plimsoll.save_windows("api_p95", tmp_path / "windows.parquet", seconds=3600)
    with pytest.raises(ProblemError, match="404"):
        plimsoll.save_windows("nope", tmp_path / "nope.parquet")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.parquet", "windows.parquet"]


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that ends in the middle."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __iter__(self) -> Iterator[bytes]:
        yield self.text
        raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for one in self:
            yield one


def broken() -> httpx.Response:
    return httpx.Response(200, stream=Broken(b'{"id": "reg_1"}\n{"id": "re'))


def test_a_file_that_is_cut_off_is_no_file(tmp_path: Path) -> None:
    rows = client(Through(answers=[broken()])).regression_rows()
    assert next(rows) == {"id": "reg_1"}
    with pytest.raises(UnreachableError, match="no whole answer"):
        next(rows)
    with pytest.raises(UnreachableError, match="no whole answer"):
        client(Through(answers=[broken()])).save_regressions(tmp_path / "half.parquet")
    assert list(tmp_path.iterdir()) == []


def test_files_for_asyncio(asked: Client, tmp_path: Path) -> None:
    async def story() -> None:
        plimsoll = asynchronous(httpx.ASGITransport(app=asked.app))
        async with plimsoll.http:
            windows = await plimsoll.windows("api_p95", points=10)
            assert windows["series"]
            rows = [one async for one in plimsoll.regression_rows()]
            assert rows
            assert [one async for one in plimsoll.window_rows("api_p95", seconds=3600)]
            file = await plimsoll.save_regressions(tmp_path / "a.parquet")
            assert len(duckdb.execute(f"SELECT id FROM '{file}'").fetchall()) == len(rows)
            await plimsoll.save_windows("api_p95", tmp_path / "b.parquet", seconds=3600)
            with pytest.raises(ProblemError, match="404"):
                await plimsoll.save_windows("nope", tmp_path / "c.parquet")
        cut = asynchronous(httpx.MockTransport(lambda _: broken()))
        async with cut.http:
            with pytest.raises(UnreachableError):
                [one async for one in cut.regression_rows()]
            with pytest.raises(UnreachableError):
                await cut.save_regressions(tmp_path / "d.parquet")

    asyncio.run(story())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


# --- live updates ---


def test_who_comes_back_is_told_what_he_missed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.0)  # each connection ends after the past
    through = Through(create_app(house))
    put(house, 1, NOW_MS)
    plimsoll = client(through)
    updates = plimsoll.stream()
    ready = next(updates)
    assert (ready.kind, ready.data) == ("ready", {})
    regression = put(house, 2, NOW_MS + 1)
    plimsoll.act(regression.id, "comment", "ada", "seen")
    told = next(updates)
    steps = [(one.kind, one.data["step"]) for one in (told, next(updates))]
    assert steps == [("regression", "opened"), ("regression", "commented")]
    assert told.data["regression_id"] == regression.id
    asked = [one.headers.get("last-event-id") for one in through.seen if "stream" in one.url.path]
    assert asked == [None, ready.id]
    again = next(client(through).stream(after=ready.id))
    assert again == told


def said(*events: tuple[str, str], retry: int = 2000) -> httpx.Response:
    """A connection with these events, which ends then."""
    lines = [f"retry: {retry}\n\n", ": still here\n\n"]
    lines += [f"id: {id_}\nevent: tick\ndata: {data}\n\n" for id_, data in events]
    return httpx.Response(200, text="".join(lines))


def test_it_goes_on_after_every_kind_of_break() -> None:
    answers = [
        said(("1.0", '{"at": "a"}')),
        httpx.ConnectError("refused"),
        httpx.Response(503, headers={"retry-after": "7"}),
        said(("2.0", '{"at": "b"}'), ("3.0", '{"at": "c"}')),
        httpx.ReadTimeout("silence"),
        said(("4.0", '{"at": "d"}')),
    ]
    through = Through(answers=list(answers))
    plimsoll = client(through)
    found = list(islice(plimsoll.stream(), 4))
    assert [one.id for one in found] == ["1.0", "2.0", "3.0", "4.0"]
    assert [one.headers.get("last-event-id") for one in through.seen] == [
        None, "1.0", "1.0", "1.0", "3.0", "3.0",
    ]  # fmt: skip
    assert plimsoll.waits == [2.0, 2.0, 7.0, 2.0, 2.0]  # type: ignore[attr-defined]

    async def story() -> None:
        left = list(answers)

        def handle(_: httpx.Request) -> httpx.Response:
            given = left.pop(0)
            if isinstance(given, Exception):
                raise given
            assert isinstance(given, httpx.Response)
            return httpx.Response(given.status_code, headers=given.headers, content=given.content)

        told: list[Update] = []
        live = asynchronous(httpx.MockTransport(handle))
        async with live.http:
            async for one in live.stream():
                told.append(one)
                if len(told) == 4:
                    break
        assert told == found
        assert live.waits == [2.0, 2.0, 7.0, 2.0, 2.0]  # type: ignore[attr-defined]

    asyncio.run(story())


def test_it_gives_up_where_nothing_comes() -> None:
    refused = [httpx.Response(401, json={"type": "urn:plimsoll:problem:unauthorized"})]
    with pytest.raises(ProblemError, match="401 unauthorized"):
        next(client(Through(answers=refused)).stream())
    for one in (httpx.ConnectError("refused"), said(), httpx.Response(503)):
        with pytest.raises((ProblemError, UnreachableError)):
            next(client(Through(answers=[one, one]), retries=1).stream())


@pytest.mark.parametrize(
    ("lines", "data"),
    [
        (["data: {}", ""], {}),
        (['data:{"a":', "data: 1}", ""], {"a": 1}),
        ([": comment", "event: tick", "data: {}", ""], {}),
        (["retry: soon", "unknown: x", "data: {}", ""], {}),
    ],
)
def test_events_are_read_as_the_standard_says(lines: list[str], data: dict[str, Any]) -> None:
    heard = Listening()
    found = [one for one in map(heard.take, lines) if one is not None]
    assert [one.data for one in found] == [data]
    assert heard.retry_seconds == 3.0


def test_half_an_event_is_forgotten_with_its_connection() -> None:
    heard = Listening()
    heard.take("id: 9.9")
    heard.take("data: {")
    assert heard.begin() == {"accept": "text/event-stream"}
    heard.take(f"data: {json.dumps({'a': 1})}")
    assert heard.take("") == Update("message", "", {"a": 1})

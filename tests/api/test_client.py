"""The client of users, against the real application."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.house import House
from api.routes import stream
from plimsoll_client.api import AsyncPlimsoll, Plimsoll, ProblemError, UnreachableError
from plimsoll_client.conversation import MOST_KEPT, token_of, wait_of
from tests.api.asking import HERE
from tests.api.asking import Client as Asking
from tests.api.shop import NOW_MS
from tests.api.test_regressions import put


class Through(httpx.BaseTransport):
    """Requests that reach an application, or whatever answers instead; all are kept."""

    def __init__(self, app: FastAPI | None = None, answers: list[Any] | None = None) -> None:
        self.asking = Asking(app) if app is not None else None
        self.answers = answers or []
        self.seen: list[httpx.Request] = []
        self.statuses: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.answers:
            given = self.answers.pop(0)
            if isinstance(given, Exception):
                raise given
            assert isinstance(given, httpx.Response)
            return given
        assert self.asking is not None
        path = request.url.raw_path.decode()
        answer = self.asking.request(
            request.method, path, content=request.read(), headers=dict(request.headers)
        )
        self.statuses.append(answer.status_code)
        kept = {k: v for k, v in answer.headers.items() if k != "content-encoding"}
        return httpx.Response(answer.status_code, headers=kept, content=answer.content)


def client(through: Through, **more: Any) -> Plimsoll:
    """A client that waits for nothing and notes how long it would have."""
    made = Plimsoll(HERE, http=httpx.Client(transport=through), **{"token": "", **more})
    made.waits = []  # type: ignore[attr-defined]
    made.sleep = made.waits.append  # type: ignore[attr-defined]
    return made


def said(status: int, body: object = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def test_everything_can_be_asked_for(asked: Asking) -> None:
    through = Through(asked.app)
    with client(through) as plimsoll:
        assert plimsoll.summary()["open"]["total"] > 0
        open_ = list(plimsoll.regressions(state="open"))
        assert {one["is_open"] for one in open_} == {True}
        whole = plimsoll.regression(open_[0]["id"])
        assert whole["transitions"][0]["step"] == "opened"
        (incident, *_) = plimsoll.incidents(state="open")
        assert plimsoll.incident(incident["id"])["items"]
        assert next(plimsoll.events(step="opened"))["step"] == "opened"
        names = [one["name"] for one in plimsoll.signals()]
        assert plimsoll.signal(names[0])["name"] == names[0]
        since = datetime(2026, 3, 1, tzinfo=UTC)
        assert plimsoll.deployments(since=since)[0]["service"] == "shop"
        assert plimsoll.judgements(limit=1)[0]["rule"]
        assert plimsoll.rules()[0]["id"]
        assert plimsoll.targets() == plimsoll.ask("GET", "/targets")["items"]
    assert set(through.statuses) <= {200, 304}


def test_a_list_is_read_page_by_page_and_only_as_far_as_it_is_used(asked: Asking) -> None:
    through = Through(asked.app)
    plimsoll = client(through)
    events = plimsoll.events(limit=2)
    first = [next(events), next(events)]
    assert len(through.seen) == 1
    everything = [*first, *events]
    assert len({one["id"] for one in everything}) == len(everything)
    assert everything == list(plimsoll.events())


def test_the_same_for_asyncio(asked: Asking) -> None:
    async def story() -> None:
        transport = httpx.ASGITransport(app=asked.app)
        async with (
            httpx.AsyncClient(transport=transport) as http,
            AsyncPlimsoll(HERE, token="", http=http) as plimsoll,
        ):
            assert (await plimsoll.summary())["open"]["total"] > 0
            found = [one async for one in plimsoll.regressions(limit=1)]
            assert len(found) > 1
            assert (await plimsoll.regression(found[0]["id"]))["id"] == found[0]["id"]
            (incident, *_) = [one async for one in plimsoll.incidents()]
            assert (await plimsoll.incident(incident["id"]))["id"] == incident["id"]
            assert [one["id"] async for one in plimsoll.events(limit=3)]
            (first, *_) = await plimsoll.signals()
            assert await plimsoll.signal(first["name"]) == first
            assert await plimsoll.deployments()
            assert await plimsoll.judgements(limit=1)
            assert await plimsoll.rules()
            assert isinstance(await plimsoll.targets(), list)
            with pytest.raises(ProblemError):
                await plimsoll.act("nope", "acknowledge", "ada")

    asyncio.run(story())


def test_asyncio_tries_again_too() -> None:
    answers: list[Any] = [
        said(503, retry_after="2"),
        httpx.ConnectError("refused"),
        said(200, {"items": []}),
    ]

    def handle(_: httpx.Request) -> httpx.Response:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        assert isinstance(given, httpx.Response)
        return given

    waits: list[float] = []

    async def slept(seconds: float) -> None:
        waits.append(seconds)

    async def story() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
            plimsoll = AsyncPlimsoll(HERE, token="", http=http)
            plimsoll.sleep = slept  # type: ignore[assignment]
            assert await plimsoll.rules() == []

    asyncio.run(story())
    assert waits == [2.0, 1.0]


def test_a_change_is_made_and_a_problem_is_told(house: House) -> None:
    through = Through(create_app(house))
    plimsoll = client(through)
    regression = put(house, 1, NOW_MS)
    whole = plimsoll.act(regression.id, "acknowledge", "ada", "at it")
    assert (whole["state"], whole["by"]) == ("acknowledged", "ada")
    with pytest.raises(ProblemError, match="404 not-found: There is no regression") as told:
        plimsoll.regression("reg 1?x")
    assert (told.value.status, told.value.kind) == (404, "not-found")
    with pytest.raises(ProblemError) as refused:
        plimsoll.ask("GET", "/rules", {"colour": "red"})
    told_of = {"pointer": "?colour", "detail": "is not known here; known are fields"}
    assert refused.value.errors == [told_of]


def test_what_did_not_change_is_not_sent_again(house: House) -> None:
    through = Through(create_app(house))
    plimsoll = client(through)
    put(house, 1, NOW_MS)
    first, again = list(plimsoll.regressions()), list(plimsoll.regressions())
    assert first == again
    assert first[0] is not again[0]
    put(house, 2, NOW_MS + 1)
    assert len(list(plimsoll.regressions())) == 2
    assert through.statuses == [200, 304, 200]


def test_so_many_answers_are_kept_and_no_more() -> None:
    many = [said(200, {"n": n}, etag=f'"{n}"') for n in range(MOST_KEPT + 1)]
    plimsoll = client(Through(answers=many))
    for number in range(MOST_KEPT + 1):
        plimsoll.ask("GET", f"/x/{number}")
    kept = list(plimsoll.talk.kept)
    assert len(kept) == MOST_KEPT
    assert kept[0].endswith("/x/1")


def test_a_question_that_fails_for_now_is_asked_again() -> None:
    answers = [
        said(503),
        said(429, retry_after="7"),
        httpx.ReadTimeout("late"),
        said(200, {"a": 1}),
    ]
    through = Through(answers=answers)
    plimsoll = client(through)
    assert plimsoll.ask("GET", "/x") == {"a": 1}
    assert plimsoll.waits == [0.5, 7.0, 2.0]  # type: ignore[attr-defined]


def test_it_gives_up_in_the_end() -> None:
    plimsoll = client(Through(answers=[said(503, {"title": "No"}) for _ in range(9)]), retries=1)
    with pytest.raises(ProblemError, match="503 other: No"):
        plimsoll.ask("GET", "/x")
    plimsoll = client(Through(answers=[httpx.ConnectError("refused") for _ in range(9)]), retries=1)
    with pytest.raises(UnreachableError, match="refused"):
        plimsoll.ask("GET", "/x")
    assert plimsoll.waits == [0.5]  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [said(503), said(429, retry_after="1"), httpx.ReadTimeout("late")])
def test_a_change_is_never_sent_twice(bad: Any) -> None:
    through = Through(answers=[bad, said(200, {})])
    with pytest.raises((ProblemError, UnreachableError)):
        client(through).ask("POST", "/x", body={})
    assert len(through.seen) == 1


@pytest.mark.parametrize(
    ("said_", "seconds"),
    [
        ("3", 3.0),
        ("86400", 60.0),
        ("Mon, 02 Mar 2026 12:00:09 GMT", 9.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", 1.0),
        ("", 1.0),
    ],
)
def test_how_long_to_wait_is_taken_from_the_answer(said_: str, seconds: float) -> None:
    date = "Mon, 02 Mar 2026 12:00:00 GMT"
    assert wait_of(said(429, retry_after=said_, date=date), tried=1) == seconds


def test_an_answer_of_something_else_is_a_problem() -> None:
    page = httpx.Response(502, text="<html>bad gateway</html>")
    with pytest.raises(ProblemError, match=r"502 other: .* answered no JSON"):
        client(Through(answers=[page]), retries=0).rules()
    moved = httpx.Response(302, headers={"location": "https://elsewhere.example"})
    with pytest.raises(ProblemError, match="302"):
        client(Through(answers=[moved]), token="plimsoll_x").rules()


def test_the_token_comes_from_the_environment_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("plimsoll_file\n")
    assert token_of({"PLIMSOLL_TOKEN": "plimsoll_x"}) == "plimsoll_x"
    both = {"PLIMSOLL_TOKEN": "plimsoll_x", "PLIMSOLL_TOKEN_FILE": str(file)}
    assert token_of(both) == "plimsoll_file"
    assert token_of({}) == ""
    monkeypatch.setenv("PLIMSOLL_TOKEN", "plimsoll_env")
    through = Through(answers=[said(200, {"items": []})])
    plimsoll = client(through, token=None)
    plimsoll.rules()
    assert through.seen[0].headers["authorization"] == "Bearer plimsoll_env"
    assert "plimsoll_env" not in repr(plimsoll.talk)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        list(client(Through()).events(since=datetime(2026, 3, 2)))  # noqa: DTZ001


def test_what_is_no_address_is_said_so() -> None:
    with pytest.raises(UnreachableError, match="not an address"):
        Plimsoll("http://here:port", token="").rules()


PAGE = (Path(__file__).parents[2] / "docs" / "rest-client.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_of_the_page_run(
    asked: Asking,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
) -> None:
    plain, live = httpx.Client, httpx.AsyncClient

    def through(**_: Any) -> httpx.Client:
        return plain(transport=Through(asked.app))

    def asynchronous(**more: Any) -> httpx.AsyncClient:
        return live(**{"transport": httpx.ASGITransport(app=asked.app), **more})

    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.0)  # answers come whole here
    monkeypatch.setattr(httpx, "Client", through)
    monkeypatch.setattr(httpx, "AsyncClient", asynchronous)
    exec(compile(program, "rest-client.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    if "ProblemError" in program:
        assert printed == "404 not-found There is no regression reg_0123456789abcdef.\n"


def test_the_page_names_every_method() -> None:
    for made in (Plimsoll, AsyncPlimsoll):
        methods = {name for name in vars(made) if not name.startswith("_")}
        for name in methods - {"close", "pages", "sleep"}:
            assert f"`{name}(" in PAGE, name

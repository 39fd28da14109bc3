"""Answers that several ask for at once: made once, for each the same, never older than a change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from api.access.token import Scope as Allowed
from api.access.token import Token
from api.access.who import CURRENT, Who
from api.sharing import SHARED, Sharing

PAGE = sorted(SHARED)[0]


class Kitchen:
    """An application that makes an answer when it is told to, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made += 1
        number = self.made
        self.begun.set()
        if scope["method"] == "GET":
            await self.go.wait()
        if self.error is not None:
            raise self.error
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(number).encode()})


def question(method: str = "GET", path: str = PAGE, query: bytes = b"", **headers: str) -> Scope:
    lines = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return {
        "type": "http", "method": method, "path": path, "query_string": query, "headers": lines,
    }  # fmt: skip


async def no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def ask(sharing: Sharing, scope: Scope, who: Who | None = None) -> str:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if "headers" in message:
            message["headers"].append((b"x-outer", b"1"))  # as the guard does
            assert len(message["headers"]) == 1
        sent.append(message)

    CURRENT.set(who)
    await sharing(scope, no_body, send)
    return b"".join(one.get("body", b"") for one in sent).decode()


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Kitchen, Sharing, CollectorRegistry]]:
    registry, kitchen = CollectorRegistry(), Kitchen()
    yield kitchen, Sharing(kitchen, registry), registry


def reader(name: str) -> Who:
    token = Token(id=name, name=name, scopes=(Allowed.READ,), digest="", created_ms=0)
    return Who(token=token)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(story: Any) -> None:
    asyncio.run(story())


def test_all_who_ask_at_once_get_one_answer() -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, registry):
            asked = [asyncio.create_task(ask(sharing, question())) for _ in range(50)]
            await settle()
            kitchen.go.set()
            assert set(await asyncio.gather(*asked)) == {"1"}
            assert registry.get_sample_value("plimsoll_answers_shared_total") == 49
            assert await ask(sharing, question()) == "2"  # nothing is kept
            assert not sharing.making

    run(story)


@pytest.mark.parametrize(
    ("other", "who"),
    [
        (question(query=b"signal=x"), None),
        (question(path=sorted(SHARED)[1]), None),
        (question(accept_encoding="gzip"), None),
        (question(if_none_match="W/1"), None),
        (question(path="/api/v1/stream"), None),
        (question(), reader("ada")),
    ],
)
def test_another_question_or_another_reader_has_an_answer_of_his_own(
    other: Scope, who: Who | None
) -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, _):
            asked = [
                asyncio.create_task(ask(sharing, question())),
                asyncio.create_task(ask(sharing, other, who)),
            ]
            await settle()
            kitchen.go.set()
            assert sorted(await asyncio.gather(*asked)) == ["1", "2"]

    run(story)


def test_who_asks_after_a_change_sees_it() -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, _):
            before = asyncio.create_task(ask(sharing, question()))
            await settle()
            assert await ask(sharing, question("POST", "/api/v1/silences")) == "2"
            after = asyncio.create_task(ask(sharing, question()))
            await settle()
            kitchen.go.set()
            assert (await before, await after) == ("1", "3")

    run(story)


def test_who_asked_first_may_go_away() -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, _):
            first, second = (asyncio.create_task(ask(sharing, question())) for _ in range(2))
            await settle()
            first.cancel()
            await settle()
            kitchen.go.set()
            assert await second == "1"

    run(story)


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, _):
            kitchen.error = ValueError("inside")
            asked = [asyncio.create_task(ask(sharing, question())) for _ in range(2)]
            await settle()
            kitchen.go.set()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert [str(one) for one in found] == ["inside", "inside"]
            kitchen.error = None
            assert await ask(sharing, question()) == "2"

    run(story)


def test_the_error_of_nobodys_answer_makes_no_noise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        async with opened() as (kitchen, sharing, _):
            kitchen.error = ValueError("inside")
            asked = asyncio.create_task(ask(sharing, question()))
            await settle()
            asked.cancel()
            await settle()
            kitchen.go.set()
            await settle()

    run(story)
    assert not caplog.records

"""Answers that several ask for: made once, for each the same, never older than a change."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from api.access.token import Scope as Allowed
from api.access.token import Token
from api.access.who import CURRENT, Who
from api.kept import FRESH_MS, LATE_MS, MOST_AGE_MS, Way
from api.sharing import SHARED, Shared, Sharing

PAGE, SUMMARY = sorted(SHARED)


class Kitchen:
    """An application that makes an answer when it is told to, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made += 1
        number = self.made
        if scope["method"] == "GET":
            await self.go.wait()
        if self.error is not None:
            raise self.error
        tag = (b"etag", b'W/"%d"' % number)
        await send({"type": "http.response.start", "status": self.status, "headers": [tag]})
        await send({"type": "http.response.body", "body": str(number).encode()})


class House:
    """A kitchen, what is shared of it, and the clock and the state that it goes by."""

    def __init__(self, *, open_: bool = True) -> None:
        self.registry, self.kitchen = CollectorRegistry(), Kitchen()
        self.now_ms = self.writes = 0
        self.shared = Shared(self.registry, lambda: self.now_ms, lambda: self.writes)
        self.sharing = Sharing(self.kitchen, self.shared)
        if open_:
            self.kitchen.go.set()

    def counted(self, way: Way) -> float | None:
        return self.registry.get_sample_value("plimsoll_shared_answers_total", {"way": way})


def question(method: str = "GET", path: str = PAGE, query: bytes = b"", **headers: str) -> Scope:
    lines = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return {
        "type": "http", "method": method, "path": path, "query_string": query, "headers": lines,
    }  # fmt: skip


async def no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def told(house: House, scope: Scope, who: Who | None = None) -> tuple[int, str]:
    """The status and the body of an answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if "headers" in message:
            message["headers"].append((b"x-outer", b"1"))  # as the guard does
            assert len(message["headers"]) == 2
        sent.append(message)

    CURRENT.set(who)
    await house.sharing(scope, no_body, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent).decode()


async def ask(house: House, scope: Scope, who: Who | None = None) -> str:
    return (await told(house, scope, who))[1]


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
        house = House(open_=False)
        asked = [asyncio.create_task(ask(house, question())) for _ in range(50)]
        await settle()
        house.kitchen.go.set()
        assert set(await asyncio.gather(*asked)) == {"1"}
        assert (house.counted(Way.MADE), house.counted(Way.JOINED)) == (1, 49)
        assert not house.shared.making

    run(story)


def test_who_asks_in_the_next_second_gets_the_same_and_later_another() -> None:
    async def story() -> None:
        house = House()
        assert await ask(house, question()) == "1"
        house.now_ms = FRESH_MS - 1
        assert await ask(house, question()) == "1"
        assert house.counted(Way.KEPT) == 1
        house.now_ms = MOST_AGE_MS
        assert await ask(house, question()) == "2"
        house.now_ms = 0  # a clock that was set back says nothing of the age
        assert await ask(house, question()) == "3"

    run(story)


def test_nobody_waits_while_the_next_one_is_made() -> None:
    async def story() -> None:
        house = House()
        assert await ask(house, question()) == "1"
        house.kitchen.go.clear()
        house.now_ms = FRESH_MS
        assert [await ask(house, question()) for _ in range(3)] == ["1"] * 3
        await settle()
        assert (house.kitchen.made, house.counted(Way.LATE)) == (2, 3)
        house.kitchen.go.set()
        await settle()
        assert await ask(house, question()) == "2"

    run(story)


def test_who_asks_too_late_waits_for_the_next_one() -> None:
    async def story() -> None:
        house = House()
        assert await ask(house, question()) == "1"
        house.kitchen.go.clear()
        house.now_ms = LATE_MS
        waiting = asyncio.create_task(ask(house, question()))
        await settle()
        assert not waiting.done()
        # Who asks while somebody waits for it need not wait as well, but for what is really old.
        house.now_ms = MOST_AGE_MS - 1
        assert await ask(house, question()) == "1"
        house.now_ms = MOST_AGE_MS
        last = asyncio.create_task(ask(house, question()))
        await settle()
        assert not last.done()
        house.kitchen.go.set()
        assert await waiting == await last == "2"

    run(story)


def test_what_took_long_to_make_is_kept_as_long_as_anything_else() -> None:
    async def story() -> None:
        house = House(open_=False)
        first = asyncio.create_task(ask(house, question()))
        await settle()
        house.now_ms = 2 * MOST_AGE_MS
        house.kitchen.go.set()
        assert await first == await ask(house, question()) == "1"

    run(story)


@pytest.mark.parametrize("change", ["writes", "told", "asked"])
def test_nothing_that_was_begun_before_a_change_is_given_after_it(change: str) -> None:
    async def story() -> None:
        house = House(open_=False)
        before = asyncio.create_task(ask(house, question()))
        await settle()
        if change == "writes":
            house.writes += 1
        elif change == "told":
            house.shared.changed()
        else:
            await ask(house, question("POST", "/api/v1/silences"))
        after = asyncio.create_task(ask(house, question()))
        await settle()
        house.kitchen.go.set()
        assert await before == "1"
        last = str(house.kitchen.made)
        assert last != "1"
        assert await after == await ask(house, question()) == last

    run(story)


def test_who_was_told_that_it_is_done_sees_it_while_it_goes_on() -> None:
    async def story() -> None:
        house = House()
        assert await ask(house, question()) == "1"
        answered, over = asyncio.Event(), asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            answered.set()
            await over.wait()

        async def unread(message: Message) -> None:
            pass

        changing = asyncio.create_task(
            Sharing(slow, house.shared)(question("POST", "/x"), no_body, unread)
        )
        await answered.wait()
        assert await ask(house, question()) == "2"
        over.set()
        await changing
        assert await ask(house, question()) == "3"

    run(story)


@pytest.mark.parametrize(
    ("other", "who"),
    [
        (question(query=b"signal=x"), None),
        (question(path=SUMMARY), None),
        (question(accept_encoding="gzip"), None),
        (question(accept="text/html"), None),
        (question(path="/api/v1/stream"), None),
        (question("HEAD", SUMMARY), None),
        (question(), reader("ada")),
    ],
)
def test_another_question_or_another_reader_has_an_answer_of_his_own(
    other: Scope, who: Who | None
) -> None:
    async def story() -> None:
        house = House(open_=False)
        asked = [
            asyncio.create_task(ask(house, question())),
            asyncio.create_task(ask(house, other, who)),
        ]
        await settle()
        assert house.kitchen.made == 2
        house.kitchen.go.set()
        first, _ = await asyncio.gather(*asked)
        assert await ask(house, question()) == first
        assert house.kitchen.made == 2

    run(story)


def test_who_knows_the_answer_is_told_so_and_shares_it() -> None:
    async def story() -> None:
        house = House()
        assert await told(house, question(if_none_match='W/"1"')) == (304, "")
        assert await told(house, question(if_none_match='"0", "1"')) == (304, "")
        assert await told(house, question(if_none_match='"0"')) == (200, "1")
        assert house.kitchen.made == 1

    run(story)


def test_head_has_the_headers_of_the_same_answer_and_no_body() -> None:
    async def story() -> None:
        house = House()
        assert await told(house, question()) == (200, "1")
        assert await told(house, question("HEAD")) == (200, "")
        assert house.kitchen.made == 1

    run(story)


def test_what_is_no_200_is_shared_and_not_kept() -> None:
    async def story() -> None:
        house = House()
        house.kitchen.status = 422
        assert await told(house, question()) == (422, "1")
        assert await told(house, question()) == (422, "2")

    run(story)


def test_who_asked_first_may_go_away() -> None:
    async def story() -> None:
        house = House(open_=False)
        first, second = (asyncio.create_task(ask(house, question())) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        house.kitchen.go.set()
        assert await second == "1"

    run(story)


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    async def story() -> None:
        house = House()
        house.kitchen.error = ValueError("inside")
        asked = [asyncio.create_task(ask(house, question())) for _ in range(2)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(one) for one in found] == ["inside", "inside"]
        house.kitchen.error = None
        assert await ask(house, question()) == "2"

    run(story)


def test_the_error_of_nobodys_answer_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        house = House(open_=False)
        house.kitchen.error = ValueError("inside")
        asked = asyncio.create_task(ask(house, question()))
        await settle()
        asked.cancel()
        await settle()
        house.kitchen.go.set()
        await settle()

    run(story)
    assert not caplog.records

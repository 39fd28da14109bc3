"""A change that is sent twice with one key is made once."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlmodel import select

from api import repeats
from api.access.tables import AuditRow
from api.app import create_app
from api.house import House
from api.repeats import Repeat, RepeatRow, claim, finish, release
from storage.state import State
from tests.api.asking import HERE, Client, problem
from tests.api.shop import NOW_MS, Clock, later
from tests.api.test_regressions import put

DAY_SECONDS = 86_400


def comment(client: Client, key: str | None, text: str = "seen", path: str = "reg_001") -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    body = {"actor": "ada", "reason": text}
    return client.post(f"/api/v1/regressions/{path}/comment", json=body, headers=headers)


def comments(client: Client) -> list[str]:
    steps = client.get("/api/v1/regressions/reg_001/events").json()["items"]
    return [one["reason"] for one in steps if one["step"] == "commented"]


@pytest.fixture
def one(house: House, client: Client) -> str:
    return put(house, 1, NOW_MS).id


def test_the_same_again_is_answered_and_not_made_again(
    client: Client, house: House, one: str
) -> None:
    first = comment(client, '"6f1c"')
    comment(client, None, "between")
    again = comment(client, '"6f1c"')
    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (
        200, first.json(),
    )  # fmt: skip
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert comments(client) == ["seen", "between"]
    # Quoted or not, it is the same key.
    assert "idempotency-replayed" in comment(client, "6f1c").headers
    with house.state.reading() as session:
        assert len(session.exec(select(AuditRow)).all()) == 2


def test_another_request_with_the_key_is_refused(client: Client, one: str) -> None:
    comment(client, "k")
    problem(comment(client, "k", "other words"), 422, "invalid")
    problem(comment(client, "k", path="reg_002"), 422, "invalid")
    assert comments(client) == ["seen"]


def test_a_refusal_is_an_answer_too(client: Client, house: House) -> None:
    problem(comment(client, "k"), 404, "not-found")
    put(house, 1, NOW_MS)
    problem(comment(client, "k"), 404, "not-found")
    assert comment(client, "k2").status_code == 200


def test_while_the_first_is_under_way_the_second_waits(house: House) -> None:
    app = create_app(house)
    put(house, 1, NOW_MS)

    async def story() -> list[int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            asked = [
                client.post(
                    "/api/v1/regressions/reg_001/comment",
                    json={"actor": "ada", "reason": "seen"},
                    headers={"idempotency-key": "k"},
                )
                for _ in range(6)
            ]
            return [one.status_code for one in await asyncio.gather(*asked)]

    found = asyncio.run(story())
    assert set(found) <= {200, 409}
    assert 200 in found
    assert comments(Client(app)) == ["seen"]


def test_what_fails_inside_may_be_sent_again(
    client: Client, house: House, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    with monkeypatch.context() as patched:
        patched.setattr(house.book, "act", broken)
        problem(comment(client, "k"), 500, "internal")
    assert comment(client, "k").status_code == 200
    assert comments(client) == ["seen"]


def test_keys_are_forgotten_after_a_day(client: Client, clock: Clock, one: str) -> None:
    comment(client, "k")
    clock.at = later(DAY_SECONDS - 1)
    assert "idempotency-replayed" in comment(client, "k").headers
    clock.at = later(DAY_SECONDS)
    comment(client, None, "between")
    assert "idempotency-replayed" not in comment(client, "k").headers
    assert comments(client) == ["seen", "between", "seen"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, 'a"b', '"a'])
def test_a_key_that_is_none_is_refused(client: Client, one: str, key: str) -> None:
    problem(comment(client, key), 400, "bad-request")
    assert comments(client) == []


def test_a_new_token_is_not_kept_and_not_made_twice(client: Client, house: House) -> None:
    def make() -> httpx.Response:
        body = {"name": "ci", "scopes": ["admin"]}
        return client.post("/api/v1/tokens", json=body, headers={"idempotency-key": "k", **sent})

    sent: dict[str, str] = {}
    first = make()
    assert first.status_code == 201
    with house.state.reading() as session:
        kept = [(one.status, one.body) for one in session.exec(select(RepeatRow))]
    assert kept == [(201, None)]
    # From the first token on the key is another one's; that one's own is refused.
    sent = {"authorization": f"Bearer {first.json()['token']}"}
    second = make()
    assert second.status_code == 201
    problem(make(), 409, "conflict")


def test_only_changes_have_keys(client: Client, house: House) -> None:
    client.get("/api/v1/rules", headers={"idempotency-key": "k"})
    with house.state.reading() as session:
        assert session.exec(select(RepeatRow)).all() == []


def test_kinds_are_counted(client: Client, house: House, one: str) -> None:
    comment(client, "k")
    comment(client, "k")
    comment(client, "k", "other")
    for kind, count in (("first", 1), ("answered", 1), ("other", 1), ("in_flight", 0)):
        name = "plimsoll_keyed_changes_total"
        assert house.registry.get_sample_value(name, {"kind": kind}) == count


def test_a_change_that_was_cut_off_may_be_sent_again(state: State) -> None:
    with state.unit() as session:
        assert claim(session, "d", "r", 0)[0] is Repeat.FIRST
    with state.unit() as session:
        assert claim(session, "d", "r", repeats.ABANDONED_MS - 1)[0] is Repeat.IN_FLIGHT
    with state.unit() as session:
        assert claim(session, "d", "r", repeats.ABANDONED_MS)[0] is Repeat.FIRST
        finish(session, "d", 200, "application/json", "{}")
    with state.unit() as session:
        kind, row = claim(session, "d", "r", repeats.ABANDONED_MS + 1)
        assert kind is Repeat.ANSWERED
        assert row is not None
        assert (row.status, row.body) == (200, "{}")
        release(session, "d")
    with state.unit() as session:
        assert claim(session, "d", "other", repeats.ABANDONED_MS + 2)[0] is Repeat.FIRST


def test_so_many_are_remembered_and_the_oldest_forgotten(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST", 5)
    monkeypatch.setattr(repeats, "FORGOTTEN_AT_ONCE", 2)
    for number in range(9):
        with state.unit() as session:
            claim(session, f"d{number}", "r", number)
    with state.reading() as session:
        kept = sorted(one.digest for one in session.exec(select(RepeatRow)))
    assert kept == ["d4", "d5", "d6", "d7", "d8"]

"""Pages stay right while new things come in between: nothing twice, nothing left out."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.house import House
from tests.api.asking import Client
from tests.api.shop import NOW_MS, close, empty_house
from tests.api.test_regressions import put

Adding = Callable[[House, Client, int, int], object]


def a_regression(house: House, _: Client, number: int, at_ms: int) -> object:
    """At a time that others may have too."""
    return put(house, number, NOW_MS + at_ms)


def a_silence(_: House, client: Client, number: int, at_ms: int) -> object:
    del at_ms  # they are listed by when they were made, and the clock stands: all at once
    body = {"matchers": [f"a={number}"], "for": "4h", "created_by": "ada", "comment": "x"}
    answer = client.post("/api/v1/silences", json=body)
    assert answer.status_code == 201
    return answer


LISTS: dict[str, Adding] = {
    "regressions": a_regression,
    "events": a_regression,
    "silences": a_silence,
    "audit": a_silence,
}
NUMBERS = count(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Client]]:
    """One house for all: what others have left there is part of what must come once."""
    house = empty_house(tmp_path_factory.mktemp("paging"))
    yield house, Client(create_app(house))
    close(house)


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=4, deadline=None, derandomize=True, database=None)
@given(
    before=st.lists(st.integers(0, 2), min_size=3, max_size=8),
    between=st.lists(st.lists(st.integers(0, 2), max_size=2), max_size=6),
    limit=st.integers(3, 9),
)
def test_everything_that_was_there_comes_once(
    place: tuple[House, Client],
    name: str,
    before: list[int],
    between: list[list[int]],
    limit: int,
) -> None:
    house, client = place
    add, path = LISTS[name], f"/api/v1/{name}"
    start_ms = 100 * next(NUMBERS)  # newer than all that is there
    for at_ms in before:
        add(house, client, next(NUMBERS), start_ms + at_ms)
    there = [one["id"] for one in client.get(f"{path}?limit=200").json()["items"]]
    assert len(there) >= len(before)
    page = client.get(f"{path}?limit={limit}").json()
    seen = [one["id"] for one in page["items"]]
    later = iter(between)
    while page["next_cursor"] is not None:
        for at_ms in next(later, []):
            add(house, client, next(NUMBERS), start_ms + 10 + at_ms)
        page = client.get(f"{path}?limit={limit}&cursor={page['next_cursor']}").json()
        seen += [one["id"] for one in page["items"]]
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in set(there)] == there

"""Pages stay right while things come and change in between: nothing twice, nothing left out.

What comes in between may be newer than all, older than all, or of the same moment as the last entry
of a page. What changes stays where it was in the order.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlmodel import col, select, update

from alerts.alert import Action, Reason
from alerts.tables import DecisionRow
from api.app import create_app
from api.house import House
from detector.regression import Phase, Severity
from detector.tables import IncidentRow
from storage.config import StorageConfig
from tests.api.asking import Client
from tests.api.shop import NOW_MS, Clock, close, empty_house, later
from tests.api.test_regressions import put
from tests.postgres import Postgres

MINE = {"actor": "ada", "reason": "seen"}
NUMBERS = count(1)


class Place:
    """A house, and what can happen in it; times are milliseconds from NOW."""

    def __init__(self, folder: Path, storage: StorageConfig) -> None:
        self.clock = Clock()
        self.house: House = empty_house(folder, self.clock, storage=storage)
        self.client = Client(create_app(self.house))
        self.base_ms = 0
        self.newest = ""

    def begin(self) -> None:
        """What is told from now on is newer than all that is there."""
        self.base_ms += 100

    def regression(self, at_ms: int) -> None:
        one = put(self.house, next(NUMBERS), NOW_MS + self.base_ms + at_ms)
        self.newest = one.id

    def incident(self, at_ms: int) -> None:
        number = next(NUMBERS)
        # As ids are: what came later may stand before or after.
        id_ = f"inc_{number * 7919 % 10007:05}{number}"
        with self.house.state.unit() as session:
            session.add(
                IncidentRow(
                    id=id_,
                    labels={},
                    phase=Phase.OPEN,
                    severity=Severity.WARNING,
                    opened_ms=NOW_MS + self.base_ms + at_ms,
                    version=1,
                )
            )
        put(self.house, number, NOW_MS + self.base_ms + at_ms, incident_id=id_)

    def silence(self, at_ms: int) -> None:
        self.clock.at = later((self.base_ms + at_ms) / 1000)  # a clock may be set back
        body = {"matchers": [f"a={next(NUMBERS)}"], "for": "4h", "created_by": "ada"}
        answer = self.client.post("/api/v1/silences", json={**body, "comment": "x"})
        assert answer.status_code == 201

    def notice(self, at_ms: int) -> None:
        with self.house.state.unit() as session:
            session.add(
                DecisionRow(
                    at_ms=NOW_MS + self.base_ms + at_ms,
                    incident_id=f"inc_{next(NUMBERS)}",
                    version=1,
                    receiver="slack",
                    route="",
                    group_key="",
                    action=Action.NOTHING,
                    reason=Reason.SILENCED,
                    phase="open",
                    severity="warning",
                    evidence={},
                    key="",
                )
            )

    def comment(self, id_: str) -> None:
        answer = self.client.post(f"/api/v1/regressions/{id_}/comment", json=MINE)
        assert answer.status_code == 200, answer.text

    def comment_newest(self, _: str) -> None:
        self.comment(self.newest)

    def end(self, id_: str) -> None:
        """An incident is over, and was worse than thought."""
        with self.house.state.unit() as session:
            changed = {"phase": Phase.RESOLVED, "resolved_ms": NOW_MS, "version": 2}
            row = update(IncidentRow).where(col(IncidentRow.id) == id_)
            session.connection().execute(row.values(severity=Severity.CRITICAL, **changed))

    def expire(self, id_: str) -> None:
        answer = self.client.post(f"/api/v1/silences/{id_}/expire", json={})
        assert answer.status_code in (200, 409), answer.text

    def renotice(self, id_: str) -> None:
        """What became of a message is told later."""
        with self.house.state.unit() as session:
            row = session.exec(select(DecisionRow).where(DecisionRow.id == int(id_))).one()
            row.key, row.recheck_ms = f"key{id_}", None

    def ids(self, page: dict[str, Any]) -> list[str]:
        return [str(one["id"]) for one in page["items"]]


Adding = Callable[[Place, int], None]
Changing = Callable[[Place, str], None]
LISTS: dict[str, tuple[Adding, Changing]] = {
    "regressions": (Place.regression, Place.comment),
    "incidents": (Place.incident, Place.end),
    "events": (Place.regression, Place.comment_newest),
    "notifications": (Place.notice, Place.renotice),
    "silences": (Place.silence, Place.expire),
    "audit": (Place.silence, lambda place, _: Place.silence(place, 0)),
}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One house for all: what others have left there is part of what must come once."""
    folder = tmp_path_factory.mktemp("paging")
    storage = StorageConfig(directory=folder)
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        storage = StorageConfig(directory=folder, state_url=SecretStr(server.database()))
    made = Place(folder, storage)
    yield made
    close(made.house)


MORE = 6
TIMES = st.integers(-2, 2)
# In between: new ones at these times, and a change of one that is there.
BETWEEN = st.lists(st.one_of(TIMES, st.tuples(st.integers(0, 99))), max_size=3)


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(
    before=st.lists(TIMES, min_size=3, max_size=8),
    between=st.lists(BETWEEN, min_size=1, max_size=6),
    limit=st.integers(3, 9),
)
def test_everything_that_was_there_comes_once(
    place: Place,
    name: str,
    before: list[int],
    between: list[list[int | tuple[int]]],
    limit: int,
) -> None:
    (add, change), path = LISTS[name], f"/api/v1/{name}"
    place.begin()
    for at_ms in before:
        add(place, at_ms)
    # Those of earlier examples are many: the newest of them are enough.
    there = place.ids(place.client.get(f"{path}?limit={len(before) + MORE}").json())
    assert len(there) >= len(before)
    page = place.client.get(f"{path}?limit={limit}").json()
    seen = place.ids(page)
    steps = iter(between)
    while page["next_cursor"] is not None and not set(there) <= set(seen):
        for one in next(steps, []):
            if isinstance(one, tuple):
                change(place, there[one[0] % len(there)])
            else:
                add(place, one)
        page = place.client.get(f"{path}?limit={limit}&cursor={page['next_cursor']}").json()
        seen += place.ids(page)
    assert len(seen) == len(set(seen)), "an entry came twice"
    assert [one for one in seen if one in set(there)] == there


def test_every_list_with_a_cursor_is_walked_here(place: Place) -> None:
    paths = place.client.app.openapi()["paths"]
    paged = {
        path.removeprefix("/api/v1/")
        for path, item in paths.items()
        for one in item.get("get", {}).get("parameters", ())
        if one.get("name") == "cursor"
    }
    assert paged - {"recommendations"} == LISTS.keys()  # of which there are none yet

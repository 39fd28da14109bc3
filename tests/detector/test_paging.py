"""What a page of history costs: counted in steps of SQLite's machine, not in seconds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from detector import paging
from detector.paging import NEAR, Query, page
from detector.regression import Phase
from detector.tables import RegressionRow
from storage.state import State, sqlite_url
from tests.detector.regressions import NOON_MS, regression

MANY = 3 * max(NEAR)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """More regressions that are over than are looked at first; only the oldest was accepted."""
    folder: Path = tmp_path_factory.mktemp("history")
    state = State(sqlite_url(folder / "state.sqlite3"))
    state.migrate()
    like = RegressionRow.of(regression(phase=Phase.RESOLVED, resolved_ms=NOON_MS)).model_dump()
    rows = [
        {**like, "id": f"reg_{at:05}", "fingerprint": f"print_{at}", "opened_ms": NOON_MS + at}
        for at in range(MANY)
    ]
    rows[0]["phase"] = str(Phase.ACCEPTED)
    with state.unit() as session:
        session.connection().execute(RegressionRow.__table__.insert(), rows)  # type: ignore[attr-defined]
    yield state
    state.close()


def steps(state: State, query: Query) -> tuple[int, list[str]]:
    """Hundreds of steps that a page takes, and the ids on it."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with state.reading() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        connection.set_progress_handler(count, 100)
        try:
            found = page(session, query)
        finally:
            connection.set_progress_handler(None, 0)
    return counted, [one.id for one in found.regressions]


def test_a_page_that_is_full_early_looks_no_further(
    history: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Query(limit=10)
    counted, ids = steps(history, query)
    assert ids[0] == f"reg_{MANY - 1:05}"
    for near, times in ((NEAR[1:], 2), ((), 4)):
        monkeypatch.setattr(paging, "NEAR", near)
        without, same = steps(history, query)
        assert same == ids
        assert without > times * counted > 0


def test_what_is_not_near_is_found_all_the_same(history: State) -> None:
    near, ids = steps(history, Query(phases=(Phase.ACCEPTED,), limit=10))
    assert ids == ["reg_00000"]
    again, none = steps(history, replace(Query(limit=10), phases=(Phase.TRANSIENT,)))
    assert (near > 0, again > 0, none) == (True, True, [])


def statements(state: State, query: Query) -> list[str]:
    """What a page asks the database."""
    asked: list[str] = []
    with state.reading() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        connection.set_trace_callback(asked.append)
        try:
            page(session, query)
        finally:
            connection.set_trace_callback(None)
    return [one for one in asked if one.startswith("SELECT")]


def test_which_of_two_filters_is_the_rarer_is_asked_only_before_the_whole_look(
    history: State,
) -> None:
    like = regression()
    both = Query(signal=like.signal, rule=like.rule, limit=10)
    assert len(statements(history, both)) == 1
    rare = statements(history, replace(both, rule="unknown"))
    assert [one.count("count(*)") for one in rare] == [0, 2, 0, 0]
    assert rare[1].count("ORDER BY") == 2, "else PostgreSQL may read the table to count"

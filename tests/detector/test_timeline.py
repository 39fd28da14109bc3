"""All steps of regressions and incidents as one history, on both databases."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Select
from sqlmodel import Session, select

from detector.book import Book
from detector.incident_tables import IncidentStepRow
from detector.paging import BadCursorError
from detector.regression import Step
from detector.tables import TransitionRow
from detector.timeline import About, Event, Wanted, newest, page, written_after
from storage.state import State
from storage.views import Rows, View, Within, written
from tests.detector.regressions import MINUTE_MS, NOON_MS, regression, step


def fill(session: Session, count: int = 6) -> tuple[str, str]:
    """Regressions a minute apart, with steps of two kinds; ids of the first and its incident."""
    book = Book()
    ids = []
    for number in range(count):
        one = regression(number, rule=f"rule{number}", fingerprint=f"f{number}")
        ids.append(book.open(session, one, step(one)))
        note(session, one.id, number, actor="ada" if number % 2 else "ben")
    return ids[0].id, ids[0].incident_id


def note(session: Session, regression_id: str, minute: int, actor: str) -> None:
    session.add(
        TransitionRow(
            regression_id=regression_id,
            at_ms=NOON_MS + minute * MINUTE_MS,
            actor=actor,
            before="open",
            after="open",
            reason="a word",
            step=str(Step.COMMENTED),
            evidence={},
        )
    )
    session.flush()


def everything(session: Session, limit: int = 2, **conditions: object) -> list[Event]:
    """All pages, one behind the other."""
    found: list[Event] = []
    cursor = None
    while True:
        wanted = Wanted(limit=limit, cursor=cursor, **conditions)  # type: ignore[arg-type]
        events, cursor = page(Within(session), wanted)
        found += events
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_hold_every_step_once_newest_first(state: State, limit: int) -> None:
    with state.unit() as session:
        fill(session)
        steps = len(session.exec(select(TransitionRow)).all())
        of_incidents = len(session.exec(select(IncidentStepRow)).all())
        found = everything(session, limit)
    assert len(found) == len({one.id for one in found}) == steps + of_incidents
    assert of_incidents > 0
    assert all(before.place > after.place for before, after in pairwise(found))


def test_what_comes_in_meanwhile_moves_nothing(state: State) -> None:
    with state.unit() as session:
        first_id, _ = fill(session)
        before = [one.id for one in everything(session)]
        shown, cursor = page(Within(session), Wanted(limit=5))
        note(session, first_id, minute=60, actor="ada")
        rest, _ = page(Within(session), Wanted(limit=100, cursor=cursor))
    assert [one.id for one in (*shown, *rest)] == before


def test_each_filter_narrows_the_answer(state: State) -> None:
    with state.unit() as session:
        first_id, incident_id = fill(session)
        whole = everything(session)
        by_ada = everything(session, actor="ada")
        comments = everything(session, step="commented")
        mine = everything(session, regression_id=first_id)
        together = everything(session, incident_id=incident_id)
        incidents = everything(session, about=About.INCIDENT)
        both = everything(session, incident_id=incident_id, regression_id=first_id)
        at_ms = NOON_MS + 2 * MINUTE_MS
        then = everything(session, since_ms=at_ms, until_ms=at_ms)
    assert by_ada == [one for one in whole if one.actor == "ada"] != []
    assert comments == [one for one in whole if one.step == "commented"] != []
    assert mine == [one for one in whole if one.regression_id == first_id] != []
    assert incidents == [one for one in whole if one.about is About.INCIDENT] != []
    assert together == [one for one in whole if one.incident_id == incident_id] != []
    assert {one.about for one in together} == set(About)
    assert both == mine
    assert then == [one for one in whole if one.at_ms == at_ms] != []


@pytest.mark.parametrize("cursor", ["", "1", "1.x2", "1.r", "1.r2 ", "-1.r2", "9" * 20 + ".r1"])
def test_a_foreign_cursor_is_refused(state: State, cursor: str) -> None:
    with state.reading() as session, pytest.raises(BadCursorError):
        page(Within(session), Wanted(cursor=cursor))


def test_what_was_written_since_is_found_by_its_number(state: State) -> None:
    with state.unit() as session:
        first_id, _ = fill(session)
        last = newest(session)
        assert written_after(session, last, 10) == []
        note(session, first_id, minute=1, actor="ada")  # late by its time, new all the same
        (new,) = written_after(session, last, 10)
        assert (new.number, new.about) == (newest(session)[0], About.REGRESSION)
        assert len(written_after(session, (0, 0), 3)) == 6


def test_the_steps_of_an_incident_are_found_by_its_regressions(
    migrated_sqlite: object, state: State
) -> None:
    if state.engine.dialect.name != "sqlite":
        return  # PostgreSQL rightly reads a small table as a whole
    asked = Wanted(incident_id="inc_1", step="commented", actor="ada")
    told = plan(state, asked)
    assert "ix_transition_regression_id" in told
    assert "ix_transition_step" not in told
    assert "ix_transition_actor" not in told
    assert "ix_transition_page" not in told


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (Wanted(), "page"),
        (Wanted(step="commented"), "step_page"),
        (Wanted(actor="ada"), "actor_page"),
        (Wanted(actor="ada", step="commented"), "actor_step_page"),
    ],
)
def test_a_page_is_read_from_an_index(
    migrated_sqlite: object, state: State, asked: Wanted, index: str
) -> None:
    if state.engine.dialect.name != "sqlite":
        return  # PostgreSQL rightly reads a small table as a whole
    told = plan(state, asked)
    for table in ("transition", "incident_step"):
        assert re.search(rf"USING COVERING INDEX ix_{table}_{index}\b", told)
    # What is sorted is no more than a page of each table: their steps come in their order.
    assert told.count("TEMP B-TREE") == 1


def plan(state: State, asked: Wanted) -> str:
    """How SQLite goes about a page."""
    with state.looking() as view:
        explained = Explained(view)
        page(explained, asked)
    return explained.told


@dataclass
class Explained:
    """A view that notes how each statement is gone about."""

    view: View
    told: str = ""

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Rows:
        """What the view gives."""
        text, order, known = written(statement, self.view.dialect)
        cursor = self.view.connection.cursor()
        given = {**known, **values}
        cursor.execute(f"EXPLAIN QUERY PLAN {text}", [given[name] for name in order or ()])
        self.told += "\n".join(str(row[-1]) for row in cursor.fetchall())
        return self.view.rows(statement, values)

    def together(self) -> AbstractContextManager[None]:
        """What the view gives."""
        return self.view.together()

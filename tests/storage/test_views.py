"""Views: one statement is one message to PostgreSQL, and gives what a session gives."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import bindparam

from detector.tables import IncidentRow, ProgressRow, columns
from storage import fresh
from storage.state import State
from storage.views import View, Within, plain, written
from tests.postgres import Postgres

ROW = columns(ProgressRow)
NAMED = sqlalchemy.select(ROW.name, ROW.at_ms).where(ROW.at_ms >= bindparam("since"))
ALL = NAMED.order_by(ROW.name.desc())
LATER = {"since": 2}
PATIENCE_SECONDS = 30.0


def note(state: State, *names: str) -> None:
    with state.unit() as session:
        session.add_all(ProgressRow(name=name, at_ms=len(name)) for name in names)


@pytest.fixture
def remote(postgres_server: Postgres) -> Iterator[State]:
    """A migrated state on PostgreSQL that no other test has connections of."""
    made = State(postgres_server.database())
    made.migrate()
    yield made
    made.close()


def test_a_view_gives_what_a_session_gives(state: State) -> None:
    note(state, "a", "bb", "ccc")
    with state.reading() as session:
        known = [tuple(row) for row in Within(session).rows(ALL, LATER)]
    with state.looking() as view:
        assert [tuple(row) for row in view.rows(ALL, LATER)] == known == [("ccc", 3), ("bb", 2)]


def test_json_is_given_as_the_text_that_is_kept(state: State) -> None:
    with state.unit() as session:
        one = IncidentRow(
            id="inc_1",
            labels={"route": "/ä", "a": "b"},
            phase="open",
            severity="info",
            opened_ms=1,
            resolved_ms=None,
            version=1,
        )
        session.add(one)
    asked = sqlalchemy.select(plain(columns(IncidentRow).labels))
    with state.looking() as view:
        ((text,),) = view.rows(asked, {})
    assert text == '{"route": "/\\u00e4", "a": "b"}'


def test_a_statement_is_written_once(state: State) -> None:
    with state.looking() as view:
        view.rows(ALL, LATER)
        before = written.cache_info()
        view.rows(ALL, LATER)
    after = written.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)


@contextmanager
def sent(view: View) -> Iterator[list[str]]:
    """The messages that go to PostgreSQL, without those that describe what follows."""
    raw: Any = view.connection
    found: list[str] = []
    with tempfile.TemporaryFile("w+") as trace:
        raw.pgconn.trace(trace.fileno())
        try:
            yield found
        finally:
            raw.pgconn.untrace()
            os.lseek(trace.fileno(), 0, os.SEEK_SET)
            found += re.findall(r"\tF\t\d+\t(Query|Sync)\b", trace.read())


def test_one_statement_is_one_message_and_no_more_for_a_transaction(remote: State) -> None:
    note(remote, "a")
    with remote.looking() as view:
        view.rows(ALL, LATER)
        raw = view.connection
        with sent(view) as messages:
            view.rows(ALL, LATER)
    assert messages == ["Sync"]
    with sent(View(raw, view.dialect)) as messages, remote.looking() as again:
        assert again.connection is raw
        again.rows(ALL, LATER)
    assert messages == ["Sync"]


def test_what_is_asked_together_is_of_one_state(state: State) -> None:
    note(state, "aa")
    with state.looking() as view:
        with view.together():
            before = list(view.rows(ALL, LATER))
            note(state, "bb")
            assert list(view.rows(ALL, LATER)) == before
        assert len(view.rows(ALL, LATER)) == 2


def test_a_connection_is_as_it_was_when_a_view_is_done(state: State) -> None:
    with state.looking() as view:
        view.rows(ALL, LATER)
        before = view.connection
    with pytest.raises(LookupError):
        failing_look(state)
    with state.looking() as view:
        assert view.connection is before
    with state.reading() as session:
        session.add(ProgressRow(name="a", at_ms=1))
        session.flush()
    with state.looking() as view:
        assert view.rows(ALL, {"since": 0}) == []  # it was thrown away with its transaction


def failing_look(state: State) -> None:
    with state.looking() as view:
        view.rows(ALL, LATER)
        raise LookupError("of whoever asks")


def test_a_connection_that_failed_is_not_used_again(state: State) -> None:
    nothing = sqlalchemy.table("missing")
    missing: sqlalchemy.Select[Any] = sqlalchemy.select(sqlalchemy.column("none"))
    used: list[object] = []

    def fail() -> None:
        with state.looking() as view:
            used.append(view.connection)
            view.rows(missing.select_from(nothing), {})

    with pytest.raises(state.engine.dialect.loaded_dbapi.Error, match="missing"):
        fail()
    for _ in range(5):
        with state.looking() as view:
            assert view.connection not in used
            assert view.rows(ALL, LATER) == []


def test_connections_that_the_server_ended_are_replaced_unseen(
    remote: State, postgres_server: Postgres
) -> None:
    with remote.looking() as first, remote.looking() as second:
        assert first.connection is not second.connection
    database = [remote.engine.url.database]
    theirs = "SELECT {} FROM pg_stat_activity WHERE datname = %s"
    with postgres_server.connected() as other:
        ended = other.execute(theirs.format("pg_terminate_backend(pid)"), database).fetchall()
        assert len(ended) == 2
        until = monotonic() + PATIENCE_SECONDS
        while other.execute(theirs.format("pid"), database).fetchall():
            assert monotonic() < until
    for _ in ended:
        with remote.looking() as view:
            assert view.rows(ALL, LATER) == []
        with remote.unit() as session:
            assert session.connection().execute(ALL, LATER).all() == []


def test_after_a_connection_broke_none_from_before_is_used(remote: State) -> None:
    with remote.looking() as first, remote.looking() as second:
        used = [first.connection, second.connection]

    def fail() -> None:
        with remote.looking() as view:
            view.connection.close()
            view.rows(ALL, LATER)

    with pytest.raises(remote.engine.dialect.loaded_dbapi.Error, match="closed"):
        fail()
    with remote.looking() as first, remote.looking() as second:
        assert first.connection not in used
        assert second.connection not in used


def test_a_connection_that_was_idle_is_asked_before_it_is_used(
    remote: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote.looking() as view:
        view.rows(ALL, LATER)
        raw = view.connection
    monkeypatch.setattr(fresh, "IDLE_SECONDS", 0.0)
    with sent(View(raw, view.dialect)) as messages, remote.looking() as again:
        again.rows(ALL, LATER)
    assert len(messages) == 2

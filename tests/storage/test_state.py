"""The state: whole units of work, readers that hinder nobody, migrations, and no password told."""

import re
import threading
import traceback
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlmodel import Session

import detector.tables
from detector.book import Book
from detector.regression import Kind, Phase, Step
from storage.config import StorageConfig
from storage.migrating import migrations, upgrade
from storage.state import ORPHANS, State, StateError, revisions, sqlite_url
from tests.postgres import Postgres
from tests.storage.recorded import upgraded

SECRET = "s3cr3t-of-the-state"


def note(session: Session, name: str, at_ms: int = 1) -> None:
    session.add(detector.tables.ProgressRow(name=name, at_ms=at_ms))


def names(state: State) -> set[str]:
    with state.reading() as session:
        return set(session.connection().execute(text("SELECT name FROM progress")).scalars())


def test_a_unit_is_committed_as_a_whole(state: State) -> None:
    with state.unit() as session:
        note(session, "a")
        note(session, "b")
    assert names(state) == {"a", "b"}


def test_a_unit_that_changed_rows_is_counted_and_no_other(state: State) -> None:
    def after(statement: str) -> int:
        before = state.writes
        with state.unit() as session:
            session.connection().execute(text(statement))
        return state.writes - before

    assert after("INSERT INTO progress (name, at_ms) VALUES ('a', 1), ('b', 1)") == 1
    assert after("SELECT name FROM progress") == 0
    assert after("UPDATE progress SET at_ms = 2 WHERE name = 'c'") == 0
    assert after("UPDATE progress SET at_ms = 2 RETURNING name") == 1
    assert after("UPDATE progress SET at_ms = 2 WHERE name = 'a'") == 1
    assert after("DELETE FROM progress WHERE name = 'c'") == 0
    assert after("DELETE FROM progress") == 1
    before = state.writes
    with state.unit() as session:
        note(session, "d")
        assert state.writes == before  # not before others can see it
    assert state.writes == before + 1


def failing_unit(state: State) -> None:
    with state.unit() as session:
        note(session, "a")
        session.flush()
        note(session, "b")
        raise RuntimeError("in the middle")


def test_a_unit_that_fails_leaves_nothing_behind(state: State) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        failing_unit(state)
    assert names(state) == set()


def test_what_a_reader_changes_is_thrown_away(state: State) -> None:
    with state.reading() as session:
        note(session, "a")
        session.flush()
    assert names(state) == set()


def test_a_reader_sees_one_view_and_no_writer_waits_for_it(state: State) -> None:
    with state.unit() as session:
        note(session, "before")
    count = text("SELECT count(*) FROM progress")
    with state.reading() as session:
        assert session.connection().execute(count).scalar_one() == 1
        with state.unit() as writer:  # in the same thread: waiting would never end
            note(writer, "meanwhile")
        assert session.connection().execute(count).scalar_one() == 1
    assert names(state) == {"before", "meanwhile"}


def test_a_reader_does_not_wait_for_a_writer(state: State) -> None:
    with state.unit() as writer:
        note(writer, "unfinished")
        writer.flush()
        assert names(state) == set()


def test_writers_wait_for_each_other_and_count_right(state: State) -> None:
    with state.unit() as session:
        note(session, "counter", 0)
    threads, rounds = 4, 10
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(rounds):
                with state.unit() as session:
                    session.connection().execute(
                        text("UPDATE progress SET at_ms = at_ms + 1 WHERE name = 'counter'")
                    )
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert errors == []
    with state.reading() as session:
        found = session.get_one(detector.tables.ProgressRow, "counter").at_ms
    assert found == threads * rounds


def test_rows_can_be_used_after_their_unit(state: State) -> None:
    with state.unit() as session:
        row = detector.tables.ProgressRow(name="a", at_ms=7)
        session.add(row)
    assert row.at_ms == 7


def test_migrating_again_changes_nothing(state: State) -> None:
    with state.unit() as session:
        note(session, "kept")
    state.migrate()
    assert names(state) == {"kept"}


def test_references_are_looked_at_when_tables_changed_and_not_at_every_start(
    tmp_path: Path,
) -> None:
    """The look is at every row of a state that may hold millions."""
    state, asked = State(sqlite_url(tmp_path / "state.sqlite3")), []
    upgraded(state, "0015")

    def note(_: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(state.engine, "before_cursor_execute", note)
    state.migrate()
    assert asked.count(ORPHANS) == 1
    asked.clear()
    state.migrate()
    state.close()
    assert asked
    assert ORPHANS not in asked


def test_processes_that_start_together_migrate_once(state_url: str) -> None:
    states = [State(state_url) for _ in range(4)]
    errors: list[BaseException] = []
    start = threading.Barrier(len(states))

    def work(mine: State) -> None:
        start.wait()
        try:
            mine.migrate()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in states]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert errors == []
    for state in states:
        assert names(state) == set()
        state.close()


FIRST = {
    "incident": {
        "id": "inc_1", "labels": "{}", "phase": "open", "severity": "critical", "opened_ms": 5,
        "resolved_ms": None, "version": 2, "announced": 1, "deployment_id": None,
    },
    "regression": {
        "id": "reg_1", "incident_id": "inc_1", "fingerprint": "f", "open_key": "f", "rule": "r",
        "signal": "s", "title": "S", "unit": "seconds", "labels": '{"target": "shop"}',
        "worse": "up", "severity": "critical", "phase": "open", "value": 0.5, "worst": 0.6,
        "threshold": 0.3, "baseline": 0.25, "began_lo_ms": 1, "began_hi_ms": 2, "opened_ms": 5,
        "updated_ms": 9, "clear_since_ms": None, "resolved_ms": None, "runbook": "",
        "evidence": '{"n": 3.0}',
    },
}  # fmt: skip
STEPS = [("", "open"), ("warning", "critical"), ("open", "resolved")]


def inserted(state: State, table: str, values: dict[str, object]) -> None:
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    with state.unit() as session:
        session.connection().execute(
            text(f'INSERT INTO "{table}" ({names}) VALUES ({places})'), values
        )


def test_versions_are_told_from_the_names_of_migrations_as_alembic_tells_them() -> None:
    scripts = ScriptDirectory.from_config(migrations())
    assert list(revisions()) == [one.revision for one in scripts.walk_revisions()][::-1]
    assert revisions()[-1] == scripts.get_current_head()


def test_what_the_first_version_wrote_is_read_after_the_upgrade(state_url: str) -> None:
    state = State(state_url)
    with state.opened() as connection:
        upgrade(connection, "0001")
        connection.commit()
    for table, values in FIRST.items():
        inserted(state, table, values)
    for number, (before, after) in enumerate(STEPS):
        row = {
            "regression_id": "reg_1", "at_ms": number, "actor": "detector", "before": before,
            "after": after, "reason": "r", "evidence": "{}",
        }  # fmt: skip
        inserted(state, "transition", row)
    state.migrate()
    assert state.revision() == max(revisions())
    book = Book()
    with state.unit() as session:
        (one,) = book.open_regressions(session)
        steps = book.transitions(session, "reg_1")
        assert [(s.before, s.after, s.step) for s in steps] == [
            ("", "open", Step.OPENED),
            ("open", "open", Step.ESCALATED),
            ("open", "resolved", Step.RESOLVED),
        ]
        book.save(session, replace(one, phase=Phase.MUTED, by="ada"), [])
    assert (one.kind, one.version, one.held_since_ms, one.tags, one.earlier) == (
        Kind.REGRESSION, 1, 5, (), (),
    )  # fmt: skip
    assert (one.incident_id, one.baseline) == ("inc_1", 0.25)
    assert one.recorded == pytest.approx(0.35)
    with state.reading() as session:
        assert book.open_regressions(session)[0].phase is Phase.MUTED
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        inserted(state, "regression", {**FIRST["regression"], "id": "reg_2"})
    state.close()


def test_a_state_of_a_newer_version_is_refused_and_left_alone(state_url: str) -> None:
    state = State(state_url)
    state.migrate()
    with state.unit() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = 'f00d'"))
    with pytest.raises(
        StateError, match=r"newer version of Plimsoll \(revision f00d\): start that"
    ):
        state.migrate()
    with state.reading() as session:
        found = session.connection().execute(text("SELECT version_num FROM alembic_version"))
        assert found.scalars().all() == ["f00d"]
    state.close()


def test_a_new_state_that_cannot_be_made_whole_leaves_nothing_behind(state_url: str) -> None:
    state = State(state_url)
    with state.engine.begin() as connection:
        connection.execute(text("CREATE TABLE transition (id INTEGER)"))  # the last one to be made
    with pytest.raises(StateError, match="cannot be"):
        state.migrate()
    with state.engine.connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == ["transition"]
    state.close()


def test_a_migration_that_fails_leaves_nothing_behind(state_url: str) -> None:
    state = State(state_url)
    upgraded(state, "0006")  # three migrations before the one that makes the table
    with state.engine.begin() as connection:
        connection.execute(text("CREATE TABLE repeat (id INTEGER)"))
        before = sqlalchemy.inspect(connection).get_table_names()
    with pytest.raises(StateError, match="cannot be"):
        state.migrate()
    with state.engine.connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == before
    assert state.revision() == "0006"
    state.close()


@pytest.mark.parametrize("folder", ["plain", "with space", "100%", "%41", "what?", "a#b", "ä"])
def test_an_sqlite_file_may_stand_in_any_folder(tmp_path: Path, folder: str) -> None:
    directory = tmp_path / folder
    directory.mkdir()
    state = State(StorageConfig(directory=directory).url())
    state.migrate()
    state.close()
    assert (directory / "state.sqlite3").stat().st_size > 0


def test_sqlite_survives_kill_9(tmp_path: Path) -> None:
    state = State(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    with state.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    state.close()


def test_a_state_without_its_directory_is_refused_with_advice(tmp_path: Path) -> None:
    state = State(f"sqlite:///{tmp_path / 'absent' / 'state.sqlite3'}")
    with pytest.raises(
        StateError, match=r"state.sqlite3 cannot be opened \(.*\): check the address"
    ):
        state.migrate()


def test_garbage_in_the_place_of_the_state_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_text("hello world" * 1000)
    state = State(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    with pytest.raises(StateError, match=r"cannot be read as a state \(file is not a database\)"):
        state.migrate()


def test_a_server_that_does_not_answer_is_told_without_the_password(
    postgres_server: Postgres,
) -> None:
    state = State(f"postgresql+psycopg://plimsoll:{SECRET}@127.0.0.1:1/state?sslpassword={SECRET}")
    with pytest.raises(StateError, match=r"127.0.0.1:1/state cannot be opened") as raised:
        state.migrate()
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(state)
    absent = State(postgres_server.address("absent", password=SECRET))
    with pytest.raises(StateError, match='database "absent" does not exist') as raised:
        absent.migrate()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "this is no address of a database; use sqlite:////path"),
        (f"plimsoll:{SECRET}@host/name", "this is no address of a database"),
        (f"postgresql+psycopg://u:{SECRET}@host:port/name", "this is no address of a database"),
        (f"mysql://u:{SECRET}@host/name", "'mysql' is no database that state can be kept in"),
        (f"postgres://u:{SECRET}@host/name", "'postgres' is no database that state can be"),
        (f"postgresql+asyncpg://u:{SECRET}@host/name", "'postgresql+asyncpg' is no database"),
        ("sqlite+aiosqlite:///x", "'sqlite+aiosqlite' is no database that state can be kept in"),
        ("sqlite://", "a state in memory would be lost; use sqlite:////path"),
        ("sqlite:///:memory:", "a state in memory would be lost"),
    ],
)
def test_other_addresses_are_refused_without_telling_them(url: str, message: str) -> None:
    with pytest.raises(StateError, match=re.escape(message)) as raised:
        State(url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_an_error_in_a_statement_does_not_tell_the_password(state_url: str) -> None:
    url = sqlalchemy.make_url(state_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(password=SECRET)
    state = State(url.render_as_string(hide_password=False))
    with pytest.raises(sqlalchemy.exc.DBAPIError) as raised, state.unit() as session:
        session.connection().execute(text("SELECT nonsense"))
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(state)
    state.close()


def test_the_log_of_a_large_write_is_cut_down_though_connections_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.state.MOST_LOG_BYTES", 65_536)
    path = tmp_path / "state.sqlite3"
    log = path.with_name(path.name + "-wal")
    with closing(State(sqlite_url(path))) as state:
        with state.unit() as session:
            session.connection().execute(text("CREATE TABLE told (what TEXT)"))
        for length in (8_000_000, 1, 1):  # the log is begun anew by whoever writes after its end
            with state.unit() as session:
                what = {"what": "x" * length}
                session.connection().execute(text("INSERT INTO told VALUES (:what)"), what)
            if length > 1:
                assert log.stat().st_size > 8_000_000
        assert log.stat().st_size <= 2 * 65_536

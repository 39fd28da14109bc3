"""What a process remembers of the last weeks is what the book holds, whoever wrote it."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from detector.actions import Action, IllegalActionError, Wish
from detector.book import Book
from detector.exclusion import BySignal, on
from detector.lasted import Lasted, Memory, Why
from detector.meters import DetectorMeters
from detector.regression import Kind, Phase, Regression, Step
from storage.state import POSTGRESQL, State, sqlite_url
from tests.detector.regressions import CART, MINUTE_MS, NOON_MS, regression, step
from tests.migrated import place_state

BOOK = Book()
SIGNALS = ("api_p95", "errors", "hit_rate")


def remembering(**limits: int) -> Memory:
    return Memory(DetectorMeters(CollectorRegistry()), **limits)


def asked(memory: Memory, state: State, since_ms: int = NOON_MS) -> BySignal:
    with state.reading() as session:
        return memory.read(session, BOOK.watched(session), since_ms)


def flat(told: BySignal) -> dict[str, Any]:
    assert all(told.of.values()), "a signal without regressions is not told"
    assert all(one.signal == signal for signal, mine in told.of.items() for one in mine)
    return {one.id: one for mine in told.of.values() for one in mine if isinstance(one, Lasted)}


def in_the_book(state: State, since_ms: int = NOON_MS) -> dict[str, Lasted]:
    with state.reading() as session:
        whole = [*BOOK.spans(session, since_ms), *BOOK.accepted(session, since_ms)]
    return {one.id: Lasted.of(one) for one in whole}


def read(memory: Memory, why: Why) -> float:
    return float(memory.meters.past_reads.labels(why)._value.get())


def named(number: int, minute: int, **changes: Any) -> Regression:
    labels = CART.plus(route=f"/{number}")
    return regression(minute, labels=labels, signal=SIGNALS[number % len(SIGNALS)], **changes)


def opened(state: State, one: Regression) -> Regression:
    with state.unit() as session:
        return BOOK.open(session, one, step(one))


def saved(state: State, id_: str, *steps: Step, **changes: Any) -> None:
    with state.unit() as session:
        one = BOOK.claimed(session, id_)
        assert one is not None
        now = replace(one, **changes)
        BOOK.save(session, now, [step(now, what) for what in steps])


def live(state: State, do: str, id_: str, at_ms: int) -> None:
    """What a tick or a person does to one; what does not fit in its phase is refused, or not done.

    A life does nothing that is over without a step, and resolves nothing that is.
    """
    with state.reading() as session:
        one = BOOK.regression(session, id_)
    assert one is not None
    if do in {action.value for action in Action}:
        wish = Wish(action=Action(do), actor="ada", reason="so", at_ms=at_ms)
        try:
            with state.unit() as session:
                BOOK.act(session, id_, wish)
        except IllegalActionError:
            return
    elif do == "goes on" and one.phase.holds:
        saved(state, id_, value=2.0, updated_ms=at_ms)
    elif do == "escalates" and one.phase.holds:
        saved(state, id_, Step.ESCALATED, phase=Phase.ESCALATED)
    elif do == "moves its beginning" and not one.phase.is_over:
        saved(state, id_, began_lo_ms=one.began_lo_ms - MINUTE_MS)
    elif do == "goes away" and not one.phase.is_over:
        saved(state, id_, Step.TRANSIENT, phase=Phase.TRANSIENT, resolved_ms=at_ms)
    elif do == "comes back" and one.phase.is_over and one.resolved_ms is not None:
        saved(
            state,
            id_,
            Step.REOPENED,
            phase=Phase.REOPENED,
            earlier=one.spans(at_ms),
            began_lo_ms=one.resolved_ms,
            resolved_ms=None,
        )


DONE = st.sampled_from(
    ["goes on", "escalates", "moves its beginning", "goes away", "comes back", "comes back"]
    + [action.value for action in Action]
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["opens", "lives", "lives", "lives", "hour passes", "tick"]),
        st.integers(0, 5),
        DONE,
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, limits=st.sampled_from([{}, {}, {"most_new": 1}, {"most_kept": 2}]))
def test_in_whatever_order_things_happen_it_remembers_what_the_book_holds(
    events: list[tuple[str, int, str, bool]], limits: dict[str, int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.sqlite3"
        place_state(file)
        here, another = State(sqlite_url(file)), State(sqlite_url(file))
        memory, since_ms, at_ms = remembering(**limits), NOON_MS, NOON_MS
        ids: list[str] = []
        for what, number, done, elsewhere in events:
            state = another if elsewhere else here
            at_ms += MINUTE_MS
            if what == "opens":
                kind = Kind.IMPROVEMENT if number == 0 else Kind.REGRESSION
                phase = Phase.SUSPECTED if number == 1 else Phase.OPEN
                minute = (at_ms - NOON_MS) // MINUTE_MS
                ids.append(opened(state, named(minute, minute, kind=kind, phase=phase)).id)
            elif what == "lives" and ids:
                live(state, done, ids[number % len(ids)], at_ms)
            elif what == "hour passes":
                since_ms += 5 * MINUTE_MS
            else:
                assert flat(asked(memory, here, since_ms)) == in_the_book(here, since_ms)
        assert flat(asked(memory, here, since_ms)) == in_the_book(here, since_ms)
        here.close()
        another.close()


def test_only_what_has_new_steps_is_read_again(state: State) -> None:
    memory = remembering()
    ids = [opened(state, named(number, number)).id for number in range(6)]
    for id_ in ids:
        saved(state, id_, Step.RESOLVED, phase=Phase.RESOLVED, resolved_ms=NOON_MS + 1)
    first = asked(memory, state)
    assert len(flat(first)) == 6
    again = asked(memory, state)
    assert all(again.of[signal] is first.of[signal] for signal in SIGNALS)
    with state.unit() as session:
        wrong = Wish(action=Action.FALSE_POSITIVE, actor="ada", reason="", at_ms=NOON_MS + 2)
        BOOK.act(session, ids[0], wrong)
    third = asked(memory, state)
    assert flat(third) == in_the_book(state)
    same = [id_ for id_, one in flat(third).items() if one is flat(first)[id_]]
    assert sorted(same) == sorted(ids[1:]), "what has no new step was read again"
    assert read(memory, Why.FIRST) == 1
    assert third.of[SIGNALS[0]] is not first.of[SIGNALS[0]]
    assert third.of[SIGNALS[1]] is first.of[SIGNALS[1]]
    # What was told before stays as it was then.
    assert {one.phase for one in first.of[SIGNALS[0]]} == {Phase.RESOLVED}
    assert len(on(third, SIGNALS[0])) == 2
    assert on(third, "unknown") == ()


def test_what_ended_before_is_forgotten_and_an_earlier_time_is_read_anew(state: State) -> None:
    memory = remembering()
    one = opened(state, named(0, 0))
    saved(state, one.id, Step.RESOLVED, phase=Phase.RESOLVED, resolved_ms=NOON_MS + 10)
    assert list(flat(asked(memory, state, NOON_MS + 9))) == [one.id]
    assert asked(memory, state, NOON_MS + 10).of == {}
    assert list(flat(asked(memory, state, NOON_MS + 9))) == [one.id]
    assert read(memory, Why.EARLIER) == 1


def test_more_changes_than_are_worth_it_are_read_all_at_once(state: State) -> None:
    memory = remembering(most_new=2)
    ids = [opened(state, named(number, number)).id for number in range(4)]
    asked(memory, state)
    for count in (2, 3):
        for id_ in ids[:count]:
            saved(state, id_, Step.TRANSIENT, phase=Phase.TRANSIENT, resolved_ms=NOON_MS + count)
        assert flat(asked(memory, state)) == in_the_book(state)
        assert read(memory, Why.MANY) == (1 if count == 3 else 0)
        for id_ in ids[:count]:
            saved(state, id_, Step.REOPENED, phase=Phase.REOPENED, resolved_ms=None)
        asked(memory, state)


def test_more_than_are_kept_are_read_by_every_tick(state: State) -> None:
    memory = remembering(most_kept=2)
    for number in range(3):
        opened(state, named(number, number))
    for _ in range(3):
        assert flat(asked(memory, state)) == in_the_book(state)
    assert (read(memory, Why.FIRST), read(memory, Why.TOO_MANY)) == (1, 2)
    assert not memory._known
    assert not memory._told


def test_another_state_in_its_place_is_read_anew(state: State, tmp_path: Path) -> None:
    memory = remembering()
    for number in range(3):
        opened(state, named(number, number))
    asked(memory, state)
    place_state(tmp_path / "restored.sqlite3")
    restored = State(sqlite_url(tmp_path / "restored.sqlite3"))
    one = opened(restored, named(9, 9))
    assert list(flat(asked(memory, restored))) == [one.id]
    assert read(memory, Why.REPLACED) == 1
    restored.close()


def test_a_step_that_is_committed_late_is_not_missed(state: State) -> None:
    """PostgreSQL numbers rows before they are committed: who writes them writes alone."""
    memory = remembering()
    ids = [opened(state, named(number, number)).id for number in range(2)]
    at_ms = NOON_MS + 1

    def away(id_: str) -> None:
        saved(state, id_, Step.TRANSIENT, phase=Phase.TRANSIENT, resolved_ms=at_ms)

    asked(memory, state)
    with state.unit() as session:
        one = BOOK.claimed(session, ids[0])
        assert one is not None
        over = replace(one, phase=Phase.TRANSIENT, resolved_ms=at_ms)
        BOOK.save(session, over, [step(over, Step.TRANSIENT)])
        other = threading.Thread(target=away, args=(ids[1],))
        other.start()
        waits_for_its_turn(state)
        assert flat(asked(memory, state)) == in_the_book(state)
    other.join()
    found = flat(asked(memory, state))
    assert found == in_the_book(state)
    assert {one.phase for one in found.values()} == {Phase.TRANSIENT}


def waits_for_its_turn(state: State) -> None:
    """Until a unit of work waits for another one; SQLite lets nobody look."""
    waiting = sqlalchemy.text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    pause = threading.Event()
    for _ in range(1000):
        if state.engine.dialect.name != POSTGRESQL:
            return
        with state.reading() as session:
            if session.execute(waiting).scalar():
                return
        pause.wait(0.01)
    pytest.fail("two units of work wrote steps at the same time")


@pytest.mark.parametrize("writes", ["open", "save", "watched"])
def test_every_way_to_write_steps_is_taken_alone(state: State, writes: str) -> None:
    one = opened(state, named(0, 0))
    ways: dict[str, Callable[[Any], Any]] = {
        "open": lambda session: BOOK.open(session, named(1, 1), step(named(1, 1))),
        "save": lambda session: BOOK.save(session, one, [step(one, Step.COMMENTED)]),
        "watched": lambda session: BOOK.watched(session, lock=True),
    }
    held = sqlalchemy.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    with state.unit() as session:
        ways[writes](session)
        if state.engine.dialect.name == POSTGRESQL:
            assert session.execute(held).scalar() == 1

"""The book of regressions, incidents and deployments, on SQLite and on PostgreSQL."""

import base64
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlmodel import Session

from detector import paging
from detector.actions import Action, Wish
from detector.book import Book
from detector.incidents import Depth
from detector.paging import BadCursorError, Page, Query, read, written
from detector.regression import (
    HOLDING,
    Deployment,
    Incident,
    Kind,
    Phase,
    Regression,
    Severity,
    Step,
)
from detector.tables import RegressionRow
from detector.units import Unit
from storage.series import Labels
from storage.state import State
from tests.detector.regressions import CART, MINUTE_MS, NOON_MS, deployment, regression, step

BOOK = Book()
MEAN = {"rule": "api_mean_slow", "signal": "api_mean"}
ERRORS = {"rule": "errors", "signal": "api_error_rate", "unit": Unit.RATIO}
SEARCH = CART.plus(route="/search")


def opened(state: State, minute: int = 0, **changes: Any) -> Regression:
    one = regression(minute, **changes)
    with state.unit() as session:
        return BOOK.open(session, one, step(one))


def saved(state: State, one: Regression, minute: int, *after: Step, **changes: Any) -> Regression:
    now = replace(one, updated_ms=NOON_MS + minute * MINUTE_MS, **changes)
    with state.unit() as session:
        BOOK.save(session, now, [step(now, word) for word in after])
    return now


def resolved(state: State, one: Regression, minute: int) -> Regression:
    at_ms = NOON_MS + minute * MINUTE_MS
    return saved(state, one, minute, Step.RESOLVED, phase=Phase.RESOLVED, resolved_ms=at_ms)


def incidents(state: State) -> list[Incident]:
    with state.reading() as session:
        return BOOK.incidents(session, True)


def only(state: State) -> Incident:
    (one,) = incidents(state)
    return one


def posted(state: State, one: Deployment) -> bool:
    with state.unit() as session:
        return BOOK.add_deployment(session, one)


def test_what_was_added_in_the_same_unit_of_work_is_watched(state: State) -> None:
    one = regression(0)
    with state.unit() as session:
        session.add(RegressionRow.of(one))
        assert [each.id for each in BOOK.watched(session)] == [one.id]


def at_once(state: State, count: int, work: Callable[[Session, int], Any]) -> list[Any]:
    """What units of work that begin together give or raise."""
    outcomes: list[Any] = []
    start = threading.Barrier(count)

    def run(i: int) -> None:
        start.wait()
        try:
            with state.unit() as session:
                result = work(session, i)
            outcomes.append(result)
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return outcomes


# --- regressions ---


def test_a_regression_is_read_back_as_it_was_opened(state: State) -> None:
    one = opened(state)
    assert one == replace(regression(), incident_id=one.incident_id)
    with state.reading() as session:
        assert BOOK.regression(session, one.id) == one
        assert BOOK.open_regressions(session) == [one]
        assert BOOK.count_open(session) == 1
        assert BOOK.transitions(session, one.id) == [step(one)]
        assert BOOK.regression(session, "reg_absent") is None


def test_words_stand_in_the_tables_as_they_are_said(state: State) -> None:
    resolved(state, opened(state), 5)
    with state.engine.connect() as connection:
        for table in ("regression", "incident"):
            row = connection.execute(sqlalchemy.text(f"SELECT phase, severity FROM {table}")).one()
            assert tuple(row) == ("resolved", "warning")


def test_numbers_beyond_all_bounds_are_kept(state: State) -> None:
    one = opened(state, value=math.inf, worst=math.inf, baseline=None)
    with state.reading() as session:
        assert BOOK.regression(session, one.id) == one


def test_a_regression_that_is_opened_again_stays_as_it_was(state: State) -> None:
    one = opened(state)
    later = saved(state, one, 1, value=2.0)
    assert opened(state) == later
    assert only(state).version == 1
    with state.reading() as session:
        assert len(BOOK.transitions(session, one.id)) == 1


def test_at_most_one_regression_of_a_fingerprint_is_open(state: State) -> None:
    opened(state)
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        opened(state, 1)
    assert len(only(state).regressions) == 1


def test_after_it_was_resolved_the_next_one_may_open(state: State) -> None:
    first = resolved(state, opened(state), 5)
    second = opened(state, 6)
    assert second.fingerprint == first.fingerprint
    assert [one.phase for one in incidents(state)] == [Phase.RESOLVED, Phase.OPEN]


def test_of_processes_that_open_at_once_one_opens(state: State) -> None:
    outcomes = at_once(
        state, 4, lambda session, i: BOOK.open(session, regression(i), step(regression(i)))
    )
    assert sum(isinstance(one, Regression) for one in outcomes) == 1
    assert sum(isinstance(one, sqlalchemy.exc.IntegrityError) for one in outcomes) == 3
    assert len(only(state).regressions) == 1


def test_steps_are_kept_in_their_order(state: State) -> None:
    one = opened(state)
    saved(state, one, 1, Step.ESCALATED, severity=Severity.CRITICAL)
    resolved(state, one, 2)
    with state.reading() as session:
        assert [s.step for s in BOOK.transitions(session, one.id)] == [
            Step.OPENED,
            Step.ESCALATED,
            Step.RESOLVED,
        ]


def test_a_span_is_told_as_long_as_a_baseline_may_hold_it(state: State) -> None:
    over = resolved(state, opened(state), 5)
    still = opened(state, 1, labels=SEARCH)

    def spans(minute: int) -> set[str]:
        with state.reading() as session:
            return {one.id for one in BOOK.spans(session, NOON_MS + minute * MINUTE_MS)}

    with state.reading() as session:
        at_each_tick = BOOK.spans(session, 0)
        whole = BOOK.spans(session, 0, Depth.WHOLE)
    assert [one.evidence for one in at_each_tick] == [{}, {}]
    assert all(one.evidence for one in whole)
    assert at_each_tick == [replace(one, evidence={}) for one in whole]
    assert spans(4) == {over.id, still.id}
    assert spans(5) == {still.id}
    assert spans(10**6) == {still.id}


# --- incidents ---


def test_regressions_of_one_thing_are_one_incident(state: State) -> None:
    first = opened(state)
    assert opened(state, 1, **MEAN).incident_id == first.incident_id
    post = CART.plus(method="POST")
    assert opened(state, 2, labels=post).incident_id == first.incident_id
    assert only(state).labels == Labels.of(target="shop", route="/cart")
    assert opened(state, 3, labels=SEARCH).incident_id == first.incident_id
    assert only(state).labels == Labels.of(target="shop")
    till = CART.plus(target="till")
    assert opened(state, 3, labels=till).incident_id != first.incident_id
    assert opened(state, 60, labels=SEARCH.plus(route="/late")).incident_id != first.incident_id


def test_a_resolved_incident_takes_no_more_regressions(state: State) -> None:
    first = resolved(state, opened(state), 5)
    assert opened(state, 6, **MEAN).incident_id != first.incident_id


def test_what_has_no_subject_is_grouped_with_its_like(state: State) -> None:
    first = opened(state, labels=Labels())
    assert opened(state, 1, labels=Labels(), **MEAN).incident_id == first.incident_id
    assert opened(state, 2).incident_id != first.incident_id


@pytest.mark.parametrize(
    ("changes", "news"),
    [
        (MEAN, False),  # the mean of what is known to be slow
        (ERRORS, True),  # another kind of trouble
        ({**MEAN, "worse": "down"}, True),
        ({**MEAN, "severity": Severity.CRITICAL}, True),
        ({**MEAN, "severity": Severity.INFO}, False),
    ],
)
def test_a_new_version_is_made_of_what_is_news(
    state: State, changes: dict[str, Any], news: bool
) -> None:
    opened(state)
    opened(state, 1, **changes)
    assert only(state).version == (2 if news else 1)


def test_what_is_over_does_not_make_the_next_one_old_news(state: State) -> None:
    opened(state, 0, **ERRORS)
    resolved(state, opened(state, 1), 5)
    before = only(state).version
    opened(state, 6, **MEAN)
    assert only(state).version == before + 1


def test_an_incident_is_as_bad_as_its_worst_regression(state: State) -> None:
    opened(state)
    opened(state, 1, **MEAN, severity=Severity.CRITICAL)
    opened(state, 2, **ERRORS, severity=Severity.INFO)
    assert only(state).severity is Severity.CRITICAL


def test_escalation_is_news_and_another_value_is_not(state: State) -> None:
    one = opened(state)
    saved(state, one, 1, value=2.0, worst=2.0)
    assert only(state).version == 1
    saved(state, one, 2, Step.ESCALATED, severity=Severity.CRITICAL)
    assert (only(state).version, only(state).severity) == (2, Severity.CRITICAL)


def test_a_second_escalation_to_the_same_severity_is_no_news(state: State) -> None:
    first, second = opened(state), opened(state, 1, **ERRORS)
    saved(state, first, 2, Step.ESCALATED, severity=Severity.CRITICAL)
    before = only(state).version
    saved(state, second, 3, Step.ESCALATED, severity=Severity.CRITICAL)
    assert only(state).version == before


def test_an_incident_is_over_when_all_its_regressions_are(state: State) -> None:
    first, second = opened(state), opened(state, 1, **ERRORS)
    before = only(state).version
    resolved(state, first, 5)
    assert (only(state).phase, only(state).version) == (Phase.OPEN, before)
    resolved(state, second, 7)
    over = only(state)
    assert (over.phase, over.version) == (Phase.RESOLVED, before + 1)
    assert over.resolved_ms == NOON_MS + 7 * MINUTE_MS


def test_a_version_is_told_until_somebody_took_it(state: State) -> None:
    opened(state)
    incident = only(state)
    with state.unit() as session:
        assert BOOK.unannounced(session) == [incident]
        assert BOOK.claim(session, incident)
        assert not BOOK.claim(session, incident)
        assert BOOK.unannounced(session) == []
    opened(state, 1, **ERRORS)
    with state.unit() as session:
        assert [one.version for one in BOOK.unannounced(session)] == [2]
        assert not BOOK.claim(session, incident)  # an older version than the one that was taken


def test_of_processes_that_claim_at_once_one_gets_it(state: State) -> None:
    opened(state)
    incident = only(state)
    outcomes = at_once(state, 6, lambda session, _: BOOK.claim(session, incident))
    assert sorted(outcomes) == [False] * 5 + [True]


def test_a_claim_that_was_rolled_back_was_none(state: State) -> None:
    opened(state)
    incident = only(state)

    def interrupted() -> None:
        with state.unit() as session:
            assert BOOK.claim(session, incident)
            raise RuntimeError("before it was sent")

    with pytest.raises(RuntimeError):
        interrupted()
    with state.unit() as session:
        assert BOOK.claim(session, incident)


def test_a_bad_minute_opens_many_without_reading_all_of_them_each_time(state: State) -> None:
    statements: list[str] = []
    sqlalchemy.event.listen(
        state.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )
    with state.unit() as session:
        found = [regression(0, labels=CART.plus(target=f"shop-{i}")) for i in range(40)]
        BOOK.open_all(session, [(one, (step(one),)) for one in found], NOON_MS)
    assert len(incidents(state)) == 40
    assert len(statements) < 40 * 10


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda session: BOOK.unannounced(session), "ix_incident_untold"),
        (lambda session: BOOK.open_regressions(session), "ix_regression_phase"),
        (lambda session: BOOK.spans(session, NOON_MS), "ix_regression_resolved_ms"),
        (lambda session: BOOK.page(session, Query()), "ix_regression_page"),
        (
            lambda session: BOOK.page(session, Query(signal="s")),
            "COVERING INDEX ix_regression_signal_page",
        ),
        (
            lambda session: BOOK.page(session, Query(rule="r", severity=Severity.CRITICAL)),
            "COVERING INDEX ix_regression_rule_page",
        ),
        (
            lambda session: BOOK.page(session, Query(target="t", until_ms=9)),
            "COVERING INDEX ix_regression_target_page",
        ),
        (
            lambda session: BOOK.page(session, Query(phases=HOLDING)),
            "USING INDEX ix_regression_live",
        ),
        (
            lambda session: BOOK.page(
                session, Query(phases=(Phase.RESOLVED,), cursor=written(9, "reg_1"))
            ),
            "COVERING INDEX ix_regression_page",
        ),
    ],
)
def test_what_is_asked_every_minute_does_not_read_years_of_history(
    tmp_path: Path, ask: Callable[[Session], Any], index: str
) -> None:
    state = State(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    state.migrate()
    asked: list[tuple[str, Any]] = []
    listen = sqlalchemy.event.listen
    listen(state.engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with state.reading() as session:
        ask(session)
        steps = [
            str(row[-1])
            for statement, values in list(asked)
            for row in session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", values
            )
        ]
    state.close()
    assert any(index in one for one in steps), steps


# --- pages ---


def filled(state: State) -> list[Regression]:
    """Twelve regressions, several at one time, the newest first."""
    all_ = [
        opened(state, i // 3, labels=CART.plus(route=f"/{i}"), rule="ab"[i % 2] + "_rule")
        for i in range(12)
    ]
    return sorted(all_, key=lambda one: (one.opened_ms, one.id), reverse=True)


def page(state: State, **query: Any) -> Page:
    with state.reading() as session:
        return BOOK.page(session, Query(**query))


def test_pages_in_a_row_hold_everything_once(state: State) -> None:
    expected = filled(state)
    found: list[Regression] = []
    cursor = None
    while True:
        one = page(state, limit=5, cursor=cursor)
        found += one.regressions
        cursor = one.next_cursor
        if cursor is None:
            break
    assert found == expected


@pytest.mark.parametrize("limit", [12, 13, 50])
def test_the_last_page_has_no_cursor(state: State, limit: int) -> None:
    expected = filled(state)
    one = page(state, limit=limit)
    assert (list(one.regressions), one.next_cursor) == (expected, None)


def test_what_opens_while_somebody_pages_moves_nothing(state: State) -> None:
    expected = filled(state)
    first = page(state, limit=5)
    opened(state, 99, labels=SEARCH)
    opened(state, 0, labels=CART.plus(route="/late"))
    second = page(state, limit=50, cursor=first.next_cursor)
    rest = [one for one in second.regressions if one.labels.get("route") != "/late"]
    assert [*first.regressions, *rest] == expected


@pytest.mark.parametrize("look", [1, 2, 5, 12])
@pytest.mark.parametrize("query", [{}, {"rule": "a_rule"}, {"rule": "b_rule", "signal": "api_p95"}])
def test_a_page_that_looked_far_enough_says_where_to_go_on(
    state: State, monkeypatch: pytest.MonkeyPatch, look: int, query: dict[str, Any]
) -> None:
    monkeypatch.setattr(paging, "LOOK", look)
    every = filled(state)
    expected = [one for one in every if one.rule == query.get("rule", one.rule)]
    found: list[Regression] = []
    pages = 0
    cursor = None
    while pages == 0 or cursor is not None:
        one = page(state, limit=5, cursor=cursor, severity=expected[0].severity, **query)
        assert len(one.regressions) <= min(5, look)
        found += one.regressions
        cursor = one.next_cursor
        pages += 1
    assert found == expected
    assert pages >= len(expected) // min(5, look)


def test_what_nothing_meets_is_looked_for_only_so_far(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = filled(state)
    monkeypatch.setattr(paging, "LOOK", 4)
    one = page(state, severity=Severity.CRITICAL)
    assert (one.regressions, read(one.next_cursor or "")) == (
        (),
        (expected[3].opened_ms, expected[3].id),
    )


def test_an_empty_book_has_an_empty_page(state: State) -> None:
    assert page(state) == Page((), None)


@pytest.mark.parametrize(
    ("query", "routes"),
    [
        ({}, {"/cart", "/search", "/checkout"}),
        ({"phases": (Phase.OPEN,)}, {"/search", "/checkout"}),
        ({"phases": (Phase.RESOLVED,)}, {"/cart"}),
        ({"severity": Severity.CRITICAL}, {"/checkout"}),
        ({"signal": "api_mean"}, {"/search"}),
        ({"rule": "api_mean_slow"}, {"/search"}),
        ({"target": "till"}, {"/checkout"}),
        ({"target": "absent"}, set()),
        ({"since_ms": NOON_MS + MINUTE_MS}, {"/search", "/checkout"}),
        ({"until_ms": NOON_MS + MINUTE_MS}, {"/cart", "/search"}),
        ({"phases": (Phase.OPEN, Phase.MUTED), "target": "shop"}, {"/search"}),
    ],
)
def test_filters_narrow_the_answer(state: State, query: dict[str, Any], routes: set[str]) -> None:
    resolved(state, opened(state), 5)
    opened(state, 1, labels=SEARCH, **MEAN)
    till = Labels.of(target="till", route="/checkout")
    opened(state, 2, labels=till, severity=Severity.CRITICAL)
    assert {one.labels.get("route") for one in page(state, **query).regressions} == routes


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "ä",
        "%00",
        *(
            base64.urlsafe_b64encode(text.encode()).decode()
            for text in ("reg", "1", "1.", ".reg_1", "-1.reg_1", "1_0.reg_1", "٣.reg_1", "1.a b")
        ),
        base64.urlsafe_b64encode(b"1" * 30 + b".reg_1").decode(),
        base64.urlsafe_b64encode(b"1.reg\x00_1").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe.reg_1").decode(),
    ],
)
def test_a_cursor_that_was_not_handed_out_is_refused(state: State, cursor: str) -> None:
    with pytest.raises(BadCursorError, match="was not handed out by this API"):
        page(state, cursor=cursor)


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    one = regression()
    assert read(written(one.opened_ms, one.id)) == (one.opened_ms, one.id)
    assert "=" not in written(one.opened_ms, one.id)


# --- deployments ---


def test_a_deployment_is_stored_once(state: State) -> None:
    assert posted(state, deployment(0))
    assert not posted(state, deployment(0))
    assert not posted(state, replace(deployment(0), id="dep_of_somebody_else"))
    assert posted(state, deployment(0, version="2.7.2"))
    with state.reading() as session:
        found = BOOK.deployments(session, NOON_MS, NOON_MS)
    assert {one.version for one in found} == {"2.7.1", "2.7.2"}
    assert deployment(0) in found


def test_deployments_are_found_by_their_time(state: State) -> None:
    for minute in (3, 1, 2):
        posted(state, deployment(minute))
    with state.reading() as session:
        found = BOOK.deployments(session, NOON_MS + MINUTE_MS, NOON_MS + 2 * MINUTE_MS)
    assert [one.at_ms for one in found] == [NOON_MS + MINUTE_MS, NOON_MS + 2 * MINUTE_MS]


def test_a_new_incident_names_the_deployment_that_fits(state: State) -> None:
    posted(state, deployment(-25))
    posted(state, deployment(-24, service="other"))
    posted(state, deployment(-10))
    opened(state)
    assert only(state).deployment == deployment(-25)
    assert only(state).version == 1


def test_a_deployment_that_does_not_fit_is_not_named(state: State) -> None:
    posted(state, deployment(-51))
    posted(state, deployment(-14))
    opened(state)
    assert only(state).deployment is None


def test_a_deployment_that_is_told_late_is_linked_and_news(state: State) -> None:
    opened(state)
    posted(state, deployment(-25))
    assert (only(state).deployment, only(state).version) == (deployment(-25), 2)
    posted(state, deployment(-25))
    posted(state, deployment(-24))
    assert (only(state).deployment, only(state).version) == (deployment(-25), 2)


def test_a_late_deployment_is_linked_to_no_incident_that_is_over_or_elsewhere(
    state: State,
) -> None:
    resolved(state, opened(state), 5)
    opened(state, 60, labels=SEARCH)
    posted(state, deployment(-25))
    assert [one.deployment for one in incidents(state)] == [None, None]
    assert sorted(one.version for one in incidents(state)) == [1, 2]


def test_a_later_regression_may_bring_the_deployment(state: State) -> None:
    opened(state)
    posted(state, deployment(20))
    assert only(state).deployment is None
    opened(state, 40, **MEAN)  # no news by itself
    assert (only(state).deployment, only(state).version) == (deployment(20), 2)


def test_a_later_regression_does_not_change_the_deployment_that_was_named(state: State) -> None:
    posted(state, deployment(-25))
    opened(state)
    posted(state, deployment(20))
    opened(state, 40, **MEAN)
    assert (only(state).deployment, only(state).version) == (deployment(-25), 1)


# --- progress ---


def test_progress_is_kept_by_name(state: State) -> None:
    with state.unit() as session:
        assert BOOK.progress_ms(session, "tick") is None
        BOOK.advance(session, "tick", 5)
        BOOK.advance(session, "other", 9)
        BOOK.advance(session, "tick", 7)
    with state.reading() as session:
        assert BOOK.progress_ms(session, "tick") == 7
        assert BOOK.progress_ms(session, "other") == 9


def test_an_action_during_a_tick_is_not_lost_and_neither_is_the_tick(state: State) -> None:
    one = opened(state)
    wish = Wish(action=Action.ACKNOWLEDGE, actor="ada", at_ms=NOON_MS + 5)

    def acknowledge() -> None:
        with state.unit() as session:
            BOOK.act(session, one.id, wish)

    person = threading.Thread(target=acknowledge)
    with state.unit() as session:
        (known,) = BOOK.watched(session, lock=True)
        person.start()
        person.join(0.2)
        assert person.is_alive()  # it waits for the tick
        BOOK.save(session, replace(known, value=7.0, worst=7.0), [])
    person.join()
    with state.reading() as session:
        after = BOOK.regression(session, one.id)
    assert after is not None
    assert (after.phase, after.value, after.by) == (Phase.ACKNOWLEDGED, 7.0, "ada")


def test_what_nobody_is_told_of_has_no_incident(state: State) -> None:
    opened(state, kind=Kind.IMPROVEMENT)
    opened(state, 1, phase=Phase.SUSPECTED, **MEAN)
    assert incidents(state) == []


def test_what_comes_back_after_its_incident_was_over_opens_it_again(state: State) -> None:
    one = opened(state)
    over = resolved(state, one, 5)
    assert only(state).phase is Phase.RESOLVED
    assert posted(state, deployment(50))
    lo_ms, hi_ms = (NOON_MS + minute * MINUTE_MS for minute in (55, 60))
    again = replace(
        over,
        phase=Phase.REOPENED,
        version=2,
        resolved_ms=None,
        began_lo_ms=lo_ms,
        began_hi_ms=hi_ms,
    )
    with state.unit() as session:
        BOOK.save(session, again, [step(again, Step.REOPENED)])
    after = only(state)
    assert (after.phase, after.resolved_ms, after.version) == (Phase.OPEN, None, 3)
    assert after.deployment == deployment(50)


def test_what_comes_back_into_an_open_incident_is_news_in_it(state: State) -> None:
    one, _ = opened(state), opened(state, 1, **ERRORS)
    over = resolved(state, one, 5)
    before = only(state).version
    again = replace(over, phase=Phase.REOPENED, version=2, resolved_ms=None)
    with state.unit() as session:
        BOOK.save(session, again, [step(again, Step.REOPENED)])
    assert (only(state).id, only(state).version) == (one.incident_id, before + 1)


def test_a_muted_one_raises_no_version_however_bad_it_gets(state: State) -> None:
    one = opened(state)
    muted = saved(state, one, 1, Step.MUTED, phase=Phase.MUTED)
    before = only(state).version
    saved(state, muted, 2, Step.ESCALATED, severity=Severity.CRITICAL)
    assert (only(state).version, only(state).severity) == (before, Severity.CRITICAL)


def test_an_escalation_by_size_is_news(state: State) -> None:
    one = opened(state)
    saved(state, one, 1, Step.ESCALATED, phase=Phase.ESCALATED)
    assert only(state).version == 2


def test_a_comment_is_no_news(state: State) -> None:
    one = opened(state)
    saved(state, one, 1, Step.COMMENTED)
    assert only(state).version == 1


def test_those_of_one_signal_are_read_alone(state: State) -> None:
    one = opened(state)
    other = opened(state, 1, rule="errors", signal="api_error_rate")
    with state.reading() as session:
        every = BOOK.spans(session, NOON_MS)
        assert {each.id for each in every} == {one.id, other.id}
        mine = BOOK.spans(session, NOON_MS, Depth.WHOLE, "api_p95")
        assert [each.id for each in mine] == [one.id]
        assert BOOK.accepted(session, 0, signal="api_p95") == []

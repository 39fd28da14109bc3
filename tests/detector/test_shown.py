"""What lists read of regressions and incidents is what is kept of them, on both databases."""

from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session, select

from detector import headed, shown
from detector.book import Book
from detector.finding import Check, Finding, Peers, Slots, proven
from detector.headed import Headed
from detector.incident_tables import FindingRow
from detector.paging import Query, page
from detector.regression import HOLDING, Kind, Phase, Severity, Tag
from detector.shown import LISTED
from detector.tables import IncidentRow
from detector.units import Unit
from storage.series import Labels
from storage.state import State
from tests.detector.regressions import MINUTE_MS, NOON_MS, deployment, regression, step

VISITS = {"mix": {"left": 0.4, "by": ["device"], "moved": []}}
ODD: list[dict[str, Any]] = [
    {"evidence": {"visits": VISITS, "n": 3.0}, "unit": Unit.RATIO, "severity": Severity.CRITICAL},
    {"evidence": {"of_hours": True, "deviation": None}, "tags": (Tag.COST_SHIFT,)},
    {"baseline": None, "labels": Labels.of(), "silent_since_ms": NOON_MS, "title": "ä \"b\" 'c' %"},
    {"kind": Kind.IMPROVEMENT, "worse": "down", "runbook": ""},
    {"phase": Phase.SUSPECTED, "labels": Labels.of(target="other", route="/x")},
    {"phase": Phase.MUTED, "muted_until_ms": NOON_MS + 1, "by": "ada", "version": 3},
]


@pytest.fixture
def book(state: State) -> Book:
    """A book with a regression of each oddness; one deployment fits, and its tests passed."""
    made = Book()
    with state.unit() as session:
        made.add_deployment(session, deployment(-16))
        for number, changes in enumerate(ODD):
            one = regression(number, rule=f"rule{number}", fingerprint=f"f{number}", **changes)
            made.open(session, one, step(one))
        passed = {"slots": Slots(check=Check.PASSED, days=7), "peers": Peers(check=Check.PASSED)}
        for row in session.exec(select(FindingRow)):
            known = row.domain()
            proof = tuple(replace(one, **passed) for one in known.correlations)  # type: ignore[arg-type]
            row.keep(row.at_ms, replace(known, correlations=proof))
            session.add(row)
    return made


def test_a_shown_regression_is_the_whole_one_as_far_as_it_is_shown(
    state: State, book: Book
) -> None:
    with state.reading() as session:
        whole = page(session, Query()).regressions
        fits = expected_fits(session, book)
    with state.looking() as view:
        found, cursor = shown.page(view, Query())
    assert cursor is None
    assert len(found) == len(ODD)
    for one, other in zip(found, whole, strict=True):
        for name in (*LISTED, "labels", "tags"):
            assert getattr(one.regression, name) == getattr(other, name)
        for name in ("visits", "of_hours"):
            assert one.regression.evidence.get(name) == other.evidence.get(name)
        assert one.fit == fits.get(other.incident_id)
    assert {one.fit is None for one in found} == {True, False}
    assert {bool(one.fit and one.fit.probable) for one in found} == {True, False}


def expected_fits(session: Session, book: Book) -> dict[str, shown.Fit]:
    """The deployments that fit, by incident, from all that is kept of these."""
    return {
        one.id: shown.Fit(
            one.deployment,
            one.opened_ms,
            proven(one.finding.correlations, one.deployment.id),
        )
        for one in book.incidents(session, True)
        if one.deployment is not None
    }


@pytest.mark.parametrize(
    "query",
    [
        Query(limit=2),
        Query(phases=(Phase.OPEN, Phase.MUTED), limit=1),
        Query(phases=HOLDING, limit=50),
        Query(phases=(), limit=50),
        Query(rule="rule1", signal="api_p95", target="shop"),
        Query(severity=Severity.CRITICAL, kind=Kind.REGRESSION),
        Query(since_ms=NOON_MS + MINUTE_MS, until_ms=NOON_MS + 3 * MINUTE_MS),
    ],
)
def test_a_shown_page_holds_what_a_whole_page_holds(state: State, book: Book, query: Query) -> None:
    cursor, other_cursor = None, None
    for _ in ODD:
        with state.reading() as session:
            whole = page(session, replace(query, cursor=other_cursor))
        with state.looking() as view:
            found, cursor = shown.page(view, replace(query, cursor=cursor))
        other_cursor = whole.next_cursor
        assert [one.regression.id for one in found] == [one.id for one in whole.regressions]
        assert cursor == other_cursor
        if cursor is None:
            return
    raise AssertionError("the pages do not end")


def test_a_headed_incident_holds_what_the_whole_one_holds(state: State, book: Book) -> None:
    with state.unit() as session:
        session.add(
            IncidentRow(
                id="inc_empty",
                labels={},
                phase=Phase.RESOLVED,
                severity=Severity.INFO,
                opened_ms=NOON_MS - 1,
                resolved_ms=NOON_MS,
                version=1,
            )
        )
        session.flush()
        gone = Finding(merged_into="inc_other", storm=True)
        session.add(FindingRow.of("inc_empty", NOON_MS, gone))
    with state.reading() as session:
        whole = sorted(book.incidents(session, True), key=lambda one: -one.opened_ms)
    found: list[Headed] = []
    cursor = None
    for _ in whole:
        with state.looking() as view:
            some, cursor = headed.page(view, headed.Wanted(limit=1, cursor=cursor))
        found += some
    assert cursor is None
    assert len(whole) > 2
    for one, other in zip(found, whole, strict=True):
        for name in ("id", "labels", "phase", "severity", "opened_ms", "resolved_ms", "is_muted"):
            assert getattr(one, name) == getattr(other, name)
        assert one.finding == replace(other.finding, correlations=())
        members = {each.id: each for each in one.regressions}
        assert members.keys() == {each.id for each in other.regressions}
        for each in other.regressions:
            for name in (*headed.MEMBER, "labels", "change"):
                assert getattr(members[each.id], name) == getattr(each, name)


def test_a_regression_without_an_incident_fits_nothing(state: State, book: Book) -> None:
    with state.looking() as view:
        found, _ = shown.page(view, Query(kind=Kind.IMPROVEMENT))
    assert [(one.regression.incident_id, one.fit) for one in found] == [("", None)]

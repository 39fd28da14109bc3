"""Incidents on disk: they join, become one, move their origin, and keep every step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from detector.around import Sides
from detector.book import Book
from detector.dependencies import Dependencies
from detector.finding import Check, OriginReason, OriginVerdict
from detector.findings import Looking
from detector.group import STORM_SERVICES
from detector.incident_tables import Step
from detector.incidents import Incidents
from detector.meters import IncidentMeters
from detector.regression import Incident, Kind, Phase, Regression
from detector.regression import Step as Taken
from detector.shape import NOTHING_KNOWN, Agreement, Likeness
from storage.state import State
from tests.detector.regressions import MINUTE_MS, NOON_MS, deployment, step
from tests.detector.test_group import CHAIN, KINDS, one


@dataclass
class Pretended:
    """A past that the test makes up: who is alike, and what the windows around a change were."""

    alike: bool = False
    sides_: Sides | None = None
    asked: list[str] = field(default_factory=list)

    def compare(self, one: Regression, other: Regression, now_ms: int) -> Agreement:
        return Agreement(Likeness.TOGETHER, 0.8, 90) if self.alike else NOTHING_KNOWN

    def sides(
        self, one: Regression, members: Sequence[Regression], at_ms: int, now_ms: int
    ) -> Sides | None:
        self.asked.append(one.id)
        return self.sides_

    def kinds_of(self, now_ms: int) -> Mapping[str, frozenset[str]]:
        return {}


class Desk:
    """A book whose grouping knows the chain of a shop."""

    def __init__(self, state: State, around: Pretended | None = None) -> None:
        self.state, self.around = state, around or Pretended()
        self.registry = CollectorRegistry()
        looking = Looking(KINDS, CHAIN.dependencies, self.around)
        self.book = Book(Incidents(looking, IncidentMeters(self.registry)))

    def tick(self, minute: int, *found: Regression) -> None:
        now_ms = NOON_MS + minute * MINUTE_MS
        with self.state.unit() as session:
            self.book.settle(session, [(each, (step(each),)) for each in found], now_ms)

    def all(self) -> list[Incident]:
        with self.state.reading() as session:
            return self.book.incidents(session, True)

    def steps(self, incident_id: str) -> list[Step]:
        with self.state.reading() as session:
            return [each.step for each in self.book.grouping.steps(session, incident_id)]

    def resolve(self, regression_id: str, minute: int) -> None:
        with self.state.unit() as session:
            found = self.book.regression(session, regression_id)
            assert found is not None
            at_ms = NOON_MS + minute * MINUTE_MS
            over = replace(found, phase=Phase.RESOLVED, resolved_ms=at_ms, updated_ms=at_ms)
            self.book.save(session, over, [step(over, Taken.RESOLVED)])

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def desk(state: State) -> Desk:
    return Desk(state)


CACHE, DB, API = (
    one(0, "sessions", "cache_hit_rate"),
    one(9, "orders", "db_p95"),
    one(18, "shop", "api_p95"),
)


def test_what_joins_is_a_new_version_with_its_tie_kept(desk: Desk) -> None:
    desk.tick(15, CACHE)
    desk.tick(24, DB)
    (incident,) = desk.all()
    assert {r.id for r in incident.regressions} == {CACHE.id, DB.id}
    assert incident.version == 2
    assert desk.steps(incident.id) == [Step.OPENED, Step.JOINED, Step.ORIGIN]
    assert desk.count("plimsoll_incident_joins_total", bond="declared_dependency") == 1


def test_two_incidents_become_one_and_the_younger_points_to_the_older(desk: Desk) -> None:
    desk.tick(15, CACHE)
    desk.tick(33, API)
    assert len(desk.all()) == 2
    desk.tick(35, DB)
    winner, loser = desk.all()
    assert {r.id for r in winner.regressions} == {CACHE.id, DB.id, API.id}
    assert all(r.incident_id == winner.id for r in winner.regressions)
    assert (loser.regressions, loser.phase) == ((), Phase.RESOLVED)
    assert loser.finding.merged_into == winner.id
    assert (loser.version, loser.resolved_ms) == (2, NOON_MS + 35 * MINUTE_MS)
    assert winner.version > 1
    assert Step.TOOK_OVER in desk.steps(winner.id)
    assert desk.steps(loser.id)[-1] is Step.MERGED
    assert desk.count("plimsoll_incidents_merged_total") == 1


def test_a_repeated_tick_makes_nothing_new(desk: Desk) -> None:
    desk.tick(15, CACHE)
    desk.tick(33, API)
    desk.tick(35, DB)
    once = desk.all(), [desk.steps(each.id) for each in desk.all()]
    desk.tick(35, DB)
    desk.tick(33, API, CACHE)
    assert (desk.all(), [desk.steps(each.id) for each in desk.all()]) == once


def test_after_it_became_one_the_incident_ends_as_one(desk: Desk) -> None:
    desk.tick(15, CACHE)
    desk.tick(33, API)
    desk.tick(35, DB)
    for minute, each in ((50, CACHE), (51, DB)):
        desk.resolve(each.id, minute)
    assert desk.all()[0].phase is Phase.OPEN
    desk.resolve(API.id, 52)
    winner, loser = desk.all()
    assert (winner.phase, winner.resolved_ms) == (Phase.RESOLVED, NOON_MS + 52 * MINUTE_MS)
    assert loser.finding.merged_into == winner.id


def test_the_order_within_a_tick_makes_no_difference(state: State) -> None:
    desk = Desk(state)
    desk.tick(40, API, CACHE, DB)
    (incident,) = desk.all()
    assert incident.id.startswith("inc_")
    assert incident.opened_ms == min(r.opened_ms for r in (CACHE,))
    assert incident.version == 1


def test_a_late_joiner_that_changed_before_the_others_moves_the_origin(desk: Desk) -> None:
    desk.tick(24, DB)
    desk.tick(33, API)
    (before,) = desk.all()
    assert before.finding.origin.regression_id == DB.id
    desk.tick(36, CACHE)
    (after,) = desk.all()
    assert after.finding.origin.regression_id == CACHE.id
    assert after.finding.origin.verdict is OriginVerdict.PROBABLE
    assert after.finding.origin.reasons == (OriginReason.EARLIEST, OriginReason.DEEPEST)
    assert after.version > before.version
    with desk.state.reading() as session:
        moved = desk.book.grouping.steps(session, after.id)[-1]
    assert (moved.step, moved.evidence["from"], moved.evidence["to"]) == (
        Step.ORIGIN,
        DB.id,
        CACHE.id,
    )


def test_many_services_at_once_are_a_storm_without_an_origin(state: State) -> None:
    desk = Desk(state, Pretended(alike=True))
    desk.tick(15, *[one(0, f"s{i}") for i in range(STORM_SERVICES)])
    (incident,) = desk.all()
    assert incident.finding.storm
    assert incident.finding.origin.verdict is OriginVerdict.NOT_TOLD_APART
    assert len(incident.finding.origin.among) == STORM_SERVICES
    assert Step.STORM in desk.steps(incident.id)
    assert desk.count("plimsoll_incident_storms_total") == 1
    assert desk.count("plimsoll_incident_joins_total", bond="shape") == STORM_SERVICES - 1


def test_a_limit_that_had_a_say_is_counted(desk: Desk) -> None:
    desk.tick(100, *[one(12 * i, route=f"/{i}") for i in range(7)])
    assert len(desk.all()) == 2
    assert desk.count("plimsoll_incident_limits_total", limit="span") == 1


def sides(after: float, peer_after: float, windows: int = 12) -> Sides:
    level = np.full(12, 100.0)
    days = np.tile(level, (7, 1))
    beside = np.tile(level, (3, 1))
    return Sides(level, level[:windows] * after, days, days, beside, beside * peer_after)


@pytest.mark.parametrize(
    ("after", "peer_after", "slots", "peers"),
    [
        (1.4, 1.0, Check.PASSED, Check.PASSED),
        (1.4, 1.4, Check.PASSED, Check.FAILED),
        (1.0, 1.0, Check.FAILED, Check.UNKNOWN),
    ],
)
def test_the_comparisons_of_a_deployment_are_kept(
    state: State, after: float, peer_after: float, slots: Check, peers: Check
) -> None:
    desk = Desk(state, Pretended(sides_=sides(after, peer_after)))
    with state.unit() as session:
        desk.book.add_deployment(session, deployment(15, "shop"))
    desk.tick(33, API)
    (incident,) = desk.all()
    (fit,) = incident.finding.correlations
    assert (fit.slots.check, fit.peers.check) == (slots, peers)
    assert fit.probable is (slots is peers is Check.PASSED)
    assert incident.deployment == deployment(15, "shop")


def test_what_could_not_be_compared_yet_is_compared_later_and_is_news(state: State) -> None:
    around = Pretended(sides_=sides(1.4, 1.0, windows=2))
    desk = Desk(state, around)
    with state.unit() as session:
        desk.book.add_deployment(session, deployment(15, "shop"))
    desk.tick(33, API)
    assert not desk.all()[0].finding.correlations[0].probable
    around.sides_ = sides(1.4, 1.0)
    desk.tick(34)
    assert not desk.all()[0].finding.correlations[0].probable  # not every minute
    desk.tick(35)
    (incident,) = desk.all()
    assert incident.finding.correlations[0].probable
    assert incident.version == 2
    assert desk.steps(incident.id)[-1] is Step.TESTED
    asked = len(around.asked)
    desk.tick(35)
    assert len(around.asked) == asked
    desk.tick(33 + 125)
    assert len(around.asked) == asked  # by then the hour after the change is long over


def test_a_deployment_that_was_told_late_is_looked_at(desk: Desk) -> None:
    desk.tick(33, API)
    with desk.state.unit() as session:
        desk.book.add_deployment(session, deployment(15, "shop"))
        desk.book.add_deployment(session, deployment(500, "shop"))
    (incident,) = desk.all()
    assert [fit.version for fit in incident.finding.correlations] == ["2.7.1"]
    assert Step.CORRELATED in desk.steps(incident.id)


def test_a_closer_deployment_takes_the_place_of_a_stranger(desk: Desk) -> None:
    with desk.state.unit() as session:
        desk.book.add_deployment(session, deployment(16, "till"))
    desk.tick(33, API)
    assert desk.all()[0].deployment == deployment(16, "till")
    with desk.state.unit() as session:
        desk.book.add_deployment(session, deployment(14, "shop"))
    (incident,) = desk.all()
    assert incident.deployment == deployment(14, "shop")
    assert [fit.service for fit in incident.finding.correlations] == ["shop", "till"]
    assert incident.version == 2


def test_without_any_past_nothing_is_alike_and_nothing_probable(state: State) -> None:
    book = Book(Incidents(Looking(KINDS, Dependencies())))
    with state.unit() as session:
        book.add_deployment(session, deployment(15, "shop"))
        book.open(session, API, step(API))
        book.open(session, one(18, "till"), step(one(18, "till")))
    with state.reading() as session:
        first, second = book.incidents(session, True)
    assert first.finding.correlations[0].slots.check is Check.UNKNOWN
    assert second.finding.origin.verdict is OriginVerdict.ONLY_ONE


# --- what comes back, and what is confirmed later ---


def again(desk: Desk, regression_id: str, minute: int) -> Regression:
    """A regression that is over, as it is when it comes back."""
    with desk.state.reading() as session:
        found = desk.book.regression(session, regression_id)
    assert found is not None
    at_ms = NOON_MS + minute * MINUTE_MS
    return replace(
        found, phase=Phase.REOPENED, version=found.version + 1, resolved_ms=None,
        began_lo_ms=at_ms - 15 * MINUTE_MS, began_hi_ms=at_ms - 10 * MINUTE_MS,
        held_since_ms=at_ms, updated_ms=at_ms,
    )  # fmt: skip


def test_what_comes_back_opens_its_own_incident_again_with_the_deployment_of_this_time(
    desk: Desk,
) -> None:
    desk.tick(15, CACHE)
    desk.resolve(CACHE.id, 50)
    (over,) = desk.all()
    assert over.phase is Phase.RESOLVED
    back = again(desk, CACHE.id, 600)
    with desk.state.unit() as session:
        desk.book.add_deployment(session, deployment(580, "sessions", "9.9"))
        desk.book.save(session, back, [step(back, Taken.REOPENED)])
    (incident,) = desk.all()
    assert (incident.id, incident.phase, incident.resolved_ms) == (over.id, Phase.OPEN, None)
    assert incident.version == over.version + 1
    assert incident.deployment is not None
    assert incident.deployment.version == "9.9"
    assert desk.steps(incident.id)[-2:] == [Step.REOPENED, Step.CORRELATED]


def test_what_came_back_is_tested_as_a_young_incident_is(state: State) -> None:
    desk = Desk(state)
    desk.tick(15, CACHE)
    desk.resolve(CACHE.id, 50)
    back = again(desk, CACHE.id, 600)
    with state.unit() as session:
        desk.book.add_deployment(session, deployment(580, "sessions", "9.9"))
        desk.book.save(session, back, [step(back, Taken.REOPENED)])
    asked = desk.around.asked
    asked.clear()
    desk.tick(610)
    assert asked == [CACHE.id]
    desk.tick(800)
    assert asked == [CACHE.id]


def test_what_comes_back_to_a_part_of_another_incident_opens_that_one(desk: Desk) -> None:
    desk.tick(15, CACHE)
    desk.tick(33, API)
    desk.tick(35, DB)
    winner, loser = desk.all()
    for each in (CACHE, DB, API):
        desk.resolve(each.id, 60)
    # As it was read before the two became one.
    lost = replace(again(desk, API.id, 600), incident_id=loser.id)
    with desk.state.unit() as session:
        desk.book.save(session, lost, [step(lost, Taken.REOPENED)])
    after = {one.id: one for one in desk.all()}
    assert after[loser.id] == loser
    assert after[winner.id].phase is Phase.OPEN
    assert API.id in {one.id for one in after[winner.id].regressions}


def test_suspicions_and_improvements_have_no_incident_until_they_are_confirmed(
    desk: Desk,
) -> None:
    doubted = replace(DB, phase=Phase.SUSPECTED)
    better = one(18, "prices", "api_p95", kind=Kind.IMPROVEMENT)
    desk.tick(15, CACHE, doubted, better)
    (incident,) = desk.all()
    assert [each.id for each in incident.regressions] == [CACHE.id]
    at_ms = NOON_MS + 24 * MINUTE_MS
    desk.tick(24, replace(DB, held_since_ms=at_ms, updated_ms=at_ms), API)
    (incident,) = desk.all()
    assert {each.id for each in incident.regressions} == {CACHE.id, DB.id, API.id}


@pytest.mark.parametrize("phase", [Phase.ACKNOWLEDGED, Phase.ESCALATED, Phase.MUTED])
def test_whatever_is_not_over_is_known_to_be_regressed(desk: Desk, phase: Phase) -> None:
    desk.tick(15, one(0, id="reg-mean", rule="mean", phase=phase))
    # Three hours later only the same thing can tie it.
    desk.tick(200, one(180, id="reg-p95", rule="p95"))
    (incident,) = desk.all()
    assert len(incident.regressions) == 2
    assert incident.version == 1  # the same thing by another rule is no news

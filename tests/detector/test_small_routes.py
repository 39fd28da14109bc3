"""Routes with few page views: judged with their group, else with the app, and told once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from detector.book import Book
from detector.config import build_signals, shipped
from detector.findings import Looking
from detector.group import PART_NEAR_MS, Bond, Ties, arrange, is_news
from detector.group import Group as Standing
from detector.incidents import Incidents
from detector.judgement import Judgement, Reason, Verdict
from detector.pooling import Level, Pools
from detector.regression import Incident, Phase, Regression, Severity
from storage.series import Labels
from storage.state import State
from tests.detector.page_views import Group, store
from tests.detector.regressions import regression, step
from tests.detector.watch import HOUR_MS, NOON_MS, Watch, definitions

SIGNALS, RULES = shipped()
LEVELS = ("rum_lcp", "rum_lcp_route_group", "rum_lcp_all_routes")
SHELF = tuple(Group(60, 1.2, route=f"/shelf/{name}") for name in "abcdefghij")
REST = (Group(4000, 1.2), Group(600, 1.4, route="/blog/:id"), Group(300, 1.0, route="/about"))


def slower(groups: Iterable[Group], times: float = 1.3) -> tuple[Group, ...]:
    """The same page views, all of them slower."""
    return tuple(replace(one, median=times * one.median) for one in groups)


def lived(
    tmp_path: Path,
    usual: Sequence[Group],
    now: Sequence[Group],
    levels: Sequence[str] = LEVELS,
    *,
    parts: bool = True,
) -> tuple[Watch, list[Judgement]]:
    """Eight usual days and four hours of another kind, ticked hour by hour; what is said last."""
    rules = {name: one for name, one in RULES.items() if one["signal"] in levels}
    if not parts:
        rules = {n: {**one, "gates": {**one["gates"], "min_parts": 0}} for n, one in rules.items()}
    chosen = definitions(rules, {name: SIGNALS[name] for name in levels})
    book = Book(Incidents(Looking(pools=Pools(chosen.signals))))
    watch = Watch(tmp_path, chosen, book)
    end_ms = NOON_MS + 3 * HOUR_MS
    hours = [
        (end_ms - back * HOUR_MS, now if back < 4 else usual) for back in range(8 * 24 + 4, -1, -1)
    ]
    store(watch.history, "LCP", levels, hours, newest=7)
    for hour in range(4):
        verdicts = watch.detector.tick(NOON_MS + hour * HOUR_MS)
    return watch, [row for one in verdicts for row in one.rows()]


def opened(watch: Watch) -> dict[tuple[str, str], Regression]:
    """What opened, by its rule and the place."""
    return {
        (one.rule, one.labels.get("route_group") or one.labels.get("route")): one
        for one in watch.regressions()
    }


def incidents(watch: Watch) -> list[Incident]:
    """All of them."""
    with watch.state.reading() as session:
        return watch.book.incidents(session, True)


def test_ten_small_routes_are_judged_together_and_not_lost_in_the_app(tmp_path: Path) -> None:
    watch, said = lived(tmp_path, (*SHELF, *REST), (*slower(SHELF), *REST))
    assert list(opened(watch)) == [("rum_lcp_regression_route_group", "/shelf")]
    alone = [one for one in said if one.labels.get("route").startswith("/shelf/")]
    assert {(one.verdict, one.reason) for one in alone} == {
        (Verdict.UNKNOWN, Reason.TOO_FEW_OBSERVATIONS)
    }
    (whole,) = [one for one in said if one.signal == "rum_lcp_all_routes"]
    assert whole.verdict is Verdict.STEADY
    watch.close()


def test_without_the_groups_small_routes_are_lost_in_the_app(tmp_path: Path) -> None:
    levels = ("rum_lcp", "rum_lcp_all_routes")
    watch, _ = lived(tmp_path, (*SHELF, *REST), (*slower(SHELF), *REST), levels)
    assert opened(watch) == {}
    watch.close()


def test_route_group_and_app_of_one_cause_are_one_incident_told_once(tmp_path: Path) -> None:
    usual = tuple(replace(one, n=900) for one in SHELF[:3]) + REST[2:]
    watch, _ = lived(tmp_path, usual, (*slower(usual[:3], 1.5), *usual[3:]))
    found = opened(watch)
    assert set(found) == {
        *(("rum_lcp_regression", f"/shelf/{name}") for name in "abc"),
        ("rum_lcp_regression_route_group", "/shelf"),
        ("rum_lcp_regression_all_routes", ""),
    }
    (one,) = incidents(watch)
    assert (one.version, len(one.regressions)) == (1, 5)
    watch.close()


@pytest.mark.parametrize("parts", [True, False])
def test_a_group_of_one_route_is_left_to_the_route(tmp_path: Path, parts: bool) -> None:
    usual = (*REST[:2], Group(900, 1.2, route="/about"), Group(300, 1.2, route="/help"))
    now = (*usual[:2], *slower(usual[2:3], 1.5), usual[3])
    watch, said = lived(tmp_path, usual, now, parts=parts)
    routes = {("rum_lcp_regression", "/about")}
    groups = {("rum_lcp_regression_route_group", "/about")}
    assert set(opened(watch)) == (routes if parts else routes | groups)
    if parts:
        (group,) = [one for one in said if one.labels.get("route_group") == "/about"]
        assert (group.verdict, group.reason) == (Verdict.REJECTED, Reason.MIN_PARTS)
    watch.close()


def test_a_group_is_not_slower_because_a_slow_route_of_it_is_busier(tmp_path: Path) -> None:
    usual = (Group(900, 1.0, route="/shelf"), Group(100, 3.0, route="/shelf/:id"), *REST)
    now = (Group(500, 1.0, route="/shelf"), Group(500, 3.0, route="/shelf/:id"), *REST)
    watch, said = lived(tmp_path, usual, now)
    (group,) = [one for one in said if one.labels.get("route_group") == "/shelf"]
    assert (group.verdict, group.reason) == (Verdict.REJECTED, Reason.MIX)
    assert "route" in group.visits["mix"]["by"]
    # Of the routes of other groups it knows nothing: they would have hidden the change.
    moved = {one["visitors"]["route"] for one in group.visits["mix"]["moved"]}
    assert moved == {"/shelf", "/shelf/:id"}
    watch.close()


# --- what is told ---------------------------------------------------------------------------------

POOLS = Pools(build_signals({name: SIGNALS[name] for name in (*LEVELS, "rum_inp")}))
ROUTE = ("rum_lcp", Labels.of(service="shop", route="/shelf/a", device="mobile"))
GROUP = ("rum_lcp_route_group", Labels.of(service="shop", route_group="/shelf", device="mobile"))
WHOLE = ("rum_lcp_all_routes", Labels.of(service="shop", device="mobile"))


def of(series: tuple[str, Labels], minute: int = 0, **more: object) -> Regression:
    """A regression of a series that set in about so many minutes after noon."""
    return regression(minute, signal=series[0], rule=series[0], labels=series[1], **more)


def incident(*members: Regression) -> Incident:
    """An open incident of these."""
    return Incident(
        id="inc",
        labels=Labels(),
        phase=Phase.OPEN,
        severity=Severity.WARNING,
        opened_ms=NOON_MS,
        resolved_ms=None,
        version=1,
        regressions=members,
    )


@pytest.mark.parametrize(
    ("known", "new", "news"),
    [
        (ROUTE, GROUP, False),
        (ROUTE, WHOLE, False),
        (GROUP, WHOLE, False),
        (WHOLE, ROUTE, False),
        (GROUP, (ROUTE[0], ROUTE[1].plus(route="/shelf/b")), False),
        (GROUP, (ROUTE[0], ROUTE[1].plus(route="/blog/:id")), True),
        (GROUP, (GROUP[0], GROUP[1].plus(route_group="/blog")), True),
        (GROUP, (ROUTE[0], ROUTE[1].plus(device="desktop")), True),
        (ROUTE, (ROUTE[0], ROUTE[1].plus(route="/shelf/b")), True),
        (("rum_inp", ROUTE[1]), GROUP, True),
    ],
)
def test_what_holds_a_regression_with_others_is_no_news_beside_it(
    known: tuple[str, Labels], new: tuple[str, Labels], news: bool
) -> None:
    assert is_news(of(new, 1), incident(of(known)), POOLS) is news


def test_a_worse_one_is_news_beside_its_part() -> None:
    worse = of(WHOLE, 1, severity=Severity.CRITICAL)
    assert is_news(worse, incident(of(ROUTE)), POOLS)


@pytest.mark.parametrize("order", [(ROUTE, GROUP, WHOLE), (WHOLE, GROUP, ROUTE)])
def test_what_joins_its_parts_in_a_later_tick_makes_no_new_version(
    state: State, order: Sequence[tuple[str, Labels]]
) -> None:
    book, versions = Book(Incidents(Looking(pools=POOLS))), []
    for minute, series in zip((0, 60, 120), order, strict=True):
        with state.unit() as session:
            fresh = of(series, minute, fingerprint=f"{minute}")
            book.open(session, fresh, step(fresh))
            (known,) = book.open_incidents(session)
            versions.append((known.version, len(known.regressions)))
    assert versions == [(1, 1), (1, 2), (1, 3)]
    # Where it began is the finest of them: the others hold it together with more.
    (route,) = [one for one in known.regressions if one.signal == ROUTE[0]]
    with state.reading() as session:
        (incident_,) = book.open_incidents(session)
    assert incident_.finding.origin.regression_id == route.id


@pytest.mark.parametrize("pools", [POOLS, Pools()])
def test_of_what_is_not_known_to_hold_it_everything_is_news(state: State, pools: Pools) -> None:
    book = Book(Incidents(Looking(pools=pools)))
    for minute, series in ((0, ROUTE), (2, GROUP)):
        with state.unit() as session:
            fresh = of(series, minute, fingerprint=f"{minute}")
            book.open(session, fresh, step(fresh))
            (known,) = book.open_incidents(session)
    assert known.version == (1 if pools is POOLS else 2)


@pytest.mark.parametrize(("minutes", "together"), [(100, True), (185, True), (186, False)])
def test_parts_of_each_other_that_moved_in_the_same_hours_are_one_incident(
    minutes: int, together: bool
) -> None:
    first, later = of(ROUTE), of(GROUP, minutes)
    assert PART_NEAR_MS == 180 * 60_000
    ties = Ties(pools=POOLS)
    (found,) = arrange([later], [Standing("inc", NOON_MS, (first,))], ties).joined
    assert (found.incident_id == "inc") is together
    if together:
        assert [one.bond for one in found.links] == [Bond.SAME_THING]
    over = replace(first, phase=Phase.RESOLVED)
    (apart,) = arrange([later], [Standing("inc", NOON_MS, (over,))], ties).joined
    assert apart.incident_id == ""
    (strangers,) = arrange([later], [Standing("inc", NOON_MS, (first,))], Ties()).joined
    assert strangers.incident_id == ""


# --- where a series is judged ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "level", "judged"),
    [
        ({ROUTE: 200, GROUP: 640, WHOLE: 5000}, Level.ITSELF, ROUTE),
        ({ROUTE: 199, GROUP: 640, WHOLE: 5000}, Level.POOL, GROUP),
        ({ROUTE: 60, GROUP: 120, WHOLE: 5000}, Level.POOL, WHOLE),
        ({ROUTE: 60, GROUP: 120, WHOLE: 180}, Level.NOWHERE, None),
        ({GROUP: 300, WHOLE: 300}, Level.POOL, GROUP),
    ],
)
def test_a_series_is_judged_at_the_finest_level_with_enough(
    n: dict[tuple[str, Labels], float], level: Level, judged: tuple[str, Labels] | None
) -> None:
    found = POOLS.standing(
        *ROUTE, lambda signal, labels: n.get((signal, labels), 0.0), lambda signal: 200.0
    )
    assert found.level is level
    step = found.judged
    assert (None if step is None else (step.signal.name, step.labels)) == judged


def test_a_level_that_no_rule_looks_at_is_none() -> None:
    n = {ROUTE: 60.0, GROUP: 640.0, WHOLE: 5000.0}

    def counted(signal: str, labels: Labels) -> float:
        return n[signal, labels]

    without = POOLS.standing(*ROUTE, counted, lambda one: None if "group" in one else 200.0)
    assert without.judged is not None
    assert without.judged.signal.name == WHOLE[0]
    nothing = POOLS.standing(*ROUTE, counted, lambda one: None)
    assert (nothing.level, nothing.judged) == (Level.UNJUDGED, None)


def test_what_a_user_made_of_the_labels_is_no_pool_any_more() -> None:
    texts = {name: SIGNALS[name] for name in LEVELS}
    texts["rum_lcp"] = {**texts["rum_lcp"], "by": ["service", "route"]}
    changed = Pools(build_signals(texts))
    assert list(changed.above("rum_lcp", Labels.of(service="shop", route="/a"))) == []
    assert changed.members("rum_lcp_route_group") == []
    assert [one.name for one in changed.members("rum_lcp_all_routes")] == ["rum_lcp_route_group"]

"""Which regressions are one incident, whatever their order; and which are news."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import detector.group
from detector.dependencies import Dependencies
from detector.group import (
    MOST_MEMBERS,
    SPAN_MS,
    STORM_SERVICES,
    Arrangement,
    Bond,
    Group,
    Limit,
    Ties,
    arrange,
    is_storm,
    shared,
    subject,
)
from detector.regression import Phase, Regression
from detector.shape import Agreement, Likeness
from storage.series import Labels
from tests.detector.regressions import MINUTE_MS, NOON_MS, regression

KINDS = {"api_p95": "api", "db_p95": "database", "cache_hit_rate": "cache"}
CHAIN = Ties(KINDS, Dependencies({"shop": ("orders",), "orders": ("sessions",)}))
ALIKE = Agreement(Likeness.TOGETHER, 0.8, 100)


def one(minute: int, target: str = "shop", signal: str = "api_p95", **changes: Any) -> Regression:
    """A regression of a service whose change set in within five minutes from a minute on."""
    lo_ms = NOON_MS + minute * MINUTE_MS
    labels = Labels.of(target=target, route=changes.pop("route", f"/{target}"))
    values = {
        "signal": signal,
        "rule": f"{signal}_slow",
        "labels": labels,
        "began_lo_ms": lo_ms,
        "began_hi_ms": lo_ms + 5 * MINUTE_MS,
    }
    return regression(minute + 15, **{**values, **changes})


def group(id_: str, *members: Regression) -> Group:
    return Group(id_, min(r.opened_ms for r in members), members)


def sets(found: Arrangement) -> set[frozenset[str]]:
    return {frozenset(r.id for r in each.newcomers) for each in found.joined}


def ids(*members: Regression) -> frozenset[str]:
    return frozenset(r.id for r in members)


@pytest.mark.parametrize(
    ("labels", "thing"),
    [
        (
            {"target": "shop", "route": "/cart", "method": "GET"},
            {"target": "shop", "route": "/cart"},
        ),
        (
            {"target": "shop", "route": "/cart", "status": "500"},
            {"target": "shop", "route": "/cart"},
        ),
        (
            {"target": "shop", "cache": "prices", "tier": "l1"},
            {"target": "shop", "cache": "prices"},
        ),
        ({"target": "host", "mountpoint": "/"}, {"target": "host"}),
        ({"pod": "a"}, {}),
    ],
)
def test_method_status_and_tier_do_not_make_two_things(
    labels: dict[str, str], thing: dict[str, str]
) -> None:
    assert subject(Labels.of(labels)) == Labels.of(thing)


def test_what_several_things_share_is_what_all_of_them_have() -> None:
    members = (one(0, route="/a"), one(0, route="/b"))
    assert shared(members) == Labels.of(target="shop")
    assert shared(members[:1]) == Labels.of(target="shop", route="/a")
    assert shared(()) == Labels()


# --- what ties ---


def test_one_service_at_one_time_is_one_incident() -> None:
    a, b, stranger = one(0, route="/a"), one(3, route="/b"), one(1, "till")
    assert sets(arrange([a, b, stranger], (), Ties())) == {ids(a, b), ids(stranger)}


def test_a_declared_dependency_ties_through_what_did_not_regress() -> None:
    cache, api = one(0, "sessions", "cache_hit_rate"), one(4, "shop")
    (joined,) = arrange([api, cache], (), CHAIN).joined
    assert [link.bond for link in joined.links] == [Bond.DECLARED]
    assert len(arrange([api, cache], (), Ties(KINDS)).joined) == 2


@pytest.mark.parametrize("gap_ms", [600_000, 600_001])
def test_changes_are_of_one_time_within_ten_minutes(gap_ms: int) -> None:
    first = one(0)
    lo_ms = first.began_hi_ms + gap_ms
    second = one(0, route="/b", began_lo_ms=lo_ms, began_hi_ms=lo_ms + 1)
    assert len(arrange([first, second], (), Ties()).joined) == (1 if gap_ms == 600_000 else 2)


def test_what_is_known_to_be_ill_takes_other_rules_at_any_time_as_long_as_it_is() -> None:
    known, later = one(0), one(300, rule="api_p95_high")
    (joined,) = arrange([later], [group("inc_1", known)], Ties()).joined
    assert (joined.incident_id, joined.links[0].bond) == ("inc_1", Bond.SAME_THING)
    over = replace(known, phase=Phase.RESOLVED)
    assert arrange([later], [group("inc_1", over)], Ties()).joined[0].incident_id == ""
    machine = Labels.of(target="host")
    cpu, memory = (one(at, signal=name, labels=machine) for at, name in ((0, "cpu"), (300, "mem")))
    assert arrange([memory], [group("inc_1", cpu)], Ties()).joined[0].incident_id == ""


def test_without_an_owner_only_its_like_belongs_to_it() -> None:
    bare, like, shop = one(0, labels=Labels()), one(1, signal="x", labels=Labels()), one(0)
    assert sets(arrange([bare, like, shop], (), Ties())) == {ids(bare, like), ids(shop)}


def test_an_only_choice_by_kind_ties_and_does_not_prove_two_to_be_one() -> None:
    kinds = {"redis": frozenset({"cache"}), "shop": frozenset({"api"})}
    ties = Ties(KINDS, Dependencies(kinds_of=kinds))
    cache, api = one(0, "redis", "cache_hit_rate"), one(1)
    (joined,) = arrange([api, cache], (), ties).joined
    assert joined.links[0].bond is Bond.KINDS
    two = {**kinds, "memo": frozenset({"cache"})}
    standing = [group("inc_1", cache), group("inc_2", one(1, "memo", "cache_hit_rate"))]
    (joined,) = arrange([api], standing, Ties(KINDS, Dependencies(kinds_of=two))).joined
    assert (joined.incident_id, joined.absorbed) == ("inc_1", ())


# --- likeness ---


def test_what_moves_together_joins_and_what_does_not_stays_apart() -> None:
    first, newcomer = one(0, "a"), one(1, "b")
    alike = Ties(compare=lambda a, b: ALIKE)
    (joined,) = arrange([newcomer], [group("inc_1", first)], alike).joined
    assert (joined.incident_id, joined.links[0].agreement) == ("inc_1", ALIKE)
    apart, unknown = (Agreement(one_, 0.8, 100) for one_ in (Likeness.APART, Likeness.UNKNOWN))
    for ties in (Ties(compare=lambda a, b: apart), Ties(compare=lambda a, b: unknown)):
        assert arrange([newcomer], [group("inc_1", first)], ties).joined[0].incident_id == ""


def test_what_changed_at_another_time_is_not_even_compared() -> None:
    alike = Ties(compare=lambda a, b: ALIKE)
    found = arrange([one(40, "b")], [group("inc_1", one(0, "a"))], alike)
    assert found == Arrangement(found.joined)
    assert found.joined[0].incident_id == ""


def test_what_the_same_thing_brought_in_later_draws_in_nobody() -> None:
    known, later = one(0), one(300, rule="api_p95_high")
    found = arrange([one(300, route="/other")], [group("inc_1", known, later)], Ties())
    assert (found.joined[0].incident_id, found.limits) == ("", ())


def test_likeness_is_to_the_first_and_never_makes_two_incidents_one() -> None:
    a, b, c = one(0, "a"), one(1, "b"), one(2, "c")

    def like_b(mine: Regression, other: Regression) -> Agreement:
        return ALIKE if "b" in (mine.labels.get("target"), other.labels.get("target")) else c_apart

    c_apart = Agreement(Likeness.APART, 0.5, 100)
    found = arrange([c], [group("inc_1", a, b)], Ties(compare=like_b))
    assert found.joined[0].incident_id == ""
    alike = Ties(compare=lambda mine, other: ALIKE)
    (joined,) = arrange([b], [group("inc_1", a), group("inc_2", c)], alike).joined
    assert joined.absorbed == ()


def test_comparisons_of_one_tick_are_limited_and_said_to_be() -> None:
    strangers = [one(0, f"s{i}") for i in range(10)]
    asked: list[str] = []

    def compare(mine: Regression, other: Regression) -> Agreement:
        asked.append(mine.id)
        return Agreement(Likeness.APART, 0.5, 100)

    found = arrange(strangers, (), Ties(compare=compare))
    assert len(asked) == 24
    assert Limit.COMPARISONS in found.limits


# --- bounds ---


def test_a_chain_of_changes_ends_after_an_hour() -> None:
    chain = [one(12 * i, route=f"/{i}") for i in range(12)]
    found = arrange(chain, (), Ties())
    assert len(found.joined) == 2
    assert Limit.SPAN in found.limits
    for each in found.joined:
        begins = [r.began_lo_ms for r in each.newcomers]
        assert max(begins) - min(begins) <= SPAN_MS


def test_an_incident_has_room_for_so_many() -> None:
    many = [one(0, route=f"/{i}") for i in range(MOST_MEMBERS + 5)]
    found = arrange(many, (), Ties())
    assert sorted(len(each.newcomers) for each in found.joined) == [5, MOST_MEMBERS]
    assert Limit.MEMBERS in found.limits
    full = [group("inc_1", *many[:60]), group("inc_2", *[one(0, "sessions", route=f"/{i}")
            for i in range(60)])]  # fmt: skip
    found = arrange([one(1, "orders", "db_p95")], full, CHAIN)
    assert (found.joined[0].absorbed, found.limits) == ((), (Limit.MEMBERS,))


def test_many_services_at_once_are_a_storm() -> None:
    services = [one(0, f"s{i}") for i in range(STORM_SERVICES)]
    assert is_storm(services)
    assert not is_storm(services[1:])
    assert not is_storm([one(0, route=f"/{i}") for i in range(20)])


# --- over ticks ---


def test_two_incidents_that_a_newcomer_proves_to_be_one_become_one() -> None:
    cache, api = one(0, "sessions", "cache_hit_rate"), one(18)
    between = one(9, "orders", "db_p95")
    standing = [group("inc_b", cache), group("inc_a", api)]
    (joined,) = arrange([between], standing, CHAIN).joined
    assert (joined.incident_id, joined.absorbed) == ("inc_b", ("inc_a",))
    merged = group("inc_b", cache, api, between)
    assert arrange([], [merged], CHAIN) == Arrangement(())
    (again,) = arrange([one(10, "orders", "db_p95", route="/x")], [merged], CHAIN).joined
    assert (again.incident_id, again.absorbed) == ("inc_b", ())


def test_incidents_too_far_apart_are_not_made_one() -> None:
    early, late = one(0), one(SPAN_MS // MINUTE_MS + 5, route="/b")
    middle = [one(m, route=f"/{m}") for m in (15, 30, 45, 60)]
    standing = [group("inc_1", early, *middle), group("inc_2", late)]
    found = arrange([one(58, route="/c")], standing, Ties())
    assert all(not each.absorbed for each in found.joined)
    assert Limit.SPAN in found.limits


regressions = st.lists(
    st.builds(
        lambda minute, target, route, signal: one(minute, target, signal, route=f"/{route}"),
        st.integers(0, 120),
        st.sampled_from(["shop", "orders", "sessions", "till", "a", "b"]),
        st.integers(0, 3),
        st.sampled_from(sorted(KINDS)),
    ),
    max_size=12,
    unique_by=lambda r: r.id,
)


def by_name(mine: Regression, other: Regression) -> Agreement:
    """Some strangers move together."""
    like = {mine.labels.get("target"), other.labels.get("target")} == {"a", "b"}
    return ALIKE if like else Agreement(Likeness.APART, 0.5, 100)


BOTH = replace(CHAIN, compare=by_name)


@given(regressions, st.randoms(use_true_random=False))
def test_the_order_within_a_tick_makes_no_difference(found: list[Regression], random: Any) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert arrange(found, (), BOTH) == arrange(shuffled, (), BOTH)


@given(regressions, regressions, st.randoms(use_true_random=False))
def test_so_it_is_beside_open_incidents(
    known: list[Regression], found: list[Regression], random: Any
) -> None:
    standing = [
        group(f"inc_{i}", *each.newcomers) for i, each in enumerate(arrange(known, (), BOTH).joined)
    ]
    fresh = [r for r in found if r.id not in ids(*known)]
    mixed, turned = list(fresh), list(standing)
    random.shuffle(mixed)
    random.shuffle(turned)
    result = arrange(fresh, standing, BOTH)
    assert result == arrange(mixed, turned, BOTH)
    placed = [r.id for each in result.joined for r in each.newcomers]
    assert sorted(placed) == sorted(r.id for r in fresh)
    absorbed = [id_ for each in result.joined for id_ in each.absorbed]
    assert len(absorbed) == len(set(absorbed))
    assert not set(absorbed) & {each.incident_id for each in result.joined}


def test_a_bad_minute_of_thousands_does_not_compare_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    real = detector.group.tie

    def counted(newcomer: Regression, members: Any, ties: Ties) -> Any:
        nonlocal asked
        asked += 1
        return real(newcomer, members, ties)

    monkeypatch.setattr(detector.group, "tie", counted)
    strangers = [one(0, f"s{i}") for i in range(1000)]
    assert len(arrange(strangers, (), CHAIN).joined) == 1000
    assert asked < 100

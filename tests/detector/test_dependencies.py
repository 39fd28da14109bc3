"""What rests on what: declared, by kind within a service, guessed where only one can be meant."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.dependencies import Dependencies, Edge, Place, cycle, place_of
from storage.series import Labels

SHOP, TILL = "shop", "till"


def place(name: str, kind: str) -> Place:
    return Place("", name, kind)


@pytest.mark.parametrize(
    ("upper", "lower", "edge"),
    [
        ("database", "cache", Edge.SAME_SERVICE),
        ("api", "database", Edge.SAME_SERVICE),
        ("api", "cache", Edge.SAME_SERVICE),
        ("web", "api", Edge.SAME_SERVICE),
        ("cache", "api", None),
        ("api", "api", None),
        ("api", "resource", None),
        ("other", "cache", None),
    ],
)
def test_within_a_service_the_order_of_kinds_holds(
    upper: str, lower: str, edge: Edge | None
) -> None:
    assert Dependencies().rests_on(place(SHOP, upper), place(SHOP, lower)) is edge


def test_a_service_goes_before_its_target() -> None:
    one = Place("shop", "gateway", "api")
    assert one.shares_owner(Place("shop", "other", "api"))
    assert not one.shares_owner(Place("till", "gateway", "api"))
    assert one.shares_owner(Place("", "gateway", "api"))
    assert one.shares_owner(Place("", "shop", "api"))
    assert not Place("", "", "api").shares_owner(Place("", "", "api"))
    assert place_of(Labels.of(target="a", service="b"), "api").owner == "b"


def test_what_is_declared_reaches_through_others_whatever_the_kinds() -> None:
    declared = Dependencies({"web": ("shop",), "shop": ("stock",)})
    assert declared.rests_on(place("web", "web"), place("stock", "api")) is Edge.DECLARED
    assert declared.rests_on(place("stock", "api"), place("web", "web")) is None
    assert declared.linked(place("stock", "api"), place("web", "web")) is Edge.DECLARED


KINDS = {"redis": frozenset({"cache", "resource"}), SHOP: frozenset({"api", "database"})}


def test_a_cache_of_its_own_serves_the_only_api_there_is() -> None:
    alone = Dependencies(kinds_of=KINDS)
    assert alone.rests_on(place(SHOP, "api"), place("redis", "cache")) is Edge.KINDS
    both = Dependencies(kinds_of={**KINDS, TILL: frozenset({"api"})})
    assert both.rests_on(place(SHOP, "api"), place("redis", "cache")) is None


def test_the_browsers_rest_on_the_only_api_there_is() -> None:
    kinds = {SHOP: frozenset({"api"}), "pages": frozenset({"web"})}
    assert Dependencies(kinds_of=kinds).rests_on(place("pages", "web"), place(SHOP, "api"))
    kinds[TILL] = frozenset({"api"})
    assert not Dependencies(kinds_of=kinds).rests_on(place("pages", "web"), place(SHOP, "api"))


def test_the_database_of_one_shop_is_not_that_of_another() -> None:
    kinds = {SHOP: frozenset({"api", "database"}), TILL: frozenset({"web"})}
    assert Dependencies(kinds_of=kinds).rests_on(place("x", "api"), place(SHOP, "database")) is None


def test_nothing_is_guessed_where_something_is_declared_or_guessing_is_off() -> None:
    upper, lower = place(SHOP, "api"), place("redis", "cache")
    assert Dependencies({SHOP: ("pg",)}, kinds_of=KINDS).rests_on(upper, lower) is None
    assert Dependencies({TILL: ("redis",)}, kinds_of=KINDS).rests_on(upper, lower) is None
    assert Dependencies(guess=False, kinds_of=KINDS).rests_on(upper, lower) is None
    assert Dependencies().rests_on(upper, lower) is None


def test_a_circle_is_told_in_the_order_in_which_it_is_needed() -> None:
    assert cycle({"a": ["b"], "b": ["c"]}) == ()
    assert cycle({"a": ["a"]}) == ("a", "a")
    found = cycle({"x": ["a"], "a": ["b"], "b": ["a"]})
    assert found in (("a", "b", "a"), ("b", "a", "b"))


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names, max_size=3).map(tuple)))
def test_nothing_rests_on_itself_and_nobody_rests_on_each_other(
    needs: dict[str, tuple[str, ...]],
) -> None:
    circle = cycle(needs)
    if circle:
        assert circle[0] == circle[-1]
        assert all(b in needs[a] for a, b in pairwise(circle))
        return
    declared = Dependencies(needs)
    for a in "abcdef":
        for b in "abcdef":
            there = declared.rests_on(place(a, "api"), place(b, "api"))
            back = declared.rests_on(place(b, "api"), place(a, "api"))
            assert not (there and back)


kinds_known = st.dictionaries(
    names, st.frozensets(st.sampled_from(["cache", "database", "api", "web", "resource"]))
)
places = st.builds(
    Place,
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", *"abcdef"]),
    st.sampled_from(["cache", "database", "api", "web"]),
)


@given(
    st.dictionaries(names, st.lists(names, max_size=2).map(tuple), max_size=3),
    kinds_known,
    places,
    places,
)
def test_whatever_hangs_together_is_among_the_relatives(
    needs: dict[str, tuple[str, ...]],
    kinds: dict[str, frozenset[str]],
    one: Place,
    other: Place,
) -> None:
    known = Dependencies(needs, kinds_of=kinds)
    if known.linked(one, other) or one.shares_owner(other):
        assert known.relatives(one) & other.names

"""Labels are earned: by views, from several networks, within an hour, in few places."""

import pytest

from collector.rum.names import (
    HOUR_MS,
    MOST_CANDIDATES,
    OTHER,
    Names,
    Templates,
    clean_route,
    clean_text,
)

HOUR = 400_000 * HOUR_MS


def seen(names: Names, name: str, views: int, networks: int, at_ms: int = HOUR) -> str:
    label = ""
    for i in range(views):
        label = names.label(name, i % networks, at_ms)
    return label


def test_a_given_name_needs_to_earn_nothing() -> None:
    assert Names(("/",), 50, 20, 3).label("/", 1, HOUR) == "/"


def test_a_name_is_admitted_after_enough_views_from_enough_networks() -> None:
    names = Names((), 50, 20, 3)
    assert seen(names, "/a", 19, 3) == OTHER
    assert names.label("/a", 0, HOUR) == "/a"
    assert seen(names, "/b", 1000, 2) == OTHER
    assert seen(names, "/c", 10, 3) == OTHER
    assert seen(names, "/c", 10, 3, HOUR + HOUR_MS) == OTHER


def test_there_are_few_places_and_the_busier_name_gets_one() -> None:
    names = Names((), 2, 20, 3)
    assert seen(names, "/a", 100, 3) == "/a"
    assert seen(names, "/b", 30, 3) == "/b"
    assert seen(names, "/c", 45, 3) == OTHER
    assert seen(names, "/c", 1, 3) == "/c"
    assert names.admitted == {"/a", "/c"}
    assert names.label("/b", 1, HOUR) == OTHER


def test_a_name_that_is_not_used_any_more_gives_its_place_back() -> None:
    names = Names((), 2, 20, 3)
    seen(names, "/a", 100, 3)
    names.label("/x", 1, HOUR + HOUR_MS)
    assert names.admitted == {"/a"}
    names.label("/x", 1, HOUR + 20 * HOUR_MS)
    assert names.admitted == set()


def test_a_hundred_thousand_forged_names_take_no_place_and_little_memory() -> None:
    names = Names((), 50, 20, 3)
    seen(names, "/real", 100, 3)
    for i in range(100_000):
        assert names.label(f"/forged/{i}", i, HOUR) == OTHER
    assert names.admitted == {"/real"}
    assert len(names._candidates) <= MOST_CANDIDATES + 50


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/checkout/17", "/checkout/:id"),
        ("/checkout/new", "/checkout/new"),
        ("/checkout/17/pay", "/checkout/17/pay"),
        ("/blog/a/b", "/blog/[year]/{slug}"),
        ("/", "/"),
        ("/other", "/other"),
    ],
)
def test_a_path_is_counted_under_the_template_it_fits(path: str, template: str) -> None:
    templates = Templates(["/checkout/:id", "/checkout/new", "/blog/[year]/{slug}"])
    assert templates.fit(path) == template


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/a?token=1#x", "/a"),
        ("a", "/a"),
        ("/a/", "/a"),
        ("/", "/"),
        ("//", "/"),
        ("/a\n\x00b", "/ab"),
        ("/caf\u00e9", "/caf\u00e9"),
    ],
)
def test_a_route_is_a_path_that_can_be_shown(sent: str, shown: str) -> None:
    assert clean_route(sent) == shown


def test_a_text_is_shown_without_control_characters() -> None:
    assert clean_text("#a\x1b[31m\n>b") == "#a[31m>b"

"""Every ending of a page view in Chromium: all metrics arrive, once, in one small request."""

from typing import Any

import pytest

from api.built import built
from benchmarks._capture import COOKIE, TOKEN, Ending, Received
from tests.beacon.browser import ATTRIBUTES, MOST_BYTES, View, beacon, final, names, visit

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

ALL = ["CLS", "FCP", "INP", "LCP", "TTFB"]
# A restored page has no first byte, and neither has a soft navigation.
WITHOUT_TTFB = ["CLS", "FCP", "INP", "LCP"]
CASES = [(script, ending) for script in ("js", "attr.js") for ending in Ending]
# A page that is hidden and shown again, or comes back from the cache, may tell more.
REQUESTS = {Ending.BFCACHE: 2, Ending.HIDDEN_TWICE: 2}


@pytest.fixture(scope="module")
def views() -> dict[str, Received]:
    """Every ending, with the core and with attribution."""
    return visit({f"{script} {ending}": View(ending, script) for script, ending in CASES})


@pytest.fixture(params=CASES, ids=[f"{script}, {ending}" for script, ending in CASES])
def case(request: pytest.FixtureRequest, views: dict[str, Received]) -> tuple[Ending, Received]:
    script, ending = request.param
    return ending, views[f"{script} {ending}"]


def test_every_metric_arrives_once(case: tuple[Ending, Received]) -> None:
    ending, received = case

    kinds = {one["t"] for one in final(received).values()}
    match ending:
        case Ending.HIDDEN_AT_LOAD:
            # What was painted while nobody looked is no paint; so says CrUX too.
            assert names(received) == ["INP", "TTFB"]
        case Ending.SOFT:
            assert kinds == {"navigate", "soft-navigation"}
            assert names(received, "navigate") == ALL
            assert names(received, "soft-navigation") == sorted(WITHOUT_TTFB * 2)
        case Ending.BFCACHE:
            assert kinds == {"navigate", "back-forward-cache"}
            assert names(received, "navigate") == ALL
            assert names(received, "back-forward-cache") == WITHOUT_TTFB
        case _:
            assert kinds == {"navigate"}
            assert names(received) == ALL


def test_it_takes_one_request_and_no_preflight(case: tuple[Ending, Received]) -> None:
    ending, received = case

    sequences = [beacon(one)["s"] for one in received.posts]
    assert sequences == list(range(REQUESTS.get(ending, 1)))
    assert received.preflights == 0
    assert {one.path for one in received.posts} == {"/rum"}
    assert len({beacon(one)["p"] for one in received.posts}) == 1


def test_it_is_at_most_a_kilobyte(case: tuple[Ending, Received]) -> None:
    _, received = case

    assert max(len(one.body) for one in received.posts) <= MOST_BYTES


def test_no_cookie_goes_along_and_nothing_is_left_behind(case: tuple[Ending, Received]) -> None:
    _, received = case

    cookies, *stores = received.left_behind
    assert set(cookies.split("; ")) == {COOKIE}  # the site's own, which the receiver would get
    assert stores == [0, 0, 0]
    assert [one.headers["cookie"] for one in received.posts if "cookie" in one.headers] == []


def test_no_path_and_no_query_leaks(case: tuple[Ending, Received]) -> None:
    _, received = case

    for one in received.posts:
        assert one.headers["referer"] == f"{one.headers['origin']}/"
        assert "4711" not in one.text
        assert TOKEN.partition("=")[2] not in one.text


def test_it_says_what_the_protocol_asks_for(case: tuple[Ending, Received]) -> None:
    _, received = case

    for one in received.posts:
        payload = beacon(one)
        assert set(payload) <= {*"vkpsmr", "rel", "dt", "ct", "sd", "mem", "cpu"}
        assert (payload["v"], payload["k"], payload["rel"]) == (1, "shop", "web@1.4.2")
        assert (payload["r"], payload["dt"], payload["ct"]) == (1, "d", "4g")
        assert 8 <= len(payload["p"]) <= 40
        assert one.headers["content-type"] == "text/plain;charset=UTF-8"


def value(received: Received, name: str, kind: str = "navigate") -> list[float]:
    """The final values of a metric."""
    return [one["v"] for one in final(received).values() if (one["n"], one["t"]) == (name, kind)]


def test_the_values_are_those_of_the_page(views: dict[str, Received]) -> None:
    for ending in set(Ending) - {Ending.HIDDEN_AT_LOAD}:
        received = views[f"js {ending}"]
        (ttfb,), (fcp,), (lcp,) = (value(received, name) for name in ("TTFB", "FCP", "LCP"))
        (inp,) = value(received, "INP")
        assert 0 < ttfb <= fcp <= lcp, ending
        assert (500 if ending is Ending.HIDDEN_TWICE else 300) <= inp < 3_000, ending


def test_what_grows_after_the_first_hide_replaces_what_was_sent(views: dict[str, Received]) -> None:
    first, second = (beacon(one) for one in views[f"js {Ending.HIDDEN_TWICE}"].posts)

    (before,) = [one for one in first["m"] if one["n"] == "INP"]
    (after,) = [one for one in second["m"] if one["n"] == "INP"]
    assert after["i"] == before["i"]
    assert before["v"] < 500 <= after["v"]
    assert [one["n"] for one in second["m"] if one["n"] not in ("INP", "CLS")] == []


def test_a_soft_navigation_has_the_route_it_led_to(views: dict[str, Received]) -> None:
    received = views[f"js {Ending.SOFT}"]

    routes = {(one["t"], one["u"]) for one in final(received).values()}
    assert routes == {
        ("navigate", "/shop/:id"),
        ("soft-navigation", "/cart/:id"),
        ("soft-navigation", "/checkout"),
    }


def attributed(received: Received, name: str) -> dict[str, Any]:
    (found,) = [one["a"] for one in final(received).values() if one["n"] == name]
    assert isinstance(found, dict)
    return found


def test_attribution_names_the_element_its_parts_and_the_script(
    views: dict[str, Received],
) -> None:
    received = views[f"attr.js {Ending.CLOSE}"]
    lcp, inp = (attributed(received, name) for name in ("LCP", "INP"))

    assert (lcp["e"], len(lcp["d"])) == ("html>body>h1", 4)
    assert (inp["e"], inp["y"], len(inp["d"])) == ("#slow", "pointer", 3)
    assert abs(sum(lcp["d"]) - value(received, "LCP")[0]) <= 2
    assert inp["d"][1] >= 300
    assert inp["s"] == "/shop/:id"  # the script stands in the page


def test_the_worst_value_keeps_its_attribution_where_there_is_no_room(
    views: dict[str, Received],
) -> None:
    found = final(views[f"attr.js {Ending.SOFT}"]).values()
    kept = [one["u"] for one in found if one["n"] == "INP" and "a" in one]

    assert kept == ["/checkout"]
    assert [one for one in found if one["n"] == "CLS" and "a" in one] == []


def test_the_core_attributes_nothing(views: dict[str, Received]) -> None:
    for ending in Ending:
        assert [one for one in final(views[f"js {ending}"]).values() if "a" in one] == []
    assert b"longestScript" not in built("js").plain
    assert ATTRIBUTES.count("data-") == 3

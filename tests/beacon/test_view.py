"""What a page can ask of the beacon, and what may go wrong around it, in Chromium."""

import asyncio
from typing import Any

import pytest

from benchmarks._capture import IDLE, Ending, Received, Site, press, visited
from benchmarks._chromium import Chromium
from tests.beacon.browser import ATTRIBUTES, View, beacon, final, names, visit

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

ALL = ["CLS", "FCP", "INP", "LCP", "TTFB"]
NO_LATER = "delete self.fetchLater;"
NO_KEEPALIVE = f"{NO_LATER} delete Request.prototype.keepalive;"
COARSE = (
    "self.matchMedia = () => ({ matches: true });"
    "Object.defineProperty(self, 'screen', { value: { width: %d, height: %d } });"
)
TELLING_FETCH = (
    "const fetch_ = fetch; self.fetch = (url, how) =>"
    " fetch_(`${url}?${how.keepalive},${how.mode},${how.credentials}`, how);"
)
# The last but one is cut in the middle of a pair; the last carries half of one.
ERRORS = """
const fail = (message) => setTimeout(() => {
  const error = new Error(message);
  error.stack = 'Error\\n  at f (https://cdn.example/app.js?token=secret:1:2)\\n'.repeat(20);
  throw error;
}, 700);
fail('one'); fail('one'); fail('seen at https://shop.example/a?token=secret');
fail('x'.repeat(159) + '\\u{1f600}'); fail('half \\ud83d');
setTimeout(() => Promise.reject('rejected'), 900);
setTimeout(() => Promise.reject(), 950);
const more = () => {
  for (let i = 0; i < 20; i++) setTimeout(() => { throw new Error('more ' + i) });
};
addEventListener('unhandledrejection', () => setTimeout(more), { once: true });
"""
SOFT_NAVIGATIONS = 9


async def many(browser: Chromium, site: Site) -> list[Any]:
    """More soft navigations than fit into one beacon."""
    async with visited(browser, site) as tab:
        for number in range(SOFT_NAVIGATIONS):
            await tab.evaluate(f"void (one.onclick = go('/page-{'abcdefghij'[number]}'))")
            await tab.click("#one")
            # The next one begins when this one was painted and told.
            await tab.evaluate(IDLE)
            await asyncio.sleep(0.5)
        await tab.close()
    return []


async def quiet(browser: Chromium, site: Site) -> list[Any]:
    """Two soft navigations, and nothing is done after the second."""
    async with visited(browser, site) as tab:
        await press(tab, "#one")
        await press(tab, "#two")
        await tab.close()
    return []


async def parked(browser: Chromium, site: Site) -> list[Any]:
    """Hidden, shown and hidden again, with nothing between."""
    async with visited(browser, site) as tab:
        await press(tab, "#slow")
        other = await browser.tab(tab.profile)
        await tab.until("document.hidden")
        for one in (tab, other):
            await one.show()
            await asyncio.sleep(0.5)
    return []


def hook(code: str) -> str:
    return f"self.rumRoute = (url) => {{ {code} }};"


LATE = hook("return '/late'")
VIEWS = {
    "hook": View(before=hook("return url.pathname.replace(/4711$/, ':product')")),
    "late hook": View(before=f"setTimeout(() => {{ {LATE} }}, 500)"),
    "hook that throws": View(before=hook("throw new Error('no')")),
    "in the sample": View(
        attributes=f'{ATTRIBUTES} data-rate="0.5"', before="Math.random = () => 0.4999"
    ),
    "out of the sample": View(
        attributes=f'{ATTRIBUTES} data-rate="0.5"', before="Math.random = () => 0.5"
    ),
    "gpc": View(
        attributes=f"{ATTRIBUTES} data-gpc", before="navigator.__proto__.globalPrivacyControl = 1"
    ),
    "gpc, not asked for": View(before="navigator.__proto__.globalPrivacyControl = 1"),
    "twice": View(twice=True),
    "errors": View(before=ERRORS),
    "errors off": View(attributes=f'{ATTRIBUTES} data-errors="0"', before=ERRORS),
    "no fetchLater": View(Ending.NAVIGATE, before=NO_LATER),
    "no fetchLater, crash": View(Ending.CRASH, before=NO_LATER),
    "how it fetches": View(before=f"{NO_LATER} {TELLING_FETCH}"),
    "no keepalive": View(before=NO_KEEPALIVE),
    "fetch fails": View(before=f"{NO_LATER} self.fetch = () => Promise.reject(new Error());"),
    "quota": View(before="self.fetchLater = () => { throw new DOMException('', 'QuotaExceeded') }"),
    "webdriver": View(before="Object.defineProperty(navigator, 'webdriver', { value: true })"),
    "phone": View(before=COARSE % (844, 390)),
    "tablet": View(before=COARSE % (1180, 820)),
    "no random digits": View(before="Math.random = () => 0.5"),
    "soft navigations off": View(Ending.SOFT, attributes=f'{ATTRIBUTES} data-soft-navs="0"'),
    "many soft navigations": View(many),
    "quiet": View(quiet),
    "parked": View(parked),
    "long release": View(attributes=ATTRIBUTES.replace("web@1.4.2", "r" * 100)),
}


@pytest.fixture(scope="module")
def views() -> dict[str, Received]:
    return visit(VIEWS)


def only(received: Received) -> dict[str, Any]:
    """The payload of the only request."""
    (request,) = received.posts
    return beacon(request)


@pytest.mark.parametrize(
    ("view", "route"),
    [
        ("hook", "/shop/:product"),
        ("late hook", "/late"),
        ("hook that throws", "/shop/:id"),
    ],
)
def test_the_page_names_the_route_and_the_heuristic_stands_in(
    views: dict[str, Received], view: str, route: str
) -> None:
    assert names(views[view]) == ALL
    assert {one["u"] for one in final(views[view]).values()} == {route}


@pytest.mark.parametrize("view", ["out of the sample", "gpc"])
def test_a_view_that_is_not_measured_sends_nothing(views: dict[str, Received], view: str) -> None:
    assert views[view].requests == []


def test_a_sampled_view_tells_its_rate(views: dict[str, Received]) -> None:
    assert only(views["in the sample"])["r"] == 0.5


def test_privacy_control_counts_where_the_page_says_so(views: dict[str, Received]) -> None:
    assert names(views["gpc, not asked for"]) == ALL


def test_a_script_that_is_there_twice_measures_once(views: dict[str, Received]) -> None:
    assert sorted(one["n"] for one in only(views["twice"])["m"]) == ALL


def test_errors_are_few_short_and_without_queries(views: dict[str, Received]) -> None:
    errors = only(views["errors"])["e"]

    messages = [one["m"] for one in errors]
    assert messages == [
        "Uncaught Error: one",
        "Uncaught Error: seen at https://shop.example/a",
        ("Uncaught Error: " + "x" * 160)[:160],
        "Uncaught Error: half ?",
        "rejected",
    ]
    assert {one["u"] for one in errors} == {"/shop/:id"}
    for one in errors[:4]:
        assert one["s"].startswith("Error\n  at f (https://cdn.example/app.js:1:2)\n")
        assert len(one["s"].splitlines()) <= 5
        assert len(one["s"]) <= 600
    assert names(views["errors"]) == ALL


def test_errors_are_left_out_on_request(views: dict[str, Received]) -> None:
    assert "e" not in only(views["errors off"])


@pytest.mark.parametrize("view", ["no fetchLater", "no keepalive", "fetch fails", "quota"])
def test_one_request_whatever_the_browser_lacks(views: dict[str, Received], view: str) -> None:
    assert len(views[view].requests) == 1
    assert names(views[view]) == ALL
    assert views[view].posts[0].headers["content-type"] == "text/plain;charset=UTF-8"
    assert "e" not in only(views[view])  # what is lacking is no error of the page


def test_a_request_outlives_its_page_and_takes_nothing_along(views: dict[str, Received]) -> None:
    (request,) = views["how it fetches"].requests

    assert request.path == "/rum?true,no-cors,omit"


def test_only_the_last_resort_takes_cookies_along(views: dict[str, Received]) -> None:
    carrying = [
        name
        for name, received in views.items()
        if any("cookie" in one.headers for one in received.requests)
    ]

    assert carrying == ["no keepalive", "fetch fails"]


def test_only_a_browser_that_holds_a_beacon_survives_a_crash(views: dict[str, Received]) -> None:
    assert views["no fetchLater, crash"].requests == []


def test_what_drives_the_browser_is_told(views: dict[str, Received]) -> None:
    assert only(views["webdriver"])["wd"] == 1
    assert "wd" not in only(views["hook"])


def test_a_device_is_known_by_its_pointer_and_its_shorter_side(views: dict[str, Received]) -> None:
    kinds = {view: only(views[view])["dt"] for view in ("phone", "tablet", "hook")}

    assert kinds == {"phone": "m", "tablet": "t", "hook": "d"}


def test_the_name_of_a_view_is_long_enough_whatever_chance_gives(
    views: dict[str, Received],
) -> None:
    assert len(only(views["no random digits"])["p"]) >= 8


def test_soft_navigations_are_left_out_on_request(views: dict[str, Received]) -> None:
    assert names(views["soft navigations off"]) == ALL


def test_a_long_life_is_sent_in_pieces_that_the_receiver_takes(views: dict[str, Received]) -> None:
    payloads = [beacon(one) for one in views["many soft navigations"].posts]

    assert [one["s"] for one in payloads] == list(range(len(payloads)))
    assert len(payloads) == 2
    assert max(len(one["m"]) for one in payloads) == 30
    lcp = [one["u"] for one in final(views["many soft navigations"]).values() if one["n"] == "LCP"]
    assert sorted(lcp) == ["/page-" + one for one in "abcdefghi"] + ["/shop/:id"]


def test_no_interaction_is_made_up_where_there_was_none(views: dict[str, Received]) -> None:
    found = [one["u"] for one in final(views["quiet"]).values() if one["n"] == "INP"]

    assert sorted(found) == ["/cart/:id", "/shop/:id"]


def test_a_page_that_is_hidden_again_without_news_sends_nothing(
    views: dict[str, Received],
) -> None:
    assert names(views["parked"]) == ALL
    assert len(views["parked"].requests) == 1


def test_what_is_too_long_for_the_receiver_is_cut(views: dict[str, Received]) -> None:
    assert only(views["long release"])["rel"] == "r" * 64

"""Every page, for everybody: axe finds nothing, light and dark, on a desk and on a phone.

The pages are those of the menu, what they link to, one of each kind, and the doors that nothing
links to. A page that is new is found by its entry in the menu or by a link; one that is not found
fails a test by its path. Beside that the budgets: what a first visit costs.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize
from starlette.routing import Route

from api.app import ROUTERS
from api.house import House
from api.pages.navigation import ENTRIES
from tests.api.desk import desk_house
from tests.api.shop import close
from tests.api.test_pages_browser import Watched, browser, drawn, opened, serving

# What no other page links to.
DOORS = ("/sign-in", "/regressions/nothing-of-that-name")
# Between here and a provider: nothing of its own to look at, and none of it without a provider.
PASSED = {"/sign-in/oidc", "/sign-in/callback"}
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
MOST_BYTES = 100_000
MOST_SECONDS = 1.0
BY_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"], "resultTypes": ["violations"]}
PAINTED = """() => new Promise((done) => {
    let largest = 0, shifted = 0;
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) largest = one.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) if (!one.hadRecentInput) shifted += one.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done([largest / 1000, shifted]), 300);
})"""

__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The shop with people who are told of it."""
    house = desk_house(tmp_path_factory.mktemp("accessible"))
    yield house
    close(house)


@pytest.fixture(scope="module")
def address(desk: House) -> Iterator[str]:
    with serving(desk) as found:
        yield found


def patterns() -> dict[str, re.Pattern[str]]:
    """The paths of all pages, each as what matches it."""
    return {
        one.path: one.path_regex
        for router in ROUTERS
        for one in router.routes
        if isinstance(one, Route) and one.endpoint.__module__.startswith("api.pages")
        and "GET" in (one.methods or ()) and one.path not in PASSED
    }  # fmt: skip


def links(page: Page) -> list[str]:
    """The pages of ours that a page links to."""
    found: list[str] = page.eval_on_selector_all(
        "a[href^='/']", "all => all.map((one) => one.getAttribute('href'))"
    )
    return found


@pytest.fixture(scope="module")
def paths(browser: Browser, address: str) -> list[str]:
    """One path of each kind of page, found by following links from the menu."""
    known = patterns()
    found: dict[str, str] = {}
    with opened(browser, address, java_script_enabled=False) as watched:
        waiting = [one.path for one in ENTRIES] + [*DOORS]
        while waiting:
            path = waiting.pop(0)
            plain = path.partition("?")[0].partition("#")[0]
            kind = next((name for name, one in known.items() if one.match(plain)), None)
            if kind is None or kind in found:
                continue
            found[kind] = path
            watched.open(path)
            waiting += links(watched.page)
    assert set(found) == set(known), "a page that nothing links to: name it in DOORS"
    return [*found.values(), DOORS[1]]


def violations(page: Page, options: dict[str, Any] | None = None) -> list[str]:
    """What axe finds, each with where it is."""
    result = Axe().run(page, options=options or {"resultTypes": ["violations"]})
    return [
        f"{one['id']}: {node['html'][:160]} ({node.get('failureSummary', '')[:200]})"
        for one in result.response["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_on_any_page_light_or_dark(
    browser: Browser, address: str, paths: list[str], size: ViewportSize
) -> None:
    found: dict[str, list[str]] = {}
    with opened(browser, address, viewport=size, reduced_motion="reduce") as watched:
        page = watched.page
        for path in paths:
            page.emulate_media(color_scheme="light")
            watched.open(path)
            if page.query_selector("figure[data-chart]"):
                drawn(page)
            told = violations(page)
            page.emulate_media(color_scheme="dark")
            told += [f"dark: {one}" for one in violations(page, BY_COLOUR)]
            if told:
                found[path] = told
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), path
    assert found == {}


def test_nothing_goes_wrong_on_any_page_and_nobody_else_is_asked(
    browser: Browser, address: str, paths: list[str]
) -> None:
    with opened(browser, address) as watched:
        for path in paths:
            if path != DOORS[1]:  # a 404 is an error to the console
                watched.open(path)
                watched.page.wait_for_load_state("networkidle")
        assert watched.faults == []
        assert watched.foreign == []


def test_axe_is_heard(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/alerts")
        page.evaluate(
            "document.querySelector('select').closest('label').replaceWith(document.querySelector('select'))"
        )
        page.evaluate("document.querySelector('h1').style.color = '#e8e8e8'")
        told = " ".join(violations(page))
    assert "select-name" in told
    assert "color-contrast" in told


# --- budgets ---


class Weighed(Watched):
    """A page, and what its requests weighed on the wire."""

    def __init__(self, page: Page, address: str) -> None:
        super().__init__(page, address)
        self.weights: dict[str, int] = {}
        page.on("requestfinished", self.on_finished)

    def on_finished(self, request: Any) -> None:
        sizes = request.sizes()
        self.weights[request.url] = sizes["responseHeadersSize"] + sizes["responseBodySize"]


def visit(browser: Browser, address: str) -> tuple[Weighed, float, float]:
    """A first visit of the overview on a phone: what it weighed, the largest paint, the shift."""
    context = browser.new_context(viewport=PHONE)
    try:
        watched = Weighed(context.new_page(), address)
        page = watched.open("/")
        drawn(page)
        page.wait_for_load_state("networkidle")
        largest, shifted = page.evaluate(PAINTED)
        return watched, largest, shifted
    finally:
        context.close()


def test_a_first_visit_is_light_and_soon_there(browser: Browser, address: str) -> None:
    visits = [visit(browser, address) for _ in range(3)]
    for watched, largest, shifted in visits:
        assert sum(watched.weights.values()) < MOST_BYTES, watched.weights
        assert len(watched.weights) > 5
        assert shifted == 0
        assert largest > 0
        assert watched.faults == []
        assert watched.foreign == []
    # Others use this machine too, so the quickest visit counts.
    assert min(largest for _, largest, _ in visits) < MOST_SECONDS

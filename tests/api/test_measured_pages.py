"""Web vitals, caches, resources and deployments: REST, the pages, and the pages in Chromium."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from api.app import create_app
from api.house import House
from api.pages.render import templates
from collector.rum.vitals import VITALS
from tests.api import browsers
from tests.api.asking import Client, problem
from tests.api.shop import DEPLOYED_MS, NOW, Clock, close, deployment, empty_house
from tests.api.test_pages import text
from tests.api.test_pages_browser import NO_NOISE, SIZES, Watched, drawn, opened, serving
from tests.api.whole import COLLECTOR, whole_house
from tests.servers import missing

CHECKOUT = "/web-vitals/shop?route=%2Fcheckout%2F%3Aid&span=7d"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with something on every page. Tests do not change it."""
    made = whole_house(tmp_path_factory.mktemp("whole"), Clock())
    yield made
    close(made)


@pytest.fixture(scope="module")
def asked(house: House) -> Client:
    return Client(create_app(house))


@pytest.fixture(scope="module")
def deployed(asked: Client) -> str:
    """The id of the one deployment."""
    (one,) = json(asked, "/deployments")["items"]
    found: str = one["id"]
    return found


def json(asked: Client, path: str, **params: Any) -> dict[str, Any]:
    answer = asked.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


# --- web vitals ---------------------------------------------------------------------------------


def test_the_route_furthest_beyond_good_comes_first_and_the_unsure_last(asked: Client) -> None:
    items = json(asked, "/web-vitals/routes")["items"]
    assert [one["route"] for one in items] == ["/checkout/:id", "/cart", "/", "/about"]
    first, last = items[0], items[-1]
    assert (first["worst"], first["rating"]) == ("LCP", "poor")
    lcp = next(one for one in first["metrics"] if one["metric"] == "LCP")
    assert lcp["excess"] == pytest.approx(lcp["p75"] / 2.5)
    assert (last["worst"], last["rating"]) == (None, "unknown")
    assert items[1]["loss"]["coverage"] == pytest.approx(1, abs=0.1)
    assert first["loss"]["beacons_lost"] == pytest.approx(0.004)
    assert json(asked, "/web-vitals/routes", limit=1)["more"]
    assert json(asked, "/web-vitals/routes", device="tablet")["items"] == []


def test_routes_say_the_same_as_their_metrics(asked: Client) -> None:
    by_app = json(asked, "/web-vitals", by="app", route="/cart", metric="INP")["items"]
    (cart,) = json(asked, "/web-vitals/routes", route="/cart")["items"]
    inp = next(one for one in cart["metrics"] if one["metric"] == "INP")
    for name in ("n", "p75", "p75_low", "p75_high", "good", "poor"):
        assert inp[name] == by_app[0][name]


def test_a_trend_has_as_long_spans_as_make_its_percentiles_certain(asked: Client) -> None:
    busy = json(asked, "/web-vitals/trend", app="shop", route="/", metric="LCP")
    assert busy["window_seconds"] == 3 * 3600
    (curve,) = busy["series"]
    assert len(curve["end_ms"]) == 8 or len(curve["end_ms"]) == 9
    assert (
        sum(curve["n"])
        == json(asked, "/web-vitals", by="app", route="/", metric="LCP")["items"][0]["n"]
    )
    for low, value, high in zip(curve["low"], curve["value"], curve["high"], strict=True):
        assert value is None or low <= value <= high
    rare = json(asked, "/web-vitals/trend", app="shop", route="/about", metric="LCP")
    assert rare["window_seconds"] == 24 * 3600
    assert set(rare["series"][0]["value"]) <= {None}
    week = (NOW - timedelta(days=7)).isoformat()
    slow = json(asked, "/web-vitals/trend", app="shop", route="/checkout/:id", since=week)
    (curve,) = slow["series"]
    assert curve["value"][-1] > 1.1 * curve["value"][0]
    assert [one["version"] for one in slow["deployments"]] == ["2.7.1"]
    assert (slow["good"], slow["fair"]) == (2.5, 4.0)


@pytest.mark.parametrize("metric", list(VITALS))
def test_a_distribution_has_the_shares_of_the_ratings(asked: Client, metric: str) -> None:
    found = json(asked, "/web-vitals/distribution", app="shop", metric=metric)
    (whole,) = json(asked, "/web-vitals", by="app", app="shop", metric=metric)["items"]
    assert sum(one["n"] for one in found["items"]) == found["n"] == whole["n"]
    for rating in ("good", "needs_improvement", "poor"):
        shares = [one["share"] for one in found["items"] if one["rating"] == rating]
        assert sum(shares) == pytest.approx(whole[rating])
    assert found["items"][-1]["to"] is None
    nothing = json(asked, "/web-vitals/distribution", app="blog", metric=metric)
    assert (nothing["n"], nothing["items"]) == (0, [])


def test_the_list_tells_rating_count_and_losses_in_words(asked: Client) -> None:
    said = text(asked, "/web-vitals")
    assert said.index("/checkout/:id") < said.index("/cart LCP") < said.index("/about")
    assert "Lost beacons: 0.4 % of 6,000; views without an end: 1.5 % of 4,800" in said
    assert re.search(r"LCP 6\.\d+ s ▲ poor n \d{3}", said)
    assert "? too few values" in said
    assert "No page view of blog in the last 24h" in said
    assert "plimsoll beacon snippet --app blog" in said


def test_a_route_tells_all_that_is_known_of_it(asked: Client) -> None:
    said = text(asked, CHECKOUT)
    assert "coverage: not known" in said
    assert re.search(r"between [\d.]+ s and [\d.]+ s; n \d,\d{3}, enough to judge", said)
    assert re.search(r"[\d.]+ % good, [\d.]+ % needs improvement, [\d.]+ % poor", said)
    assert "web@2 is worse than web@1 : the bands of the p75 are apart" in said
    assert said.index("#hero") < said.index("main > h1")
    assert "p75 of LCP over the last 7d" in said
    assert "to 2.5 s good" in said
    assert "What the rules look at" in said
    assert "avg 5.4 s" in said
    assert "What was pressed" in text(asked, f"{CHECKOUT}&metric=INP")
    assert "Elements" not in text(asked, f"{CHECKOUT}&metric=CLS")
    whole = text(asked, "/web-vitals/shop")
    assert "All routes shop" in whole


def test_links_of_a_route_keep_what_else_is_chosen(asked: Client) -> None:
    page = unescape(asked.get(f"{CHECKOUT}&device=mobile").text)
    assert (
        'href="/web-vitals/shop?route=%2Fcheckout%2F%3Aid&device=mobile&metric=INP&span=7d"' in page
    )
    assert 'href="/web-vitals/shop?route=%2Fcheckout%2F%3Aid&device=mobile"' in page  # 24h


@pytest.mark.parametrize(
    ("coverage", "told"), [(0.5, "50 %"), (1.0, "100 %"), (250.2, "over 100 %, more than the")]
)
def test_more_than_all_is_no_share(coverage: float, told: str) -> None:
    rum = templates().get_template("rum.html").module
    assert str(rum.covered({"coverage": coverage})).startswith(told)  # type: ignore[attr-defined]


def test_an_app_that_nobody_knows_is_a_page_that_says_so(asked: Client) -> None:
    answer = asked.get("/web-vitals/none", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no app none" in answer.text
    assert "No page view of blog" in text(asked, "/web-vitals/blog")


# --- deployments --------------------------------------------------------------------------------


def test_before_and_after_of_every_signal_with_what_regressed(asked: Client, deployed: str) -> None:
    found = json(asked, f"/deployments/{deployed}/changes", limit=200)
    worse = [(one["signal"], one["labels"].get("route")) for one in found["items"]][:3]
    assert set(worse) == {("api_p95", "/cart"), ("api_mean", "/cart"), ("db_p95", None)}
    assert found["counts"]["worse"] == 3
    assert found["counts"]["better"] == 0
    assert sum(found["counts"].values()) == len(found["items"])
    cart = next(one for one in found["items"] if one["signal"] == "api_p95")
    assert cart["change"].startswith("+4")
    assert cart["before"]["high"] < cart["after"]["low"]
    assert cart["before"]["windows"] == 60
    assert cart["after"]["windows"] == (NOW.timestamp() * 1000 - DEPLOYED_MS) // 60_000
    assert (cart["earlier"], cart["match"]) == ("passed", "same_service")
    assert cart["usual"] == pytest.approx(1, abs=0.05)
    assert not found["complete"]
    headings = [one["heading"] for one in found["regressions"]]
    assert "API p95 +51 % on GET /cart of shop" in headings
    better = json(asked, f"/deployments/{deployed}/changes", outcome="better")
    assert better["items"] == []
    assert json(asked, f"/deployments/{deployed}")["version"] == "2.7.1"
    problem(asked.get("/api/v1/deployments/dep_0/changes"), 404, "not-found")


def test_longer_spans_are_compared_by_the_windows_that_are_judged(
    asked: Client, deployed: str
) -> None:
    found = json(asked, f"/deployments/{deployed}/changes", span="24h")
    cart = next(one for one in found["items"] if one["signal"] == "api_p95")
    assert cart["before"]["windows"] == 288
    # 2.7.1 went live between two windows of 5 minutes; the one it lies in belongs to no side.
    assert cart["after"]["windows"] == 11


def test_a_deployment_is_a_page_that_claims_no_cause(asked: Client, deployed: str) -> None:
    said = text(asked, f"/deployments/{deployed}")
    assert "3 series worse, 0 better" in said
    assert "1h before is compared with 1h after, which is not over yet" in said
    assert "correlated with the deployment: other things change at the same time, too" in said
    assert "cause" not in said
    assert re.search(r"API p95 GET /cart of shop Before 2\d\d ms", said)
    listed = text(asked, "/deployments")
    assert "shop 2.7.1 When 2026-03-02 11:01 UTC Environment production Commit 9f1c2ab" in listed
    assert "▲ critical" in listed
    assert "No deployment fits" in text(asked, "/deployments?service=none")


# --- caches and resources -----------------------------------------------------------------------


def test_what_misses_comes_first_with_its_share(asked: Client) -> None:
    found = json(asked, "/caches/cache")
    products, sessions = found["groups"]
    assert (products["group"], sessions["group"]) == ("product:*", "session:*")
    assert products["misses_per_second"] == pytest.approx(1.5, rel=0.1)
    assert products["missed_after_expiry_per_second"] == pytest.approx(0.75, rel=0.1)
    assert products["share_of_misses"] == pytest.approx(0.75, abs=0.03)
    assert sessions["missed_after_expiry_per_second"] is None
    assert sessions["ttl_seconds"] == pytest.approx(1800, rel=0.1)
    (hits,) = (one for one in found["signals"] if one["signal"] == "cache_hit_rate")
    assert hits["judged"]
    assert hits["series"][0]["value_text"] == "83 %"
    items = json(asked, "/caches")["items"]
    assert [one["target"] for one in items] == ["cache", "pages", "shop"]
    problem(asked.get("/api/v1/caches/host"), 404, "not-found")


def test_figures_are_levels_rates_and_peaks_of_raw_samples(asked: Client) -> None:
    found = json(asked, "/targets/shop/figures")
    curves = {one["id"]: one for one in found["series"]}
    assert found["window_seconds"] == 60
    cpu = curves["process_cpu"]
    assert sum(cpu["value"]) / len(cpu["value"]) == pytest.approx(0.4, rel=0.05)
    assert {one["labels"].get("state") for one in found["series"]} >= {"idle", "used"}
    assert curves["pool_connections-main-idle"]["value"][-1] == pytest.approx(6, rel=0.1)
    assert "redis_keys" not in curves
    week = json(asked, "/targets/shop/figures", since=(NOW - timedelta(days=7)).isoformat())
    assert week["window_seconds"] == 3600
    problem(
        asked.get("/api/v1/targets/shop/figures", params={"since": "2025-01-01T00:00:00Z"}),
        422,
        "invalid",
    )


def test_machines_and_processes_stand_in_one_list(asked: Client) -> None:
    items = {one["target"]: one for one in json(asked, "/resources")["items"]}
    assert set(items) == {"host", "shop"}
    assert {one["signal"] for one in items["host"]["signals"]} >= {"host_cpu_usage"}
    figures = {one["figure"]: one["text"] for one in items["shop"]["figures"]}
    assert figures["process_memory"].endswith(" MiB")
    said = text(asked, "/resources")
    assert re.search(r"host CPU 3\d\.\d % [+-]\d+ % Memory 61\.\d %", said)
    assert "Event loop lag" in said
    one = text(asked, "/resources/shop")
    assert "Connections of a pool: main, idle" in one
    assert "no rule judges them" in one


def test_caches_tell_hits_memory_and_keys(asked: Client) -> None:
    said = text(asked, "/cache")
    assert re.search(r"cache Hit rate 83 % -1\d% |cache Hit rate 83 % -", said)
    assert re.search(r"Memory 3\d\d MiB of 488 MiB", said)
    assert "Misses most product:* 7" in said
    one = text(asked, "/cache/cache")
    assert "Soon after expiry" in one
    page = asked.get("/cache/cache").text
    assert "redis_memory_max" not in page  # a line in the chart of the memory
    assert 'data-limits="512000000.0"' in page
    assert "memcached tells nothing about single keys" in text(asked, "/cache/pages")
    assert "tells hits and misses only" in text(asked, "/cache/shop")


# --- all of them --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paths(deployed: str) -> tuple[str, ...]:
    """Every page that is tried in the browser."""
    one = f"/deployments/{deployed}"
    return (
        *("/web-vitals", CHECKOUT, "/web-vitals/shop", "/web-vitals/blog"),
        *("/cache", "/cache/cache", "/cache/pages", "/resources", "/resources/shop"),
        *("/resources/host", "/deployments", one, f"{one}?span=24h"),
    )


def test_pages_are_well_formed_and_hold_nothing_inline(
    asked: Client, paths: tuple[str, ...]
) -> None:
    for path in paths:
        page = asked.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page), path
        assert page.count("<h1") == 1, path
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), path
        levels = [int(one) for one in re.findall(r"<h([1-6])", page)]
        assert all(b - a <= 1 for a, b in pairwise(levels)), (path, levels)
        for table in re.findall(r"<table.*?</table>", page, re.S):
            assert "<th" in table, path
        assert re.search(r'aria-current="page"', page), path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, or the end of the test."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(NO_NOISE))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(house: House, asked: Client) -> Iterator[str]:
    with serving(house, asked.app) as found:
        yield found


def overflow(page: Page) -> int:
    found: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return found


@pytest.mark.parametrize(("size", "scheme"), [(SIZES[0], "dark"), (SIZES[1], "light")])
def test_every_page_draws_fits_and_asks_nobody_else(
    browser: Browser, address: str, paths: tuple[str, ...], size: tuple[int, int], scheme: Any
) -> None:
    view = {"width": size[0], "height": size[1]}
    with opened(browser, address, viewport=view, color_scheme=scheme) as watched:
        for path in paths:
            page = watched.open(path)
            if page.locator("figure[data-chart]").count():
                drawn(page)
            assert overflow(page) <= 0, path
            if size == SIZES[0]:  # between a desk and a phone
                page.set_viewport_size({"width": 820, "height": 1000})
                assert overflow(page) <= 0, path
                page.set_viewport_size({"width": size[0], "height": size[1]})
        assert watched.faults == []
        assert watched.foreign == []


def test_the_trend_is_read_by_keyboard_with_its_band(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.open(CHECKOUT)
        drawn(page)
        page.locator("#trend .plot").focus()
        page.keyboard.press("ArrowLeft")
        said = page.locator("#trend .readout").inner_text()
        assert re.fullmatch(r".* UTC: [\d.]+ s \([\d.]+ s to [\d.]+ s\), \d+ observations", said)


def test_the_menu_folds_on_a_phone_and_works_by_keyboard(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 844}) as watched:
        page = watched.open("/cache")
        top = page.locator("header.top").bounding_box()
        assert top is not None
        assert top["height"] < 70  # one line
        page.locator(".pages-fold summary").focus()
        page.keyboard.press("Enter")
        link = page.locator(".pages-fold").get_by_role("link", name="Deployments")
        assert link.is_visible()
        assert overflow(page) <= 0
        page.keyboard.press("Escape")
        assert not link.is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Menu"
        page.keyboard.press("Enter")
        link.click()
        assert page.url.endswith("/deployments")
    check_bar(browser, address)


def test_what_is_new_appears_without_a_reload(browser: Browser, tmp_path: Path) -> None:
    """A deployment and page views that come while one looks."""
    house = empty_house(tmp_path, Clock(), collector=COLLECTOR)
    with opened(browser, "") as watched, serving(house) as found:
        page = watched.page
        page.clock.install()
        watched.address = found
        watched.open("/deployments")
        assert page.get_by_text("Nobody has told of a deployment yet").is_visible()
        with house.state.unit() as session:
            house.book.add_deployment(session, deployment("shop", "3.0", DEPLOYED_MS))
        page.clock.run_for(11_000)
        page.get_by_role("link", name="shop 3.0").wait_for()
        watched.open("/web-vitals/shop")
        assert page.get_by_text("No page view of shop").is_visible()
        browsers.fill(house)
        page.clock.run_for(11_000)
        page.locator("#metric-LCP").wait_for()
        drawn(page)
        watched.open("/web-vitals?span=7d")  # asks once a minute
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        page.clock.run_for(45_000)
        page.evaluate("fetch('/healthz')")
        assert [one for one in asked if "web-vitals?" in one] == []
        page.clock.run_for(20_000)
        page.wait_for_function("document.getElementById('fresh-text').textContent.length > 0")
        assert [one for one in asked if "web-vitals?" in one] != []
        assert page.locator("#fresh.fresh-lost").count() == 0
        assert watched.faults == []
        assert watched.foreign == []
    close(house)


def check_bar(browser: Browser, address: str) -> None:
    """The bar of a wide page: more pages behind its last entry, closed by a press elsewhere."""
    with opened(browser, address, viewport={"width": 1280, "height": 800}) as watched:
        page = watched.open("/cache")
        assert not page.locator(".pages-fold").is_visible()
        page.locator(".pages-bar summary").click()
        assert page.locator(".pages-bar").get_by_role("link", name="Runbooks").is_visible()
        page.locator("h1").click()
        assert not page.locator(".pages-bar").get_by_role("link", name="Runbooks").is_visible()
        assert isinstance(watched, Watched)

"""The main ways through the pages, gone in Chromium as a person goes them, by keyboard too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from api.access.token import Scope
from api.house import House
from tests.api.shop import NOW_MS, Clock, close, empty_house, shop_house
from tests.api.test_access import token
from tests.api.test_pages_browser import CPU, Watched, browser, drawn, opened, serving
from tests.api.test_regressions import put

# What was so before the span is no opening of it, so a draft that fires breaks within it.
DRAFT = """
rules:
  slow_routes:
    signal: api_p95
    trigger: {absolute: {above: 0.26}}
    sustain: {windows: 1, of: 1}
    clear: {level: 0.24, for: 5m}
"""
__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A day of the shop, with what is open in it."""
    house = shop_house(tmp_path_factory.mktemp("journeys"), Clock(), days=1)
    put(house, 1, NOW_MS, baseline=0.5, labels=CPU)
    yield house
    close(house)


@pytest.fixture(scope="module")
def address(shop: House) -> Iterator[str]:
    with serving(shop) as found:
        yield found


def tab_to(page: Page, name: str) -> None:
    """Walk with the tabulator until what has the focus is called so."""
    for _ in range(120):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"
        )
        if told == name:
            return
    raise AssertionError(f"the keyboard does not reach {name!r}")


def visible_focus(page: Page) -> bool:
    """Whether one sees what has the focus."""
    seen: bool = page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
    return seen


def good(watched: Watched) -> None:
    """Nothing went wrong on the way, and nobody else was asked."""
    assert watched.faults == []
    assert watched.foreign == []


def test_from_the_overview_to_accepted_by_keyboard(
    browser: Browser, address: str, shop: House
) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/")
        heading = page.locator("#card-reg_001 h3 a").inner_text()
        tab_to(page, heading)
        assert visible_focus(page)
        page.keyboard.press("Enter")
        page.wait_for_url("**/regressions/reg_001")
        page.locator("#actions-form input[name=actor]").focus()
        page.keyboard.type("ada")
        page.keyboard.press("Tab")
        page.keyboard.type("looking at it")
        tab_to(page, "Acknowledge")
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert "acknowledged" in page.inner_text("#headline")

        tab_to(page, "Silence this rule on this series")
        page.keyboard.press("Enter")
        page.wait_for_url("**/silences?**")
        assert "quiet" in page.inner_text("#preview")
        form = page.locator("#make")
        assert form.locator("[name=created_by]").input_value() == "ada"
        form.locator("[name=comment]").focus()
        page.keyboard.type("load test")
        with page.expect_navigation(url="**/silences"):
            page.keyboard.press("Enter")
        assert "load test" in page.inner_text("#in-force")

        page.go_back()
        page.go_back()
        tab_to(page, "Accept as normal")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "accepted" in page.inner_text("#headline")
        good(watched)
    with shop.state.reading() as session:
        steps = [one.step for one in shop.book.transitions(session, "reg_001")]
        (made,) = shop.alerts.silences.active(session, NOW_MS + 10_000)
    assert steps == ["opened", "acknowledged", "accepted"]
    assert (made.created_by, made.comment) == ("ada", "load test")

    with opened(browser, address) as watched:
        page = watched.open("/silences")
        with page.expect_navigation():
            page.get_by_role("button", name="End alertname=").click()
        assert "Nothing is silenced" in page.inner_text("#in-force")
        assert "load test" in page.inner_text("#over")
        good(watched)


def test_an_incident_leads_to_its_regressions_and_to_who_was_told(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/")
        found = page.evaluate("fetch('/api/v1/incidents?limit=1').then((a) => a.json())")
        page.goto(address + found["items"][0]["links"]["page"])
        page.get_by_role("link", name="Who was told").click()
        page.wait_for_url("**/alerts?incident=inc_*")
        assert page.get_by_role("heading", name="Decisions").is_visible()
        page.go_back()
        page.locator(".changes h3 a").first.click()
        page.wait_for_url("**/regressions/*")
        drawn(page)
        good(watched)


def test_a_series_is_explored_and_its_gates_are_read(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/")
        page.get_by_role("link", name="API p95", exact=True).first.click()
        page.wait_for_url("**/signals/api_p95")
        drawn(page)
        page.locator("nav.spans a", has_text="7d").first.click()
        page.wait_for_url("**span=7d**")
        page.locator("a[href*='/series/']").first.click()
        page.wait_for_url("**/series/**")
        drawn(page)
        good(watched)


def test_a_rule_is_replayed_as_a_draft_and_a_fault_names_its_line(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/replay?rule=api_p95_high&days=0.2")
        assert page.input_value("select[name=rule]") == "api_p95_high"
        page.locator("input[name=days]").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="What would have fired").wait_for()
        assert page.evaluate("document.activeElement.id") == "replay-title"
        assert page.locator("#replay-result tbody tr").count() == 1
        assert page.inner_text("#replay-status").startswith("Done: 1 rules")

        page.locator("#draft summary").click()
        page.fill("#draft-text", DRAFT)
        page.get_by_role("button", name="Replay").click()
        page.locator("#replayed-slow_routes").wait_for()
        assert "above 260 ms" in page.inner_text("#replayed-slow_routes")
        good(watched)
        page.fill("#draft-text", "rules:\n  cpu_high:\n    triger: 1\n")
        page.get_by_role("button", name="Replay").click()
        page.locator("#replay-status.warned").wait_for()
        assert "line 3" in page.inner_text("#replay-status")
        assert "Did you mean trigger?" in page.inner_text("#replay-status")


def test_a_configuration_is_checked_and_the_cursor_goes_to_the_fault(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/configuration")
        page.fill("#check-text", "collector:\n  interval: 30s\n")
        page.get_by_role("button", name="Check").click()
        page.get_by_text("No fault:").wait_for()
        assert "collector.interval" in page.inner_text("#check-result")
        page.fill("#check-text", "collector:\n  intervall: 30s\n")
        page.get_by_role("button", name="Check").click()
        page.get_by_text("1 fault.").wait_for()
        assert "Did you mean interval?" in page.inner_text("#check-result")
        page.get_by_role("button", name="line 2").click()
        assert page.evaluate("document.activeElement.id") == "check-text"
        begin, end = page.evaluate(
            "[document.activeElement.selectionStart, document.activeElement.selectionEnd]"
        )
        assert page.input_value("#check-text")[begin:end] == "  intervall: 30s"
        page.get_by_role("button", name="Begin with what is in force").click()
        assert "storage:" in page.input_value("#check-text")
        good(watched)


def test_signing_in_and_out_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    house = empty_house(tmp_path)
    text, reader = token(house, Scope.WRITE), token(house, Scope.READ, name="looking")
    with serving(house) as address:
        for secret, may in ((text, True), (reader, False)):
            with opened(browser, address) as watched:
                page = watched.open("/silences?matchers=service%3Dshop")
                page.wait_for_url("**/sign-in?next=**")
                page.locator("input[name=person]").focus()
                page.keyboard.type("ada")
                page.keyboard.press("Tab")
                page.keyboard.type(secret)
                page.keyboard.press("Enter")
                page.wait_for_url("**/silences?matchers=service%3Dshop")
                assert (page.locator("#make").count() == 1) is may
                if may:
                    page.fill("[name=comment]", "deploy")
                    with page.expect_navigation(url="**/silences"):
                        page.get_by_role("button", name="Begin maintenance").click()
                    assert "ada (ops)" in page.inner_text("#in-force")
                good(watched)
                page.get_by_role("button", name="Sign out").click()
                page.wait_for_url("**/sign-in")
                watched.open("/")
                assert "/sign-in" in page.url
    close(house)


@pytest.mark.long
def test_an_incident_is_gone_through_until_it_is_resolved(browser: Browser, tmp_path: Path) -> None:
    """From what was told, to what got worse, to what somebody does about it, to its end."""
    house = shop_house(tmp_path, Clock())
    with serving(house) as address, opened(browser, address) as watched:
        page = watched.open("/")
        open_ = page.evaluate("fetch('/api/v1/incidents?state=open').then((a) => a.json())")
        told = open_["items"][0]["links"]["page"]
        page.goto(address + told)
        links = page.locator(".changes h3 a")
        addresses = [links.nth(at).get_attribute("href") for at in range(links.count())]
        assert len(addresses) > 1
        links.first.click()
        page.wait_for_url("**/regressions/*")
        page.locator("#actions-form input[name=actor]").fill("ada")
        with page.expect_navigation():
            page.get_by_role("button", name="Acknowledge", exact=True).click()
        assert "acknowledged" in page.inner_text("#headline")
        for one in addresses:
            page.goto(f"{address}{one}")
            page.locator("#actions-form input[name=actor]").fill("ada")
            with page.expect_navigation():
                page.get_by_role("button", name="Resolve", exact=True).click()
            assert "resolved" in page.inner_text("#headline")
        page.goto(address + told)
        assert "resolved" in page.inner_text("#headline")
        id_ = told.rpartition("/")[2]
        lived = page.evaluate(f"fetch('/api/v1/events?incident={id_}').then((a) => a.json())")
        good(watched)
    close(house)
    steps = [one["step"] for one in lived["items"] if one["actor"].startswith("ada")]
    assert steps.count("resolved") == len(addresses)
    assert "acknowledged" in steps
    assert lived["items"][0]["step"] == "resolved"

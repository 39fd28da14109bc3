"""The pages in Chromium: they load nothing foreign, draw, fit, and stay fresh."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from api.app import create_app
from api.house import House
from api.standing import series_id
from detector.readings import Reading
from storage.history import Windows
from storage.series import Labels, Window
from tests.api.shop import CART, MINUTE_MS, NOW_MS, Clock, close, empty_house, shop_house
from tests.api.test_regressions import put
from tests.servers import missing

SIZES = ((1280, 900), (390, 844))
NO_NOISE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def serving(house: House, app: FastAPI | None = None) -> Iterator[str]:
    """The application of a house under a real server; a house has one application."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app or create_app(house), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop with its past, served."""
    house = shop_house(tmp_path_factory.mktemp("served"))
    with serving(house) as found:
        yield found
    close(house)


class Watched:
    """A page, and everything that went wrong on it or was asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda one: self.on_request(one.url))

    def on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def on_request(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.foreign.append(url)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page


@contextmanager
def opened(browser: Browser, address: str, **look: Any) -> Iterator[Watched]:
    """A page in a profile of its own, looked after."""
    context = browser.new_context(**look)
    try:
        yield Watched(context.new_page(), address)
    finally:
        context.close()


def drawn(page: Page) -> None:
    """Wait until every chart has a canvas with something on it."""
    page.wait_for_function(
        """() => {
            const figures = [...document.querySelectorAll("figure[data-chart]")];
            return figures.length > 0 && figures.every((figure) => {
                const canvas = figure.querySelector("canvas");
                if (!canvas) return false;
                const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return all.data.some((one) => one !== 0);
            });
        }"""
    )


def regression_page(page: Page) -> str:
    found = page.evaluate(
        "fetch('/api/v1/regressions?rule=api_response_time_regression').then((a) => a.json())"
    )
    path: str = found["items"][0]["links"]["page"]
    return path


def incident_page(page: Page) -> str:
    found = page.evaluate("fetch('/api/v1/incidents?state=open').then((a) => a.json())")
    path: str = found["items"][0]["links"]["page"]
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_page_draws_fits_and_asks_nobody_else(
    browser: Browser, address: str, width: int, height: int, scheme: str
) -> None:
    size = {"width": width, "height": height}
    with opened(browser, address, viewport=size, color_scheme=scheme) as watched:
        page = watched.open("/regressions")
        own = regression_page(page), incident_page(page)
        series = f"/signals/api_p95/series/{series_id(CART)}"
        charts = ("/", own[0], "/signals/api_p95", "/signals/api_p95?span=7d", series)
        for path in (*charts, own[1], "/why-not", "/why-not?gate=went_away", "/regressions"):
            watched.open(path)
            if path in charts:
                drawn(page)
            overflow = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, path
        assert watched.faults == []
        assert watched.foreign == []


def test_without_scripts_the_numbers_are_there(browser: Browser, address: str) -> None:
    with opened(browser, address, java_script_enabled=False) as watched:
        page = watched.open("/")
        assert page.get_by_role("heading", name="5 regressions open").is_visible()
        assert "329 ms" in page.inner_text("main")
        assert not page.locator("#fresh").is_visible()


def test_the_keyboard_reads_a_chart(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/")
        watched.open(regression_page(page))
        drawn(page)
        page.locator(".chart-large .plot").focus()
        page.keyboard.press("ArrowLeft")
        readout = page.locator(".readout")
        last = readout.inner_text()
        assert last.startswith("12:00 UTC: ")
        page.keyboard.press("ArrowLeft")
        assert readout.inner_text().startswith("11:59 UTC: ")
        page.keyboard.press("ArrowRight")
        assert readout.inner_text() == last


def test_the_first_key_offers_to_skip_to_the_content(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.open("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_units_read_the_same_in_the_browser_and_here(browser: Browser, address: str) -> None:
    from detector import units

    values = [0, 4e-7, 0.00052, 0.0123, 0.812, 1.5, 59.9, 61, 3601, 9e4, 1234567.0, 0.0005, 99.95]
    values += [1_772_452_899.9, 3e11]
    cases = [(value, str(unit)) for unit in units.Unit for value in values]
    with opened(browser, address) as watched:
        page = watched.open("/")
        told = page.evaluate(
            """async (cases) => {
                const { text } = await import("/static/units.js");
                return cases.map(([value, unit]) => text(value, unit));
            }""",
            cases,
        )
    assert told == [units.text(*case) for case in cases]


CPU = Labels.of(target="host")


def measured(house: House, at_ms: int, value: float) -> None:
    """A window has ended, and the tick with it."""
    window = Window("host_cpu_usage", CPU, at_ms, 60, value, 4)
    house.history.put_windows(Windows.of("host_cpu_usage", [window]))
    house.detector.tick(at_ms)
    nan = float("nan")
    reading = Reading("host_cpu_usage", CPU, at_ms, value, 4, nan, nan, 0)
    house.detector.readings["host_cpu_usage"] = (reading,)


def eventually(condition: Callable[[], bool]) -> None:
    """Poll until it holds; the page refreshes every ten seconds of its (faked) clock."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_page_refreshes_itself_and_says_when_the_connection_is_lost(
    browser: Browser, tmp_path: Path
) -> None:
    clock = Clock()
    house = empty_house(tmp_path, clock)
    measured(house, NOW_MS, 0.31)
    with opened(browser, "") as watched:
        page = watched.page
        page.clock.install()
        with serving(house) as found:
            watched.address = found
            watched.open("/")
            drawn(page)
            assert page.get_by_role("heading", name="Nothing has regressed").is_visible()
            page.evaluate("document.querySelector('canvas').dataset.mine = 'yes'")
            page.get_by_role("link", name="CPU usage").focus()

            clock.at = clock.at.replace(minute=1)
            measured(house, NOW_MS + MINUTE_MS, 0.57)
            put(house, 1, NOW_MS + MINUTE_MS, labels=CPU)
            page.clock.run_for(11_000)
            page.get_by_role("heading", name="1 regression open").wait_for()
            assert "57 %" in page.inner_text("#panel-host_cpu_usage")
            assert "CPU usage at 95 % on host" in page.inner_text(".cards")
            assert page.title() == "(1) Plimsoll"
            eventually(lambda: page.locator("figure canvas").count() == 2)
            focused = page.evaluate("document.activeElement.textContent")
            assert focused == "CPU usage"
            assert page.locator("canvas[data-mine]").count() == 1
            assert page.inner_text("#fresh-text").startswith("updated ")
            assert watched.faults == []
            assert watched.foreign == []
        page.clock.run_for(21_000)
        eventually(lambda: page.inner_text("#fresh-text").startswith("connection lost"))
        assert page.locator("#fresh.fresh-lost").is_visible()
    close(house)


def test_a_page_that_is_not_there_is_not_asked_for_again(browser: Browser, address: str) -> None:
    with opened(browser, address) as watched:
        page, asked = watched.page, []
        page.clock.install()
        page.on("request", lambda request: asked.append(request.url))
        watched.open("/nowhere")
        page.get_by_role("heading", name="Not Found").wait_for()
        page.clock.run_for(40_000)
        assert [url for url in asked if url.endswith("/nowhere")] == [f"{address}/nowhere"]
        assert page.locator("#fresh").is_hidden()


def test_a_button_acts_once_and_enter_does_not(browser: Browser, tmp_path: Path) -> None:
    house = empty_house(tmp_path)
    put(house, 1, NOW_MS, baseline=0.5)
    with serving(house) as address, opened(browser, address) as watched:
        page = watched.open("/regressions/reg_001")
        page.fill("input[name=reason]", "looking at it")
        page.press("input[name=reason]", "Enter")
        page.click("button[data-action=acknowledge]")
        assert "Say who you are" in page.inner_text("#actions-form [role=status]")
        page.fill("input[name=actor]", "ada")
        page.press("input[name=actor]", "Enter")
        with page.expect_navigation():
            page.click("button[data-action=acknowledge]")
        assert "acknowledged" in page.inner_text("#headline")
        assert "looking at it" in page.inner_text(".timeline")
        assert page.input_value("input[name=actor]") == "ada"
        assert page.query_selector("button[data-action=acknowledge]") is None
        assert watched.foreign == []
    with house.state.reading() as session:
        taken = [one.step for one in house.book.transitions(session, "reg_001")]
    assert taken == ["opened", "acknowledged"]
    close(house)

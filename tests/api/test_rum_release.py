"""A release that shows the largest part of one page 400 ms later, as real Chromium measures it.

The demo shop serves pages with the beacon, Chromium opens them, and its beacons reach the receiver
over HTTP. A crowd of page views around these, drawn from what Chromium sent, comes through the same
receiver at injected times; collector, ticks and book are those of a running Plimsoll.
"""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from alerts.message import render
from api.app import create_app
from api.demo.shop import GOOD, SLOW, create_shop
from api.demo.storefront import HERO, KEY, TEMPLATES
from api.direct import direct
from api.document import Document
from api.house import House
from api.serve import build, forwarding, listen
from api.settings import build as settings_of
from collector.rum.beacon import Beacon
from collector.rum.percentile import BOUNDS
from collector.rum.views import Sender
from detector.buckets import Buckets
from detector.regression import Incident, Kind, Regression
from detector.run import milliseconds
from detector.window import with_buckets
from storage.config import StorageConfig
from storage.history import NO_LAYOUT, Windows
from storage.series import Labels
from tests.api.shop import Clock, close
from tests.servers import missing

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

VIEWS = 12
A_VISIT = 900  # milliseconds after the load: what is late in 1.5.0 is there by then
A_MINUTE = 6  # page views, two thirds of them of products: 240 an hour, of which 200 are needed
DAYS = 8
MOST_HOURS = 8
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PRODUCT = "/product/:id"


@contextmanager
def serving(listener: socket.socket, app: Any, http: Any = "h11") -> Iterator[None]:
    """An application on a socket that listens already."""
    config = uvicorn.Config(
        app, http=http, interface="asgi3", log_config=None, lifespan="off", proxy_headers=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, or the end of the test. Not for longer than needed: it holds an event loop."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("Chromium is not installed: apt-get install chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@dataclass
class Street:
    """A house, the shop whose pages it watches, and everybody who comes."""

    house: House
    clock: Clock
    shop_url: str
    plimsoll_url: str
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))
    heard: list[Beacon] = field(default_factory=list)
    views: int = 0
    counted: dict[Any, list[int]] = field(default_factory=dict)

    def visits(self) -> list[Beacon]:
        """Chromium opens pages one after the other; what its beacons said to the receiver."""
        known = len(self.heard)
        with chromium() as browser:
            context = browser.new_context()
            for number in range(VIEWS):
                page = context.new_page()
                page.goto(f"{self.shop_url}{'/cart' if number % 3 == 2 else f'/product/{number}'}")
                page.wait_for_timeout(A_VISIT)
                page.close()
            until = time.monotonic() + 20
            while len(self.heard) < known + VIEWS and time.monotonic() < until:
                time.sleep(0.05)
        assert len(self.heard) == known + VIEWS
        return self.heard[known:]

    def come(self, crowd: list[Beacon], count: int) -> None:
        """So many page views like those of Chromium, each a little faster or slower, now."""
        now_ms = milliseconds(self.clock.at)
        for at in self.rng.choice(len(crowd), count).tolist():
            like, factor = crowd[at], float(self.rng.lognormal(0, 0.15))
            self.views += 1
            metrics = [
                replaced(m, value=m.value if m.name == "CLS" else m.value * factor)
                for m in like.metrics
            ]
            view = replaced(like, view=f"crowd-{self.views:08}", sequence=0, metrics=metrics)
            sender = Sender(self.views % 4000, "chrome", "ZZ")
            origin = self.shop_url.encode()
            assert self.house.rum.take(view, origin, sender, now_ms, robot=False) is None

    def collect(self) -> None:
        """The turn of the receiver; Plimsoll's own page is served by nobody here."""

        async def turn() -> None:
            tracks = self.house.collector._tracks
            tracks[:] = [one for one in tracks if one.source.kind == "rum"]
            await asyncio.gather(*self.house.collector.start_due(self.clock.at))

        asyncio.run(turn())
        self.house.collector.flush()

    def hour_of_the_past(self, crowd: list[Beacon]) -> None:
        """An hour goes by: its page views, the receiver's turn, and its window of the signal."""
        self.clock.at += HOUR / 2
        self.come(crowd, 60 * A_MINUTE)
        self.clock.at += HOUR / 4
        self.collect()
        self.clock.at += HOUR / 4
        cells = self.house.rum.sites[KEY].histograms.cells
        now = {key: list(cell.counts) for key, cell in cells.items() if key[0] == "LCP"}
        counts = np.array([np.subtract(now[k], self.counted.get(k, 0)) for k in now], np.float64)
        self.counted = now
        buckets = Buckets((BOUNDS["LCP"],), np.zeros(len(now), np.int64), counts.cumsum(axis=1))
        plain = Windows(
            "rum_lcp",
            tuple(
                Labels.of(service="shop", route=route, device=device) for _, route, device in now
            ),
            np.arange(len(now)),
            np.full(len(now), milliseconds(self.clock.at), np.int64),
            np.full(len(now), 3600.0),
            buckets.quantile(0.75),
            buckets.totals(),
            np.full(len(now), NO_LAYOUT, np.int64),
        )
        self.house.history.put_windows(with_buckets(plain, buckets))

    def live(self, crowd: list[Beacon], hours: float) -> bool:
        """Time goes by as in a running Plimsoll; whether a regression is open before it is over."""
        for _ in range(round(hours * 60)):
            self.clock.at += MINUTE
            self.come(crowd, A_MINUTE)
            self.collect()
            for tick_ms in self.house.detector.due_ticks(milliseconds(self.clock.at) - 10_000):
                self.house.detector.tick(tick_ms)
                if self.regressions():
                    return True
        return False

    def regressions(self) -> list[Regression]:
        """What has got worse and is confirmed."""
        with self.house.state.reading() as session:
            found = self.house.book.watched(session)
        return [one for one in found if one.kind is Kind.REGRESSION and one.phase.holds]

    def incident(self) -> Incident:
        """The one that tells of it."""
        with self.house.state.reading() as session:
            (found,) = self.house.book.incidents(session, True)
        return found


def replaced(one: Any, **changes: Any) -> Any:
    """A struct with other values."""
    return msgspec.structs.replace(one, **changes)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with ExitStack() as stack:
        shop, plimsoll = (stack.enter_context(listen("127.0.0.1", 0)) for _ in range(2))
        shop_url, url = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (shop, plimsoll))
        app = {"name": "shop", "key": KEY, "origins": [shop_url], "routes": list(TEMPLATES)}
        # Chromium is driven here, and everybody is on this machine.
        rum = {
            "apps": [{**app, "automation": True}],
            "app_per_second": 1e6,
            "app_burst": 10**6,
            "prefix_share": 1,
        }
        read = settings_of(Document(data={"collector": {"host": False, "rum": rum}}))
        definitions = replace(
            read.definitions,
            signals={n: s for n, s in read.definitions.signals.items() if n == "rum_lcp"},
            rules={n: r for n, r in read.definitions.rules.items() if r.signal == "rum_lcp"},
        )
        clock = Clock()
        clock.at -= timedelta(days=DAYS, seconds=5)
        storage = StorageConfig(directory=tmp_path)
        house = build(replace(read, storage=storage, definitions=definitions), now=clock)
        made = Street(house, clock, shop_url, url)
        take = house.rum.take

        def heard(beacon: Beacon, *rest: Any, **more: Any) -> Any:
            refusal = take(beacon, *rest, **more)
            if refusal is None and not beacon.view.startswith("crowd-"):
                made.heard.append(beacon)
            return refusal

        house.rum.take = heard  # type: ignore[method-assign]
        app_ = create_app(house)
        stack.enter_context(serving(plimsoll, forwarding(app_), direct(app_.beacons)))
        stack.enter_context(serving(shop, create_shop(7, url)))
        yield made
        close(house)


def deploy(street: Street, version: str) -> None:
    """As CI does it: the shop runs another version, and Plimsoll is told."""
    httpx.post(f"{street.shop_url}/deploy", json={"version": version}).raise_for_status()
    told = {"service": "shop", "version": version}
    asked = httpx.post(f"{street.plimsoll_url}/api/v1/deployments", json=told)
    assert asked.status_code == 201


def test_a_release_that_shows_a_page_later_is_flagged_with_route_release_and_element(
    street: Street,
) -> None:
    usual = street.visits()
    for _ in range(DAYS * 24):
        street.hour_of_the_past(usual)
    assert not street.live(usual, 1.5)
    deploy(street, SLOW)
    slower = street.visits()
    assert street.live(slower, MOST_HOURS)

    (one,) = street.regressions()
    assert (one.rule, one.labels.get("route")) == ("rum_lcp_regression", PRODUCT)
    visits = one.evidence["visits"]
    releases = visits["releases"]
    assert (releases["before"], releases["after"]) == (f"shop@{GOOD}", f"shop@{SLOW}")
    assert releases["verdict"] == "worse"
    # 400 ms of waiting, and what Chromium needs to ask and to paint again.
    assert 0.25 < releases["difference"]["low"] < releases["difference"]["high"] < 1.5
    assert visits["elements"][0]["element"] == f"#{HERO}"
    assert visits["mix"]["left"] > 0.8

    incident = street.incident()
    assert incident.deployment is not None
    assert incident.deployment.version == SLOW
    message = render(incident, "http://plimsoll")["text"]
    assert f"Release shop@{SLOW} is worse than shop@{GOOD}" in message
    assert f"Element #{HERO} grew most" in message
    told = httpx.get(f"{street.plimsoll_url}/api/v1/regressions/{one.id}").json()
    assert any(f"#{HERO}" in said for said in told["page_views"])
    page = httpx.get(f"{street.plimsoll_url}/regressions/{one.id}").text
    assert f"Release shop@{SLOW} is worse than shop@{GOOD}" in page

"""`/web-vitals`: percentiles with their bands, losses beside them, releases, elements, the mix."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.app import create_app
from api.document import Document
from api.house import House
from api.serve import build
from api.settings import build as settings_of
from api.summary_command import lines
from collector.rum.beacon import decode
from collector.rum.cells import HOUR_MS, Cut
from collector.rum.percentile import BOUNDS
from collector.rum.source import RumSource
from collector.rum.views import Sender
from detector.run import milliseconds
from storage.config import StorageConfig
from storage.history import Windows
from storage.series import Labels, Window
from tests.api.asking import Client, problem
from tests.api.shop import Clock, close
from tests.collector.rum.sending import ORIGIN, beacon, metric, whole
from tests.servers import promtool_binary

APP = {
    "name": "shop",
    "key": "k1",
    "origins": [ORIGIN],
    "routes": ["/", "/cart/:id"],
    "target": "shop",
}


class Site:
    """A house that takes beacons, and a way to send many at once."""

    def __init__(self, house: House, clock: Clock) -> None:
        self.house, self.clock = house, clock
        self.client = Client(create_app(house))
        self._count = 0

    def views(self, n: int, median_ms: float = 1600, **more: Any) -> None:
        """Page views whose LCP is lognormal around a median."""
        rng = np.random.default_rng(n)
        now_ms = milliseconds(self.clock())
        for value in rng.lognormal(np.log(median_ms), 0.5, n).round(1).tolist():
            self._count += 1
            sent = {"lcp_ms": min(value, 59_000.0), "rel": "web@1", **more}
            body = whole(f"view-{self._count:06}", **sent)
            self.take(body, self._count, now_ms)

    def take(self, body: dict[str, Any], network: int, now_ms: int | None = None) -> None:
        """One beacon past the endpoint."""
        at_ms = milliseconds(self.clock()) if now_ms is None else now_ms
        sender = Sender(network, "chrome", "ZZ")
        sent = decode(json.dumps(body).encode())
        receiver = self.house.rum
        assert receiver.take(sent, ORIGIN.encode(), sender, at_ms, robot=False) is None

    def settle(self) -> None:
        """Let all views end."""
        self.clock.at += timedelta(minutes=11)
        while self.house.rum.settle(milliseconds(self.clock()), 1000):
            pass

    def get(self, path: str = "", **asked: Any) -> dict[str, Any]:
        """The answer of an endpoint below /web-vitals."""
        answer = self.client.get(f"/api/v1/web-vitals{path}", params=asked)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = Clock()
    limits = {"app_per_second": 1e6, "app_burst": 10**6}
    target = {"name": "shop", "url": "http://shop.internal:8000/metrics"}
    text = {"collector": {"targets": [target], "rum": {"apps": [APP], **limits}}}
    settings = replace(settings_of(Document(data=text)), storage=StorageConfig(directory=tmp_path))
    house = build(settings, now=clock)
    yield Site(house, clock)
    close(house)


def test_a_percentile_stands_with_its_band_its_shares_and_its_losses(site: Site) -> None:
    site.views(400)
    site.take(beacon("lost-0001", metric("FCP", 900), s=1), 7)
    site.settle()
    items = site.get(metric="LCP")["items"]
    (lcp,) = items
    assert (lcp["app"], lcp["route"], lcp["device"]) == ("shop", "/", "desktop")
    assert (lcp["n"], lcp["certainty"], lcp["unit"]) == (400, "judged", "seconds")
    assert lcp["p75_low"] < lcp["p75"] < lcp["p75_high"]
    assert lcp["p75"] == pytest.approx(1.6 * np.exp(0.5 * 0.6745), rel=0.08)
    assert lcp["good"] + lcp["needs_improvement"] + lcp["poor"] == pytest.approx(1)
    assert lcp["p75_text"].endswith(" s")
    assert lcp["loss"] == {
        "beacons": 402,
        "beacons_lost": pytest.approx(1 / 402),
        "views": 401,
        "views_unfinalised": pytest.approx(1 / 401),
        "coverage": None,
    }


@pytest.mark.parametrize(
    ("n", "certainty"), [(24, "too_few"), (25, "uncertain"), (100, "shown"), (200, "judged")]
)
def test_few_values_are_told_as_few(site: Site, n: int, certainty: str) -> None:
    site.views(n)
    site.settle()
    (lcp,) = site.get(metric="LCP")["items"]
    assert lcp["certainty"] == certainty
    assert (lcp["p75"] is None) == (certainty == "too_few")


def test_counts_are_pooled_by_device_or_app(site: Site) -> None:
    site.views(100, dt="m")
    site.views(120, route="/cart/7")
    site.settle()
    by_route = site.get(metric="LCP")["items"]
    assert [(one["route"], one["device"], one["n"]) for one in by_route] == [
        ("/cart/:id", "desktop", 120),
        ("/", "mobile", 100),
    ]
    (pooled,) = site.get(metric="LCP", by="app")["items"]
    assert (pooled["route"], pooled["device"], pooled["n"]) == ("", "", 220)
    assert [one["n"] for one in site.get(metric="LCP", by="device")["items"]] == [120, 100]
    assert [one["n"] for one in site.get(metric="LCP", route="/")["items"]] == [100]
    assert site.get(app="blog")["items"] == []


def test_stored_hours_and_the_running_one_are_added_up_once(site: Site) -> None:
    source = RumSource(site.house.rum, site.house.history)
    for _ in range(3):
        site.views(50)
        site.settle()
        asyncio.run(source.collect(milliseconds(site.clock())))
        asyncio.run(source.close())
        site.clock.at += timedelta(hours=1)
    (lcp,) = site.get(metric="LCP")["items"]
    assert lcp["n"] == 150
    assert lcp["loss"]["beacons"] == 150
    until = site.clock.at - timedelta(hours=1)
    assert site.get(metric="LCP", until=until.isoformat())["items"][0]["n"] == 150
    earlier = site.clock.at - timedelta(hours=2)
    assert site.get(metric="LCP", until=earlier.isoformat())["items"][0]["n"] == 100


def test_coverage_is_what_browsers_told_over_what_the_server_counted(site: Site) -> None:
    site.views(30)
    site.views(20, route="/cart/9")
    site.settle()
    at_ms = milliseconds(site.clock())
    rows = [
        Window("api_requests", labels, at_ms // 300_000 * 300_000, 300.0, n / 300, n)
        for labels, n in (
            (Labels.of(target="shop", method="GET", route="/"), 40.0),
            (Labels.of(target="shop", method="POST", route="/"), 99.0),
            (Labels.of(target="shop", method="GET", route="/cart/{id}"), 20.0),
            (Labels.of(target="other", method="GET", route="/"), 99.0),
        )
    ]
    site.house.history.put_windows(Windows.of("api_requests", rows))
    found = {one["route"]: one["loss"]["coverage"] for one in site.get(metric="LCP")["items"]}
    assert found == {"/": 0.75, "/cart/:id": 1.0}
    (pooled,) = site.get(metric="LCP", by="app")["items"]
    assert pooled["loss"]["coverage"] == pytest.approx(50 / 60)


def test_a_slower_release_is_told_from_the_one_before_by_its_own_beacons(site: Site) -> None:
    site.views(400)
    site.settle()
    site.clock.at += timedelta(hours=1)
    site.views(400, median_ms=2000, rel="web@2")
    site.views(50, rel="web@1")  # old tabs go on
    site.settle()
    answer = site.get("/releases", app="shop", metric="LCP")
    named = [one for one in answer["items"] if one["release"] != "__other__"]
    assert [one["release"] for one in named] == ["web@1", "web@2"]
    assert named[0]["since"] < named[1]["since"]
    compared = answer["compared"]
    assert (compared["before"], compared["after"]) == ("web@1", "web@2")
    assert compared["verdict"] == "worse"
    back = site.get("/releases", app="shop", metric="LCP", before="web@2", after="web@1")
    assert back["compared"]["verdict"] == "better"
    again = site.client.get(
        "/api/v1/web-vitals/releases", params={"app": "shop", "before": "web@9"}
    )
    problem(again, 404, "not-found")


def test_the_element_that_grew_comes_first(site: Site) -> None:
    for release, hero_ms in (("r1", 1500), ("r2", 1900)):
        for i in range(150):
            element, ms = ("#title", 900) if i % 5 < 2 else ("#hero", hero_ms)
            told = metric("LCP", ms, a={"e": element, "d": [90, 0, 0, 100]})
            site.take(beacon(f"view-{release}-{i:04}", told, rel=release), i)
        site.settle()
    items = site.get("/elements", app="shop", release="r2", before="r1")["items"]
    assert [one["element"] for one in items] == ["#hero", "#title"]
    assert items[0]["share"] == items[0]["share_before"] == pytest.approx(0.6, abs=0.05)
    assert items[0]["growth"] > 0.1
    assert items[1]["growth"] == pytest.approx(0, abs=0.1)
    alone = site.get("/elements", app="shop")["items"]
    assert {one["growth"] for one in alone} == {None}


def test_other_visitors_are_not_a_slower_site(site: Site) -> None:
    """Phones are slower; more of them make the p75 worse, and nothing has become slower."""
    now_ms = milliseconds(site.clock()) // HOUR_MS * HOUR_MS
    bounds = BOUNDS["LCP"]

    def stored(end_ms: int, desktop: int, mobile: int, slower: int = 0) -> list[Window]:
        rows = []
        for device, n, at in (("desktop", desktop, 6), ("mobile", mobile, 12)):
            counts = [0.0] * len(bounds)
            for i, share in enumerate((0.2, 0.3, 0.3, 0.2)):
                counts[at + i + slower] = round(n * share)
            labels = Labels.of(
                app="shop",
                metric="LCP",
                route="/",
                device=device,
                connection="4g",
                navigation="navigate",
            )
            told = (sum(counts), bounds, tuple(counts))
            rows.append(Window(Cut.MIX, labels, end_ms, 3600.0, 1.0, *told))
        return rows

    before = [row for h in range(30, 60) for row in stored(now_ms - h * HOUR_MS, 900, 100)]
    site.house.history.put_windows(Windows.of(Cut.MIX, before))
    site.house.history.put_windows(Windows.of(Cut.MIX, stored(now_ms, 500, 500)))
    answer = site.get("/shift", app="shop", metric="LCP")
    assert answer["compared"]["verdict"] == "worse"
    assert answer["alike"]["verdict"] == "steady"
    assert answer["mix"] is True
    site.house.history.put_windows(Windows.of(Cut.MIX, stored(now_ms, 500, 500, slower=2)))
    answer = site.get("/shift", app="shop", metric="LCP")
    assert answer["alike"]["verdict"] == "worse"
    assert answer["mix"] is False


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2026-03-02T13:00:00Z", "until": "2026-03-02T12:00:00Z"},
        {"since": "2024-03-02T13:00:00Z"},
        {"metric": "FID"},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_asked_is_a_problem(site: Site, asked: dict[str, str]) -> None:
    answer = site.client.get("/api/v1/web-vitals", params=asked)
    assert answer.status_code in (400, 422)


def test_a_beacon_needs_neither_a_known_host_nor_json(site: Site) -> None:
    headers = {
        "host": "shop.example",
        "origin": ORIGIN,
        "user-agent": "Mozilla/5.0 Firefox/140.0",
        "content-type": "text/plain;charset=UTF-8",
    }
    answer = site.client.post("/rum", content=json.dumps(whole("view-0001")), headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert len(site.house.rum.sites["k1"].views) == 1


def test_what_was_refused_is_on_the_page_of_metrics(site: Site) -> None:
    site.client.post("/rum", content=b"{}", headers={"origin": ORIGIN})
    site.views(3)
    site.settle()
    page = site.client.get("/metrics").text
    assert 'rum_beacons_dropped_total{reason="malformed"} 1.0' in page
    assert 'rum_beacons_dropped_total{reason="bot"} 0.0' in page
    assert 'rum_views_total{app="shop",browser="chrome"} 3.0' in page
    assert "rum_web_vital_seconds" not in page


def test_the_histograms_have_a_page_that_promtool_accepts(site: Site) -> None:
    site.views(30)
    site.settle()
    page = site.client.get("/metrics/rum").text
    assert 'rum_web_vital_seconds_bucket{app="shop",device="desktop",le="2.5",metric="LCP"' in page
    assert "target=" not in page
    done = subprocess.run(
        [promtool_binary(), "check", "metrics"], input=page, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_summary_has_each_metric_of_each_app(site: Site) -> None:
    site.views(150)
    site.settle()
    found = site.client.get("/api/v1/summary").json()["web_vitals"]
    (lcp,) = [one for one in found if one["metric"] == "LCP"]
    (listed,) = [one for one in site.get(by="app")["items"] if one["metric"] == "LCP"]
    assert (lcp["app"], lcp["unit"], lcp["n"]) == ("shop", "seconds", 150)
    assert lcp["p75"] == listed["p75"]
    assert site.client.get("/api/v1/summary?target=nope").json()["web_vitals"] == []
    told = "\n".join(lines(site.client.get("/api/v1/summary").json()))
    assert f"vitals    shop LCP p75 {lcp['p75_text']} of 150" in told

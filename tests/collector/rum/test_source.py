"""What the receiver counts arrives in the history: samples at each turn, windows of each hour."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.rum.cells import HOUR_MS, Cut, Tally, hour_end
from collector.rum.source import RumSource
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Windows
from storage.series import Labels
from tests.collector.rum.sending import NOON_MS, Door, beacon, config, metric, whole

LE = ("2.1", "2.5", "3.0", "+Inf")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DuckHistory]:
    file = DuckFile(tmp_path / "history.duckdb")
    yield DuckHistory(file)
    file.close()


def collect(source: RumSource, at_ms: int) -> dict[str, float]:
    found = asyncio.run(source.collect(at_ms)).samples
    assert set(found.at_ms.tolist()) <= {at_ms}
    return {str(one): found.values[i] for i, one in enumerate(found.series)}


def hour(history: DuckHistory, name: str, end_ms: int) -> Windows:
    return history.windows(name, end_ms - HOUR_MS, end_ms)


def test_every_bucket_sum_and_count_is_a_sample(history: DuckHistory) -> None:
    door = Door(config())
    source = RumSource(door.receiver, history)
    door.send(whole("view-0001", lcp_ms=2500), whole("view-0002", lcp_ms=2501))
    door.now_ms += 601_000
    told = collect(source, door.now_ms)
    shared = {"app": "shop", "device": "desktop", "route": "/", "target": "rum"}

    def value(name: str, **labels: str) -> float:
        return told[str(Labels.of({"__name__": name, **shared, **labels}))]

    within = {le: value("rum_web_vital_seconds_bucket", metric="LCP", le=le) for le in LE}
    assert within == {"2.1": 0, "2.5": 1, "3.0": 2, "+Inf": 2}
    assert value("rum_web_vital_seconds_count", metric="LCP") == 2
    assert value("rum_web_vital_seconds_sum", metric="LCP") == pytest.approx(5.001)
    assert value("rum_layout_shift_score_bucket", le="0.02") == 2
    assert told['rum_views_total{app="shop",browser="chrome",target="rum"}'] == 2
    assert told['rum_beacons_total{app="shop",target="rum"}'] == 2


def test_an_hour_is_stored_by_each_cut(history: DuckHistory) -> None:
    door = Door(config(trusted_proxies=["192.0.2.0/24"], country_header="cf-ipcountry"))
    source = RumSource(door.receiver, history)
    door.send(whole("view-0001", ct="4g", rel="web@1"), headers={"cf-ipcountry": "DE"})
    door.now_ms += 601_000
    collect(source, door.now_ms)
    end_ms = hour_end(door.now_ms)
    rows = hour(history, Cut.MIX, end_ms).rows()
    assert {row.labels.get("metric") for row in rows} == {"LCP", "INP", "CLS", "FCP", "TTFB"}
    (lcp,) = [row for row in rows if row.labels.get("metric") == "LCP"]
    assert lcp.labels == Labels.of(
        app="shop",
        metric="LCP",
        route="/",
        device="desktop",
        connection="4g",
        navigation="navigate",
    )
    assert (lcp.n, lcp.seconds, lcp.end_ms, sum(lcp.counts)) == (1, 3600, end_ms, 1)
    assert 1.4 <= lcp.value <= 1.6
    releases = {row.labels.get("release") for row in hour(history, Cut.RELEASE, end_ms).rows()}
    assert releases == {"__other__"}
    countries = {row.labels.get("country") for row in hour(history, Cut.COUNTRY, end_ms).rows()}
    assert countries == {"DE"}
    (loads,) = hour(history, Tally.LOADS, end_ms).rows()
    assert (loads.labels, loads.n) == (Labels.of(app="shop", route="/"), 1)


def test_an_hour_goes_on_after_a_restart(history: DuckHistory) -> None:
    for i in range(3):
        door = Door(config(), now_ms=NOON_MS + 1 + i * 700_000)
        source = RumSource(door.receiver, history)
        collect(source, door.now_ms)
        a = {"e": "#hero"}
        door.send(beacon(f"view-{i:04}", metric("LCP", 1600, a=a), metric("TTFB", 90)))
        door.settle()
        asyncio.run(source.close())
    end_ms = hour_end(NOON_MS + 1)
    for cut in (Cut.MIX, Cut.RELEASE, Cut.COUNTRY, Cut.ELEMENT):
        rows = hour(history, cut, end_ms).rows()
        lcp = [row for row in rows if row.labels.get("metric") == "LCP"]
        assert [row.n for row in lcp] == [3], cut
    (loads,) = hour(history, Tally.LOADS, end_ms).rows()
    assert (loads.n, loads.value) == (3, 3)
    (unfinalised,) = hour(history, Tally.UNFINALISED, end_ms).rows()
    assert (unfinalised.n, unfinalised.value) == (3, 1)


def test_an_hour_that_is_over_is_written_once_and_forgotten(history: DuckHistory) -> None:
    door = Door(config())
    source = RumSource(door.receiver, history)
    collect(source, door.now_ms)
    door.send(whole("view-0001"))
    door.settle(HOUR_MS)
    first_ms = door.site.hour.end_ms
    door.send(whole("view-0002"))
    door.settle(HOUR_MS)
    collect(source, door.now_ms)
    assert not door.site.ended
    for end_ms in (first_ms, first_ms + HOUR_MS):
        (row,) = hour(history, Cut.COUNTRY, end_ms).rows()[:1]
        assert row.n == 1


def test_a_process_that_stops_at_once_overwrites_nothing(history: DuckHistory) -> None:
    for collected in (True, False):
        door = Door(config())
        source = RumSource(door.receiver, history)
        if collected:
            collect(source, door.now_ms)
            door.send(whole("view-0001"), whole("view-0002"))
        door.send(whole("view-0003"))
        door.settle()
        asyncio.run(source.close())
    (row,) = hour(history, Cut.COUNTRY, hour_end(NOON_MS + 601_000)).rows()[:1]
    assert row.n == 3


def test_many_views_that_end_together_do_not_hold_up_requests(history: DuckHistory) -> None:
    door = Door(config(prefix_burst=10_000, app_burst=10_000))
    source = RumSource(door.receiver, history)
    for i in range(1000):
        door.send(beacon(f"view-{i:04}", metric("CLS", 0)))
    turns = 0

    async def run() -> None:
        nonlocal turns
        collecting = asyncio.create_task(source.collect(door.now_ms + 601_000))
        while not collecting.done():
            await asyncio.sleep(0)
            turns += 1
        await collecting

    asyncio.run(run())
    assert len(door.site.views) == 0
    assert turns >= 10


def test_elements_are_told_apart_and_bounded(history: DuckHistory) -> None:
    door = Door(config(prefix_burst=10_000, app_burst=10_000, prefix_share=1))
    for i in range(200):
        name = "#hero" if i % 2 else f"#forged-{i}"
        door.send(beacon(f"view-{i:04}", metric("LCP", 1600, a={"e": name})))
    door.settle()
    known = door.site.hour.elements["LCP", "/", ""]
    assert len(known) == 16
    assert sum(known["#hero"]) == 100
    assert len(door.site.hour.cuts[Cut.ELEMENT]) == 16

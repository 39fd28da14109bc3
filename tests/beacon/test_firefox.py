"""The beacon in Firefox, which holds no beacon: a keepalive request when the page is hidden."""

import asyncio

import pytest

from api.built import built
from benchmarks import _firefox
from benchmarks._capture import (
    PAINTED,
    SETTLE_SECONDS,
    TOKEN,
    Received,
    arrived,
    page,
    serving,
)
from tests.beacon.browser import ATTRIBUTES, MOST_BYTES, beacon, final, names
from tests.servers import missing

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

ENDINGS = ("navigation", "close")
# The process of a closed tab may end before its request has left it: no beacon can help that, so
# one view in three has to arrive, and what arrives has to be right.
TRIES = 3
# Firefox has no layout shifts.
METRICS = ["FCP", "INP", "LCP", "TTFB"]


async def viewed(browser: _firefox.Firefox, ending: str) -> Received:
    """One view: a slow click, then a link or the end of the tab."""
    with serving(built("attr.js").plain, page(ATTRIBUTES)) as site:
        tab = await browser.page()
        await tab.open(f"{site.address}/shop/4711?{TOKEN}")
        deadline = asyncio.get_running_loop().time() + 20
        while not await tab.evaluate(PAINTED):
            assert asyncio.get_running_loop().time() < deadline, "nothing was painted"
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.6)
        await tab.click("#slow")
        await asyncio.sleep(SETTLE_SECONDS)
        has_later = await tab.evaluate("!!self.fetchLater")
        await (tab.click("#next") if ending == "navigation" else tab.close())
        await arrived(site)
        assert site.receiver is not None
        return Received(list(site.receiver.requests), [has_later])


async def seen(browser: _firefox.Firefox, ending: str) -> Received:
    """The first view of a few of which anything arrived, or the last."""
    for _ in range(TRIES - 1):
        received = await viewed(browser, ending)
        if received.requests:
            return received
    return await viewed(browser, ending)


@pytest.fixture(scope="module")
def views() -> dict[str, Received]:
    binary = _firefox.firefox()
    if binary is None:
        missing("Firefox is not installed: apt-get install firefox-esr")

    async def all_of_them() -> list[Received]:
        async with _firefox.running(binary) as browser:
            # One after the other: only the tab in front is visible.
            return [await seen(browser, ending) for ending in ENDINGS]

    return dict(zip(ENDINGS, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_metric_that_firefox_has_arrives_once(
    views: dict[str, Received], ending: str
) -> None:
    received = views[ending]

    assert received.left_behind == [False]
    assert names(received) == METRICS
    assert {one["u"] for one in final(received).values()} == {"/shop/:id"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_takes_one_small_request_without_preflight_or_cookie(
    views: dict[str, Received], ending: str
) -> None:
    received = views[ending]

    (request,) = received.requests
    assert (request.method, beacon(request)["s"]) == ("POST", 0)
    assert len(request.body) <= MOST_BYTES
    assert "cookie" not in request.headers
    assert request.headers["referer"] == f"{request.headers['origin']}/"
    assert "4711" not in request.text

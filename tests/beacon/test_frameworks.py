"""The recipes for React Router and Vue Router, in small applications in Chromium."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _chromium
from benchmarks._capture import PAINTED, Received, arrived, press, serving
from tests.beacon.browser import MOST_BYTES, beacon, binary, final, names
from tests.node import installed, run

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

ROOT = Path(__file__).parents[2]
APPLICATIONS = ROOT / "beacon/frameworks"
FRAMEWORKS = ("react", "vue")
PAGE = (
    "<!doctype html><meta charset=utf-8><title>shop</title><div id=root></div>"
    "<script>self.receiver = 'RECEIVER'</script><script src=/sdk.js></script>"
)


async def visited(browser: _chromium.Chromium, script: bytes, path: str, *, walk: bool) -> Received:
    """A view that begins at a path; with `walk` it goes on to a product."""
    with serving(script, PAGE) as site:
        profile = await browser.profile()
        tab = await browser.tab(profile)
        await tab.open(f"{site.address}{path}")
        await tab.until(PAINTED)
        await asyncio.sleep(0.6)
        if walk:
            await press(tab, "#to")
        await tab.close()
        await arrived(site)
        await browser.forget(profile)
        assert site.receiver is not None
        return Received(list(site.receiver.requests))


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Received]:
    folder = tmp_path_factory.mktemp("frameworks")
    run("node", "build.js", folder, cwd=installed(APPLICATIONS))
    cases = [(name, path) for name in FRAMEWORKS for path in ("/", "/products/red-hat")]

    async def all_of_them() -> list[Any]:
        async with _chromium.running(binary()) as browser:
            return await asyncio.gather(
                *(
                    visited(browser, (folder / f"{name}.js").read_bytes(), path, walk=path == "/")
                    for name, path in cases
                )
            )

    return dict(zip(cases, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_route_is_the_pattern_of_the_router(
    views: dict[tuple[str, str], Received], framework: str
) -> None:
    walked = {(one["t"], one["u"]) for one in final(views[framework, "/"]).values()}
    landed = {(one["t"], one["u"]) for one in final(views[framework, "/products/red-hat"]).values()}

    assert walked == {("navigate", "/"), ("soft-navigation", "/products/:slug")}
    assert landed == {("navigate", "/products/:slug")}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_walk_through_an_application_is_one_small_request(
    views: dict[tuple[str, str], Received], framework: str
) -> None:
    received = views[framework, "/"]

    (request,) = received.requests
    assert len(request.body) <= MOST_BYTES
    assert beacon(request)["rel"] == "web@1.4.2"
    assert names(received, "navigate") == ["CLS", "FCP", "INP", "LCP", "TTFB"]
    assert names(received, "soft-navigation") == ["CLS", "FCP", "LCP"]

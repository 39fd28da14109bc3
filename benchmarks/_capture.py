"""One page, ended in every way: which metrics reach the receiver, in how many requests?

The page is small and local. It shows wrong order and lost endings, not loss in the field.
"""

import asyncio
import gzip
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks._chromium import Chromium, Tab

# web-vitals works when the browser is idle, at the latest after a second.
SETTLE_SECONDS = 1.5
# What a hidden or closed page still sends: the first of it, and what may follow.
FIRST_SECONDS = 6.0
ARRIVAL_SECONDS = 1.5
PAUSE_SECONDS = 0.05
IDLE = "new Promise((done) => requestIdleCallback(() => done(1), { timeout: 5000 }))"
LATE_SECONDS = 11.5
# A second page of the same site, and its cookie, which no beacon may carry.
COOKIE = "sid=secret"
TOKEN = "token=secret"
PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"
LEFT_BEHIND = (
    "Promise.resolve(self.indexedDB?.databases?.() ?? []).then((all) =>"
    " [document.cookie, localStorage.length, sessionStorage.length, all.length])"
)


class Ending(StrEnum):
    """What becomes of a page view."""

    NAVIGATE = "navigation"
    CLOSE = "close"
    CRASH = "crash"
    LATE = "late interaction"
    SOFT = "two soft navigations"
    BFCACHE = "bfcache"
    HIDDEN_AT_LOAD = "hidden at load"
    HIDDEN_TWICE = "hidden twice"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that reached the receiver."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, unpacked."""
        packed = self.body[:2] == b"\x1f\x8b"
        return (gzip.decompress(self.body) if packed else self.body).decode(errors="replace")


@dataclass(slots=True)
class Received:
    """What one page view sent, and what it left behind in the browser."""

    requests: list[Request] = field(default_factory=list)
    left_behind: list[Any] = field(default_factory=list)

    @property
    def posts(self) -> list[Request]:
        """Without preflights."""
        return [one for one in self.requests if one.method != "OPTIONS"]

    @property
    def preflights(self) -> int:
        """How many requests only asked for leave."""
        return len(self.requests) - len(self.posts)


PAGE = """<!doctype html><meta charset="utf-8"><title>t</title>
<script>{before}</script>
<script src="/sdk.js" {attributes}></script>
<h1 style="font-size:60px">Text that is large enough for LCP</h1>
<div id="late"></div><p>What the shift moves</p>
<button id="slow">slow</button> <button id="slower">slower</button>
<button id="slowest">slowest</button>
<button id="one">one</button> <button id="two">two</button>
<a id="next" href="/next">next</a><div id="view"></div>
<script>
const busy = (ms) => {{ const t = performance.now(); while (performance.now() - t < ms); }};
slow.onclick = () => {{ busy(300); slow.textContent = 'x'; }};
slower.onclick = () => {{ busy(500); slower.textContent = 'y'; }};
slowest.onclick = () => {{ busy(700); slowest.textContent = 'z'; }};
const go = (path) => () => {{
  history.pushState(0, '', path);
  view.innerHTML = '<h2 style="font-size:50px">The page at ' + path + ', which is new</h2>';
}};
one.onclick = go('/cart/4711?{token}');
two.onclick = go('/checkout');
setTimeout(() => {{ late.style.height = '120px'; }}, 150);
</script>"""


def page(attributes: str, before: str = "") -> str:
    """The page; `attributes` are those of its script, `before` is JavaScript ahead of it."""
    return PAGE.format(attributes=attributes, before=before, token=TOKEN)


class Site(ThreadingHTTPServer):
    """Serves the page and its script; its sibling takes what the script sends.

    The receiver is another port, hence another origin, but the same host, hence the same cookies.
    """

    daemon_threads = True

    def __init__(self, script: bytes = b"", page: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.html = page
        self.requests: list[Request] = []
        self.receiver: Site | None = None

    @property
    def address(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that is killed hangs up in the middle; anything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def page(self) -> bytes:
        """The page, with its script pointed at the receiver."""
        receiver = self.receiver.address if self.receiver else ""
        return self.html.replace("RECEIVER", receiver).encode()


class Handler(BaseHTTPRequestHandler):
    """Pages by GET, beacons by anything to the receiver."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        """A page, the script, or, at a receiver, a beacon that is an image."""
        if self.server.receiver is None:
            self.take()
        elif self.path == "/sdk.js":
            self.answer(self.server.script, "text/javascript")
        elif self.path == "/next":
            self.answer(b"<h1>next</h1>", "text/html")
        else:
            self.answer(self.server.page(), "text/html")

    def take(self) -> None:
        """Note a request and allow what it may have asked for."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, body))
        self.answer(b"{}", "application/json")

    def do_POST(self) -> None:
        """A beacon."""
        self.take()

    def do_OPTIONS(self) -> None:
        """A preflight."""
        self.take()

    def answer(self, body: bytes, media_type: str) -> None:
        """Send it, with leave for every origin and, for pages, a cookie."""
        self.send_response(200)
        for name, value in {
            "content-type": f"{media_type}; charset=utf-8",
            "content-length": str(len(body)),
            "access-control-allow-origin": self.headers.get("origin") or "*",
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": self.headers.get("access-control-request-headers")
            or "*",
            "set-cookie": COOKIE,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is told of single requests."""


@contextmanager
def serving(script: bytes, page: str) -> Iterator[Site]:
    """The site and its receiver, which is `site.receiver`; both end with the block.

    Every address but that of the script, and `/next`, is answered with the page. In it RECEIVER
    stands for the address of the receiver.
    """
    site, receiver = Site(script, page), Site()
    site.receiver = receiver
    threads = [threading.Thread(target=one.serve_forever, daemon=True) for one in (site, receiver)]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        for one in (site, receiver):
            one.shutdown()
            one.server_close()


@asynccontextmanager
async def visited(browser: Chromium, site: Site) -> AsyncIterator[Tab]:
    """The page, half a second after it was painted, in a profile of its own."""
    profile = await browser.profile()
    tab = await browser.tab(profile)
    await tab.open(f"{site.address}/shop/4711?{TOKEN}")
    # Nobody clicks on what is not there yet; on a busy machine painting takes its time.
    await tab.until(PAINTED)
    await asyncio.sleep(0.6)
    yield tab
    await arrived(site)
    await browser.forget(profile)


async def arrived(site: Site, wanted: int = 1) -> None:
    """Wait for so many requests, not for ever, and then for what nobody expects."""
    assert site.receiver is not None
    deadline = asyncio.get_running_loop().time() + FIRST_SECONDS
    while len(site.receiver.requests) < wanted and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.sleep(ARRIVAL_SECONDS)


async def press(tab: Tab, selector: str) -> None:
    """Click, and leave web-vitals the time to see it, which begins when the page is idle again."""
    await tab.click(selector)
    await tab.evaluate(IDLE)
    await asyncio.sleep(SETTLE_SECONDS)


async def navigate(browser: Chromium, site: Site) -> list[Any]:
    """Click, then follow a link."""
    async with visited(browser, site) as tab:
        await press(tab, "#slow")
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.click("#next")
    return list(left)


async def close(browser: Chromium, site: Site) -> list[Any]:
    """Click, then close the tab."""
    async with visited(browser, site) as tab:
        await press(tab, "#slow")
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.close()
    return list(left)


async def crash(browser: Chromium, site: Site) -> list[Any]:
    """Click, then the renderer dies."""
    async with visited(browser, site) as tab:
        await press(tab, "#slow")
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.crash()
    return list(left)


async def late(browser: Chromium, site: Site) -> list[Any]:
    """Nothing for eleven seconds, then a click, then a link."""
    async with visited(browser, site) as tab:
        await asyncio.sleep(LATE_SECONDS)
        await press(tab, "#slow")
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.click("#next")
    return list(left)


async def soft(browser: Chromium, site: Site) -> list[Any]:
    """Click; two soft navigations with a click after each; then a link."""
    async with visited(browser, site) as tab:
        for selector in ("#slow", "#one", "#slower", "#two", "#slowest"):
            await press(tab, selector)
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.click("#next")
    return list(left)


async def bfcache(browser: Chromium, site: Site) -> list[Any]:
    """Click, follow a link, come back from the back/forward cache, click, close."""
    async with visited(browser, site) as tab:
        await tab.evaluate("self.mark = 1")
        await press(tab, "#slow")
        await tab.click("#next")
        await tab.until("location.pathname == '/next' && document.readyState == 'complete'")
        await tab.evaluate("void history.back()")
        # What a script left is there only if the page itself came back.
        await tab.until("self.mark == 1")
        await asyncio.sleep(0.6)
        await press(tab, "#slower")
        left = await tab.evaluate(LEFT_BEHIND)
        await tab.close()
        await arrived(site, 2)
    return list(left)


async def hidden_at_load(browser: Chromium, site: Site) -> list[Any]:
    """Load behind another tab, come to the front, click, go behind again."""
    profile = await browser.profile()
    other = await browser.tab(profile)
    tab = await browser.tab(profile, url=f"{site.address}/shop/4711?{TOKEN}", background=True)
    await tab.until("document.readyState == 'complete' && document.hidden")
    await asyncio.sleep(0.6)
    await tab.show()
    await tab.until("!document.hidden")
    await asyncio.sleep(0.3)
    await press(tab, "#slow")
    left = await tab.evaluate(LEFT_BEHIND)
    await other.show()
    await arrived(site)
    await browser.forget(profile)
    return list(left)


async def hidden_twice(browser: Chromium, site: Site) -> list[Any]:
    """Click, go behind another tab; come back, a slower click, go behind again; close."""
    async with visited(browser, site) as tab:
        await press(tab, "#slow")
        other = await browser.tab(tab.profile)
        await tab.until("document.hidden")
        await arrived(site)
        await tab.show()
        await tab.until("!document.hidden")
        await asyncio.sleep(0.3)
        await press(tab, "#slower")
        left = await tab.evaluate(LEFT_BEHIND)
        await other.show()
        await arrived(site, 2)
        await tab.close()
    return list(left)


Way = Callable[[Chromium, Site], Awaitable[list[Any]]]
"""Visits the page of a site, ends the view, and gives what was left behind in the browser."""

WAYS: Mapping[Ending, Way] = {
    Ending.NAVIGATE: navigate,
    Ending.CLOSE: close,
    Ending.CRASH: crash,
    Ending.LATE: late,
    Ending.SOFT: soft,
    Ending.BFCACHE: bfcache,
    Ending.HIDDEN_AT_LOAD: hidden_at_load,
    Ending.HIDDEN_TWICE: hidden_twice,
}


async def captured(
    browser: Chromium, script: bytes, attributes: str, way: Way, before: str = ""
) -> Received:
    """One view of the page with this script; `before` is JavaScript that runs ahead of it."""
    with serving(script, page(attributes, before)) as site:
        left = await way(browser, site)
        assert site.receiver is not None
        return Received(list(site.receiver.requests), left)

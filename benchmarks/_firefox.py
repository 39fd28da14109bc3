"""Firefox over WebDriver BiDi: as much of it as a page view needs.

Firefox has no `fetchLater`, so this is where a beacon shows what `fetch` with `keepalive` is worth.
"""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from benchmarks._chromium import START_SECONDS, Link, ProtocolError

LISTENS = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
# What a fresh profile would otherwise ask of the network.
PREFERENCES = {
    "app.update.enabled": False,
    "browser.aboutConfig.showWarning": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


def firefox() -> str | None:
    """The path of Firefox; None when it is not installed."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Page:
    """One tab of Firefox."""

    def __init__(self, link: Link, context: str) -> None:
        self.link = link
        self.context = context

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command about this tab."""
        return await self.link.ask(method, context=self.context, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address and wait for its load event."""
        await self.ask("browsingContext.navigate", url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON carries it."""
        answer = await self.link.ask(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self.context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise ProtocolError(str(answer["exceptionDetails"]["text"]))
        return json.loads(answer["result"].get("value", "null"))

    async def click(self, selector: str) -> None:
        """A click of the mouse, which the page takes for a person's."""
        x, y = await self.evaluate(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        move = {"type": "pointerMove", "x": round(x), "y": round(y)}
        press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        mouse = {"type": "pointer", "id": "mouse", "actions": [move, *press]}
        await self.ask("input.performActions", actions=[mouse])

    async def close(self) -> None:
        """Close the tab."""
        await self.ask("browsingContext.close")


class Firefox:
    """A running Firefox."""

    def __init__(self, link: Link, version: str) -> None:
        self.link = link
        self.version = version

    async def page(self) -> Page:
        """A new tab, with cookies of its own."""
        user = (await self.link.ask("browser.createUserContext"))["userContext"]
        made = await self.link.ask("browsingContext.create", type="tab", userContext=user)
        return Page(self.link, str(made["context"]))


@asynccontextmanager
async def running(binary: str) -> AsyncIterator[Firefox]:
    """A Firefox with an empty profile of its own; stopped and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-firefox-", ignore_cleanup_errors=True) as at:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in PREFERENCES.items()
        ]
        Path(at, "user.js").write_text("".join(lines), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            binary, "--headless", "--no-remote", "--profile", at, "--remote-debugging-port", "0",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            address = await asyncio.wait_for(listening(process.stderr), START_SECONDS)
            drained = asyncio.ensure_future(process.stderr.read())
            # Without a proxy, whatever the environment says.
            link = Link(await connect(f"{address}/session", max_size=None, proxy=None))
            try:
                begun = await link.ask("session.new", capabilities={})
                yield Firefox(link, str(begun["capabilities"]["browserVersion"]))
            finally:
                await link.close()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        await drained


async def listening(output: asyncio.StreamReader) -> str:
    """Where the browser listens, as it says when it does."""
    async for line in output:
        found = LISTENS.search(line)
        if found:
            return found[1].decode()
    raise ProtocolError("Firefox ended before it listened")

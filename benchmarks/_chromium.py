"""Chromium over its own protocol: tabs that are really hidden, closed, crashed and brought back.

Test libraries for browsers keep every page visible, so a tab that goes to the background there is
no tab that goes to the background. This speaks the DevTools protocol and changes nothing of that.
"""

import asyncio
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

START_SECONDS = 30.0
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.05
# Headless, Chromium says so in its name; some scripts keep silent then.
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36"
)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-blink-features=AutomationControlled",
    "--remote-debugging-port=0",
)


class ProtocolError(Exception):
    """The browser refused a command, or is gone."""


def chromium() -> str | None:
    """The path of Chromium; None when it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Link:
    """One connection to a browser: commands by number, answers as they come."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.reader = asyncio.ensure_future(self.read())

    async def read(self) -> None:
        """Hand every answer to who waits for it, until the browser is gone."""
        async for text in self.socket:
            message = json.loads(text)
            waiting = self.waiting.pop(message.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = next(self.numbers)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        await self.socket.send(json.dumps(command))
        message = await asyncio.wait_for(self.waiting[number], ANSWER_SECONDS)
        if "error" in message:
            raise ProtocolError(f"{method}: {message['error']}")
        result: dict[str, Any] = message.get("result", {})
        return result

    async def close(self) -> None:
        """Hang up."""
        self.reader.cancel()
        await self.socket.close()


class Tab:
    """One tab, in the window of its profile."""

    def __init__(self, link: Link, target: str, session: str, profile: str) -> None:
        self.link = link
        self.target = target
        self.session = session
        self.profile = profile

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command to this tab."""
        return await self.link.ask(method, self.session, **parameters)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = await self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise ProtocolError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Go to an address and wait for its load event."""
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState == 'complete' && location.href != 'about:blank'")

    async def until(self, condition: str) -> None:
        """Wait for a JavaScript condition; between two documents nothing holds."""
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            try:
                if await self.evaluate(condition):
                    return
            except ProtocolError:
                pass
            await asyncio.sleep(PAUSE_SECONDS)
        raise ProtocolError(f"{condition} did not come true")

    async def click(self, selector: str) -> None:
        """A click of the mouse, which the page takes for a person's."""
        x, y = await self.evaluate(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def show(self) -> None:
        """Bring this tab to the front of its window; the one that was there is hidden."""
        await self.link.ask("Target.activateTarget", targetId=self.target)

    async def close(self) -> None:
        """Close it, as a person does."""
        await self.link.ask("Target.closeTarget", targetId=self.target)

    async def crash(self) -> None:
        """Have its renderer die; nothing answers after that."""
        command = {"id": 0, "method": "Page.crash", "sessionId": self.session, "params": {}}
        await self.link.socket.send(json.dumps(command))


class Chromium:
    """A running Chromium."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def profile(self) -> str:
        """A fresh profile: cookies, cache and windows of its own."""
        answer = await self.link.ask("Target.createBrowserContext")
        return str(answer["browserContextId"])

    async def tab(self, profile: str, *, url: str = "about:blank", background: bool = False) -> Tab:
        """A new tab of a profile, in front or behind the one that is there."""
        link = self.link
        made = await link.ask(
            "Target.createTarget", url=url, browserContextId=profile, background=background
        )
        target = str(made["targetId"])
        joined = await link.ask("Target.attachToTarget", targetId=target, flatten=True)
        return Tab(link, target, str(joined["sessionId"]), profile)

    async def forget(self, profile: str) -> None:
        """Close all tabs of a profile, without further ado."""
        await self.link.ask("Target.disposeBrowserContext", browserContextId=profile)

    async def version(self) -> str:
        """Such as `Chrome/156.0.8078.79`."""
        return str((await self.link.ask("Browser.getVersion"))["product"])


@asynccontextmanager
async def running(binary: str, *options: str) -> AsyncIterator[Chromium]:
    """A Chromium with an empty folder of its own; stopped and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-chromium-", ignore_cleanup_errors=True) as at:
        folder = Path(at)
        command: Sequence[str] = [
            binary, *OPTIONS, f"--user-agent={USER_AGENT}", f"--user-data-dir={folder}", *options,
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            address = await debugging_address(folder / "DevToolsActivePort")
            link = Link(await connect(address, max_size=None, proxy=None))
            try:
                yield Chromium(link)
            finally:
                await link.close()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def debugging_address(file: Path) -> str:
    """Where the browser listens, as it writes into its folder."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if file.exists() and len(lines := file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(PAUSE_SECONDS)
    raise ProtocolError(f"Chromium did not start within {START_SECONDS:g} s")

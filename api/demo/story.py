"""The demo as it unfolds: a quiet week, a deployment, a regression, and what Slack receives."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from alerts.visitors import page_views
from api.demo import vitals_past
from api.demo.past import DAYS, fill
from api.demo.shop import GOOD, SLOW
from api.demo.slack import DemoSlack, Message
from api.demo.storefront import APP, KEY, TEMPLATES
from api.document import Document
from api.house import House
from api.serve import run
from api.settings import Settings, build
from detector import units
from detector.config import shipped
from detector.regression import Incident, Phase, Regression
from detector.run import milliseconds
from plimsoll_client.deployments import report
from storage.duration import written

PATIENCE_SECONDS = 240.0
BARS = "▁▂▃▄▅▆▇█"
SUBJECT = "/checkout"
SHOWN_WINDOWS = 60
FASTER = ("api_response_time_regression", "api_mean_time_regression")
VITALS_JUDGED = ("rum_lcp_regression",)
VITAL_WINDOWS = 16


@dataclass(frozen=True, slots=True)
class Script:
    """How the story is told."""

    seed: int
    port: int
    stay: bool
    window_seconds: int


def tell(out: Console, script: Script) -> bool:
    """Run the demo; whether the regression was found and told."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-demo-")))
        plimsoll_url = f"http://127.0.0.1:{script.port}"
        shop_url = stack.enter_context(process("api.demo.shop", script.seed, more=(plimsoll_url,)))
        slack = stack.enter_context(
            contextlib.closing(DemoSlack(lambda what, message: show_message(out, what, message)))
        )
        teller = Teller(out, script, shop_url, slack)
        run(settings(script, folder, shop_url, slack.url), teller.tell)
        return teller.found


def settings(script: Script, folder: Path, shop_url: str, slack_url: str) -> Settings:
    """The configuration of the demo: the shipped one, but with shorter windows."""
    window = f"{script.window_seconds}s"
    over = f"{2 * script.window_seconds}s"
    signals, rules = shipped()
    shorter = {name: {"window": window, "over": over} for name in signals}
    clear = {
        name: {"clear": {**rule["clear"], "for": f"{4 * script.window_seconds}s"}}
        for name, rule in rules.items()
    }
    # Shorter windows hold fewer requests, and nobody waits five minutes after the deployment; the
    # triggers stay as they ship.
    for name in (*FASTER, *VITALS_JUDGED):
        clear[name]["gates"] = {**rules[name]["gates"], "min_count": 20, "settling": []}
    interval = f"{max(1, script.window_seconds // 3)}s"
    data: dict[str, Any] = {
        "server": {"port": script.port},
        "storage": {"directory": str(folder)},
        "collector": {
            "interval": interval,
            "targets": [{"name": "shop", "url": f"{shop_url}/metrics"}],
            "rum": {
                "apps": [
                    {
                        "name": APP,
                        "key": KEY,
                        "origins": [shop_url],
                        "routes": list(TEMPLATES),
                        "target": "shop",
                    }
                ],
                "settle": "5s",
                "interval": interval,
                # The browsers of the demo say whose network they are, as a proxy would.
                "trusted_proxies": ["127.0.0.1"],
            },
        },
        "detector": {"delay": "2s"},
        "signals": shorter,
        "rules": clear,
        "alerts": {
            "public_url": f"http://127.0.0.1:{script.port}",
            "slack": {
                "bot_token": "xoxb-demo-not-a-secret",
                "channel": "#performance",
                "api_url": slack_url,
                "charts": False,  # a terminal shows none
            },
        },
    }
    return build(Document(data=data))


@contextlib.contextmanager
def process(module: str, seed: int, url: str = "", more: Sequence[str] = ()) -> Iterator[str]:
    """A process of the demo, ended with it; gives the address that it listens on."""
    if not url:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url, where = f"http://127.0.0.1:{port}", str(port)
    else:
        where = url
    # -P: a folder `api` in the working directory must not be taken for ours.
    child = subprocess.Popen([sys.executable, "-P", "-m", module, where, str(seed), *more])
    try:
        yield url
    finally:
        child.terminate()
        child.wait(10)


class Teller:
    """Tells the story in the terminal, from what the running house knows."""

    def __init__(self, out: Console, script: Script, shop_url: str, slack: DemoSlack) -> None:
        self.out, self.script, self.shop_url, self.slack = out, script, shop_url, slack
        self.plimsoll_url = f"http://127.0.0.1:{script.port}"
        self.found = False

    async def tell(self, house: House) -> None:
        """The whole story."""
        out, window = self.out, self.script.window_seconds
        out.print(f"[bold]A shop under traffic, watched by Plimsoll:[/] {self.plimsoll_url}")
        out.print(
            f"Windows are {written(window)} here, so that you need not wait; the default is 1m, "
            "judged over 5m."
        )
        await self.remember(house)
        await self.until_up(f"{self.shop_url}/metrics")
        seed, more = self.script.seed, (self.plimsoll_url,)
        with (
            process("api.demo.traffic", seed, self.shop_url),
            process("api.demo.browsers", seed, self.shop_url, more),
        ):
            began = monotonic()
            out.print("Customers arrive: about 20 requests a second, each a real HTTP request.")
            out.print(
                f"Browsers open the pages of {self.shop_url} and send their beacons to /rum; open "
                "one yourself, and you are counted among them."
            )
            await asyncio.sleep(3 * window)
            await self.deploy(SLOW)
            out.print(
                f"[bold]{clock(house)}[/] CI reports a deployment: shop {SLOW}. It asks the tax "
                "service once for each item; nobody noticed in review."
            )
            incident = await self.wait(house, lambda one: one.phase is Phase.OPEN)
            if incident is None:
                out.print("[red]No regression was found in time.[/] Is the machine very busy?")
                return
            await self.show(house, incident)
            self.found = await self.told()
            out.print(f"Told {monotonic() - began:.0f} s after the first customer came.")
            await self.show_vital(house)
            if self.script.stay:
                await self.mend(house)

    async def show_vital(self, house: House) -> None:
        """What browsers notice of the same deployment, and no server does."""
        until = monotonic() + VITAL_WINDOWS * self.script.window_seconds
        while monotonic() < until:
            for one in await asyncio.to_thread(incidents, house):
                for each in one.regressions:
                    if each.rule in VITALS_JUDGED and each.phase.holds:
                        self.out.print(Panel("\n".join(vital(each)), title="Web vitals"))
                        return
            await asyncio.sleep(1)
        self.out.print("Browsers were not slowed for long enough yet: see Web vitals in a minute.")

    async def mend(self, house: House) -> None:
        """Roll back, see the message turn green, and leave everything running."""
        await asyncio.sleep(self.script.window_seconds)
        await self.deploy(GOOD)
        self.out.print(f"[bold]{clock(house)}[/] Rolled back to shop {GOOD}.")
        if await self.wait(house, lambda one: one.phase is Phase.RESOLVED):
            self.out.print(f"Everything keeps running: {self.plimsoll_url} (Ctrl-C stops)")
        await asyncio.Event().wait()

    async def remember(self, house: House) -> None:
        """Give the house eight days of history, with a progress bar."""
        columns = (
            TextColumn("Eight days of history"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.out, transient=False) as progress:
            task = progress.add_task("", total=1.0)

            def write() -> None:
                until_ms = milliseconds(house.now())
                past = fill(house.history, house.settings.definitions, until_ms, self.script.seed)
                for share in past:
                    progress.update(task, completed=0.7 * share)
                signal = house.settings.definitions.signals.get(vitals_past.SIGNAL)
                browsers = vitals_past.fill(house.history, signal, until_ms, self.script.seed, DAYS)
                for share in browsers:
                    progress.update(task, completed=0.7 + 0.3 * share)
                house.detector.forget_baselines()

            await asyncio.to_thread(write)

    async def until_up(self, url: str) -> None:
        """Wait until the shop answers."""
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(200):
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.1)
        raise RuntimeError("the demo shop did not start")

    async def deploy(self, version: str) -> None:
        """Switch the shop to a version, and report it to Plimsoll as CI would."""
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(f"{self.shop_url}/deploy", json={"version": version})
        await asyncio.to_thread(report, self.plimsoll_url, "shop", version)

    async def wait(self, house: House, wanted: Callable[[Incident], bool]) -> Incident | None:
        """The first incident about the slowed route that is as wanted; None when none comes."""
        until = monotonic() + PATIENCE_SECONDS
        while monotonic() < until:
            for one in await asyncio.to_thread(incidents, house):
                if of_subject(one) is not None and wanted(one):
                    return one
            await asyncio.sleep(1)
        return None

    async def told(self) -> bool:
        """Whether Slack has the message, which follows the regression within seconds."""
        until = monotonic() + PATIENCE_SECONDS
        while not self.slack.messages and monotonic() < until:
            await asyncio.sleep(0.2)
        return bool(self.slack.messages)

    async def show(self, house: House, incident: Incident) -> None:
        """The regression with chart, size, time and deployment."""
        worst = of_subject(incident) or incident.regressions[0]
        chart = await asyncio.to_thread(sparkline, house, worst)
        began = moment(worst.began_lo_ms), moment(worst.began_hi_ms)
        deployment = incident.deployment
        lines = [
            f"[bold]{escape(worst.title)} {worst.change}[/] on "
            f"{worst.labels.get('method')} {escape(worst.labels.get('route'))}",
            f"now {units.text(worst.value, worst.unit)}, 7-day average "
            f"{units.text(worst.baseline, worst.unit)}",
            f"since {began[0]} to {began[1]} UTC",
            f"correlated with {deployment.service} {deployment.version}, deployed "
            f"{moment(deployment.at_ms)} UTC"
            if deployment
            else "no deployment fits",
            "",
            chart,
            "",
            f"{self.plimsoll_url}/regressions/{worst.id}",
        ]
        self.out.print(Panel("\n".join(lines), title="Regression", border_style="yellow"))


def vital(one: Regression) -> list[str]:
    """A regression that browsers notice, with what their page views say."""
    route, device = (escape(one.labels.get(name)) for name in ("route", "device"))
    said = page_views(one.evidence.get("visits") or {}, one.unit)
    return [
        f"[bold]{escape(one.title)} {one.change}[/] on {route}, {device}: "
        f"now {units.text(one.value, one.unit)}",
        *(f"{escape(each)}." for each in said),
    ]


def incidents(house: House) -> list[Incident]:
    """All incidents."""
    with house.state.reading() as session:
        return house.book.incidents(session, True)


def of_subject(incident: Incident) -> Regression | None:
    """The first regression of the slowed route; others of the shop may have joined it."""
    rows = incident.regressions
    return next((one for one in rows if one.labels.get("route") == SUBJECT), None)


def sparkline(house: House, worst: Regression) -> str:
    """The last windows of the slowed series as bars, from zero to the largest."""
    now_ms = milliseconds(house.now())
    signal = worst.signal
    seconds = house.settings.definitions.signals[signal].form.window
    back_ms = round(SHOWN_WINDOWS * seconds * 1000)
    windows = house.history.windows(
        signal, now_ms - back_ms, now_ms, worst.labels, seconds=seconds, counts=False
    )
    values = windows.values.tolist()
    top = max(values, default=0.0) or 1.0
    bars = "".join(BARS[min(int(one / top * 8), 7)] for one in values)
    unit = house.settings.definitions.signals[signal].form.unit
    return f"{bars}\nlast {written(len(values) * seconds)}, up to {units.text(top, unit)}"


def show_message(out: Console, what: str, message: Message) -> None:
    """What Slack was sent, as text."""
    out.print(
        Panel(
            escape(str(message.get("text", ""))),
            title=f"Slack #performance: message {what}",
            border_style="green" if what == "edited" else "red",
        )
    )


def clock(house: House) -> str:
    """The time of the house, as people read it."""
    return house.now().strftime("%H:%M:%S")


def moment(at_ms: int) -> str:
    """A time of day from milliseconds."""
    return f"{at_ms // 3_600_000 % 24:02d}:{at_ms // 60_000 % 60:02d}:{at_ms // 1000 % 60:02d}"

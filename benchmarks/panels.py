"""Panels: drawn by Grafana's own components, over what a real Prometheus answers their queries.

Band, stat, bar gauge and table panels of the generated dashboards are given to `@grafana/ui` and
`@grafana/data` (Apache-2.0) in headless Chromium, with frames as Grafana's Prometheus data source
makes them. It is counted which bands Grafana found: where `fillBelowTo` names no series, it draws
none without a word. The pictures are left in the directory `PLIMSOLL_PANELS`, to be looked at.
Needs Prometheus, Chromium, Node and 435 MB for the npm packages, which are fetched into
`PLIMSOLL_PANELS` and kept there. Whole dashboards, StateTimeline and Grafana's server are not
rendered: those components are not published.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from api.document import Document
from api.panels import signal_panels
from api.settings import build
from benchmarks._panels import CHOSEN, END, START, frames, openmetrics
from benchmarks._peers import prometheus
from dashboards.config import DashboardsConfig
from dashboards.normalise import normalise
from dashboards.sheets import dashboards

PAGE = Path(__file__).parent / "panels_page"
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
WIDTH, MARGIN = 1240, 8

Json = dict[str, Any]
SHELVES: dict[str, tuple[int, tuple[tuple[str, str], ...]]] = {
    "band": (360, (("plimsoll-route", "API p95 and its band"),
                   ("plimsoll-route", "Error rate and its band"))),
    "stats": (130, (("plimsoll-api", "Open regressions"), ("plimsoll-api", "API p95"),
                    ("plimsoll-api", "API mean"), ("plimsoll-api", "Error rate"))),
    "bars": (330, (("plimsoll-errors", "API p95: the worst now"),
                   ("plimsoll-errors", "API p95: times the average of 7 days"))),
    "table": (330, (("plimsoll-api", "API p95: every series"),)),
    "vitals": (330, (("plimsoll-web-vitals", "LCP: shares of views"),
                     ("plimsoll-web-vitals", "LCP p75 by route, from the buckets"))),
    "history": (110, (("plimsoll-regressions", "Regressions in the range, one by one"),)),
    "quiet": (110, (("plimsoll-cache", "Open now"),)),
}  # fmt: skip


def measure() -> dict[str, object]:
    """How many of the bands are found and of the panels drawn, of all that should be."""
    given = os.environ.get("PLIMSOLL_PANELS")
    directory = Path(given or tempfile.mkdtemp(prefix="plimsoll-panels-"))
    directory.mkdir(parents=True, exist_ok=True)
    install(directory)
    content = shelves(directory)
    (directory / "panels.json").write_text(json.dumps(content))
    subprocess.run(["npm", "run", "build"], cwd=directory, check=True, capture_output=True)
    report = draw(directory)
    wanted = [panel for shelf in content for panel in shelf["panels"]]
    bands = {one["title"] for one in wanted if "band" in one["title"]}
    resolved = [title for title in bands if report[title].get("bands") == [[3, 4]]]
    drawn = [one["title"] for one in wanted if "failed" not in report[one["title"]]]
    packages = json.loads((PAGE / "package.json").read_text())["dependencies"]
    return {
        "name": "panels",
        "ours": len(resolved),
        "peer": None,
        "ratio": None,
        "goal": f"{len(bands)} bands found by Grafana, {len(wanted)} panels drawn",
        "met": len(resolved) == len(bands) and len(drawn) == len(wanted),
        "unit": "bands",
        "drawn": len(drawn),
        "report": report,
        "pictures": str(directory),
        "versions": {name: packages[name] for name in ("@grafana/ui", "@grafana/data")},
    }


def install(directory: Path) -> None:
    """The page, and the npm packages it needs; fetched once."""
    for name in ("package.json", "app.jsx", "scrollbars.js", "index.html"):
        shutil.copy(PAGE / name, directory / name)
    if not (directory / "node_modules" / "@grafana" / "ui").exists():
        command = ["npm", "install", "--legacy-peer-deps", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)


def shelves(directory: Path) -> list[Json]:
    """The chosen panels with what a Prometheus answers their queries."""
    signals = signal_panels(build(Document()).definitions)
    made = {one.uid: normalise(one) for one in dashboards(signals, DashboardsConfig())}
    with tempfile.TemporaryDirectory(prefix="plimsoll-panels-") as folder:
        samples = Path(folder, "samples.om")
        samples.write_text(openmetrics())
        blocks = ["create-blocks-from", "--max-block-duration=744h", "openmetrics", "--quiet"]
        command = ["promtool", "tsdb", *blocks, str(samples), str(Path(folder, "data"))]
        subprocess.run(command, check=True, capture_output=True)
        with prometheus(Path(folder)) as process:
            address = f"http://127.0.0.1:{process.port}"
            return [
                {
                    "name": name,
                    "panels": [
                        filled(address, panel_of(made[uid], title), len(chosen), height)
                        for uid, title in chosen
                    ],
                }
                for name, (height, chosen) in SHELVES.items()
            ]


def panel_of(dashboard: Mapping[str, Any], title: str) -> Json:
    """The panel of this title."""
    every = [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", []))]
    found: Json = next(one for one in every if one["type"] != "row" and one["title"] == title)
    return found


def filled(address: str, panel: Json, beside: int, height: int) -> Json:
    """A panel with its frames and its size."""
    found = [
        frame
        for target in panel["targets"]
        for frame in frames(
            address,
            target,
            replaced(target["expr"], target),
            alone=len(panel["targets"]) == 1,
        )
    ]
    return {
        **panel,
        "frames": found,
        "from": START * 1000,
        "to": END * 1000,
        "width": (WIDTH - MARGIN * (beside - 1)) // beside,
        "height": height,
    }


def replaced(expr: str, target: Mapping[str, Any]) -> str:
    """A query with its variables filled in, as for the chosen route, or for all."""
    is_one = "=~" not in expr
    values = {"__rate_interval": "4m", "__range": f"{END - START}s"}

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return values.get(name) or (CHOSEN.get(name, "") if is_one else ".*")

    return VARIABLE.sub(value, expr)


def draw(directory: Path) -> Json:
    """Take a picture of each shelf and of all; what the components say they show."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise FileNotFoundError("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            page = browser.new_page(viewport={"width": WIDTH + 24, "height": 1280})
            page.goto((directory / "index.html").as_uri())
            count = sum(len(chosen) for _, chosen in SHELVES.values())
            page.wait_for_function(f"Object.keys(window.report).length == {count}", timeout=60_000)
            page.wait_for_timeout(1500)
            for name in SHELVES:
                page.locator(f"#{name}").screenshot(path=str(directory / f"{name}.png"))
            page.screenshot(path=str(directory / "all.png"), full_page=True)
            report: Json = page.evaluate("window.report")
        finally:
            browser.close()
    return report

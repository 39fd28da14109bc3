"""Demo panels: every panel over what real engines scraped of the running demo, none may be empty.

The stack of compose.yaml runs as processes: the shop on a real PostgreSQL and Redis with customers
and browsers, Plimsoll as `plimsoll run`, a real Prometheus and a real VictoriaMetrics that scrape
it. Plimsoll runs in a control group with limits, where one can be made, as in a container. It runs
for two minutes; then it is stopped, the eight days before are written as what was
measured, over and over (of the routes as the demo makes them up), and it goes on. The shop deploys
its slow version; as soon as the regression is open everything runs a while longer, and each query
of each panel of the shipped dashboards is asked of both engines. A panel is empty when one of its
queries finds nothing; of the band of a chosen series, when no set of four finds all. Told apart are
panels on a signal of which Plimsoll itself says why this machine has none: they say so, too.
"""

import json
import os
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import numpy as np

from api.demo.past import fill
from api.demo.shop import GOOD, SLOW
from api.demo.slack import DemoSlack
from api.moments import milliseconds
from api.panels import signal_panels
from api.serve import build
from api.settings import load
from benchmarks._demo import (
    SCRAPE_SECONDS,
    SEED,
    WINDOW_SECONDS,
    Stage,
    plimsoll,
    scrape_config,
    settings_file,
    stage,
)  # fmt: skip
from benchmarks._peers import package_version
from dashboards import overview
from dashboards.normalise import normalise
from dashboards.sheets import dashboards
from plimsoll_client.deployments import report
from storage.history import NO_LAYOUT, History, Windows
from tests.dashboards.asked import Asked
from tests.dashboards.grafana import panels
from tests.servers import prometheus, victoriametrics

QUIET_SECONDS = 120
PATIENCE_SECONDS = 900  # after a deployment five minutes are let settle
AFTER_SECONDS = 60
DAYS = 8
EVERY_MS = 600_000
STATEMENT = ("target", "datname", "fingerprint")
#: What somebody who looks for the slowed route would choose; elsewhere the first choices.
CHOSEN = {
    "plimsoll-route": {"target": "shop", "method": "POST", "route": "/checkout"},
    "plimsoll-overview": {
        "signal": "api_p95",
        "series": 'method="POST",route="/checkout",target="shop"',
    },
}

Json = dict[str, Any]


def measure() -> dict[str, object]:
    """How many panels are empty on each engine, and which."""
    given = os.environ.get("PLIMSOLL_DEMO_PANELS")
    with tempfile.TemporaryDirectory(prefix="plimsoll-demo-") as folder:
        slack = DemoSlack(lambda what, message: None)
        with closing(slack), stage(Path(folder)) as made:
            found = live(made, settings_file(made, slack.url))
    if given:
        Path(given).write_text(json.dumps(found, indent=1))
    empty = {engine: len(one) for engine, one in found["empty"].items()}
    return {
        "name": "demo_panels",
        "ours": max(empty.values()),
        "peer": None,
        "ratio": None,
        "goal": "0 empty panels on both engines",
        "met": not any(empty.values()) and found["panels"] > 0,
        "unit": "empty panels",
        **found,
        "versions": {
            name: package_version(name)
            for name in ("prometheus", "victoria-metrics", "postgresql-15", "redis-server")
        },
    }


def live(made: Stage, file: Path) -> dict[str, Any]:
    """Run through the story, and ask."""
    config = scrape_config(made)
    (made.folder / "scrape.yml").write_text(config)
    with (
        prometheus(made.folder, config) as one,
        victoriametrics(made.folder, f"-promscrape.config={made.folder / 'scrape.yml'}") as other,
    ):
        with plimsoll(made, file):
            report(made.url, "shop", GOOD)
            sleep(QUIET_SECONDS)
        remember(file)
        with plimsoll(made, file):
            opened = deploy_and_wait(made)
            sleep(AFTER_SECONDS)
            end = datetime.now(UTC) - timedelta(seconds=2 * SCRAPE_SECONDS)
            engines = {"prometheus": one, "victoriametrics": other}
            found = {name: ask(file, address, end) for name, address in engines.items()}
    return {
        "panels": found["prometheus"][0],
        "queries": found["prometheus"][1],
        "empty": {name: empty for name, (_, _, empty, _) in found.items()},
        "not_measured_here": found["prometheus"][3],
        "opened_after_seconds": opened,
    }


def deploy_and_wait(made: Stage) -> float:
    """Put the slow version live; seconds until a regression of the slowed route is open."""
    sleep(3 * WINDOW_SECONDS)
    httpx.post(f"{made.shop_url}/deploy", json={"version": SLOW}, trust_env=False)
    report(made.url, "shop", SLOW)
    began = monotonic()
    while monotonic() - began < PATIENCE_SECONDS:
        page = httpx.get(f"{made.url}/api/v1/regressions", trust_env=False).json()
        if any(
            "checkout" in json.dumps(one["labels"]) and one["state"] == "open"
            for one in page["items"]
        ):
            return round(monotonic() - began, 1)
        sleep(1)
    raise RuntimeError("no regression was open in time")


def remember(file: Path) -> None:
    """Write the eight days before into the history of a Plimsoll that is stopped."""
    house = build(load(file))
    with closing(house.file), closing(house.state):
        now_ms = milliseconds(house.now())
        definitions = house.settings.definitions
        routes = {name: one for name, one in definitions.signals.items() if one.form.kind == "api"}
        for _ in fill(house.history, replace(definitions, signals=routes), now_ms, SEED):
            continue
        rng = np.random.default_rng(SEED)
        for name, signal in definitions.signals.items():
            if name not in routes:
                repeat(house.history, name, signal.form.over, now_ms, rng)


def repeat(
    history: History, name: str, seconds: float, now_ms: int, rng: np.random.Generator
) -> None:
    """Eight days of a signal, a window every ten minutes, each one of those just measured."""
    measured = history.windows(name, now_ms - 3_600_000, now_ms, seconds=seconds)
    if not len(measured):
        return
    step_ms = round(seconds * 1000)
    last_ms = (now_ms - EVERY_MS) // step_ms * step_ms
    times = np.arange(last_ms - DAYS * 86_400_000, last_ms + 1, EVERY_MS // step_ms * step_ms)
    parts = [np.flatnonzero(measured.index == at) for at in range(len(measured.series))]
    chosen = np.concatenate([rng.choice(rows, len(times)) for rows in parts if len(rows)])
    index = measured.index[chosen]
    history.put_windows(
        Windows(
            name,
            measured.series,
            index,
            np.tile(times, len(chosen) // len(times)),
            np.full(len(chosen), seconds),
            measured.values[chosen] * rng.normal(1, 0.01, len(chosen)),
            measured.n[chosen],
            np.full(len(chosen), NO_LAYOUT, np.int64),
        )
    )


def ask(file: Path, address: str, end: datetime) -> tuple[int, int, list[str], list[str]]:
    """(panels, queries, what is empty, what cannot be measured here) of one engine."""
    settings = load(file)
    made = dashboards(signal_panels(settings.definitions), settings.dashboards)
    count, queries = 0, 0
    empty: list[str] = []
    excused: list[str] = []
    with Asked(address, end, timedelta(minutes=10), 15) as asked:
        unknown = {labels["signal"] for labels, _ in asked.now("plimsoll_signal_unknown")}
        for dashboard in map(normalise, made):
            values = asked.chosen(dashboard, **chosen_on(dashboard["uid"], asked))
            for panel in panels(dashboard):
                count += 1
                found = {
                    target["refId"]: bool(asked.drawn(target, values))
                    for target in panel["targets"]
                }
                queries += len(found)
                where = f"{dashboard['uid']}: {panel['title']}"
                if panel["title"] == overview.BAND_TITLE:
                    if sum(found.values()) != 4:
                        empty.append(f"{where}: {found}")
                elif missing := [ref for ref, any_ in found.items() if not any_]:
                    told = panel["fieldConfig"]["defaults"].get("noValue", "")
                    reasons = [one for one in unknown if f"No series of {one}." in told]
                    (excused if reasons else empty).append(f"{where}: {', '.join(missing)}")
    return count, queries, empty, excused


def chosen_on(uid: str, asked: Asked) -> dict[str, str]:
    """What is chosen on a dashboard; a statement that was there long enough to have a band."""
    if uid != "plimsoll-query":
        return CHOSEN.get(uid, {})
    known = asked.now('sort_desc(plimsoll_signal_expected{signal="db_statement_time"})')
    labels = known[0][0]
    return {f"statement_{name}": value for name, value in labels.items() if name in STATEMENT}

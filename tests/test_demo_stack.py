"""The stack of compose.yaml as processes, for some seconds: every signal comes to Prometheus.

`python -m benchmarks demo_panels` runs the same for minutes, with a past and a regression, and asks
every query of every panel of two engines.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from api.demo.slack import DemoSlack
from api.panels import signal_panels
from api.settings import Settings, load
from benchmarks._demo import plimsoll, scrape_config, settings_file, stage
from dashboards.normalise import normalise
from dashboards.sheets import dashboards
from tests.dashboards.asked import Asked
from tests.dashboards.grafana import Json, panels
from tests.servers import prometheus

PATIENCE_SECONDS = 90.0
#: What needs longer than this test, or a container with limits.
LATER = {"cache_group_evictions", "container_cpu_throttling", "container_memory_usage"}


@pytest.mark.timeout(240)
def test_every_signal_of_the_stack_reaches_prometheus_and_browsers_fill_their_panels(
    tmp_path: Path,
) -> None:
    slack = DemoSlack(lambda what, message: None)
    with closing(slack), stage(tmp_path) as made:
        file = settings_file(made, slack.url, pace=3)
        settings = load(file)
        made_of = dashboards(signal_panels(settings.definitions), settings.dashboards)
        [vitals] = [normalise(one) for one in made_of if one.uid == "plimsoll-web-vitals"]
        with (
            plimsoll(made, file),
            prometheus(tmp_path, scrape_config(made)) as address,
        ):
            until = monotonic() + PATIENCE_SECONDS
            while (missing := absent(address, settings, vitals)) and monotonic() < until:
                sleep(1)
            assert missing == []


def absent(address: str, settings: Settings, vitals: Json) -> list[str]:
    """Signals without a value; if there are none, panels on what browsers sent without data."""
    signals = settings.definitions.signals
    with now(address) as asked:
        judged = {labels["signal"] for labels, _ in asked.now("plimsoll_signal_value")}
        unknown = {labels["signal"] for labels, _ in asked.now("plimsoll_signal_unknown")}
        # Not every machine has pressure or disks of its own; Plimsoll says so.
        excused = {one for one in unknown if signals[one].form.kind == "resource"}
        missing = sorted({*signals} - LATER - judged - excused)
        if missing:
            return missing
        values = asked.chosen(vitals)
        return [
            panel["title"]
            for panel in panels(vitals)
            for target in panel["targets"]
            if "rum_web" in target["expr"] or "rum_layout" in target["expr"]
            if not asked.drawn(target, values)
        ]


def now(address: str) -> Asked:
    """A Prometheus, asked about this moment."""
    return Asked(address, datetime.now(UTC), timedelta(minutes=2), 2)

"""Who is told what, and when: the same configuration and alerts in a real Alertmanager and ours."""

import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.routing_config import RoutingConfig, load
from tests.alerts.alertmanager import (
    Event,
    Hook,
    alertmanager,
    as_yaml,
    differences,
    ours,
    theirs,
)
from tests.alerts.streams import stream
from tests.servers import program, wait_until

# Half a unit is what the machine may be late by. A run that differs is done again: what the two
# mean differently is different every time, what the machine was too slow for is not.
UNIT_SECONDS = 1.0
TOLERANCE = 0.45
TRIES = 3
SEEDS = range(1, 1 + int(os.environ.get("PLIMSOLL_ALERTMANAGER_SEEDS", "1")))


def compare(
    directory: Path,
    config: Mapping[str, Any],
    events: Sequence[Event],
    unit_seconds: float = UNIT_SECONDS,
) -> None:
    """Both told the same at the same time."""
    routing = RoutingConfig.model_validate(config).routing()
    # Ours counts in units of a second; the timers are scaled with it.
    made = ours(routing, events)
    for attempt in range(TRIES):
        folder = directory / str(attempt)
        folder.mkdir()
        real, late = theirs(folder, config, events, unit_seconds)
        found = differences(real, made, TOLERANCE)
        if not found:
            break
    assert made
    assert not found, "\n".join([f"late by {late:.2f} units", *found])


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_routings_and_streams_are_told_as_the_real_one_tells_them(
    tmp_path: Path, seed: int
) -> None:
    config, events = stream(seed, cases=40, units=9, unit_seconds=1.0)
    compare(tmp_path, config, events)


GROUPED = {
    "group_by": ["alertname"],
    "group_wait": "500ms",
    "group_interval": "2s",
    "repeat_interval": "60s",
}
OVER = {
    "source_match": {"case": "inhibited", "severity": "critical"},
    "target_match_re": {"case": "inhibited", "severity": "warning|info"},
    "equal": ["zone", "absent"],
}


def alert(case: str, **labels: str) -> dict[str, str]:
    return {"case": case, "alertname": "slow", **labels}


def test_told_stories_are_told_as_the_real_one_tells_them(tmp_path: Path) -> None:
    repeats = {**GROUPED, "repeat_interval": "3500ms"}
    nodes = {"repeats": repeats, "inhibited": GROUPED, "silenced": GROUPED, "nothing": GROUPED}
    routes = [
        {"receiver": name, "matchers": [f"case={name}"], **node} for name, node in nodes.items()
    ]
    config = {"route": {"receiver": "nobody", "routes": routes}, "inhibit_rules": [OVER]}
    source = alert("inhibited", alertname="down", severity="critical", zone="a")
    here = alert("inhibited", severity="warning", zone="a")
    there = alert("inhibited", severity="info", zone="b")
    silence = 'case="silenced",alertname=~"sl.w"'
    events = [
        # Told after its wait, then at its interval when something is new, then when it repeats.
        Event(0, "begins", alert("repeats", i="1")),
        Event(1, "begins", alert("repeats", i="2")),
        Event(3, "ends", alert("repeats", i="2")),
        Event(8, "ends", alert("repeats", i="1")),
        # Inhibited until its source is over; one in another zone never.
        Event(0, "begins", source),
        Event(1, "begins", here),
        Event(1, "begins", there),
        Event(4, "ends", source),
        Event(7, "ends", here),
        # What begins and ends under a silence is never told; what lasts is, when it expires.
        Event(0, "silence", matcher=silence),
        Event(1, "begins", alert("silenced", i="short")),
        Event(1, "begins", alert("silenced", i="long")),
        Event(3, "ends", alert("silenced", i="short")),
        Event(5, "expire", matcher=silence),
        Event(8, "ends", alert("silenced", i="long")),
    ]
    compare(tmp_path, config, events)


TIMES = (
    "00:00-24:00", "00:00-12:00", "12:00-24:00", "06:30-18:30", "23:59-24:00", "00:00-00:01",
)  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Local")
DAYS = ("1:15", "16:31", "-1", "-31:-1", "-3:-1", "5:-5", "1", "28:31")
WEEKDAYS = ("monday:friday", "saturday", "sunday:wednesday", "Thursday:Saturday")
MONTHS = ("january:june", "7:12", "november", "11", "2:3")
YEARS = ("2026", "2020:2040", "1999:2000")


def interval(rng: random.Random) -> dict[str, Any]:
    """Any of the fields, each with one or two ranges."""
    made: dict[str, Any] = {}
    if rng.random() < 0.6:
        spans = [one.split("-") for one in rng.sample(TIMES, rng.choice((1, 2)))]
        made["times"] = [{"start_time": a, "end_time": b} for a, b in spans]
    for key, values in (
        ("days_of_month", DAYS),
        ("weekdays", WEEKDAYS),
        ("months", MONTHS),
        ("years", YEARS),
    ):
        if rng.random() < 0.35:
            made[key] = rng.sample(values, rng.choice((1, 2)))
    if rng.random() < 0.7:
        made["location"] = rng.choice(ZONES)
    return made


def test_generated_times_hold_now_when_the_real_one_says_so(tmp_path: Path) -> None:
    rng = random.Random(7)
    named = [
        {"name": f"t{i}", "time_intervals": [interval(rng) for _ in range(rng.choice((1, 1, 2)))]}
        for i in range(150)
    ]
    route = {
        "receiver": "nobody",
        # The last one to be told: by the server's own timers all others were told before.
        "routes": [{"receiver": "last", "continue": True, "group_wait": "600ms"}]
        + [
            {
                "receiver": one["name"],
                "continue": True,
                "group_wait": "100ms",
                "active_time_intervals": [one["name"]],
            }
            for one in named
        ],
    }
    config = {"route": route, "time_intervals": named}
    intervals = RoutingConfig.model_validate(config).routing().intervals

    def held(at: datetime) -> set[str]:
        return {name for name, every in intervals.items() if any(i.contains(at) for i in every)}

    with Hook() as hook, alertmanager(tmp_path, as_yaml(config, hook.url)) as address:
        began = datetime.now(UTC)
        now = {"labels": {"alertname": "now"}, "endsAt": (began + timedelta(hours=1)).isoformat()}
        httpx.post(f"{address}/api/v2/alerts", json=[now], trust_env=False).raise_for_status()
        expected = held(began)
        receivers = [notice["receiver"] for _, notice in hook.told]

        def is_over() -> bool:
            receivers[:] = [notice["receiver"] for _, notice in hook.told]
            return "last" in receivers and len(receivers) > len(expected)

        wait_until(is_over, 15)
        ended = datetime.now(UTC)
        told = set(receivers) - {"last"}
        assert "last" in receivers, "nobody was told"
    # At the edge of a minute either answer is right.
    assert told <= held(began) | held(ended)
    assert told >= held(began) & held(ended)
    assert 10 < len(told) < 140


def test_generated_labels_go_to_the_receivers_that_amtool_names(tmp_path: Path) -> None:
    amtool = program("amtool", package="prometheus-alertmanager")
    config, events = stream(11, cases=15, units=6, unit_seconds=1.0)
    config["inhibit_rules"] = []
    file = tmp_path / "alertmanager.yml"
    file.write_text(as_yaml(config, "http://127.0.0.1:1/"))
    root = load(file).routing().root
    labels = list({str(sorted(e.labels.items())): e.labels for e in events if e.labels}.values())
    for one in labels[:40]:
        told = subprocess.run(
            [amtool, "config", "routes", "test", f"--config.file={file}"]
            + [f"{name}={value}" for name, value in one.items()],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert told == ",".join(route.receiver for route in root.match(one)) + "\n"

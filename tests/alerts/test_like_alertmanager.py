"""Who is told what, and when: the same configuration and alerts in a real Alertmanager and ours."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from alerts.routing_config import RoutingConfig
from tests.alerts.alertmanager import (
    Event,
    differences,
    ours,
    theirs,
)
from tests.alerts.streams import stream

# Half a unit is what the machine may be late by; a run in which it was later proves nothing.
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
    """Both told the same at the same time; tried again only when the machine was too slow."""
    routing = RoutingConfig.model_validate(config).routing()
    # Ours counts in units of a second; the timers are scaled with it.
    made = ours(routing, events)
    for attempt in range(TRIES):
        folder = directory / str(attempt)
        folder.mkdir()
        real, late = theirs(folder, config, events, unit_seconds)
        found = differences(real, made, TOLERANCE)
        if not found or late < TOLERANCE - 0.1:
            break
    assert made
    assert not found, "\n".join([f"late by {late:.2f} units", *found])


def test_a_group_is_told_after_its_wait_then_at_its_interval_then_when_it_repeats(
    tmp_path: Path,
) -> None:
    config = {
        "route": {
            "receiver": "a",
            "group_by": ["alertname"],
            "group_wait": "500ms",
            "group_interval": "2s",
            "repeat_interval": "3500ms",
        }
    }
    slow, other = {"alertname": "slow", "i": "1"}, {"alertname": "slow", "i": "2"}
    events = [
        Event(0, "begins", slow),
        Event(1, "begins", other),
        Event(3, "ends", other),
        Event(8, "ends", slow),
    ]
    compare(tmp_path, config, events)


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_routings_and_streams_are_told_as_the_real_one_tells_them(
    tmp_path: Path, seed: int
) -> None:
    config, events = stream(seed, cases=40, units=9, unit_seconds=1.0)
    compare(tmp_path, config, events)

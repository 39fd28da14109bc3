"""Windows of three lengths: what is forgotten, what stays, and what charts read of it."""

from datetime import timedelta

import numpy as np
import pytest
from prometheus_client import generate_latest

from api.app import create_app
from api.curves import curves, stretch
from api.house import House
from api.loops import LoopMeters, Loops
from detector.baseline import DAY_MS
from detector.current import Days
from detector.evaluate import has_hourly
from storage.history import Windows
from storage.series import Labels, Window
from tests.api.asking import Client
from tests.api.shop import NOW_MS, Clock

HOUR_MS = 3_600_000
HOST = Labels.of(target="host")
SIGNAL = "host_memory_usage"


def past(house: House, days: int) -> None:
    """Windows of both lengths, their value the number of the hour, ended by a full hour."""
    for seconds, reach in ((300, days), (60, min(days, 4))):
        ends = np.arange(NOW_MS - reach * DAY_MS, NOW_MS, seconds * 1000) + seconds * 1000
        rows = [
            Window(SIGNAL, HOST, int(end), float(seconds), float(end // HOUR_MS % 24), 4.0)
            for end in ends
        ]
        house.history.put_windows(Windows.of(SIGNAL, rows))


def forget(house: House) -> None:
    Loops(house, LoopMeters(house.registry)).forget(house.now())


def oldest_days(house: House, seconds: float) -> float:
    found = house.history.windows(SIGNAL, 0, NOW_MS, seconds=seconds)
    return float((NOW_MS - found.end_ms.min()) / DAY_MS)


def test_each_length_is_kept_as_long_as_it_should_be(house: House) -> None:
    past(house, 40)
    hourly = [
        Window(SIGNAL, HOST, NOW_MS - ago * DAY_MS, 3600.0, 1.0, 1.0) for ago in (401, 399, 39)
    ]
    house.history.put_windows(Windows.of(SIGNAL, hourly))
    forget(house)
    assert oldest_days(house, 60.0) == pytest.approx(2, abs=0.01)
    assert oldest_days(house, 300.0) == pytest.approx(35, abs=0.01)
    assert oldest_days(house, 3600.0) == 399


def test_what_is_forgotten_changes_no_baseline(house: House) -> None:
    past(house, 9)

    def days() -> Days:
        held = house.detector.windowing.days(SIGNAL, NOW_MS)
        return Days(held.signal, held.members, held.recent)

    before = house.detector.normals.flat(days(), NOW_MS, [])
    forget(house)
    house.detector.forget_baselines()
    after = house.detector.normals.flat(days(), NOW_MS, [])
    one, other = before.background((HOST,)), after.background((HOST,))
    assert one.days[0] == 7
    for name in ("mean", "deviation", "n", "days"):
        assert getattr(one, name) == getattr(other, name)


def test_a_full_hour_makes_windows_of_an_hour_from_those_that_are_judged(house: House) -> None:
    past(house, 1)
    signal = house.detector.definitions.signals[SIGNAL]
    assert has_hourly(signal)
    house.detector.windowing.step([signal], NOW_MS - 60_000)
    assert not len(house.history.windows(SIGNAL, 0, NOW_MS, seconds=3600.0))
    house.detector.windowing.step([signal], NOW_MS)
    (made,) = house.history.windows(SIGNAL, 0, NOW_MS, seconds=3600.0).rows()
    judged = house.history.windows(SIGNAL, NOW_MS - HOUR_MS, NOW_MS, seconds=300.0)
    assert (made.end_ms, made.n) == (NOW_MS, judged.n.sum())
    assert made.value == pytest.approx(float((judged.values * judged.n).sum() / judged.n.sum()))


def test_a_chart_reads_what_is_kept_as_far_back_as_it_goes(house: House, clock: Clock) -> None:
    signal = house.detector.definitions.signals[SIGNAL]

    def read(days_ago: float, days: float) -> tuple[float, float]:
        since_ms = NOW_MS - round(days_ago * DAY_MS)
        found = stretch(house, signal, since_ms, since_ms + round(days * DAY_MS), 400)
        return found.stored, found.seconds

    assert read(0.125, 0.125) == (60, 60)
    assert read(7, 0.125) == (300, 300)
    assert read(30, 30) == (300, 6600)
    assert read(60, 1) == (3600, 3600)
    assert read(100, 100) == (3600, 6 * 3600)
    clock.at += timedelta(days=60)
    assert read(0.125, 0.125) == (3600, 3600)


def test_a_long_chart_shows_windows_of_an_hour_merged(house: House) -> None:
    ends = [NOW_MS - hours * HOUR_MS for hours in range(60 * 24)]
    rows = [Window(SIGNAL, HOST, end, 3600.0, 0.5, 240.0) for end in reversed(ends)]
    house.history.put_windows(Windows.of(SIGNAL, rows))
    signal = house.detector.definitions.signals[SIGNAL]
    reach = stretch(house, signal, NOW_MS - 60 * DAY_MS, NOW_MS, 400)
    drawn = curves(house, signal, [HOST], reach)[HOST]
    assert reach.seconds == 4 * 3600
    assert len(drawn.value) == 360
    assert set(drawn.n) == {960.0}


def test_what_is_kept_is_told_on_metrics_and_on_the_overview(house: House) -> None:
    client = Client(create_app(house))
    past(house, 1)
    page = generate_latest(house.registry).decode()
    values = {
        line.split()[0]: float(line.split()[1]) for line in page.splitlines() if "#" not in line
    }
    assert values['plimsoll_history_rows{table="windows"}'] == 288 + 1440
    assert values['plimsoll_history_rows{table="samples"}'] == 0
    for name in ("history_bytes", "history_memory_bytes", "state_bytes"):
        assert values[f"plimsoll_{name}"] > 10_000
    assert "0 samples and 1,728 windows, state " in client.get("/").text

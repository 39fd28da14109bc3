"""Leaks, and histograms that have moved as a whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import build_rules, build_signals
from detector.facts import FactFinder
from detector.judgement import Judged
from detector.judges.distribution import Distributions, ShareJudge, ShiftJudge, gap, middle
from detector.judges.slope import SlopeJudge, daily_lows, projected, theil_sen
from detector.regression import Phase
from detector.stack import joined
from storage.history import NO_LAYOUT, Floats, Windows
from storage.series import Labels
from tests.detector.watch import DAY_MS, LEVEL, MINUTE_MS, NOON_MS, SERIES, Watch, definitions
from tests.notation import array

WEEK = 7 * 86_400.0
INF = float("inf")


def lows(text: str) -> Floats:
    return array(text)


@pytest.mark.parametrize(
    ("text", "multiple"),
    [
        ("100 108 116 124 132 140 148", 1 + 8 * 7 / 148),
        ("100x7", 1.0),
        ("140 130 120 110 100", 1.0),
        ("100 110 120 115 130", 1.0),  # one of the last three days fell
        ("130 100 110 120 130", 1 + 10 * 7 / 130),  # only the last three must rise
        ("_ _ _ 100 110 120 130", 1 + 10 * 7 / 130),
        ("_ _ _ _ 100 110 120", None),
        ("0 0 0 0", 1.0),
    ],
)
def test_the_lows_of_the_days_project_a_multiple(text: str, multiple: float | None) -> None:
    found = projected(lows(text), WEEK, 3, True)
    assert np.isnan(found) if multiple is None else found == pytest.approx(multiple)


def test_one_odd_day_does_not_turn_the_slope() -> None:
    days = np.arange(7.0)
    assert theil_sen(days, np.array([1.0, 2, 3, 40, 5, 6, 7])) == pytest.approx(1.0)


@given(st.floats(1e-6, 1e9), st.lists(st.floats(0.1, 10), min_size=5, max_size=8))
def test_the_unit_does_not_matter_to_a_leak(factor: float, values: list[float]) -> None:
    here = projected(np.array(values), WEEK, 3, True)
    there = projected(np.array(values) * factor, WEEK, 3, True)
    assert there == pytest.approx(here, rel=1e-6)


def windows(values: Floats, every_minutes: int = 60) -> Windows:
    ends = NOON_MS - np.arange(len(values))[::-1] * every_minutes * MINUTE_MS
    there = ~np.isnan(values)
    count = int(there.sum())
    return Windows(
        "level",
        (SERIES,),
        np.zeros(count, np.int64),
        ends[there].astype(np.int64),
        np.full(count, 300.0),
        values[there],
        np.full(count, 5.0),
        np.full(count, NO_LAYOUT, np.int64),
    )


def test_a_low_is_the_lowest_value_of_a_day_and_a_restart_begins_anew() -> None:
    day = np.linspace(0, 5, 24)
    rising = np.concatenate([100 + 10 * n + day for n in range(8)])
    found = daily_lows(windows(rising), NOON_MS, 8)[0]
    assert found == pytest.approx([100, 110, 120, 130, 140, 150, 160, 170])
    restarted = rising.copy()
    restarted[80:] -= 70  # in the fourth day
    found = daily_lows(windows(restarted), NOON_MS, 8)[0]
    assert np.isnan(found[:4]).all()
    assert found[4:] == pytest.approx([70, 80, 90, 100])


LEAK = {
    "signal": "level",
    "trigger": {"slope": {"above": 1.5}},
    "sustain": {"windows": 1, "of": 1},
    "clear": {"level": 1.01, "for": "1d"},
    "severity": "info",
}


@pytest.mark.parametrize(
    ("a_day", "found"),
    [("100 120 140 160 180 200 220 240", 1), ("100 103 99 104 100 103 99 104", 0)],
)
def test_a_leak_is_found_on_the_history_and_ups_and_downs_are_none(
    tmp_path: Path, a_day: str, found: int
) -> None:
    watch = Watch(tmp_path, definitions({"leak": LEAK}))
    watch.past(" ".join(f"{one}x24" for one in a_day.split()))
    watch.level("240x5" if found else "104x5")
    watch.ticks(1, 2)
    leaks = watch.regressions()
    assert len(leaks) == found
    if found:
        assert leaks[0].evidence["threshold"] == 1.5
        assert (leaks[0].phase, leaks[0].severity) == (Phase.OPEN, "info")
    watch.close()


# --- distributions ---


def spread_out(now: list[list[float]], past: list[list[list[float]]]) -> Distributions:
    """One series with the edges 1, 2 and infinity, from counts in each bucket."""
    return Distributions(
        np.cumsum(np.array([now], float), axis=-1),
        np.cumsum(np.array([past], float), axis=-1),
        np.array([[1.0, 2.0, INF]]),
    )


USUAL = [[[700.0, 200, 100]]] * 7
WAVERING = [[[700.0 + d, 200 - d, 100]] for d in (-60, -40, -20, 0, 20, 40, 60)]


@pytest.mark.parametrize(
    ("now", "past", "fires"),
    [
        ([[700, 200, 100]], USUAL, False),
        ([[500, 300, 200]], USUAL, True),
        ([[900, 80, 20]], USUAL, False),  # better
        ([[660, 230, 110]], USUAL, False),  # less than anybody notices
        ([[500, 300, 200]], WAVERING, False),  # days differ by as much
        ([[0, 100, 900]], WAVERING, True),
        ([[3, 3, 3]], USUAL, False),  # chance
    ],
)
def test_a_shift_is_one_beyond_what_days_differ_by(
    now: list[list[float]], past: list[list[list[float]]], fires: bool
) -> None:
    found = ShiftJudge(6, 3, INF, True).judge(spread_out(now, past))
    assert found.measured is not None
    assert bool(found.measured[0, -1] > found.threshold[0]) is fires


def test_fewer_than_five_days_say_nothing() -> None:
    empty = [[[0.0, 0, 0]]] * 3
    found = ShiftJudge(6, 3, INF, True).judge(spread_out([[0, 0, 100]], empty + USUAL[:4]))
    assert np.isnan(found.threshold[0])
    share = ShareJudge(0.05, 0.02, INF, 1.0, True)
    assert np.isnan(share.judge(spread_out([[0, 0, 100]], empty + USUAL[:4])).threshold[0])


@pytest.mark.parametrize(
    ("now", "bound", "measured"),
    [
        ([[700, 200, 100]], 1.0, 0.0),
        ([[600, 200, 200]], 1.0, 0.1),
        ([[600, 200, 200]], 2.0, 0.1),
        ([[800, 100, 100]], 1.0, -0.1),
        ([[600, 200, 200]], 1.5, None),  # no edge
        ([[0, 0, 0]], 1.0, None),
    ],
)
def test_a_share_beyond_an_edge_is_compared_with_that_of_the_days_before(
    now: list[list[float]], bound: float, measured: float | None
) -> None:
    found = ShareJudge(0.05, 0.02, INF, bound, True).judge(spread_out(now, USUAL)).measured
    assert found is not None
    assert np.isnan(found[0, 0]) if measured is None else found[0, 0] == pytest.approx(measured)


def test_where_smaller_is_worse_the_signs_are_turned() -> None:
    better = spread_out([[900, 80, 20]], USUAL)
    share = ShareJudge(0.05, 0.02, INF, 1.0, False).judge(better)
    shift = ShiftJudge(6, 3, INF, False).judge(better)
    for one in (share, shift):
        assert one.measured is not None
        assert one.measured[0, 0] < one.threshold[0] < one.clear[0]


@given(
    st.lists(st.integers(0, 500), min_size=4, max_size=4),
    st.lists(st.integers(0, 500), min_size=4, max_size=4),
)
def test_a_gap_is_between_nothing_and_one_and_only_one_way_at_each_edge(
    one: list[int], other: list[int]
) -> None:
    a, b = (np.cumsum(np.array([[each]], float), axis=-1) for each in (one, other))
    found = gap(a, b, True)[0, 0]
    if not sum(one) or not sum(other):
        assert np.isnan(found)
        return
    assert 0 <= found <= 1
    assert gap(a, a, True)[0, 0] == 0
    assert gap(b, a, False)[0, 0] == pytest.approx(found)
    widest = np.abs(a[0, 0] / a[0, 0, -1] - b[0, 0] / b[0, 0, -1]).max()
    assert max(found, gap(a, b, False)[0, 0]) == pytest.approx(widest)


def test_the_middle_of_nothing_is_not_known() -> None:
    centre, spread = middle(np.array([[np.nan, np.nan], [1.0, 3.0]]))
    assert np.isnan([centre[0], spread[0]]).all()
    assert (centre[1], spread[1]) == (2.0, pytest.approx(1.4826))


HISTOGRAM = {"form": "quantile", "metric": "t", "q": 0.95, "unit": "seconds", "by": ["target"]}


def histogram(watch: Watch, end_ms: int, seconds: float, counts: list[float], edges: Any) -> None:
    watch.history.put_windows(
        Windows(
            "t95",
            (SERIES,),
            np.zeros(1, np.int64),
            np.array([end_ms]),
            np.array([seconds]),
            np.array([1.0]),
            np.array([sum(counts)]),
            np.zeros(1, np.int64),
            (tuple(edges),),
            np.array(counts),
        )
    )


@pytest.mark.parametrize(
    ("trigger", "held"),
    [
        ({"distribution": {"above": 6}}, True),
        ({"distribution": {"above": 0.05, "bound": 1.0}}, True),
        ({"distribution": {"above": 0.5, "bound": 1.0}}, False),
        ({"any": [{"absolute": {"above": 9, "clear": 8}}, {"distribution": {"above": 6}}]}, True),
    ],
)
def test_a_moved_histogram_is_found_on_the_history(
    tmp_path: Path, trigger: dict[str, Any], held: bool
) -> None:
    rule = {
        "signal": "t95",
        "trigger": trigger,
        "sustain": {"windows": 1, "of": 1},
        "clear": {"for": "1h"},
        "gates": "off",
    }
    watch = Watch(tmp_path, definitions({"moved": rule}, {"t95": HISTOGRAM}))
    for day in range(8):
        # Yesterday's layout had an edge more; what both share is compared.
        edges = (1.0, 2.0, INF) if day else (1.0, INF)
        counts = [700.0, 200, 100] if day else [500.0, 500]
        histogram(watch, NOON_MS - day * DAY_MS, 300.0 if day else 60.0, counts, edges)
    signal = watch.detector.definitions.signals["t95"]
    windowing = watch.detector.windowing
    windowing.follow(windowing.held["t95"], NOON_MS + MINUTE_MS)
    (draft,) = watch.detector.judge(signal, NOON_MS, [], [])
    (row,) = draft.verdicts.rows()
    assert (row.verdict == "regressed") is held
    if "any" in trigger:
        assert [one.trigger for one in row.leaves] == ["any.0.absolute", "any.1.distribution"]
        assert [one.holds for one in row.leaves] == [False, True]
    watch.close()


def test_windows_are_joined_with_their_own_layouts() -> None:
    one = Windows(
        "s",
        (SERIES,),
        np.zeros(1, np.int64),
        np.array([1]),
        np.ones(1),
        np.ones(1),
        np.ones(1),
        np.zeros(1, np.int64),
        ((1.0, INF),),
        np.array([1.0, 2.0]),
    )
    other = replace(
        one, series=(Labels.of(target="till"),), layouts=((2.0, INF),), counts=np.array([3.0, 4.0])
    )
    both = joined("s", [one, other, one])
    assert [row.bounds for row in both.rows()] == [(1.0, INF), (2.0, INF), (1.0, INF)]
    assert [row.counts for row in both.rows()] == [(1.0, 2.0), (3.0, 4.0), (1.0, 2.0)]
    assert [row.labels.get("target") for row in both.rows()] == ["shop", "till", "shop"]


def test_daily_lows_are_read_once_an_hour(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions({"leak": LEAK}))
    watch.past("100x8")
    finder = FactFinder(watch.history)
    rule = build_rules({"leak": LEAK})["leak"]
    signal = build_signals({"level": LEVEL})["level"]
    judged = Judged((SERIES,), np.ones((1, 1)), np.ones((1, 1)), NOON_MS)
    first = finder.find(signal, rule, rule.span(60, 300), judged).lows
    watch.past("200x8")
    again = finder.find(signal, rule, rule.span(60, 300), judged).lows
    written = finder.find(signal, rule, rule.span(60, 300), judged, version=1).lows
    later = replace(judged, end_ms=NOON_MS + 60 * MINUTE_MS)
    fresh = finder.find(signal, rule, rule.span(60, 300), later).lows
    assert first is not None
    assert again is not None
    assert written is not None
    assert fresh is not None
    assert (written[0, -2:] == 200).all()
    assert np.nanmin(first) == np.nanmin(again) == 100
    assert np.nanmin(fresh) == 200
    watch.close()


def test_a_slope_downwards_is_the_mirror() -> None:
    found = SlopeJudge(0.5, 0.99, -INF, WEEK, 3).judge(lows("170 150 130 110 90")[None, :])
    assert found.measured is not None
    assert found.measured[0, 0] == 0.0
    assert found.measured[0, 0] < found.threshold[0]

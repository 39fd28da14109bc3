"""Replays: the same openings as ticks made, at the same times, and what they say of a rule."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.replay import Replay, Report
from detector.run import Definitions
from storage.series import Labels
from tests.detector.watch import (
    DAY_MS,
    HIGH,
    HOUR_MS,
    LEVEL,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    Watch,
    definitions,
)

TILL = Labels.of(target="till")
HOURS = definitions(
    {
        "high": {**HIGH, "sustain": {"for": "2h"}},
        "risen": {**RISEN, "gates": {"min_delta": 1}, "clear": {"level": 1.1, "for": "2h"}},
    },
    {"level": {**LEVEL, "window": "1h", "over": "1h"}},
)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.close()


def replayed(watch: Watch, start_ms: int, end_ms: int, **more: Any) -> Report:
    chosen: Definitions = watch.detector.definitions
    rules = more.pop("rules", chosen.rules)
    one = Replay(chosen.signals, rules, watch.history, start_ms, end_ms, **more)
    shares = list(one.run())
    assert shares == sorted(shares)
    assert shares[-1] == 1
    return one.report()


def fired(report: Report) -> list[tuple[object, ...]]:
    """What opened, in the order of time."""
    found = [
        (e.opened_ms, e.rule, e.labels.pairs, e.began_ms, e.ended_ms, e.threshold, e.again)
        for rule in report.rules
        for e in rule.episodes
    ]
    return sorted(found, key=repr)


def stored(watch: Watch) -> list[tuple[object, ...]]:
    """The same of what ticks have put into the book."""
    with watch.state.reading() as session:
        book = watch.book
        found = []
        for one in book.spans(session, 0):
            if one.kind != "regression":
                continue
            steps = book.transitions(session, one.id)
            opened = [t for t in steps if t.step in ("opened", "reopened")]
            over = [t.at_ms for t in steps if t.step == "resolved"]
            spans: Sequence[tuple[int, int]] = one.spans(0)
            for number, step in enumerate(opened):
                ended = over[number] if number < len(over) else None
                threshold = step.evidence["threshold"]
                again = step.step == "reopened"
                lo = spans[number][0]
                found.append((step.at_ms, one.rule, one.labels.pairs, lo, ended, threshold, again))
    return sorted(found, key=repr)


def nine_days(seed: int = 5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A value a minute: noise, a regression on the eighth day, twice, and a gap in it."""
    minutes = 9 * 24 * 60
    values = 10 + np.random.default_rng(seed).normal(0, 0.3, minutes)
    day = 24 * 60
    values[7 * day + 300 : 7 * day + 900] *= 1.4
    values[7 * day + 1100 : 8 * day + 600] *= 2.5
    values[7 * day + 1200 : 7 * day + 1260] = np.nan
    values[3 * day : 3 * day + 45] *= 3  # a spike of less than an hour
    return values


def text(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " ".join("_" if np.isnan(one) else repr(float(one)) for one in values)


def test_a_replay_opens_what_nine_days_of_ticks_opened_at_the_same_times(tmp_path: Path) -> None:
    watch = Watch(tmp_path, HOURS)
    watch.level(text(nine_days()))
    watch.level(text(nine_days(6)[: 6 * 1440]), labels=TILL)
    for minute in range(60, 9 * 1440 + 1, 60):
        watch.detector.tick(NOON_MS + minute * MINUTE_MS)
    report = replayed(watch, NOON_MS, NOON_MS + 9 * DAY_MS)
    assert fired(report) == stored(watch)
    by_rule = {one.rule: one for one in report.rules}
    assert by_rule["risen"].openings >= 2
    assert by_rule["high"].openings >= 1
    assert any(e.again for e in by_rule["risen"].episodes)
    assert by_rule["risen"].series == 2
    # A rule that needs a past says nothing on the first day.
    assert by_rule["risen"].series_days < by_rule["high"].series_days
    watch.close()


def test_where_short_windows_are_stored_a_replay_is_as_close_as_the_ticks(watch: Watch) -> None:
    watch.past("10x6 11x2")
    watch.level("10x60 25x7 10x40 14x50 10x40")
    watch.ticks(1, 196)
    report = replayed(watch, NOON_MS - 2 * DAY_MS, NOON_MS + 195 * MINUTE_MS)
    late = [one for one in stored(watch) if isinstance(one[0], int)]
    assert len({one[1] for one in late}) == 2
    assert fired(report) == late
    (high, risen) = report.rules
    assert 0 < high.coarse_share < 1
    assert (high.is_approximate, risen.is_approximate) == (True, False)


def test_where_they_are_gone_a_rule_for_minutes_is_judged_on_longer_windows(watch: Watch) -> None:
    ends = np.arange(NOON_MS, NOON_MS + 9 * DAY_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
    values = np.where(
        (ends > NOON_MS + 8 * DAY_MS) & (ends <= NOON_MS + 8 * DAY_MS + HOUR_MS), 30, 10
    )
    watch.windows(ends.tolist(), values.tolist())
    report = replayed(watch, NOON_MS + DAY_MS, NOON_MS + 9 * DAY_MS)
    high = report.rules[0]
    assert high.coarse_share == 1
    assert high.is_approximate
    (one,) = high.episodes
    assert one.opened_ms == NOON_MS + 8 * DAY_MS + 5 * MINUTE_MS
    assert high.transient_share == 0.0
    assert one.ended_ms == NOON_MS + 8 * DAY_MS + HOUR_MS + 10 * MINUTE_MS

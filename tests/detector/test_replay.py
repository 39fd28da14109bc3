"""Replays: the same openings as ticks made, at the same times, and what they say of a rule."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.config import build_rules
from detector.draft import Draft, concluded
from detector.judgement import Assessment, Reason, Verdicts
from detector.noise import Noise
from detector.paper import as_of
from detector.regression import Phase, Regression
from detector.replay import Replay, Report, literal
from detector.run import Definitions
from detector.stack import ending
from detector.sweep import by_end, only
from storage.history import Windows
from storage.series import Labels, Window
from tests.detector.regressions import regression
from tests.detector.watch import (
    DAY_MS,
    HIGH,
    HOUR_MS,
    LEVEL,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    SERIES,
    Watch,
    definitions,
)

TILL = Labels.of(target="till")
HOURS = definitions(
    {
        "high": {**HIGH, "sustain": {"for": "4h"}},
        "risen": {**RISEN, "gates": {"min_delta": 1}, "clear": {"level": 1.1, "for": "4h"}},
    },
    {"level": {**LEVEL, "window": "2h", "over": "2h"}},
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
    values[7 * day : 7 * day + 480] *= 1.4
    values[7 * day + 1100 : 8 * day + 600] *= 2.5
    values[7 * day + 1200 : 7 * day + 1320] = np.nan
    values[3 * day : 3 * day + 45] *= 3  # a spike of less than an hour
    return values


def text(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " ".join("_" if np.isnan(one) else repr(float(one)) for one in values)


def test_a_replay_opens_what_nine_days_of_ticks_opened_at_the_same_times(tmp_path: Path) -> None:
    watch = Watch(tmp_path, HOURS)
    watch.level(text(nine_days()))
    watch.level(text(nine_days(6)[: 6 * 1440]), labels=TILL)
    for minute in range(120, 9 * 1440 + 1, 120):
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
    watch.level("10x40 25x7 10x23 14x35 10x35")
    watch.ticks(1, 140)
    report = replayed(watch, NOON_MS - 2 * DAY_MS, NOON_MS + 140 * MINUTE_MS)
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


NOISY = {
    "signal": "level",
    "trigger": {"absolute": {"above": 20}},
    "sustain": {"windows": 1, "of": 1},
    "gates": {"min_events": 1000},
    "clear": {"level": 15, "for": "5m"},
}


def spiky(watch: Watch, days: int = 9) -> None:
    """Windows of five minutes after noon: every second hour one is beyond 20."""
    ends = np.arange(NOON_MS, NOON_MS + days * DAY_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
    values = np.where(ends % (2 * HOUR_MS) == 0, 30.0, 10.0)
    watch.windows(ends.tolist(), values.tolist())


def test_gates_off_shows_what_the_literal_rule_costs(watch: Watch) -> None:
    spiky(watch)
    rules = build_rules({"noisy": NOISY})
    span = (NOON_MS + DAY_MS, NOON_MS + 9 * DAY_MS)
    (held,) = replayed(watch, *span, rules=rules).rules
    assert (held.openings, held.verdict) == (0, Noise.SILENT)
    # Twelve windows of five minutes a day, refused for want of events.
    assert held.held_back_hours == {Reason.MIN_EVENTS: pytest.approx(8.0)}
    (off,) = replayed(watch, *span, rules=literal(rules)).rules
    assert (off.openings, off.verdict) == (96, Noise.NOISY)
    assert off.per_100 == pytest.approx(1200)
    assert off.transient_share == 95 / 96  # the last one is not over when the span ends
    assert [count for _, count in off.days] == [6, *[12] * 7, 6]
    assert off.noisiest == ((SERIES, 96),)
    assert off.longest_ms == 10 * MINUTE_MS


def test_what_was_there_before_the_span_is_no_opening_of_its_first_day(watch: Watch) -> None:
    ends = np.arange(NOON_MS, NOON_MS + 3 * DAY_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
    watch.windows(ends.tolist(), np.where(ends > NOON_MS + DAY_MS, 30.0, 10.0).tolist())
    later = NOON_MS + DAY_MS + HOUR_MS
    assert replayed(watch, later, NOON_MS + 3 * DAY_MS).rules[0].openings == 0
    assert replayed(watch, NOON_MS + DAY_MS, NOON_MS + 3 * DAY_MS).rules[0].openings == 1


def test_regressions_of_other_rules_stay_out_of_its_baseline(watch: Watch) -> None:
    days = 9
    ends = np.arange(NOON_MS, NOON_MS + days * DAY_MS, 5 * MINUTE_MS) + 5 * MINUTE_MS
    bad = (ends > NOON_MS + 6 * DAY_MS) & (ends <= NOON_MS + 8 * DAY_MS)
    late = ends > NOON_MS + 8 * DAY_MS + 6 * HOUR_MS
    values = np.where(bad, 20.0, np.where(late, 12.5, 10.0))
    watch.windows(ends.tolist(), values.tolist())
    rules = build_rules({"risen": RISEN})
    span = (NOON_MS + 8 * DAY_MS + HOUR_MS, NOON_MS + days * DAY_MS)
    other = regression(
        rule="another",
        signal="level",
        labels=SERIES,
        opened_ms=NOON_MS + 6 * DAY_MS,
        began_lo_ms=NOON_MS + 6 * DAY_MS,
        resolved_ms=NOON_MS + 8 * DAY_MS,
        phase=Phase.RESOLVED,
    )
    warm: dict[str, Any] = {"start_ms": span[0], "end_ms": span[1], "rules": rules}
    opened = [e.opened_ms for e in replayed(watch, **warm, known=[other]).rules[0].episodes]
    assert opened == [NOON_MS + 8 * DAY_MS + 6 * HOUR_MS + 10 * MINUTE_MS]
    assert replayed(watch, **warm).rules[0].episodes == ()
    elsewhere = replace(other, signal="other")
    assert replayed(watch, **warm, known=[elsewhere]).rules[0].episodes == ()


def test_in_turns_the_same_opens_as_at_once(tmp_path: Path) -> None:
    watch = Watch(tmp_path, HOURS)
    ends = NOON_MS + np.arange(1, 9 * 12 + 1) * 2 * HOUR_MS
    for number in range(7):
        values = np.where(ends % ((2 * number + 12) * HOUR_MS) < 8 * HOUR_MS, 30.0, 10.0)
        labels = Labels.of(target=f"shop{number}")
        watch.history.put_windows(
            Windows.of(
                "level",
                [
                    Window("level", labels, int(end), 7200.0, float(value), 60.0)
                    for end, value in zip(ends, values, strict=True)
                ],
            )
        )
    span = (NOON_MS + DAY_MS, NOON_MS + 9 * DAY_MS)
    at_once, in_turns = replayed(watch, *span), replayed(watch, *span, series_at_once=2)
    assert fired(at_once) == fired(in_turns) != []
    assert at_once.rules == in_turns.rules
    watch.close()


def test_what_finds_no_room_in_memory_is_counted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    spiky(watch)
    assert replayed(watch, NOON_MS + 8 * DAY_MS, NOON_MS + 9 * DAY_MS).lost == 0
    monkeypatch.setattr("detector.replay.MEMORY_BYTES", 1)
    assert replayed(watch, NOON_MS + 8 * DAY_MS, NOON_MS + 9 * DAY_MS).lost > 2000


def test_the_past_of_candidates_is_asked_at_every_tick_of_a_replay(watch: Watch) -> None:
    spiky(watch)
    asked = []

    def nothing_is_left(
        drafts: Sequence[Draft], now_ms: int, open_: Sequence[Regression], spans: object
    ) -> list[Verdicts]:
        asked.append(now_ms)
        return [
            concluded(
                one, replace(Assessment.nothing(len(one.judged)), kept=np.zeros(len(one.judged)))
            )
            for one in drafts
        ]

    rules = build_rules({"noisy": {**NOISY, "gates": {"went_away": 0.5}}})
    span = (NOON_MS + 8 * DAY_MS, NOON_MS + 9 * DAY_MS)
    (one,) = replayed(watch, *span, rules=rules, assess=nothing_is_left).rules
    assert (one.openings, one.suspicions) == (0, 12)
    assert len(asked) == 2 * 288  # the day before warms it up


def test_a_book_of_later_is_read_as_it_was() -> None:
    one = regression(opened_ms=100, resolved_ms=200, phase=Phase.ACCEPTED, accepted_from_ms=90)
    assert as_of([one], 99) == []
    (then,) = as_of([one], 150)
    assert (then.phase, then.resolved_ms, then.accepted_from_ms) == (Phase.OPEN, None, None)
    assert as_of([one], 200) == [one]


def test_windows_are_told_apart_by_their_ends_with_their_buckets() -> None:
    bounds = (1.0, float("inf"))
    rows = [
        Window("s", Labels.of(target=name), end, 60.0, float(end), 3.0, layout, counts)
        for name, end, layout, counts in (
            ("a", 60, bounds, (1.0, 2.0)),
            ("a", 180, bounds, (3.0, 4.0)),
            ("b", 60, (), ()),
            ("b", 120, bounds, (5.0, 6.0)),
            ("b", 180, (), ()),
        )
    ]
    windows = Windows.of("s", rows)
    ends = [60, 120, 180, 240]
    for end, found in zip(ends, by_end(windows, ends), strict=True):
        assert found.rows() == ending(windows, end).rows() == [r for r in rows if r.end_ms == end]
    chosen = only(windows, lambda labels: labels.get("target") == "b")
    assert chosen.rows() == rows[2:]
    assert chosen.series == (Labels.of(target="b"),)

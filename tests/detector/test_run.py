"""Ticks: what they store and conclude, once, whatever happens in between."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector import evaluate
from detector.baseline import flat
from detector.increase import Seen
from detector.judgement import Reason, Verdict
from detector.ledger import Wanted
from detector.regression import Phase, Severity
from detector.run import MAX_CATCH_UP_MS, TICK
from detector.windowing import Keeping
from storage.history import History
from storage.series import Labels
from tests.detector.regressions import deployment, regression, step
from tests.detector.watch import (
    DAY_MS,
    HIGH,
    LEVEL,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    SERIES,
    Watch,
    definitions,
)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.close()


def at(minute: int) -> int:
    return NOON_MS + minute * MINUTE_MS


# --- one tick after the other ---


def test_a_level_that_is_too_high_for_long_enough_opens_and_resolves(watch: Watch) -> None:
    watch.level("5x5 30x5 5x10")
    watch.ticks(1, 7)
    assert watch.regressions() == []
    watch.ticks(8, 8)
    (one,) = watch.regressions()
    assert (one.rule, one.phase, one.opened_ms, one.value) == ("high", Phase.OPEN, at(8), 30.0)
    assert (one.began_lo_ms, one.began_hi_ms) == (at(5), at(6))
    watch.ticks(9, 13)
    assert watch.regressions()[0].phase is Phase.OPEN
    watch.ticks(14, 14)
    (one,) = watch.regressions()
    assert (one.phase, one.resolved_ms) == (Phase.RESOLVED, at(14))


def test_a_fifth_above_the_average_of_seven_days_opens(watch: Watch) -> None:
    watch.past("10")
    watch.level("10x10 12.5x10")
    watch.ticks(1, 20)
    (one,) = watch.regressions()
    assert (one.rule, one.baseline, one.threshold) == ("risen", 10.0, 12.0)
    # The span of five minutes before is above 12 from the tenth minute of higher values on.
    assert one.opened_ms == at(20)
    assert one.evidence["days"] == 7


def test_every_verdict_is_in_the_ledger_and_counted(watch: Watch) -> None:
    watch.level("30x4")
    watch.ticks(1, 4)
    found = [(one.rule, one.at_ms, one.verdict) for one in watch.ledger.read(Wanted(rule="high"))]
    assert found == [
        ("high", at(4), Verdict.REGRESSED),
        ("high", at(3), Verdict.REGRESSED),
        ("high", at(2), Verdict.REJECTED),
        ("high", at(1), Verdict.REJECTED),
    ]
    name = "plimsoll_judgements_total"
    assert watch.metric(name, rule="high", verdict="regressed", reason="") == 2
    assert watch.metric(name, rule="high", verdict="rejected", reason="sustain") == 2
    assert watch.metric(name, rule="risen", verdict="unknown", reason="too_little_history") == 4
    assert watch.metric("plimsoll_tick_last_end_timestamp_seconds") == at(4) / 1000


def test_the_deployment_before_the_change_is_named(watch: Watch) -> None:
    with watch.state.unit() as session:
        watch.book.add_deployment(session, deployment(-5))
    watch.level("30x3")
    watch.ticks(1, 3)
    with watch.state.reading() as session:
        (incident,) = watch.book.unannounced(session)
    assert incident.deployment == deployment(-5)


def test_series_are_judged_each_for_itself(watch: Watch) -> None:
    till = Labels.of(target="till")
    watch.level("30x3")
    watch.level("5x3", labels=till)
    watch.ticks(1, 3)
    assert [one.labels for one in watch.regressions()] == [SERIES]
    assert [one.labels for one in watch.detector.readings["level"]] == [SERIES, till]


def test_without_samples_nothing_is_said(watch: Watch) -> None:
    assert watch.detector.tick(at(1)) == []
    assert watch.detector.readings["level"] == ()
    assert watch.regressions() == []


def test_a_detector_without_signals_ticks(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions({}, {}))
    assert watch.detector.tick(at(1)) == []
    assert watch.detector.due_ticks(at(2)) == [at(2)]
    watch.detector.preview(at(2))
    watch.close()


def test_a_rule_that_is_switched_off_says_nothing(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions({"high": {**HIGH, "enabled": False}}))
    watch.level("30x5")
    assert [watch.detector.tick(at(minute)) for minute in range(1, 6)] == [[]] * 5
    watch.close()


# --- once, whatever happens ---


SHORT = definitions(
    {
        "high": {**HIGH, "clear": {"level": 15, "for": "2m"}},
        "risen": {**RISEN, "clear": {"level": 1.1, "for": "2m"}},
    },
    {"level": {**LEVEL, "over": "1m"}},
)
STORY = "10x2 13x3 30x4 10x5"


def begun(directory: Path) -> Watch:
    """A day on which the level rises, rises more and falls, with a week before it."""
    watch = Watch(directory, SHORT)
    watch.past("10~1x50", seconds=60.0)
    watch.level(STORY)
    return watch


def test_a_tick_that_is_repeated_changes_nothing_to_the_last_bit(tmp_path: Path) -> None:
    watch = begun(tmp_path)
    for minute in range(1, 15):
        watch.detector.tick(at(minute))
        once, counted = watch.everything(), list(watch.registry.collect())
        watch.detector.tick(at(minute))
        assert watch.everything() == once
        assert list(watch.registry.collect()) == counted
    watch.detector.tick(at(7))  # long done
    assert watch.everything() == once
    phases = {one.rule: one.phase for one in watch.regressions()}
    assert phases == {"high": Phase.RESOLVED, "risen": Phase.ESCALATED}
    watch.close()


class PowerCutError(Exception):
    """Where the process ends."""


class Fragile:
    """A part of the detector during which the power is cut, once, at the n-th call of a method."""

    def __init__(self, real: Any, method: str, call: int, *, before: bool) -> None:
        self.real, self.method, self.left, self.before = real, method, call, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        return self.cut(found) if name == self.method else found

    def cut(self, found: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0 and self.before:
                raise PowerCutError
            result = found(*args, **kwargs)
            if self.left == 0:
                raise PowerCutError
            return result

        return called


def story(watch: Watch) -> tuple[dict[str, list[str]], int]:
    """From the first to the last minute as the loop runs it; all that is stored, and the cuts."""
    cuts = 0
    watch.detector.tick(at(1))
    while due := watch.detector.due_ticks(at(14)):
        try:
            for tick_ms in due:
                watch.detector.tick(tick_ms)
        except PowerCutError:
            cuts += 1
            watch = watch.restarted()
    found = watch.everything()
    watch.close()
    return found, cuts


@pytest.fixture(scope="module")
def told_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is stored when nothing happens in between."""
    found, cuts = story(begun(tmp_path_factory.mktemp("whole")))
    assert cuts == 0
    assert len(found["regression"]) == 2
    assert len(found["transition"]) == 4
    return found


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("part", "method", "call"),
    [
        ("history", "hold_windows", 8),  # nothing of a tick, or windows in memory
        ("history", "unit", 8),
        ("ledger", "write", 8),  # windows and judgements without regressions
        ("book", "watched", 9),
        ("book", "settle", 3),  # in the middle of the unit of work, one opens
        ("book", "settle", 5),
        ("book", "save", 5),
        ("book", "advance", 5),  # all but the end
        ("book", "advance", 11),
    ],
)
def test_a_power_cut_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
    told_whole: dict[str, list[str]],
    part: str,
    method: str,
    call: int,
    before: bool,
) -> None:
    watch = begun(tmp_path)
    real = getattr(watch.detector, part)
    setattr(watch.detector, part, Fragile(real, method, call, before=before))
    found, cuts = story(watch)
    assert cuts == 1
    assert found == told_whole


def test_a_second_process_does_not_count_a_tick_again(watch: Watch, tmp_path: Path) -> None:
    # Replicas share the state; each has windows of its own.
    (tmp_path / "other").mkdir()
    other = Watch(tmp_path / "other")
    other.state.close()
    other.detector.state = other.state = watch.state
    for one in (watch, other):
        one.level("30x4")
    watch.ticks(1, 4)
    once = watch.everything()
    other.ticks(1, 4)
    assert watch.everything() == once
    other.file.close()


def test_a_process_that_was_overtaken_does_not_turn_back_the_book(
    watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Watch(tmp_path / "other")
    other.state.close()
    other.detector.state = other.state = watch.state
    watch.level("30x4")
    other.level("30x3 5x10")
    watch.ticks(1, 2)
    write = watch.ledger.write

    def overtaken(at_ms: int, verdicts: Any, unit: Any) -> None:
        write(at_ms, verdicts, unit)
        other.ticks(3, 8)

    watch.detector.ledger = Overtaken(overtaken)  # type: ignore[assignment]
    watch.ticks(3, 3)
    with watch.state.reading() as session:
        assert watch.book.progress_ms(session, TICK) == at(8)
    assert watch.regressions() == []  # the other one has not seen the third minute as we have
    other.file.close()


class Overtaken:
    """A ledger that takes its time."""

    def __init__(self, write: Callable[[int, Any, Any], None]) -> None:
        self.write = write


# --- which ticks are due ---


def test_at_the_first_start_the_newest_tick_is_due(watch: Watch) -> None:
    assert watch.detector.due_ticks(at(3) + 59_999) == [at(3)]


def test_after_a_stop_the_ticks_since_then_are_due(watch: Watch) -> None:
    watch.detector.tick(at(1))
    assert watch.detector.due_ticks(at(4)) == [at(2), at(3), at(4)]
    assert watch.detector.due_ticks(at(1) + 59_999) == []
    assert watch.metric("plimsoll_ticks_skipped_total") == 0


def test_after_a_long_stop_the_last_hour_is_due_and_the_rest_is_counted_once(
    watch: Watch,
) -> None:
    watch.detector.tick(at(1))
    due = watch.detector.due_ticks(at(200))
    assert due == [at(minute) for minute in range(140, 201)]
    assert due[-1] - due[0] == MAX_CATCH_UP_MS
    assert watch.metric("plimsoll_ticks_skipped_total") == 138
    assert watch.detector.due_ticks(at(200)) == due
    assert watch.metric("plimsoll_ticks_skipped_total") == 138
    assert watch.detector.due_ticks(at(202))[0] == at(142)
    assert watch.metric("plimsoll_ticks_skipped_total") == 140
    assert watch.detector.due_ticks(at(150))[0] == at(90)  # the clock was set back
    assert watch.metric("plimsoll_ticks_skipped_total") == 140


def test_a_clock_that_was_set_back_makes_no_tick_due(watch: Watch) -> None:
    watch.detector.tick(at(100))
    assert watch.detector.due_ticks(at(50)) == []
    assert watch.detector.due_ticks(at(101)) == [at(101)]


def test_ticks_find_back_to_the_grid_when_windows_become_longer(watch: Watch) -> None:
    with watch.state.unit() as session:  # windows of 15 seconds, until the last start
        watch.book.advance(session, TICK, at(1) + 15_000)
    assert watch.detector.due_ticks(at(3)) == [at(2), at(3)]


def test_ticks_keep_to_a_grid_that_does_not_divide_an_hour(tmp_path: Path) -> None:
    signals = {"level": {**LEVEL, "window": "7m", "over": "7m"}}
    watch = Watch(tmp_path, definitions({}, signals))
    step_ms = 7 * MINUTE_MS
    watch.detector.tick(NOON_MS // step_ms * step_ms)
    due = watch.detector.due_ticks(NOON_MS + DAY_MS)
    assert {tick_ms % step_ms for tick_ms in due} == {0}
    assert due[-1] - due[0] <= MAX_CATCH_UP_MS < due[-1] - due[0] + step_ms
    watch.close()


def test_windows_of_all_lengths_end_at_a_tick(tmp_path: Path) -> None:
    signals = {
        "slow": {**LEVEL, "window": "60s", "over": "60s"},
        "fast": {**LEVEL, "window": "40s", "over": "40s"},
    }
    watch = Watch(tmp_path, definitions({}, signals))
    watch.level("5x10")
    assert watch.detector.definitions.step_ms == 20_000
    watch.detector.tick(NOON_MS)
    for tick_ms in watch.detector.due_ticks(at(4)):
        watch.detector.tick(tick_ms)
    for name, seconds in (("slow", 60), ("fast", 40)):
        ends = watch.history.windows(name, NOON_MS, at(4)).end_ms
        expected = set(range(NOON_MS // 1000, at(4) // 1000 + 1, seconds))
        # A window of 40 seconds holds a sample or none; one of a minute always does.
        assert set((ends // 1000).tolist()) <= expected
        assert len(ends) == 4
    watch.close()


# --- baselines ---


def daily(watch: Watch, days: int, value: float) -> None:
    """Windows of so many days after noon."""
    ends = range(NOON_MS + 5 * MINUTE_MS, NOON_MS + days * DAY_MS + 1, 5 * MINUTE_MS)
    watch.windows(ends, [value] * len(ends))


def test_a_regression_does_not_become_its_own_normal(watch: Watch) -> None:
    watch.past("10")
    watch.level("13x10")
    watch.ticks(1, 10)
    assert [one.rule for one in watch.regressions()] == ["risen"]
    daily(watch, 10, 13.0)
    for day in (1, 4, 10):
        minute = day * 24 * 60
        watch.level("13x10", minute - 9)
        watch.ticks(minute - 9, minute - 1)
        row = watch.judgement(minute, "risen")
        assert (row.baseline, row.threshold, row.days) == (10.0, 12.0, 7)
        assert row.verdict is Verdict.REGRESSED
    (one,) = watch.regressions()
    assert (one.phase, one.baseline) == (Phase.OPEN, 10.0)


def test_a_regression_is_left_out_of_later_baselines(watch: Watch) -> None:
    watch.past("10")
    watch.level("13x180 10x30")
    watch.windows([at(m) for m in range(5, 181, 5)], [13.0] * 36)
    watch.windows([at(m) for m in range(185, 24 * 60 * 3, 5)], [10.0] * 827)
    watch.ticks(1, 6)
    watch.ticks(180, 196)
    (one,) = watch.regressions()
    assert one.phase is Phase.RESOLVED
    minute = 2 * 24 * 60
    watch.level("10x10", minute - 9)
    row = watch.judgement(minute, "risen")
    assert row.baseline == 10.0
    assert row.deviation == 0.0
    # It lasted from 4 minutes before noon to minute 193: that touches the windows 0, 5, ... 195.
    assert (one.began_lo_ms, one.resolved_ms) == (at(-4), at(193))
    assert row.baseline_n == 5.0 * (7 * 288 - 40)


@pytest.mark.parametrize(("signal", "left_out"), [("level", 36), ("another", 0)])
def test_a_regression_is_left_out_of_the_baseline_of_its_own_signal(
    watch: Watch, signal: str, left_out: int
) -> None:
    past = regression(-300, rule="risen", signal=signal, labels=SERIES, began_lo_ms=at(-480))
    over = replace(past, phase=Phase.RESOLVED, resolved_ms=at(-300), updated_ms=at(-300))
    with watch.state.unit() as session:
        stored = watch.book.open(session, past, step(past))
        watch.book.save(session, replace(over, incident_id=stored.incident_id), [step(over)])
    watch.past("10")
    watch.level("10x5")
    assert watch.judgement(5, "risen").baseline_n == 5.0 * (7 * 288 - left_out)


def test_days_are_read_once_and_again_where_somebody_else_wrote(watch: Watch) -> None:
    watch.past("10")
    watch.level("10x200")
    asked: list[tuple[int, int]] = []
    watch.detector.history = Recording(watch.history, asked)  # type: ignore[assignment]
    watch.ticks(1, 1)
    assert min(lo for lo, _ in asked) < at(1) - 7 * DAY_MS
    asked.clear()
    watch.ticks(2, 61)
    assert [span for span in asked if span[1] <= at(0)] == []
    watch.windows([at(-600)], [5.0])
    assert watch.judgement(62, "risen").baseline < 10.0
    assert [span for span in asked if span[1] <= at(0)] == [(at(-605), at(-600))]


class Recording:
    """A history that notes which windows were read."""

    def __init__(self, real: Any, asked: list[tuple[int, int]]) -> None:
        self.real, self.asked = real, asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def windows(self, signal: str, start_ms: int, end_ms: int, **more: Any) -> Any:
        self.asked.append((start_ms, end_ms))
        return self.real.windows(signal, start_ms, end_ms, **more)


def test_a_baseline_is_made_once_an_hour_and_when_a_regression_begins_or_ends(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        made.append(args[2])
        return flat(*args, **kwargs)

    monkeypatch.setattr("detector.hearing.flat", noted)
    watch.past("10")
    watch.level("10x200")
    for minute in range(1, 60):
        watch.ticks(minute, minute)
    assert len(made) == 1
    watch.ticks(60, 61)
    assert len(made) == 2
    with watch.state.unit() as session:
        past = regression(-300, rule="risen", signal="level", labels=SERIES, began_lo_ms=at(-600))
        watch.book.open(session, past, step(past))
    watch.ticks(62, 63)
    assert len(made) == 3
    watch.detector.forget_baselines()
    watch.ticks(64, 65)
    assert len(made) == 4


def test_a_series_that_finds_no_room_is_judged_without_a_baseline_and_counted(
    tmp_path: Path,
) -> None:
    watch = Watch(tmp_path)
    watch.past("10")
    watch.detector.keeping = Keeping(memory_bytes=1000)
    watch.level("30x10")
    watch.ticks(1, 10)
    assert [one.rule for one in watch.regressions()] == ["high"]
    row = watch.judgement(10, "risen")
    assert (row.verdict, row.reason) == (Verdict.UNKNOWN, Reason.TOO_LITTLE_HISTORY)
    left_out = "plimsoll_windows_left_out_total"
    assert watch.metric(left_out, signal="level", reason="memory") == 3  # at 12:05, at 12:10 twice
    assert watch.metric("plimsoll_recent_windows_bytes") == 0
    watch.close()


# --- what is not known ---


@pytest.mark.parametrize(
    ("past", "level", "gates", "reason"),
    [
        ("_", "13x10", {}, Reason.TOO_LITTLE_HISTORY),
        ("_x7 10", "13x10", {}, Reason.TOO_LITTLE_HISTORY),  # one day of eight
        ("0", "13x10", {}, Reason.TOO_LITTLE_HISTORY),
        ("10", "13x10", {"min_baseline_count": 100_000}, Reason.TOO_LITTLE_HISTORY),
        ("10", "13x10", {"min_count": 6}, Reason.TOO_FEW_OBSERVATIONS),
        ("10", "10x5 _x5", {}, Reason.NO_DATA),
    ],
)
def test_what_cannot_be_known_is_unknown_and_the_reason_says_why(
    tmp_path: Path, past: str, level: str, gates: dict[str, float], reason: Reason
) -> None:
    watch = Watch(tmp_path, definitions({"risen": {**RISEN, "gates": gates}}))
    watch.past(past)
    watch.level(level)
    watch.ticks(1, 9)
    row = watch.judgement(10, "risen")
    assert (row.verdict, row.reason) == (Verdict.UNKNOWN, reason)
    assert watch.regressions() == []
    watch.close()


def test_an_open_regression_that_falls_silent_is_judged_unknown_and_stays_open(
    watch: Watch,
) -> None:
    watch.level("30x3")
    watch.ticks(1, 3)
    row = watch.judgement(600, "high")
    assert (row.verdict, row.reason, row.n) == (Verdict.UNKNOWN, Reason.NO_DATA, 0.0)
    assert math.isnan(row.value)
    (one,) = watch.regressions()
    assert (one.phase, one.updated_ms) == (Phase.OPEN, at(600))


# --- rules that change between two starts ---


def test_a_regression_of_a_rule_that_is_gone_is_closed(watch: Watch, tmp_path: Path) -> None:
    watch.level("30x4")
    watch.ticks(1, 3)
    changed = definitions({"risen": RISEN})
    for chosen in (changed, definitions({"high": {**HIGH, "enabled": False}})):
        assert chosen.rules_of("level").keys() <= {"risen"}
    again = watch.restarted(changed)
    again.ticks(4, 4)
    (one,) = again.regressions()
    assert (one.phase, one.resolved_ms) == (Phase.RESOLVED, at(4))
    with again.state.reading() as session:
        steps = again.book.transitions(session, one.id)
        incident = again.book.incident(session, one.incident_id)
    assert steps[-1].reason == "high is not in force any more"
    assert incident is not None
    assert (incident.phase, incident.version) == (Phase.RESOLVED, 2)
    again.close()


def test_a_worse_value_escalates_the_open_regression(watch: Watch) -> None:
    watch.past("10")
    watch.level("13x10 16x10")
    watch.ticks(1, 20)
    (one,) = watch.regressions()
    assert (one.severity, one.worst) == (Severity.CRITICAL, 16.0)
    with watch.state.reading() as session:
        assert [s.step for s in watch.book.transitions(session, one.id)] == ["opened", "escalated"]


# --- preview ---


def test_a_page_that_is_opened_early_shows_the_running_window(watch: Watch) -> None:
    watch.level("7", 1)
    before = watch.everything()
    watch.detector.preview(at(1) + 20_000)
    (reading,) = watch.detector.readings["level"]
    assert (reading.value, reading.n, reading.end_ms) == (7.0, 1.0, at(1) + 20_000)
    assert math.isnan(reading.mean)
    assert watch.everything() == before


def test_a_preview_looks_again_when_there_are_new_samples(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    read = evaluate.seen

    def counted(history: History, start_ms: int, end_ms: int) -> Seen:
        looked.append(end_ms)
        return read(history, start_ms, end_ms)

    monkeypatch.setattr(evaluate, "seen", counted)
    for second in (1, 3, 5):
        watch.detector.preview(at(1) + second)
    assert looked == [at(1) + 1]  # the history may be from before the start
    watch.level("7", 1)
    for second in (7, 9):
        watch.detector.preview(at(1) + second)
    assert looked[1:] == [at(1) + 7]
    assert [one.value for one in watch.detector.readings["level"]] == [7.0]


def test_a_preview_does_not_replace_what_was_judged(watch: Watch) -> None:
    watch.level("7 9")
    watch.ticks(1, 1)
    watch.detector.preview(at(2) + 1)
    assert [one.end_ms for one in watch.detector.readings["level"]] == [at(1)]


def test_a_reading_stands_beside_its_baseline(watch: Watch) -> None:
    watch.past("10")
    watch.level("12")
    watch.ticks(1, 1)
    (reading,) = watch.detector.readings["level"]
    assert (reading.value, reading.mean, reading.days) == (12.0, 10.0, 7)

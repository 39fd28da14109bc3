"""A change that the past of a series alone tells: from a tenth on, whatever the average says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detector.config import build_rules, build_signals
from detector.confirming import Confirming
from detector.gates import Gate
from detector.judgement import Reason, Verdict
from detector.regression import Kind, Phase, Regression
from detector.rule import Rule
from detector.usual import is_blind
from detector.why import Result, explain
from storage.history import Floats
from tests.detector.watch import (
    HOUR_MS,
    LEVEL,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    SERIES,
    Watch,
    definitions,
)

FIVE_MS = 5 * MINUTE_MS
COUNT = 15 * 288
MOVED: dict[str, Any] = {
    "signal": "level",
    "trigger": {"change": {"above": 1.08}},
    "sustain": {"windows": 3, "of": 4},
    "clear": {"for": "60m"},
}
GATED = RISEN | {"gates": {"expected": True, "significance": 0.5}}
COARSE = {"level": LEVEL | {"window": "5m", "over": "5m"}}


def day(after: int, swing: float, lowest: float = 18.0) -> Floats:
    """Windows of five minutes, `after` of them after noon: 100, swinging by the day."""
    ends = NOON_MS + FIVE_MS * np.arange(1 - COUNT, after + 1)
    hour = 2 * np.pi * (ends / HOUR_MS - lowest) / 24
    scatter = np.random.default_rng(4).normal(0, 0.01, len(ends))
    return np.asarray(100 * np.exp(-swing * np.cos(hour) + scatter), np.float64)


def watched(
    directory: Path,
    rules: dict[str, Any],
    factor: float,
    windows: int = 12,
    swing: float = 0.0,
    lowest: float = 18.0,
) -> Watch:
    """Fifteen days, and `windows` of them after noon, the level `factor` times as high."""
    values = day(windows, swing, lowest)
    values[COUNT:] *= factor
    return fed(Watch(directory, definitions(rules, COARSE)), values)


def fed(watch: Watch, values: Floats) -> Watch:
    """Windows for the fifteen days before noon, and samples for what comes after."""
    watch.windows((NOON_MS + FIVE_MS * np.arange(1 - COUNT, 1)).tolist(), values[:COUNT].tolist())
    watch.level(" ".join(f"{value!r}x5" for value in values[COUNT:].tolist()))
    return watch


def told(watch: Watch, windows: int) -> list[Regression]:
    for window in range(1, windows + 1):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
    return watch.regressions()


@pytest.mark.parametrize(("factor", "opens"), [(1.12, True), (1.03, False)])
def test_a_change_below_the_relative_trigger_opens_by_itself(
    tmp_path: Path, factor: float, opens: bool
) -> None:
    watch = watched(tmp_path, {"moved": MOVED, "risen": GATED}, factor, 18)
    found = told(watch, 18)
    assert [one.rule for one in found] == (["moved"] if opens else [])
    if opens:
        (one,) = found
        assert NOON_MS + 15 * MINUTE_MS <= one.opened_ms <= NOON_MS + HOUR_MS
        assert one.began_lo_ms <= NOON_MS + FIVE_MS <= one.began_hi_ms + FIVE_MS
        assert one.evidence["stages"]["effect"] == pytest.approx(0.12, abs=0.03)
        assert one.evidence["stages"]["agreeing"] >= 0.5
        assert watch.metric("plimsoll_candidates_total", signal="level", outcome="changed") > 0
    watch.close()


def test_the_least_change_of_the_rule_holds(tmp_path: Path) -> None:
    large = MOVED | {"trigger": {"change": {"above": 1.3}}}
    watch = watched(tmp_path, {"moved": large}, 1.2, 18)
    verdicts = [
        row
        for window in range(1, 19)
        for one in watch.detector.tick(NOON_MS + window * FIVE_MS)
        for row in one.rows()
    ]
    assert {one.reason for one in verdicts if one.verdict is Verdict.REJECTED} == {Reason.EFFECT}
    assert not [one for one in verdicts if one.verdict is Verdict.REGRESSED]
    watch.close()


def test_below_the_average_of_day_and_night_a_change_is_found_and_told_by_the_hour(
    tmp_path: Path,
) -> None:
    # From noon on the level falls; three hours later a fifth more is less than the 7-day average.
    watch = watched(tmp_path, {"moved": MOVED, "risen": GATED}, 1.2, 48, 0.5)
    (one,) = (each for each in told(watch, 48) if each.kind is Kind.REGRESSION)
    assert one.rule == "moved"
    assert one.phase.holds
    assert one.value < 90
    assert one.evidence["of_hours"] is True
    assert one.baseline == pytest.approx(one.evidence["stages"]["expected"], rel=0.03)
    assert one.normal == "usual at this hour"
    watch.close()


def test_a_change_that_is_over_resolves(tmp_path: Path) -> None:
    values = day(44, 0.2)
    values[COUNT : COUNT + 24] *= 1.2
    watch = fed(Watch(tmp_path, definitions({"moved": MOVED}, COARSE)), values)
    (one,) = told(watch, 44)
    assert one.phase is Phase.RESOLVED
    assert one.resolved_ms is not None
    assert NOON_MS + 3 * HOUR_MS <= one.resolved_ms <= NOON_MS + 3 * HOUR_MS + 30 * MINUTE_MS
    watch.close()


def test_what_swings_by_the_day_is_no_growth_of_a_change(tmp_path: Path) -> None:
    # From the night to the day the distance grows many times, and the share stays what it is.
    watch = watched(tmp_path, {"moved": MOVED}, 1.15, 72, 0.8, lowest=12.0)
    (one,) = told(watch, 72)
    assert abs(one.value - (one.baseline or 0) * 1.15) > 40
    assert one.phase is Phase.OPEN
    watch.close()


def test_a_process_that_has_just_started_finds_the_same(tmp_path: Path) -> None:
    watch = watched(tmp_path, {"moved": MOVED}, 1.12, 18)
    told(watch, 11)
    warm = watch.detector.tick(NOON_MS + 12 * FIVE_MS)
    again = watch.restarted()
    cold = again.detector.tick(NOON_MS + 12 * FIVE_MS)
    assert [repr(row) for one in cold for row in one.rows()] == [
        repr(row) for one in warm for row in one.rows()
    ]
    again.close()


def test_it_is_looked_for_where_a_judged_window_ends_and_explained_as_of_then(
    tmp_path: Path,
) -> None:
    watch = Watch(tmp_path, definitions({"moved": MOVED, "risen": GATED}))
    fed(watch, np.append(day(0, 0), np.full(8, 112.0)))
    ticks = {
        minute: [one.rule for one in watch.detector.tick(NOON_MS + minute * MINUTE_MS)]
        for minute in range(1, 29)
    }
    assert [minute for minute, rules in ticks.items() if "moved" in rules] == [5, 10, 15, 20, 25]
    assert all("risen" in rules for rules in ticks.values())
    chosen = watch.detector.definitions
    why = explain(
        watch.history,
        chosen.signals["level"],
        chosen.rules_of("level"),
        SERIES,
        NOON_MS + 28 * MINUTE_MS,
        assess=Confirming(watch.history).confirm,
    )
    by_rule = {one.rule: one.judgement for one in why.rules}
    assert by_rule["moved"].at_ms == NOON_MS + 25 * MINUTE_MS
    assert by_rule["risen"].at_ms == NOON_MS + 28 * MINUTE_MS
    watch.close()


def test_an_explanation_tells_what_the_past_said(tmp_path: Path) -> None:
    watch = watched(tmp_path, {"moved": MOVED}, 1.12, 18)
    told(watch, 18)
    chosen = watch.detector.definitions
    asked = (chosen.signals["level"], chosen.rules_of("level"), SERIES, NOON_MS + 16 * FIVE_MS)
    (one,) = explain(watch.history, *asked, assess=Confirming(watch.history).confirm).rules
    assert one.judgement.verdict is Verdict.REGRESSED
    gates = {each.gate: each for each in one.passages}
    effect = gates[Gate.EFFECT].checks[0]
    assert effect.saw == pytest.approx(1.12, abs=0.03)
    assert effect.needed == 1.08
    assert gates[Gate.SUSPICION].checks[0].saw >= 0.5
    # Where nobody can look at the past there is no change, whatever the windows show.
    (blind,) = explain(watch.history, *asked).rules
    assert blind.judgement.verdict is Verdict.STEADY
    assert {each.gate: each.result for each in blind.passages}[Gate.SIGNIFICANCE] is Result.ENDED
    watch.close()


def test_what_merely_scatters_is_not_asked_for_its_past(tmp_path: Path) -> None:
    watch = watched(tmp_path, {"moved": MOVED}, 1.0, 40)
    assert told(watch, 40) == []
    asked = sum(
        watch.metric("plimsoll_candidates_total", signal="level", outcome=outcome)
        for outcome in ("unknown", "steady", "small", "suspected", "changed")
    )
    assert asked <= 2
    watch.close()


def test_beyond_the_budget_a_change_waits_and_is_counted(tmp_path: Path) -> None:
    watch = watched(tmp_path, {"moved": MOVED}, 1.12, 18)
    watch.detector.confirming.most = 0
    assert told(watch, 18) == []
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="awaiting") > 0
    watch.close()


def test_a_budget_that_changes_use_up_is_another_than_that_of_the_other_rules(
    tmp_path: Path,
) -> None:
    watch = watched(tmp_path, {"moved": MOVED, "risen": GATED}, 1.4, 18)
    watch.detector.confirming.most = 1
    assert {one.rule for one in told(watch, 18)} == {"moved", "risen"}
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="awaiting") == 0
    watch.close()


def test_beside_the_relative_rule_one_series_is_one_incident_and_one_notification(
    tmp_path: Path,
) -> None:
    watch = watched(tmp_path, {"moved": MOVED, "risen": GATED}, 1.4, 24)
    announced = []
    for window in range(1, 25):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
        with watch.state.unit() as session:
            for one in watch.book.unannounced(session):
                if watch.book.claim(session, one):
                    announced.append(one.id)
    assert {one.rule for one in watch.regressions()} == {"moved", "risen"}
    assert len({one.incident_id for one in watch.regressions()}) == 1
    assert len(announced) == 1
    watch.close()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"trigger": {"any": [{"change": {"above": 1.1}}, {"sigma": {"above": 2}}]}}, "alone"),
        ({"sustain": {"for": "5m"}}, "judged windows"),
        ({"critical_when": {"change": {"above": 2}}}, "critical_when"),
        ({"trigger": {"change": {"above": 0.9}}}, "greater than 1"),
        ({"clear": {"level": 1.2, "for": "1h"}}, "beyond the trigger"),
    ],
)
def test_what_a_change_cannot_be_is_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Rule.model_validate(MOVED | rule)


def test_windows_of_a_length_without_a_method_bear_no_change() -> None:
    (rule,) = build_rules({"moved": MOVED}).values()
    (odd,) = build_signals({"level": LEVEL | {"over": "10m"}}).values()
    (five,) = build_signals({"level": LEVEL}).values()
    assert is_blind(rule, odd)
    assert not is_blind(rule, five)


def test_of_a_share_what_it_lacks_decides(tmp_path: Path) -> None:
    # 99 % falls to 98 %: a hundredth of itself, and twice the misses.
    rule = MOVED | {"trigger": {"change": {"below": 0.8}}}
    told_of = {}
    for unit in ("ratio", "count"):
        (tmp_path / unit).mkdir()
        signals = {"level": COARSE["level"] | {"unit": unit}}
        watch = Watch(tmp_path / unit, definitions({"moved": rule}, signals))
        values = 0.99 + np.random.default_rng(5).normal(0, 0.0005, COUNT + 18)
        values[COUNT:] -= 0.01
        fed(watch, values)
        told_of[unit] = [one.rule for one in told(watch, 18)]
        watch.close()
    assert told_of == {"ratio": ["moved"], "count": []}

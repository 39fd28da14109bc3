"""An open change is told again when its past says that it has changed again, and only then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector import exclusion
from detector.regression import Phase, Severity
from tests.detector.test_change import COARSE, COUNT, FIVE_MS, MOVED, day, fed
from tests.detector.watch import HOUR_MS, NOON_MS, Watch, definitions

SECOND = 48  # windows after noon until the second step


def seen(
    directory: Path,
    rule: dict[str, Any],
    second: Sequence[tuple[int, int, float]],
    windows: int,
) -> list[tuple[int, Phase, Severity]]:
    """What the one change is from window to window: 15 % more from noon on, and `second`."""
    directory.mkdir(exist_ok=True)
    values = day(windows, 0.0)
    values[COUNT:] *= 1.15
    for first, last, factor in second:
        values[COUNT + first : COUNT + last] *= factor
    watch = fed(Watch(directory, definitions({"moved": rule}, COARSE)), values)
    found = []
    for window in range(1, windows + 1):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
        told = [one for one in watch.regressions() if one.phase.holds]
        found += [(window, one.phase, one.severity) for one in told]
    watch.close()
    return found


def escalated(found: Sequence[tuple[int, Phase, Severity]]) -> list[int]:
    return [window for window, phase, _ in found if phase is Phase.ESCALATED][:1]


def test_a_step_on_top_of_an_open_change_is_told(tmp_path: Path) -> None:
    found = seen(tmp_path, MOVED, [(SECOND, 72, 1.3)], 72)
    (at,) = escalated(found)
    assert SECOND + 6 <= at <= SECOND + 12
    assert {one[2] for one in found} == {Severity.WARNING}


@pytest.mark.parametrize("rule", [MOVED, MOVED | {"critical": 1.5}])
def test_a_burst_on_top_of_an_open_change_is_no_news(tmp_path: Path, rule: dict[str, Any]) -> None:
    # The judged windows are half as high again for 25 minutes: growth by any measure of them.
    found = seen(tmp_path, rule, [(SECOND, SECOND + 5, 1.8)], 72)
    assert found
    assert escalated(found) == []
    assert {one[2] for one in found} == {Severity.WARNING}


def test_what_was_nearly_over_and_comes_back_is_told(tmp_path: Path) -> None:
    # By its size it is no growth: it is as large as it was when it was told, and never ended.
    found = seen(tmp_path, MOVED, [(36, 96, 1.055 / 1.15)], 132)
    assert {window for window, _, _ in found} >= set(range(40, 133))
    (at,) = escalated(found)
    assert 96 < at <= 96 + 24


def test_what_is_critical_by_its_past_is_told_at_once(tmp_path: Path) -> None:
    # Within two hours after it was told growth is only recorded; critical is news.
    critical = seen(tmp_path / "critical", MOVED | {"critical": 1.5}, [(18, 40, 1.5)], 40)
    (at,) = escalated(critical)
    assert at <= 18 + 9
    assert critical[-1][2] is Severity.CRITICAL
    grown = seen(tmp_path / "grown", MOVED, [(18, 32, 1.5)], 32)
    assert grown
    assert escalated(grown) == []


def test_beyond_the_budget_growth_waits_and_is_counted(tmp_path: Path) -> None:
    values = day(72, 0.0)
    values[COUNT:] *= 1.15
    values[COUNT + SECOND :] *= 1.3
    watch = fed(Watch(tmp_path, definitions({"moved": MOVED}, COARSE)), values)
    for window in range(1, 73):
        watch.detector.confirming.most = 200 if window < SECOND else 0
        watch.detector.tick(NOON_MS + window * FIVE_MS)
    assert [one.phase for one in watch.regressions()] == [Phase.OPEN]
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="awaiting") > 0
    watch.close()


def test_what_another_rule_told_of_an_open_change_is_no_gap_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cut out, it would be two hours without evidence, and the change would have come back.
    monkeypatch.setattr(exclusion, "LEARNT_MS", HOUR_MS)
    values = day(55, 0.0)
    values[COUNT:] *= 1.15
    watch = fed(Watch(tmp_path, definitions({"moved": MOVED}, COARSE)), values)
    for window in range(1, 55):
        watch.detector.tick(NOON_MS + window * FIVE_MS)
    detector, now_ms = watch.detector, NOON_MS + 55 * FIVE_MS
    signal = detector.definitions.signals["level"]
    detector.windowing.step([signal], now_ms)
    open_ = watch.regressions()
    other = replace(
        open_[0],
        rule="risen",
        phase=Phase.RESOLVED,
        began_lo_ms=NOON_MS + 16 * FIVE_MS,
        resolved_ms=NOON_MS + 44 * FIVE_MS,
    )
    drafts = detector.judge(signal, now_ms, open_, open_)
    (said,) = detector.confirming.confirm(drafts, now_ms, open_, [*open_, other])
    assert watch.metric("plimsoll_candidates_total", signal="level", outcome="steady") > 0
    assert [row.anew for row in said.rows()] == [False]
    watch.close()

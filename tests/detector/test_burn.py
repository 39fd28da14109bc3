"""Error budgets: how fast they are spent, over a long and a short span, on a real history."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detector.agreement import disagreements
from detector.config import build_rules, build_signals
from detector.facts import FactFinder
from detector.increase import UP
from detector.judges.burn import BurnJudge
from detector.trigger import Burn
from storage.history import NO_LAYOUT, Samples, Windows
from storage.series import NAME, Labels
from tests.detector.watch import HOUR_MS, MINUTE_MS, NOON_MS, Watch, definitions

ERRORS = {
    "form": "ratio",
    "numerator": "errors_total",
    "denominator": "requests_total",
    "by": ["target"],
    "unit": "ratio",
    "title": "Errors",
}
GOOD = {
    "form": "share",
    "metric": "taken_seconds",
    "bound": 0.5,
    "by": ["target"],
    "unit": "ratio",
    "title": "Good",
}
FAST = {"above": 14.4, "objective": 0.999, "long": "1h", "short": "5m"}


def budget(trigger: dict[str, Any], signal: str = "errors", **more: Any) -> dict[str, Any]:
    return {
        "signal": signal,
        "trigger": trigger,
        "sustain": {"windows": 1, "of": 1},
        "clear": {"for": "5m"},
        "severity": "critical",
        **more,
    }


def served(watch: Watch, errors_per_minute: list[int], requests: int = 1000) -> None:
    """Counters, read once a minute from noon on."""
    minutes = len(errors_per_minute)
    names = (
        Labels.of({NAME: "requests_total"}, target="shop"),
        Labels.of({NAME: "errors_total"}, target="shop"),
        Labels.of({NAME: UP}, target="shop"),
    )
    at_ms = NOON_MS + np.arange(minutes, dtype=np.int64) * MINUTE_MS
    rows = [
        np.arange(minutes, dtype=np.float64) * requests,
        np.cumsum(errors_per_minute).astype(np.float64),
        np.ones(minutes),
    ]
    index = np.repeat(np.arange(3, dtype=np.int64), minutes)
    watch.history.append(Samples(names, index, np.tile(at_ms, 3), np.concatenate(rows)))


def life(watch: Watch, minutes: int) -> tuple[int | None, int | None]:
    """The minutes in which the one regression opened and was resolved."""
    opened = over = None
    for minute in range(1, minutes + 1):
        watch.detector.tick(NOON_MS + minute * MINUTE_MS)
        found = watch.regressions()
        if found and opened is None:
            opened = minute
        if found and found[0].phase.is_over and over is None:
            over = minute
    return opened, over


def test_a_budget_burns_when_the_hour_and_the_last_minutes_agree(tmp_path: Path) -> None:
    """3 % errors fill an hour to 1.44 % in 29 minutes; the short span ends it soon after."""
    chosen = definitions({"budget": budget({"burn": FAST})}, {"errors": ERRORS})
    watch = Watch(tmp_path, chosen)
    served(watch, [0] * 61 + [30] * 45 + [0] * 20)
    opened, over = life(watch, 125)
    # The long span is between 60 and 65 minutes: 1.44 % of 65,000 are 31.2 minutes of 30 errors.
    assert opened is not None
    assert 60 + 29 <= opened <= 60 + 32
    assert over is not None
    assert 105 + 3 + 5 <= over <= 105 + 10
    watch.close()


@pytest.mark.parametrize(
    "errors", [[0] * 61 + [100] * 5 + [0] * 30, [14] * 100], ids=["burst", "below the level"]
)
def test_a_burst_and_errors_below_the_level_burn_nothing(tmp_path: Path, errors: list[int]) -> None:
    chosen = definitions({"budget": budget({"burn": FAST})}, {"errors": ERRORS})
    watch = Watch(tmp_path, chosen)
    served(watch, errors)
    assert life(watch, len(errors) - 1) == (None, None)
    watch.close()


def test_errors_that_ended_are_told_by_no_span_but_the_short_one(tmp_path: Path) -> None:
    """The hour alone would still say that its budget burns."""
    alone = {**FAST, "short": "59m"}
    chosen = definitions(
        {"both": budget({"burn": FAST}), "hour": budget({"burn": alone})}, {"errors": ERRORS}
    )
    watch = Watch(tmp_path, chosen)
    served(watch, [30] * 60 + [0] * 20)
    life(watch, 75)
    told = {one.rule: one.phase.is_over for one in watch.regressions()}
    assert told == {"both": True, "hour": False}
    watch.close()


def test_the_shares_are_those_of_all_events_of_the_spans(tmp_path: Path) -> None:
    """Compared with a sum over every window, at each minute of an hour, for three series."""
    watch = Watch(tmp_path, definitions({}, {"errors": ERRORS}))
    random = np.random.default_rng(7)
    series = tuple(Labels.of(target=name) for name in "abc")
    minutes = 9 * 60
    ends = NOON_MS - minutes * MINUTE_MS + np.arange(1, minutes + 1) * MINUTE_MS
    n = random.integers(0, 50, (3, minutes)).astype(float)
    bad = random.binomial(n.astype(int), 0.1).astype(float)
    there = n > 0
    rows, columns = np.nonzero(there)
    watch.history.put_windows(
        Windows(
            "errors",
            series,
            rows.astype(np.int64),
            ends[columns],
            np.full(len(rows), 60.0),
            (bad / np.where(there, n, 1))[there],
            n[there],
            np.full(len(rows), NO_LAYOUT, np.int64),
        )
    )
    blocks = n.reshape(3, -1, 5).sum(axis=2), bad.reshape(3, -1, 5).sum(axis=2)
    rows, columns = np.nonzero(blocks[0])
    watch.history.put_windows(
        Windows(
            "errors",
            series,
            rows.astype(np.int64),
            ends[4::5][columns],
            np.full(len(rows), 300.0),
            (blocks[1] / np.where(blocks[0] > 0, blocks[0], 1))[rows, columns],
            blocks[0][rows, columns],
            np.full(len(rows), NO_LAYOUT, np.int64),
        )
    )
    signal = watch.detector.definitions.signals["errors"]
    finder = FactFinder(watch.history)
    burn = Burn.model_validate({"above": 2, "objective": 0.9, "long": "6h", "short": "30m"})
    asked = (series[2], Labels.of(target="nobody"), series[0])
    for minute in range(60):
        end_ms = NOON_MS - minute * MINUTE_MS
        start_ms = end_ms // (30 * MINUTE_MS) * (30 * MINUTE_MS) - 6 * HOUR_MS
        found = finder.all_burnt(signal, {burn}, asked, end_ms, 0)[burn]
        for row, one in ((0, 2), (2, 0)):
            for column, since_ms in enumerate((start_ms, end_ms - 30 * MINUTE_MS)):
                inside = (ends > since_ms) & (ends <= end_ms)
                share = bad[one, inside].sum() / n[one, inside].sum()
                assert found[row, column] == pytest.approx(share, rel=1e-6)
        assert np.isnan(found[1]).all()
    watch.close()


def test_the_share_of_what_is_good_burns_downwards() -> None:
    judge = BurnJudge(14.4, 7.2, 14.4, 0.999, upwards=False)
    found = judge.judge(np.array([[0.98, 0.97], [0.98, 1.0], [np.nan, 0.9]]))
    assert found.measured is not None
    assert found.measured[:, 0].tolist()[:2] == [0.98, 1.0]
    assert found.threshold[:2] == pytest.approx([1 - 0.0144] * 2)
    assert found.clear[0] == pytest.approx(1 - 0.0072)
    assert np.isnan(found.threshold[2])


@pytest.mark.parametrize(
    ("burn", "told"),
    [
        ({**FAST, "short": "1h"}, "`short` must be shorter than `long`"),
        ({**FAST, "above": 1000}, "no burn rate can be beyond 1000"),
        ({**FAST, "long": "30m"}, "greater than or equal to 3600"),
        ({**FAST, "objective": 1}, "less than 1"),
        ({**FAST, "clear": 20}, "`clear` lies beyond the trigger"),
    ],
)
def test_what_cannot_burn_is_refused(burn: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Burn.model_validate(burn)


@pytest.mark.parametrize(
    ("signal", "side", "fits"),
    [
        (ERRORS, "above", True),
        (GOOD, "below", True),
        (GOOD, "above", False),
        ({**ERRORS, "form": "rate", "metric": "errors_total"}, "above", False),
    ],
)
def test_a_signal_must_be_a_share_of_events(signal: dict[str, Any], side: str, fits: bool) -> None:
    if signal["form"] == "rate":
        signal = {k: v for k, v in signal.items() if k not in ("numerator", "denominator")}
    burn = {side: 2, "objective": 0.9}
    (rule,) = build_rules({"budget": budget({"burn": burn}, "it")}).values()
    (made,) = build_signals({"it": signal}).values()
    assert (not list(disagreements(rule, made))) is fits


def test_a_rule_that_burns_needs_no_past_and_is_measured_from_no_error_at_all() -> None:
    (rule,) = build_rules({"budget": budget({"burn": FAST})}).values()
    assert not rule.is_statistical
    assert rule.origin == 0.0

"""Rules and verdicts in words."""

from dataclasses import replace
from math import nan

import pytest

from api import words
from detector.judgement import Judgement, Reason, Verdict
from detector.regression import Tag
from detector.rule import Rule
from detector.units import Unit
from storage.series import Labels
from tests.api.shop import definitions
from tests.detector.regressions import regression

DEFINED = definitions()
P95 = DEFINED.signals["api_p95"]
RULE = DEFINED.rules["api_response_time_regression"]
JUDGED = Judgement(
    rule="api_response_time_regression",
    signal="api_p95",
    labels=Labels.of(route="/cart"),
    at_ms=0,
    verdict=Verdict.STEADY,
    reason=Reason.NONE,
    value=0.180,
    n=12,
    threshold=0.240,
    baseline=0.200,
    deviation=0.01,
    baseline_n=5000,
    days=7,
    breaches=1,
    of=4,
    critical=False,
    clear=True,
    began_lo_ms=0,
    began_hi_ms=300_000,
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "steady: 180 ms, the threshold is 240 ms"),
        (
            {"verdict": Verdict.UNKNOWN, "reason": Reason.TOO_FEW_OBSERVATIONS},
            "unknown: 12 observations in the window, 35 are needed",
        ),
        (
            {"verdict": Verdict.UNKNOWN, "reason": Reason.TOO_LITTLE_HISTORY, "days": 1},
            "unknown: not more than a day of data to compare with",
        ),
        (
            {"verdict": Verdict.UNKNOWN, "reason": Reason.TOO_LITTLE_HISTORY, "baseline_n": 420},
            "unknown: 420 observations in 7 days, 1,000 are needed",
        ),
        (
            {"verdict": Verdict.UNKNOWN, "reason": Reason.TOO_LITTLE_HISTORY, "baseline": 0.0},
            "unknown: the 7-day average is zero, and a multiple of zero says nothing",
        ),
        (
            {"verdict": Verdict.UNKNOWN, "reason": Reason.NO_DATA, "value": nan, "n": 0},
            "unknown: no data in the window",
        ),
        (
            {"verdict": Verdict.REJECTED, "reason": Reason.SUSTAIN},
            "rejected: only 1 of 4 windows beyond 240 ms so far",
        ),
        (
            {"verdict": Verdict.REJECTED, "reason": Reason.MIN_DELTA, "value": 0.212},
            "rejected: only 12 ms from the average, 25 ms are asked for",
        ),
        (
            {"verdict": Verdict.REJECTED, "reason": Reason.MIN_EVENTS, "value": 0.25},
            "rejected: 3 events, 0 are asked for",
        ),
        (
            {"verdict": Verdict.REGRESSED, "breaches": 3, "value": 0.3},
            "regressed: 3 of 4 windows beyond 240 ms, the last at 300 ms",
        ),
    ],
)
def test_a_verdict_says_why(change: dict[str, object], told: str) -> None:
    assert words.verdict(replace(JUDGED, **change), RULE, P95) == told  # type: ignore[arg-type]


def test_a_verdict_of_a_rule_that_is_gone_still_says_what_it_can() -> None:
    few = replace(JUDGED, verdict=Verdict.UNKNOWN, reason=Reason.TOO_FEW_OBSERVATIONS)
    assert words.verdict(few, None, None) == "unknown: 12 observations in the window"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (60, "one-minute"),
        (300, "five-minute"),
        (15, "fifteen-second"),
        (3600, "one-hour"),
        (420, "7-minute"),
        (86400, "one-day"),
        (90, "90-second"),
        (0.5, "0.5-second"),
    ],
)
def test_lengths_are_spoken(seconds: float, told: str) -> None:
    assert words.spoken(seconds) == told


@pytest.mark.parametrize(
    ("trigger", "sustain", "told"),
    [
        ({"absolute": {"above": 0.5}}, {"for": "1m"}, "above 500 ms for 1 min"),
        (
            {"relative": {"below": 0.9}},
            {"windows": 2, "of": 3},
            "below 0.9 x the 7-day average in 2 of 3 five-minute windows",
        ),
        (
            {"sigma": {"above": 1}},
            {"windows": 3, "of": 3},
            "more than 1 standard deviation above the 7-day average for 15 min "
            "(all 3 five-minute windows)",
        ),
    ],
)
def test_a_trigger_is_told_whole(
    trigger: dict[str, object], sustain: dict[str, object], told: str
) -> None:
    level = {"absolute": 0.4, "relative": 0.95, "sigma": 0.5}[next(iter(trigger))]
    rule = Rule.model_validate(
        {
            "signal": "api_p95",
            "trigger": trigger,
            "sustain": sustain,
            "clear": {"level": level, "for": "5m"},
        }
    )
    assert words.trigger(rule, P95) == told


def test_gates_that_are_off_are_not_told() -> None:
    rule = DEFINED.rules["cpu_high"]
    assert words.gates(rule, Unit.RATIO) == []


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"target": "shop", "method": "GET", "route": "/cart"}, "GET /cart of shop"),
        ({"target": "host"}, "host"),
        ({"target": "shop", "cache": "products"}, "products of shop"),
        ({"target": "shop", "service": "cart", "route": "/"}, "/ of cart"),
        ({"service": "shop", "route": "/a", "device": "mobile"}, "/a (mobile) of shop"),
        ({}, ""),
    ],
)
def test_a_place_is_what_a_person_would_look_at(labels: dict[str, str], told: str) -> None:
    assert words.place(Labels.of(labels)) == told


@pytest.mark.parametrize(
    ("value", "expected", "told"),
    [(1.36, 1.0, "+36 %"), (0.7, 1.0, "-30 %"), (1.004, 1, ""), (1, 0, "")],
)
def test_small_drifts_are_not_worth_a_word(value: float, expected: float, told: str) -> None:
    assert words.drift(value, expected) == told


def test_what_the_past_said_is_told_with_levels_and_error() -> None:
    stages = {
        "expected": 0.21,
        "effect": 0.38,
        "agreeing": 1.0,
        "span_seconds": 1200.0,
        "before": 0.213,
        "after": 0.297,
        "error": 0.004,
    }
    told = words.past(stages, Unit.SECONDS)
    assert told == (
        " Usual at this hour is 210 ms. Over the last 20 min it is at least +38 % against its "
        "last two weeks, beyond what it did by itself in 100 % of the comparisons; median 213 ms "
        "before and 297 ms after (the difference to 4 ms)."
    )
    assert words.past({}, Unit.SECONDS) == ""


def test_why_it_fired_ends_with_what_else_may_explain_it() -> None:
    moved = regression(tags=(Tag.COST_SHIFT,))
    assert words.why(moved, None, None).endswith("their time in sum is the same within 2 %.")

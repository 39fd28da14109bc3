"""Rules as they are written: each fault with its message, `gates: off`, spans of judged windows."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from detector.rule import Gates, Rule, Span

WHOLE: dict[str, Any] = {
    "signal": "api_p95",
    "trigger": {"relative": {"above": 1.2}},
    "sustain": {"windows": 3, "of": 4},
    "clear": {"level": 1.1, "for": "60m"},
}


def rule(**changes: Any) -> Rule:
    return Rule.model_validate({**WHOLE, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trigger": {}}, "give exactly one of absolute, relative, sigma"),
        (
            {"trigger": {"absolute": {"above": 1}, "sigma": {"above": 2}}},
            "give exactly one of absolute, relative, sigma",
        ),
        ({"trigger": {"absolute": {}}}, "give exactly one of `above` and `below`"),
        (
            {"trigger": {"absolute": {"above": 1, "below": 0}}},
            "give exactly one of `above` and `below`",
        ),
        ({"trigger": {"relative": {"above": 1}}}, "greater than 1"),
        ({"trigger": {"relative": {"above": 0.2}}}, "greater than 1"),
        ({"trigger": {"relative": {"below": 1}}}, "less than 1"),
        ({"trigger": {"relative": {"below": 0}}}, "greater than 0"),
        ({"trigger": {"sigma": {"above": 0}}}, "greater than 0"),
        ({"trigger": {"sigma": {"below": -2}}}, "greater than 0"),
        ({"trigger": {"relativ": {"above": 1.2}}}, "Extra inputs are not permitted"),
        ({"sustain": {}}, "give either `for: 5m`, or `windows: 3` together with `of: 4`"),
        ({"sustain": {"windows": 3}}, "give either `for: 5m`, or `windows: 3` together with"),
        ({"sustain": {"of": 3}}, "give either `for: 5m`, or `windows: 3` together with"),
        (
            {"sustain": {"for": "5m", "windows": 3, "of": 4}},
            "give either `for: 5m`, or `windows: 3` together with",
        ),
        ({"sustain": {"for": "5m", "of": 4}}, "give either `for: 5m`, or `windows: 3` together"),
        ({"sustain": {"windows": 5, "of": 4}}, "`windows` cannot be more than `of`"),
        ({"sustain": {"windows": 0, "of": 4}}, "greater than or equal to 1"),
        ({"gates": {"min_count": -1}}, "greater than or equal to 0"),
        ({"gates": {"min_cuont": 1}}, "Extra inputs are not permitted"),
        ({"gates": "on"}, "Input should be a valid dictionary"),
        ({"gates": True}, "Input should be a valid dictionary"),
        ({"clear": {"level": 1.3, "for": "60m"}}, "`clear.level` lies beyond the trigger"),
        (
            {"trigger": {"relative": {"below": 0.9}}, "clear": {"level": 0.8, "for": "60m"}},
            "`clear.level` lies beyond the trigger, so it would open and resolve at once",
        ),
        (
            {"trigger": {"sigma": {"below": 2}}, "clear": {"level": 3, "for": "60m"}},
            "`clear.level` lies beyond the trigger",
        ),
        ({"critical": 1.1}, "`critical` lies before the trigger, so it could never be a warning"),
        (
            {
                "trigger": {"relative": {"below": 0.9}},
                "clear": {"level": 0.95, "for": "60m"},
                "critical": 0.95,
            },
            "`critical` lies before the trigger",
        ),
        (
            {
                "trigger": {"sigma": {"below": 2}},
                "clear": {"level": 1, "for": "60m"},
                "critical": 1,
            },
            "`critical` lies before the trigger",
        ),
        ({"severity": "fatal"}, "Input should be 'info', 'warning' or 'critical'"),
        ({"clear": {"level": 1.1}}, "Field required"),
        ({"signal": None}, "Input should be a valid string"),
    ],
)
def test_each_fault_has_its_message(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        rule(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"clear": {"level": 1.2, "for": "60m"}},
        {"critical": 1.2},
        {"trigger": {"relative": {"below": 0.9}}, "clear": {"level": 0.9, "for": "1m"}},
        {"trigger": {"sigma": {"below": 2}}, "clear": {"level": 1, "for": "1m"}, "critical": 4},
        {"trigger": {"absolute": {"above": 0}}, "clear": {"level": -1, "for": "1m"}},
        {"trigger": {"absolute": {"below": 0}}, "clear": {"level": 1, "for": "1m"}, "critical": -1},
    ],
)
def test_levels_that_agree_are_taken(changes: dict[str, Any]) -> None:
    assert rule(**changes).enabled


@pytest.mark.parametrize("off", ["off", False])
def test_gates_off_asks_for_nothing_beside_the_trigger(off: Any) -> None:
    gates = rule(gates=off).gates
    assert gates == Gates(warming=False)
    assert set(gates.model_dump().values()) == {0, None}


def test_every_gate_is_off_unless_it_is_given() -> None:
    assert rule().gates == Gates()
    assert rule(gates={"min_count": 20}).gates == Gates(min_count=20)


def test_the_kind_and_side_of_a_trigger() -> None:
    assert (rule().trigger.kind, rule().trigger.part.level, rule().upwards) == (
        "relative",
        1.2,
        True,
    )
    lower = rule(trigger={"absolute": {"below": 0}}, clear={"level": 1, "for": "1m"})
    assert (lower.trigger.kind, lower.trigger.part.level, lower.upwards) == ("absolute", 0, False)


def test_windows_of_means_judged_spans_in_a_row() -> None:
    span = rule().span(60.0, 300.0)
    assert span == Span(each_ms=300_000, need=3, of=4)
    assert span.total_ms == 1_200_000


@pytest.mark.parametrize(
    ("lasting", "window", "count"),
    [("5m", 60, 5), ("5m", 15, 20), ("1m", 60, 1), ("30s", 60, 1), ("90s", 60, 2), ("150s", 60, 3)],
)
def test_for_means_every_stored_window_and_never_less_time(
    lasting: str, window: float, count: int
) -> None:
    span = rule(sustain={"for": lasting}).span(window, 300.0)
    assert span == Span(each_ms=round(window * 1000), need=count, of=count)


def test_every_key_is_described() -> None:
    for model in (Rule, Gates):
        assert all(field.description for field in model.model_fields.values())

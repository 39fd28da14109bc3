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
        ({"trigger": {"all": []}}, "at least 1 item"),
        (
            {"trigger": {"all": [{"relative": {"above": 1.2}}], "sigma": {"above": 2}}},
            "give exactly one of absolute, relative, sigma, distribution, slope, burn, change, "
            "all, any",
        ),
        (
            {"trigger": {"any": [{"relative": {"above": 1.2}}, {"sigma": {"below": 2}}]}},
            "all triggers of a rule go one way",
        ),
        (
            {"trigger": {"any": [{"relative": {"above": 1.2}}]}},
            "a tree has no one level: give `clear` in each trigger",
        ),
        (
            {
                "trigger": {"all": [{"any": [{"absolute": {"above": 1.2}}]}]},
                "clear": {"for": "1m"},
            },
            "all.0.any.0.absolute has no normal to go back to: give it a `clear`",
        ),
        (
            {"trigger": {"any": [{"sigma": {"above": 2, "clear": 3}}]}, "clear": {"for": "1m"}},
            "`clear` lies beyond the trigger",
        ),
        (
            {"trigger": {"relative": {"above": 1.2, "clear": 1.1}}},
            "give `clear.level` or the trigger's own `clear`, not both",
        ),
        (
            {"trigger": {"absolute": {"above": 2}}, "clear": {"for": "1m"}},
            "`clear.level` is missing: a fixed limit has no normal to go back to",
        ),
        (
            {"critical": 1.5, "critical_when": {"absolute": {"above": 1}}},
            "give `critical` or `critical_when`, not both",
        ),
        (
            {"critical_when": {"absolute": {"below": 1}}},
            "`critical_when` must go the same way as the trigger",
        ),
        ({"trigger": {"slope": {"above": 1}}}, "greater than 1"),
        ({"trigger": {"slope": {"above": 2, "days": 8}}}, "less than or equal to 7"),
        ({"trigger": {"relative": {"above": 2, "mode": "percent"}}}, "'relative' or 'points'"),
        ({"gates": {"went_away": 1.1}}, "less than or equal to 1"),
        ({"gates": {"fdr": 0.05}}, "Extra inputs are not permitted"),
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
    assert set(gates.model_dump().values()) == {0, None, ()}


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


def test_a_clear_level_that_is_left_out_is_half_of_the_way_back() -> None:
    for trigger, level in (
        ({"relative": {"above": 1.2}}, 1.1),
        ({"relative": {"below": 0.8}}, 0.9),
        ({"sigma": {"below": 4}}, 2),
        ({"distribution": {"above": 6}}, 3),
        ({"slope": {"above": 1.5}}, 1.01),
        ({"sigma": {"above": 2, "clear": 0.5}}, 0.5),
    ):
        assert rule(trigger=trigger, clear={"for": "1m"}).cleared == pytest.approx(level)


def test_a_tree_names_its_leaves_by_their_place() -> None:
    found = rule(
        trigger={
            "any": [
                {"all": [{"relative": {"above": 1.2}}, {"sigma": {"above": 2}}]},
                {"slope": {"above": 1.5}},
            ]
        },
        clear={"for": "1m"},
    )
    assert [path for path, _ in found.trigger.leaves()] == [
        "any.0.all.0.relative",
        "any.0.all.1.sigma",
        "any.1.slope",
    ]
    assert (found.trigger.kind, found.upwards, found.is_statistical) == ("any", True, True)


def test_a_tree_of_fixed_limits_is_not_statistical() -> None:
    found = rule(trigger={"all": [{"absolute": {"below": 1, "clear": 2}}]}, clear={"for": "1m"})
    assert (found.is_statistical, found.upwards) == (False, False)


@pytest.mark.parametrize(
    ("trigger", "clear", "origin"),
    [
        ({"absolute": {"above": 0.5}}, 0.45, 0.0),
        ({"absolute": {"below": 0.85}}, 0.87, 0.87),
        ({"absolute": {"above": -1}}, -2, -2),
    ],
)
def test_the_size_of_a_breach_of_a_limit_has_an_origin(
    trigger: dict[str, Any], clear: float, origin: float
) -> None:
    assert rule(trigger=trigger, clear={"level": clear, "for": "1m"}).origin == origin

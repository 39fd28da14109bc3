"""What page views say of a regression, in words and in the message about it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from alerts.message import render
from alerts.visitors import page_views
from detector.units import Unit
from tests.alerts.incidents import CART, incident

RELEASES: dict[str, Any] = {
    "before": "1.4.2",
    "after": "1.5.0",
    "verdict": "worse",
    "value_before": {"value": 1.6, "low": 1.5, "high": 1.7, "n": 900},
    "value": {"value": 2.0, "low": 1.9, "high": 2.1, "n": 700},
    "difference": {"value": 0.4, "low": 0.31, "high": 0.5, "n": 700},
}
ELEMENT: dict[str, Any] = {
    "element": "main>#hero",
    "route": "",
    "share": 0.8,
    "share_before": 0.78,
    "value": 2.1,
    "value_before": 1.6,
    "growth": 0.43,
    "n": 560,
}
MIX: dict[str, Any] = {
    "by": ["connection", "navigation"],
    "left": 0.12,
    "before": 1.6,
    "measured": 2.0,
    "alike": 1.65,
    "moved": [
        {"visitors": {"connection": "3g", "navigation": "navigate"}, "before": 0.08, "now": 0.41}
    ],
}


@pytest.mark.parametrize(
    ("visits", "said"),
    [
        (
            {"releases": RELEASES},
            "Release 1.5.0 is worse than 1.4.2 by 400 ms (310 ms to 500 ms): 2 s, was 1.6 s",
        ),
        (
            {"releases": RELEASES | {"verdict": "alike"}},
            "Releases 1.5.0 and 1.4.2 do not differ (310 ms to 500 ms)",
        ),
        (
            {"releases": RELEASES | {"verdict": "unknown"}},
            "Too few page views to compare release 1.5.0 with 1.4.2",
        ),
        (
            {"elements": [ELEMENT]},
            "Element main>#hero grew most: 2.1 s, was 1.6 s, in 80 % of the page views, was 78 %",
        ),
        (
            {"elements": [ELEMENT | {"value_before": None, "route": "/cart"}]},
            "Element main>#hero on /cart is new: 2.1 s in 80 % of the page views",
        ),
        (
            {"mix": MIX},
            "With connection and navigation as in the week before, 12 % of the difference is left; "
            "3g navigate: 41 % of the page views, was 8 %",
        ),
        ({"mix": MIX | {"moved": []}}, "as in the week before, 12 % of the difference is left"),
        ({"releases": RELEASES | {"after": "x" * 900}}, "x" * 79 + "… is worse than 1.4.2"),
    ],
)
def test_each_thing_that_page_views_say_is_a_sentence(visits: dict[str, Any], said: str) -> None:
    (told,) = page_views(visits, Unit.SECONDS)
    assert said in told


def test_differences_of_shares_are_points() -> None:
    (told,) = page_views({"releases": RELEASES}, Unit.RATIO)
    assert "by 40 points (31 points to 50 points)" in told


def test_a_message_names_the_release_and_the_element() -> None:
    evil = ELEMENT | {"element": "<!channel>#x"}
    visits = {"releases": RELEASES, "elements": [evil], "mix": MIX}
    one = replace(CART, evidence={"visits": visits})
    payload = render(incident(regressions=(one,)), "http://plimsoll")
    text, blocks = payload["text"], json.dumps(payload["attachments"], ensure_ascii=False)
    for part in (text, blocks):
        assert "Release 1.5.0 is worse than 1.4.2" in part
        assert "&lt;!channel&gt;#x grew most" in part
        assert "<!channel>" not in part
    assert "12 % of the difference is left" in blocks


def test_without_page_views_a_message_has_no_part_for_them() -> None:
    payload = render(incident(), "http://plimsoll")
    assert "Page views" not in json.dumps(payload)

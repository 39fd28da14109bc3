"""One rule, changed in one place: panel, exported rule, page and Slack say the new level."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from alerts.message import render
from api import words
from api.document import Document
from api.grafana import sentences
from api.panels import signal_panels
from api.settings import Settings, build
from api.signal_shapes import RuleShape
from dashboards.config import DashboardsConfig
from dashboards.normalise import normalise
from dashboards.rules import Told, rule_file
from dashboards.sheets import dashboards
from detector import units
from detector.judgement import Background
from detector.judging import judge_of
from tests.alerts.incidents import CART, incident
from tests.dashboards.grafana import Json, panel_titled

RULE, SIGNAL = "api_p95_high", "api_p95"


def settings(level: float) -> Settings:
    """The shipped configuration with one line of it changed."""
    changed = {
        "trigger": {"absolute": {"above": level}},
        "clear": {"level": level * 0.9, "for": "5m"},
    }
    return build(Document(data={"rules": {RULE: changed}}))


def panel_level(made: Settings) -> list[float]:
    """The dashed line of the panel."""
    found: dict[str, Json] = {
        one.uid: normalise(one)
        for one in dashboards(signal_panels(made.definitions), DashboardsConfig())
    }
    panel = panel_titled(found["plimsoll-route"], "API p95 and its band")
    return [one["value"] for one in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]


def exported(made: Settings) -> str:
    """The expression of the exported alert."""
    told = Told(sentences=sentences(made), plimsoll_url="http://p")
    definitions = made.definitions
    file = rule_file(definitions.signals[SIGNAL], {RULE: definitions.rules[RULE]}, told)
    [alert] = [one for group in file.groups for one in group["rules"] if "alert" in one]
    assert made_of(alert["annotations"]["description"], made)
    expr: str = alert["expr"]
    return expr


def made_of(sentence: str, made: Settings) -> bool:
    """Whether a sentence is the rule's own."""
    definitions = made.definitions
    return sentence == words.trigger(definitions.rules[RULE], definitions.signals[SIGNAL])


def slack_text(made: Settings) -> str:
    """The message about a regression that this rule opened, with the judge's own threshold."""
    rule = made.definitions.rules[RULE]
    one = np.array([np.nan])
    nothing = Background(one, one, np.zeros(1), np.zeros(1, np.int64))
    levels = judge_of(rule).judge(nothing)
    threshold = float(getattr(levels.worse, "threshold")[0])  # noqa: B009
    opened = replace(
        CART, rule=RULE, signal=SIGNAL, threshold=threshold, baseline=None, value=0.9, worst=0.9
    )
    return json.dumps(render(replace(incident(), regressions=(opened,)), "http://p"))


def page(made: Settings) -> dict[str, Any]:
    """The rule as pages and REST show it."""
    definitions = made.definitions
    shape = RuleShape.of(RULE, definitions.rules[RULE], definitions.signals[SIGNAL])
    return shape.model_dump(mode="json")


def test_panel_rule_page_and_slack_follow_one_line_of_the_configuration() -> None:
    for level in (0.5, 0.3):
        made = settings(level)
        text = units.text(level, units.Unit.SECONDS)
        assert panel_level(made) == [level]
        assert f"plimsoll:api_p95:value_1m > {level!r}" in exported(made)
        assert f"above {text} for 5 min" in json.dumps(page(made))
        assert f"the limit of {text}" in slack_text(made) or f"*Limit*\\n{text}" in slack_text(made)
        [told] = [
            rule
            for one in signal_panels(made.definitions)
            for rule in one.rules
            if rule.startswith(RULE)
        ]
        assert f"above {text} for 5 min" in told

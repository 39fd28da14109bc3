"""The routing section of an alertmanager.yml, read as it stands."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from alerts.config import AlertsConfig
from alerts.matchers import shown
from alerts.route import Notify, Route
from alerts.routing_config import RoutingConfig, TimeIntervalConfig, load
from alerts.scalars import span_ms
from alerts.slack_config import SlackConfig

SLACK = {"webhook_url": "https://hooks.slack.com/services/T/B/x"}


def root(**route: Any) -> Route:
    return RoutingConfig.model_validate({"route": {"receiver": "a", **route}}).routing().root


@pytest.mark.parametrize(
    ("text", "ms"),
    [("30s", 30_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("2w", 1_209_600_000),
     ("1y", 31_536_000_000), ("500ms", 500), ("0s", 0), ("0", 0), (0, 0), ("1m1s1ms", 61_001)],
)  # fmt: skip
def test_durations_are_those_of_prometheus(text: object, ms: int) -> None:
    assert span_ms(text) == ms


@pytest.mark.parametrize("text", ["", "5", 5, "1.5h", "-1s", "30s1m", "1h 30m", "soon", None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        span_ms(text)


def test_a_route_inherits_what_it_leaves_out_and_never_times_and_conditions() -> None:
    node = root(
        group_by=["service"],
        group_wait="1s",
        group_interval="2s",
        repeat_interval="3s",
        notify="suspected",
        escalate={"after": "5m", "to": "a"},
        routes=[{"matchers": ["a=b"], "routes": [{"receiver": "c", "group_wait": 0}]}],
    )
    (child,) = node.routes
    (grandchild,) = child.routes
    assert (child.receiver, grandchild.receiver) == ("a", "c")
    assert grandchild.group_by == ("service",)
    assert (grandchild.group_wait_ms, grandchild.group_interval_ms) == (0, 2000)
    assert grandchild.repeat_interval_ms == 3000
    assert grandchild.notify is Notify.SUSPECTED
    assert grandchild.escalate == node.escalate
    assert grandchild.matchers == ()
    assert not grandchild.continues


def test_the_root_has_alertmanagers_defaults() -> None:
    node = root()
    times = node.group_wait_ms, node.group_interval_ms, node.repeat_interval_ms
    assert times == (30_000, 300_000, 14_400_000)
    assert (node.group_by, node.group_by_all, node.notify) == ((), False, Notify.CONFIRMED)


def test_grouping_by_everything_ends_where_labels_are_named() -> None:
    node = root(group_by=["..."], routes=[{}, {"group_by": ["a"]}, {"group_by": []}])
    assert [one.group_by_all for one in (node, *node.routes)] == [True, True, False, True]
    assert node.group_labels({"b": "1", "a": "2"}) == {"a": "2", "b": "1"}
    assert node.routes[1].group_labels({"b": "1"}) == {}


def test_two_siblings_of_the_same_conditions_have_groups_of_their_own() -> None:
    node = root(routes=[{"match": {"a": "b"}}, {"match": {"a": "b"}}])
    assert len({one.key for one in node.walk()}) == 3


def test_conditions_of_all_forms_are_one_list_in_order() -> None:
    node = root(
        routes=[{"match": {"z": 1, "t": True}, "match_re": {"b": "x|y"}, "matchers": ["c!=d"]}]
    )
    assert shown(node.routes[0].matchers) == '{b=~"^(?:x|y)$",c!="d",t="true",z="1"}'
    assert node.match({"z": "1", "t": "true", "b": "y"})[0] is node.routes[0]


def test_flags_of_an_older_regular_expression_hold_for_all_of_it() -> None:
    node = root(routes=[{"match_re": {"a": "(?i)b|c"}}])
    assert node.match({"a": "C"}) == [node.routes[0]]
    assert node.match({"a": "xc"}) == [node]


@pytest.mark.parametrize(
    "route",
    [
        {"group_by": ["...", "a"]},
        {"group_by": ["a", "a"]},
        {"group_by": ["1a"]},
        {"repeat_interval": "0s"},
        {"mute_time_intervals": ["x"]},
        {"match": {"a": "b"}},
        {"receiver": ""},
        {"match_re": {"a": "["}},
        {"notify": "rumours"},
        {"escalate": {"after": "0s", "to": "a"}},
        {"continues": True},
    ],
)
def test_what_cannot_be_meant_is_refused(route: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        root(**route)


FILE = """\
global: {resolve_timeout: 5m, slack_api_url: 'https://hooks.slack.com/services/T/B/x'}
templates: ['/etc/alertmanager/template/*.tmpl']
route:
  receiver: everybody
  group_by: ['alertname']
  routes:
  - match: {code: 0x40, quiet: no}
    receiver: 'null'
    continue: true
    mute_time_intervals: [nights]
  - receiver: everybody
    routes:
inhibit_rules:
- source_match: {severity: critical}
  target_match: {severity: warning}
  equal: [alertname]
mute_time_intervals:
- name: nights
  time_intervals:
  - times: [{start_time: 00:00, end_time: 06:00}]
    days_of_month: ['1:5', -1]
receivers:
- name: everybody
  slack_configs: [{channel: '#general', send_resolved: true}]
- name: 'null'
"""


def alerts(file: Path, **more: Any) -> AlertsConfig:
    slack = SlackConfig.model_validate(SLACK)
    return AlertsConfig.model_validate({"slack": slack, "alertmanager_file": file, **more})


def test_a_file_of_alertmanager_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(FILE.replace("    routes:\ninhibit", "inhibit"))
    routing = load(file).routing()
    quiet = routing.root.match({"code": "0x40", "quiet": "no"})
    assert [one.receiver for one in quiet] == ["null", "everybody"]
    assert routing.root.match({"code": "64", "quiet": "no"})[0].receiver == "everybody"
    config = alerts(file, deliver={"everybody": "slack-webhook"})
    assert config.routes() == load(file)


def test_a_receiver_of_alertmanager_needs_one_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(FILE.replace("    routes:\ninhibit", "inhibit"))
    with pytest.raises(ValidationError, match="has slack_configs of Alertmanager"):
        alerts(file)
    with pytest.raises(ValidationError, match="there is no receiver 'pager'"):
        alerts(file, deliver={"everybody": "pager"})
    with pytest.raises(ValidationError, match="deliver names 'nobody', which no route does"):
        alerts(file, deliver={"everybody": [], "nobody": []})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("route: [", "is no YAML in line"),
        ("- a", "the file"),
        ("route: {receiver: a}\nroutes: []", "routes"),
        ("route: {receiver: a, recevier: b}", "route.recevier"),
    ],
)
def test_a_faulty_file_is_told_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    with pytest.raises(ValueError, match=why) as caught:
        load(file)
    assert str(file) in str(caught.value)


def test_deliver_without_a_routing_says_nothing() -> None:
    with pytest.raises(ValidationError, match="there is none"):
        AlertsConfig.model_validate({"deliver": {"a": "slack"}})


def test_ranges_without_quotes_are_read_though_yaml_takes_them_for_numbers() -> None:
    times = yaml.safe_load("{start_time: 12:30, end_time: 24:00}")
    assert times == {"start_time": 750, "end_time": 1440}
    given = {"times": [times], "days_of_month": [yaml.safe_load("1:15"), 31], "months": [2]}
    interval = TimeIntervalConfig.model_validate(given).interval()
    assert interval.times == ((750, 1440),)
    assert interval.days_of_month == ((1, 15), (31, 31))
    assert interval.months == ((2, 2),)

from collections.abc import Callable

import pytest

from tests.dashboards.grafana import Json, overview_json, panel_titled, variables
from tests.dashboards.linter import RULES

Spoil = Callable[[Json], object]


def variable(dashboard: Json, name: str) -> Json:
    [found] = [one for one in variables(dashboard) if one["name"] == name]
    return found


def first_target(dashboard: Json, title: str) -> Json:
    target: Json = panel_titled(dashboard, title)["targets"][0]
    return target


def asks(title: str, old: str, new: str) -> Spoil:
    def spoil(dashboard: Json) -> None:
        target = first_target(dashboard, title)
        assert old in target["expr"]
        target["expr"] = target["expr"].replace(old, new)

    return spoil


SPOILED: list[tuple[str, Spoil]] = [
    ("template-datasource", lambda d: variable(d, "datasource").update(label="Source")),
    ("template-datasource", lambda d: variables(d).append(variable(d, "datasource"))),
    ("template-job", lambda d: variable(d, "plimsoll_job").update(multi=False)),
    ("template-job", lambda d: variable(d, "plimsoll_job").update(allValue=".+")),
    ("template-instance", lambda d: variable(d, "series").update(multi=True)),
    ("template-instance", lambda d: variable(d, "signal").update(includeAll=True)),
    ("template-label-promql", lambda d: variable(d, "signal").update(query="label_values(a{, b)")),
    ("template-label-promql", lambda d: variable(d, "series").update(query="query_result(a{)")),
    ("template-on-time-change-reload", lambda d: variable(d, "signal").update(refresh=1)),
    ("panel-datasource", lambda d: panel_titled(d, "Tick").pop("datasource")),
    ("panel-datasource", lambda d: d["annotations"]["list"][0].update(datasource={"uid": "x"})),
    ("panel-datasource", lambda d: first_target(d, "Tick").update(datasource={"uid": "x"})),
    ("panel-title-description", lambda d: panel_titled(d, "Tick").pop("description")),
    ("panel-units", lambda d: panel_titled(d, "Tick")["fieldConfig"]["defaults"].pop("unit")),
    ("panel-units", lambda d: panel_titled(d, "Tick")["fieldConfig"]["defaults"].update(unit="x")),
    ("panel-no-targets", lambda d: panel_titled(d, "Tick")["targets"].clear()),
    ("target-promql", asks("Targets", "min by", "min bye")),
    ("target-promql", asks("Targets", "plimsoll_collector_up", "up{a=\"$nowhere\"}")),
    ("target-logql", lambda d: first_target(d, "Tick").update(datasource={"type": "loki"})),
    ("target-logql-auto", asks("Failed collections", "$__rate_interval", "$__auto")),
    ("target-rate-interval", asks("Failed collections", "$__rate_interval", "5m")),
    ("target-job", asks("Requests answered", 'job=~"$plimsoll_job"', "")),
    ("target-instance", asks("Orders", 'signal="orders"', "")),
    ("target-counter-agg", asks("Failed collections", "rate(", "max_over_time(")),
    ("uneditable-dashboard", lambda d: d.update(editable=True)),
]  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_the_overview_keeps_the_rule(name: str) -> None:
    assert list(RULES[name](overview_json())) == []


@pytest.mark.parametrize(("name", "spoil"), SPOILED)
def test_the_rule_sees_what_breaks_it(name: str, spoil: Spoil) -> None:
    dashboard = overview_json()
    spoil(dashboard)
    assert list(RULES[name](dashboard)) != []


def test_every_rule_has_a_dashboard_that_breaks_it() -> None:
    assert {name for name, _ in SPOILED} == set(RULES)
    assert len(RULES) == 17

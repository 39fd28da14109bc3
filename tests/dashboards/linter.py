"""The 17 rules of Grafana's dashboard-linter, restated; each says what it finds wrong.

The rules on the labels `job` and `instance` are read for what they are after: nobody may mix up two
programs or two series. So metrics that other programs expose too are narrowed to Plimsoll's job,
and what is asked of signals names a signal, or keeps them apart.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.dashboards.grafana import Json, anything, filled, panels, queries, variables
from tests.servers import promtool

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Of the ids that Grafana's unit registry knows, those that our units map to.
UNITS = {"bytes", "cps", "percentunit", "reqps", "s", "short"}
COUNTER = re.compile(r"\b\w+_(?:total|bucket|sum|count)\b")
IN_RATE = re.compile(r"\b(?:rate|irate|increase)\(\s*$")
RANGE = re.compile(r"\[([^\]]*)\]")
SHARED_NAME = re.compile(r"\b(?:process|http_server|python)_\w+(\{[^}]*\})?")
OF_SIGNALS = re.compile(r"\bplimsoll_signal_\w+(\{[^}]*\})?")
CHOICES = re.compile(r"(?:label_values\((?P<expr>.+), \w+\)|query_result\((?P<result>.+)\))")

Rule = Callable[[Json], Iterator[str]]


def template_datasource(dashboard: Json) -> Iterator[str]:
    """Exactly one data source variable, for Prometheus."""
    found = [one for one in variables(dashboard) if one["type"] == "datasource"]
    wanted = [("datasource", "Data Source", "prometheus")]
    if [(one["name"], one["label"], one["query"]) for one in found] != wanted:
        yield f"data source variables: {found}"


def template_job(dashboard: Json) -> Iterator[str]:
    """A variable chooses Plimsoll's job; all of them is all of these jobs, not any job at all."""
    by_name = {one["name"]: one for one in variables(dashboard)}
    job = by_name.get("plimsoll_job", {})
    if not (job.get("multi") and job.get("includeAll") and job.get("datasource") == SOURCE):
        yield f"plimsoll_job: {job}"
    if "allValue" in job:
        yield "plimsoll_job: an `allValue` would let in the processes of other programs"


def template_instance(dashboard: Json) -> Iterator[str]:
    """One series is chosen, label by label: a band takes no second one."""
    chosen = [one for one in variables(dashboard) if "plimsoll_signal_value" in one["query"]]
    if not chosen:
        yield "no variable chooses a signal"
    for one in chosen:
        if one["multi"] or one["includeAll"] or one.get("datasource") != SOURCE:
            yield f"{one['name']}: must choose one value from the data source"


def template_label_promql(dashboard: Json) -> Iterator[str]:
    """Prometheus can parse what variables ask for."""
    for one in variables(dashboard):
        if one["type"] == "query":
            parts = CHOICES.fullmatch(one["query"])
            if parts is None:
                yield f"{one['name']}: {one['query']}"
            else:
                yield from unparsed(dashboard, [(one["name"], parts["expr"] or parts["result"])])


def template_on_time_change_reload(dashboard: Json) -> Iterator[str]:
    """Choices are read again when the time range changes."""
    for one in variables(dashboard):
        if one["type"] == "query" and one["refresh"] != 2:
            yield f"{one['name']}: refresh {one['refresh']}"


def panel_datasource(dashboard: Json) -> Iterator[str]:
    """Whatever asks, asks the chosen data source."""
    for panel in panels(dashboard):
        asked = [panel, *panel["targets"]]
        if any(one.get("datasource") != SOURCE for one in asked):
            yield panel["title"]
    for annotation in dashboard["annotations"]["list"]:
        if annotation["datasource"] != SOURCE:
            yield annotation["name"]


def panel_title_description(dashboard: Json) -> Iterator[str]:
    """Every panel says what it is."""
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']} {panel.get('title')}"


def panel_units(dashboard: Json) -> Iterator[str]:
    """Every panel has a unit that Grafana knows."""
    for panel in panels(dashboard):
        config = panel["fieldConfig"]
        units = [config["defaults"].get("unit")]
        for override in config["overrides"]:
            units += [one["value"] for one in override["properties"] if one["id"] == "unit"]
        for unit in units:
            if unit not in UNITS:
                yield f"{panel['title']}: {unit}"


def panel_no_targets(dashboard: Json) -> Iterator[str]:
    """Every panel asks something."""
    for panel in panels(dashboard):
        if not panel["targets"] or not all(target.get("expr") for target in panel["targets"]):
            yield panel["title"]


def target_promql(dashboard: Json) -> Iterator[str]:
    """Prometheus can parse every query: each is checked as a recording rule."""
    yield from unparsed(dashboard, queries(dashboard))


def unparsed(dashboard: Json, expressions: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What promtool says of expressions that are no PromQL."""
    try:
        values = anything(dashboard)
        rules = [
            {"record": f"check:{name}", "expr": filled(expr, values)} for name, expr in expressions
        ]
        with TemporaryDirectory() as directory:
            file = Path(directory, "panels.yml")
            file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
            promtool("check", "rules", str(file))
    except (KeyError, AssertionError) as error:
        yield repr(error)


def target_logql(dashboard: Json) -> Iterator[str]:
    """Nothing asks Loki."""
    yield from re.findall(r'"type": "loki"', json.dumps(dashboard))


def target_logql_auto(dashboard: Json) -> Iterator[str]:
    """Nothing uses Loki's interval."""
    yield from re.findall(r"\$__auto\b", json.dumps(dashboard))


def target_rate_interval(dashboard: Json) -> Iterator[str]:
    """A rate looks back as far as Grafana says."""
    for name, expr in queries(dashboard):
        for span in RANGE.findall(expr):
            if span != "$__rate_interval":
                yield f"{name}: [{span}]"


def target_job(dashboard: Json) -> Iterator[str]:
    """Names that other programs use too are narrowed to Plimsoll's job."""
    for name, expr in queries(dashboard):
        for found in SHARED_NAME.finditer(expr):
            if 'job=~"$plimsoll_job"' not in (found[1] or ""):
                yield f"{name}: {found[0]}"


def target_instance(dashboard: Json) -> Iterator[str]:
    """What is asked of signals names one, or keeps them apart."""
    for name, expr in queries(dashboard):
        for found in OF_SIGNALS.finditer(expr):
            if 'signal="' not in (found[1] or "") and "by (signal)" not in expr:
                yield f"{name}: {found[0]}"


def target_counter_agg(dashboard: Json) -> Iterator[str]:
    """A counter stands only inside rate, irate or increase."""
    for name, expr in queries(dashboard):
        for found in COUNTER.finditer(expr):
            if not IN_RATE.search(expr[: found.start()]):
                yield f"{name}: {found[0]}"


def uneditable_dashboard(dashboard: Json) -> Iterator[str]:
    """Nobody edits by hand what the next run would write over."""
    if dashboard.get("editable") is not False:
        yield f"editable: {dashboard.get('editable')}"


RULES: dict[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        template_datasource,
        template_job,
        template_instance,
        template_label_promql,
        template_on_time_change_reload,
        panel_datasource,
        panel_title_description,
        panel_units,
        panel_no_targets,
        target_promql,
        target_logql,
        target_logql_auto,
        target_rate_interval,
        target_job,
        target_instance,
        target_counter_agg,
        uneditable_dashboard,
    )
}

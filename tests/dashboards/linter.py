"""The 17 rules of Grafana's dashboard-linter, restated; each says what it finds wrong.

The rules on the labels `job` and `instance` are read for what they are after: nobody may mix up two
programs or two series. So metrics that other programs expose too are narrowed to Plimsoll's job,
and what is asked of signals names a signal, or keeps them apart.

Where the data source is another one than Prometheus, the linter (commit 4d0844b of 2026-06-18, its
`lint/rule_*.go`) leaves out what is about PromQL, LogQL, `job` and `instance`. All others hold:
the one data source variable, panels that use it, title and description, units, targets, and that
nobody edits. It asks so of some types of panels; here all are asked.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.dashboards.grafana import Json, anything, filled, fills, panels, queries, variables
from tests.servers import promtool

#: What a target asks, by the type of its data source.
ASKED = {
    "prometheus": "expr",
    "grafana-postgresql-datasource": "rawSql",
    "yesoreyeram-infinity-datasource": "url",
}
#: Of the ids that Grafana's unit registry knows, those that our units map to.
UNITS = {"binBps", "bytes", "cps", "percentunit", "reqps", "s", "short"}
COUNTER = re.compile(r"\b\w+_(?:total|bucket|sum|count)\b")
IN_RATE = re.compile(r"\b(?:rate|irate|increase)\(\s*")
RANGE = re.compile(r"\[([^\]]*)\]")
SHARED_NAME = re.compile(r"\b(?:process|http_server|python)_\w+(\{[^}]*\})?")
OF_SIGNALS = re.compile(r"\bplimsoll_signal_\w+(\{[^}]*\})?")
CHOICES = re.compile(r"(?:label_values\((?P<expr>.+), \w+\)|query_result\((?P<result>.+)\))")

Rule = Callable[[Json], Iterator[str]]


def template_datasource(dashboard: Json) -> Iterator[str]:
    """Exactly one data source variable, called as the linter wants a single one."""
    found = [one for one in variables(dashboard) if one["type"] == "datasource"]
    named = [(one["name"], one["label"]) for one in found]
    if named != [("datasource", "Data source")] or found[0]["query"] not in ASKED:
        yield f"data source variables: {found}"


def source_of(dashboard: Json) -> Json:
    """How everything names the chosen data source."""
    kinds = [one["query"] for one in variables(dashboard) if one["type"] == "datasource"]
    return {"type": kinds[0], "uid": "${datasource}"}


def template_job(dashboard: Json) -> Iterator[str]:
    """A variable chooses Plimsoll's job; all of them is all of these jobs, not any job at all."""
    by_name = {one["name"]: one for one in variables(dashboard)}
    asks = json.dumps([expr for _, expr in queries(dashboard)])
    if "$job" in asks and not is_filter(dashboard, by_name.get("job", {}), ".+"):
        yield f"job: {by_name.get('job')}"
    if "$plimsoll_job" not in asks and "plimsoll_job" not in by_name:
        return
    job = by_name.get("plimsoll_job", {})
    source = source_of(dashboard)
    if not (job.get("multi") and job.get("includeAll") and job.get("datasource") == source):
        yield f"plimsoll_job: {job}"
    if "allValue" in job:
        yield "plimsoll_job: an `allValue` would let in the processes of other programs"


def template_instance(dashboard: Json) -> Iterator[str]:
    """Series are chosen label by label; for a band exactly one, as it takes no second one.

    Elsewhere a choice may be several or all, and all includes the series without the label.
    """
    banded = {
        name
        for panel in panels(dashboard)
        if fills(panel)
        for target in panel["targets"]
        for name in re.findall(r"\$\{?(\w+)", target["expr"])
    }
    for one in variables(dashboard):
        if "plimsoll_signal_value" in one["query"]:
            single = not one["multi"] and not one["includeAll"]
            mine = one.get("datasource") == source_of(dashboard)
            if not mine or not (single or is_filter(dashboard, one, ".*")):
                yield f"{one['name']}: must choose one value, or filter, from the data source"
            if one["name"] in banded and not single:
                yield f"{one['name']}: a band needs exactly one"
    by_name = {one["name"]: one for one in variables(dashboard)}
    asks = json.dumps([expr for _, expr in queries(dashboard)])
    if "$instance" in asks and not is_filter(dashboard, by_name.get("instance", {}), ".+"):
        yield f"instance: {by_name.get('instance')}"


def is_filter(dashboard: Json, variable: Json, everything: str) -> bool:
    """Whether a variable takes one, several or all values of the data source."""
    many = variable.get("multi") and variable.get("includeAll")
    source = source_of(dashboard)
    known = variable.get("datasource") == source and variable.get("allValue") == everything
    return bool(many and known and variable.get("type") == "query")


def template_label_promql(dashboard: Json) -> Iterator[str]:
    """Prometheus can parse what variables ask for."""
    asked = []
    for one in variables(dashboard):
        if one["type"] == "query":
            parts = CHOICES.fullmatch(one["query"])
            if parts is None:
                yield f"{one['name']}: {one['query']}"
            else:
                asked.append((one["name"], parts["expr"] or parts["result"]))
    if asked:
        yield from unparsed(dashboard, asked)


def template_on_time_change_reload(dashboard: Json) -> Iterator[str]:
    """Choices are read again when the time range changes."""
    for one in variables(dashboard):
        if one["type"] == "query" and one["refresh"] != 2:
            yield f"{one['name']}: refresh {one['refresh']}"


def panel_datasource(dashboard: Json) -> Iterator[str]:
    """Whatever asks, asks the chosen data source."""
    source = source_of(dashboard)
    for panel in panels(dashboard):
        asked = [panel, *panel["targets"]]
        if any(one.get("datasource") != source for one in asked):
            yield panel["title"]
    for annotation in dashboard["annotations"]["list"]:
        if annotation["datasource"] != source:
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
        asked = [one.get(ASKED[source_of(dashboard)["type"]]) for one in panel["targets"]]
        if not asked or not all(asked):
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
        for inner in IN_RATE.split(expr)[1:]:
            span = RANGE.search(inner)
            if span is None or span[1] != "$__rate_interval":
                yield f"{name}: [{span and span[1]}]"


def target_job(dashboard: Json) -> Iterator[str]:
    """Names that other programs use too are narrowed to Plimsoll's job, or to the chosen ones."""
    for name, expr in queries(dashboard):
        for found in SHARED_NAME.finditer(expr):
            narrowed = re.search(r'job=~"\$(plimsoll_)?job"', found[1] or "")
            if narrowed is None:
                yield f"{name}: {found[0]}"


def target_instance(dashboard: Json) -> Iterator[str]:
    """What is asked of signals names one, or keeps them apart."""
    for name, expr in queries(dashboard):
        for found in OF_SIGNALS.finditer(expr):
            named = re.search(r'signal=~?"', found[1] or "")
            if named is None and "by (signal" not in expr:
                yield f"{name}: {found[0]}"


def target_counter_agg(dashboard: Json) -> Iterator[str]:
    """A counter stands only inside rate, irate or increase."""
    for name, expr in queries(dashboard):
        for found in COUNTER.finditer(expr):
            before = IN_RATE.split(expr[: found.start()])
            if len(before) < 2 or before[-1]:
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

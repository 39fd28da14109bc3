"""Grafana's own dashboard model, as its foundation SDK publishes it: what a dashboard does wrong.

Three things of the schemas are read differently. Members that Grafana has defaults for are listed
as required there, so a missing member is no fault here; `shape.py` asks for what must be there. Two
members of any type are written as objects. And a panel holds `options` and `custom` of any form,
which are looked at by the schema of its type.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

PUBLISHED = Path(__file__).parent / "published"
FOR_PROMETHEUS = "prometheus"
ANY = (("MatcherConfig", "options"), ("DynamicConfigValue", "value"))

Json = dict[str, Any]


@cache
def definitions(name: str) -> Json:
    """The definitions of one published file."""
    found: Json = json.loads((PUBLISHED / f"{name}.jsonschema.json").read_text())["definitions"]
    for definition, member in ANY:
        if definition in found:
            found[definition]["properties"][member] = {}
    return found


@cache
def validator(name: str, definition: str) -> Draft7Validator:
    """What checks one definition."""
    root = {"$ref": f"#/definitions/{definition}", "definitions": definitions(name)}
    return Draft7Validator(root)


def faults(dashboard: Json) -> Iterator[str]:
    """Everything that Grafana's model does not know, or knows otherwise."""
    rest = {key: value for key, value in dashboard.items() if key != "panels"}
    yield from told("", "dashboard", "Dashboard", rest)
    for panel in dashboard["panels"]:
        yield from of_panel(panel)


def of_panel(panel: Json) -> Iterator[str]:
    """What is wrong with a panel, or with a row and those that are folded into it."""
    where = f"{panel['title']}: "
    if panel["type"] == "row":
        yield from told(where, "dashboard", "RowPanel", {**panel, "panels": []})
        for inner in panel["panels"]:
            yield from of_panel(inner)
        return
    yield from told(where, "dashboard", "Panel", panel)
    kind = panel["type"].replace("-", "")
    yield from told(f"{where}options ", kind, "Options", panel["options"])
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    if "FieldConfig" in definitions(kind):
        yield from told(f"{where}custom ", kind, "FieldConfig", custom)
    elif custom:
        yield f"{where}a panel of the type {kind} has no `custom`"
    for target in panel["targets"]:
        if target["datasource"]["type"] == FOR_PROMETHEUS:
            yield from told(f"{where}target ", FOR_PROMETHEUS, "Dataquery", target)


def told(where: str, name: str, definition: str, instance: object) -> Iterator[str]:
    """The faults of one part, but for members that are left to Grafana's defaults."""
    for fault in validator(name, definition).iter_errors(instance):
        if fault.validator != "required":
            yield f"{where}{fault.json_path}: {fault.message[:300]}"

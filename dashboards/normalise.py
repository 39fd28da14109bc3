"""The single way out: what grafanalib writes, as classic dashboard JSON that Grafana reads today.

grafanalib's defaults come from Grafana 4 to 6. Left alone they make Grafana run thirty migrations,
one of which drops the shared tooltip; under a modern schema version no migration repairs them. So
everything dead is taken away here, and what must be there is put in.
"""

import json
import re
from collections.abc import Mapping, Set
from typing import Any

from grafanalib.core import Dashboard

SCHEMA_VERSION = 42  # the final version of the classic form
SHARED_TOOLTIP = 2
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")  # a longer one is refused by Grafana

DEAD_ON_DASHBOARD = {
    "__inputs",
    "gnetId",
    "hideControls",
    "id",
    "rows",
    "sharedCrosshair",
    "style",
    "version",
}
DEAD_ON_PANEL = {
    "cacheTimeout",
    "editable",
    "error",
    "height",
    "hideTimeOverride",
    "minSpan",
    "span",
    "transparent",
}
DEAD_ON_VARIABLE = {"auto", "auto_count", "auto_min", "tagValuesQuery", "tagsQuery", "useTags"}
DEAD_ON_TIMEPICKER = {"time_options"}
ROW_KEYS = ("collapsed", "gridPos", "id", "panels", "title", "type")
REFRESH_ON_TIME_CHANGE = 2
EVERYTHING = "$__all"


class DashboardError(ValueError):
    """A dashboard that Grafana would refuse or misread."""


def text(dashboard: Dashboard) -> str:
    """The dashboard as the text of a file; the same dashboard gives the same bytes."""
    return json.dumps(normalise(dashboard), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def normalise(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as plain JSON values; a DashboardError says what Grafana would not take."""
    raw = json.loads(json.dumps(dashboard, default=lambda part: part.to_json_data()))
    if not UID.fullmatch(raw.get("uid") or ""):
        raise DashboardError(
            f"uid {raw.get('uid')!r}: 1 to 40 letters, digits, - and _ are allowed"
        )
    panels = [panel_of(panel) for panel in raw["panels"]]
    check_ids(panels)
    changed = {
        "annotations": {"list": [annotation_of(one) for one in raw["annotations"]["list"]]},
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": SHARED_TOOLTIP,
        "liveNow": False,
        "panels": panels,
        "preload": False,
        "schemaVersion": SCHEMA_VERSION,
        "templating": {"list": [variable_of(one) for one in raw["templating"]["list"]]},
        "timepicker": without(raw["timepicker"], DEAD_ON_TIMEPICKER),
        "weekStart": "",
    }
    clean: dict[str, Any] = without_nulls(without(raw, DEAD_ON_DASHBOARD) | changed)
    return clean


def panel_of(panel: Mapping[str, Any]) -> dict[str, Any]:
    """A panel without what Grafana no longer reads."""
    if panel["type"] == "row":
        row = {key: panel[key] for key in ROW_KEYS}
        return row | {"panels": [panel_of(inner) for inner in panel["panels"]]}
    rest = without(panel, DEAD_ON_PANEL)
    defaults = dict(rest["fieldConfig"]["defaults"])
    if not (defaults.get("thresholds") or {}).get("steps"):
        defaults.pop("thresholds", None)  # an empty list of steps crashes some panels
    config = {"defaults": defaults, "overrides": rest["fieldConfig"].get("overrides", [])}
    empty = {key for key in ("links", "transformations") if not rest.get(key)}
    targets = [
        {key: value for key, value in target.items() if value != ""} for target in rest["targets"]
    ]
    return without(rest, empty) | {"fieldConfig": config, "targets": targets}


def annotation_of(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation with its query in `target`, where Grafana looks for it."""
    rest = dict(annotation)
    if "expr" in rest:
        rest["target"] = {"expr": rest.pop("expr"), "refId": "Anno"}
    return rest


def variable_of(variable: Mapping[str, Any]) -> dict[str, Any]:
    """A variable that is read again whenever the time range changes, and knows its first value."""
    rest = without(variable, DEAD_ON_VARIABLE)
    current = without(rest.pop("current") or {}, {"tags"})
    if current.get("value") == EVERYTHING:
        current["text"] = "All"  # grafanalib writes the value there too
    if current.get("value") is not None:
        rest["current"] = current
    if rest["type"] == "query":
        rest["refresh"] = REFRESH_ON_TIME_CHANGE
    else:
        rest.pop("refresh", None)
    return rest


def check_ids(panels: list[dict[str, Any]]) -> None:
    """Raise when a panel has no id, or one that another has: Grafana would number them anew."""
    ids = [inner["id"] for panel in panels for inner in (panel, *panel.get("panels", []))]
    if None in ids or len(set(ids)) < len(ids):
        raise DashboardError("every panel needs an id of its own; put the panels through layout()")


def without(mapping: Mapping[str, Any], dead: Set[str]) -> dict[str, Any]:
    """The mapping but for these keys."""
    return {key: value for key, value in mapping.items() if key not in dead}


def without_nulls(node: Any) -> Any:
    """Drop every null but the one that Grafana needs: the value of a base threshold step."""
    if isinstance(node, dict):
        is_step = node.keys() == {"color", "value"}
        return {
            key: without_nulls(value)
            for key, value in node.items()
            if value is not None or (is_step and key == "value")
        }
    if isinstance(node, list):
        return [without_nulls(item) for item in node]
    return node

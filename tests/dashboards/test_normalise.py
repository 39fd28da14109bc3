from collections.abc import Iterator
from typing import Any

import pytest
from grafanalib.core import Annotations, Dashboard, RowPanel, Template, Templating, TimeSeries

from dashboards.grid import Section, Shelf, layout
from dashboards.normalise import DashboardError, normalise, text
from dashboards.panels import About, Viz, curves, query
from tests.dashboards.grafana import overview_json


def curve(title: str = "A curve") -> Viz:
    return curves(About(title, "What it shows."), [query("up")])


def dashboard(uid: str = "x", **more: Any) -> Dashboard:
    panels = more.pop("panels", None) or layout([Section("", [Shelf(8, [curve()])])])
    return Dashboard(title="X", uid=uid, panels=panels, **more)


def nulls(node: Any, path: str = "") -> Iterator[str]:
    """Where a null stands."""
    if node is None:
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from nulls(value, f"{path}/{key}")
    elif isinstance(node, list):
        for item in node:
            yield from nulls(item, path)


def test_only_the_base_step_of_thresholds_is_null() -> None:
    found = set(nulls(overview_json()))
    assert found == {"/panels/fieldConfig/defaults/thresholds/steps/value"}


def test_a_null_value_of_anything_else_is_dropped() -> None:
    odd = {"name": "Odd", "value": None}
    written = normalise(dashboard(annotations=Annotations(list=[odd])))
    assert written["annotations"]["list"] == [{"name": "Odd"}]


def test_what_grafanalib_leaves_behind_is_gone() -> None:
    old = {"rows", "style", "sharedCrosshair", "hideControls", "gnetId", "__inputs", "id"}
    assert not old & normalise(dashboard()).keys()
    [panel] = normalise(dashboard())["panels"]
    assert not {"span", "height", "editable", "error", "maxDataPoints", "cacheTimeout"} & set(panel)
    assert "intervalFactor" not in panel["targets"][0]


def test_the_tooltip_is_shared_and_nobody_edits() -> None:
    written = normalise(dashboard(editable=True, graphTooltip=0))
    assert (written["graphTooltip"], written["editable"], written["schemaVersion"]) == (
        2,
        False,
        42,
    )


@pytest.mark.parametrize("uid", ["", "a" * 41, "with space", "ümlaut", None])
def test_a_uid_that_grafana_refuses_is_refused_here(uid: str) -> None:
    with pytest.raises(DashboardError, match="uid"):
        normalise(dashboard(uid))


def test_a_uid_of_forty_characters_is_taken() -> None:
    assert normalise(dashboard("a" * 40))["uid"] == "a" * 40


@pytest.mark.parametrize("ids", [(None,), (7, 7)])
def test_panels_without_an_id_of_their_own_are_refused(ids: tuple[int | None, ...]) -> None:
    panels = []
    for number in ids:
        panel = curve()
        panel.id = number
        panels.append(panel)
    with pytest.raises(DashboardError, match="id of its own"):
        normalise(dashboard(panels=panels))


def test_a_panel_in_a_folded_row_is_normalised_too() -> None:
    inner = curve()
    inner.id = 2
    row = RowPanel(title="Folded", collapsed=True, panels=[inner], id=1)
    [written] = normalise(dashboard(panels=[row]))["panels"]
    assert written["collapsed"]
    assert "editable" not in written["panels"][0]
    inner.id = 1
    with pytest.raises(DashboardError, match="id of its own"):
        normalise(dashboard(panels=[row]))


def test_an_empty_list_of_thresholds_is_left_out() -> None:
    [panel] = normalise(dashboard(panels=[TimeSeries(title="Old", id=1)]))["panels"]
    assert "thresholds" not in panel["fieldConfig"]["defaults"]


def test_the_query_of_an_old_annotation_is_moved_to_where_grafana_looks() -> None:
    old = {"name": "Deployments", "enable": True, "expr": "deployed"}
    written = normalise(dashboard(annotations=Annotations(list=[old])))
    assert written["annotations"]["list"] == [
        {"name": "Deployments", "enable": True, "target": {"expr": "deployed", "refId": "Anno"}}
    ]
    assert "expr" in old


def test_a_variable_is_read_again_when_the_time_changes() -> None:
    variables = [
        Template(name="route", query="label_values(up, route)"),
        Template(name="datasource", type="datasource", query="prometheus", default="default"),
    ]
    written = normalise(dashboard(templating=Templating(list=variables)))["templating"]["list"]
    assert written[0]["refresh"] == 2
    assert "current" not in written[0]
    assert "refresh" not in written[1]
    assert written[1]["current"]["value"] == "default"
    assert not {"useTags", "auto", "auto_count", "tagsQuery"} & written[0].keys()


def test_the_text_ends_with_a_line_and_keeps_letters_as_they_are() -> None:
    written = text(dashboard(description="größer"))
    assert written.endswith("}\n")
    assert "größer" in written
    keys = [line.split('"')[1] for line in written.splitlines() if line.startswith('  "')]
    assert keys == sorted(keys)

"""The overview: which panels stand on it, and what each of them tells."""

import re

from dashboards import overview
from dashboards.figures import worst_of
from dashboards.frame import dashboard as framed
from dashboards.normalise import normalise
from dashboards.signals import SignalPanel
from tests.dashboards.grafana import fills, overview_json, panel_titled, panels, variables
from tests.dashboards.shop import SIGNALS


def test_the_lower_edge_of_every_band_is_a_series_of_the_same_panel() -> None:
    bands = [panel for panel in panels(overview_json()) if fills(panel)]
    assert {panel["title"] for panel in bands} == {overview.BAND_TITLE, "Memory", "Orders"}
    for panel in bands:
        names = [target["legendFormat"] for target in panel["targets"]]
        assert set(names) == {"value", "expected", "upper", "lower"}
        assert set(fills(panel)) == {"lower"}


def test_the_limit_of_a_signal_is_a_line_in_the_colour_of_its_severity() -> None:
    for title, colour, level in (("Cache hits", "orange", 0.85), ("Database p95", "orange", 0.1)):
        shown = panel_titled(overview_json(), title)["fieldConfig"]["defaults"]
        assert shown["thresholds"]["steps"][1:] == [{"color": colour, "value": level}]
        assert shown["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_a_signal_without_a_limit_has_no_line() -> None:
    orders = panel_titled(overview_json(), "Orders")["fieldConfig"]["defaults"]
    assert "thresholds" not in orders
    assert orders["custom"]["thresholdsStyle"] == {"mode": "off"}


def test_what_is_worse_when_it_falls_shows_its_smallest_value_and_no_empty_axis() -> None:
    hits = panel_titled(overview_json(), "Cache hits")
    orders = panel_titled(overview_json(), "Orders")
    assert "min" in hits["options"]["legend"]["calcs"]
    assert "axisSoftMin" not in hits["fieldConfig"]["defaults"]["custom"]
    assert orders["fieldConfig"]["defaults"]["custom"]["axisSoftMin"] == 0


def test_the_worst_of_a_signal_that_falls_is_the_lowest() -> None:
    hits = panel_titled(overview_json(), "Cache hits")
    assert hits["targets"][0]["expr"].startswith("bottomk(")
    for signal in SIGNALS:
        worst = "min(" if signal.name == "cache_hit_rate" else "max("
        assert worst_of(signal).targets[0].expr.startswith(worst)
    p95 = [panel for panel in panels(overview_json()) if panel["title"] == "API p95"]
    assert [panel["targets"][0]["expr"].partition("(")[0] for panel in p95] == ["max", "topk"]


def test_without_any_signal_there_is_still_an_overview() -> None:
    titles = [panel.title for panel in framed(overview.sheet([]), []).panels]
    assert "Open regressions" in titles
    assert "Tick" in titles


def test_the_first_signal_is_shown_first() -> None:
    by_name = {variable["name"]: variable for variable in variables(overview_json())}
    assert by_name["signal"]["current"]["value"] == "api_p95"


def test_deployments_are_lines_and_regressions_are_spans_on_the_band() -> None:
    dashboard = overview_json()
    band = panel_titled(dashboard, overview.BAND_TITLE)
    deployments, chosen, every = dashboard["annotations"]["list"]
    assert deployments["enable"]
    assert deployments["useValueForTime"]
    assert deployments["target"]["expr"].endswith("* 1000")
    assert chosen["enable"]
    assert chosen["filter"] == {"ids": [band["id"]]}
    assert not every["enable"]
    assert "filter" not in every


def test_annotations_name_only_labels_that_are_always_there() -> None:
    always = {"signal", "rule", "severity", "service", "version"}
    for annotation in overview_json()["annotations"]["list"]:
        forms = annotation["titleFormat"] + annotation.get("textFormat", "")
        assert set(re.findall(r"\{\{(\w+)\}\}", forms)) <= always


def test_each_kind_of_signal_has_a_section() -> None:
    headings = [one["title"] for one in overview_json()["panels"] if one["type"] == "row"]
    assert headings == [
        "Regressions",
        "A series of your choice",
        "API",
        "Database",
        "Cache",
        "Resources",
        "Web vitals",
        "Shop",
        "Business",
        "Collection",
        "Plimsoll itself",
    ]


def test_what_happens_once_a_minute_is_averaged_over_several() -> None:
    for target in panel_titled(overview_json(), "Tick")["targets"]:
        assert target["interval"] == "1m"


def test_the_table_tells_nothing_open_from_nobody_scraped_and_colours_the_severity() -> None:
    config = panel_titled(overview_json(), "Open now")["fieldConfig"]
    assert config["defaults"]["noValue"] == "Plimsoll is not scraped."
    [severity] = config["overrides"]
    assert severity["matcher"]["options"] == "severity"
    [mappings] = [one["value"] for one in severity["properties"] if one["id"] == "mappings"]
    assert mappings[0]["options"]["critical"]["color"] == "red"
    assert mappings[0]["options"]["none"] == {"text": "none open", "color": "green", "index": 4}


def test_a_label_that_plimsoll_uses_itself_is_asked_for_under_the_name_it_is_exposed_by() -> None:
    signal = SignalPanel(name="tickets", title="Tickets", by=("severity", "queue"))
    assert signal.labels == ("exported_severity", "queue")
    dashboard = normalise(framed(overview.sheet([signal]), [signal]))
    asked = panel_titled(dashboard, "Tickets")["targets"][0]["expr"]
    assert "by (exported_severity, queue)" in asked


def test_a_signal_leads_to_its_own_page() -> None:
    hits = panel_titled(overview_json(), "Cache hits")["fieldConfig"]["defaults"]["links"]
    assert hits[-1]["url"] == "${plimsoll_url}/signals/cache_hit_rate"

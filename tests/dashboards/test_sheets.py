"""The set of dashboards as files: form, the linter's rules, golden copies, what all panels have."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from api.document import Document
from api.panels import signal_panels
from api.settings import build
from dashboards.config import DashboardsConfig
from dashboards.normalise import text
from dashboards.sheets import UIDS, dashboards
from dashboards.signals import SignalPanel, Threshold
from dashboards.vitals import THRESHOLDS, judged
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit
from tests.dashboards.grafana import (
    Json,
    fills,
    overview_json,
    panel_titled,
    panels,
    queries,
    read,
    variables,
    written,
)
from tests.dashboards.linter import RULES, source_of
from tests.dashboards.model import faults as of_the_model
from tests.dashboards.shape import DASHBOARD, OF_RECORDS
from tests.dashboards.shop import SIGNALS, all_series

GOLDEN = Path(__file__).parents[1] / "golden" / "dashboards"
DOCS = Path(__file__).parents[2] / "docs"
WHOLE = ("plimsoll-overview", "plimsoll-route", "plimsoll-records-postgresql")
PLIMSOLLS = re.compile(r"\b(?:plimsoll|http|process|rum)_[a-z0-9_]+")
SCHEMAS = {"prometheus": DASHBOARD, **OF_RECORDS}
ON_SCHEMA = {kind: Draft202012Validator(one) for kind, one in SCHEMAS.items()}
OF_RECORDS_UIDS = ("plimsoll-records-postgresql", "plimsoll-records-infinity")
EVERY = (*UIDS, *OF_RECORDS_UIDS)


def test_the_set_is_complete_and_its_uids_stay() -> None:
    assert tuple(written()) == EVERY
    assert set(UIDS) == {
        "plimsoll-overview",
        "plimsoll-api",
        "plimsoll-route",
        "plimsoll-errors",
        "plimsoll-database",
        "plimsoll-query",
        "plimsoll-cache",
        "plimsoll-resources",
        "plimsoll-web-vitals",
        "plimsoll-page",
        "plimsoll-business",
        "plimsoll-sla",
        "plimsoll-regressions",
        "plimsoll-itself",
    }


def test_the_dashboards_are_the_golden_files() -> None:
    """Three whole, to be read; of all of them the hash, so that no change goes unseen."""
    hashes = "".join(
        f"{hashlib.sha256(one.encode()).hexdigest()}  {uid}.json\n"
        for uid, one in written().items()
    )
    golden = {f"{uid}.json": written()[uid] for uid in WHOLE} | {"SHA256SUMS": hashes}
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN") == "1":
        for name, content in golden.items():
            (GOLDEN / name).write_text(content)
    for name, content in golden.items():
        kept = (GOLDEN / name).read_text()
        assert content == kept, "look at the change, then PLIMSOLL_REWRITE_GOLDEN=1"


def test_twice_gives_the_same_bytes() -> None:
    config = DashboardsConfig(records=("postgresql", "infinity"))
    again = {one.uid: text(one) for one in dashboards(SIGNALS, config)}
    assert again == written()


@pytest.mark.parametrize("uid", EVERY)
def test_every_key_and_value_is_one_that_grafana_knows(uid: str) -> None:
    dashboard = read(uid)
    faults = ON_SCHEMA[source_of(dashboard)["type"]].iter_errors(dashboard)
    assert [f"{fault.json_path}: {fault.message[:300]}" for fault in faults] == []


@pytest.mark.parametrize("uid", EVERY)
def test_nothing_is_foreign_to_the_model_that_grafana_publishes(uid: str) -> None:
    assert list(of_the_model(read(uid))) == []


def test_what_is_chosen_for_records_is_not_carried_to_the_other_dashboards() -> None:
    """Their data source is of another type, and has the same variable."""
    for uid in OF_RECORDS_UIDS:
        dashboard = read(uid)
        assert dashboard["tags"] == ["plimsoll-records"]
        assert [one["includeVars"] for one in dashboard["links"]] == [False]
    both = read("plimsoll-api")["links"]
    assert [(one["tags"], one["includeVars"]) for one in both] == [
        (["plimsoll"], True),
        (["plimsoll-records"], False),
    ]
    [alone] = [one for one in dashboards(SIGNALS, DashboardsConfig()) if one.uid == "plimsoll-api"]
    assert [one.tags for one in alone.links] == [["plimsoll"]]


@pytest.mark.parametrize(
    ("where", "key"),
    [
        (lambda d: d, "sharedCrosshair"),
        (lambda d: d["panels"][0], "maxDataPoints"),
        (lambda d: d["panels"][0]["options"], "legned"),
        (lambda d: d["panels"][0]["targets"][0], "intervalFactor"),
        (lambda d: d["templating"]["list"][0], "useTags"),
        (lambda d: d["annotations"]["list"][0], "expr"),
    ],
)
def test_a_key_that_grafana_does_not_know_is_seen(where: Callable[[Json], Json], key: str) -> None:
    spoiled = overview_json()
    where(spoiled)[key] = 1
    assert not ON_SCHEMA["prometheus"].is_valid(spoiled)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda d: d.update(sharedCrosshair=True), "sharedCrosshair"),
        (lambda d: d.update(graphTooltip="shared"), "graphTooltip"),
        (lambda d: d["panels"][0].update(legned=1), "legned"),
        (lambda d: d["panels"][0]["options"].update(graphMode="curve"), "curve"),
        (lambda d: d["panels"][0]["options"].update(legned=1), "legned"),
        (lambda d: d["panels"][0]["targets"][0].update(stepFactor=2), "stepFactor"),
        (lambda d: panel_titled(d, "Tick")["fieldConfig"]["defaults"]["custom"].update(fill=1),
         "'fill' was unexpected"),
        (lambda d: d["templating"]["list"][0].update(useTags=False), "useTags"),
        (lambda d: d["annotations"]["list"][0].update(titleFormt="x"), "titleFormt"),
    ],
)  # fmt: skip
def test_the_published_model_refuses_what_grafana_does_not_know(
    spoil: Callable[[Json], object], told: str
) -> None:
    spoiled = overview_json()
    spoil(spoiled)
    assert [one for one in of_the_model(spoiled) if told in one]


@pytest.mark.parametrize("uid", EVERY)
def test_the_dashboard_keeps_all_17_rules(uid: str) -> None:
    dashboard = read(uid)
    assert {name: found for name, rule in RULES.items() if (found := list(rule(dashboard)))} == {}


@pytest.mark.parametrize("uid", EVERY)
def test_panels_neither_overlap_nor_leave_the_grid(uid: str) -> None:
    cells: set[tuple[int, int]] = set()
    dashboard = read(uid)
    rows = [one for one in dashboard["panels"] if one["type"] == "row"]
    for panel in [*rows, *panels(dashboard)]:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells
        assert max(x for x, _ in covered) < 24
        cells |= covered
    height = max(y for _, y in cells) + 1
    assert len(cells) == 24 * height, "a hole in the grid"


@pytest.mark.parametrize("uid", UIDS)
def test_curves_have_a_table_with_last_and_largest_value_and_a_shared_tooltip(uid: str) -> None:
    dashboard = read(uid)
    assert dashboard["graphTooltip"] == 2
    for panel in panels(dashboard):
        if panel["type"] == "timeseries":
            legend, tooltip = panel["options"]["legend"], panel["options"]["tooltip"]
            assert legend["displayMode"] == "table"
            assert legend["calcs"][:2] == ["lastNotNull", "max"]
            assert tooltip["mode"] == "multi"


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_leads_to_plimsoll_and_no_further_than_a_dashboard_that_is_there(
    uid: str,
) -> None:
    for panel in panels(read(uid)):
        *nexts, home = panel["fieldConfig"]["defaults"]["links"]
        assert home["url"].startswith("${plimsoll_url}/")
        assert home["targetBlank"]
        for link in nexts:
            next_uid, _, rest = link["url"].removeprefix("/d/").partition("?")
            assert rest.startswith("${__url_time_range}&var-datasource=${datasource}&")
            names = {one["name"] for one in variables(read(next_uid))}
            assert set(re.findall(r"&var-(\w+)=", rest)) <= names
            assert not link["targetBlank"]


@pytest.mark.parametrize("uid", UIDS)
def test_deployments_are_drawn_from_the_start_and_regressions_are_spans(uid: str) -> None:
    deployments, *regressions = read(uid)["annotations"]["list"]
    assert deployments["enable"]
    assert deployments["useValueForTime"]
    assert deployments["target"]["expr"].endswith("* 1000")
    assert regressions
    always = {"signal", "rule", "severity", "service", "version"}
    for one in (deployments, *regressions):
        forms = one["titleFormat"] + one.get("textFormat", "")
        assert set(re.findall(r"\{\{(\w+)\}\}", forms)) <= always


@pytest.mark.parametrize("uid", UIDS)
def test_the_lower_edge_of_every_band_is_a_series_of_the_same_panel(uid: str) -> None:
    for panel in panels(read(uid)):
        if fills(panel):
            names = [target["legendFormat"] for target in panel["targets"]]
            assert set(names) == {"value", "expected", "upper", "lower"}
            assert set(fills(panel)) == {"lower"}


@pytest.mark.parametrize("uid", ["plimsoll-route", "plimsoll-page", "plimsoll-query"])
def test_a_detail_has_a_band_for_each_of_its_signals(uid: str) -> None:
    label = {"plimsoll-page": "device", "plimsoll-route": "route", "plimsoll-query": ""}[uid]
    mine = {
        "plimsoll-route": {"api_p95", "api_error_rate"},
        "plimsoll-page": {"web_lcp_p75", "web_cls_p75"},
        "plimsoll-query": {"db_p95", "db_statement_time"},
    }[uid]
    banded = [panel for panel in panels(read(uid)) if fills(panel)]
    assert {name for one in banded for name in mine if name in one["targets"][0]["expr"]} == mine
    assert all(f"{label}=" in one["targets"][0]["expr"] for one in banded)


def test_clicks_lead_to_the_address_that_was_given() -> None:
    config = DashboardsConfig(plimsoll_url="https://p.example.org")
    for dashboard in dashboards(SIGNALS, config):
        [url] = [one for one in dashboard.templating.list if one.name == "plimsoll_url"]
        assert url.query == "https://p.example.org"
        assert url.hide == 2


def test_the_shipped_signals_give_every_dashboard_that_has_a_signal() -> None:
    signals = signal_panels(build(Document()).definitions)
    found = [one.uid for one in dashboards(signals, DashboardsConfig())]
    assert found == [uid for uid in UIDS if uid in found]
    assert {"plimsoll-api", "plimsoll-database", "plimsoll-cache", "plimsoll-resources"} <= {*found}
    drawn = str(dashboards(signals, DashboardsConfig())[0].to_json_data())
    assert all(f'signal="{one.name}"' in drawn or one.name in drawn for one in signals)


def test_a_signal_that_is_added_is_on_its_dashboard_without_a_line_of_code() -> None:
    added = SignalPanel(name="slots", title="Replication slots", kind="database", by=("slot",))
    [database] = [
        one
        for one in dashboards([*SIGNALS, added], DashboardsConfig())
        if one.uid == "plimsoll-database"
    ]
    assert 'signal=\\"slots\\"' in text(database)


def test_without_signals_there_is_still_the_overview_the_history_and_plimsoll_itself() -> None:
    found = [one.uid for one in dashboards([], DashboardsConfig())]
    assert found == ["plimsoll-overview", "plimsoll-regressions", "plimsoll-itself"]


def test_every_metric_that_is_asked_for_is_documented_and_in_the_shop_of_the_tests() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    rows += re.findall(r"`(rum_\w+)` \(histogram", (DOCS / "web-vitals.md").read_text())
    made = {name for name, *_ in all_series()}
    for uid in UIDS:
        for where, expr in queries(read(uid)):
            for name in PLIMSOLLS.findall(re.sub(r'"[^"]*"', "", expr)):
                family = re.sub("_(bucket|sum|count)$", "", name)
                assert family in rows or name in rows, f"{uid} {where}: {name}"
                assert name in made, f"{uid} {where}: {name}"


def test_a_vital_without_a_limit_of_its_own_has_the_published_ones() -> None:
    for name, (good, poor) in THRESHOLDS.items():
        unit = Unit.COUNT if name == "cls" else Unit.SECONDS
        signal = judged(SignalPanel(name=f"web_{name}_p75", title="x", kind="web", unit=unit))
        assert signal.thresholds == (
            Threshold(good, Severity.WARNING),
            Threshold(poor, Severity.CRITICAL),
        )
    own = (Threshold(1.0, Severity.WARNING),)
    limited = SignalPanel(name="web_lcp_p75", title="x", unit=Unit.SECONDS, thresholds=own)
    assert judged(limited).thresholds == own
    share = SignalPanel(name="lcp_good", title="x", unit=Unit.RATIO, worse=Direction.DOWN)
    assert judged(share).thresholds == ()


def test_the_objective_of_the_dashboard_on_slas_is_the_configured_one() -> None:
    [sla] = [
        one
        for one in dashboards(SIGNALS, DashboardsConfig(objective=0.9))
        if one.uid == "plimsoll-sla"
    ]
    assert "what is left of the 0.1 that may be missed" in text(sla)


def test_a_limit_of_the_machine_has_no_budget_and_a_share_of_errors_has() -> None:
    burns = [one["title"] for one in panels(read("plimsoll-sla")) if "burn over" in one["title"]]
    assert burns == ["API errors: burn over an hour", "Cache hits: burn over an hour"]


def test_the_rules_are_told_where_the_signal_is() -> None:
    panel = panel_titled(read("plimsoll-api"), "API p95: every series")
    assert "api_p95_slow: above 500 ms for 5 min" in panel["description"]


def test_a_signal_without_series_says_where_to_look_for_the_reason() -> None:
    for signal in SIGNALS:
        told = f"No series of {signal.name}. Why: plimsoll signals explain {signal.name}"
        assert [
            panel
            for panel in panels(overview_json())
            if panel["fieldConfig"]["defaults"].get("noValue") == told
        ]

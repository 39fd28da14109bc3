"""Every query of every dashboard against real engines that hold an hour of a shop."""

from datetime import timedelta

import pytest

from collector.rum.vitals import VITALS
from dashboards import overview
from dashboards.panels import UNITS
from dashboards.quiet import or_none
from dashboards.sheets import UIDS
from tests.dashboards.asked import Asked
from tests.dashboards.grafana import overview_json, panel_titled, panels, read, variables
from tests.dashboards.shop import DEPLOYED, NEW_SIGNAL, OPEN, REGRESSED, SERIES, SIGNALS, SLOW_FROM

OVERVIEW = overview_json()


def value_of(asked: Asked, title: str) -> float:
    """The number that a stat shows."""
    [target] = panel_titled(OVERVIEW, title)["targets"]
    [(_, points)] = asked.drawn(target, asked.chosen(OVERVIEW))
    return points[-1]


REGRESSED_SERIES = 'method="GET",route="/carts/{id}",target="shop"'
#: What is chosen on the dashboards about one thing: the one with an open regression.
CHOSEN = {
    "plimsoll-route": {"route": "/carts/{id}"},
    "plimsoll-page": {"device": "m"},
}


def empty(asked: Asked, uid: str) -> list[str]:
    """The queries of a dashboard that find nothing, by the titles of their panels.

    Of the queries of the overview's chosen band only those of one unit find anything; it is tested
    by signal.
    """
    dashboard = read(uid)
    values = asked.chosen(dashboard, **CHOSEN.get(uid, {}))
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels(dashboard)
        if panel["title"] != overview.BAND_TITLE
        for target in panel["targets"]
        if not asked.drawn(target, values)
    ]


@pytest.mark.parametrize("uid", UIDS)
def test_no_query_of_any_panel_is_empty(shop: Asked, uid: str) -> None:
    assert empty(shop, uid) == []


@pytest.mark.parametrize("uid", UIDS)
def test_no_query_of_any_panel_is_empty_on_victoriametrics(victoria: Asked, uid: str) -> None:
    assert empty(victoria, uid) == []


@pytest.mark.parametrize("uid", UIDS)
def test_the_annotations_of_every_dashboard_find_something(shop: Asked, uid: str) -> None:
    dashboard = read(uid)
    values = shop.chosen(dashboard, **CHOSEN.get(uid, {}))
    if uid == "plimsoll-overview":
        values = shop.chosen(dashboard, signal="api_p95", series=REGRESSED_SERIES)
    for one in dashboard["annotations"]["list"]:
        assert shop.drawn(one["target"] | {"instant": False}, values), one["name"]


def test_both_engines_draw_the_same(shop: Asked, victoria: Asked) -> None:
    dashboard = read("plimsoll-route")
    values = shop.chosen(dashboard, **CHOSEN["plimsoll-route"])
    for panel in panels(dashboard):
        for target in panel["targets"]:
            ours = {name: points[-1] for name, points in shop.drawn(target, values)}
            theirs = {name: points[-1] for name, points in victoria.drawn(target, values)}
            assert theirs == pytest.approx(ours), panel["title"]


@pytest.mark.parametrize("signal", SERIES)
def test_whatever_signal_is_chosen_one_series_and_one_band_are_drawn(
    shop: Asked, signal: str
) -> None:
    panel = panel_titled(OVERVIEW, overview.BAND_TITLE)
    values = shop.chosen(OVERVIEW, signal=signal)
    drawn = {
        target["refId"]: names
        for target in panel["targets"]
        if (names := [name for name, _ in shop.drawn(target, values)])
    }
    assert sorted(name for names in drawn.values() for name in names) == [
        "expected",
        "lower",
        "upper",
        "value",
    ]
    units = {one.name: one.unit.value for one in SIGNALS} | {NEW_SIGNAL: "unknown"}
    assert {ref.rpartition("_")[0] for ref in drawn} == {units[signal]}
    shown = {
        override["matcher"]["options"]: override["properties"]
        for override in panel["fieldConfig"]["overrides"]
    }
    grafana_unit = {unit.value: name for unit, name in UNITS.items()}.get(units[signal], "short")
    assert all(shown[ref] == [{"id": "unit", "value": grafana_unit}] for ref in drawn)


def test_the_band_is_that_of_the_series_that_was_chosen(shop: Asked) -> None:
    panel = panel_titled(OVERVIEW, overview.BAND_TITLE)
    values = shop.chosen(OVERVIEW, signal="api_p95", series=REGRESSED_SERIES)
    last = {
        name: points[-1]
        for target in panel["targets"]
        for name, points in shop.drawn(target, values)
    }
    assert last == pytest.approx({"value": 0.56, "expected": 0.2, "upper": 0.24, "lower": 0.16})
    quiet = shop.chosen(OVERVIEW, signal="api_p95")
    assert shop.drawn(panel["targets"][0], quiet)[0][1][-1] == pytest.approx(0.2)


def test_a_series_is_chosen_by_the_matchers_that_find_it(shop: Asked) -> None:
    series = {one["name"]: one for one in variables(OVERVIEW)}["series"]
    assert shop.choices(series, {"signal": "api_p95"}) == [
        'method="GET",route="/",target="shop"',
        REGRESSED_SERIES,
    ]
    assert shop.choices(series, {"signal": "orders"}) == [""]


def test_plimsoll_is_found_by_its_job(shop: Asked) -> None:
    assert shop.chosen(OVERVIEW)["plimsoll_job"] == "(plimsoll)"


def test_the_headlines_say_what_is_wrong(shop: Asked) -> None:
    assert value_of(shop, "Open regressions") == len(OPEN)
    assert value_of(shop, "Targets down") == 1
    worst = panels(OVERVIEW)[2]
    assert worst["title"] == "API p95"
    [(_, points)] = shop.drawn(worst["targets"][0], {})
    assert points[-1] == pytest.approx(0.56)


def test_before_the_regression_the_stat_says_nought_and_not_nothing(shop: Asked) -> None:
    [target] = panel_titled(OVERVIEW, "Open regressions")["targets"]
    before = SLOW_FROM - timedelta(minutes=10)
    assert shop.drawn(target, {}, before) == [("", [0.0])]


def test_the_timeline_has_a_row_for_every_signal_and_the_severity_of_the_one_regressed(
    shop: Asked,
) -> None:
    [target] = panel_titled(OVERVIEW, "State of every signal")["targets"]
    states = {name: points[-1] for name, points in shop.drawn(target, {})}
    ranks = {"info": 1, "warning": 2, "critical": 3}
    worst = {series["signal"]: ranks[severity] for series, _, severity in OPEN}
    assert states == dict.fromkeys(SERIES, 0) | worst


def test_a_series_that_two_plimsolls_tell_of_is_drawn_once(shop: Asked) -> None:
    [target] = [panel for panel in panels(OVERVIEW) if panel["title"] == "API p95"][1]["targets"]
    names = [name for name, _ in shop.drawn(target, {})]
    assert sorted(names) == ["shop GET /", "shop GET /carts/{id}"]


def test_the_table_shows_the_series_that_regressed(shop: Asked) -> None:
    [target] = panel_titled(OVERVIEW, "Open now")["targets"]
    found = [labels for labels, _ in shop.now(target["expr"])]
    assert REGRESSED | {"rule": "api_p95_slow", "severity": "critical"} in found
    assert len(found) == len(OPEN)


def test_annotations_find_the_deployment_in_milliseconds_and_the_regression(shop: Asked) -> None:
    deployments, chosen, every = OVERVIEW["annotations"]["list"]
    [(labels, at_ms)] = shop.now(deployments["target"]["expr"])
    assert at_ms == DEPLOYED.timestamp() * 1000
    assert labels["version"] == "1.4.2"
    values = shop.chosen(OVERVIEW, signal="api_p95", series=REGRESSED_SERIES)
    target = chosen["target"] | {"instant": True}
    assert len(shop.drawn(target, values)) == 1
    assert shop.drawn(target, shop.chosen(OVERVIEW, signal="host_memory_usage")) == []
    assert len(shop.now(every["target"]["expr"])) == len(OPEN)


def test_where_nothing_is_found_a_nought_says_so_and_where_something_is_it_is_silent(
    shop: Asked, victoria: Asked
) -> None:
    for engine in (shop, victoria):
        quiet = or_none('plimsoll_regression_open{signal="nothing"} > 0', "severity")
        assert engine.now(quiet) == [({"severity": "none"}, 0.0)]
        found = engine.now(or_none("plimsoll_regression_open > 0", "severity"))
        assert "none" not in {labels["severity"] for labels, _ in found}
        assert found
        unscraped = quiet.replace("plimsoll_collector_up", "plimsoll_gone_up")
        assert engine.now(unscraped) == []


def test_good_fair_and_poor_are_all_views_and_the_percentile_is_that_of_the_buckets(
    shop: Asked, victoria: Asked
) -> None:
    dashboard = read("plimsoll-web-vitals")
    for engine in (shop, victoria):
        values = engine.chosen(dashboard)
        for vital in VITALS:
            parts = {
                name: points[-1]
                for target in panel_titled(dashboard, f"{vital}: shares of views")["targets"]
                for name, points in engine.drawn(target, values)
            }
            assert parts == pytest.approx({"good": 0.8, "needs improvement": 0.15, "poor": 0.05})
            [target] = panel_titled(dashboard, f"{vital} p75 by route, from the buckets")["targets"]
            [(route, points)] = engine.drawn(target, values)
            assert route == "/checkout/:id"
            assert points[-1] <= VITALS[vital].good
        [target] = panel_titled(dashboard, "Lost beacons")["targets"]
        [(app, points)] = engine.drawn(target, values)
        assert app == "shop"
        assert points[-1] == pytest.approx(0.05)

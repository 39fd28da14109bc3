"""`/metrics`, `/healthz` and `/readyz`."""

import dataclasses
import subprocess
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.house import House
from api.metrics import HELP, HouseMetrics, exported
from dashboards.config import DashboardsConfig
from dashboards.normalise import text
from dashboards.sheets import dashboards
from dashboards.signals import SignalPanel
from detector.readings import Reading
from storage.series import Labels
from tests.api.asking import Client, problem
from tests.api.shop import DEPLOYED_MS, NOW, NOW_MS, Clock, deployment
from tests.servers import promtool_binary

Samples = dict[str, list[tuple[dict[str, str], float]]]

KEPT = {
    "plimsoll_backfill_progress_ratio",
    "plimsoll_signal_unknown",
    "plimsoll_signal_series_left_out",
    "plimsoll_state_bytes",
}


def scraped(asked: Client) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(asked.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_every_series_has_its_value_and_its_band(asked: Client) -> None:
    found = scraped(asked)
    cart = {"signal": "api_p95", "target": "shop", "method": "GET", "route": "/cart"}
    value, expected, upper, lower = (
        dict(
            (tuple(sorted(labels.items())), one) for labels, one in found[f"plimsoll_signal_{name}"]
        )[tuple(sorted(cart.items()))]
        for name in ("value", "expected", "upper", "lower")
    )
    assert value == pytest.approx(0.329, abs=0.001)
    assert expected == pytest.approx(0.218, abs=0.001)
    assert upper - expected == pytest.approx(expected - lower)
    assert len(found["plimsoll_signal_value"]) == 20


def test_open_regressions_and_the_newest_deployment_are_there(asked: Client) -> None:
    found = scraped(asked)
    rules = {labels["rule"] for labels, _ in found["plimsoll_regression_open"]}
    assert "api_response_time_regression" in rules
    assert "cache_hit_rate_low" not in rules
    assert found["plimsoll_deployment_timestamp_seconds"] == [
        ({"service": "shop", "version": "2.7.1"}, DEPLOYED_MS / 1000)
    ]
    assert found["plimsoll_history_bytes"][0][1] > 0


def test_promtool_accepts_the_page(asked: Client) -> None:
    page = asked.get("/metrics").content
    done = subprocess.run(
        [promtool_binary(), "check", "metrics"],
        input=page,
        capture_output=True,
        timeout=60,
        check=False,
    )
    faults = [line for line in done.stderr.decode().splitlines() if "plimsoll_" in line]
    assert done.returncode in (0, 3), done.stderr
    assert faults == []


def test_the_names_are_those_that_the_dashboards_ask_for(asked: Client) -> None:
    signal = SignalPanel(name="a", title="A", kind="api", by=("route",))
    asked_for = "".join(map(text, dashboards([signal], DashboardsConfig())))
    for name in HELP:
        assert name in asked_for or name in KEPT


def test_until_enough_days_have_data_there_is_no_band(client: Client, house: House) -> None:
    for days, shown in ((4, 0), (5, 1)):
        reading = Reading("host_cpu_usage", Labels.of(target="h"), NOW_MS, 0.5, 4, 0.1, 0.4, days)
        house.detector.readings["host_cpu_usage"] = (reading,)
        found = scraped(client)
        assert len(found["plimsoll_signal_value"]) == 1
        assert len(found.get("plimsoll_signal_upper", [])) == shown
    assert found["plimsoll_signal_lower"][0][1] == 0  # 0.1 less two times 0.4


def test_labels_that_are_ours_are_exported_under_another_name() -> None:
    labels = Labels.of(signal="a", rule="b", exported_rule="c", severity="d", target="e")
    assert exported(labels) == {
        "exported_signal": "a",
        "exported_exported_rule": "b",
        "exported_rule": "c",
        "exported_severity": "d",
        "target": "e",
    }


def test_a_value_of_any_text_survives_the_page(client: Client, house: House) -> None:
    odd = 'a"b\\c\nd{é}'
    reading = Reading("api_p95", Labels.of(route=odd), NOW_MS, 0.5, 4, 0.1, 0.4, 0)
    house.detector.readings["api_p95"] = (reading,)
    assert scraped(client)["plimsoll_signal_value"] == [({"signal": "api_p95", "route": odd}, 0.5)]


def test_a_deployment_of_tomorrow_is_not_the_newest_yet(client: Client, house: House) -> None:
    with house.state.unit() as session:
        for version, at_ms in (("1", NOW_MS - 9), ("2", NOW_MS - 5), ("3", NOW_MS + 3_600_000)):
            house.book.add_deployment(session, deployment("shop", version, at_ms))
    found = scraped(client)["plimsoll_deployment_timestamp_seconds"]
    assert [labels["version"] for labels, _ in found] == ["2"]


def test_one_registry_takes_one_application(house: House) -> None:
    create_app(house)
    with pytest.raises(ValueError, match="Duplicated"):
        create_app(house)


def test_requests_are_measured_by_route_also_those_that_are_turned_away(house: House) -> None:
    client = Client(create_app(house))
    for path in ("/api/v1/signals/nope", "/static/plimsoll.css", "/healthz", "/metrics"):
        client.get(path)
    client.get("/healthz", headers={"host": "evil.example"})

    def count(route: str, status: str) -> float | None:
        labels = {"method": "GET", "route": route, "status": status}
        return house.registry.get_sample_value("http_server_requests_total", labels)

    assert count("/api/v1/signals/{name}", "404") == 1
    assert count("/healthz", "200") == 1
    assert count("/metrics", "200") == 1
    assert count("/static/{path}", "200") == 1
    assert count("/healthz", "421") == 1


def test_the_process_says_that_it_lives(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.request("HEAD", "/healthz").status_code == 200


def test_it_is_ready_while_ticks_follow_each_other(
    client: Client, house: House, clock: Clock
) -> None:
    waiting = problem(client.get("/readyz"), 503, "not-ready")
    assert waiting["errors"] == [{"pointer": "detector", "detail": "no tick has ended yet"}]
    house.detector.tick(NOW_MS)
    assert client.get("/readyz").status_code == 200
    allowed = timedelta(seconds=5 * 60 + 10)
    clock.at = NOW.replace(second=0) + allowed
    assert client.get("/readyz").status_code == 200
    clock.at += timedelta(seconds=1)
    late = problem(client.get("/readyz"), 503, "not-ready")
    assert late["errors"][0]["detail"] == "the last tick was 5.18 min ago, 5.17 min are allowed"


def test_it_is_not_ready_without_its_history_or_state(client: Client, house: House) -> None:
    house.detector.tick(NOW_MS)
    house.file.connection.close()
    body = problem(client.get("/readyz"), 503, "not-ready")
    assert [one["pointer"] for one in body["errors"]] == ["history"]
    with house.state.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE progress")
    body = problem(client.get("/readyz"), 503, "not-ready")
    assert [one["pointer"] for one in body["errors"]] == ["history", "state"]
    assert isinstance(house.registry, CollectorRegistry)


def test_a_score_counts_deviations_and_is_positive_where_it_is_worse(
    client: Client, house: House
) -> None:
    for signal, score in (("api_p95", 2.5), ("cache_hit_rate", -2.5)):
        reading = Reading(signal, Labels.of(target="h"), NOW_MS, 0.6, 4, 0.1, 0.2, 7)
        house.detector.readings[signal] = (reading,)
        found = scraped(client)["plimsoll_signal_score"]
        assert [value for labels, value in found if labels["signal"] == signal] == [
            pytest.approx(score)
        ]


def test_where_a_series_never_differed_there_is_no_score(client: Client, house: House) -> None:
    reading = Reading("api_p95", Labels.of(target="h"), NOW_MS, 0.6, 4, 0.1, 0.0, 7)
    house.detector.readings["api_p95"] = (reading,)
    assert "plimsoll_signal_score" not in scraped(client)


def test_of_too_many_series_the_regressed_and_the_busiest_are_shown_and_the_rest_is_counted(
    asked: Client, shop: House
) -> None:
    few = dataclasses.replace(shop.settings, dashboards=DashboardsConfig(metrics_series=2))
    house = dataclasses.replace(shop, settings=few)
    readings = shop.detector.readings["api_p95"]
    assert len(readings) == 3
    families = {one.name: one.samples for one in HouseMetrics(house).collect()}
    shown = [
        one.labels for one in families["plimsoll_signal_value"] if one.labels["signal"] == "api_p95"
    ]
    left_out = {
        one.labels["signal"]: one.value for one in families["plimsoll_signal_series_left_out"]
    }
    busiest = max(readings, key=lambda one: one.n)
    assert len(shown) == 2
    assert left_out["api_p95"] == len(readings) - 2
    assert {one["route"] for one in shown} == {"/cart", busiest.labels.as_dict()["route"]}
    assert left_out["host_memory_usage"] == 0

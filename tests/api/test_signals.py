"""`/signals` and their windows."""

from typing import Any

import pytest

from api.house import House
from api.standing import series_id
from detector.baseline import DAYS_NEEDED
from storage.history import Windows
from storage.series import Labels, Window
from tests.api.asking import Client, problem
from tests.api.shop import CART, MINUTE_MS, NOW_MS, SLOWER_MS

CPU = Labels.of(target="host")
RULES = {"api_response_time_regression", "api_response_time_change"}


def signal(asked: Client, name: str) -> dict[str, Any]:
    answer = asked.get(f"/api/v1/signals/{name}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_every_signal_is_listed_with_or_without_data(asked: Client, shop: House) -> None:
    listed = asked.get("/api/v1/signals").json()["items"]
    assert [one["name"] for one in listed] == list(shop.detector.definitions.signals)
    # In the shop nobody asks PostgreSQL, Redis or a container, and no browser tells anything.
    spoken = {"db_p95", "cache_hit_rate"}
    silent = {
        name
        for name in shop.detector.definitions.signals
        if name.startswith(("rum_", "db_", "cache_", "container_")) and name not in spoken
    }
    silent |= {"host_pressure", "host_disk_busy"}  # the shop's host is an old one
    silent.add("process_started")  # nobody scrapes it
    assert {one["name"] for one in listed if not one["series"]} == silent
    for one in listed:
        told = [each["reason"] for each in one["unknown"]]
        assert told == ["metric_not_seen"], one["name"]  # windows it has, but no samples


def test_a_series_shows_its_value_its_normal_and_what_is_open(asked: Client) -> None:
    series = signal(asked, "api_p95")["series"]
    first = series[0]
    assert first["id"] == series_id(CART)
    assert first["name"] == "GET /cart of shop"
    assert first["state"] == "regressed"
    assert {one["rule"] for one in first["open"]} == RULES
    assert first["change"] == "+51 %"
    assert first["end"] == "2026-03-02T12:00:00Z"
    normal = first["baseline"]
    assert normal["days"] == 7
    assert normal["upper"] == pytest.approx(normal["mean"] + 2 * normal["deviation"])
    assert normal["lower"] == pytest.approx(normal["mean"] - 2 * normal["deviation"])
    assert {one["state"] for one in series[1:]} == {"steady"}


def test_rules_are_told_in_words(asked: Client) -> None:
    told = {one["id"]: one for one in signal(asked, "api_p95")["rules"]}
    assert told["api_p95_high"]["trigger"] == "above 500 ms for 5 min (all 5 one-minute windows)"
    relative = told["api_response_time_regression"]
    assert relative["trigger"] == "above 1.2 x the 7-day average in 3 of 4 five-minute windows"
    assert "at least 25 ms from the average" in relative["gates"]
    assert relative["clear"] == "below 1.1 x the 7-day average for 1 h without a break"


def test_an_id_of_a_series_depends_on_nothing_but_its_labels() -> None:
    assert series_id(Labels.of(b="2", a="1")) == series_id(Labels.of(a="1", b="2"))
    assert series_id(Labels.of(a="1")) != series_id(Labels.of(a="2"))
    assert series_id(CART) == "d62d1a4fe531"


def test_an_unknown_signal_is_not_found(asked: Client) -> None:
    for path in ("/api/v1/signals/nope", "/api/v1/signals/nope/windows"):
        assert problem(asked.get(path), 404, "not-found")["detail"] == "There is no signal nope."
    near = problem(asked.get("/api/v1/signals/api_p59"), 404, "not-found")["detail"]
    assert near == "There is no signal api_p59. Did you mean api_p95?"


def windows(asked: Client, query: str = "", name: str = "api_p95") -> dict[str, Any]:
    answer = asked.get(f"/api/v1/signals/{name}/windows{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_three_hours_are_given_in_one_minute_windows(asked: Client) -> None:
    body = windows(asked, f"?series={series_id(CART)}")
    assert body["since"] == "2026-03-02T09:00:05Z"
    assert body["until"] == "2026-03-02T12:00:05Z"
    assert body["window_seconds"] == 60
    (one,) = body["series"]
    assert len(one["end_ms"]) == len(one["value"]) == len(one["n"]) == 180
    assert one["end_ms"][-1] == NOW_MS
    after = [v for at, v in zip(one["end_ms"], one["value"], strict=True) if at > SLOWER_MS]
    assert min(after) > 0.25
    assert one["baseline"] == pytest.approx(0.218, abs=0.001)
    assert {span["rule"] for span in one["regressions"]} == RULES
    assert [one["version"] for one in body["deployments"]] == ["2.7.1"]


@pytest.mark.parametrize(
    ("since", "points", "seconds"),
    [
        ("2026-03-01T12:00:05Z", 1500, 60),
        ("2026-03-01T12:00:05Z", 400, 300),
        ("2026-02-26T12:00:05Z", 1500, 300),
        ("2026-02-23T12:00:05Z", 1500, 600),
        ("2026-02-23T12:00:05Z", 100, 6300),
        ("2025-03-02T12:00:05Z", 1500, 21600),
    ],
)
def test_longer_spans_are_given_in_longer_windows(
    asked: Client, since: str, points: int, seconds: int
) -> None:
    body = windows(asked, f"?series={series_id(CART)}&since={since}&points={points}")
    assert body["window_seconds"] == seconds
    (one,) = body["series"]
    assert 0 < len(one["end_ms"]) <= points
    assert all(end_ms % (seconds * 1000) == 0 for end_ms in one["end_ms"])


def test_merged_windows_are_quantiles_of_merged_buckets(asked: Client) -> None:
    query = f"?series={series_id(CART)}&since=2026-02-24T12:00:00Z&until=2026-02-28T12:00:00Z"
    fine = windows(asked, query)["series"][0]
    coarse = windows(asked, f"{query}&points=10")["series"][0]
    assert sum(coarse["n"]) == pytest.approx(sum(fine["n"]), rel=0.11)
    assert coarse["value"][3] == pytest.approx(0.217, abs=0.004)


def test_all_series_are_given_when_none_is_named(asked: Client) -> None:
    assert len(windows(asked)["series"]) == 3


def test_a_signal_with_many_series_wants_them_named(client: Client, house: House) -> None:
    many = [
        Window("host_cpu_usage", Labels.of(target=f"h{i}"), NOW_MS, 60, 0.5, 4) for i in range(21)
    ]
    house.history.put_windows(Windows.of("host_cpu_usage", many))
    path = "/api/v1/signals/host_cpu_usage/windows"
    body = problem(client.get(path), 422, "invalid")
    assert body["errors"][0]["pointer"] == "?series"
    named = "&".join(f"series={series_id(one.labels)}" for one in many[:20])
    assert len(client.get(f"{path}?{named}").json()["series"]) == 20


def test_a_gap_has_no_entry(client: Client, house: House) -> None:
    kept = [
        Window("host_cpu_usage", CPU, NOW_MS - ago * MINUTE_MS, 60, 0.5, 4) for ago in (9, 8, 2)
    ]
    house.history.put_windows(Windows.of("host_cpu_usage", kept))
    (one,) = windows(client, name="host_cpu_usage")["series"]
    assert one["end_ms"] == [row.end_ms for row in kept]
    assert one["baseline"] is None


def test_before_the_first_window_ends_its_reading_is_shown(client: Client, house: House) -> None:
    from detector.readings import Reading

    nan = float("nan")
    house.detector.readings["host_cpu_usage"] = (
        Reading("host_cpu_usage", CPU, NOW_MS + 3000, 0.42, 8.0, nan, nan, 0),
    )
    (one,) = windows(client, name="host_cpu_usage")["series"]
    assert (one["end_ms"], one["value"], one["baseline"]) == ([NOW_MS + 3000], [0.42], None)
    (row,) = signal(client, "host_cpu_usage")["series"]
    assert row["value_text"] == "42 %"
    assert row["baseline"]["mean"] is None
    assert row["baseline"]["days_needed"] == DAYS_NEEDED


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=2026-03-02T12:00:00Z&until=2026-03-02T11:00:00Z", "?since"),
        ("since=2020-03-02T12:00:00Z", "?since"),
        ("points=9", "?points"),
        ("points=1501", "?points"),
        ("series=" + "&series=".join(f"s{i}" for i in range(21)), "?series"),
        ("serie=1", "?serie"),
    ],
)
def test_a_wrong_span_or_number_is_named(asked: Client, query: str, pointer: str) -> None:
    body = problem(asked.get(f"/api/v1/signals/api_p95/windows?{query}"), 422, "invalid")
    assert body["errors"][0]["pointer"] == pointer


def test_too_much_at_once_is_refused(asked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.signals.MOST_ROWS", 20_000)
    everything = "since=2025-02-01T00:00:00Z"
    body = problem(asked.get(f"/api/v1/signals/api_p95/windows?{everything}"), 422, "invalid")
    assert body["errors"][0]["pointer"] == "?series"


def test_an_unknown_series_is_not_found(asked: Client) -> None:
    problem(asked.get("/api/v1/signals/api_p95/windows?series=0"), 404, "not-found")


def test_values_are_as_short_as_somebody_asks_for(asked: Client) -> None:
    path = "/api/v1/signals/api_p95/windows"
    whole, short = (asked.get(path + query).json()["series"] for query in ("", "?digits=3"))
    for one, other in zip(whole, short, strict=True):
        assert other["end_ms"] == one["end_ms"]
        assert other["value"] == [pytest.approx(each, rel=5e-3) for each in one["value"]]
        digits = (f"{each:.10g}".replace(".", "").strip("0") for each in other["value"])
        assert max(map(len, digits)) == 3
    assert asked.get(path + "?digits=1").status_code == 422

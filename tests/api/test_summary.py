"""The whole state in one small answer."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from api import summary_command
from api.app import create_app
from api.house import House
from api.summary_command import lines
from api.totals import LATE_MS
from plimsoll_client.families import BUCKETS
from storage.history import Samples
from storage.series import NAME, Labels
from tests.api.asking import Client, problem
from tests.api.shop import NOW, NOW_MS, Clock


@pytest.fixture(scope="module")
def whole(asked: Client) -> dict[str, Any]:
    answer = asked.get("/api/v1/summary")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def items(asked: Client, signal: str) -> list[dict[str, Any]]:
    """The series of a signal as it stands."""
    found: list[dict[str, Any]] = asked.get(f"/api/v1/signals/{signal}").json()["series"]
    return found


def test_rates_are_added_and_ratios_and_means_weighted(
    asked: Client, whole: dict[str, Any]
) -> None:
    requests = items(asked, "api_requests")
    assert whole["requests"]["per_second"] == pytest.approx(sum(one["value"] for one in requests))
    for name, signal in (("mean_seconds", "api_mean"), ("error_ratio", "api_error_rate")):
        series = items(asked, signal)
        total = sum(one["value"] * one["n"] for one in series) / sum(one["n"] for one in series)
        assert whole["requests"][name] == pytest.approx(total)
    assert whole["cache_hit_ratio"] == pytest.approx(items(asked, "cache_hit_rate")[0]["value"])
    assert whole["cpu"]["target"] == "host"
    assert whole["cpu"]["ratio"] == pytest.approx(items(asked, "host_cpu_usage")[0]["value"])


def test_quantiles_are_of_all_routes_together(
    shop: House, whole: dict[str, Any], asked: Client
) -> None:
    form = shop.detector.definitions.signals["api_p95"].form
    found = shop.history.windows(
        "api_p95", NOW_MS - round(form.over * 1000), NOW_MS, seconds=form.window
    )
    counts = found.counts.reshape(-1, len(BUCKETS) + 1).sum(axis=0)
    assert whole["requests"]["observations"] == round(counts.sum())
    below = np.cumsum(counts) / counts.sum()
    edges = (0.0, *BUCKETS)
    for q in (0.5, 0.95, 0.99):
        at = int(np.searchsorted(below, q))
        value = whole["requests"][f"p{q * 100:.0f}_seconds"]
        assert edges[at] < value <= edges[at + 1]
    # The average of the routes' own is another number.
    p95 = [one["value"] for one in items(asked, "api_p95")]
    assert whole["requests"]["p95_seconds"] != pytest.approx(sum(p95) / len(p95), rel=0.01)


def test_what_is_open_is_counted_by_severity(asked: Client, whole: dict[str, Any]) -> None:
    listed = asked.get("/api/v1/regressions?state=open&limit=200").json()["items"]
    for severity in ("critical", "warning", "info"):
        assert whole["open"][severity] == [one["severity"] for one in listed].count(severity)
    assert whole["open"]["total"] == len(listed) > 0
    assert whole["open"]["incidents"] == len({one["incident_id"] for one in listed})
    assert whole["judged_at"] == "2026-03-02T12:00:00Z"


def test_one_target_is_summed_up_alone(asked: Client, whole: dict[str, Any]) -> None:
    shop = asked.get("/api/v1/summary?target=shop").json()
    assert shop["requests"] == whole["requests"]
    assert shop["cpu"] is None
    other = asked.get("/api/v1/summary?target=nope").json()
    assert set(other["requests"].values()) == set(other["database"].values()) == {None}
    problem(asked.get("/api/v1/summary?colour=red"), 422, "invalid")


def test_what_is_not_measured_is_null_and_never_zero(house: House, clock: Clock) -> None:
    client = Client(create_app(house))
    clock.at = NOW + timedelta(minutes=5)
    found = client.get("/api/v1/summary").json()
    assert set(found["requests"].values()) == set(found["database"].values()) == {None}
    assert [found[one] for one in ("cache_hit_ratio", "cpu", "memory", "judged_at")] == [None] * 4
    assert found["uptime_seconds"] == 300.0
    assert found["cache"] == {"hit_ratio": None, "keys": None}
    assert found["web_vitals"] == []
    assert found["open"] == dict.fromkeys(found["open"], 0)
    told = "\n".join(lines(found))
    assert "latency   mean -, p50 -, p95 -, p99 -" in told
    assert "up 5 min" in told
    assert "cache     hit rate -, - keys" in told


def test_keys_of_all_caches_are_added_from_their_newest_samples(house: House) -> None:
    series = [
        Labels.of({NAME: "redis_db_keys", "target": "sessions", "db": "db0"}),
        Labels.of({NAME: "redis_db_keys", "target": "sessions", "db": "db3"}),
        Labels.of({NAME: "memcached_current_items", "target": "pages"}),
    ]
    for ago_ms, values in ((120_000, (7.0, 1.0, 2.0)), (60_000, (1200.0, 30.0, 4.0))):
        house.history.append(Samples.at(series, NOW_MS - ago_ms, values))
    client = Client(create_app(house))
    assert client.get("/api/v1/summary").json()["cache"]["keys"] == 1234
    assert client.get("/api/v1/summary?target=pages").json()["cache"]["keys"] == 4
    told = "\n".join(lines(client.get("/api/v1/summary").json()))
    assert "1,234 keys" in told


def test_old_readings_say_nothing_of_now(
    asked: Client, shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOW + timedelta(milliseconds=LATE_MS)
    object.__setattr__(shop, "now", lambda: later)
    try:
        found = asked.get("/api/v1/summary").json()
    finally:
        object.__setattr__(shop, "now", Clock())
    assert set(found["requests"].values()) == {None}
    assert found["open"]["total"] > 0


def test_the_command_says_it_on_a_screen(
    whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(summary_command, "run", lambda *_, **__: whole)
    summary_command.command(json=False)
    told = capsys.readouterr().out
    assert "open " in told
    assert " on host" in told
    assert all(len(one) <= 100 for one in told.splitlines())
    summary_command.command(json=True)
    assert '"uptime_seconds"' in capsys.readouterr().out

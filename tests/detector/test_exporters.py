"""Pages of real exporters feed the shipped signals without a line of configuration.

The pages in `exporters/` were served by the programs that their first line names, cut to what is
read: after 10 requests to a route, and after 20 more; with every fourth came an order that failed,
with every fifth a question for what was not there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from api.settings import load
from collector.config import Limits
from collector.exposition import Exposition
from collector.source import TARGET
from detector import evaluate
from detector.config import aliases, shipped
from detector.increase import UP
from detector.promql import INSTANCE, compile, counted
from detector.run import Definitions
from detector.signal import Signal
from detector.variants import misfits
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples
from storage.series import NAME, Labels, Window
from tests.detector.scrapes import START_MS
from tests.servers import promtool

PAGES = Path(__file__).parent / "exporters"
TEXT = "text/plain; version=0.0.4"
FIRST_MS, SECOND_MS, END_MS = START_MS + 15_000, START_MS + 45_000, START_MS + 60_000
API = {"api_p95", "api_mean", "api_error_rate", "api_requests"}
GET = {"method": "GET"}
PRODUCTS = {**GET, "route": "/products/{product_id}"}
ORDERS = {"method": "POST", "route": "/orders"}
GONE = {**GET, "route": "/gone"}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    """What holds without a line of configuration."""
    file = tmp_path_factory.mktemp("nothing") / "plimsoll.yaml"
    file.write_text("{}\n")
    return load(file, {}).definitions


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DuckHistory]:
    """An empty history."""
    file = DuckFile(tmp_path / "history.duckdb")
    yield DuckHistory(file)
    file.close()


def scraped(history: DuckHistory, *exporters: str, target: str = "shop") -> None:
    """Both pages of each exporter, read as the collector reads them, all on one target."""
    for exporter in exporters:
        exposition = Exposition({TARGET: target}, Limits())
        for number, at_ms in ((1, FIRST_MS), (2, SECOND_MS)):
            body = (PAGES / f"{exporter}_{number}.txt").read_bytes()
            history.append(exposition.read(body, TEXT, at_ms).samples)
    up = Labels.of({NAME: UP}, target=target)
    for at_ms in (FIRST_MS, SECOND_MS):
        history.append(Samples.at([up], at_ms, [1.0]))


def windows(history: DuckHistory, signal: Signal) -> list[Window]:
    """The windows of the minute."""
    seen = evaluate.seen(history, START_MS, END_MS)
    return evaluate.evaluate(history, signal, seen, START_MS, END_MS).rows()


def fed(history: DuckHistory, definitions: Definitions) -> dict[str, dict[Labels, Window]]:
    """All windows by signal and series, under the labels that the signals promise."""
    found = {}
    for name, signal in definitions.signals.items():
        rows = windows(history, signal)
        assert all({label for label, _ in row.labels} <= {*signal.form.by} for row in rows)
        if rows:
            found[name] = {row.labels: row for row in rows}
    return found


def shop(**labels: str) -> Labels:
    return Labels.of(labels, target="shop")


@dataclass(frozen=True)
class Feeds:
    """What an exporter of an HTTP server gives: whether failures are timed, and its routes."""

    exporter: str
    orders_timed: bool = False
    routes: tuple[dict[str, str], ...] = (PRODUCTS, GONE)


EXPRESS = tuple(
    {**one, "route": one["route"].replace("{product_id}", "#val")} for one in (PRODUCTS, GONE)
)
BY_HAND = tuple(
    {**one, "route": one["route"].replace("{product_id}", ":id")} for one in (PRODUCTS, GONE)
)
HTTP = [
    Feeds("prometheus_fastapi_instrumentator", orders_timed=True),
    Feeds("starlette_exporter"),
    Feeds("opentelemetry"),
    Feeds("opentelemetry_old"),
    Feeds("express_prom_bundle", routes=EXPRESS),
    Feeds("prom_client", routes=BY_HAND),
]


@pytest.mark.parametrize("one", HTTP, ids=lambda one: one.exporter)
def test_requests_are_timed_and_counted_by_route(
    one: Feeds, history: DuckHistory, definitions: Definitions
) -> None:
    scraped(history, one.exporter)
    found = fed(history, definitions)
    products, gone = (shop(**each) for each in one.routes)
    assert set(found) == API
    times = {labels: row.n for labels, row in found["api_p95"].items()}
    assert times[products] == 20
    assert times[gone] == 4
    # What failed is not among the times, where an exporter tells the two apart.
    assert times.get(shop(**ORDERS)) == (5 if one.orders_timed else None)
    assert {row.n for row in found["api_mean"].values()} == {*times.values()}
    assert all(0 <= row.value < 0.2 for row in found["api_mean"].values())
    assert all(0 <= row.value <= 0.1 for row in found["api_p95"].values())
    errors = {labels: (row.value, row.n) for labels, row in found["api_error_rate"].items()}
    assert errors[shop(route="/orders")] == (1.0, 5)
    assert errors[products.without("method")] == (0.0, 20)
    requests = {labels: row.n for labels, row in found["api_requests"].items()}
    assert requests[products] == 20
    assert requests[shop(**ORDERS)] == 5
    assert found["api_requests"][products].value == pytest.approx(20 / 30)
    assert len(found["api_p95"][products].bounds) > 3


def test_without_paths_all_routes_of_express_are_one(
    history: DuckHistory, definitions: Definitions
) -> None:
    scraped(history, "express_prom_bundle_plain")
    found = fed(history, definitions)
    assert set(found) == API
    assert {labels: row.n for labels, row in found["api_p95"].items()} == {shop(): 24}
    assert found["api_error_rate"][shop()].value == 5 / 29


def test_redis_tells_a_hit_rate(history: DuckHistory, definitions: Definitions) -> None:
    scraped(history, "redis_exporter")
    found = fed(history, definitions)
    (row,) = found.pop("cache_hit_rate").values()
    assert (row.labels, row.value, row.n) == (shop(cache="redis"), 0.9, 10)
    assert not found


def test_memcached_tells_a_hit_rate_evictions_and_how_full_it_is(
    history: DuckHistory, definitions: Definitions
) -> None:
    scraped(history, "memcached")
    found = fed(history, definitions)
    (row,) = found.pop("cache_hit_rate").values()
    assert (row.labels, row.value, row.n) == (shop(cache="memcached"), 0.9, 20)
    (evictions,) = found.pop("cache_evictions").values()
    assert evictions.value == 0
    (flushes,) = found.pop("cache_flushes").values()
    assert flushes.n == 0
    (memory,) = found.pop("cache_memory_usage").values()
    assert memory.value == pytest.approx(51 / 67108864, rel=0.5)
    assert not found


def test_node_exporter_tells_of_the_host(history: DuckHistory, definitions: Definitions) -> None:
    scraped(history, "node_exporter")
    found = fed(history, definitions)
    assert set(found) == {
        "host_cpu_usage", "host_memory_usage", "host_disk_usage", "host_network_traffic",
    }  # fmt: skip
    (memory,) = found["host_memory_usage"].values()
    available = [value_of("node_exporter", n, "node_memory_MemAvailable_bytes") for n in (1, 2)]
    total = value_of("node_exporter", 1, "node_memory_MemTotal_bytes")
    assert memory.value == pytest.approx(1 - sum(available) / 2 / total)
    assert memory.n == 2
    (disk,) = found["host_disk_usage"].values()
    assert disk.labels == shop(mountpoint="/")
    assert disk.value == pytest.approx(1 - 8.0629305344e10 / 2.70553174016e11, abs=1e-4)
    (cpu,) = found["host_cpu_usage"].values()
    assert 0 < cpu.value <= 1
    directions = {one.get("direction") for one in found["host_network_traffic"]}
    assert directions == {"receive", "transmit"}
    assert shop(device="eth0", direction="receive") in found["host_network_traffic"]


def test_postgres_exporter_tells_of_statements_buffers_and_connections(
    history: DuckHistory, definitions: Definitions
) -> None:
    scraped(history, "postgres_exporter")
    found = fed(history, definitions)
    assert set(found) == {
        "db_statement_time", "db_statements", "db_buffer_hit_rate", "db_connections_usage",
    }  # fmt: skip
    (buffers,) = found["db_buffer_hit_rate"].values()
    hit, read = 6310 - 4680, 301 - 219
    assert (buffers.labels, buffers.n) == (shop(datname="postgres"), hit + read)
    assert buffers.value == hit / (hit + read)
    (connections,) = found["db_connections_usage"].values()
    assert connections.value == pytest.approx(0.03)
    statements = found["db_statement_time"]
    assert len(statements) >= 2
    assert all({*dict(one)} == {"target", "datname", "fingerprint"} for one in statements)
    assert all(0 < row.value < 1 for row in statements.values())
    assert (
        sum(row.n for row in statements.values())
        == found["db_statements"][shop(datname="postgres")].n
    )


def value_of(exporter: str, number: int, line: str) -> float:
    """A value as it stands on a page."""
    page = (PAGES / f"{exporter}_{number}.txt").read_text()
    found = re.search(rf"^{re.escape(line)} (.*)$", page, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_a_target_that_shows_a_thing_twice_is_counted_once(
    history: DuckHistory, definitions: Definitions
) -> None:
    scraped(history, "starlette_exporter", "opentelemetry")
    scraped(history, "starlette_exporter", target="till")
    found = fed(history, definitions)
    requests = {labels: row.n for labels, row in found["api_requests"].items()}
    for target in ("shop", "till"):
        assert requests[Labels.of(PRODUCTS, target=target)] == 20
    assert sum(row.n for row in found["api_p95"].values()) == 2 * (20 + 4 + 1)


def test_every_alias_is_of_a_shipped_signal_and_has_a_page() -> None:
    signals, _ = shipped()
    for one in aliases():
        assert (PAGES / f"{one.name}_1.txt").exists()
        assert {*one.signals} <= {*signals}
        assert all(text.endswith(".") for text in (one.lacks,))


def test_nothing_that_ships_is_unmeant(definitions: Definitions) -> None:
    assert [list(misfits(one.form)) for one in definitions.signals.values()] == [
        [] for _ in definitions.signals
    ]


def test_prometheus_accepts_the_expressions_of_all_exporters(
    tmp_path: Path, definitions: Definitions
) -> None:
    made = [compile, counted]
    rules = [
        {"record": f"plimsoll:{name}", "expr": make(one, seconds, target=target)}
        for name, one in definitions.signals.items()
        for make in made
        for seconds in (None, one.form.over)
        for target in (TARGET, INSTANCE)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "plimsoll", "rules": rules}]}))
    said = promtool("check", "rules", "--lint=none", str(file))
    assert f"{len(rules)} rules found" in said


def test_aliases_can_be_chosen_or_left_out(tmp_path: Path) -> None:
    def sources(text: str, signal: str = "api_p95") -> set[str]:
        file = tmp_path / "plimsoll.yaml"
        file.write_text(text)
        return {one.source for one in load(file, {}).definitions.signals[signal].plain}

    assert sources("detector: {aliases: false}") == {""}
    assert sources("detector: {aliases: [opentelemetry]}") == {"", "opentelemetry"}
    assert sources("detector: {aliases: [opentelemetry]}", "host_cpu_usage") == {""}
    # Who says what is read, says it for good; who changes what it means, does not.
    assert sources("signals: {api_p95: {metric: my_seconds}}") == {""}
    assert sources("signals: {api_p95: {variants: []}}") == {""}
    assert sources("signals: {api_p95: {by: [route]}}") == {""}
    assert "starlette_exporter" in sources("signals: {api_p95: {q: 0.99, by: [target]}}")
    by_target = load(tmp_path / "plimsoll.yaml").definitions.signals["api_p95"]
    assert {one.renames for one in by_target.plain} == {()}

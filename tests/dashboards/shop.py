"""A small shop as two Plimsolls tell of it on `/metrics`: the signals, and an hour of samples.

The slow route became slow, and a regression was opened, in the second half of the hour.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

from collector.rum.vitals import SECONDS, SHIFT, VITALS
from dashboards.signals import SignalPanel, Threshold
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit
from storage.series import Labels

END = datetime(2026, 3, 2, 11, 55, tzinfo=UTC)
START = END - timedelta(hours=1)
SLOW_FROM = END - timedelta(minutes=25)
DEPLOYED = END - timedelta(minutes=26)
SCRAPE_SECONDS = 15
INSTANCES = ("10.0.0.1:8750", "10.0.0.2:8750")

SIGNALS = (
    SignalPanel(
        name="api_p95",
        title="API p95",
        description="95 of 100 requests are answered within this time.",
        kind="api",
        unit=Unit.SECONDS,
        by=("target", "method", "route"),
        thresholds=(Threshold(0.5, Severity.CRITICAL),),
        rules=("api_p95_slow: above 500 ms for 5 min",),
    ),
    SignalPanel(
        name="api_error_rate",
        title="API errors",
        description="Share of requests that failed.",
        kind="api",
        unit=Unit.RATIO,
        by=("target", "route"),
        thresholds=(Threshold(0.01, Severity.CRITICAL),),
    ),
    SignalPanel(
        name="db_p95",
        title="Database p95",
        kind="database",
        unit=Unit.SECONDS,
        by=("target", "db", "operation"),
        thresholds=(Threshold(0.1, Severity.WARNING),),
    ),
    SignalPanel(
        name="db_statement_time",
        title="Statement time",
        kind="database",
        unit=Unit.SECONDS,
        by=("target", "datname", "fingerprint"),
    ),
    SignalPanel(
        name="cache_hit_rate",
        title="Cache hits",
        description="Share of look-ups that the cache answered.",
        kind="cache",
        unit=Unit.RATIO,
        worse=Direction.DOWN,
        by=("target", "cache"),
        thresholds=(Threshold(0.85, Severity.WARNING, Direction.DOWN),),
    ),
    SignalPanel(
        name="host_cpu_usage",
        title="CPU",
        description="Share of all processors in use.",
        by=("target",),
        kind="resource",
        unit=Unit.RATIO,
        thresholds=(Threshold(0.8, Severity.WARNING),),
    ),
    SignalPanel(
        name="host_memory_usage",
        title="Memory",
        description="Share of memory in use.",
        kind="resource",
        unit=Unit.RATIO,
        thresholds=(Threshold(0.85, Severity.WARNING),),
    ),
    SignalPanel(
        name="web_lcp_p75",
        title="LCP",
        kind="web",
        unit=Unit.SECONDS,
        by=("app", "route", "device"),
    ),
    SignalPanel(name="web_cls_p75", title="CLS", kind="web", by=("app", "route", "device")),
    SignalPanel(name="orders", title="Orders", kind="shop", unit=Unit.PER_SECOND),
    SignalPanel(
        name="calculation_p95",
        title="Calculation",
        kind="business",
        unit=Unit.SECONDS,
        by=("strategy",),
    ),
)

# A signal that somebody added after the dashboards were written.
NEW_SIGNAL = "queue_length"

SHOP, HOST = {"target": "shop"}, {"target": "host"}
CART = {"target": "shop", "method": "GET", "route": "/carts/{id}"}
QUERIES = SHOP | {"db": "orders", "operation": "select product"}
STATEMENT = {"target": "db1", "datname": "shop", "fingerprint": "0123456789abcdef"}
PAGE = {"app": "shop", "route": "/checkout/:id", "device": "m"}
SERIES: dict[str, tuple[float, tuple[dict[str, str], ...]]] = {
    "api_p95": (0.2, (CART | {"route": "/"}, CART)),
    "api_error_rate": (0.002, (SHOP | {"route": "/"}, SHOP | {"route": "/carts/{id}"})),
    "db_p95": (0.02, (QUERIES,)),
    "db_statement_time": (0.004, (STATEMENT,)),
    "cache_hit_rate": (0.93, (SHOP | {"cache": "pages"}, SHOP | {"cache": "prices"})),
    "host_cpu_usage": (0.3, (HOST,)),
    "host_memory_usage": (0.5, ({},)),
    "web_lcp_p75": (2.1, (PAGE, PAGE | {"device": "d"})),
    "web_cls_p75": (0.03, (PAGE, PAGE | {"device": "d"})),
    "calculation_p95": (1.4, ({"strategy": "carry"},)),
    "orders": (12.0, ({},)),
    NEW_SIGNAL: (40.0, (SHOP,)),
}
REGRESSED = {"signal": "api_p95"} | CART
#: What is open at the end: rule and severity by series, one in each family.
OPEN: tuple[tuple[dict[str, str], str, str], ...] = (
    (REGRESSED, "api_p95_slow", "critical"),
    ({"signal": "db_statement_time"} | STATEMENT, "statement_slower", "warning"),
    ({"signal": "db_p95"} | QUERIES, "db_slower", "warning"),
    ({"signal": "cache_hit_rate", "target": "shop", "cache": "pages"}, "hits_drop", "warning"),
    ({"signal": "host_cpu_usage"} | HOST, "cpu_pattern", "info"),
    ({"signal": "web_lcp_p75"} | PAGE, "lcp_slower", "warning"),
    ({"signal": "orders"}, "orders_low", "critical"),
)


def openmetrics() -> str:
    """An hour of samples, one every 15 seconds, in the form that promtool makes blocks of."""
    lines: list[str] = []
    for instance, (name, labels, value, since) in product(INSTANCES, all_series()):
        series = Labels.of({"job": "plimsoll", "instance": instance} | labels)
        at = START
        while at <= END:
            if at >= since:
                elapsed = (at - START).total_seconds()
                lines.append(f"{name}{series} {value(elapsed)} {at.timestamp():.0f}")
            at += timedelta(seconds=SCRAPE_SECONDS)
    return "\n".join([*lines, "# EOF", ""])


Series = tuple[str, dict[str, str], Callable[[float], float], datetime]


def all_series() -> Iterator[Series]:
    """Name, labels, value by the seconds since the start, and from when on it is there."""
    yield from signal_series()
    for series, rule, severity in OPEN:
        named = series | {"rule": rule, "severity": severity}
        yield "plimsoll_regression_open", named, steady(1), SLOW_FROM
    service = {"service": "shop", "version": "1.4.2"}
    yield "plimsoll_deployment_timestamp_seconds", service, steady(DEPLOYED.timestamp()), DEPLOYED
    for target, up in (("127.0.0.1:9000", 1), ("127.0.0.1:9001", 0)):
        who = {"collector": "scrape", "target": target}
        yield "plimsoll_collector_up", who, steady(up), START
        yield "plimsoll_collector_scrape_duration_seconds", who, steady(0.012), START
    yield "plimsoll_collector_failures_total", {"reason": "refused"}, growing(1 / 15), START
    yield from own_series()
    yield from browser_series()


def signal_series() -> Iterator[Series]:
    """Value, expectation and band of every signal."""
    for signal, (level, series) in SERIES.items():
        for labels in series:
            named = {"signal": signal} | labels
            slow = named == REGRESSED
            yield "plimsoll_signal_value", named, stepping(level, 2.8 if slow else 1), START
            for edge, factor in (("expected", 1.0), ("upper", 1.2), ("lower", 0.8)):
                yield f"plimsoll_signal_{edge}", named, steady(level * factor), START
            since = (SLOW_FROM - START).total_seconds()
            far = 18.0 if slow else 0.1
            yield "plimsoll_signal_score", named, late(0.1, far, since), START


def own_series() -> Iterator[Series]:
    """What Plimsoll says of itself."""
    yield from histogram("plimsoll_tick_duration_seconds", {}, 1 / 60)
    route = {"method": "GET", "route": "/api/v1/signals"}
    yield from histogram("http_server_request_duration_seconds", route | {"status_class": "2xx"}, 2)
    yield "http_server_requests_total", route | {"status": "200"}, growing(2), START
    yield "plimsoll_outbox_pending", {}, steady(0), START
    sent = {"receiver": "slack", "action": "post", "outcome": "sent"}
    yield "plimsoll_notifications_total", sent, growing(1 / 300), START
    yield "plimsoll_outbox_oldest_seconds", {}, steady(0), START
    for verdict, reason in (("steady", "within"), ("rejected", "significance")):
        labels = {"rule": "api_p95_slow", "verdict": verdict, "reason": reason}
        yield "plimsoll_judgements_total", labels, growing(1 / 60), START
    for name, size in (("history_bytes", 4e8), ("history_memory_bytes", 5e7)):
        yield f"plimsoll_{name}", {}, steady(size), START
    yield "plimsoll_history_rows", {"table": "samples"}, steady(1e7), START
    yield "plimsoll_source_read_ratio", {}, steady(1), START
    yield "http_server_requests_total", route | {"status": "500"}, growing(0.01), START
    yield "http_server_active_requests", {"method": "GET"}, steady(3), START
    yield "process_cpu_seconds_total", {}, growing(0.04), START
    yield "process_resident_memory_bytes", {}, steady(140e6), START


def browser_series() -> Iterator[Series]:
    """What the receiver of beacons tells: the page `/metrics/rum`, and its counts."""
    page = {"app": "shop", "route": "/checkout/:id", "device": "mobile"}
    for vital in VITALS.values():
        name = SECONDS if vital.is_time else SHIFT
        labels = page | ({"metric": vital.name} if vital.is_time else {})
        for edge in (*vital.edges, math.inf):
            share = min(1.0, 0.6 if edge < vital.good else 0.8 if edge < vital.fair else 0.95)
            le = "+Inf" if math.isinf(edge) else repr(edge)
            share = 1.0 if edge > vital.fair else share
            yield f"{name}_bucket", labels | {"le": le}, growing(share), START
        yield f"{name}_count", labels, growing(1), START
    yield "rum_page_loads_total", {"app": "shop", "route": "/checkout/:id"}, growing(1), START
    for name, per_second in (("views", 1.0), ("views_unfinalised", 0.1)):
        labels = {"app": "shop", "browser": "chrome"}
        yield f"rum_{name}_total", labels, growing(per_second), START
    for name, per_second in (("beacons", 1.9), ("beacons_lost", 0.1)):
        yield f"rum_{name}_total", {"app": "shop"}, growing(per_second), START
    yield "rum_beacons_dropped_total", {"reason": "malformed"}, growing(0.01), START
    yield "rum_values_excluded_total", {"app": "shop", "reason": "network"}, growing(0), START


def histogram(name: str, labels: dict[str, str], per_second: float) -> Iterator[Series]:
    """A histogram of which nine in ten observations are below 0.1 and all below 1."""
    for le, share in (("0.1", 0.9), ("1.0", 1.0), ("+Inf", 1.0)):
        yield f"{name}_bucket", labels | {"le": le}, growing(per_second * share), START
    yield f"{name}_sum", labels, growing(per_second * 0.08), START
    yield f"{name}_count", labels, growing(per_second), START


def steady(value: float) -> Callable[[float], float]:
    """Always the same."""
    return lambda elapsed: value


def growing(per_second: float) -> Callable[[float], float]:
    """A counter."""
    return lambda elapsed: elapsed * per_second


def late(before: float, after: float, since: float) -> Callable[[float], float]:
    """One value, and another from so many seconds on."""
    return lambda elapsed: after if elapsed >= since else before


def stepping(level: float, factor: float) -> Callable[[float], float]:
    """A level that is multiplied from `SLOW_FROM` on."""
    since = (SLOW_FROM - START).total_seconds()
    return lambda elapsed: level * (factor if elapsed >= since else 1)

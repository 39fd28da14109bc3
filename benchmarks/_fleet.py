"""A fleet of services for benchmarks: what the shipped signals and rules read, over days.

A service has 10 routes, 5 kinds of database operation, 3 caches and a host: 50 series of the
shipped signals that are judged or shown for them, from 256 series of samples, read once a minute.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detector.increase import UP
from storage.history import Floats, Samples
from storage.series import NAME, Labels

MINUTE_MS = 60_000
EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)
API_SHARES = (0, 0.01, 0.03, 0.12, 0.4, 0.6, 0.72, 0.85, 0.97, 0.985, 0.995, 0.999, 1, 1)
DB_SHARES = (0, 0.3, 0.5, 0.8, 0.93, 0.98, 0.99, 0.994, 0.997, 0.998, 0.999, 1, 1, 1)
SERIES_PER_SERVICE = 50


@dataclass(frozen=True, slots=True)
class Curve:
    """One series of samples, a value a minute."""

    labels: Labels
    values: Floats


def fleet(services: int, minutes: int, seed: int = 1) -> list[Curve]:
    """All series of so many services."""
    rng = np.random.default_rng(seed)
    return [curve for number in range(services) for curve in service(f"svc{number}", minutes, rng)]


def service(target: str, minutes: int, rng: np.random.Generator) -> Iterator[Curve]:
    """The series of one service; a day is busier than a night."""
    day = 1 + 0.5 * np.sin(np.arange(minutes) * 2 * np.pi / 1440)
    for number in range(10):
        labels = {"target": target, "method": "GET", "route": f"/r{number}"}
        calls = rng.poisson(120 * day).astype(float)
        yield from histogram(
            "http_server_request_duration_seconds",
            {**labels, "status_class": "2xx"},
            calls,
            API_SHARES,
            rng,
        )
        for status, share in (("200", 0.998), ("500", 0.002)):
            name = {NAME: "http_server_requests_total", **labels, "status": status}
            yield Curve(Labels.of(name), rng.poisson(120 * day * share).cumsum().astype(float))
    for number in range(5):
        labels = {"target": target, "db": "main", "operation": f"op{number}"}
        calls = rng.poisson(200 * day).astype(float)
        yield from histogram("db_client_operation_duration_seconds", labels, calls, DB_SHARES, rng)
    for number in range(3):
        for result, share in (("hit", 0.94), ("miss", 0.06)):
            labels = {"target": target, "cache": f"c{number}", "result": result}
            counts = rng.poisson(900 * day * share).cumsum()
            yield Curve(Labels.of({NAME: "cache_requests_total", **labels}), counts.astype(float))
    for mode, share in (("user", 0.3), ("system", 0.1), ("iowait", 0.02), ("idle", 0.58)):
        name = {NAME: "host_cpu_seconds_total", "target": target, "mode": mode}
        spent = 240 * share * (1 + 0.05 * rng.standard_normal(minutes)).clip(0.1)
        yield Curve(Labels.of(name), spent.cumsum())
    memory = 0.5 + 0.02 * rng.standard_normal(minutes)
    yield Curve(Labels.of({NAME: "host_memory_usage_ratio", "target": target}), memory)
    yield Curve(Labels.of({NAME: UP, "target": target}), np.ones(minutes))


def histogram(
    metric: str,
    labels: dict[str, str],
    calls: Floats,
    below: Sequence[float],
    rng: np.random.Generator,
) -> Iterator[Curve]:
    """Buckets, sum and count of so many calls a minute; `below` is the share up to each edge."""
    shares = np.diff(below)
    counts = rng.poisson(calls[:, None] * shares[None, :])
    rising = counts.cumsum(axis=1).cumsum(axis=0).astype(float)
    for place, edge in enumerate([*map(str, EDGES), "+Inf"]):
        name = {NAME: f"{metric}_bucket", **labels, "le": edge}
        yield Curve(Labels.of(name), rising[:, place])
    total = counts.sum(axis=1).cumsum().astype(float)
    yield Curve(Labels.of({NAME: f"{metric}_sum", **labels}), total * 0.09)
    yield Curve(Labels.of({NAME: f"{metric}_count", **labels}), total)


def between(curves: list[Curve], start_ms: int, first: int, last: int) -> Samples:
    """The samples of the minutes `first` to `last - 1`; minute 0 is at `start`."""
    minutes, count = last - first, len(curves)
    at_ms = start_ms + np.arange(first, last, dtype=np.int64) * MINUTE_MS
    return Samples(
        tuple(one.labels for one in curves),
        np.repeat(np.arange(count), minutes),
        np.tile(at_ms, count),
        np.concatenate([one.values[first:last] for one in curves]),
    )

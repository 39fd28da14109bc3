"""A house with eight days of a shop behind it: what a page or an answer is built from.

The windows are generated and put into the history as they stand; the ticks that find what is wrong
in them are real. `GET /cart` is 45 % slower since a deployment not an hour ago, and the hit rate
of a cache was low for a while and has come back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from api.document import Document
from api.house import House
from api.serve import build
from api.settings import Settings
from api.settings import build as settings_of
from detector.identity import identity
from detector.increase import Seen
from detector.regression import Deployment
from detector.run import Definitions
from detector.signal import Signal
from detector.window import Span, merge
from plimsoll_client.families import BUCKETS
from storage.config import StorageConfig
from storage.history import Floats, Ints, Windows
from storage.series import Labels
from tests.migrated import place_state

NOW = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
NOW_MS = 1_772_452_800_000  # the tick before NOW
MINUTE_MS = 60_000
DAY_MS = 86_400_000
DEPLOYED_MS = NOW_MS - 59 * MINUTE_MS
SLOWER_MS = NOW_MS - 57 * MINUTE_MS
DIP_MS = (NOW_MS - 205 * MINUTE_MS, NOW_MS - 130 * MINUTE_MS)
# Enough of them: the dip opens, clears and is over; then the slowdown opens and goes on.
# The dip is longer than what ends as transient, and is seen soon enough to be known as that long.
TICKS_MINUTES_AGO = (158, 99, 68, 49, 28, 24, 16, 8, 4, 1, 0)
BOUNDS = (*BUCKETS, float("inf"))
CART = Labels.of(target="shop", method="GET", route="/cart")


@dataclass
class Clock:
    """A clock that stands until it is set."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


def definitions() -> Definitions:
    """The shipped signals and rules, as they are without a line of configuration."""
    return settings_of(Document()).definitions


def empty_house(
    directory: Path, now: Callable[[], datetime] | None = None, **sections: Any
) -> House:
    """A house in which nothing has happened; `sections` are those of its configuration."""
    given = {"storage": StorageConfig(directory=directory), "definitions": definitions()}
    settings = Settings(**{**given, **sections})
    place_state(directory / "state.sqlite3")
    return build(settings, now=now or Clock())


def close(house: House) -> None:
    """Give back the files."""
    house.state.close()
    house.file.close()


def shop_house(
    directory: Path,
    now: Callable[[], datetime] | None = None,
    days: int = 8,
    **sections: Any,
) -> House:
    """A house with a history, an open regression, a resolved one and a deployment."""
    house = empty_house(directory, now, **sections)
    rng = np.random.default_rng(7)
    signals = house.detector.definitions.signals
    for seconds, reach_ms in ((300, days * DAY_MS), (60, 210 * MINUTE_MS), (3600, days * DAY_MS)):
        ends = NOW_MS - np.arange(0, reach_ms, seconds * 1000)[::-1].astype(np.int64)
        for name, one in signals.items():
            for labels, values, n in made(name, ends, rng):
                house.history.put_windows(windows(one, labels, ends, seconds, values, n))
    with house.state.unit() as session:
        house.book.add_deployment(session, deployment("shop", "2.7.1", DEPLOYED_MS))
    take_as_stored(house)
    for ago in TICKS_MINUTES_AGO:
        house.detector.tick(NOW_MS - ago * MINUTE_MS)
    return house


def take_as_stored(house: House) -> None:
    """Let ticks take the windows that end with them from the history: there are no samples."""

    def stored(signal: Signal, seen: Seen, now_ms: int) -> Windows:
        start_ms = now_ms - signal.form.window_ms
        return house.history.windows(signal.name, start_ms, now_ms, seconds=signal.form.window)

    house.detector.windowing.evaluate = stored  # type: ignore[method-assign]


def deployment(service: str, version: str, at_ms: int) -> Deployment:
    """A deployment as REST stores it."""
    return Deployment(
        id=identity("dep", service, version, at_ms),
        service=service,
        version=version,
        at_ms=at_ms,
        sha="9f1c2ab",
        environment="production",
        url="https://ci.example/runs/4711",
    )


Made = tuple[Labels, Floats, Floats]


def made(signal: str, ends: Ints, rng: np.random.Generator) -> list[Made]:
    """The series of a signal: labels, values, observations; empty for signals without data."""
    busy = 0.75 + 0.25 * np.sin((ends / DAY_MS - 0.3) * 2 * np.pi)
    slow = np.where(ends > SLOWER_MS, 1.45, 1.0)
    dip = np.where((ends > DIP_MS[0]) & (ends <= DIP_MS[1]), 0.83, 1.0)
    shop = Labels.of(target="shop")

    def around(value: float, spread: float = 0.02) -> Floats:
        noise = np.clip(rng.standard_normal(len(ends)), -3, 3)
        return np.asarray(value * (1 + spread * noise), np.float64)

    routes = [(CART, 0.212, slow, 260.0)]
    for method, route, value, n in (
        ("GET", "/products/{id}", 0.094, 410.0),
        ("POST", "/checkout", 0.331, 75.0),
    ):
        routes.append((shop.plus(method=method, route=route), value, np.ones(len(ends)), n))
    match signal:
        case "api_p95":
            return [(one, around(v) * s, n * busy) for one, v, s, n in routes]
        case "api_mean":
            return [(one, around(v * 0.6) * s, n * busy) for one, v, s, n in routes]
        case "api_requests":
            return [(one, around(n / 60, 0.05) * busy, n * busy) for one, _, _, n in routes]
        case "api_error_rate":
            rate = np.abs(around(0.002, 0.5))
            return [(one.without("method"), rate, n * busy) for one, _, _, n in routes]
        case "db_p95":
            select = shop.plus(db="main", operation="select_cart")
            insert = shop.plus(db="main", operation="insert_order")
            return [(select, around(0.018) * slow, 300 * busy), (insert, around(0.031), 80 * busy)]
        case "cache_hit_rate":
            return [(shop.plus(cache="products"), around(0.957, 0.004) * dip, 900 * busy)]
        case "host_cpu_usage":
            return [(Labels.of(target="host"), np.abs(around(0.34, 0.12)) * busy, 120 * busy)]
        case "host_memory_usage":
            return [(Labels.of(target="host"), around(0.61, 0.004), 4 * np.ones(len(ends)))]
        case "host_disk_usage":
            disk = Labels.of(target="host", mountpoint="/")
            return [(disk, around(0.47, 0.001), 4 * np.ones(len(ends)))]
        case "host_network_traffic":
            card = Labels.of(target="host", device="eth0")
            both = [card.plus(direction=one) for one in ("receive", "transmit")]
            return [(one, around(2.4e6, 0.1) * busy, 1e8 * busy) for one in both]
    return []


def windows(
    signal: Signal, labels: Labels, ends: Ints, seconds: float, values: Floats, n: Floats
) -> Windows:
    """Windows of one series; those of a quantile have buckets with about that quantile."""
    count = len(ends)
    plain = Windows(
        signal.name,
        (labels,),
        np.zeros(count, np.int64),
        ends,
        np.full(count, float(seconds)),
        values,
        n,
        np.full(count, -1, np.int64),
    )
    if signal.form.form != "quantile":
        return plain
    deviation = 0.35
    shift = NormalDist().inv_cdf(signal.form.q) * deviation
    points = (np.log(np.array(BUCKETS)) - (np.log(values)[:, None] - shift)) / deviation
    below = np.vectorize(NormalDist().cdf)(points)
    cumulative = np.column_stack([below, np.ones(count)]) * n[:, None]
    counts = np.diff(cumulative, axis=1, prepend=0.0)
    with_buckets = Windows(
        signal.name,
        (labels,),
        plain.index,
        ends,
        plain.seconds,
        values,
        n,
        np.zeros(count, np.int64),
        (BOUNDS,),
        counts.ravel(),
    )
    step_ms = round(seconds * 1000)
    return merge(signal.form, with_buckets, Span(int(ends[0]) - step_ms, step_ms, count))


def later(seconds: float) -> datetime:
    """A time after NOW."""
    return NOW + timedelta(seconds=seconds)

"""A cache that falls after a deployment, a database and an API that get slower behind it.

Beside them, in the same minutes, an API that nothing ties to them, and an hour later another one.
The windows are generated and put into the history as they stand; the ticks are real.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from api.document import Document
from api.house import House
from api.serve import build
from api.settings import build as settings_of
from storage.history import Floats, Ints
from storage.series import Labels
from tests.api.shop import (
    DAY_MS,
    MINUTE_MS,
    NOW_MS,
    Clock,
    deployment,
    take_as_stored,
    windows,
)

# The next day is as the days before; the story begins at noon.
DEPLOYED_MS = NOW_MS
FALL_MS = NOW_MS + 2 * MINUTE_MS
SLOW_DB_MS = NOW_MS + 6 * MINUTE_MS
SLOW_API_MS = NOW_MS + 9 * MINUTE_MS
LATER_MS = NOW_MS + 70 * MINUTE_MS
END_MS = NOW_MS + 120 * MINUTE_MS

SESSIONS = Labels.of(target="sessions", cache="sessions")
PRICES = Labels.of(target="prices", cache="prices")
ORDERS = Labels.of(target="orders", db="orders", operation="select_order")
CHECKOUT = Labels.of(target="shop", method="POST", route="/checkout")
BILLING = Labels.of(target="billing", method="GET", route="/invoices")
SEARCH = Labels.of(target="search", method="GET", route="/search")
NEEDS = {"shop": ["orders"], "orders": ["sessions"]}

Row = tuple[str, Labels, float, int | None, float]
ROWS: tuple[Row, ...] = (
    ("cache_hit_rate", SESSIONS, 0.95, FALL_MS, 0.82),
    ("cache_hit_rate", PRICES, 0.93, None, 1.0),
    ("db_p95", ORDERS, 0.030, SLOW_DB_MS, 1.45),
    ("api_p95", CHECKOUT, 0.210, SLOW_API_MS, 1.40),
    ("api_p95", BILLING, 0.180, SLOW_DB_MS, 1.50),
    ("api_p95", SEARCH, 0.160, LATER_MS, 1.45),
)


def chain_house(
    directory: Path,
    now: Callable[[], datetime] | None = None,
    needs: Mapping[str, Any] | None = NEEDS,
    alerts: Mapping[str, Any] | None = None,
    rows: Sequence[Row] | None = None,
) -> House:
    """The house before the first tick, with the past and the story to come in its history."""
    services = sorted({labels.get("target") for _, labels, *_ in ROWS})
    data = {
        "storage": {"directory": str(directory)},
        "collector": {"host": False},
        "dependencies": {"services": services, "needs": needs or {}},
        "alerts": alerts or {},
    }
    house = build(settings_of(Document(data=data)), now=now or Clock())
    rng = np.random.default_rng(11)
    signals = house.detector.definitions.signals
    for seconds, reach_ms in ((300, 8 * DAY_MS), (60, 5 * 3_600_000)):
        ends = END_MS - np.arange(0, reach_ms, seconds * 1000)[::-1].astype(np.int64)
        for name, labels, level, since_ms, times in rows or ROWS:
            values = course(ends, level, since_ms, times, rng)
            n = np.full(len(ends), 900.0)
            house.history.put_windows(windows(signals[name], labels, ends, seconds, values, n))
    take_as_stored(house)
    return house


def course(
    ends: Ints, level: float, since_ms: int | None, times: float, rng: np.random.Generator
) -> Floats:
    """A level with noise of its own, and a factor from a time on."""
    noise = np.clip(rng.standard_normal(len(ends)), -3, 3)
    factor = np.where(ends > since_ms, times, 1.0) if since_ms is not None else 1.0
    return np.asarray(level * (1 + 0.02 * noise) * factor, np.float64)


def deploy(house: House, service: str = "sessions", at_ms: int = DEPLOYED_MS) -> None:
    """Report a deployment, as CI does."""
    with house.state.unit() as session:
        house.book.add_deployment(session, deployment(service, "7.2.0", at_ms))

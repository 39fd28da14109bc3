"""Three hours of samples of a process, a Redis and a memcached server, as targets tell them."""

from typing import Any

import numpy as np

from api.house import House
from detector.increase import UP
from detector.readings import Reading
from storage.history import Samples
from storage.series import NAME, Labels
from tests.api.shop import MINUTE_MS, NOW_MS

COLLECTOR: dict[str, Any] = {
    "redis": [{"name": "cache", "address": "cache.internal:6379"}],
    "memcached": [{"name": "pages", "address": "memcached.internal:11211"}],
}
HOURS = 3
# (target, metric, labels): value at the end, how it grows a minute (counters), noise.
LEVELS: tuple[tuple[str, str, dict[str, str], float], ...] = (
    ("shop", "process_resident_memory_bytes", {}, 210e6),
    ("shop", "process_open_fds", {}, 48.0),
    ("shop", "python_event_loop_lag_seconds", {}, 0.012),
    ("shop", "db_client_connections", {"pool": "main", "state": "idle"}, 6.0),
    ("shop", "db_client_connections", {"pool": "main", "state": "used"}, 4.0),
    ("shop", "db_client_connection_pending_requests", {"pool": "main"}, 1.0),
    ("cache", "redis_db_keys", {"db": "0"}, 48_000.0),
    ("cache", "redis_memory_used_bytes", {}, 412e6),
    ("cache", "redis_memory_max_bytes", {}, 512e6),
    ("cache", "redis_connected_clients", {}, 23.0),
    ("cache", "redis_key_group_keys", {"group": "product:*"}, 30_000.0),
    ("cache", "redis_key_group_bytes", {"group": "product:*"}, 280e6),
    ("cache", "redis_key_group_keys", {"group": "session:*"}, 18_000.0),
    ("cache", "redis_key_group_bytes", {"group": "session:*"}, 90e6),
    ("cache", "redis_key_group_ttl_seconds", {"group": "session:*", "stat": "p50"}, 1800.0),
    ("pages", "memcached_current_items", {}, 9_000.0),
    ("pages", "memcached_current_bytes", {}, 51e6),
    ("pages", "memcached_limit_bytes", {}, 64e6),
)
COUNTERS: tuple[tuple[str, str, dict[str, str], float], ...] = (
    ("shop", "process_cpu_seconds_total", {}, 24.0),
    ("cache", "redis_commands_processed_total", {}, 54_000.0),
    ("cache", "redis_key_group_misses_total", {"group": "product:*"}, 90.0),
    ("cache", "redis_key_group_misses_total", {"group": "session:*"}, 30.0),
    ("cache", "redis_key_group_missed_after_expiry_total", {"group": "product:*"}, 45.0),
    ("pages", "memcached_commands_total", {"command": "get", "status": "hit"}, 6_000.0),
    ("pages", "memcached_evicted_unfetched_total", {}, 3.0),
)
HIT_RATES = (("cache", "redis", 0.83, 0.92), ("pages", "memcached", 0.97, 0.97))


def fill(house: House) -> None:
    """Put it into the history, and what signals make of the hit rates into the readings."""
    rng = np.random.default_rng(11)
    times = np.arange(NOW_MS - HOURS * 60 * MINUTE_MS, NOW_MS + 1, MINUTE_MS)
    for target in ("shop", "cache", "pages"):
        put(house, target, UP, {}, times, np.ones(len(times)))
    for target, metric, labels, value in LEVELS:
        wobble = 1 + 0.05 * np.sin(times / 4e6) + 0.01 * rng.standard_normal(len(times))
        fixed = metric.endswith(("max_bytes", "limit_bytes"))
        put(
            house, target, metric, labels, times, value * (np.ones(len(times)) if fixed else wobble)
        )
    for target, metric, labels, a_minute in COUNTERS:
        put(house, target, metric, labels, times, np.cumsum(rng.poisson(a_minute, len(times))))
    rows = list(house.detector.readings.get("cache_hit_rate", ()))
    for target, cache, now, usual in HIT_RATES:
        one = Labels.of(target=target, cache=cache)
        rows.append(Reading("cache_hit_rate", one, NOW_MS, now, 9000.0, usual, 0.01, 7))
    house.detector.readings["cache_hit_rate"] = tuple(rows)


def put(
    house: House,
    target: str,
    metric: str,
    labels: dict[str, str],
    times: np.ndarray,
    values: np.ndarray,
) -> None:
    """Samples of one series."""
    one = Labels.of({NAME: metric, "target": target, **labels})
    index = np.zeros(len(times), np.int64)
    house.history.append(Samples((one,), index, times.astype(np.int64), values.astype(np.float64)))

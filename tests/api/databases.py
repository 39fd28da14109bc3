"""Three hours of a PostgreSQL target, as its collector tells of it: tables, indexes, statements."""

from typing import Any

import numpy as np

from api.house import House
from storage.history import Windows
from storage.series import Labels
from tests.api.machines import put
from tests.api.shop import MINUTE_MS, NOW_MS

COLLECTOR: dict[str, Any] = {
    "postgres": [{"name": "main", "host": "db.internal", "user": "watcher", "database": "shop"}]
}
TEXT = "SELECT * FROM orders WHERE customer = ? ORDER BY placed DESC"
SLOW = "5105105105105105"
TABLES = {"orders": (90e6, 400_000.0), "customers": (12e6, 50_000.0)}
INDEXES = {"orders_pkey": ("orders", 8e6, 40.0), "orders_note": ("orders", 31e6, 0.0)}


def fill(house: House) -> None:
    """Put it into the history."""
    times = np.arange(NOW_MS - 180 * MINUTE_MS, NOW_MS + 1, 5 * MINUTE_MS)
    steps = np.arange(len(times), dtype=np.float64)

    def told(metric: str, labels: dict[str, str], start: float, grows: float = 0.0) -> None:
        put(house, "main", metric, {"datname": "shop", **labels}, times, start + grows * steps)

    told("pg_database_size_bytes", {}, 140e6)
    for table, (size, rows) in TABLES.items():
        labels = {"schema": "public", "relation": table}
        told("pg_table_size_bytes", labels, size)
        told("pg_table_live_tuples", labels, rows)
        told("pg_table_dead_tuples", labels, rows / 20)
        told("pg_table_seq_scans_total", labels, 7.0, 2.0)
        told("pg_table_tuples_inserted_total", labels, rows, 100.0)
    for index, (table, size, scans) in INDEXES.items():
        labels = {"schema": "public", "relation": table, "index": index}
        told("pg_index_size_bytes", labels, size)
        told("pg_index_scans_total", labels, 3.0, scans)
    one = Labels.of(target="main", datname="shop", fingerprint=SLOW)
    for seconds in (60, 300):
        ends = np.arange(NOW_MS - 120 * MINUTE_MS, NOW_MS + 1, seconds * 1000)
        count = len(ends)
        spans = np.zeros(count, np.int64), ends.astype(np.int64), np.full(count, float(seconds))
        took = np.full(count, 0.2), np.full(count, seconds / 6), np.full(count, -1, np.int64)
        house.history.put_windows(Windows("db_statement_time", (one,), *spans, *took))
    house.statements.note("main", {("shop", SLOW): TEXT}, NOW_MS)

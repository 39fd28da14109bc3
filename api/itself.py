"""Plimsoll itself: its loops, ticks, stores, queues and memory, and what it had to leave out.

Everything but the sizes is read from the same meters that `/metrics` shows, so that the page cannot
say anything else than the dashboards.
"""

import platform
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from prometheus_client import Metric

from api.house import House
from api.moments import at, maybe_at, milliseconds
from api.shapes import Shape
from detector.run import TICK
from storage.state import SQLITE

LIBRARIES = ("duckdb", "fastapi", "numpy", "prometheus-client", "sqlmodel", "uvicorn")
PROCESS = {
    "process_resident_memory_bytes": "resident_bytes",
    "process_cpu_seconds_total": "cpu_seconds",
    "process_open_fds": "open_files",
}
# Counters of what was left out, refused or given up, each with the labels that say why. One that
# is new in a room is added here; a test looks for names that sound like one.
DROPS = (
    "plimsoll_collector_series_dropped",
    "plimsoll_collector_buffer_dropped_samples",
    "plimsoll_collector_failures",
    "plimsoll_collector_part_failures",
    "plimsoll_ticks_skipped",
    "plimsoll_windows_left_out",
    "plimsoll_incident_limits",
    "plimsoll_access_refused",
    "plimsoll_client_series_dropped",
    "plimsoll_kept_answers_dropped",
    "plimsoll_replays",
    "plimsoll_exports",
    "plimsoll_configuration_checks",
    "plimsoll_stream_ended",
    "plimsoll_stream_read_failures",
    "plimsoll_foreign_silences_unread",
    "plimsoll_source_halved",
    "plimsoll_source_postponed",
    "rum_beacons_dropped",
    "rum_metrics_dropped",
    "rum_values_excluded",
    "rum_cells_overflow",
)
# Endings that are no loss; the last three are how kept answers usually end.
FINE = frozenset({"done", "ok", "left", "long", "shutdown", "written", "old", "status"})
QUEUES = {
    "plimsoll_outbox_pending": "messages to be delivered",
    "plimsoll_stream_listeners": "listeners of live updates",
    "plimsoll_signal_series_left_out": "series left out of /metrics",
}


class ProcessShape(Shape):
    """The process."""

    resident_bytes: float | None
    """Memory that it takes."""
    cpu_seconds: float | None
    """Time of processors that it has used."""
    open_files: float | None
    """Files and connections that are open."""


class LoopShape(Shape):
    """One of the loops that keep everything going."""

    name: str
    """What it is called in metrics and logs."""
    rounds: int
    """How often it went round."""
    failures: int
    """How many of these failed; the next one follows."""
    mean_seconds: float | None
    """How long a round took on average; null before the first."""
    last_at: datetime | None
    """When its last round ended; null before the first."""


class TickShape(Shape):
    """What detection costs."""

    count: int
    """Ticks since the start."""
    mean_seconds: float | None
    """How long one took on average; null before the first."""
    p95_seconds: float | None
    """Within which bucket 95 % of them were; null before the first."""
    step_seconds: float
    """How often there is one."""
    last_end_at: datetime | None
    """End of the last windows that were judged."""
    behind_seconds: float | None
    """How long ago the next one should have ended; 0 when it keeps up, null before the first."""
    skipped: int
    """Ticks left out because the process was down for too long."""


class StoreShape(Shape):
    """What the stores take."""

    history_bytes: int
    """The history on disk."""
    history_memory_bytes: int
    """What its buffers take."""
    rows: dict[str, int]
    """Rows of the history by table, about."""
    state: str
    """`sqlite` or `postgresql`."""
    state_bytes: int | None
    """The state on disk; null where it is in PostgreSQL."""
    baseline_bytes: float | None
    """Memory of the windows that are held for baselines."""


class DropShape(Shape):
    """Something that was left out, refused or given up."""

    metric: str
    """The counter on `/metrics`."""
    reason: str
    """Why, by its labels; empty where there is one reason only."""
    count: float
    """How often since the start."""


class QueueShape(Shape):
    """Something that waits or listens."""

    name: str
    """What."""
    count: float
    """How much of it."""


class ItselfShape(Shape):
    """The health of this process."""

    version: str
    """Its version."""
    python: str
    """The version of Python."""
    libraries: dict[str, str]
    """Versions of what it stands on."""
    started_at: datetime
    """When it was started."""
    not_ready: dict[str, str]
    """What does not keep up, as `/readyz` says it; empty when all is well."""
    process: ProcessShape
    """Memory and time."""
    loops: list[LoopShape]
    """The loops, by name."""
    ticks: TickShape
    """Detection."""
    stores: StoreShape
    """History and state."""
    queues: list[QueueShape]
    """What waits."""
    drops: list[DropShape]
    """What was left out, the most frequent first."""


def itself(house: House, started: datetime, not_ready: Mapping[str, str]) -> ItselfShape:
    """How this process is doing now."""
    found = meters(house)
    return ItselfShape(
        version=version("plimsoll"),
        python=platform.python_version(),
        libraries={
            **{name: version(name) for name in LIBRARIES},
            "sqlite": sqlite3.sqlite_version,
        },
        started_at=started,
        not_ready=dict(not_ready),
        process=ProcessShape(**{word: value(found, name) for name, word in PROCESS.items()}),
        loops=loops(found),
        ticks=ticks(house, found),
        stores=stores(house, found),
        queues=[
            QueueShape(name=word, count=sum(one.value for one in samples(found, name)))
            for name, word in QUEUES.items()
        ],
        drops=drops(found),
    )


def meters(house: House) -> dict[str, Metric]:
    """The families that are shown, by name; what has no samples is in it all the same."""
    return {one.name: one for one in house.registry.collect()}


def samples(found: Mapping[str, Metric], name: str) -> Iterator[Any]:
    """The samples of a family that are called as it is, or with `_total`."""
    family = found.get(name) or found.get(name.removesuffix("_total"))
    for one in family.samples if family else ():
        if one.name.removesuffix("_total") == name.removesuffix("_total"):
            yield one


def value(found: Mapping[str, Metric], name: str) -> float | None:
    """The value of a family with one sample; None where there is none."""
    return next((one.value for one in samples(found, name)), None)


def loops(found: Mapping[str, Metric]) -> list[LoopShape]:
    """All loops that have gone round."""
    rows: dict[str, dict[str, float]] = {}
    family = found.get("plimsoll_loop_round_seconds")
    for one in family.samples if family else ():
        if one.name.endswith(("_sum", "_count")):
            rows.setdefault(one.labels["loop"], {})[one.name.rsplit("_", 1)[1]] = one.value
    failed = {one.labels["loop"]: one.value for one in samples(found, "plimsoll_loop_failures")}
    last = {
        one.labels["loop"]: one.value
        for one in samples(found, "plimsoll_loop_last_round_timestamp_seconds")
    }
    return [
        LoopShape(
            name=name,
            rounds=round(row["count"]),
            failures=round(failed.get(name, 0)),
            mean_seconds=row["sum"] / row["count"] if row["count"] else None,
            last_at=at(round(last[name] * 1000)) if name in last else None,
        )
        for name, row in sorted(rows.items())
    ]


def ticks(house: House, found: Mapping[str, Metric]) -> TickShape:
    """What detection costs, and whether it keeps up."""
    family = found.get("plimsoll_tick_duration_seconds")
    every = list(family.samples) if family else []
    count = next((one.value for one in every if one.name.endswith("_count")), 0)
    total = next((one.value for one in every if one.name.endswith("_sum")), 0)
    with house.state.reading() as session:
        done_ms = house.book.progress_ms(session, TICK)
    step_ms = house.detector.definitions.step_ms
    behind = None
    if done_ms is not None:
        due_ms = done_ms + step_ms + round(house.settings.delay * 1000)
        behind = max(0, milliseconds(house.now()) - due_ms) / 1000
    return TickShape(
        count=round(count),
        mean_seconds=total / count if count else None,
        p95_seconds=quantile(
            [(float(one.labels["le"]), one.value) for one in every if "le" in one.labels], 0.95
        ),
        step_seconds=step_ms / 1000,
        last_end_at=maybe_at(done_ms),
        behind_seconds=behind,
        skipped=round(value(found, "plimsoll_ticks_skipped") or 0),
    )


def quantile(buckets: list[tuple[float, float]], q: float) -> float | None:
    """The quantile of a cumulative histogram, linear inside of a bucket, as Prometheus does.

    The lower end of the first bucket is 0; what is in the last is its lower edge at least.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return None
    rank = q * total
    for (low, before), (high, upto) in pairwise([(0.0, 0.0), *buckets]):
        if upto >= rank:
            if np.isinf(high):
                return low
            return low + (high - low) * (rank - before) / (upto - before)
    return None


def stores(house: House, found: Mapping[str, Metric]) -> StoreShape:
    """What history and state take."""
    return StoreShape(
        history_bytes=house.file.size_bytes(),
        history_memory_bytes=house.file.memory_bytes(),
        rows=house.file.rows(),
        state=house.state.engine.dialect.name,
        state_bytes=house.state.size_bytes() if house.state.engine.dialect.name == SQLITE else None,
        baseline_bytes=value(found, "plimsoll_recent_windows_bytes"),
    )


def drops(found: Mapping[str, Metric]) -> list[DropShape]:
    """What was left out, the most frequent first; nothing that was not."""
    rows = [
        DropShape(
            metric=f"{name}_total",
            reason=", ".join(f"{key}={text}" for key, text in sorted(one.labels.items())),
            count=one.value,
        )
        for name in DROPS
        for one in samples(found, name)
        if one.value and not FINE & set(one.labels.values())
    ]
    return sorted(rows, key=lambda one: (-one.count, one.metric, one.reason))

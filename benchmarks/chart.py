"""Chart: seven days of one series of a signal, read from a file with 100 million samples in it.

The file is written through the history as the product writes it: samples scrape after scrape, and
windows tick after tick, of all lengths. Then every read is that of `GET /signals/{name}/windows`:
`stretch`, then `curves`. `cold`: the process begins anew, and neither DuckDB nor the system has a
page of the file in memory; each of the reads is of another series. `warm`: the same once more.
"""

import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from api.curves import curves, stretch
from api.house import House
from api.serve import build
from api.settings import Settings
from detector.config import build_rules, build_signals, shipped
from detector.run import Definitions
from storage.config import StorageConfig
from storage.duck import DuckHistory
from storage.history import NO_LAYOUT, Floats, Ints, Samples, Windows
from storage.series import NAME, Labels

SAMPLES = int(os.environ.get("PLIMSOLL_BENCHMARK_SAMPLES", "100_000_000"))
SIGNALS = ("api_p95", "api_mean", "api_error_rate", "api_requests")
HISTOGRAM = "api_p95"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
ROUTES = 150
DAY_MS = 86_400_000
SAMPLE_DAYS = 8
SCRAPE_MS = 15_000
SCRAPES_AT_ONCE = 64
WEEK_MS = 7 * DAY_MS
POINTS = 1000
GOAL_SECONDS = 0.050


def measure() -> dict[str, object]:
    """Milliseconds of a read: median and 99th percentile, cold and warm."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-chart-") as folder:
        directory = Path(folder)
        with house_in(directory) as house:
            began = perf_counter()
            fill(house.history)
            build_seconds = perf_counter() - began
        forget(directory)
        with house_in(directory) as house:
            rows = house.file.rows()
            cold = reads(house)
            warm = reads(house)
            size = house.file.size_bytes()
            memory = house.file.memory_bytes()
    p99 = percentile(cold, 0.99)
    return {
        "name": "chart",
        "ours": round(p99 * 1000, 1),
        "peer": None,
        "ratio": None,
        "goal": f"< {GOAL_SECONDS * 1000:.0f} ms with {SAMPLES:,} samples",
        "met": p99 < GOAL_SECONDS,
        "unit": "ms, 99th percentile of cold reads of 7 days of one series",
        "reads": len(cold),
        "cold_p50": round(statistics.median(cold) * 1000, 1),
        "warm_p50": round(statistics.median(warm) * 1000, 1),
        "warm_p99": round(percentile(warm, 0.99) * 1000, 1),
        "samples": rows["samples"],
        "windows": rows["windows"],
        "file_mib": round(size / 2**20),
        "buffers_mib": round(memory / 2**20),
        "build_seconds": round(build_seconds),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb", "numpy")},
        },
    }


@contextmanager
def house_in(directory: Path) -> Iterator[House]:
    """All rooms on the files of a directory, as `plimsoll run` builds them."""
    signals, rules = shipped()
    settings = Settings(
        storage=StorageConfig(directory=directory),
        definitions=Definitions(build_signals(signals), build_rules(rules)),
    )
    house = build(settings, now=lambda: NOW)
    try:
        yield house
    finally:
        house.state.close()
        house.file.close()


def forget(directory: Path) -> None:
    """Write everything to the disk and take it out of the system's memory."""
    for file in directory.iterdir():
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def fill(history: DuckHistory) -> None:
    """Samples of eight days, and windows as far back as they are kept."""
    fill_samples(history)
    rng = np.random.default_rng(1)
    for day in range(-400, 0):
        begin_ms = NOW_MS + day * DAY_MS
        for seconds, kept_days in ((60, 2), (300, 35), (3600, 400)):
            if -day <= kept_days:
                ends = (
                    begin_ms + np.arange(1, 86_400 // seconds + 1, dtype=np.int64) * seconds * 1000
                )
                for name in SIGNALS:
                    history.put_windows(windows(name, ends, seconds, rng))


def fill_samples(history: DuckHistory) -> None:
    """Counters of a web service, scrape after scrape; as many series as make up the number."""
    scrapes = SAMPLE_DAYS * DAY_MS // SCRAPE_MS
    count = -(-SAMPLES // scrapes)
    series = tuple(
        Labels.of({NAME: "requests_bucket", "route": f"/r{i // 12}", "le": str(BOUNDS[i % 12])})
        for i in range(count)
    )
    rng = np.random.default_rng(0)
    values = rng.integers(0, 10_000, count).astype(np.float64)
    pace = rng.lognormal(1.0, 1.5, count)
    for first in range(0, scrapes, SCRAPES_AT_ONCE):
        size = min(SCRAPES_AT_ONCE, scrapes - first)
        grown = values + np.cumsum(rng.poisson(pace, (size, count)), axis=0)
        values = grown[-1]
        times = NOW_MS - (scrapes - first - np.arange(size, dtype=np.int64)) * SCRAPE_MS
        history.append(
            Samples(
                series,
                np.tile(np.arange(count, dtype=np.int64), size),
                np.repeat(times + rng.integers(0, 20, size), count),
                grown.ravel(),
            )
        )


def windows(signal: str, ends: Ints, seconds: int, rng: np.random.Generator) -> Windows:
    """The windows of all series of a signal, those that end together behind each other."""
    size = len(ends) * ROUTES
    histogram = signal == HISTOGRAM
    counts: Floats = rng.poisson(20.0, size * len(BOUNDS) if histogram else 0).astype(np.float64)
    return Windows(
        signal,
        tuple(Labels.of(target="shop", method="GET", route=f"/r{i}") for i in range(ROUTES)),
        np.tile(np.arange(ROUTES, dtype=np.int64), len(ends)),
        np.repeat(ends, ROUTES),
        np.full(size, float(seconds)),
        rng.gamma(4.0, 0.05, size),
        rng.poisson(240.0, size).astype(np.float64),
        np.full(size, 0 if histogram else NO_LAYOUT, np.int64),
        (BOUNDS,) if histogram else (),
        counts,
    )


def reads(house: House) -> list[float]:
    """Seconds of the read of each series of each signal, in an order that means nothing."""
    signals = house.detector.definitions.signals
    asked = [
        (signals[name], labels)
        for name in SIGNALS
        for labels in house.history.window_series.find(name, lambda _: True).values()
    ]
    np.random.default_rng(2).shuffle(asked)
    taken = []
    for signal, labels in asked:
        began = perf_counter()
        reach = stretch(house, signal, NOW_MS - WEEK_MS, NOW_MS, POINTS)
        found = curves(house, signal, [labels], reach)
        taken.append(perf_counter() - began)
        if len(found[labels].value) < WEEK_MS / 1000 / reach.seconds - 1:
            raise RuntimeError(f"windows of {signal.name} are missing")
    return taken


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]

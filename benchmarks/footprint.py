"""Footprint: bytes on disk per stored sample, beside Prometheus and VictoriaMetrics.

The same eight days of a web service, which is as long as samples are kept, go into all three:
counters, histograms with their buckets, gauges of bytes, and ratios with all their digits, every 15
seconds at times that jitter. Plimsoll gets them scrape after scrape, through the history, settles
each day when the next one has begun, as it does while it runs, and is closed, which writes its log
into the file. The last day is not settled then, and space that is free inside the file is counted.
`settled` is the file one settling later, when it is largest: the space of the day that was moved is
free in it for the next one, and `settled_in_use` is what is left without that. Prometheus gets them
as blocks, compacted as promtool writes them (what it has just scraped takes several times that in
its log). VictoriaMetrics gets them by its import, is told to merge, and is stopped. Each is asked
how many samples it has before its files are measured.
"""

import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from urllib.request import Request

import numpy as np

from benchmarks._peers import (
    DIRECT,
    Process,
    package_version,
    prometheus,
    size_bytes,
    version_of,
    victoria_metrics,
)
from storage.config import StorageConfig
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Floats, Ints, Samples
from storage.series import NAME, Labels

BEGIN_MS = 1_772_323_200_000  # midnight
SCRAPE_MS = 15_000
SCRAPES_A_DAY = 5_760
SCRAPES = 8 * SCRAPES_A_DAY
SCRAPES_AN_HOUR = SCRAPES_A_DAY // 24
SCRAPES_A_BLOCK = SCRAPES_A_DAY // 12
TARGETS = 1
ROUTES = 10
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
SCRAPES_AT_ONCE = 16
SERIES_AT_ONCE = 20
GOAL_BYTES = 5.0
DURATION = "http_request_duration_seconds"
Columns = tuple[Labels, Ints, Floats]


def measure() -> dict[str, object]:
    """Bytes per sample of all three."""
    columns = [column for target in range(TARGETS) for column in of_target(target)]
    samples = len(columns) * SCRAPES
    with tempfile.TemporaryDirectory(prefix="plimsoll-footprint-") as folder:
        ours = in_plimsoll(columns, Path(folder) / "plimsoll") / samples
        settled, in_use = (one / samples for one in settled_once_more(Path(folder) / "plimsoll"))
        prom = in_prometheus(columns, Path(folder) / "prometheus") / samples
        victoria = in_victoria_metrics(columns, Path(folder) / "victoria") / samples
    return {
        "name": "footprint",
        "ours": round(ours, 2),
        "peer": round(prom, 2),
        "ratio": round(ours / prom, 2),
        "goal": f"<= {GOAL_BYTES:g} bytes",
        "met": ours <= GOAL_BYTES,
        "unit": "bytes on disk per sample; the peer is Prometheus, in compacted blocks",
        "settled": round(settled, 2),
        "settled_in_use": round(in_use, 2),
        "victoria_metrics": round(victoria, 2),
        "samples": samples,
        "series": len(columns),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb")},
            "prometheus": version_of("prometheus", "--version"),
            "victoria-metrics": package_version("victoria-metrics"),
        },
    }


def of_target(target: int) -> Iterator[Columns]:
    """The series of one target over the day: labels, times, values."""
    rng = np.random.default_rng(target)
    even = BEGIN_MS + np.arange(1, SCRAPES + 1, dtype=np.int64) * SCRAPE_MS
    times = even + rng.normal(4, 3, SCRAPES).astype(np.int64)
    busy = 0.6 + 0.4 * np.sin(np.arange(SCRAPES) / SCRAPES_A_DAY * 2 * np.pi)

    def labels(name: str, **more: str) -> Labels:
        return Labels.of({NAME: name, "job": "shop", "instance": f"10.0.0.{target}:8000", **more})

    for route in range(ROUTES):
        path = {"method": "GET", "route": f"/api/v1/things{route}/{{id}}"}
        requests = rng.poisson(rng.lognormal(2, 1.2) * busy)
        shares = rng.dirichlet(np.full(len(BOUNDS), 0.7))
        buckets = np.cumsum(rng.multinomial(requests, shares), axis=1).cumsum(axis=0)
        for position, bound in enumerate(BOUNDS):
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            found = buckets[:, position].astype(np.float64)
            yield labels(f"{DURATION}_bucket", le=le, **path), times, found
        seconds = np.cumsum(rng.gamma(np.maximum(requests, 0.01), 0.08))
        yield labels(f"{DURATION}_sum", **path), times, seconds
        yield labels(f"{DURATION}_count", **path), times, buckets[:, -1].astype(np.float64)
        for status in ("200", "404", "500"):
            total = np.cumsum(rng.poisson(requests * 0.1)).astype(np.float64)
            yield labels("http_requests_total", status=status, **path), times, total
    for pool in range(20):
        used = 2e8 + 4096 * np.cumsum(rng.integers(-50, 51, SCRAPES))
        yield labels("memory_bytes", pool=str(pool)), times, used.astype(np.float64)
        share = np.clip(0.4 * busy + rng.normal(0, 0.05, SCRAPES), 0, 1)
        yield labels("cpu_busy_ratio", cpu=str(pool)), times, share
        depth = rng.poisson(2 + 3 * busy).astype(np.float64)
        yield labels("queue_length", queue=str(pool)), times, depth


def in_plimsoll(columns: list[Columns], directory: Path) -> int:
    """Bytes of our file, written scrape after scrape."""
    path = StorageConfig(directory=directory).history_path
    targets = by_target(columns)
    with closing(DuckFile(path)) as file:
        history = DuckHistory(file)
        for first, last in pairwise(range(0, SCRAPES + 1, SCRAPES_AT_ONCE)):
            history.append(
                *(
                    Samples.at(series, int(times[scrape]), values[scrape].tolist())
                    for scrape in range(first, last)
                    for series, times, values in targets
                )
            )
            if last % SCRAPES_A_DAY == SCRAPES_AN_HOUR:
                history.settle(BEGIN_MS + (last - SCRAPES_AN_HOUR) * SCRAPE_MS)
        rows = file.cursor().execute("SELECT count(*) FROM samples").fetchall()
        stored = int(rows[0][0])
    check("Plimsoll", stored, columns)
    return size_bytes(directory)


def settled_once_more(directory: Path) -> tuple[int, int]:
    """Bytes of the same file when its last day is settled too, and those that are in use in it."""
    with closing(DuckFile(StorageConfig(directory=directory).history_path)) as file:
        DuckHistory(file).settle(BEGIN_MS + SCRAPES * SCRAPE_MS)
    with closing(DuckFile(StorageConfig(directory=directory).history_path)) as file:
        used = "SELECT used_blocks * block_size FROM pragma_database_size()"
        ((in_use,),) = file.cursor().execute(used).fetchall()
        return size_bytes(directory), int(in_use)


def by_target(columns: list[Columns]) -> list[tuple[tuple[Labels, ...], Ints, Floats]]:
    """For each target its series, its times, and its values with a row for each scrape."""
    size = len(columns) // TARGETS
    parts = [columns[first : first + size] for first in range(0, len(columns), size)]
    return [
        (tuple(one[0] for one in part), part[0][1], np.array([one[2] for one in part]).T)
        for part in parts
    ]


def in_prometheus(columns: list[Columns], directory: Path) -> int:
    """Bytes of the blocks of Prometheus."""
    directory.mkdir()
    file, data = directory / "samples.om", directory / "data"
    ordered = sorted(columns, key=lambda one: one[0].metric)
    for first in range(0, SCRAPES, SCRAPES_A_BLOCK):  # promtool reads a file once for each block
        part = slice(first, first + SCRAPES_A_BLOCK)
        with file.open("w", encoding="utf-8") as text:
            for labels, times, values in ordered:
                name = str(labels)
                rows = zip(times[part].tolist(), values[part].tolist(), strict=True)
                text.writelines(f"{name} {value!r} {at_ms / 1000:.3f}\n" for at_ms, value in rows)
            text.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        subprocess.run([*command, str(file), str(data)], check=True, capture_output=True)
    size = size_bytes(data)
    with prometheus(directory) as process:
        check("Prometheus", asked(process, columns), columns)
    return size


def in_victoria_metrics(columns: list[Columns], directory: Path) -> int:
    """Bytes of the files of VictoriaMetrics."""
    directory.mkdir()
    with victoria_metrics(directory) as process:
        for first in range(0, len(columns), SERIES_AT_ONCE):
            part = columns[first : first + SERIES_AT_ONCE]
            lines = [
                json.dumps(
                    {
                        "metric": labels.as_dict(),
                        "values": values.tolist(),
                        "timestamps": times.tolist(),
                    }
                )
                for labels, times, values in part
            ]
            address = f"http://127.0.0.1:{process.port}/api/v1/import"
            DIRECT.open(Request(address, "\n".join(lines).encode()), timeout=60).close()
        process.get("/internal/force_flush")
        process.get("/internal/force_merge")
        check("VictoriaMetrics", asked(process, columns), columns)
    return size_bytes(directory / "data")


def asked(process: Process, columns: list[Columns]) -> int:
    """How many samples a peer says it has."""
    names = sorted({labels.metric for labels, _, _ in columns})
    at = str((BEGIN_MS + (SCRAPES + 20) * SCRAPE_MS) // 1000)
    found = [process.query(f"sum(count_over_time({name}[9d]))", time=at) for name in names]
    return round(sum(float(one[0]["value"][1]) for one in found))


def check(who: str, stored: int, columns: list[Columns]) -> None:
    """All samples are there."""
    if stored != len(columns) * SCRAPES:
        raise RuntimeError(f"{who} has {stored} samples of {len(columns) * SCRAPES}")

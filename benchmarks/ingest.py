"""Ingest: samples per CPU-second from scraped to stored, beside Prometheus scraping the same pages.

Both scrape one page whose counters all grow, of 7,000 and of 70,000 samples, and write what they
read to disk; the CPU of the page server is not counted. Both scrape every second; only does
Plimsoll's process not wait for the second to pass (`benchmarks._collecting`), and its last write of
the log into the file is counted as well. Both are warm before it counts. Afterwards every sample is
read back from both, and ours are compared with what the page said, one by one. The two take turns,
and the best round of each counts: whatever else the machine does only makes a round slower.
"""

import contextlib
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from time import sleep

import numpy as np

from benchmarks._collecting import WARM_ROUNDS
from benchmarks._pages import METRICS, NUMBER, head, value_of
from benchmarks._peers import Process, free_port, prometheus, started, version_of
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.series import Labels, Selector

PAGES = (7_000, 70_000)
ROUNDS = 3
OUR_SCRAPES = {7_000: 200, 70_000: 30}
PEER_SECONDS = 20.0
GOAL_RATIO = 1.5
WARM_SCRAPES = 5


def measure() -> dict[str, object]:
    """Samples per CPU-second of both, for each size of page; the smaller ratio is judged."""
    each: dict[str, dict[str, float]] = {}
    for samples in PAGES:
        ours = peer = 0.0
        for _ in range(ROUNDS):
            ours, peer = max(ours, our_rate(samples)), max(peer, peer_rate(samples))
        rates = {"ours": round(ours), "peer": round(peer), "ratio": round(ours / peer, 2)}
        each[f"{samples} samples"] = rates
    worst = min(each.values(), key=lambda one: one["ratio"])
    return {
        "name": "ingest",
        **worst,
        "goal": f">= {GOAL_RATIO} x",
        "met": worst["ratio"] >= GOAL_RATIO,
        "unit": "samples per CPU-second, scraped to stored",
        "pages": each,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb", "numpy")},
            "prometheus": version_of("prometheus", "--version"),
        },
    }


@contextlib.contextmanager
def pages(samples: int) -> Iterator[int]:
    """A server of pages that begins with the first one; its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks._pages", str(port), str(samples)]
    with started(command, port, "/ready"):
        yield port


def our_rate(samples: int) -> float:
    """Samples per CPU-second of our process, after its samples were found to be right."""
    scrapes = OUR_SCRAPES[samples]
    with tempfile.TemporaryDirectory(prefix="plimsoll-ingest-") as folder:
        with pages(samples) as port:
            module = "benchmarks._collecting"
            done = subprocess.run(
                [sys.executable, "-m", module, str(port), folder, str(scrapes), str(samples)],
                capture_output=True,
                text=True,
                check=True,
            )
        check_ours(Path(folder) / "history.duckdb", samples, scrapes + WARM_ROUNDS)
    seconds: float = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return samples * scrapes / seconds


def check_ours(path: Path, samples: int, scrapes: int) -> None:
    """Every line of every page is in the file, with the value that the page had."""
    with contextlib.closing(DuckFile(path)) as file:
        history = DuckHistory(file)
        numbers = history.samples([Selector(NUMBER)], 0, 2**62)
        page_at = dict(zip(numbers.at_ms.tolist(), numbers.values.tolist(), strict=True))
        if sorted(page_at.values()) != list(range(scrapes)):
            raise RuntimeError(f"{len(page_at)} of {scrapes} pages are stored")
        line_of = {labels_of(head(line)): line for line in range(samples)}
        stored = 0
        for metric in METRICS:
            found = history.samples([Selector(metric)], 0, 2**62)
            lines = np.array([line_of[one.without("target")] for one in found.series])[found.index]
            on_page = np.array([page_at[at_ms] for at_ms in found.at_ms.tolist()])
            said = value_of(lines, on_page)
            if not np.array_equal(said, found.values):
                raise RuntimeError(f"a value of {metric} is not what the page said")
            stored += len(found)
    if stored != samples * scrapes:
        raise RuntimeError(f"{stored} samples are stored instead of {samples * scrapes}")


def labels_of(text: str) -> Labels:
    """The labels of the head of a line."""
    selector = Selector.parse(text)
    pairs = {matcher.name: matcher.value for matcher in selector.matchers}
    return Labels.of(pairs, __name__=selector.metric)


def peer_rate(samples: int) -> float:
    """Samples per CPU-second of Prometheus, after as many were found in it as it says."""
    appended = "prometheus_tsdb_head_samples_appended_total"
    with tempfile.TemporaryDirectory(prefix="plimsoll-ingest-") as folder, pages(samples) as port:
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n"
            f"  - job_name: page\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        )
        with prometheus(Path(folder), config) as process:
            while scraped(process) < WARM_SCRAPES:
                sleep(0.2)
            before, began = process.metric(appended), process.cpu_seconds()
            sleep(PEER_SECONDS)
            count, seconds = process.metric(appended) - before, process.cpu_seconds() - began
            found = [process.query(f"sum(count_over_time({name}[1h]))") for name in METRICS]
    stored = sum(float(one[0]["value"][1]) for one in found)
    if stored < count or count < samples * PEER_SECONDS / 2:
        raise RuntimeError(f"Prometheus stored {stored:.0f} samples, and {count:.0f} in the time")
    return count / seconds


def scraped(process: Process) -> float:
    """How many pages Prometheus has read."""
    found = process.query(f"count_over_time({NUMBER}[1h])")
    return float(found[0]["value"][1]) if found else 0.0

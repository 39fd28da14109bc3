"""Host: what reading this machine and its container costs, beside node_exporter.

Ours is the collector `host` as it runs, in its thread, turn after turn without waiting for the
interval: the CPU time of the process for a turn. Theirs is node_exporter with its defaults, scraped
as often: the CPU time of its process. Both as a share of a core when there is a turn every 15
seconds. It tells more than ours does.
"""

import asyncio
import platform
import shutil
from importlib.metadata import version
from time import process_time

from benchmarks._peers import free_port, started, version_of
from collector.host import Host

TURNS = 200
INTERVAL_SECONDS = 15.0
GOAL_SHARE = 0.005
EXPORTER = "prometheus-node-exporter"


def measure() -> dict[str, object]:
    """The share of a core that is spent on watching the machine."""
    ours, samples = asyncio.run(by_us())
    theirs = by_exporter() if shutil.which(EXPORTER) else None
    share = ours / INTERVAL_SECONDS
    return {
        "name": "host",
        "ours": round(100 * share, 4),
        "peer": None if theirs is None else round(100 * theirs / INTERVAL_SECONDS, 4),
        "ratio": None if not theirs else round(ours / theirs, 2),
        "goal": f"< {100 * GOAL_SHARE:g} % of a core",
        "met": share < GOAL_SHARE,
        "unit": "% of a core, read every 15 s; the peer is node_exporter",
        "ours_ms_per_turn": round(1000 * ours, 3),
        "samples": samples,
        "turns": TURNS,
        "versions": {
            "python": platform.python_version(),
            "plimsoll": version("plimsoll"),
            "psutil": version("psutil"),
            "node_exporter": version_of(EXPORTER, "--version") if theirs is not None else None,
        },
    }


async def by_us() -> tuple[float, int]:
    """CPU seconds of a turn, and what it brings."""
    one = Host(INTERVAL_SECONDS, 10)
    samples = 0
    for turn in range(10):
        samples = len((await one.collect(turn)).samples)
    before = process_time()
    for turn in range(10, 10 + TURNS):
        await one.collect(turn)
    return (process_time() - before) / TURNS, samples


def by_exporter() -> float:
    """CPU seconds of a scrape of node_exporter."""
    port = free_port()
    command = [EXPORTER, f"--web.listen-address=127.0.0.1:{port}"]
    with started(command, port, "/metrics") as process:
        for _ in range(10):
            process.get("/metrics")
        before = process.cpu_seconds()
        for _ in range(TURNS):
            process.get("/metrics")
        return (process.cpu_seconds() - before) / TURNS

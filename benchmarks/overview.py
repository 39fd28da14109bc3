"""Overview: 500 clients on the first page at once, the clients on the same two processors.

`plimsoll run` holds 1,000 regressions, five of them open, and collects and judges itself meanwhile.
First every client asks again as soon as it is answered, which is the harder case and counts; then
every client waits some seconds, as somebody does who reloads the page again and again.
"""

import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks._book import Past, fill
from benchmarks.book import started
from storage.state import State, sqlite_url

READERS = 500
SECONDS = 20.0
PAUSE_SECONDS = 2.5
REGRESSIONS, OPEN = 1_000, 5
GOAL_P95_MS, GOAL_P99_MS = 200.0, 500.0


def measure() -> dict[str, object]:
    """The 95th percentile in milliseconds of clients that never wait."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-overview-") as folder:
        url = sqlite_url(Path(folder) / "state.sqlite3")
        state = State(url)
        try:
            state.migrate()
            past = Past(REGRESSIONS, 10 * REGRESSIONS, int(time.time() * 1000), holding=OPEN)
            fill(state, past)
        finally:
            state.close()
        with started(url, Path(folder)) as port:
            read(port, READERS, 3.0, 0.0)  # warms
            hurried = read(port, READERS, SECONDS, 0.0)
            patient = read(port, READERS, SECONDS, PAUSE_SECONDS)
    return {
        "name": "overview",
        "ours": hurried["p95"],
        "peer": None,
        "ratio": None,
        "goal": f"p95 < {GOAL_P95_MS:g} ms, p99 < {GOAL_P99_MS:g} ms, no errors",
        "met": hurried["p95"] < GOAL_P95_MS
        and hurried["p99"] < GOAL_P99_MS
        and not hurried["errors"] + patient["errors"],
        "unit": f"ms, p95 of {READERS} clients that never wait",
        "never_waiting": hurried,
        "reloading": patient,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "fastapi", "uvicorn")},
        },
    }


def read(port: int, readers: int, seconds: float, pause: float) -> dict[str, float]:
    """What so many readers saw, from a process of their own."""
    asked = [sys.executable, "-m", "benchmarks._readers", str(port), "/", str(readers)]
    done = subprocess.run(
        [*asked, str(seconds), str(pause)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found

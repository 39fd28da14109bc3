"""Start: from process start to the first page, in an empty directory, and memory when idle.

Each round starts `plimsoll run` anew, with nothing in its directory but a configuration that names
a free port, and asks for `/` until it is answered with 200. The best round counts, since everything
that disturbs a round only makes it slower; the median is told beside it. The last round is left
alone for half a minute, then its resident memory is read.
"""

import contextlib
import http.client
import platform
import socket
import statistics
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, sleep

import psutil

ROUNDS = 5
IDLE_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
GOAL_SECONDS = 3.0
GOAL_MIB = 200.0
MIB = 1024 * 1024


def measure() -> dict[str, object]:
    """Seconds to the first page, and MiB of memory when idle."""
    seconds = []
    memory_mib = 0.0
    for number in range(ROUNDS):
        with started() as (process, port, began):
            wait_for_page(process, port)
            seconds.append(perf_counter() - began)
            if number == ROUNDS - 1:
                sleep(IDLE_SECONDS)
                memory_mib = psutil.Process(process.pid).memory_info().rss / MIB
    best = min(seconds)
    return {
        "name": "start",
        "ours": round(best, 2),
        "peer": None,
        "ratio": None,
        "goal": f"< {GOAL_SECONDS:g} s and < {GOAL_MIB:g} MiB",
        "met": best < GOAL_SECONDS and memory_mib < GOAL_MIB,
        "unit": "s to the first page, best of 5",
        "median": round(statistics.median(seconds), 2),
        "memory_mib": round(memory_mib, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb", "fastapi", "uvicorn")},
        },
    }


@contextlib.contextmanager
def started() -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """A fresh Plimsoll, its port, and when it was started; stopped and forgotten afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(sysconfig.get_paths()["scripts"]) / "plimsoll"
    with tempfile.TemporaryDirectory(prefix="plimsoll-start-") as folder:
        Path(folder, "plimsoll.yaml").write_text(f"server:\n  port: {port}\n", encoding="utf-8")
        began = perf_counter()
        process = subprocess.Popen(
            [script, "run"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield process, port, began
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def wait_for_page(process: subprocess.Popen[bytes], port: int) -> None:
    """Ask for the first page until it is there."""
    until = perf_counter() + PATIENCE_SECONDS
    while perf_counter() < until:
        if process.poll() is not None:
            raise RuntimeError(f"plimsoll ended with {process.returncode} before the first page")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/")
            if connection.getresponse().status == http.client.OK:
                return
        sleep(0.01)
    raise RuntimeError(f"no page after {PATIENCE_SECONDS:g} s")

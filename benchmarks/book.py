"""History: how long a documented question takes over 1,000,000 regressions, 10,000,000 events.

`plimsoll run` is started over a state that was filled before, and asked over HTTP, one question at
a time, all kinds in turn: every filter of `/regressions`, `/incidents` and `/events` alone and
every pair of them, with common, rare and unknown values, now and deep in the past. The state is
SQLite, then PostgreSQL. Each kind of question has its own p99; the worst of them counts.
"""

import contextlib
import http.client
import itertools
import os
import platform
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode

import numpy as np

from benchmarks._book import REACH_MS, Past, fill
from storage.state import State, sqlite_url
from tests.postgres import postgres
from tests.servers import free_port

REGRESSIONS = int(os.environ.get("PLIMSOLL_BOOK_REGRESSIONS", "1000000"))
ROUNDS = int(os.environ.get("PLIMSOLL_BOOK_ROUNDS", "400"))
GOAL_MS = 20.0
WORST = 8
PATIENCE_SECONDS = 120.0
SETTLING_SECONDS = 15.0  # after a start, whose first second is slower than all that follows
Filters = Mapping[str, Sequence[str]]


def measure() -> dict[str, object]:
    """The worst p99 of a kind of question, in milliseconds."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="plimsoll-book-") as folder:
        found["sqlite"] = over(sqlite_url(Path(folder) / "state.sqlite3"), Path(folder))
    # What a server of two processors is commonly given; the default of 128 MB holds no index whole.
    with (
        postgres("shared_buffers=1GB", "max_wal_size=4GB") as server,
        tempfile.TemporaryDirectory(prefix="plimsoll-book-") as folder,
    ):
        found["postgresql"] = over(server.database(), Path(folder))
    worst = {name: max(one.values()) for name, one in found.items()}
    return {
        "name": "book",
        "ours": round(max(worst.values()), 1),
        "peer": None,
        "ratio": None,
        "goal": f"< {GOAL_MS:g} ms",
        "met": max(worst.values()) < GOAL_MS,
        "unit": "ms, worst p99 of a kind of question",
        "regressions": REGRESSIONS,
        "kinds": {name: len(one) for name, one in found.items()},
        "worst": {name: ranked(one) for name, one in found.items()},
        "median_of_p99": {name: round(float(np.median([*one.values()])), 2) for name, one in
                          found.items()},
        "over_goal": {name: sum(ms >= GOAL_MS for ms in one.values()) for name, one in
                      found.items()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "fastapi", "sqlalchemy", "psycopg")},
        },
    }  # fmt: skip


def ranked(found: Mapping[str, float]) -> dict[str, float]:
    """The dearest questions, the worst first."""
    order = sorted(found, key=lambda name: -found[name])
    return {name: round(found[name], 1) for name in order[:WORST]}


def over(url: str, folder: Path) -> dict[str, float]:
    """The p99 in milliseconds of each kind of question to a Plimsoll with this state."""
    now_ms = int(time.time() * 1000)
    state = State(url)
    try:
        state.migrate()
        fill(state, Past(REGRESSIONS, 10 * REGRESSIONS, now_ms))
    finally:
        state.close()
    with started(url, folder) as port, connected(port) as connection:
        return asked(connection, questions(now_ms), ROUNDS)


def questions(now_ms: int) -> dict[str, list[str]]:
    """Each kind of question with the paths that ask it."""
    moments = [moment(now_ms - REACH_MS * share // 100) for share in (0, 1, 30, 70, 99)]
    times: Filters = {"since": moments[1:4], "until": moments[1:]}
    severity = ("critical", "info")
    asked: dict[str, Filters] = {
        "/api/v1/regressions": {
            "state": ("open", "over", "accepted", "suspected"),
            "kind": ("improvement", "any"),
            "severity": severity,
            "signal": ("signal_00", "signal_44", "unknown"),
            "rule": ("signal_00_sigma", "signal_44_high", "unknown"),
            "target": ("target-00", "target-39", "unknown"),
            **times,
        },
        "/api/v1/incidents": {"state": ("open", "resolved"), "severity": severity, **times},
        "/api/v1/events": {
            "about": ("regression", "incident"),
            "step": ("opened", "commented", "tested", "merged"),
            "actor": ("ada", "dag", "nobody"),
            **times,
        },
    }
    found: dict[str, list[str]] = {}
    for path, filters in asked.items():
        for names in ((), *((one,) for one in filters), *itertools.combinations(filters, 2)):
            key = f"{path.rpartition('/')[2]}?{'&'.join(names)}"
            found[key] = [
                f"{path}?{urlencode(dict(zip(names, values, strict=True)))}"
                for values in itertools.product(*(filters[name] for name in names))
            ]
    return found


def asked(
    connection: http.client.HTTPConnection, kinds: Mapping[str, Sequence[str]], rounds: int
) -> dict[str, float]:
    """The p99 in milliseconds of each kind of question, after each path was asked once.

    A round asks every kind once, so that the observations of each are spread over the whole run:
    when the machine is slow for a second, no kind has all of that second.
    """
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for path in itertools.chain.from_iterable(kinds.values()):
        ask(connection, path)
    for number in range(rounds):
        for name, paths in kinds.items():
            took[name].append(ask(connection, paths[number % len(paths)]))
    return {name: float(np.percentile(one, 99)) for name, one in took.items()}


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    """How many milliseconds an answer took; anything but 200 is an error."""
    began = perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return (perf_counter() - began) * 1000


def moment(at_ms: int) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


@contextlib.contextmanager
def started(url: str, folder: Path) -> Iterator[int]:
    """`plimsoll run` over this state, past its first seconds; its port."""
    port = free_port()
    (folder / "plimsoll.yaml").write_text(
        f"server:\n  port: {port}\nstorage:\n  directory: {folder}\n  state_url: {url}\n",
        encoding="utf-8",
    )
    script = Path(sysconfig.get_paths()["scripts"]) / "plimsoll"
    process = subprocess.Popen(
        [script, "run"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = perf_counter() + PATIENCE_SECONDS
        while perf_counter() < until and process.poll() is None:
            with contextlib.suppress(OSError), connected(port) as connection:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == http.client.OK:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"plimsoll did not answer, exit code {process.poll()}")
        time.sleep(SETTLING_SECONDS)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        yield connection
    finally:
        connection.close()

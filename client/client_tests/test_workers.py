"""Several workers behind one port: real ones of uvicorn, and what is read of the dead."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.parser import text_string_to_metric_families

from plimsoll_client.exposition import metrics_app
from plimsoll_client.folding import FOLD_FROM, fold, is_alive, locked, write
from plimsoll_client.workers import VARIABLE, Workers, folder, forget_dead_gauges

DEADLINE_SECONDS = 60.0
WORKERS = 4
NO_PROCESS = 2**22 + 1  # beyond the largest number that Linux gives

APPLICATION = """
import asyncio, os
from fastapi import FastAPI
from plimsoll_client.business import market_data_updated
from plimsoll_client.cache import ObservedCache
from plimsoll_client.exposition import metrics_app
from plimsoll_client.functions import measured
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.runtime import RuntimeMetrics

app = FastAPI()
cache = ObservedCache("products", ttl_seconds=60)

@app.get("/things/{n}")
@measured("thing")
async def thing(n: int) -> int:
    cache.hit()
    market_data_updated("nyse", 1_000_000 + n)
    return os.getpid()

@app.get("/slow")
async def slow() -> None:
    await asyncio.sleep(600)

app.add_route("/metrics", metrics_app())
app.add_middleware(RuntimeMetrics)
app.add_middleware(RequestMetrics)
"""


@dataclass
class Server:
    """A running server and what to ask it."""

    url: str
    files: Path

    def get(self, path: str) -> httpx.Response:
        """Over a connection of its own, so that any worker may take it."""
        answer = httpx.get(self.url + path, timeout=DEADLINE_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer

    def numbers(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The page by name and labels."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        }

    def number(self, name: str, **labels: str) -> float:
        """One number of the page."""
        return self.numbers().get((name, tuple(sorted(labels.items()))), float("nan"))

    def ask(self, requests: int) -> set[int]:
        """Ask for things; the workers that answered."""
        return {int(self.get(f"/things/{n}").text) for n in range(requests)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Four workers of uvicorn on one port."""
    (tmp_path / "application.py").write_text(APPLICATION)
    files = tmp_path / "numbers"
    files.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "application:app", "--port", str(port)]
    running = subprocess.Popen(
        [*command, "--workers", str(WORKERS), "--log-level", "warning", "--ws", "none"],
        cwd=tmp_path,
        env={**os.environ, VARIABLE: str(files)},
    )
    server = Server(f"http://127.0.0.1:{port}", files)
    try:
        wait_until(lambda: answers(server))
        yield server
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def answers(server: Server) -> bool:
    try:
        return len(list(server.files.glob("counter_*.db"))) >= WORKERS and bool(
            server.get("/metrics")
        )
    except httpx.TransportError:
        return False


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "the server took too long"
        time.sleep(0.05)


def test_four_workers_are_one_sum_and_a_killed_one_loses_nothing_but_its_present(
    server: Server,
) -> None:
    requests = {"method": "GET", "route": "/things/{n}", "status": "200"}
    pids: set[int] = set()
    asked = 0

    def all_have_answered() -> bool:
        nonlocal asked
        pids.update(server.ask(20))
        asked += 20
        return len(pids) >= WORKERS

    wait_until(all_have_answered)
    # Whichever worker is asked, the answer is the same.
    for _ in range(2 * WORKERS):
        assert server.number("http_server_requests_total", **requests) == asked
    assert server.number("function_calls_total", function="thing", outcome="ok") == asked
    assert server.number("cache_requests_total", cache="products", result="hit") == asked
    assert server.number("cache_entry_ttl_seconds", cache="products") == 60
    assert (
        server.number("business_market_data_last_update_timestamp_seconds", source="nyse")
        == 1_000_019
    )
    wait_until(lambda: server.number("python_thread_pool_threads", state="total") == 40 * WORKERS)

    # One dies in the middle of a request, without a word.
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as hanging:
        hanging.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: server.number("http_server_active_requests", method="GET") == 2)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in pids))
        wait_until(lambda: answers(server))

    assert server.number("http_server_requests_total", **requests) == asked
    assert server.number("http_server_active_requests", method="GET") == 1  # this one
    before = asked
    later: set[int] = set()

    def new_ones_have_answered() -> bool:
        nonlocal asked
        later.update(server.ask(20))
        asked += 20
        return len(later) >= WORKERS

    wait_until(new_ones_have_answered)
    assert not later & pids
    assert asked > before
    assert server.number("http_server_requests_total", **requests) == asked
    assert (
        server.number(
            "http_server_request_duration_seconds_count",
            method="GET",
            route="/things/{n}",
            status_class="2xx",
        )
        == asked
    )


class TestDeadFiles:
    """Processes that are gone, with numbers of which every sum is known."""

    def leave(self, files: Path, count: int) -> None:
        for number in range(count):
            pid = NO_PROCESS + number
            write(files / f"counter_{pid}.db", {key("a_total"): 1.0 + number})
            write(files / f"histogram_{pid}.db", {key("b", "b_sum"): 0.5, key("b", "b_bucket"): 2})
        write(files / f"counter_{os.getpid()}.db", {key("a_total"): 1000.0})

    def sums(self, files: Path) -> dict[str, float]:
        return {
            sample.name: sample.value
            for family in Workers(files).collect()
            for sample in family.samples
        }

    def test_many_become_one_and_the_sums_stay(self, tmp_path: Path) -> None:
        self.leave(tmp_path, FOLD_FROM)
        expected = {"a_total": 1000 + 36, "b_sum": 4.0, "b_bucket": 16.0, "b_count": 16.0}

        assert self.sums(tmp_path) == expected
        assert {name for name in live(tmp_path) if name.endswith(".db")} == {
            "counter_dead.db",
            "histogram_dead.db",
            f"counter_{os.getpid()}.db",
        }
        assert self.sums(tmp_path) == expected

        # More die later.
        self.leave(tmp_path, 2 * FOLD_FROM)
        assert self.sums(tmp_path)["a_total"] == 1000 + 36 + 136
        assert len(list(tmp_path.glob("counter_*.db"))) == 2

    def test_a_few_are_left_as_they_are(self, tmp_path: Path) -> None:
        self.leave(tmp_path, FOLD_FROM - 1)

        assert self.sums(tmp_path)["a_total"] == 1000 + 28
        assert len(list(tmp_path.glob("counter_*.db"))) == FOLD_FROM

    def test_interrupted_anywhere_nothing_is_lost_and_nothing_counts_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that is killed while it folds, at each of its steps."""

        class Killed(BaseException):
            pass

        steps, interruptions = 0, 0
        for interrupted_at in range(1, 100):
            files = tmp_path / str(interrupted_at)
            files.mkdir()
            self.leave(files, FOLD_FROM)
            steps = 0
            with monkeypatch.context() as patch:

                def stepped(real: Callable[..., Any], at: int) -> Callable[..., Any]:
                    def step(*args: Any, **kwargs: Any) -> Any:
                        nonlocal steps
                        steps += 1
                        if steps == at:
                            raise Killed
                        return real(*args, **kwargs)

                    return step

                patch.setattr(os, "replace", stepped(os.replace, interrupted_at))
                patch.setattr(Path, "unlink", stepped(Path.unlink, interrupted_at))
                try:
                    with locked(files):
                        fold(files)
                except Killed:
                    interruptions += 1
            sums = self.sums(files)
            assert (sums["a_total"], sums["b_bucket"]) == (1036, 16), interrupted_at
            if steps < interrupted_at:
                break

        # For two kinds: plan and sums put in place; eight files, an old draft and the plan gone.
        assert interruptions == 2 * (2 + FOLD_FROM + 2)


def key(family: str, name: str = "") -> str:
    """The key of a number in a file: a bucket has an edge."""
    labels = {"le": "1.0"} if name.endswith("_bucket") else {}
    return str(mmap_key(family, name or family, list(labels), list(labels.values()), "Help."))


def live(files: Path) -> set[str]:
    return {file.name for file in files.iterdir()}


# Two lives under one number: what the first leaves in the file is there for the second.
INHERITS = """
import os
from pathlib import Path
from prometheus_client import CollectorRegistry
from plimsoll_client import functions, pools
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.workers import registry_of_all

def live():
    registry = CollectorRegistry()
    requests = RequestMetrics(None, registry).families.active["GET"]
    functions.measured("f", registry=registry)(len)
    pools.PoolWatch("p", registry, lambda: None)
    return registry, requests

def present():
    return sum(
        one.value
        for family in registry_of_all(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])).collect()
        for one in family.samples
        if one.name in (
            "http_server_active_requests", "function_active_calls",
            "db_client_connection_pending_requests",
        )
    )

first, requests = live()
requests.inc()
functions.families_of(first).series("f").begin()
pools.families_of(first).pending.labels("p").inc()
died_with = present()
live()
print(died_with, present())
"""


def test_a_worker_that_gets_the_number_of_a_dead_one_does_not_go_on_with_its_present(
    tmp_path: Path,
) -> None:
    """In containers numbers are small, and the same ones come again."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", INHERITS],
        env={**os.environ, VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.stdout, ran.stderr) == ("3.0 0.0\n", "")


def test_only_the_present_of_dead_processes_is_taken_away(tmp_path: Path) -> None:
    kept = {
        f"gauge_livesum_{os.getpid()}.db",
        f"gauge_max_{NO_PROCESS}.db",
        f"counter_{NO_PROCESS}.db",
        f"histogram_{NO_PROCESS}.db",
        "gauge_livesum_other.db",
    }
    for name in (*kept, f"gauge_livesum_{NO_PROCESS}.db", f"gauge_livemax_{NO_PROCESS}.db"):
        (tmp_path / name).touch()

    forget_dead_gauges(tmp_path)

    assert live(tmp_path) == kept


def test_a_process_of_somebody_else_is_alive() -> None:
    assert is_alive(1)
    assert is_alive(os.getpid())
    assert not is_alive(NO_PROCESS)


def test_a_file_without_content_counts_for_nothing(tmp_path: Path) -> None:
    """A worker that starts has one for a moment, and leaves it when it is killed then."""
    for number in range(FOLD_FROM):
        (tmp_path / f"counter_{NO_PROCESS + number}.db").touch()

    assert list(Workers(tmp_path).collect()) == []
    assert live(tmp_path) == {"counter_dead.db", "plimsoll.lock"}


def test_when_a_file_is_taken_away_meanwhile_all_are_read_again(tmp_path: Path) -> None:
    workers, reads = Workers(tmp_path), 0
    (tmp_path / "counter_1.db").write_bytes(bytes(8))

    def gone_once(files: Sequence[str]) -> Sequence[Metric]:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise FileNotFoundError(files[0])
        return []

    workers._files.merge = gone_once

    assert list(workers.collect()) == []
    assert reads == 2


def test_without_the_variable_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    assert folder() is None


def test_a_variable_that_comes_too_late_is_refused_instead_of_counting_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))

    with pytest.raises(RuntimeError, match="too late"):
        metrics_app(CollectorRegistry())

"""kill -9 of the running process, ten times: nothing is lost, nothing is told twice.

In real time, since a kill has no other; windows of a second keep it short.
"""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.series import Selector
from tests.servers import free_port
from tests.slack_fake import CHANNEL, TOKEN, FakeSlack

pytestmark = pytest.mark.long

KILLS = 10
QUEUES = 20
PATIENCE_SECONDS = 60.0


@contextmanager
def queues() -> Iterator[tuple[list[int], str]]:
    """A page of queues, each with its length; the list holds the lengths."""
    lengths = [1] * QUEUES

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = [
                f'queue_length{{service="q{i}",route="q{i}"}} {n}' for i, n in enumerate(lengths)
            ]
            body = ("\n".join(lines) + "\n").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield lengths, f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def configuration(directory: Path, port: int, page: str, slack: FakeSlack) -> Path:
    path = directory / "plimsoll.yaml"
    data = {
        "server": {"port": port},
        "storage": {"directory": str(directory / "data")},
        "collector": {
            "interval": "1s",
            "host": False,
            "targets": [{"name": "broker", "url": page}],
        },
        "detector": {"delay": "1s", "shipped": False},
        "signals": {
            "queue_length": {
                "form": "gauge",
                "metric": "queue_length",
                "by": ["service", "route"],  # of one service they would be one incident
                "window": "1s",
                "over": "2s",
            }
        },
        "rules": {
            "queue_long": {
                "signal": "queue_length",
                "trigger": {"absolute": {"above": 10}},
                "sustain": {"for": "2s"},
                "clear": {"level": 5, "for": "1h"},
            }
        },
        "alerts": {
            "slack": {
                "bot_token": TOKEN,
                "channel": CHANNEL,
                "api_url": slack.api_url,
                "digest_from": 0,  # each is looked for by its own message
                "charts": False,
            }
        },
    }
    path.write_text(yaml.safe_dump(data))
    return path


class Process:
    """A running Plimsoll."""

    def __init__(self, config: Path, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        command = [sys.executable, "-P", "-c", "from api.main import main; main()"]
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [*command, "run", "-c", str(config)], stdout=output, stderr=output
            )

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
            return json.loads(answer.read())

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a real process to get there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.child.poll() is None, self.log.read_text()
            try:
                if reached():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def answers(self) -> bool:
        return bool(self.ask("/healthz")["status"] == "ok")

    def open_routes(self) -> set[str]:
        """The queues with an open regression; each stands once."""
        routes = [
            one["labels"]["route"]
            for one in self.ask("/api/v1/regressions?state=open&limit=200")["items"]
        ]
        assert len(routes) == len(set(routes))
        return set(routes)


@pytest.mark.timeout(400)
def test_ten_kills_lose_no_regression_and_double_no_message(tmp_path: Path) -> None:
    rng, port, log = random.Random(9), free_port(), tmp_path / "log"
    with queues() as (lengths, page), FakeSlack() as slack:
        config = configuration(tmp_path, port, page, slack)
        for kill in range(KILLS):
            process = Process(config, port, log)
            process.until(process.answers)
            for queue in (2 * kill, 2 * kill + 1):
                lengths[queue] = 100
            # Anywhere between "just seen" and "told": the first takes about three seconds.
            time.sleep(rng.uniform(0.0, 5.0))
            process.child.send_signal(signal.SIGKILL)
            process.child.wait()

        process = Process(config, port, log)
        every = {f"q{i}" for i in range(QUEUES)}
        process.until(lambda: process.open_routes() == every)
        process.until(lambda: len(slack.messages()) >= QUEUES)
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(20) == 0

        told = [message.incident for message in slack.messages()]
        assert len(told) == len(set(told)) == QUEUES
        assert "Traceback" not in log.read_text()

        file = DuckFile(tmp_path / "data" / "history.duckdb")
        kept = DuckHistory(file).samples([Selector("queue_length")], 0, 2**62)
        file.close()
        # A scrape is one batch: each time it is there for all queues, or for none.
        times = [kept.at_ms[kept.index == i].tolist() for i in range(QUEUES)]
        assert all(one == times[0] for one in times)

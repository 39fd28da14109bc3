"""kill -9 in the middle of a backfill: it goes on where it was, and is whole in the end."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from tests.detector.reading import DAY_MS, LEVEL, level_everywhere
from tests.front import Asked, Front, Told, front
from tests.servers import free_port

pytestmark = pytest.mark.long

CONCURRENCY = 2
SIGNALS = 3
PATIENCE_SECONDS = 60.0


def slowly(asked: Asked) -> Told:
    """An engine far away."""
    time.sleep(0.03)
    return level_everywhere(asked)


class Process:
    """A running Plimsoll that reads from an engine."""

    def __init__(self, directory: Path, engine: Front) -> None:
        self.port = free_port()
        self.log = directory / "log"
        config = directory / "plimsoll.yaml"
        data = {
            "server": {"port": self.port},
            "storage": {
                "directory": str(directory / "data"),
                "prometheus": {"url": engine.url, "concurrency": CONCURRENCY},
            },
            "collector": {"host": False},
            "detector": {"shipped": False},
            "signals": {f"level_{i}": LEVEL for i in range(SIGNALS)},
        }
        config.write_text(yaml.safe_dump(data))
        command = [sys.executable, "-P", "-c", "from api.main import main; main()"]
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                [*command, "run", "-c", str(config)], stdout=output, stderr=output
            )

    def source(self) -> Any:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/api/v1/source", timeout=5
        ) as answer:
            return json.loads(answer.read())["source"]

    def until(self, reached: Callable[[Any], bool]) -> Any:
        """The source, as soon as it is as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.child.poll() is None, self.log.read_text()
            try:
                found = self.source()
                if reached(found):
                    return found
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())


def beyond(share: float) -> Callable[[Any], bool]:
    """More than a share of the past has been read."""
    return lambda one: bool(one["read_ratio"] > share)


def test_a_backfill_survives_kill_9(tmp_path: Path) -> None:
    with front(slowly) as engine:
        process = Process(tmp_path, engine)
        seen = process.until(beyond(0.3))
        process.child.send_signal(signal.SIGKILL)
        process.child.wait()
        assert seen["read_ratio"] < 1
        process = Process(tmp_path, engine)
        first = process.until(lambda one: True)
        assert first["read_ratio"] >= seen["read_ratio"]
        process.until(lambda one: "The past is read (" in process.log.read_text())
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(20) == 0
        said = process.log.read_text()

    days = Counter(
        (one.form["query"], one.form["start"])
        for one in engine.ranges()
        if one.form["step"] == "300.000"
    )
    # The queries are the same for all signals; what was in flight was asked for once more.
    twice = sum(max(0, count - SIGNALS) for count in days.values())
    assert twice <= 2 * CONCURRENCY
    assert "Traceback" not in said
    assert said.count("Reading 3 signals from http://127.0.0.1:") == 2
    assert said.count("The past is read (") == 1
    file = DuckFile(tmp_path / "data" / "history.duckdb")
    history = DuckHistory(file)
    for number in range(SIGNALS):
        ends = history.windows(f"level_{number}", 0, 2**62, seconds=300.0).end_ms.tolist()
        assert ends == list(range(ends[0], ends[-1] + 1, 300_000))
        assert ends[-1] - ends[0] >= 7 * DAY_MS
    file.close()

"""A source over a real HTTP server, with a history of its own: what its tests are built from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from detector.backlog import Plan
from detector.config import build_rules, build_signals
from detector.coverage import Coverage
from detector.meters import SourceMeters
from detector.run import Definitions
from detector.source import Source
from storage.config import PrometheusConfig
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.prometheus import Prometheus, system_addresses
from storage.series import Window
from tests.front import Asked, Told, said

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOW_MS = 1_772_452_800_000 + 12 * HOUR_MS  # noon
DELAY_MS = 40_000
LEVEL = {"form": "gauge", "metric": "level", "by": ["target"], "stat": "max"}
LAG = {"form": "quantile", "metric": "lag_seconds", "q": 0.9, "by": ["target", "route"]}


def level_everywhere(asked: Asked) -> Told:
    """An engine in which one program shows a level of 7 at all times, scraped every 15 s."""
    if asked.path.endswith("/query"):
        at = float(asked.form["time"])
        if "label_set" in asked.form["query"]:
            return said({"status": "error", "errorType": "bad_data", "error": "unknown"}, 400)
        result = [{"metric": {}, "value": [at, "80"]}]
        return said({"status": "success", "data": {"resultType": "vector", "result": result}})
    start, step = float(asked.form["start"]), float(asked.form["step"])
    value = "4" if "count_over_time" in asked.form["query"] else "7"
    values = [[start + step * i, value] for i in range(asked.points)]
    result = [{"metric": {"instance": "shop:8000"}, "values": values}]
    return said({"status": "success", "data": {"resultType": "matrix", "result": result}})


class Reader:
    """One source, as a process has it."""

    def __init__(self, directory: Path, url: str, signals: dict[str, Any], **more: Any) -> None:
        self.file = DuckFile(directory / "history.duckdb")
        self.history = DuckHistory(self.file)
        self.registry = CollectorRegistry()
        resolve = more.pop("resolve", system_addresses)
        config = PrometheusConfig.model_validate({"url": url, "timeout": "5s", **more})
        rules: dict[str, Any] = {}
        definitions = Definitions(build_signals(signals), build_rules(rules))
        self.plan = Plan(config, definitions, Coverage(self.file))
        self.source = Source(
            Prometheus(config, resolve=resolve),
            self.plan,
            self.history,
            SourceMeters(self.registry),
        )

    def backfill(self, now_ms: int, rounds: int = 1000) -> int:
        """Rounds of backfill until nothing is left; how many there were."""
        for done in range(rounds):
            if not self.source.backfill(now_ms):
                return done
        return rounds

    def windows(self, signal: str, seconds: float = 60.0) -> list[Window]:
        """All windows of one length."""
        return self.history.windows(signal, 0, 2**62, seconds=seconds).rows()

    def counted(self, name: str, **labels: str) -> float:
        """A number on `/metrics`."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def state(self, signal: str, now_ms: int) -> str:
        """How a signal stands."""
        (one,) = [s for s in self.source.status(now_ms).signals if s.signal == signal]
        return one.state.value

    def close(self) -> None:
        """As at the end of a process."""
        self.source.stop()
        self.source.client.close()
        self.file.close()


@contextmanager
def reader(
    directory: Path, url: str, signals: dict[str, Any] | None = None, **more: Any
) -> Iterator[Reader]:
    """A process that ends with the block."""
    made = Reader(directory, url, {"level": LEVEL} if signals is None else signals, **more)
    try:
        yield made
    finally:
        made.close()

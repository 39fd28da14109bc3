"""Plimsoll's own way from a page to the file, in one process: `... PORT DIRECTORY ROUNDS SAMPLES`.

The collector, its buffer and the history, wired and driven as `api.serve` and `api.loops` do it:
`start_due` for every second, and every two seconds `flush` in a thread. Only the clock is not
waited for. The last line on standard output is one JSON object.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

from prometheus_client import CollectorRegistry

from api.loops import PULSE_SECONDS
from collector.config import CollectorConfig, Target
from collector.meters import CollectorMeters
from collector.run import Collector
from collector.scrape import Scrape
from collector.sources import sources
from storage.config import StorageConfig
from storage.duck import DuckHistory
from storage.duckfile import DuckFile

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
INTERVAL = timedelta(seconds=1)
PATIENCE_SECONDS = 60.0
WARM_ROUNDS = 6


def config(port: int, samples: int) -> CollectorConfig:
    """One target, with room for so large a page."""
    return CollectorConfig.model_validate(
        {
            "host": False,
            "interval": INTERVAL.total_seconds(),
            "limits": {"samples": 2 * samples, "series": 2 * samples},
            "targets": [Target(name="page", url=f"http://127.0.0.1:{port}/metrics")],
        }
    )


async def rounds(collector: Collector, count: int, told: Callable[[int], None]) -> None:
    """So many scrapes, one after the other."""
    now = flushed = BEGIN
    for number in range(count):
        told(number)
        while not (tasks := collector.start_due(now)):
            now = collector.next_due() or now + INTERVAL
        await asyncio.gather(*tasks)
        if (now - flushed).total_seconds() >= PULSE_SECONDS or number == count - 1:
            await asyncio.to_thread(collector.flush)
            flushed = now
    for status in collector.status():
        if status.reason is not None:
            raise RuntimeError(f"the last scrape failed: {status.detail}")


def main() -> None:
    """Collect, and tell CPU seconds and sizes; what was stored is for others to check."""
    port, directory, count, samples = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    storage = StorageConfig(directory=Path(directory))
    seconds: dict[int, float] = {}

    def told(number: int) -> None:
        seconds[number] = process_time()

    with closing(DuckFile(storage.history_path, memory=storage.memory)) as file:
        history = DuckHistory(file)
        scrape, *_ = targets = sources(config(port, int(samples)))
        assert isinstance(scrape, Scrape)
        scrape.timeout_seconds = PATIENCE_SECONDS  # the page server is slower than the clock here
        collector = Collector(
            targets,
            history.append,
            CollectorMeters(CollectorRegistry()),
        )
        asyncio.run(rounds(collector, WARM_ROUNDS + count, told))
    ended = process_time()  # closing writes the log into the file: that is counted too
    sys.stdout.write(json.dumps({"seconds": ended - seconds[WARM_ROUNDS]}) + "\n")


if __name__ == "__main__":
    main()

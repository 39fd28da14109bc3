"""Plimsoll's own way from a page to the file, in one process: `... PORT DIRECTORY ROUNDS SAMPLES`.

The collector, its buffer and the history, wired and driven as `api.serve` and `api.loops` do it:
`start_due`, then `flush` in a thread. Only the clock is not waited for: each round is 15 seconds
after the one before. The last line on standard output is one JSON object.
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

from collector.config import CollectorConfig, Target
from collector.meters import CollectorMeters
from collector.run import Collector, sources
from storage.config import StorageConfig
from storage.duck import DuckFile, DuckHistory

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
WARM_ROUNDS = 4


def config(port: int, samples: int) -> CollectorConfig:
    """One target, with room for so large a page."""
    return CollectorConfig.model_validate(
        {
            "host": False,
            "limits": {"samples": 2 * samples, "series": 2 * samples},
            "targets": [Target(name="page", url=f"http://127.0.0.1:{port}/metrics")],
        }
    )


async def rounds(collector: Collector, count: int, told: Callable[[int], None]) -> None:
    """So many scrapes, each stored before the next one begins."""
    now = BEGIN
    for number in range(count):
        told(number)
        while not (tasks := collector.start_due(now)):
            now = collector.next_due() or now + INTERVAL
        await asyncio.gather(*tasks)
        await asyncio.to_thread(collector.flush)
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
        collector = Collector(
            sources(config(port, int(samples))),
            history.append,
            CollectorMeters(CollectorRegistry()),
        )
        asyncio.run(rounds(collector, WARM_ROUNDS + count, told))
    ended = process_time()  # closing writes the log into the file: that is counted too
    sys.stdout.write(json.dumps({"seconds": ended - seconds[WARM_ROUNDS]}) + "\n")


if __name__ == "__main__":
    main()

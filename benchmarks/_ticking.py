"""Ticks over a crowd of series, in one process: `python -m benchmarks._ticking SERIES TICKS`.

Evaluation is from the samples to the windows; they are written with the judgements, at the end of
the tick. The most memory is what the system says, so the making of the past is in it.

With `changes` as a third argument there are fifteen days of response times before, and rules that
look for changes in them.

The history, the detector and its ledger are wired as `api.serve` does it. The last line on standard
output is one JSON object.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import fmean
from time import process_time

import psutil
from prometheus_client import CollectorRegistry

from benchmarks._crowd import MEAN_SECONDS, MINUTE_MS, Crowd, definitions
from detector.book import Book
from detector.ledger import Ledger
from detector.meters import DetectorMeters
from detector.run import Detector
from detector.signal import Signal
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.state import State

NOON_MS = 1_772_452_800_000
WARM_TICKS = 11
P95_SECONDS = 0.458  # what the shares of the crowd give


def detector_on(directory: Path, file: DuckFile, *, changes: bool = False) -> Detector:
    """A detector on files of its own."""
    state = State(f"sqlite:///{directory / 'state.sqlite3'}")
    state.migrate()
    meters = DetectorMeters(CollectorRegistry())
    chosen = definitions(changes=changes)
    return Detector(chosen, DuckHistory(file), state, Book(), Ledger(file), meters)


def write_past(detector: Detector, crowd: Crowd) -> None:
    """Fifteen days of response times, past days in the order of their series as in the product."""
    history = detector.history
    assert isinstance(history, DuckHistory)
    for signal, level in (("mean", MEAN_SECONDS), ("p95", P95_SECONDS)):
        for windows in crowd.past(signal, level, NOON_MS):
            history.put_windows(windows)
    while history.settle(NOON_MS):
        pass


def measured(count: int, ticks: int, directory: Path, *, changes: bool = False) -> dict[str, float]:
    """CPU seconds of a tick in the mean, of its evaluation alone, and the memory."""
    with closing(DuckFile(directory / "history.duckdb")) as file:
        detector, crowd = detector_on(directory, file, changes=changes), Crowd(count)
        evaluating, ticking = list[float](), list[float]()
        windowing = detector.windowing
        step = windowing.step

        def timed(signals: Sequence[Signal], now_ms: int) -> None:
            began = process_time()
            step(signals, now_ms)
            evaluating.append(process_time() - began)

        windowing.step = timed  # type: ignore[method-assign]
        first_ms, all_ticks = NOON_MS + MINUTE_MS, WARM_TICKS + ticks
        if changes:
            write_past(detector, crowd)
        pages = crowd.minutes(first_ms, first_ms + (all_ticks - 1) * MINUTE_MS)
        for number, samples in enumerate(pages):
            detector.history.append(samples)
            began = process_time()
            detector.tick(first_ms + number * MINUTE_MS)
            ticking.append(process_time() - began)
        memory = psutil.Process().memory_info().rss
        most = getrusage(RUSAGE_SELF).ru_maxrss * 1024
        series = len(crowd.series) + len(crowd.up)
        detector.state.close()
    return {
        "series": crowd.count,
        "samples": series,
        "evaluation_seconds": fmean(evaluating[WARM_TICKS:]),
        "tick_seconds": fmean(ticking[WARM_TICKS:]),
        "first_tick_seconds": ticking[0],
        "changes_tick_seconds": fmean(
            spent
            for number, spent in enumerate(ticking[WARM_TICKS:], WARM_TICKS + 1)
            if number % 5 == 0
        ),
        "looked_at": looked_at(detector),
        "resident_bytes": memory,
        "most_resident_bytes": most,
    }


def looked_at(detector: Detector) -> float:
    """How many series were compared with their past, of all ticks."""
    (metric,) = detector.meters.candidates.collect()
    return sum(one.value for one in metric.samples if one.name.endswith("_total"))


def main() -> None:
    """Measure what the arguments say."""
    with tempfile.TemporaryDirectory() as directory:
        changes = "changes" in sys.argv[3:]
        found = measured(int(sys.argv[1]), int(sys.argv[2]), Path(directory), changes=changes)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

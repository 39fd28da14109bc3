"""Scale: one tick over 1,000, 10,000 and 100,000 series of signals, in CPU seconds and memory.

A series is a label set of a signal: one window a minute. Of 100 of them 36 are gauges, 20 rates, 20
ratios, and 24 are quantile, mean and share of 8 histograms of 12 buckets; 208 series of samples
stand behind them, each read once a minute. Six signals, eleven rules; 16 of 100 series are response
times with fifteen days of past, and two of the rules look for changes in them. Evaluation is from
the samples to the windows; the tick adds baselines, judgements, looks at the past, and what is
written of all that. The mean of 20 ticks in a row, after eleven; each size in a process of its own.
"""

import json
import platform
import subprocess
import sys
from importlib.metadata import version

SIZES = (1_000, 10_000, 100_000)
TICKS = 20
GOAL_SECONDS = 2.0
GOAL_BYTES = 2 * 2**30


def measure() -> dict[str, object]:
    """CPU seconds of a tick at 100,000 series, and how they grow."""
    found = [child(size) for size in SIZES]
    largest, before = found[-1], found[-2]
    growth = largest["tick_seconds"] / before["tick_seconds"]
    met = (
        largest["tick_seconds"] < GOAL_SECONDS
        and largest["most_resident_bytes"] < GOAL_BYTES
        and growth <= 1.2 * SIZES[-1] / SIZES[-2]
    )
    return {
        "name": "scale",
        "ours": round(largest["tick_seconds"], 3),
        "peer": None,
        "ratio": None,
        "goal": f"< {GOAL_SECONDS:g} CPU-s, < 2 GiB, linear",
        "met": met,
        "unit": f"CPU-seconds of a tick at {SIZES[-1]} series",
        "sizes": {
            f"{one['series']:.0f} series, {one['samples']:.0f} of samples": {
                "evaluation": round(one["evaluation_seconds"], 4),
                "whole tick": round(one["tick_seconds"], 4),
                "a tick at which a window ends": round(one["changes_tick_seconds"], 4),
                "resident MiB": round(one["resident_bytes"] / 2**20),
                "most MiB": round(one["most_resident_bytes"] / 2**20),
            }
            for one in found
        },
        "ten times the series cost": round(growth, 2),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb", "numpy")},
        },
    }


def child(size: int) -> dict[str, float]:
    """Measure one size in a process of its own, so that memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._ticking", str(size), str(TICKS), "changes"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found

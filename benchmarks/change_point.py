"""When a change began: the search for its interval, beside apache-otava's E-divisive.

The same series are searched by both: 24 hours of windows of 5 minutes with autocorrelated noise of
5 % (phi 0.5) and one step of 20 %, drawn, and seeded. The figure is points per CPU-second. Ours is
asked when the change began that the method has found; otava's search also says whether there is one
and looks for several. So the whole method, which says whether, is measured too: on 15 days of
windows, thresholds and all (`whole`).

`PLIMSOLL_OTAVA_PYTHON` names an interpreter that has apache-otava (0.8.0 wants numpy 2.2).
"""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from detector.localise import localise
from detector.method import five_minutes
from storage.history import Floats

SERIES, PER_DAY, DAYS = 100, 288, 15
STEP, NOISE, PHI = 0.20, 0.05, 0.5
LEAST_AFTER, MOST_AFTER = 12, 144
ROUNDS = 20
GOAL = 20.0
TOLERANCE = 6  # windows: half an hour
PEER = Path(__file__).parent / "_otava.py"


def drawn(windows: int, series: int, seed: int) -> tuple[Floats, list[int]]:
    """Series on a logarithmic scale, `[series, windows]`, and where each steps up."""
    generator = np.random.default_rng(seed)
    shock = generator.normal(size=(series, windows)) * NOISE * np.sqrt(1 - PHI**2)
    values = np.empty_like(shock)
    values[:, 0] = generator.normal(size=series) * NOISE
    for column in range(1, windows):
        values[:, column] = PHI * values[:, column - 1] + shock[:, column]
    after = generator.integers(LEAST_AFTER, MOST_AFTER, series)
    for row, count in enumerate(after):
        values[row, -count:] += np.log1p(STEP)
    return values, [windows - int(count) for count in after]


def measure() -> dict[str, object]:
    """Points per CPU-second of both, and how often each was right."""
    values, steps = drawn(PER_DAY, SERIES, 1)
    began = process_time()
    for _ in range(ROUNDS):
        found = [localise(one) for one in values]
    seconds = (process_time() - began) / ROUNDS
    points = SERIES * PER_DAY
    long, _ = drawn(DAYS * PER_DAY, 4, 2)
    method = five_minutes()
    began = process_time()
    for one in long:
        method.judge(one, 0)
    whole = long.size / (process_time() - began)
    ours = points / seconds
    pairs = [(one, at) for one, at in zip(found, steps, strict=True) if one is not None]
    inside = sum(one.first <= at <= one.last for one, at in pairs) / len(steps)
    near = sum(abs(one.best - at) <= TOLERANCE for one, at in pairs) / len(steps)
    widths = [one.last - one.first + 1 for one, _ in pairs]
    peer = searched(values)
    theirs = points / float(peer["seconds"]) if peer else None
    return {
        "name": "change_point",
        "ours": round(ours),
        "peer": None if theirs is None else round(theirs),
        "ratio": None if theirs is None else round(ours / theirs, 1),
        "goal": f">= {GOAL:g} x apache-otava",
        "met": theirs is not None and ours >= GOAL * theirs,
        "unit": "points per CPU-second",
        "whole method": round(whole),
        "whole method, ratio": None if theirs is None else round(whole / theirs, 1),
        "within half an hour": {
            "ours": near,
            "otava": None if peer is None else hits(peer["found"], steps),
        },
        "the interval holds the step": inside,
        "the interval, windows": float(np.median(widths)),
        "otava finds more than one": None
        if peer is None
        else float(np.mean([len(one) > 1 for one in peer["found"]])),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "numpy")},
            **({} if peer is None else peer["versions"]),
        },
    }


def hits(found: list[list[int]], steps: list[int]) -> float:
    """How often any of the points found is within half an hour of the step."""
    return float(
        np.mean([
            any(abs(one - at) <= TOLERANCE for one in each)
            for each, at in zip(found, steps, strict=True)
        ])
    )  # fmt: skip


def searched(values: Floats) -> dict[str, Any] | None:
    """What otava says of these series; None where nobody named an interpreter that has it."""
    python = os.environ.get("PLIMSOLL_OTAVA_PYTHON")
    if python is None:
        return None
    done = subprocess.run(
        [python, str(PEER)],
        input=json.dumps(np.exp(values).tolist()),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer

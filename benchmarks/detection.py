"""How well changes are found on real series, and how quietly, beside the peers of the bench.

The bench, its series and the peers are not part of this repository: `PLIMSOLL_DETECTION_BENCH`
names its folder, `PLIMSOLL_DETECTION_PYTHON` an interpreter with what the bench and its peers need
(default: this one). `detect` and `detect_suspected` are what the bench calls; they only put its
series on the grid of windows, and the rest is the detector's own.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._product import CHANGE, RELATIVE, Given, episodes, notices, rules
from detector.change import beginning
from detector.episode import Telling
from detector.expected import same_hours
from detector.method import coarse, five_minutes
from detector.transform import linear, logarithmic, usual_size, without_trifles
from storage.history import Floats, Ints

JUDGED_SECONDS = 300
FIRST_SECONDS = 2 * 86_400  # of a series, from which its usual size is taken
FIRST_WINDOWS = 12
PEERS = ("naive", "sigma3", "grafana_adaptive", "grafana_robust", "sentry_ema", "pelt", "otava")
Found = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A series as windows. `at`: when each was known; `first`: its end, in windows since 1970."""

    values: Floats
    at: Ints
    first: int
    seconds: int

    @property
    def given(self) -> Given:
        """The same for a replay, at the same times: there a window counts by its beginning."""
        return Given(self.values, self.first - 1, self.seconds)


def windows(timestamps: Ints, values: Floats) -> Judged:
    """The series as windows of five minutes (averages), or as it is if it is coarser."""
    step = int(np.median(np.diff(timestamps))) if len(timestamps) > 1 else JUDGED_SECONDS
    if step >= JUDGED_SECONDS:
        column = np.round((timestamps - timestamps[0]) / step).astype(np.int64)
        grid = np.full(int(column[-1]) + 1, np.nan)
        grid[column] = values
        at = timestamps[0] + np.arange(len(grid)) * step
        return Judged(grid, at, int(timestamps[0] // step), step)
    slot = timestamps // JUDGED_SECONDS
    column = (slot - slot[0]).astype(np.int64)
    count = np.bincount(column)
    with np.errstate(invalid="ignore"):
        average = np.bincount(column, values) / count
    at = (slot[0] + 1 + np.arange(len(count))) * JUDGED_SECONDS - step
    np.minimum.at(at, column, timestamps[-1])
    return Judged(average, at, int(slot[0]) + 1, JUDGED_SECONDS)


def scaled(judged: Judged) -> tuple[Floats, Floats]:
    """The windows on the scale on which a change adds, by what the first two days look like.

    As changes are dated on it, and as the method judges it.
    """
    first = judged.values[: max(FIRST_WINDOWS, FIRST_SECONDS // judged.seconds)]
    if np.nanmin(first) < 0:
        return (linear(judged.values, first),) * 2
    usual = usual_size(first)
    plain = without_trifles(judged.values, usual)
    return logarithmic(judged.values, usual), logarithmic(plain, usual)


def found(
    timestamps: NDArray[Any], values: NDArray[Any], direction: str, *, suspected: bool
) -> Found:
    """When a notice goes out, and when the change began, for each."""
    judged = windows(timestamps.astype(np.int64), values.astype(np.float64))
    upwards, plain = scaled(judged)
    method = five_minutes() if judged.seconds == JUDGED_SECONDS else coarse(judged.seconds)
    result: Found = []
    for sign in {"up": (1.0,), "down": (-1.0,), "both": (1.0, -1.0)}[direction]:
        assessment = method.judge(sign * plain, judged.first)
        seen = assessment.suspected if suspected else assessment.changed
        columns = Telling().told(seen, assessment.size, judged.at, judged.seconds)
        if not columns:
            continue
        span = assessment.span
        same = same_hours(upwards, method.per_day, method.around)
        for column in columns:
            began = beginning(upwards, same, column, method.spans[span[column]])
            best = column if began is None else began.first + began.change.best
            result.append((float(judged.at[column]), float(judged.at[best])))
    return sorted(result)


def detect(timestamps: NDArray[Any], values: NDArray[Any], direction: str) -> Found:
    """The notices of confirmed changes, with the shipped defaults."""
    return found(timestamps, values, direction, suspected=False)


def detect_suspected(timestamps: NDArray[Any], values: NDArray[Any], direction: str) -> Found:
    """The first notices, when a change is suspected."""
    return found(timestamps, values, direction, suspected=True)


def times(judged: Judged, told: Sequence[tuple[int, int]]) -> Found:
    """Notices as the bench counts time: by when the samples of a window were known."""

    def known(at_ms: int) -> float:
        column = at_ms // (judged.seconds * 1000) - judged.first
        return float(judged.at[min(max(column, 0), len(judged.at) - 1)])

    return [(known(told_ms), known(began_ms)) for told_ms, began_ms in told]


def shipped(
    timestamps: NDArray[Any], values: NDArray[Any], direction: str, names: Sequence[str]
) -> Found:
    """The notices of the shipped rules, as the product sends them; times as in `found`."""
    judged = windows(timestamps.astype(np.int64), values.astype(np.float64))
    ways = {"both": ("up", "down")}.get(direction, (direction,))
    result: Found = []
    for way in ways:
        given = judged.given
        (found_,) = episodes([given], rules(way))
        result += times(judged, notices(found_, names))
    return sorted(result)


def detect_relative(timestamps: NDArray[Any], values: NDArray[Any], direction: str) -> Found:
    """The shipped relative rule, confirmed by the method, tick by tick."""
    return shipped(timestamps, values, direction, (RELATIVE,))


def detect_change(timestamps: NDArray[Any], values: NDArray[Any], direction: str) -> Found:
    """The shipped change rule, tick by tick."""
    return shipped(timestamps, values, direction, (CHANGE,))


def detect_shipped(timestamps: NDArray[Any], values: NDArray[Any], direction: str) -> Found:
    """Both rules as they stand beside each other, tick by tick; one incident is one notice."""
    return shipped(timestamps, values, direction, (RELATIVE, CHANGE))


def scored(arguments: Sequence[str], bench: Path) -> dict[str, Any]:
    """The summary that the bench gives of one method."""
    with tempfile.TemporaryDirectory() as results:
        ran = subprocess.run(
            [
                os.environ.get("PLIMSOLL_DETECTION_PYTHON", sys.executable),
                *("-m", "bench", "run", *arguments),
                *("--half", "public", "--json", "--out", results),
            ],
            cwd=bench,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
    summary: dict[str, Any] = json.loads(ran.stdout)
    return summary


def row(name: str, summary: dict[str, Any]) -> str:
    """A line of the table in docs/benchmarks.md."""
    fast, operational = summary["B"]["fast"], summary["A"]
    recall = (fast[key] for key in ("level10", "level20", "level50", "level20_1h", "level50_1h"))
    cells = [
        f"{fast['fa_week']:.2f}",
        f"{fast['transient']:.3f}",
        *(f"{share:.2f}" for share in recall),
        f"{operational['A1_f1']:.3f}",
        f"{operational['A2_f1']:.3f}",
        f"{summary['cpu_s_per_million']:.1f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def measure() -> dict[str, object]:
    """False alarms per series-week of the shipped defaults, with the whole table beside them."""
    folder = os.environ.get("PLIMSOLL_DETECTION_BENCH")
    if not folder:
        raise SystemExit("PLIMSOLL_DETECTION_BENCH must name the folder of the bench")
    bench = Path(folder)
    ours = scored(["--adapter", "benchmarks.detection:detect"], bench)
    early = scored(["--adapter", "benchmarks.detection:detect_suspected"], bench)
    rows = [row("Plimsoll, confirmed", ours), row("Plimsoll, suspected", early)]
    peer = None
    for name in PEERS:
        try:
            summary = scored(["--method", name], bench)
        except subprocess.CalledProcessError:
            rows.append(f"| {name} | not installed |")
            continue
        peer = summary if name == "naive" else peer
        rows.append(row(name, summary))
    alarms = ours["B"]["fast"]["fa_week"]
    theirs = peer["B"]["fast"]["fa_week"] if peer else None
    return {
        "name": "detection",
        "ours": alarms,
        "peer": theirs,
        "ratio": round(theirs / alarms, 1) if theirs and alarms else None,
        "goal": "at most 0.5 false alarms per series-week",
        "met": alarms <= 0.5,
        "unit": "false alarms per series-week on clean copies; the peer is the literal rules",
        "versions": {"python": platform.python_version(), "numpy": version("numpy")},
        "table": "\n" + "\n".join(rows),
    }

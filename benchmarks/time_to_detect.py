"""How long a step stays untold, beside Lorden's bound for the same rate of false alarms.

No method whose false alarms are T windows apart on average tells a change in fewer windows, on
average, than log T / I, I the information in a window (Lorden 1971, Annals of Mathematical
Statistics 42, 1897-1908). Here T is what the same run found on the untouched copies; the shift d
is the logarithm of the step; the scale s is the robust deviation of logarithms from the same hours
of the days before, on days 3 to 7; and I = d^2 / (2 s^2), as for normal residuals. Neighbouring
windows are not independent, so s^2 is the long-run variance, 72 times that of means of six hours,
where that is larger. `independent` are the same figures without it. `PLIMSOLL_DETECTION_BENCH`
names the folder of the bench.
"""

import math
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks._shipped import FAST_SECONDS, bench
from benchmarks.detection import JUDGED_SECONDS, detect, detect_suspected, scaled, windows
from detector.expected import same_hours
from detector.method import five_minutes
from storage.history import Floats

STEPS = {"level20": 0.20, "level50": 0.50}
PER_DAY = 86_400 // JUDGED_SECONDS
SIX_HOURS = PER_DAY // 4  # what is correlated for longer is no noise
WEEK_WINDOWS = 7 * PER_DAY
NORMAL = 1.4826  # a standard deviation is so many times the median distance from the median
FLOOR, GOAL = 3.0, 1.5


def residuals(base: Mapping[str, Any]) -> Floats:
    """Logarithms less those of the same hours before, on days 3 to 7; NaN where a window lacks."""
    upwards, _ = scaled(windows(base["ts"].astype(np.int64), base["v"].astype(np.float64)))
    left: Floats = upwards - same_hours(upwards, PER_DAY, five_minutes().around)
    return left[2 * PER_DAY : 7 * PER_DAY]


def variances(left: Floats) -> tuple[float, float]:
    """Of one window, robustly, and in the long run: of means of six hours, for one window."""
    known = left[np.isfinite(left)]
    deviation = NORMAL * np.median(np.abs(known - np.median(known)))
    whole = left[: len(left) // SIX_HOURS * SIX_HOURS].reshape(-1, SIX_HOURS)
    means = whole.mean(axis=1, where=np.isfinite(whole))
    return float(deviation**2), float(SIX_HOURS * np.nanvar(means, ddof=1))


def bound_windows(shift: float, variance: float, between: float) -> float:
    """Lorden's bound in windows: `between` windows lie between false alarms."""
    return math.log(between) * 2 * variance / shift**2


def ratios(
    rows: list[dict[str, Any]], spread: Mapping[str, tuple[float, float]], *, correlated: bool
) -> dict[str, dict[str, float]]:
    """The median ratio of the time to detect to the bound for each step, and of how many series.

    A step that is not found counts as infinite.
    """
    clean = [row for row in rows if row["kind"] == "clean"]
    alarms = sum(row["fa"] for row in clean)
    between = WEEK_WINDOWS * sum(row["weeks"] for row in clean) / max(alarms, 1)
    result = {}
    for kind, step in STEPS.items():
        found = []
        for row in (one for one in rows if one["kind"] == kind):
            shift = math.log1p(step if row["dir"] == "up" else -step)
            short, long = spread[row["base"]]
            bound = bound_windows(shift, max(short, long) if correlated else short, between)
            if bound < SIX_HOURS:  # the goal asks for no others
                delay = row["delay"] / JUDGED_SECONDS if row["found"] else math.inf
                found.append(delay / bound if bound else math.inf)
        result[kind] = {"median": round(float(np.median(found)), 2), "series": len(found)}
    return result


def measure() -> dict[str, object]:
    """The median ratio for +20 % at the confirmed notice, and the others beside it."""
    runner, data = bench("runner"), bench("data")
    fast = {one["id"]: one for one in data.bases("public") if one["step"] <= FAST_SECONDS}
    spread = {name: variances(residuals(base)) for name, base in fast.items()}
    told: dict[str, Any] = {}
    for stage, method in {"confirmed": detect, "suspected": detect_suspected}.items():
        timer = runner.Timer(method, time.process_time)
        rows = runner.run_b(timer, "public", kinds=STEPS, only=lambda one: one["id"] in fast)
        told[stage] = {
            "correlated": ratios(rows, spread, correlated=True),
            "independent": ratios(rows, spread, correlated=False),
            "median_minutes": {
                kind: float(
                    np.median([x["delay"] for x in rows if x.get("found") and x["kind"] == kind])
                )
                / 60
                for kind in STEPS
            },
        }
    ours = told["confirmed"]["correlated"]["level20"]["median"]
    return {
        "name": "time_to_detect",
        "ours": ours,
        "peer": 1.0,
        "ratio": ours,
        "goal": f"<= {FLOOR:g}, better {GOAL:g}",
        "met": ours <= FLOOR,
        "unit": "median time to detect +20 %, in Lorden's bounds below six hours",
        **told,
        "versions": {"python": platform.python_version(), "numpy": version("numpy")},
    }

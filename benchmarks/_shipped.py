"""The shipped rules on a part of the bench: `python -m benchmarks._shipped PART PARTS`.

Every `PARTS`th of the bases of 5 minutes or finer, from `PART` on, with steps and the larger
spikes. All copies are replayed in one go (`_product.episodes`); the bench scores them as it scores
any method. `PLIMSOLL_DETECTION_BENCH` names the folder of the bench. Rows of the table of
docs/benchmarks.md come out, the method alone on the same bases as the last one.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks._product import CHANGE, RELATIVE, Given, episodes, notices, rules
from benchmarks.detection import Found, Judged, detect, times, windows
from detector.paper import Episode
from storage.history import Floats, Ints

KINDS = ("level10", "level20", "level50", "spike5")
FAST_SECONDS = 300
COLUMNS = ("fa_week", "spike5", "level10", "level20", "level50", "level20_1h", "level50_1h")
ROWS = {
    "relative rule": (RELATIVE,),
    "change rule": (CHANGE,),
    "both, one notice an incident": (RELATIVE, CHANGE),
}
Detect = Callable[[Ints, Floats, str], Found]


class Recorder:
    """Remembers every series that the bench shows, and answers once they are replayed."""

    def __init__(self) -> None:
        self.series: list[tuple[Judged, str]] = []
        self.place: dict[tuple[bytes, bytes, str], int] = {}
        self.found: dict[tuple[int, str], list[Episode]] = {}

    def record(self, timestamps: Ints, values: Floats, direction: str) -> Found:
        """Take one, find nothing."""
        key = (timestamps.tobytes(), values.tobytes(), direction)
        if key not in self.place:
            self.place[key] = len(self.series)
            self.series.append((windows(timestamps, values), direction))
        return []

    def replay(self) -> None:
        """All of them in one go for each direction."""
        for way in ("up", "down"):
            which = [n for n, (_, one) in enumerate(self.series) if one in (way, "both")]
            given = [
                Given(one.values, one.first, one.seconds)
                for one, _ in (self.series[number] for number in which)
            ]
            found = episodes(given, rules(way)) if given else []
            self.found |= {(n, way): one for n, one in zip(which, found, strict=True)}

    def told(self, names: tuple[str, ...]) -> Detect:
        """What some of the rules told, as the bench asks for it."""

        def found(timestamps: Ints, values: Floats, direction: str) -> Found:
            number = self.place[timestamps.tobytes(), values.tobytes(), direction]
            mine = [self.found.get((number, way), []) for way in ("up", "down")]
            judged = self.series[number][0]
            return sorted(one for each in mine for one in times(judged, notices(each, names)))

        return found


def main(part: int, parts: int) -> None:
    """Score the rules on a part of the bench."""
    sys.path.insert(0, os.environ["PLIMSOLL_DETECTION_BENCH"])
    runner, data = importlib.import_module("bench.runner"), importlib.import_module("bench.data")
    fast = [one["id"] for one in data.bases("public") if one["step"] <= FAST_SECONDS]
    chosen = set(fast[part::parts])

    def scored(method: Detect) -> Any:
        timer = runner.Timer(method, time.process_time)
        bases = runner.run_b(timer, "public", kinds=KINDS, only=lambda one: one["id"] in chosen)
        return runner.sum_b(bases)["fast"]

    recorder = Recorder()
    scored(recorder.record)
    began = time.process_time()
    recorder.replay()
    spent, points = time.process_time() - began, sum(len(one.values) for one, _ in recorder.series)
    methods: dict[str, Detect] = {name: recorder.told(rule) for name, rule in ROWS.items()}
    for name, method in (methods | {"the method alone": detect}).items():
        found = scored(method)
        cells = " | ".join(f"{found[one]:.3f}" for one in COLUMNS)
        sys.stdout.write(f"| {name} | {cells} |\n")
    cost = f"{spent / points * 1e6:.0f} CPU-s for a million windows"
    sys.stdout.write(f"{len(chosen)} bases, {len(recorder.series)} series; {cost}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

"""The shipped rules on the bench, tick by tick: `python -m benchmarks._shipped PART PARTS FILE`.

Every `PARTS`th of the bases of 5 minutes or finer, from `PART` on, with steps, a ramp and spikes;
`PART` `A` are the labelled series. All copies are replayed in one go (`_product.episodes`); the
bench scores them as it scores any method. What it finds is added to FILE, a JSON object a line;
`python -m benchmarks._shipped FILE` sums up all that is there as rows of the table of
docs/benchmarks.md, the method alone on the same series as the last one. `PLIMSOLL_DETECTION_BENCH`
names the folder of the bench.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._product import CHANGE, RELATIVE, episodes, notices, rules
from benchmarks.detection import Found, Judged, detect, times, windows
from detector.paper import Episode
from storage.history import Floats, Ints

KINDS = ("level10", "level20", "level50", "ramp20", "spike2", "spike5")
FAST_SECONDS = 300
COLUMNS = (
    "series",
    "fa_week",
    "spike2",
    "spike5",
    "level10",
    "level20",
    "level50",
    "level20_1h",
    "level50_1h",
    "ramp20",
)
LABELLED = ("A1_f1", "A1_fa_week", "A2_f1")
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
        """All of them in one go for each direction and length of window."""
        lengths = sorted({one.seconds for one, _ in self.series})
        for way, seconds in ((way, one) for way in ("up", "down") for one in lengths):
            which = [
                n
                for n, (judged, one) in enumerate(self.series)
                if one in (way, "both") and judged.seconds == seconds
            ]
            given = [self.series[number][0].given for number in which]
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


def main(part: str, parts: int, file: Path) -> None:
    """Score the rules on a part of the bench, and add what is found to a file."""
    runner, data = bench("runner"), bench("data")
    fast = [one["id"] for one in data.bases("public") if one["step"] <= FAST_SECONDS]
    chosen = set() if part == "A" else set(fast[int(part) :: parts])

    def scored(method: Detect) -> Any:
        timer = runner.Timer(method, time.process_time)
        if part == "A":
            return runner.run_a(timer, "public")
        return runner.run_b(timer, "public", kinds=KINDS, only=lambda one: one["id"] in chosen)

    recorder = Recorder()
    scored(recorder.record)
    began = time.process_time()
    recorder.replay()
    spent, points = time.process_time() - began, sum(len(one.values) for one, _ in recorder.series)
    methods: dict[str, Detect] = {name: recorder.told(rule) for name, rule in ROWS.items()}
    methods["the method alone"] = detect
    with file.open("a") as into:
        for name, method in methods.items():
            rows = {"part": part, "method": name, "rows": scored(method)}
            into.write(json.dumps(rows, default=float) + "\n")
    cost = f"{spent / points * 1e6:.0f} CPU-s for a million windows"
    sys.stdout.write(f"{len(chosen)} bases, {len(recorder.series)} series; {cost}\n")


def sum_up(file: Path) -> None:
    """Print the table of all parts that are in a file."""
    runner = bench("runner")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    for name in dict.fromkeys(one["method"] for one in found):
        mine = [one for one in found if one["method"] == name]
        rows = [row for one in mine if one["part"] != "A" for row in one["rows"]]
        labelled = [row for one in mine if one["part"] == "A" for row in one["rows"]]
        fast = runner.sum_b(rows)["fast"] if rows else {}
        cells = [f"{fast[one]:.3f}" for one in COLUMNS if one in fast]
        if labelled:
            cells += [f"{runner.sum_a(labelled)[one]:.3f}" for one in LABELLED]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


def bench(name: str) -> Any:
    """A module of the bench."""
    folder = os.environ["PLIMSOLL_DETECTION_BENCH"]
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"bench.{name}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sum_up(Path(sys.argv[1]))
    else:
        main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

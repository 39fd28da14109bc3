"""What a steady tick asks of history and state, and what is kept of a series in memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from benchmarks._crowd import Crowd
from benchmarks._ticking import NOON_MS, detector_on
from detector.recent import Block, Recent
from detector.run import Detector
from storage.duckfile import DuckFile
from storage.state import State
from tests.detector.watch import MINUTE_MS, Watch
from tests.storage.asked import statements

READS = 6
"""Statements that a steady tick sends to the state, those that begin and end a transaction not."""


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    one = Watch(tmp_path)
    one.past("5")
    yield one
    one.close()


@contextmanager
def asked(state: State) -> Iterator[list[str]]:
    """The statements that are sent to the state meanwhile."""
    seen: list[str] = []

    def note(*given: Any) -> None:
        if not given[2].startswith(("BEGIN", "PRAGMA")):
            seen.append(given[2])

    event.listen(state.engine, "before_cursor_execute", note)
    yield seen
    event.remove(state.engine, "before_cursor_execute", note)


def test_a_tick_writes_windows_and_judgements_in_one_transaction_and_reads_nothing(
    watch: Watch,
) -> None:
    watch.level("5x3 30x3")
    watch.ticks(1, 3)
    with statements(watch.file) as seen:
        watch.ticks(4, 4)  # the first breach is refused, and that is written
    assert seen == ["BEGIN", "INSERT INTO windows", "INSERT INTO judgements", "COMMIT"]


def test_a_tick_with_nothing_new_to_say_writes_its_windows_all_the_same(watch: Watch) -> None:
    watch.level("5x8")
    watch.ticks(1, 6)
    with statements(watch.file) as seen:
        watch.ticks(7, 7)
    assert seen == ["BEGIN", "INSERT INTO windows", "COMMIT"]


def test_where_nothing_is_open_a_tick_asks_the_state_little(watch: Watch) -> None:
    watch.level("5x8")
    watch.ticks(1, 6)
    with asked(watch.state) as seen:
        watch.ticks(7, 7)
    assert len(seen) <= READS
    assert sum(one.startswith("UPDATE") for one in seen) == 1


def test_a_tick_that_is_done_already_leaves_nothing_held(watch: Watch) -> None:
    watch.level("5x8")
    watch.ticks(1, 6)
    watch.ticks(6, 6)
    assert watch.history.held == []


# --- memory ---


def arrays(root: object, *, without: tuple[type, ...] = ()) -> int:
    """The bytes of all arrays that can be reached, each once; not through some types.

    Nor through functions, whose modules hold what other tests have left.
    """
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, FunctionType, ModuleType, *without)):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            total += one.nbytes if one.base is None and one.dtype != object else 0
            waiting.append(one.base)
        waiting += gc.get_referents(one)
    return total


def crowded(directory: Path, count: int) -> tuple[DuckFile, Detector]:
    """A crowd of series after a quarter of an hour of ticks."""
    directory.mkdir()
    file = DuckFile(directory / "history.duckdb")
    detector, crowd = detector_on(directory, file, changes=True), Crowd(count)
    first_ms = NOON_MS + MINUTE_MS
    for number, samples in enumerate(crowd.minutes(first_ms, first_ms + 15 * MINUTE_MS)):
        detector.history.append(samples)
        detector.tick(first_ms + number * MINUTE_MS)
    return file, detector


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    file, detector = crowded(tmp_path_factory.mktemp("crowd") / "files", 400)
    yield detector
    detector.state.close()
    file.close()


def test_seven_days_of_a_series_take_five_or_six_bytes_a_window(crowd: Detector) -> None:
    each = {name: one.recent for name, one in crowd.windowing.held.items()}
    assert {name: bytes_a_window(one) for name, one in each.items()} == {
        "level": 5,  # five samples are behind each
        "flow": 6,
        "faults": 6,
        "p95": 6,
        "mean": 6,
        "within": 6,
    }
    assert {one.slots for one in each.values()} == {7 * 288 + 36 + 1}


def bytes_a_window(recent: Recent) -> float:
    held = sum(one.values.nbytes + one.n.nbytes for one in recent.blocks)
    return held / (recent.capacity * recent.slots)


def test_beside_its_days_a_series_takes_little(crowd: Detector) -> None:
    """The newest windows, samples, judgements and baselines: of 100,000 series some 180 MB."""
    rest = arrays((crowd.windowing, crowd.history), without=(Block,))
    assert 1_000 < rest / 400 < 1_900
    everything = arrays(crowd, without=(Block,))
    assert rest <= everything < 400 * 2_000


def test_the_rows_of_a_minute_are_one_array_for_all_minutes(crowd: Detector) -> None:
    current = crowd.windowing.held["level"].current
    rows = [one.rows for one in current.fine.values()]
    assert len(rows) >= 15
    assert len({id(one) for one in rows}) == 1

"""The past of single series: seven days from memory, the others read once and kept."""

from pathlib import Path

import numpy as np
import pytest

from detector.change import MEMORY_DAYS
from detector.current import Days
from detector.pasts import HELD_DAYS, Past, Pasts, cut_ms
from detector.sweep import Stretch, Sweep
from storage.series import Labels
from tests.detector.watch import DAY_MS, LEVEL, MINUTE_MS, NOON_MS, SERIES, Watch, definitions

FIVE_MS = 5 * MINUTE_MS
PER_DAY = 288
DAYS_THERE = 18
COARSE = {"level": LEVEL | {"window": "5m", "over": "5m"}}


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Eighteen days of windows, each of another value; one in seven is missing."""
    made = Watch(tmp_path, definitions({}, COARSE))
    number = np.arange(DAYS_THERE * PER_DAY)
    kept = number % 7 != 3
    ends = NOON_MS + FIVE_MS * (number - len(number) + 1)
    made.windows(ends[kept].tolist(), (number[kept] / 7).tolist())
    return made


def held_at(watch: Watch, end_ms: int) -> Days:
    """What is in memory at a time."""
    signal = watch.detector.definitions.signals["level"]
    sweep = Sweep(watch.history, Stretch(signal, end_ms - FIVE_MS, end_ms, False), FIVE_MS)
    sweep.begin()
    for _ in sweep.steps():
        pass
    return sweep.days


def read(watch: Watch, end_ms: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The same fifteen days as the history has them."""
    count = MEMORY_DAYS * PER_DAY
    start_ms = end_ms - count * FIVE_MS
    found = watch.history.windows("level", start_ms, end_ms, seconds=300, counts=False)
    values = np.full(count, np.nan)
    values[(found.end_ms - start_ms) // FIVE_MS - 1] = found.values
    return values.astype(np.float32).astype(np.float64)


def past_of(pasts: Pasts, watch: Watch, end_ms: int, version: int = 0) -> Past:
    return pasts.of(held_at(watch, end_ms), SERIES, end_ms, version)


@pytest.mark.parametrize("back", [0, 1, 100, 287])
def test_what_is_kept_moved_on_and_read_is_the_same(watch: Watch, back: int) -> None:
    kept = Pasts(watch.history)
    for end_ms in range(NOON_MS - 2 * DAY_MS, NOON_MS + 1, DAY_MS // 12):
        at_ms = end_ms - back * FIVE_MS
        past = past_of(kept, watch, at_ms)
        np.testing.assert_array_equal(past.values, read(watch, at_ms))
        np.testing.assert_array_equal(past.n > 0, np.isfinite(past.values))
        again = past_of(Pasts(watch.history), watch, at_ms)
        np.testing.assert_array_equal(past.values, again.values)
    assert kept.reads == 1  # two days later it was moved on by what is in memory
    watch.close()


def test_what_was_not_asked_for_a_day_or_has_another_past_is_read_anew(watch: Watch) -> None:
    pasts = Pasts(watch.history)
    for end_ms, version, reads in (
        (NOON_MS - 2 * DAY_MS, 0, 1),
        (NOON_MS - 2 * DAY_MS, 0, 1),
        (NOON_MS, 0, 2),
        (NOON_MS, 1, 3),
        (NOON_MS - 2 * DAY_MS, 1, 4),
    ):
        past = past_of(pasts, watch, end_ms, version)
        np.testing.assert_array_equal(past.values, read(watch, end_ms))
        assert pasts.reads == reads
    pasts.forget()
    past_of(pasts, watch, NOON_MS)
    assert pasts.reads == 5
    watch.close()


def test_the_series_asked_for_longest_ago_is_forgotten_first(watch: Watch) -> None:
    pasts = Pasts(watch.history, most=2)
    days = held_at(watch, NOON_MS)
    names = [Labels.of(target=one) for one in "abac"]
    for labels in names:
        pasts.of(days, labels, NOON_MS, 0)
    assert (len(pasts), pasts.reads) == (2, 3)
    pasts.of(days, names[0], NOON_MS, 0)
    assert pasts.reads == 3
    pasts.of(days, names[1], NOON_MS, 0)
    assert pasts.reads == 4
    watch.close()


def test_not_all_series_move_on_in_the_same_tick() -> None:
    cuts = {cut_ms(Labels.of(target=f"t{number}"), NOON_MS, FIVE_MS) for number in range(300)}
    assert len(cuts) > 100
    assert all(HELD_DAYS * DAY_MS <= NOON_MS - one < (HELD_DAYS + 1) * DAY_MS for one in cuts)
    assert all(one % FIVE_MS == 0 for one in cuts)

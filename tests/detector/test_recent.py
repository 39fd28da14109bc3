"""The ring of judged windows: what was put in comes out, bounded in time and in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.recent import BLOCK_ROWS, FIRST_ROWS, Budget, Recent

STEP_MS = 300_000
SLOTS = 12
START_MS = 1_772_452_800_000


def ring(bytes_max: int = 2**30, slots: int = SLOTS) -> Recent:
    return Recent(STEP_MS, slots, Budget(bytes_max))


def at(slot: int) -> int:
    return START_MS + slot * STEP_MS


def put(recent: Recent, *rows: tuple[int, int, float, float]) -> int:
    """Windows as (series, slot, value, n); how many found no room."""
    series, slots, values, n = (np.array(column) for column in zip(*rows, strict=True))
    ends = START_MS + slots.astype(np.int64) * STEP_MS
    return recent.put(series.astype(np.int64), ends, values.astype(float), n.astype(float))


def told(recent: Recent, first: int, last: int) -> dict[tuple[int, int], tuple[float, float]]:
    """Value and n of each window between two slots, by series and slot."""
    part = recent.matrix(at(first - 1), at(last))
    assert part.end_ms.tolist() == [at(slot) for slot in range(first, last + 1)]
    assert ((part.n == 0) | ~np.isnan(part.values)).all()
    return {
        (int(part.rows[i]), first + int(j)): (float(part.values[i, j]), float(part.n[i, j]))
        for i, j in zip(*np.nonzero(~np.isnan(part.values)), strict=True)
    }


def test_what_was_put_in_comes_out_and_what_is_too_old_does_not() -> None:
    recent = ring()
    recent.advance(at(11))
    put(recent, (0, 0, 1.5, 3), (7, 0, 2.5, 4), (0, 11, 9.0, 1), (7, 12, 1.0, 1))
    assert told(recent, 0, 11) == {(0, 0): (1.5, 3), (7, 0): (2.5, 4), (0, 11): (9.0, 1)}
    recent.advance(at(12))
    put(recent, (7, 0, 8.0, 1))  # fallen out
    assert told(recent, -5, 20) == {(0, 11): (9.0, 1)}
    recent.advance(at(40))
    assert told(recent, 20, 40) == {}


def test_a_window_that_comes_again_replaces_and_a_blank_span_is_empty() -> None:
    recent = ring()
    recent.advance(at(11))
    put(recent, (0, 3, 1.0, 1), (0, 4, 1.0, 1), (0, 5, 1.0, 1))
    put(recent, (0, 4, 2.0, 5))
    assert told(recent, 0, 11)[0, 4] == (2.0, 5)
    recent.blank(at(3), at(4))
    assert set(told(recent, 0, 11)) == {(0, 3), (0, 5)}
    recent.blank(at(-100), at(100))
    assert told(recent, 0, 11) == {}


def test_the_version_says_whether_something_older_was_written() -> None:
    recent = ring()
    recent.advance(at(10))
    before = recent.version
    recent.advance(at(11))
    put(recent, (0, 11, 1.0, 1))
    assert recent.version == before
    put(recent, (0, 10, 1.0, 1))
    assert recent.version > before


@pytest.mark.parametrize(
    ("before", "n", "each_bytes"),
    [
        (255, 254.0, 5),
        (255, 256.0, 6),
        (65535, 3.0, 6),
        (255, 0.5, 8),
        (65535, 0.5, 8),
        (65535, 65536.0, 8),
        (255, 7e9, 8),
    ],
)
def test_n_takes_as_few_bytes_as_hold_it_and_more_when_it_grows(
    before: float, n: float, each_bytes: int
) -> None:
    recent = ring()
    recent.advance(at(11))
    put(recent, (0, 0, 1.0, before))
    put(recent, (1, 1, 1.0, n))
    assert told(recent, 0, 11) == {(0, 0): (1.0, before), (1, 1): (1.0, float(np.float32(n)))}
    held = sum(one.values.nbytes + one.n.nbytes for one in recent.blocks)
    assert recent.budget.used == held == FIRST_ROWS * SLOTS * each_bytes


def test_series_beyond_the_memory_are_left_out_and_counted() -> None:
    recent = ring(FIRST_ROWS * SLOTS * 5)
    recent.advance(at(11))
    assert put(recent, *((row, 0, 1.0, 1) for row in range(FIRST_ROWS + 3))) == 3
    assert len(told(recent, 0, 11)) == FIRST_ROWS
    assert put(recent, (0, 1, 1.0, 1), (FIRST_ROWS + 1, 1, 1.0, 1)) == 1
    recent.clear()
    assert recent.budget.used == 0
    recent.advance(at(11))
    assert put(recent, (FIRST_ROWS + 1, 1, 1.0, 1)) == 0


def test_very_many_series_come_in_parts() -> None:
    recent, count = ring(), 3 * BLOCK_ROWS
    recent.advance(at(11))
    put(recent, *((row, row % 5, float(row), 1) for row in range(count)))
    parts = list(recent.parts(at(-1), at(11)))
    assert max(len(part.rows) for part in parts) == BLOCK_ROWS
    rows = np.concatenate([part.rows for part in parts])
    assert rows.tolist() == list(range(count))
    largest = np.concatenate([np.nanmax(part.values, axis=1) for part in parts])
    assert largest.tolist() == list(range(count))


WRITES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 40), st.floats(-1e3, 1e3), st.integers(1, 9)),
    max_size=60,
)


@settings(max_examples=60)
@given(WRITES)
def test_a_ring_that_grew_and_one_that_was_filled_at_once_are_the_same(
    rows: list[tuple[int, int, float, int]],
) -> None:
    grown, filled = ring(), ring()
    for slot in range(41):
        grown.advance(at(slot))
        mine = [row for row in rows if row[1] == slot]
        if mine:
            put(grown, *mine)
    filled.advance(at(40))
    if rows:
        put(filled, *sorted(rows, key=lambda row: row[1]))
    assert sorted(told(grown, 20, 40).items()) == sorted(told(filled, 20, 40).items())

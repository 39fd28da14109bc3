"""Which spans have been read: arithmetic of spans, and that a file remembers them."""

from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.coverage import Coverage, Of, inward, missing, united
from storage.duckfile import DuckFile

SPAN = st.tuples(st.integers(0, 60), st.integers(0, 60))
SPANS = st.lists(SPAN, max_size=8)
LEVEL = Of("level", "abc", 60.0)


def ticks(spans: object) -> set[int]:
    """The times in spans, one by one: (start, end]."""
    return {at for start, end in spans for at in range(start + 1, end + 1)}  # type: ignore[attr-defined]


@given(SPANS)
def test_united_spans_hold_the_same_times_and_neither_touch_nor_overlap(
    spans: list[tuple[int, int]],
) -> None:
    found = united(spans)
    assert ticks(found) == ticks(spans)
    assert all(one[1] < other[0] for one, other in pairwise(found))


@given(SPANS, SPAN)
def test_what_is_missing_and_what_is_there_make_the_whole(
    spans: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    found = missing(wanted, united(spans))
    assert ticks(found) == ticks([wanted]) - ticks(spans)


@given(SPANS, st.integers(1, 9))
def test_inward_are_the_whole_steps_of_a_grid(spans: list[tuple[int, int]], step: int) -> None:
    whole = united(spans)
    expected = {
        edge
        for edge in range(0, 61, step)
        if any(start <= edge and edge + step <= end for start, end in whole)
    }
    found = inward(whole, step)
    assert {at for start, end in found for at in range(start, end, step)} == expected


def test_a_file_remembers_what_was_read(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    coverage = Coverage(file)
    coverage.add({LEVEL: [(0, 100)], Of("level", "abc", 300.0): [(0, 50)]}, 0)
    coverage.add({LEVEL: [(200, 300), (100, 150)]}, 20)
    file.close()
    again = DuckFile(tmp_path / "history.duckdb")
    found = Coverage(again)
    assert found.spans(LEVEL) == ((20, 150), (200, 300))
    assert found.spans(Of("level", "abc", 300.0)) == ((0, 50),)
    assert found.spans(Of("level", "another", 60.0)) == ()
    found.add({Of("level", "another", 60.0): [(0, 10)]}, 0)
    again.close()
    last = DuckFile(tmp_path / "history.duckdb")
    assert Coverage(last).spans(LEVEL) == (), "what another definition read is forgotten"
    last.close()


def test_all_of_a_round_is_noted_or_nothing(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    coverage = Coverage(file)
    coverage.add({LEVEL: [(0, 100)]}, 0)
    file.cursor().execute("ALTER TABLE read_spans RENAME TO elsewhere")
    with pytest.raises(duckdb.CatalogException):
        coverage.add({LEVEL: [(100, 200)]}, 0)
    assert coverage.spans(LEVEL) == ((0, 100),)
    file.close()

import numpy as np
import pytest

from detector.expected import middle, ordered, trailing
from detector.ranks import by_size, middle_of, ranked, trailing_by_rank
from storage.history import Floats


def with_gaps(windows: int) -> Floats:
    generator = np.random.default_rng(windows)
    values: Floats = generator.normal(size=(2, windows))
    values[generator.random(values.shape) < 0.2] = np.nan
    return values


@pytest.mark.parametrize("windows", [1, 5, 40, 300])
@pytest.mark.parametrize("counts", [(1,), (7,), (5, 11), (8, 12), (2, 3, 6, 12)])
def test_what_is_merged_is_what_sorting_each_slot_s_values_gives(
    windows: int, counts: tuple[int, ...]
) -> None:
    values = with_gaps(windows)
    merged = trailing_by_rank(values, counts)
    assert set(merged) == set(counts)
    for count, by_rank in merged.items():
        in_order = ordered(trailing(values, count))
        found = np.stack(by_rank, axis=-1)
        assert np.array_equal(np.where(np.isinf(found), np.nan, found), in_order, equal_nan=True)
        assert np.array_equal(middle_of(by_rank), middle(in_order), equal_nan=True)


def test_a_rank_is_known_where_enough_values_are() -> None:
    values = np.array([3.0, np.nan, 1.0, 2.0, np.nan])
    by_rank = trailing_by_rank(values, (3,))[3]
    assert np.array_equal(ranked(by_rank, 0, 2), [np.nan, np.nan, 1.0, 1.0, 1.0], equal_nan=True)


def test_rows_of_any_number_are_put_in_order() -> None:
    rows = np.random.default_rng(0).normal(size=(9, 50))
    for count in range(1, 10):
        assert np.array_equal(by_size(list(rows[:count])), np.sort(rows[:count], axis=0))

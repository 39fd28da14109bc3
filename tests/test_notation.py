"""The notation in which series are written for tests."""

import math

import pytest

from tests.notation import array, cases, numbers


def test_a_count_means_what_it_says() -> None:
    assert numbers("1x3 2 -3.5x2") == [1.0, 1.0, 1.0, 2.0, -3.5, -3.5]
    assert len(numbers("100~5x40 _x3 133~5x20")) == 63


def test_give_or_take_is_seeded_and_stays_within() -> None:
    first = numbers("100~5x400")
    assert first == numbers("100~5x400")
    assert first != numbers("100~5x400", seed=8)
    assert all(one is not None and 95 <= one <= 105 for one in first)
    assert len(set(first)) == 400


def test_gaps_and_odd_numbers_are_written_as_words() -> None:
    assert numbers("_ 1 _x2") == [None, 1.0, None, None]
    assert numbers("Inf -Inf 1e-3") == [math.inf, -math.inf, 0.001]
    assert math.isnan(array("NaN 1")[0])
    assert math.isnan(array("_ 1")[0])


def test_nothing_is_an_empty_series() -> None:
    assert numbers("") == []


@pytest.mark.parametrize("text", ["1y3", "x3", "~5", "_~5", "1~", "1x", "1,2", "one"])
def test_what_is_no_part_of_a_series_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no part of a series"):
        numbers(text)


def test_cases_are_read_as_strings() -> None:
    first = cases("absolute")[0]
    assert first.id == first.values[0]["case"]
    assert isinstance(first.values[0]["recent"], str)

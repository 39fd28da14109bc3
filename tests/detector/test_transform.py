import numpy as np
import pytest

from detector.transform import linear, logarithmic, usual_size, without_trifles


def test_a_fifth_more_is_the_same_distance_everywhere() -> None:
    values = np.array([0.2, 5.0, 80.0])
    apart = logarithmic(values * 1.2, 1e-6) - logarithmic(values, 1e-6)
    assert apart == pytest.approx([np.log(1.2)] * 3, abs=1e-6)


def test_zero_is_low_but_not_infinitely_so_and_missing_stays_missing() -> None:
    result = logarithmic(np.array([0.0, -1.0, np.nan]), 100.0)
    assert result[:2].tolist() == [0.0, 0.0]
    assert np.isnan(result[2])


def test_a_rise_from_nothing_to_little_is_no_rise_and_a_fall_to_nothing_is_one() -> None:
    nothing, little, usual, missing = without_trifles(np.array([0.0, 7.0, 100.0, np.nan]), 100.0)
    assert (nothing, little, usual) == (10.0, 10.0, 100.0)
    assert np.isnan(missing)


def test_the_usual_size_leaves_zeros_out() -> None:
    assert usual_size(np.array([0.0, 0.0, 3.0, 5.0, 4.0])) == 4.0
    assert usual_size(np.zeros(3)) == 1.0


def test_values_that_may_be_negative_are_measured_by_their_own_spread() -> None:
    reference = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, np.nan])
    assert linear(np.array([10.0]), reference).tolist() == [1.0]
    assert linear(np.array([10.0]), np.zeros(4)).tolist() == [1.0]

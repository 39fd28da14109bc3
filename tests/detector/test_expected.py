import numpy as np

from detector.expected import middle, ordered, same_hours, shifted, trailing


def test_trailing_windows_end_at_their_slot_and_begin_with_nothing() -> None:
    rows = trailing(np.arange(5.0), 2, stride=2)
    assert rows[4].tolist() == [2.0, 4.0]
    assert np.isnan(rows[1, 0])
    assert rows[1, 1] == 1.0


def test_the_middle_is_the_lower_one_of_what_is_known() -> None:
    rows = ordered(np.array([[4.0, 1.0, 3.0, 2.0], [np.nan, 7.0, 5.0, np.nan], [np.nan] * 4]))
    assert middle(rows)[:2].tolist() == [2.0, 5.0]
    assert np.isnan(middle(rows)[2])


def test_shifted_values_are_those_of_so_many_windows_ago() -> None:
    assert shifted(np.array([1.0, 2.0, 3.0]), 2)[2] == 1.0
    assert np.isnan(shifted(np.array([1.0, 2.0]), 5)).all()


def test_one_odd_day_does_not_change_what_is_expected() -> None:
    per_day, generator = 24, np.random.default_rng(1)
    pattern = np.tile(np.sin(np.arange(per_day)), 9) + 0.01 * generator.normal(size=9 * per_day)
    odd = pattern.copy()
    odd[3 * per_day : 4 * per_day] += 5.0
    apart = same_hours(odd, per_day, 0)[-per_day:] - same_hours(pattern, per_day, 0)[-per_day:]
    assert np.abs(apart).max() < 0.05


def test_with_less_than_two_days_nothing_is_expected() -> None:
    values = np.ones(24 * 3)
    expected = same_hours(values, 24, 0)
    assert np.isnan(expected[: 2 * 24]).all()
    assert (expected[2 * 24 :] == 1.0).all()

import numpy as np

from detector.change import beginning
from detector.localise import localise
from detector.method import five_minutes


def test_a_step_is_found_where_it_is() -> None:
    generator = np.random.default_rng(2)
    for onset in (20, 60, 100):
        values = generator.normal(size=140) * 0.1
        values[onset:] += 0.5
        change = localise(values)
        assert change is not None
        assert abs(change.best - onset) <= 1
        assert change.first <= change.best <= change.last
        assert abs(change.after - change.before - 0.5) < 0.1


def test_the_interval_holds_the_truth_also_when_the_step_is_faint() -> None:
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(100):
        values = generator.normal(size=200) + np.where(np.arange(200) >= 120, 1.0, 0.0)
        change = localise(values)
        assert change is not None
        held += change.first <= 120 <= change.last
    assert held >= 90


def test_one_spike_is_not_the_change() -> None:
    values = np.random.default_rng(6).normal(size=100) * 0.1
    values[60:] += 0.5
    values[10] = 50.0
    change = localise(values)
    assert change is not None
    assert abs(change.best - 60) <= 1


def test_missing_windows_are_left_out_and_too_few_say_nothing() -> None:
    values = np.random.default_rng(8).normal(size=80) * 0.1
    values[50:] += 1.0
    values[::7] = np.nan
    change = localise(values)
    assert change is not None
    assert abs(change.best - 50) <= 1
    assert localise(values[:5]) is None


def test_the_error_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(10)
    covered = 0
    for _ in range(200):
        values = generator.normal(size=288) * 0.2
        values[144:] += 0.5
        change = localise(values)
        assert change is not None
        covered += abs(change.after - change.before - 0.5) <= 2 * change.error
    assert covered >= 175


def test_constant_values_have_no_place_of_change_but_do_not_fail() -> None:
    change = localise(np.ones(20))
    assert change is not None
    assert change.before == change.after


def test_a_gap_in_the_span_makes_the_change_no_earlier() -> None:
    span = five_minutes().spans[0]
    values = np.random.default_rng(12).normal(size=100) * 0.02
    values[94:] += 1.0
    values[92] = np.nan  # seven of eight are known: six above are evidence enough
    found = beginning(values, np.zeros(100), 99, span)
    assert found is not None
    assert found.first + found.change.first <= 94 <= found.first + found.change.last

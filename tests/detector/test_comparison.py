"""Before and after a moment: intervals of medians, and what is told of two of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.comparison import (
    CONFIDENCE,
    Beside,
    Outcome,
    compare,
    independent,
    median,
    rank,
)
from detector.finding import Check
from detector.form import Direction
from storage.history import Floats


def around(value: float, n: int = 12, spread: float = 0.01) -> Floats:
    """Windows about a value, evenly on both sides of it, in no order."""
    steps = np.random.default_rng(n).permutation(np.linspace(-1, 1, n))
    return np.asarray(value * (1 + spread * steps), np.float64)


def days(before: float, after: float, n: int = 7) -> tuple[Floats, Floats]:
    """Earlier days that went from one level to the other."""
    wobble = 1 + 0.005 * np.linspace(-1, 1, n)[:, None]
    return around(before) * wobble, around(after) * wobble


def coverage(n: int) -> float:
    """How often the interval of so many values holds the median: exact, by whole numbers."""
    outside = sum(math.comb(n, k) for k in range(rank(n) + 1))
    return float(1 - 2 * outside / 2**n)


@pytest.mark.parametrize("n", [6, 7, 12, 15, 60, 120, 288])
def test_the_interval_is_the_shortest_that_holds_the_median_with_95_percent(n: int) -> None:
    assert coverage(n) >= CONFIDENCE
    wider = 2 * sum(math.comb(n, k) for k in range(rank(n) + 2)) / 2**n
    assert 1 - wider < CONFIDENCE


def test_five_values_have_no_interval_and_six_have_their_extremes() -> None:
    assert rank(5) == -1
    assert median(around(100, 5)) is None
    found = median(around(100, 6))
    assert found is not None
    assert (found.low, found.high, found.n) == (99.0, 101.0, 6)


def test_gaps_are_no_values() -> None:
    values = np.append(around(100, 6), [np.nan, np.inf])
    found = median(values)
    assert found is not None
    assert found.n == 6
    assert median(np.append(around(100, 5), np.full(20, np.nan))) is None


@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=60), st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(values: list[float], factor: float) -> None:
    one, other = median(np.array(values)), median(np.array(values) * factor)
    assert one is not None
    assert other is not None
    assert one.low <= one.value <= one.high
    assert other.value == pytest.approx(one.value * factor)


@pytest.mark.parametrize(
    ("after", "worse", "outcome"),
    [
        (150, Direction.UP, Outcome.WORSE),
        (60, Direction.UP, Outcome.BETTER),
        (60, Direction.DOWN, Outcome.WORSE),
        (150, Direction.DOWN, Outcome.BETTER),
        (150, None, Outcome.MOVED),
        (103, Direction.UP, Outcome.STEADY),  # apart, and less than 5 %
    ],
)
def test_a_difference_is_told_in_the_direction_that_counts(
    after: float, worse: Direction | None, outcome: Outcome
) -> None:
    found = compare(Beside(around(100), around(after)), worse)
    assert found.outcome is outcome
    assert found.ratio == pytest.approx(after / 100)
    assert found.slots.check is Check.UNKNOWN


def test_within_their_intervals_medians_are_alike_however_far_apart_they_are() -> None:
    found = compare(Beside(around(100, spread=0.5), around(120, spread=0.5)), Direction.UP)
    assert found.outcome is Outcome.STEADY
    many = around(100, 60, 0.5), around(180, 60, 0.5)
    found = compare(Beside(*many), Direction.UP)
    assert found.outcome is Outcome.WORSE


def walk(rng: np.random.Generator, alike: float, n: int) -> Floats:
    """Windows about 100 that resemble their neighbours."""
    noise = rng.standard_normal(n)
    for i in range(1, n):
        noise[i] = alike * noise[i - 1] + math.sqrt(1 - alike**2) * noise[i]
    return np.asarray(100 * np.exp(0.2 * noise), np.float64)


@pytest.mark.parametrize("likeness", [0.0, 0.6, 0.9])
def test_windows_that_resemble_each_other_are_seldom_taken_for_a_change(likeness: float) -> None:
    rng = np.random.default_rng(5)
    told = 0
    for _ in range(400):
        row = walk(rng, likeness, 120)
        found = compare(Beside(row[:60], row[60:]), Direction.UP)
        told += found.outcome in (Outcome.WORSE, Outcome.BETTER)
    assert told <= 0.04 * 400


def test_windows_that_resemble_each_other_count_for_less() -> None:
    rng = np.random.default_rng(6)
    free, bound = walk(rng, 0.0, 600), walk(rng, 0.8, 600)
    assert independent(free, free) == pytest.approx(1, abs=0.15)
    assert independent(bound, bound) == pytest.approx(0.2 / 1.8, abs=0.05)
    wide, narrow = median(bound, independent(bound, bound)), median(bound)
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert independent(np.full(12, 5.0), np.full(12, 7.0)) > 0.8  # a change is no likeness
    assert independent(np.full(59, 0.3), np.full(7, 0.6)) > 0.9  # nor is rounding


def test_too_few_windows_on_a_side_are_unknown_and_never_steady() -> None:
    found = compare(Beside(around(100), around(100, 5)), Direction.UP)
    assert found.outcome is Outcome.UNKNOWN
    assert found.before is not None
    assert found.after is None
    assert compare(Beside(around(100, 0), around(100)), None).outcome is Outcome.UNKNOWN


def test_what_the_days_before_did_at_that_time_is_usual() -> None:
    one = Beside(around(100), around(150))
    was, became = days(100, 150)
    found = compare(replace(one, earlier_before=was, earlier_after=became), Direction.UP)
    assert found.outcome is Outcome.USUAL
    assert found.slots.usual == pytest.approx(1.5, rel=0.02)
    was, became = days(100, 100)
    found = compare(replace(one, earlier_before=was, earlier_after=became), Direction.UP)
    assert (found.outcome, found.slots.check) == (Outcome.WORSE, Check.PASSED)


def test_two_earlier_days_say_nothing() -> None:
    was, became = days(100, 150, 2)
    one = Beside(around(100), around(150), earlier_before=was, earlier_after=became)
    found = compare(one, Direction.UP)
    assert (found.outcome, found.slots.check) == (Outcome.WORSE, Check.UNKNOWN)


def test_earlier_days_are_compared_with_windows_of_their_own_length() -> None:
    was, became = days(100, 150)
    one = Beside(around(100), around(150), around(100), around(100), was, became)
    assert compare(one, Direction.UP).slots.change == pytest.approx(1.0)


def test_from_nothing_to_something_has_no_ratio_and_is_told() -> None:
    found = compare(Beside(np.zeros(12), around(0.2)), Direction.UP)
    assert (found.outcome, found.ratio) == (Outcome.WORSE, None)
    assert compare(Beside(np.zeros(12), np.zeros(12)), Direction.UP).outcome is Outcome.STEADY

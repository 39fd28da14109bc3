"""Whether two series move together: not by chance, not by the hour, not by having got worse."""

import numpy as np
import pytest

from detector.shape import LEAST_SHARE, LEAST_STEPS, Agreement, Likeness, agreement
from storage.history import Floats

SIZE = 150


def noise(rng: np.random.Generator, phi: float) -> Floats:
    """AR(1) noise of variance about 1."""
    made = [0.0]
    for shock in np.sqrt(1 - phi**2) * rng.standard_normal(SIZE + 50):
        made.append(phi * made[-1] + shock)
    return np.array(made[-SIZE:], np.float64)


def step(size: float = 5.0) -> Floats:
    return np.where(np.arange(SIZE) >= SIZE - 20, size, 0.0)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_strangers_that_get_worse_in_one_minute_are_not_alike(phi: float) -> None:
    rng = np.random.default_rng(3)
    hour_of_day = 4 * np.sin(np.arange(SIZE) / 90)
    found = [
        agreement(
            10 + noise(rng, phi) + step() + hour_of_day, 10 + noise(rng, phi) + step() + hour_of_day
        )
        for _ in range(400)
    ]
    wrong = sum(one.likeness is Likeness.TOGETHER for one in found)
    assert wrong <= 4  # the luck of 24 comparisons shared is 0.04 % for each, 0.17 of 400


@pytest.mark.parametrize(("shared", "least"), [(0.7, 0.99), (0.5, 0.6)])
def test_what_shares_its_movement_is_found(shared: float, least: float) -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        common = noise(rng, 0.5)
        one, other = (
            10 + np.sqrt(shared) * common + np.sqrt(1 - shared) * noise(rng, 0.5) + step()
            for _ in range(2)
        )
        found.append(agreement(one, other).likeness is Likeness.TOGETHER)
    assert np.mean(found) >= least


def test_a_hit_rate_and_a_time_move_in_opposite_ways() -> None:
    rng = np.random.default_rng(7)
    common = noise(rng, 0.3)
    assert agreement(5 + common, 5 - common, opposed=True).likeness is Likeness.TOGETHER
    assert agreement(5 + common, 5 - common).likeness is Likeness.APART


def test_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(9)
    one = noise(rng, 0.5)
    other = one + 0.5 * noise(rng, 0.5)
    assert agreement(one, other) == agreement(1000 * one + 3, other * 1e-6)


def test_gaps_are_left_out_and_too_little_is_unknown() -> None:
    rng = np.random.default_rng(1)
    one = noise(rng, 0.0)
    holes = one.copy()
    holes[::7] = np.nan
    found = agreement(one, holes)
    assert (found.likeness, found.share) == (Likeness.TOGETHER, 1.0)
    assert LEAST_STEPS <= found.steps < SIZE - 1
    assert agreement(one[:LEAST_STEPS], one[:LEAST_STEPS]).likeness is Likeness.UNKNOWN
    assert agreement(one[: LEAST_STEPS + 1], one).likeness is Likeness.TOGETHER
    assert agreement(np.full(SIZE, np.nan), one) == Agreement(Likeness.UNKNOWN, 0.0, 0)
    assert agreement(np.full(SIZE, 2.0), one).likeness is Likeness.UNKNOWN
    assert agreement(np.empty(0), one).likeness is Likeness.UNKNOWN


def test_many_steps_do_not_make_a_weak_likeness_strong() -> None:
    rng = np.random.default_rng(2)
    one = np.cumsum(rng.choice([-1.0, 1.0], 20_001))
    same = rng.random(20_000) < 0.57
    other = np.cumsum(np.concatenate([[0.0], np.where(same, 1, -1) * np.diff(one)]))
    found = agreement(one, other)
    assert 0.5 < found.share < LEAST_SHARE
    assert found.likeness is Likeness.APART

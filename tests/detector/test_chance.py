"""Bands of quantiles and shares hold what they promise, whatever the distribution is."""

import math

import numpy as np
import pytest

from detector.chance import (
    LEAST_COMPARED,
    Estimate,
    deviations,
    difference,
    of_quantile,
    of_share,
    quantile,
    quantile_edge,
    share_edge,
)
from storage.history import Floats

FINE = (*np.linspace(0.02, 12, 600).tolist(), math.inf)


def binned(values: Floats) -> Floats:
    return np.histogram(values, [0, *FINE])[0].astype(np.float64)


def test_a_confidence_is_so_many_deviations() -> None:
    assert deviations(0.99) == pytest.approx(2.575829, abs=1e-5)


@pytest.mark.parametrize(("n", "m"), [(200, 400), (200, 200), (500, 3500)])
@pytest.mark.parametrize("shape", ["lognormal", "two kinds of visitors"])
def test_with_no_change_a_band_is_beyond_as_rarely_as_it_says(n: int, m: int, shape: str) -> None:
    rng, beyond, rounds = np.random.default_rng(n + m), 0, 800

    def drawn(count: int) -> Floats:
        values = rng.lognormal(math.log(1.6), 0.7, count)
        return np.where(rng.random(count) < 0.3, values * 2.5, values) if "two" in shape else values

    for _ in range(rounds):
        edge, past = quantile_edge(
            FINE, binned(drawn(n)), binned(drawn(m)), 0.75, deviations(0.95), upwards=True
        )
        beyond += edge > past
    # One side of 95 % is 2.5 %; the normal approximation of the binomial and the interpolation cost
    # up to 2 more of so few. Without what m leaves open it would be 7 to 12 %.
    assert 0.008 < beyond / rounds < 0.058


def test_what_is_known_of_the_days_before_widens_the_band() -> None:
    rng = np.random.default_rng(3)
    now, before = (binned(rng.lognormal(0.5, 0.7, count)) for count in (400, 400))
    few, _ = quantile_edge(FINE, now, before, 0.75, 2.0, upwards=True)
    many, _ = quantile_edge(FINE, now, before * 1000, 0.75, 2.0, upwards=True)
    alone = quantile(FINE, now, 0.75 - 2 * math.sqrt(0.1875 / 400))
    assert few < many
    assert many == pytest.approx(alone, rel=0.001)


@pytest.mark.parametrize(("n", "least"), [(200, 0.55), (500, 0.9)])
def test_a_fifth_more_is_beyond_its_band(n: int, least: float) -> None:
    rng, beyond = np.random.default_rng(n), 0
    for _ in range(200):
        now, before = (
            binned(rng.lognormal(math.log(m), 0.7, c)) for m, c in ((1.92, n), (1.6, 7 * n))
        )
        edge, past = quantile_edge(FINE, now, before, 0.75, deviations(0.99), upwards=True)
        beyond += edge > past
    assert beyond / 200 > least


def test_downwards_the_other_edge_is_the_nearer_one() -> None:
    rng = np.random.default_rng(4)
    now, before = binned(rng.lognormal(0, 0.5, 500)), binned(rng.lognormal(0.5, 0.5, 5000))
    edge, past = quantile_edge(FINE, now, before, 0.75, 2.5, upwards=False)
    assert quantile(FINE, now, 0.75) < edge < past


def test_too_few_before_are_nothing_to_hold_a_band_against() -> None:
    some = binned(np.full(LEAST_COMPARED - 1, 1.0))
    assert np.isnan(quantile_edge(FINE, some, some, 0.75, 2.0, upwards=True)).all()
    assert np.isnan(share_edge((5, 10), (3, LEAST_COMPARED - 1), 2.0, upwards=True)).all()
    enough = binned(np.full(LEAST_COMPARED, 1.0))
    assert np.isfinite(quantile_edge(FINE, some, enough, 0.75, 2.0, upwards=True)).all()
    assert np.isfinite(share_edge((5, 10), (3, LEAST_COMPARED), 2.0, upwards=True)).all()


def test_the_edge_of_a_share_is_the_test_of_two_proportions() -> None:
    (x, n), (y, m) = (430, 500), (3150, 3500)
    pooled = (x + y) / (n + m)
    z = (x / n - y / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    just = share_edge((x, n), (y, m), abs(z) - 1e-6, upwards=False)
    over = share_edge((x, n), (y, m), abs(z) + 1e-6, upwards=False)
    assert just[0] < just[1] == 0.9
    assert over[0] > over[1]
    up = share_edge((n - x, n), (m - y, m), abs(z) - 1e-6, upwards=True)
    assert up[0] > up[1]


def test_a_score_interval_stays_between_nothing_and_all() -> None:
    # Wilson's interval of 0 of 10 and of 10 of 10, as tables have it.
    assert of_share(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert of_share(10, 10).low == pytest.approx(0.7225, abs=1e-4)
    assert math.isnan(of_share(0, 0).value)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table II (a): 56/70 - 48/80 is 0.0524 to 0.3339.
    gap = difference(of_share(48, 80), of_share(56, 70))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert gap.n == 70


def test_the_interval_of_a_difference_of_quantiles_holds_the_truth() -> None:
    rng, held = np.random.default_rng(9), 0
    factor = math.exp(0.6745 * 0.7)
    for _ in range(400):
        before, after = (
            of_quantile(FINE, binned(rng.lognormal(math.log(m), 0.7, 300)), 0.75)
            for m in (1.6, 2.0)
        )
        gap = difference(before, after)
        held += gap.low <= 0.4 * factor <= gap.high
    assert 0.92 < held / 400 < 0.99


def test_an_estimate_of_nothing_is_not_known() -> None:
    nothing = of_quantile(FINE, np.zeros(len(FINE)), 0.75)
    assert math.isnan(nothing.value)
    assert nothing.n == 0
    assert math.isnan(difference(nothing, Estimate(1, 0.5, 1.5, 10)).low)

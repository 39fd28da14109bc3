"""The p75 of buckets, its band, and what counts as a difference."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from prometheus_client.utils import floatToGoString

from collector.rum.percentile import (
    BOUNDS,
    P75,
    Comparison,
    band,
    compare,
    percentile,
    shares,
    two_proportions,
)
from collector.rum.vitals import VITALS
from detector.buckets import Buckets


def counted(metric: str, values: list[float]) -> list[float]:
    vital = VITALS[metric]
    counts = [0.0] * (len(vital.edges) + 1)
    for value in values:
        counts[vital.bucket(value)] += 1
    return counts


def lognormal(median: float, sigma: float, n: int) -> list[float]:
    """Quantiles of the distribution, evenly spaced: the same without chance."""
    normal = NormalDist(math.log(median), sigma)
    return [math.exp(normal.inv_cdf((i + 0.5) / n)) for i in range(n)]


@pytest.mark.parametrize("metric", list(VITALS))
def test_the_percentile_is_that_of_the_detector(metric: str) -> None:
    rng = np.random.default_rng(3)
    bounds = BOUNDS[metric]
    for _ in range(50):
        counts = rng.integers(0, 20, len(bounds)) * (rng.random(len(bounds)) < 0.4)
        cumulative = np.cumsum(counts).astype(float)[None, :]
        expected = Buckets((bounds,), np.zeros(1, np.int64), cumulative).quantile(P75)[0]
        assert percentile(bounds, counts.tolist(), P75) == pytest.approx(expected, nan_ok=True)


def test_the_percentile_of_the_edges_is_off_by_two_percent_at_most() -> None:
    for scale in (0.6, 0.8, 1.0, 1.3, 1.7, 2.2):
        values = lognormal(1.6 * scale, 0.7, 20_000)
        true = sorted(values)[15_000]
        assert percentile(BOUNDS["LCP"], counted("LCP", values), P75) == pytest.approx(
            true, rel=0.02
        )


def test_the_band_holds_the_true_percentile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    true = math.exp(NormalDist(math.log(1.6), 0.7).inv_cdf(0.75))
    held = 0
    for _ in range(400):
        found = band(BOUNDS["LCP"], counted("LCP", rng.lognormal(math.log(1.6), 0.7, 300).tolist()))
        assert found is not None
        held += found.low <= true <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_so_few_values_have_no_band() -> None:
    assert band(BOUNDS["LCP"], counted("LCP", [1.0] * 24)) is None
    assert band(BOUNDS["LCP"], counted("LCP", [1.0] * 25)) is not None


@pytest.mark.parametrize("metric", list(VITALS))
def test_the_thresholds_are_edges_and_belong_to_the_better_side(metric: str) -> None:
    vital = VITALS[metric]
    assert vital.good in vital.edges
    assert vital.fair in vital.edges
    above = math.nextafter(vital.good, math.inf), math.nextafter(vital.fair, math.inf)
    found = shares(metric, counted(metric, [vital.good, vital.fair, *above]))
    assert found is not None
    assert (found.good, found.needs_improvement, found.poor) == (0.25, 0.5, 0.25)


def test_edges_are_written_as_the_client_writes_them() -> None:
    for vital in VITALS.values():
        written = [floatToGoString(one) for one in vital.edges]  # type: ignore[no-untyped-call]
        assert [repr(one) for one in vital.edges] == written


def test_whole_milliseconds_fall_into_the_bucket_of_their_edge() -> None:
    for vital in VITALS.values():
        if vital.is_time:
            for edge in vital.edges:
                value = vital.value(round(edge * 1000))
                assert value is not None
                assert vital.edges[vital.bucket(value)] == edge


def test_a_slower_release_is_worse_and_a_faster_one_better() -> None:
    old, new = counted("LCP", lognormal(1.6, 0.7, 600)), counted("LCP", lognormal(2.2, 0.7, 600))
    assert compare("LCP", old, new).verdict is Comparison.WORSE
    assert compare("LCP", new, old).verdict is Comparison.BETTER
    assert compare("LCP", old, old).verdict is Comparison.STEADY


def test_a_difference_nobody_notices_is_steady_however_sure_it_is() -> None:
    old = counted("LCP", lognormal(1.600, 0.7, 200_000))
    new = counted("LCP", lognormal(1.640, 0.7, 200_000))
    assert compare("LCP", old, new).verdict is Comparison.STEADY


def test_too_few_values_are_unknown() -> None:
    few, many = counted("INP", [0.1] * 499), counted("INP", [0.9] * 600)
    found = compare("INP", few, many)
    assert (found.verdict, found.reason) == (Comparison.UNKNOWN, "fewer than 500 values")


def test_layout_shift_is_compared_by_its_share_worse_than_good() -> None:
    old = counted("CLS", [0.0] * 850 + [0.3] * 150)
    new = counted("CLS", [0.0] * 780 + [0.3] * 220)
    assert compare("CLS", old, new).verdict is Comparison.WORSE
    assert compare("CLS", new, old).verdict is Comparison.BETTER
    assert compare("CLS", old, counted("CLS", [0.0] * 840 + [0.3] * 160)).verdict is (
        Comparison.STEADY
    )


def test_two_proportions_are_those_of_the_textbook() -> None:
    assert two_proportions((10, 100), (20, 100)) == pytest.approx(1.980295, abs=1e-6)
    assert two_proportions((0, 100), (0, 100)) == 0.0
    assert two_proportions((0, 0), (1, 10)) is None

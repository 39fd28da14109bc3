"""A change of visitors is told from a slower page, and says nothing where it does not know."""

import math

import numpy as np
import pytest

from detector.chance import quantile
from detector.mix import LEAST_EFFECTIVE, LEAST_IN_STRATUM, Strata, alike, explains, moved
from storage.history import Floats

EDGES = (*np.linspace(0.05, 15, 300).tolist(), math.inf)
FAST, SLOW = 1.2, 3.0


def views(count: int, median: float, seed: int = 1) -> Floats:
    values = np.random.default_rng(seed).lognormal(math.log(median), 0.4, count)
    return np.histogram(values, [0, *EDGES])[0].astype(np.float64)


def p75(counts: Floats) -> float:
    return quantile(EDGES, counts, 0.75)


BEFORE: Strata = {("4g", "navigate"): views(9000, FAST), ("3g", "navigate"): views(1000, SLOW, 2)}


def test_more_slow_connections_leave_nothing_of_the_difference() -> None:
    now: Strata = {("4g", "navigate"): views(600, FAST, 3), ("3g", "navigate"): views(600, SLOW, 4)}
    found = alike(BEFORE, now, p75)
    assert found is not None
    assert found.measured > 1.5 * found.before
    assert found.left == pytest.approx(0, abs=0.1)
    first = found.moved[0]
    assert (first.stratum, first.now) == (("3g", "navigate"), 0.5)
    assert first.before == pytest.approx(0.1)
    assert explains(found, 1.0) == found.left


def test_a_slower_page_for_everybody_is_left_as_a_whole() -> None:
    now: Strata = {
        key: views(n, 1.4 * m, n)
        for key, n, m in zip(BEFORE, (900, 100), (FAST, SLOW), strict=True)
    }
    found = alike(BEFORE, now, p75)
    assert found is not None
    assert found.left == pytest.approx(1, abs=0.1)


def test_both_at_once_leave_the_part_that_is_slower() -> None:
    now: Strata = {
        ("4g", "navigate"): views(800, 1.3 * FAST, 3),
        ("3g", "navigate"): views(200, 1.3 * SLOW, 4),
    }
    found = alike(BEFORE, now, p75)
    assert found is not None
    assert 0.4 < found.left < 0.9


def test_visitors_who_were_never_there_are_left_out_of_both() -> None:
    now: Strata = {("4g", "navigate"): views(500, FAST, 3), ("2g", "navigate"): views(500, 6.0, 4)}
    found = alike(BEFORE, now, p75)
    assert found is not None
    assert found.left == pytest.approx(0, abs=0.1)


def test_only_new_visitors_are_nothing_to_compare() -> None:
    assert alike(BEFORE, {("2g", "navigate"): views(500, 6.0)}, p75) is None
    assert alike({}, BEFORE, p75) is None
    assert alike(BEFORE, {}, p75) is None


def test_sparse_strata_are_taken_together() -> None:
    sparse: Strata = {(f"{i}", ""): views(LEAST_IN_STRATUM - 1, FAST, i) for i in range(12)}
    found = alike({**BEFORE, **sparse}, {("4g", "navigate"): views(500, FAST), **sparse}, p75)
    assert found is not None
    # Alone each of them would weigh hundreds of page views; together they have their own share.
    assert found.alike == pytest.approx(p75(views(9000, FAST)), rel=0.1)


def test_a_word_that_rests_on_few_page_views_is_none() -> None:
    few: Strata = {("4g", "navigate"): views(25, FAST), ("3g", "navigate"): views(900, SLOW)}
    # All but a hundredth of the weight would be that of 25 page views.
    assert alike(BEFORE, few, p75) is None
    more: Strata = {
        ("4g", "navigate"): views(int(LEAST_EFFECTIVE), FAST),
        ("3g", "navigate"): views(900, SLOW),
    }
    assert alike(BEFORE, more, p75) is not None


@pytest.mark.parametrize("difference", [-0.5, 10.0])
def test_a_difference_that_page_views_do_not_show_is_not_explained_by_them(
    difference: float,
) -> None:
    now: Strata = {("4g", "navigate"): views(600, FAST, 3), ("3g", "navigate"): views(600, SLOW, 4)}
    found = alike(BEFORE, now, p75)
    assert found is not None
    assert math.isnan(explains(found, difference))


def test_what_moved_most_is_told_with_its_shares() -> None:
    now: Strata = {("4g", "navigate"): views(100, 1), ("3g", "navigate"): views(300, 1)}
    told = moved(BEFORE, now)
    assert [one.stratum[0] for one in told] == ["3g", "4g"]
    assert [round(one.now, 2) for one in told] == [0.75, 0.25]

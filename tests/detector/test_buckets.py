"""Histograms: merged on shared bounds, and the quantile that Prometheus would give."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.buckets import Bounds, Buckets, bounds_of_groups, edge, merged, shared
from storage.history import NO_LAYOUT, Windows
from storage.series import Labels, Window
from tests.detector.scrapes import quantile

INF = math.inf
FINITE = st.lists(
    st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=6, unique=True
).map(sorted)
LAYOUTS = FINITE.map(lambda edges: (*edges, INF))
QS = st.floats(0.001, 0.999)


def one(bounds: Bounds, counts: list[float]) -> Buckets:
    return Buckets((bounds,), np.zeros(1, np.int64), np.cumsum([counts], axis=1))


@st.composite
def histograms(draw: st.DrawFn, largest: int = 1000) -> tuple[Bounds, list[float]]:
    bounds = draw(LAYOUTS)
    size = len(bounds)
    return bounds, draw(st.lists(st.integers(0, largest).map(float), min_size=size, max_size=size))


@given(st.lists(histograms(), min_size=1, max_size=5), QS)
def test_a_quantile_is_what_prometheus_would_say(
    rows: list[tuple[Bounds, list[float]]], q: float
) -> None:
    width = max(len(bounds) for bounds, _ in rows)
    cumulative = np.array(
        [np.pad(np.cumsum(counts), (0, width - len(counts))) for _, counts in rows], np.float64
    )
    buckets = Buckets(tuple(b for b, _ in rows), np.arange(len(rows)), cumulative)
    expected = [
        quantile(q, list(zip(bounds, np.cumsum(counts).tolist(), strict=True)))
        for bounds, counts in rows
    ]
    np.testing.assert_allclose(buckets.quantile(q), expected, rtol=1e-9, atol=1e-9)


@given(histograms(), QS, st.sampled_from([1e-6, 0.25, 3.0, 1000.0]))
def test_the_unit_does_not_matter(row: tuple[Bounds, list[float]], q: float, factor: float) -> None:
    bounds, counts = row
    scaled = tuple(bound * factor for bound in bounds)
    np.testing.assert_allclose(
        one(scaled, counts).quantile(q), one(bounds, counts).quantile(q) * factor, rtol=1e-9
    )


@given(histograms(), QS, st.integers(2, 1000))
def test_how_many_observations_does_not_matter_only_their_shares(
    row: tuple[Bounds, list[float]], q: float, times: int
) -> None:
    bounds, counts = row
    many = [count * times for count in counts]
    np.testing.assert_allclose(
        one(bounds, many).quantile(q), one(bounds, counts).quantile(q), rtol=1e-6, atol=1e-6
    )


@given(histograms(), QS, QS)
def test_a_higher_quantile_is_never_lower(
    row: tuple[Bounds, list[float]], first: float, second: float
) -> None:
    low, high = sorted((first, second))
    buckets = one(*row)
    below, above = buckets.quantile(low)[0], buckets.quantile(high)[0]
    assert below <= above + 1e-9 * abs(above) or math.isnan(below)


@pytest.mark.parametrize(
    ("bounds", "counts", "q", "expected"),
    [
        ((1.0, 2.0, INF), [10, 10, 0], 0.5, 1.0),
        ((1.0, 2.0, INF), [10, 10, 0], 0.75, 1.5),
        ((1.0, 2.0, INF), [10, 0, 0], 0.5, 0.5),  # the lowest bucket begins at zero
        ((-2.0, 2.0, INF), [10, 0, 0], 0.5, -2.0),  # unless its bound is not positive
        ((-2.0, 2.0, INF), [0, 10, 0], 0.5, 0.0),
        ((0.0, 2.0, INF), [10, 0, 0], 0.5, 0.0),
        ((1.0, 2.0, INF), [0, 0, 10], 0.5, 2.0),  # at least the highest finite bound
        ((1.0, 2.0, INF), [5, 0, 5], 0.5, 1.0),  # an empty bucket is stepped over
        ((1.0, 2.0, INF), [0, 0, 0], 0.5, math.nan),
    ],
)
def test_quantiles_by_hand(bounds: Bounds, counts: list[float], q: float, expected: float) -> None:
    np.testing.assert_allclose(one(bounds, counts).quantile(q), [expected])


def test_a_bucket_smaller_than_the_one_before_holds_nothing_new() -> None:
    torn = Buckets(((1.0, 2.0, INF),), np.zeros(1, np.int64), np.array([[5.0, 3.0, 8.0]]))
    assert torn.counts().tolist() == [[5.0, 0.0, 3.0]]
    assert torn.totals().tolist() == [8.0]


def test_no_histogram_has_no_quantile() -> None:
    for width in (0, 3):
        empty = Buckets((), np.empty(0, np.int64), np.empty((0, width)))
        assert empty.quantile(0.5).tolist() == []
        assert empty.totals().tolist() == []
        layout, layouts, counts = empty.flat()
        assert (layout.tolist(), layouts, counts.tolist()) == ([], (), [])


def test_a_row_without_bounds_beside_one_with_bounds() -> None:
    both = Buckets(((), (1.0, INF)), np.array([0, 1]), np.array([[0.0, 0.0], [4.0, 4.0]]))
    np.testing.assert_allclose(both.quantile(0.5), [math.nan, 0.5])
    layout, layouts, counts = both.flat()
    assert (layout.tolist(), layouts, counts.tolist()) == (
        [NO_LAYOUT, 0],
        ((1.0, INF),),
        [4.0, 0.0],
    )


@pytest.mark.parametrize(
    ("layouts", "expected"),
    [
        ([(1.0, 2.0, INF)], (1.0, 2.0, INF)),
        ([(1.0, 2.0, INF), (2.0, 3.0, INF)], (2.0, INF)),
        ([(1.0, INF), (2.0, INF)], ()),  # infinity alone holds no quantile
        ([(1.0, 2.0)], ()),
        ([(INF,)], ()),
        ([], ()),
    ],
)
def test_layouts_share_the_bounds_that_all_have(layouts: list[Bounds], expected: Bounds) -> None:
    assert shared(layouts) == expected


@pytest.mark.parametrize(
    ("le", "bound"), [("0.5", 0.5), ("+Inf", INF), ("Inf", INF), ("1e-3", 0.001), ("-1", -1.0)]
)
def test_a_label_le_is_a_bound(le: str, bound: float) -> None:
    assert edge(le) == bound


@pytest.mark.parametrize("le", ["", "high", "NaN", "0,5"])
def test_a_label_le_that_is_no_bound_is_no_bound(le: str) -> None:
    assert math.isnan(edge(le))
    edges = np.array([0.5, edge(le), INF, 1.0])
    zeros = np.zeros(4, np.int64)
    assert bounds_of_groups(zeros, zeros, edges, 1) == ((0.5, 1.0, INF),)


def bounds_in(buckets: Buckets) -> list[Bounds]:
    """The bounds of each row."""
    return [buckets.bounds[one] for one in buckets.owner.tolist()]


def window(at: int, bounds: Bounds, counts: list[float], series: str = "a") -> Window:
    n = sum(counts)
    return Window("s", Labels.of(s=series), at, 60.0, 0.0, n, bounds, tuple(counts))


def test_windows_of_different_layouts_merge_on_shared_bounds_exactly() -> None:
    windows = Windows.of(
        "s",
        [
            window(1, (0.1, 0.5, 1.0, INF), [1, 2, 3, 4]),
            window(2, (0.5, 2.0, INF), [10, 20, 30]),
            window(1, (0.3, INF), [7, 8], "b"),
        ],
    )
    found = merged(windows, np.array([0, 0, 1]), 2)
    assert bounds_in(found) == [(0.5, INF), (0.3, INF)]
    assert found.counts().tolist() == [[13.0, 57.0], [7.0, 8.0]]


def test_windows_that_share_no_bound_have_no_quantile() -> None:
    windows = Windows.of("s", [window(1, (0.1, INF), [1, 2]), window(2, (0.5, INF), [3, 4])])
    found = merged(windows, np.array([0, 0]), 1)
    assert np.isnan(found.quantile(0.5)).tolist() == [True]


def test_windows_outside_and_windows_without_buckets_are_left_out() -> None:
    windows = Windows.of(
        "s", [window(1, (0.1, INF), [1, 2]), window(2, (0.1, INF), [3, 4]), window(3, (), [])]
    )
    found = merged(windows, np.array([-1, 0, 0]), 1)
    assert found.counts().tolist() == [[3.0, 4.0]]
    nothing = merged(Windows.of("s", []), np.empty(0, np.int64), 0)
    assert nothing.quantile(0.5).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), histograms(9)), max_size=8))
def test_merging_adds_up_and_flat_gives_it_back(
    rows: list[tuple[int, int, tuple[Bounds, list[float]]]],
) -> None:
    windows = Windows.of(
        "s", [window(at, bounds, counts, str(who)) for who, at, (bounds, counts) in rows]
    )
    cell = windows.index * 4 + np.array([at for _, at, _ in rows], np.int64)
    found = merged(windows, cell, len(windows.series) * 4)
    for position, labels in enumerate(windows.series):
        for at in range(4):
            mine = [row for row in rows if Labels.of(s=str(row[0])) == labels and row[1] == at]
            bounds = shared(b for _, _, (b, _) in mine)
            assert bounds_in(found)[position * 4 + at] == bounds
            row = found.cumulative[position * 4 + at, : len(bounds)]
            expected = [
                sum(sum(c for e, c in zip(b, counts, strict=True) if e <= bound)
                    for _, _, (b, counts) in mine)
                for bound in bounds
            ]  # fmt: skip
            assert row.tolist() == expected
    layout, layouts, counts = found.flat()
    assert sum(len(layouts[i]) for i in layout.tolist() if i != NO_LAYOUT) == len(counts)
    assert counts.sum() == found.totals().sum()

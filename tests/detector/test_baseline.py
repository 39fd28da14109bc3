"""The flat baseline: numpy's weighted average of seven days, less what was a regression."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.baseline import (
    DAY_MS,
    DAYS,
    GAP_MS,
    HOUR_MS,
    Flat,
    baseline_end_ms,
    flat,
)
from detector.recent import Budget, Recent
from storage.history import Windows
from storage.series import Labels, Window

END_MS = 1_772_452_800_000
STEP_MS = 300_000
A, B = Labels.of(route="/a"), Labels.of(route="/b")


def window(labels: Labels, ago_ms: int, value: float, n: float = 1.0) -> Window:
    """A window of five minutes that ended so long before the end of the baseline."""
    return Window("s", labels, END_MS - ago_ms, 300.0, value, n)


def baseline(
    rows: list[Window],
    excluded: dict[Labels, list[tuple[int, int]]] | None = None,
    *,
    weigh_by_n: bool = True,
) -> Flat:
    return flat_of(rows, END_MS, excluded or {}, weigh_by_n)


def flat_of(
    rows: list[Window],
    end_ms: int,
    excluded: dict[Labels, list[tuple[int, int]]],
    weigh_by_n: bool,
) -> Flat:
    windows = Windows.of("s", rows)
    recent = Recent(STEP_MS, 9 * DAY_MS // STEP_MS, Budget(2**30))
    recent.advance(end_ms + DAY_MS)
    recent.put(windows.index, windows.end_ms, windows.values, windows.n)
    parts = recent.parts(end_ms - DAYS * DAY_MS, end_ms)
    position = {labels: row for row, labels in enumerate(windows.series)}
    return flat(position, parts, end_ms, STEP_MS, excluded, weigh_by_n=weigh_by_n)


def of(found: Flat, labels: Labels = A) -> tuple[float, float, float, int]:
    row = found.background([labels])
    return float(row.mean[0]), float(row.deviation[0]), float(row.n[0]), int(row.days[0])


ROWS = st.lists(
    st.builds(
        window,
        st.sampled_from([A, B]),
        st.integers(0, 8 * DAY_MS // STEP_MS).map(lambda i: i * STEP_MS),
        st.floats(-1e6, 1e6),
        st.integers(1, 10_000).map(float),
    ),
    max_size=30,
)


@given(ROWS, st.booleans(), st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_a_baseline_is_numpys_average_of_what_is_left(
    rows: list[Window], weigh_by_n: bool, days: tuple[int, int]
) -> None:
    lo_ms, hi_ms = sorted(END_MS - one * DAY_MS for one in days)
    found = baseline(rows, {A: [(lo_ms, hi_ms)]}, weigh_by_n=weigh_by_n)
    for labels in (A, B):
        # Of windows of the same end the last one counts, as in the history.
        last = {(row.labels, row.end_ms): row for row in rows}
        mine = [
            row
            for row in last.values()
            if row.labels == labels
            and END_MS - DAYS * DAY_MS < row.end_ms <= END_MS
            and not (labels == A and row.end_ms - STEP_MS < hi_ms and row.end_ms > lo_ms)
        ]
        mean, deviation, n, filled = of(found, labels)
        assert n == sum(row.n for row in mine)
        assert filled == len({(END_MS - row.end_ms) // DAY_MS for row in mine})
        if not mine:
            assert math.isnan(mean)
            assert math.isnan(deviation)
            continue
        values = np.array([row.value for row in mine])
        weights = np.array([row.n for row in mine]) if weigh_by_n else np.ones(len(mine))
        expected = np.average(values, weights=weights)
        spread = math.sqrt(np.average((values - expected) ** 2, weights=weights))
        # Windows are held in single precision.
        largest = float(np.abs(values).max())
        assert mean == pytest.approx(expected, abs=1e-6 * max(largest, 1e-3))
        assert deviation == pytest.approx(spread, abs=1e-6 * max(largest, 1e-3))


def test_without_weights_it_is_numpys_standard_deviation() -> None:
    values = np.random.default_rng(7).normal(100, 5, 500)
    rows = [window(A, i * STEP_MS, float(value), n=i + 1.0) for i, value in enumerate(values)]
    found = of(baseline(rows, weigh_by_n=False))
    assert found[:2] == pytest.approx([values.mean(), values.std()])


def test_a_busy_hour_weighs_more_than_a_quiet_one() -> None:
    rows = [window(A, 0, 1.0, n=1), window(A, STEP_MS, 2.0, n=3)]
    assert of(baseline(rows))[0] == 1.75
    assert of(baseline(rows, weigh_by_n=False))[0] == 1.5


@pytest.mark.parametrize(
    ("ago_ms", "there"),
    [(-STEP_MS, False), (0, True), (7 * DAY_MS - STEP_MS, True), (7 * DAY_MS, False)],
)
def test_it_reaches_back_seven_days(ago_ms: int, there: bool) -> None:
    assert (of(baseline([window(A, ago_ms, 5.0)]))[2] == 1.0) is there


@pytest.mark.parametrize(
    ("span", "left"),
    [
        ((-2 * STEP_MS, -STEP_MS), [1.0, 2.0]),  # ends as the window begins
        ((-2 * STEP_MS, -STEP_MS + 1), [2.0]),
        ((0, STEP_MS), [1.0]),  # begins as the window ends
        ((-1, 0), [2.0]),
        ((-STEP_MS, STEP_MS), []),
    ],
)
def test_a_window_that_touches_a_regression_is_left_out(
    span: tuple[int, int], left: list[float]
) -> None:
    rows = [window(A, 0, 1.0), window(A, -STEP_MS, 2.0)]
    end_ms = END_MS + STEP_MS
    lo_ms, hi_ms = END_MS + span[0], END_MS + span[1]
    found = flat_of(rows, end_ms, {A: [(lo_ms, hi_ms)]}, False)
    mean, _, n, _ = of(found)
    assert n == len(left)
    if left:
        assert mean == np.mean(left)


def test_a_regression_of_one_series_leaves_the_others_alone() -> None:
    found = baseline([window(A, 0, 1.0), window(B, 0, 2.0)], {A: [(0, END_MS)]})
    assert math.isnan(of(found, A)[0])
    assert of(found, B)[0] == 2.0


def test_several_regressions_are_all_left_out() -> None:
    rows = [window(A, day * DAY_MS, float(day)) for day in range(4)]
    spans = [(END_MS - 4 * DAY_MS, END_MS - 3 * DAY_MS + 1), (END_MS - DAY_MS, END_MS)]
    assert of(baseline(rows, {A: spans}))[0] == 1.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_windows_without_a_number_count_for_nothing(value: float) -> None:
    found = of(baseline([window(A, 0, value, n=5), window(A, DAY_MS, 3.0, n=2)]))
    assert found == (3.0, 0.0, 2.0, 1)


def test_days_are_those_with_data() -> None:
    rows = [window(A, day * DAY_MS + part, 1.0) for day in (0, 2, 6) for part in (0, STEP_MS)]
    assert of(baseline(rows))[3] == 3


def test_a_series_that_is_not_known_has_nothing_behind_it() -> None:
    for found in (baseline([]), baseline([window(A, 0, 1.0)])):
        mean, deviation, n, days = of(found, B)
        assert math.isnan(mean)
        assert math.isnan(deviation)
        assert (n, days) == (0.0, 0)
    nobody = baseline([]).background([])
    assert [len(one) for one in (nobody.mean, nobody.deviation, nobody.n, nobody.days)] == [0] * 4


def test_the_answer_is_in_the_order_of_the_question() -> None:
    found = baseline([window(A, 0, 1.0), window(B, 0, 2.0)])
    assert found.background([B, A]).mean.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("ago_ms", [0, 1, HOUR_MS - 1])
def test_it_ends_at_a_full_hour_an_hour_ago(ago_ms: int) -> None:
    now_ms = END_MS + GAP_MS + ago_ms
    assert END_MS % HOUR_MS == 0
    assert baseline_end_ms(now_ms) == END_MS
    assert baseline_end_ms(END_MS + GAP_MS + HOUR_MS) == END_MS + HOUR_MS


@given(ROWS)
def test_the_same_windows_give_the_same_baseline_to_the_last_bit(rows: list[Window]) -> None:
    first, second = (baseline(rows) for _ in range(2))
    for name in ("mean", "deviation", "n", "days"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()

"""How much counters grew: against plain loops, and one by one what each trap must give."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.increase import LOOKBACK_MS, increases, seen_times, spread
from storage.history import Samples
from storage.series import Labels, Sample
from tests.detector.scrapes import (
    START_MS,
    Grown,
    Page,
    as_read,
    counters,
    grown,
    histograms,
    labelled,
    samples_of,
    seen_of,
    ups_of,
)
from tests.notation import numbers

A = labelled("hits_total", "shop", name="a")
B = labelled("hits_total", "shop", name="b")
MINUTE_MS = 60_000


def told(pages: list[Page], together: dict[Labels, object] | None = None) -> Grown:
    """What the code says, in the shape of the reference."""
    samples = samples_of(pages)
    groups = None
    if together is not None:
        names = list(dict.fromkeys(together.values()))
        groups = np.array([names.index(together[one]) for one in samples.series], np.int64)
    found = increases(samples, seen_of(pages), groups)
    return {
        (samples.series[i], int(at)): (float(value), int(covered))
        for i, at, value, covered in zip(
            found.index, found.at_ms, found.values, found.covered_ms, strict=True
        )
    }


def pages(text: str, labels: Labels = A, *, read: bool = True) -> list[Page]:
    """One look a minute; `_` is a look at which the series was missing, or nothing was read."""
    gap: dict[Labels, float] | None = {} if read else None
    return [
        Page("shop", START_MS + i * MINUTE_MS, gap if value is None else {labels: value})
        for i, value in enumerate(numbers(text))
    ]


def values(found: Grown) -> list[float]:
    return [value for value, _ in found.values()]


@given(counters())
def test_increases_are_what_plain_loops_say(found: list[Page]) -> None:
    assert told(found) == grown(found)


@given(histograms(layouts=[(0.1, 1.0, math.inf), (0.1, math.inf)]))
def test_buckets_of_one_histogram_are_reset_together(found: list[Page]) -> None:
    together = {one: one.without("le") for page in found for one in page.values or {}}
    assert told(found, dict(together)) == grown(found, together)


@given(counters(), st.lists(st.integers(0, 60), min_size=2, max_size=4))
def test_increases_of_adjoining_spans_add_up_to_the_whole(
    found: list[Page], cuts: list[int]
) -> None:
    edges = [START_MS + cut * 25_000 for cut in sorted(cuts)]

    def total(after_ms: int, until_ms: int) -> float:
        """As a tick sees it: it reads the span and the lookback before it."""
        read = [one for one in found if after_ms - LOOKBACK_MS < one.at_ms <= until_ms]
        return sum(value for (_, at_ms), (value, _) in told(read).items() if at_ms > after_ms)

    parts = sum(total(a, b) for a, b in pairwise(edges))
    assert parts == total(edges[0], edges[-1])


@given(counters())
def test_a_counter_never_shrinks(found: list[Page]) -> None:
    assert all(value >= 0 and covered > 0 for value, covered in told(found).values())


@given(counters(), st.integers(0, 20))
def test_what_is_older_than_the_lookback_does_not_matter(found: list[Page], minute: int) -> None:
    # A tick reads this much and no more; a backfill reads a whole day.
    start_ms = START_MS + minute * MINUTE_MS
    recent = [one for one in found if one.at_ms > start_ms - LOOKBACK_MS]
    inside = {key: value for key, value in told(found).items() if key[1] > start_ms}
    assert {key: value for key, value in told(recent).items() if key[1] > start_ms} == inside


@given(counters(), st.randoms(use_true_random=False))
def test_the_order_of_series_does_not_matter(found: list[Page], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(found)
    random.shuffle(shuffled)
    assert told(shuffled) == told(found)


def test_growth_is_the_difference_to_the_sample_before() -> None:
    assert told(pages("10 12 12 20")) == {
        (A, START_MS + 1 * MINUTE_MS): (2.0, MINUTE_MS),
        (A, START_MS + 2 * MINUTE_MS): (0.0, MINUTE_MS),
        (A, START_MS + 3 * MINUTE_MS): (8.0, MINUTE_MS),
    }


def test_after_a_reset_the_new_value_is_what_grew() -> None:
    assert values(told(pages("10 15 3 7"))) == [5.0, 3.0, 4.0]


def test_a_reset_to_zero_grew_by_nothing() -> None:
    assert values(told(pages("10 0 0 1"))) == [0.0, 0.0, 1.0]


def test_a_missed_sample_is_covered_by_the_next_one() -> None:
    assert told(pages("10 _ 16", read=False)) == {
        (A, START_MS + 2 * MINUTE_MS): (6.0, 2 * MINUTE_MS)
    }


def test_a_gap_of_the_lookback_is_bridged_and_a_longer_one_is_not() -> None:
    assert values(told(pages("10 _x4 16", read=False))) == [6.0]
    assert values(told(pages("10 _x5 16 17", read=False))) == [1.0]


def test_a_series_that_appears_on_a_known_target_began_at_zero() -> None:
    assert told(pages("_x2 3 5")) == {
        (A, START_MS + 2 * MINUTE_MS): (3.0, MINUTE_MS),
        (A, START_MS + 3 * MINUTE_MS): (2.0, MINUTE_MS),
    }


def test_the_first_look_at_a_target_is_a_start_and_no_growth() -> None:
    assert values(told(pages("1000000 1000001"))) == [1.0]


def test_a_target_that_was_away_for_long_starts_anew() -> None:
    assert values(told(pages("_ _x6 1000000 1000001", read=False))) == [1.0]


def test_a_target_that_could_not_be_read_for_a_moment_is_still_known() -> None:
    read = pages("_")
    later = [Page("shop", START_MS + 5 * MINUTE_MS, {A: 3.0})]
    assert told([*read, *later]) == {(A, START_MS + 5 * MINUTE_MS): (3.0, 5 * MINUTE_MS)}
    assert told([*read, Page("shop", START_MS + 5 * MINUTE_MS + 1, {A: 3.0})]) == {}


def test_a_series_that_comes_back_after_a_long_absence_began_at_zero() -> None:
    # Its target was restarted meanwhile and shows it again since it counts again.
    assert values(told(pages("100 _x6 7"))) == [7.0]


def test_another_target_that_was_seen_does_not_help() -> None:
    other = [Page("till", START_MS + i * MINUTE_MS, {}) for i in range(3)]
    assert told([*other, Page("shop", START_MS + 2 * MINUTE_MS, {A: 3.0})]) == {}


def test_a_series_without_a_target_never_begins_at_zero() -> None:
    bare = Labels.of(__name__="hits_total")
    assert values(told(pages("_ 3 5", bare))) == [2.0]


def test_samples_that_are_no_numbers_are_no_samples() -> None:
    assert values(told(pages("10 NaN 16"))) == [6.0]
    assert values(told(pages("10 Inf 16"))) == [6.0]
    assert values(told(pages("10 -Inf 16"))) == [6.0]


def test_a_reset_of_one_bucket_is_a_reset_of_all() -> None:
    # The restart is plain to see in `a` alone; `b` has already more than before it.
    found = [
        Page("shop", START_MS, {A: 10.0, B: 10.0}),
        Page("shop", START_MS + MINUTE_MS, {A: 5.0, B: 12.0}),
    ]
    assert values(told(found)) == [5.0, 2.0]
    assert values(told(found, {A: "one", B: "one"})) == [5.0, 12.0]
    assert values(told(found, {A: "one", B: "two"})) == [5.0, 2.0]


def test_nothing_grows_from_nothing() -> None:
    for empty in (Samples.of([]), samples_of(pages("NaN NaN"))):
        found = increases(empty, {}, np.zeros(len(empty.series), np.int64))
        assert len(found.index) == len(found.values) == len(found.covered_ms) == 0


def test_a_target_is_seen_when_it_was_read() -> None:
    found = seen_of([*pages("1 _ 3", read=False), Page("till", START_MS, {})])
    assert {name: times.tolist() for name, times in found.items()} == {
        "shop": [START_MS, START_MS + 2 * MINUTE_MS],
        "till": [START_MS],
    }
    assert seen_times(Samples.of([])) == {}


def test_a_target_that_was_never_read_is_not_seen() -> None:
    assert [times.tolist() for times in seen_of(pages("_ _", read=False)).values()] == [[]]
    assert told([*pages("_ _", read=False), Page("shop", START_MS + 2 * MINUTE_MS, {A: 1.0})]) == {}


def test_two_collectors_of_one_target_are_one_target() -> None:
    ups = ups_of(pages("1 2"))
    twice = as_read(
        Sample(ups.series[0].plus(collector=collector), at_ms, 1.0)
        for collector in ("scrape", "host")
        for at_ms in (START_MS + MINUTE_MS, START_MS)
    )
    assert seen_times(twice)["shop"].tolist() == [START_MS, START_MS + MINUTE_MS]


@pytest.mark.parametrize(
    ("flags", "groups", "times", "expected"),
    [
        ([1, 0, 0], [0, 0, 1], [5, 5, 5], [1, 1, 0]),
        ([1, 0, 0], [0, 0, 0], [5, 6, 5], [1, 0, 1]),
        ([0, 0], [0, 0], [5, 5], [0, 0]),
        ([], [], [], []),
    ],
)
def test_a_flag_goes_to_the_rows_of_its_group_and_time(
    flags: list[int], groups: list[int], times: list[int], expected: list[int]
) -> None:
    found = spread(np.array(flags, np.bool_), np.array(groups, np.int64), np.array(times, np.int64))
    assert found.tolist() == [bool(one) for one in expected]

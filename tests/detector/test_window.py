"""Windows of every form: against plain loops, merged against evaluated directly, and the traps."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.buckets import shared
from detector.config import build_signals
from detector.increase import LOOKBACK_MS
from detector.signal import Signal
from detector.window import Span, merge, windows_of
from storage.history import Samples, Windows
from storage.series import NAME, Labels, Sample, Window
from tests.detector.scrapes import (
    START_MS,
    Page,
    as_read,
    counters,
    grown,
    histograms,
    labelled,
    quantile,
    samples_of,
    seen_of,
)
from tests.notation import numbers

INF = math.inf
MINUTE_MS = 60_000
END_MS = START_MS + 30 * MINUTE_MS
LAYOUTS = [(0.1, 0.5, 1.0, INF), (0.5, 2.0, INF)]


def signal(form: str, **text: Any) -> Signal:
    return build_signals({"s": {"form": form, "over": "5m", **text}})["s"]


P90 = signal("quantile", metric="latency_seconds", q=0.9, by=["target", "name"])
HALF_OF_ALL = signal("share", metric="latency_seconds", bound=0.5, by=["target"])
HALF_OF_OTHER = signal("share", metric="latency_seconds", bound=0.1, by=["target"])
P90_OF_ALL = signal("quantile", metric="latency_seconds", q=0.9, by=["target"])
RATE = signal("rate", metric="hits_total", by=["target", "name"])
RATE_OF_ALL = signal("rate", metric="hits_total", by=["target"])
SHARE = signal("ratio", numerator='hits_total{name="a"}', denominator="hits_total", by=["target"])
MEAN = signal("mean", metric="latency_seconds", by=["target"])


def evaluated(
    one: Signal, pages: list[Page], start_ms: int = START_MS, end_ms: int = END_MS
) -> Windows:
    """The windows of a signal over pages of counters."""
    chosen = samples_of(pages)
    wanted = [
        i for i, s in enumerate(chosen.series) if any(c.matches(s) for c in one.form.selectors())
    ]
    kept = np.isin(chosen.index, wanted)
    place = {old: new for new, old in enumerate(wanted)}
    index = np.array([place[i] for i in chosen.index[kept].tolist()], np.int64)
    series = tuple(chosen.series[i] for i in wanted)
    samples = Samples(series, index, chosen.at_ms[kept], chosen.values[kept])
    return windows_of(one, samples, seen_of(pages), start_ms, end_ms)


def near(value: float, abs: float | None = None) -> Any:
    """A number that equals those close to it, also inside of tuples."""
    return pytest.approx(value, abs=abs)


def by_key(windows: Windows) -> dict[tuple[Labels, int], Window]:
    found = {(row.labels, row.end_ms): row for row in windows.rows()}
    assert len(found) == len(windows)
    return found


def coarser(one: Signal, seconds: float) -> Signal:
    """The same signal with longer windows."""
    return Signal(
        name=one.name, form=one.form.model_copy(update={"window": seconds, "over": seconds})
    )


def slot_end(at_ms: int, step_ms: int = MINUTE_MS) -> int:
    """The end of the window that a time falls into."""
    return START_MS + -(-(at_ms - START_MS) // step_ms) * step_ms


def assert_same(found: Windows, expected: Windows) -> None:
    assert_alike(by_key(found), by_key(expected))


def assert_alike(
    ours: dict[tuple[Labels, int], Window], theirs: dict[tuple[Labels, int], Window]
) -> None:
    """The same windows; sums of other parts may differ in the last bit."""
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        other = theirs[key]
        assert row.value == pytest.approx(other.value, rel=1e-9, abs=1e-12, nan_ok=True)
        assert row.n == pytest.approx(other.n)
        assert row.seconds == other.seconds
        assert row.bounds == other.bounds
        assert row.counts == pytest.approx(other.counts)


@given(counters())
def test_a_ratio_is_what_plain_loops_say(pages: list[Page]) -> None:
    upper: dict[tuple[str, int], float] = defaultdict(float)
    lower: dict[tuple[str, int], float] = defaultdict(float)
    for (labels, at_ms), (value, _) in grown(pages).items():
        if at_ms <= START_MS:
            continue
        key = (labels.get("target"), slot_end(at_ms))
        lower[key] += value
        upper[key] += value if labels.get("name") == "a" else 0
    found = by_key(evaluated(SHARE, pages))
    assert {
        (labels.get("target"), end): (row.value, row.n) for (labels, end), row in found.items()
    } == {key: (near(upper[key] / total), total) for key, total in lower.items() if total}


@given(counters())
def test_a_rate_is_what_plain_loops_say(pages: list[Page]) -> None:
    added: dict[tuple[Labels, int], float] = defaultdict(float)
    covered: dict[tuple[Labels, int], float] = defaultdict(float)
    for (labels, at_ms), (value, milliseconds) in grown(pages).items():
        if at_ms > START_MS:
            added[labels.without(NAME), slot_end(at_ms)] += value
            covered[labels.without(NAME), slot_end(at_ms)] += milliseconds / 1000
    found = by_key(evaluated(RATE, pages))
    assert {key: (row.value, row.n) for key, row in found.items()} == {
        key: (near(added[key] / covered[key]), added[key]) for key in added
    }
    together: dict[tuple[str, int], float] = defaultdict(float)
    for (labels, end_ms), value in added.items():
        together[labels.get("target"), end_ms] += value / covered[labels, end_ms]
    all_found = by_key(evaluated(RATE_OF_ALL, pages))
    assert {(labels.get("target"), end): row.value for (labels, end), row in all_found.items()} == {
        key: near(value) for key, value in together.items()
    }


@given(histograms(layouts=LAYOUTS))
def test_a_quantile_is_what_plain_loops_say(pages: list[Page]) -> None:
    together = {one: one.without("le") for page in pages for one in page.values or {}}
    layouts: dict[str, set[float]] = defaultdict(set)
    for labels in together:
        layouts[labels.get("name")].add(float(labels.get("le")))
    bounds = shared(layouts.values())
    added: dict[int, dict[float, float]] = defaultdict(lambda: dict.fromkeys(bounds, 0.0))
    for (labels, at_ms), (value, _) in grown(pages, together).items():
        if float(labels.get("le")) in bounds:
            added[slot_end(at_ms)][float(labels.get("le"))] += value
    expected = {}
    for end_ms, cumulative in added.items():
        # A restart that no bucket shows leaves them torn; Prometheus lets them rise likewise.
        rising = dict(zip(bounds, accumulate((cumulative[b] for b in bounds), max), strict=True))
        if rising[INF] > 0:
            value = quantile(0.9, list(rising.items()))
            expected[end_ms] = (near(value), rising[INF], bounds)
    found = by_key(evaluated(P90_OF_ALL, pages))
    assert {end: (row.value, row.n, row.bounds) for (_, end), row in found.items()} == expected


@pytest.mark.parametrize("one", [P90, P90_OF_ALL])
@given(pages=histograms(layouts=LAYOUTS))
def test_merged_quantiles_are_those_of_the_longer_window(one: Signal, pages: list[Page]) -> None:
    check_merge(one, lambda s: evaluated(s, pages))


@given(pages=counters())
def test_merged_ratios_are_those_of_the_longer_window(pages: list[Page]) -> None:
    check_merge(SHARE, lambda s: evaluated(s, pages))


@given(pages=counters(names=("a",)))
def test_merged_rates_are_those_of_the_longer_window(pages: list[Page]) -> None:
    moving = [replace(page, values=plus(page, i)) for i, page in enumerate(pages)]
    check_merge(RATE, lambda s: evaluated(s, moving))


def plus(page: Page, i: int) -> dict[Labels, float] | None:
    """The page with counters that never stand still: no growth does not tell for how long."""
    if page.values is None:
        return None
    return {labels: value + 1 + i for labels, value in page.values.items()}


GAUGES = st.lists(
    st.builds(
        lambda who, at, value: Sample(
            labelled("level", "shop", name=who), START_MS + at * 7000, value
        ),
        st.sampled_from("abc"),
        st.integers(1, 200),
        st.floats(-1e6, 1e6) | st.just(math.nan),
    ),
    max_size=30,
)


def gauge(stat: str) -> Signal:
    return signal("gauge", metric="level", stat=stat, by=["target"])


REFERENCE: dict[str, Callable[[list[float]], float]] = {
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
}


@pytest.mark.parametrize("stat", REFERENCE)
@given(found=GAUGES)
def test_a_gauge_is_what_plain_loops_say(stat: str, found: list[Sample]) -> None:
    samples = as_read(found)
    values: dict[int, list[float]] = defaultdict(list)
    for at_ms, value in zip(samples.at_ms.tolist(), samples.values.tolist(), strict=True):
        if not math.isnan(value):
            values[slot_end(at_ms)].append(value)
    windows = windows_of(gauge(stat), samples, {}, START_MS, END_MS)
    assert {end: (row.value, row.n) for (_, end), row in by_key(windows).items()} == {
        end: (near(REFERENCE[stat](mine), abs=1e-6), len(mine)) for end, mine in values.items()
    }


@pytest.mark.parametrize("stat", ["avg", "min", "max", "last"])
@given(found=GAUGES)
def test_merged_gauges_are_those_of_the_longer_window(stat: str, found: list[Sample]) -> None:
    one_each = {sample.at_ms: sample for sample in found}.values()  # else who was last is open
    samples = as_read(one_each)
    fine = windows_of(gauge(stat), samples, {}, START_MS, END_MS)
    whole = merge(gauge(stat).form, fine, Span(START_MS, 5 * MINUTE_MS, 6))
    direct = windows_of(coarser(gauge(stat), 300.0), samples, {}, START_MS, END_MS)
    assert by_key(whole).keys() == by_key(direct).keys()
    np.testing.assert_allclose(whole.values, direct.values, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(whole.n, direct.n)


def test_the_last_value_is_the_newest_whatever_series_it_is_of() -> None:
    samples = as_read(
        Sample(labelled("level", "shop", name=who), START_MS + at, value)
        for who, at, value in (("a", 3000, 1.0), ("b", 2000, 2.0), ("a", 1000, 3.0))
    )
    assert windows_of(gauge("last"), samples, {}, START_MS, END_MS).values.tolist() == [1.0]


def check_merge(one: Signal, evaluate: Callable[[Signal], Windows]) -> None:
    """Longer windows merged from short ones are what evaluating them directly gives."""
    fine = evaluate(one)
    whole = merge(one.form, fine, Span(START_MS, 5 * MINUTE_MS, 6))
    assert_same(whole, evaluate(coarser(one, 300.0)))
    assert whole.n.sum() == pytest.approx(fine.n.sum())
    twice = merge(one.form, whole, Span(START_MS, 10 * MINUTE_MS, 3))
    assert_same(twice, evaluate(coarser(one, 600.0)))


@pytest.mark.parametrize("one", [RATE, RATE_OF_ALL, SHARE])
@given(pages=counters(), cut=st.integers(0, 30))
def test_windows_evaluated_in_parts_are_those_of_the_whole(
    one: Signal, pages: list[Page], cut: int
) -> None:
    middle_ms = START_MS + cut * MINUTE_MS
    recent = [page for page in pages if page.at_ms > middle_ms - LOOKBACK_MS]
    whole = by_key(evaluated(one, pages))
    first = by_key(evaluated(one, pages, START_MS, middle_ms))
    second = by_key(evaluated(one, recent, middle_ms, END_MS))
    assert first.keys().isdisjoint(second.keys())
    assert_alike(first | second, whole)


@pytest.mark.parametrize("one", [P90, P90_OF_ALL])
@given(pages=histograms(layouts=LAYOUTS), random=st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(one: Signal, pages: list[Page], random: Any) -> None:
    shuffled = [
        Page(page.target, page.at_ms, {labels: value})
        for page in pages
        for labels, value in (page.values or {}).items()
    ]
    random.shuffle(shuffled)
    assert_same(evaluated(one, shuffled), evaluated(one, pages))


@given(histograms(layouts=[LAYOUTS[0]]), st.sampled_from([0.001, 60.0, 1e6]))
def test_the_unit_does_not_matter(pages: list[Page], factor: float) -> None:
    def scaled(labels: Labels) -> Labels:
        return labels.plus(le=str(float(labels.get("le")) * factor))

    others = [
        replace(page, values={scaled(k): v for k, v in (page.values or {}).items()})
        for page in pages
    ]
    here, there = evaluated(P90, pages), evaluated(P90, others)
    np.testing.assert_allclose(there.values, here.values * factor)
    np.testing.assert_array_equal(there.n, here.n)


EMPTY = Samples.of([])
ALL_FORMS = [
    P90,
    P90_OF_ALL,
    RATE,
    RATE_OF_ALL,
    SHARE,
    MEAN,
    gauge("avg"),
    gauge("last"),
    gauge("min"),
]


@pytest.mark.parametrize("one", ALL_FORMS, ids=lambda one: one.form.form)
def test_nothing_gives_nothing(one: Signal) -> None:
    labels = [
        labelled("hits_total", "shop", name="a"),
        labelled("latency_seconds_bucket", "shop", le="+Inf"),
        labelled("latency_seconds_sum", "shop"),
        labelled("latency_seconds_count", "shop"),
        labelled("level", "shop"),
    ]
    broken = as_read(Sample(labels_, START_MS + 1, math.nan) for labels_ in labels)
    outside = as_read(Sample(labels_, START_MS - 1, 1.0) for labels_ in labels)
    for samples in (EMPTY, broken, outside):
        for end_ms in (START_MS, END_MS):
            found = windows_of(one, samples, {}, START_MS, end_ms)
            assert (len(found), found.series, found.layouts) == (0, (), ())
            again = merge(one.form, found, Span(START_MS, 5 * MINUTE_MS, 6))
            assert (len(again), again.rows()) == (0, [])
    full = Windows.of("s", [Window("s", Labels(), START_MS + MINUTE_MS, 60.0, 1.0, 1.0)])
    assert len(merge(one.form, full, Span(START_MS, MINUTE_MS, 0))) == 0
    assert len(merge(one.form, full, Span(END_MS, MINUTE_MS, 5))) == 0


def line(text: str, labels: Labels) -> dict[int, tuple[Labels, float]]:
    """One value a minute, the first a minute before the first window ends."""
    return {
        START_MS + i * MINUTE_MS: (labels, value)
        for i, value in enumerate(numbers(text))
        if value is not None
    }


def look(lines: Iterable[dict[int, tuple[Labels, float]]]) -> list[Page]:
    """Pages of one target on which all lines stand."""
    pages: dict[int, dict[Labels, float]] = defaultdict(dict)
    for one in lines:
        for at_ms, (labels, value) in one.items():
            pages[at_ms][labels] = value
    return [Page("shop", at_ms, values) for at_ms, values in sorted(pages.items())]


def minutes(windows: Windows) -> dict[int, float]:
    """Value by the minute in which the window ends."""
    return {(row.end_ms - START_MS) // MINUTE_MS: row.value for row in windows.rows()}


SUM, COUNT = labelled("latency_seconds_sum", "shop"), labelled("latency_seconds_count", "shop")


def test_a_mean_is_the_sum_by_the_count() -> None:
    pages = look([line("10 12 16", SUM), line("100 110 130", COUNT)])
    found = evaluated(MEAN, pages)
    assert minutes(found) == {1: 0.2, 2: 0.2}
    assert found.n.tolist() == [10.0, 20.0]


def test_a_restart_resets_the_sum_with_the_count() -> None:
    # Fifty slow requests since the restart: their sum is more than that of all before it.
    pages = look([line("10 12", SUM), line("100 50", COUNT)])
    assert minutes(evaluated(MEAN, pages)) == {1: 0.24}


def test_a_count_without_its_sum_is_no_mean_of_zero() -> None:
    pages = look([line("10 _ NaN 16", SUM), line("100 110 120 130", COUNT)])
    assert minutes(evaluated(MEAN, pages)) == {3: 0.2}
    assert len(evaluated(MEAN, look([line("100 110 120 130", COUNT)]))) == 0
    pages = look([line("10 12 14 16", SUM), line("100 _ NaN 130", COUNT)])
    assert minutes(evaluated(MEAN, pages)) == {3: 0.2}


def test_means_are_merged_by_sums_and_counts() -> None:
    pages = look([line("0 1 10", SUM), line("0 10 20", COUNT)])
    fine = evaluated(MEAN, pages)
    whole = merge(MEAN.form, fine, Span(START_MS, 2 * MINUTE_MS, 1))
    assert (whole.values.tolist(), whole.n.tolist()) == ([0.5], [20.0])


def test_no_errors_are_an_error_rate_of_zero() -> None:
    hits = line("0 10 20", labelled("hits_total", "shop", name="b"))
    assert minutes(evaluated(SHARE, look([hits]))) == {1: 0.0, 2: 0.0}


def test_the_first_error_of_a_known_target_counts() -> None:
    pages = look(
        [
            line("0 10 20", labelled("hits_total", "shop", name="b")),
            line("_ _ 5", labelled("hits_total", "shop", name="a")),
        ]
    )
    assert minutes(evaluated(SHARE, pages)) == {1: 0.0, 2: pytest.approx(1 / 3)}


def test_no_requests_are_no_error_rate() -> None:
    hits = line("10 10 20", labelled("hits_total", "shop", name="b"))
    assert minutes(evaluated(SHARE, look([hits]))) == {2: 0.0}


def test_a_rate_after_a_missed_sample_is_not_doubled() -> None:
    hits = line("0 60 _ 180", labelled("hits_total", "shop", name="a"))
    assert minutes(evaluated(RATE, look([hits]))) == {1: 1.0, 3: 1.0}


def test_merged_rates_weigh_a_missed_sample_by_the_time_it_covers() -> None:
    hits = line("0 60 _ 420", labelled("hits_total", "shop", name="a"))
    fine = evaluated(RATE, look([hits]))
    whole = merge(RATE.form, fine, Span(START_MS, 3 * MINUTE_MS, 1))
    assert whole.values.tolist() == [pytest.approx(420 / 180)]


def test_a_counter_that_stands_still_has_a_rate_of_zero() -> None:
    hits = line("5 5 5", labelled("hits_total", "shop", name="a"))
    fine = evaluated(RATE, look([hits]))
    assert minutes(fine) == {1: 0.0, 2: 0.0}
    assert merge(RATE.form, fine, Span(START_MS, 2 * MINUTE_MS, 1)).values.tolist() == [0.0]


def test_a_histogram_without_infinity_says_nothing() -> None:
    pages = look([line("0 10", labelled("latency_seconds_bucket", "shop", le="1"))])
    assert len(evaluated(P90, pages)) == 0


def latency(le: str, text: str) -> dict[int, tuple[Labels, float]]:
    return line(text, labelled("latency_seconds_bucket", "shop", le=le))


DEPLOYED = [  # restarted at the fourth minute, with other buckets
    latency("0.1", "10 15 20"),
    latency("0.5", "10 15 20 2 4"),
    latency("1", "20 30 40 4 8"),
    latency("2", "_ _ _ 4 8"),
    latency("+Inf", "20 30 40 4 8"),
]


def test_a_layout_that_changes_does_not_touch_the_windows_around_it() -> None:
    windows = evaluated(P90, look(DEPLOYED)).rows()
    assert [(row.bounds, row.counts) for row in windows] == [
        ((0.1, 0.5, 1.0, INF), (5.0, 0.0, 5.0, 0.0)),
        ((0.1, 0.5, 1.0, INF), (5.0, 0.0, 5.0, 0.0)),
        ((0.5, 1.0, 2.0, INF), (2.0, 2.0, 0.0, 0.0)),
        ((0.5, 1.0, 2.0, INF), (2.0, 2.0, 0.0, 0.0)),
    ]


def test_a_window_of_two_layouts_has_the_bounds_of_both() -> None:
    start_ms = START_MS + MINUTE_MS
    windows = evaluated(coarser(P90, 120.0), look(DEPLOYED), start_ms, start_ms + 2 * MINUTE_MS)
    assert [(row.bounds, row.counts) for row in windows.rows()] == [
        ((0.5, 1.0, INF), (7.0, 7.0, 0.0))
    ]


@pytest.mark.parametrize("one", [P90, HALF_OF_ALL, HALF_OF_OTHER])
def test_windows_are_the_same_however_many_are_made_at_once(one: Signal) -> None:
    pages = look(DEPLOYED)
    whole = evaluated(one, pages).rows()
    assert len(whole) in (2, 4)  # all of them, or those whose buckets have the bound
    single = []
    for end_ms in range(START_MS + MINUTE_MS, END_MS + 1, MINUTE_MS):
        start_ms = end_ms - MINUTE_MS
        found = windows_of(
            one, read_after(pages, start_ms, end_ms), seen_of(pages), start_ms, end_ms
        )
        single += found.rows()
    assert single == whole


def read_after(pages: list[Page], start_ms: int, end_ms: int) -> Samples:
    """What a tick reads."""
    return samples_of(one for one in pages if start_ms - LOOKBACK_MS < one.at_ms <= end_ms)


def test_a_bound_that_is_no_number_is_passed_over() -> None:
    buckets = {"1": "0 9 18", "+Inf": "0 10 20", "odd": "0 500 600"}
    pages = look(
        line(text, labelled("latency_seconds_bucket", "shop", le=le))
        for le, text in buckets.items()
    )
    found = evaluated(P90, pages)
    assert minutes(found) == {1: 1.0, 2: 1.0}
    assert found.layouts == ((1.0, INF),)


def test_a_window_takes_its_end_in_and_leaves_its_start_out() -> None:
    samples = as_read(
        Sample(labelled("level", "shop"), START_MS + at, 1.0)
        for at in (0, 1, MINUTE_MS, MINUTE_MS + 1)
    )
    found = windows_of(gauge("avg"), samples, {}, START_MS, START_MS + 2 * MINUTE_MS)
    assert found.n.tolist() == [2.0, 1.0]
    assert found.end_ms.tolist() == [START_MS + MINUTE_MS, START_MS + 2 * MINUTE_MS]


def test_infinite_gauges_are_values_and_nan_is_none() -> None:
    samples = as_read(
        Sample(labelled("level", "shop"), START_MS + at * MINUTE_MS, value)
        for at, value in ((1, INF), (2, math.nan), (3, -INF), (4, 1.0))
    )
    for stat in ("avg", "min", "max", "last"):
        found = windows_of(gauge(stat), samples, {}, START_MS, END_MS)
        assert minutes(found) == {1: INF, 3: -INF, 4: 1.0}


def test_series_of_no_group_label_are_one_series() -> None:
    one = signal("gauge", metric="level")
    samples = as_read(
        Sample(labelled("level", "shop", name=who), START_MS + 1, value)
        for who, value in (("a", 1.0), ("b", 3.0))
    )
    found = windows_of(one, samples, {}, START_MS, END_MS)
    assert (found.series, found.values.tolist(), found.n.tolist()) == ((Labels(),), [2.0], [2.0])

"""Shares of observations within a bound: against plain loops, merged, and where there is none."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from detector import evaluate
from detector.increase import UP
from detector.signal import LeftOut, Signal
from detector.window import Span, left_out, merge
from storage.history import Samples
from storage.series import NAME, Labels
from tests.detector.scrapes import START_MS, Page, grown, histograms, labelled
from tests.detector.test_window import (
    INF,
    LAYOUTS,
    MINUTE_MS,
    by_key,
    check_merge,
    evaluated,
    gauge,
    line,
    look,
    minutes,
    near,
    signal,
    slot_end,
)
from tests.detector.watch import NOON_MS, Watch, definitions

HALF = signal("share", metric="latency_seconds", bound=0.5, by=["target", "name"])
HALF_OF_ALL = signal("share", metric="latency_seconds", bound=0.5, by=["target"])
ONE_OF_ALL = signal("share", metric="latency_seconds", bound=1, by=["target"])


def buckets(lines: dict[str, str], name: str = "x") -> list[Page]:
    """One histogram, a line of values for each `le`."""
    return look(
        line(text, labelled("latency_seconds_bucket", "shop", name=name, le=le))
        for le, text in lines.items()
    )


@pytest.mark.parametrize(("one", "bound"), [(HALF_OF_ALL, 0.5), (ONE_OF_ALL, 1.0)])
@given(pages=histograms(layouts=LAYOUTS))
def test_a_share_is_what_plain_loops_say(one: Signal, bound: float, pages: list[Page]) -> None:
    together = {each: each.without("le") for page in pages for each in page.values or {}}
    edges: dict[str, set[float]] = defaultdict(set)
    for labels in together:
        edges[labels.get("name")].add(float(labels.get("le")))
    within: dict[int, float] = defaultdict(float)
    total: dict[int, float] = defaultdict(float)
    unclear: dict[int, float] = defaultdict(float)
    for (labels, at_ms), (value, _) in grown(pages, together).items():
        end_ms, le = slot_end(at_ms), float(labels.get("le"))
        within[end_ms] += value if le == bound else 0
        total[end_ms] += value if le == INF else 0
        unclear[end_ms] += value if le == INF and bound not in edges[labels.get("name")] else 0
    expected = {
        end_ms: (near(within[end_ms] / count), count)
        for end_ms, count in total.items()
        if count and not unclear[end_ms]
    }
    found = by_key(evaluated(one, pages))
    assert {end: (row.value, row.n) for (_, end), row in found.items()} == expected


@pytest.mark.parametrize("one", [HALF, HALF_OF_ALL])
@given(pages=histograms(layouts=LAYOUTS))
def test_merged_shares_are_those_of_the_longer_window(one: Signal, pages: list[Page]) -> None:
    check_merge(one, lambda s: evaluated(s, pages))


def test_shares_are_merged_by_observations() -> None:
    pages = buckets({"0.5": "0 10 10", "+Inf": "0 10 40"})
    fine = evaluated(HALF, pages)
    assert minutes(fine) == {1: 1.0, 2: 0.0}
    whole = merge(HALF.form, fine, Span(START_MS, 2 * MINUTE_MS, 1))
    assert (whole.values.tolist(), whole.n.tolist()) == ([0.25], [40.0])


@pytest.mark.parametrize("le", ["1", "1.0", "1e0"])
def test_the_spelling_of_an_edge_does_not_matter(le: str) -> None:
    assert minutes(evaluated(ONE_OF_ALL, buckets({le: "0 5", "+Inf": "0 10"}))) == {1: 0.5}


def test_a_bound_between_edges_gives_no_window_and_is_no_share_of_zero() -> None:
    pages = buckets({"0.25": "0 5", "0.75": "0 9", "+Inf": "0 10"})
    assert len(evaluated(HALF, pages)) == 0
    assert left_out(HALF.form, [one for page in pages for one in page.values or {}]) == {
        Labels.of(target="shop", name="x"): LeftOut.BOUND_IS_NO_EDGE
    }


def test_what_another_layout_observed_is_not_taken_for_none() -> None:
    pages = buckets({"0.5": "0 9 18 18", "+Inf": "0 10 20 20"})
    other = buckets({"0.4": "0 0 7 7", "+Inf": "0 0 9 9"}, name="y")
    both = [
        replace(a, values={**(a.values or {}), **(b.values or {})})
        for a, b in zip(pages, other, strict=True)
    ]
    # In the second minute the other histogram observed nine of which nobody knows; in the first
    # it observed none, in the third neither did.
    assert minutes(evaluated(HALF_OF_ALL, both)) == {1: 0.9}
    named = {
        labels.get("name"): row.value for (labels, _), row in by_key(evaluated(HALF, both)).items()
    }
    assert named == {"x": 0.9}
    assert left_out(HALF_OF_ALL.form, list(both[0].values or {})) == {
        Labels.of(target="shop"): LeftOut.BOUND_IS_NO_EDGE
    }


def test_a_restart_resets_all_buckets() -> None:
    # As many below the edge since the restart as before it: only the last bucket shows it.
    pages = buckets({"0.5": "4 8", "+Inf": "100 16"})
    assert minutes(evaluated(HALF, pages)) == {1: 0.5}


def test_a_bucket_without_the_other_is_no_share() -> None:
    pages = buckets({"0.5": "0 NaN 18", "+Inf": "0 10 20"})
    assert minutes(evaluated(HALF, pages)) == {2: 0.9}
    pages = buckets({"0.5": "0 9 18", "+Inf": "0 NaN 20"})
    assert minutes(evaluated(HALF, pages)) == {2: 0.9}
    assert len(evaluated(HALF, buckets({"0.5": "0 9"}))) == 0


def test_nothing_observed_is_no_share() -> None:
    assert minutes(evaluated(HALF, buckets({"0.5": "3 3 4", "+Inf": "5 5 6"}))) == {2: 1.0}


def test_a_page_read_while_it_was_written_gives_no_share_above_one() -> None:
    assert minutes(evaluated(HALF, buckets({"0.5": "0 11", "+Inf": "0 10"}))) == {1: 1.0}


def test_only_a_share_asks_for_an_edge() -> None:
    assert left_out(gauge("avg").form, [labelled("level", "shop")]) == {}
    assert left_out(HALF.form, [labelled("latency_seconds_bucket", "shop", le="0.5")]) == {}


def test_a_window_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    forms = {
        "fit": {"form": "share", "metric": "lag_seconds", "bound": 0.5, "by": ["target"]},
        "unfit": {"form": "share", "metric": "lag_seconds", "bound": 0.6, "by": ["target"]},
        "level": {"form": "gauge", "metric": "level", "by": ["target"]},
    }
    watch = Watch(tmp_path, definitions({}, forms))
    series = tuple(
        Labels.of({NAME: "lag_seconds_bucket", "target": "shop", "le": le})
        for le in ("0.5", "+Inf")
    )
    up = Labels.of({NAME: UP, "target": "shop"})
    for minute, values in ((0, [0.0, 0.0, 1.0]), (1, [9.0, 10.0, 1.0])):
        at_ms = NOON_MS + minute * MINUTE_MS
        watch.history.append(Samples.at((*series, up), at_ms, values))
    watch.ticks(1, 1)

    def counted(name: str) -> float:
        reason = "bound_is_no_edge"
        return watch.metric("plimsoll_windows_left_out_total", signal=name, reason=reason)

    stored = watch.history.windows("fit", NOON_MS, NOON_MS + MINUTE_MS)
    assert (stored.values.tolist(), stored.n.tolist()) == ([0.9], [10.0])
    assert len(watch.history.windows("unfit", NOON_MS, NOON_MS + MINUTE_MS)) == 0
    assert (counted("fit"), counted("unfit"), counted("level")) == (0.0, 1.0, 0.0)
    unfit = watch.detector.definitions.signals["unfit"]
    assert evaluate.unfit(watch.history, unfit, NOON_MS, NOON_MS + MINUTE_MS) == {
        Labels.of(target="shop"): LeftOut.BOUND_IS_NO_EDGE
    }
    watch.close()

"""What is asked of an engine, and windows from answers that servers rarely give."""

import math
from typing import Any

import numpy as np
import pytest

from detector.config import SIGNAL
from detector.remote import Dialect, pace, questions, scrape_seconds, windows_from
from detector.signal import Signal
from detector.window import Span
from storage.config import Engine
from storage.history import Samples
from storage.series import Labels, Sample, Window

PROMETHEUS = Dialect(Engine.PROMETHEUS, "instance", 15.0)
VICTORIA = Dialect(Engine.VICTORIAMETRICS, "pod", 15.0)
BUCKETS = "lag_seconds_bucket"
SPAN = Span(0, 60_000, 3)


def made(**form: Any) -> Signal:
    return Signal(name="mine", form=SIGNAL.validate_python({"by": ["target"], **form}))


QUANTILE = made(form="quantile", metric="lag_seconds", q=0.5)
RATIO = made(form="ratio", numerator='hits_total{code="500"}', denominator="hits_total")


@pytest.mark.parametrize(
    ("signal", "asked"),
    [
        (
            made(form="quantile", metric='lag_seconds{target!="a"}', q=0.5),
            {
                "buckets": "sum by (le, instance) "
                f'(increase({BUCKETS}{{instance!="a"}}[1m14s999ms]))'
            },
        ),
        (
            made(form="share", metric="lag_seconds", bound=0.5),
            {
                "upper": f'sum by (instance) (increase({BUCKETS}{{le="0.5"}}[1m14s999ms]))',
                "lower": f'sum by (instance) (increase({BUCKETS}{{le="+Inf"}}[1m14s999ms]))',
            },
        ),
        (
            made(form="mean", metric="lag_seconds"),
            {
                "upper": "sum by (instance) (increase(lag_seconds_sum[1m14s999ms]))",
                "lower": "sum by (instance) (increase(lag_seconds_count[1m14s999ms]))",
            },
        ),
        (
            RATIO,
            {
                "upper": 'sum by (instance) (increase(hits_total{code="500"}[1m14s999ms]))',
                "lower": "sum by (instance) (increase(hits_total[1m14s999ms]))",
            },
        ),
        (
            made(form="rate", metric="hits_total", by=[]),
            {"rate": "sum(rate(hits_total[1m14s999ms]))"},
        ),
        (
            made(form="gauge", metric="level"),
            {
                "value": "sum by (instance) (sum_over_time(level[59s999ms])) / "
                "sum by (instance) (count_over_time(level[59s999ms]))",
                "count": "sum by (instance) (count_over_time(level[59s999ms]))",
            },
        ),
        (
            made(form="gauge", metric="level", stat="last"),
            {
                "value": "max by (instance) (last_over_time(level[59s999ms]))",
                "count": "sum by (instance) (count_over_time(level[59s999ms]))",
            },
        ),
    ],
)
def test_a_prometheus_is_asked_over_a_window_and_one_scrape(
    signal: Signal, asked: dict[str, str]
) -> None:
    assert questions(signal, PROMETHEUS, 60.0) == asked


def test_a_victoriametrics_is_asked_over_the_window_and_by_its_own_label() -> None:
    assert questions(QUANTILE, VICTORIA, 300.0) == {
        "buckets": f"sum by (le, pod) (increase({BUCKETS}[5m]))"
    }


def test_the_pace_is_measured_on_one_bucket_and_on_what_is_divided_by() -> None:
    last = f'{BUCKETS}{{le="+Inf"}}'
    assert pace(QUANTILE, PROMETHEUS) == (
        f"quantile(0.5, count_over_time({last}[19m59s999ms]) and {last} offset 20m)"
    )
    assert pace(RATIO, PROMETHEUS) == (
        "quantile(0.5, count_over_time(hits_total[19m59s999ms]) and hits_total offset 20m)"
    )


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [(80, 15), (79, 15), (40, 30), (20, 60), (19, 60), (10, 120), (4, 300), (28, 42.857)],
)
def test_the_scrape_interval_behind_a_number_of_samples(samples: float, seconds: float) -> None:
    assert scrape_seconds(Samples.of([Sample(Labels(), 0, samples)])) == seconds


def test_without_samples_there_is_no_scrape_interval() -> None:
    assert scrape_seconds(Samples.of([])) is None
    assert scrape_seconds(Samples.of([Sample(Labels(), 0, 0.0)])) is None


def answer(*rows: tuple[dict[str, str], int, float]) -> Samples:
    return Samples.of([Sample(Labels.of(labels), slot * 60_000, v) for labels, slot, v in rows])


def rows(signal: Signal, dialect: Dialect = VICTORIA, **answers: Samples) -> list[Window]:
    return windows_from(signal, dialect, SPAN, answers).rows()


POD = {"pod": "a"}


def test_a_ratio_without_its_numerator_is_zero_and_without_its_denominator_nothing() -> None:
    found = rows(RATIO, upper=answer((POD, 1, 3.0)), lower=answer((POD, 2, 10.0), (POD, 3, 0.0)))
    assert [(w.end_ms, w.value, w.n) for w in found] == [(120_000, 0.0, 10.0)]
    assert found[0].labels == Labels.of(target="a")


@pytest.mark.parametrize("form", ["mean", "share"])
def test_a_mean_or_a_share_without_its_numerator_is_unknown(form: str) -> None:
    more = {"bound": 0.5} if form == "share" else {}
    signal = made(form=form, metric="lag_seconds", **more)
    lower = answer((POD, 1, 10.0), (POD, 2, 10.0))
    found = rows(signal, upper=answer((POD, 2, 5.0)), lower=lower)
    assert [(w.end_ms, w.value) for w in found] == [(120_000, 0.5)]


def test_a_share_is_never_more_than_all() -> None:
    signal = made(form="share", metric="lag_seconds", bound=0.5)
    found = rows(signal, upper=answer((POD, 1, 11.0)), lower=answer((POD, 1, 10.0)))
    assert [w.value for w in found] == [1.0]


def test_what_is_infinite_was_not_observed() -> None:
    signal = made(form="gauge", metric="level", stat="max")
    count = answer((POD, 1, 4.0), (POD, 2, 4.0))
    found = rows(signal, value=answer((POD, 1, math.inf), (POD, 2, 3.0)), count=count)
    assert [(w.end_ms, w.value, w.n) for w in found] == [(120_000, 3.0, 4.0)]
    rate = made(form="rate", metric="hits_total")
    assert rows(rate, rate=answer((POD, 1, math.inf))) == []


def test_a_standing_counter_has_a_rate_of_zero() -> None:
    (found,) = rows(made(form="rate", metric="hits_total"), rate=answer((POD, 1, 0.0)))
    assert (found.value, found.n) == (0.0, 0.0)


def test_counts_are_scaled_to_the_window() -> None:
    lower = answer(({"instance": "a"}, 1, 74.999))
    (found,) = rows(RATIO, PROMETHEUS, upper=answer(), lower=lower)
    assert found.n == pytest.approx(60.0)
    buckets = answer(*((({"instance": "a", "le": le}), 1, 149.998) for le in ("1", "+Inf")))
    (found,) = rows(QUANTILE, PROMETHEUS, buckets=buckets)
    assert found.n == pytest.approx(120.0)
    assert found.counts == pytest.approx((120.0, 0.0))


def test_buckets_are_merged_whatever_their_spelling_and_order() -> None:
    one = {"pod": "a"}
    found = rows(
        QUANTILE,
        buckets=answer(
            ({**one, "le": "+Inf"}, 1, 8.0),
            ({**one, "le": "1"}, 1, 2.0),
            ({**one, "le": "1.0"}, 1, 4.0),
            ({**one, "le": "0.5"}, 1, 3.0),
            ({**one, "le": "?"}, 1, 99.0),
        ),
    )
    (window,) = found
    assert window.bounds == (0.5, 1.0, math.inf)
    assert window.counts == (3.0, 3.0, 2.0)
    assert window.value == pytest.approx(0.5 + 0.5 / 3)


def test_a_window_has_the_bounds_it_was_answered_with() -> None:
    def at(slot: int, pod: str, **buckets: float) -> list[tuple[dict[str, str], int, float]]:
        edges = {"half": "0.5", "one": "1", "all": "+Inf"}
        return [({"pod": pod, "le": edges[le]}, slot, v) for le, v in buckets.items()]

    found = rows(
        QUANTILE,
        buckets=answer(
            *at(1, "a", half=1.0, all=2.0),
            *at(2, "a", half=1.0, one=2.0, all=2.0),
            *at(2, "b", one=3.0, all=4.0),
            *at(1, "b", half=1.0, one=2.0),  # no last bucket: unknown how many there were
            *at(3, "a", half=0.0, one=0.0, all=0.0),  # nothing observed
            *at(3, "b", all=5.0),  # one bucket is no histogram
        ),
    )
    assert [(w.labels.get("target"), w.end_ms, w.bounds, w.counts) for w in found] == [
        ("a", 60_000, (0.5, math.inf), (1.0, 1.0)),
        ("a", 120_000, (0.5, 1.0, math.inf), (1.0, 1.0, 0.0)),
        ("b", 120_000, (1.0, math.inf), (3.0, 1.0)),
    ]


def test_an_empty_answer_makes_no_window() -> None:
    nothing = Samples.of([])
    assert rows(QUANTILE, buckets=nothing) == []
    assert rows(RATIO, upper=nothing, lower=nothing) == []
    assert rows(made(form="rate", metric="hits_total"), rate=nothing) == []
    assert rows(made(form="gauge", metric="level"), value=nothing, count=nothing) == []


def test_what_lies_outside_of_the_span_is_left_out() -> None:
    wide = answer((POD, 0, 1.0), (POD, 1, 1.0), (POD, 3, 1.0), (POD, 4, 1.0))
    found = rows(made(form="rate", metric="hits_total"), rate=wide)
    assert [w.end_ms for w in found] == [60_000, 180_000]


def test_thousands_of_histograms_are_laid_out_together() -> None:
    rng = np.random.default_rng(1)
    pods, edges = 300, ("0.1", "0.5", "1", "+Inf")
    values = rng.integers(1, 9, (pods, 3, len(edges))).cumsum(axis=2)
    samples = [
        Sample(Labels.of(pod=f"p{p:03d}", le=le), (s + 1) * 60_000, float(values[p, s, e]))
        for p in range(pods) for e, le in enumerate(edges) for s in range(3)
    ]  # fmt: skip
    found = windows_from(QUANTILE, VICTORIA, SPAN, {"buckets": Samples.of(samples)})
    assert len(found) == pods * 3
    assert found.layouts == ((0.1, 0.5, 1.0, math.inf),)
    assert found.counts.reshape(-1, 4).cumsum(axis=1).tolist() == values.reshape(-1, 4).tolist()

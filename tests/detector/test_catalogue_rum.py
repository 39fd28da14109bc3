"""What ships for browsers fits what the receiver of beacons tells."""

import pytest

from collector.rum.cells import Histograms
from collector.rum.percentile import LEAST_COUNT
from collector.rum.receiver import COUNTER_LABELS
from collector.rum.vitals import SECONDS, SHIFT, VITALS
from detector.config import build_rules, build_signals, shipped
from detector.signal import Quantile, Ratio, Share
from storage.series import Selector

SIGNALS = {n: s for n, s in build_signals(shipped()[0]).items() if n.startswith("rum_")}
RULES = {n: r for n, r in build_rules(shipped()[1]).items() if n.startswith("rum_")}


def told(selector: Selector) -> set[str]:
    """The labels of the series that the receiver tells for a selector, of any vital."""
    metric = selector.metric
    if metric in COUNTER_LABELS:
        return set(COUNTER_LABELS[metric])
    found: set[str] = set()
    for vital in VITALS.values():
        one = Histograms("shop")
        one.count(vital.name, "/", "mobile", 0, 0.0)
        for labels in one.samples(0).series:
            if selector.matches(labels):
                found |= set(labels.as_dict())
    return found


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_reads_what_the_receiver_tells(name: str) -> None:
    for plain in SIGNALS[name].plain:
        for selector in plain.signal.form.selectors():
            labels = told(selector)
            assert labels, f"nothing is told for {selector}"
            assert set(plain.theirs) <= labels


@pytest.mark.parametrize("name", VITALS)
def test_good_is_what_the_receiver_calls_good(name: str) -> None:
    found = SIGNALS[f"rum_{name.lower()}_good"].form
    assert isinstance(found, Share)
    assert found.bound == VITALS[name].good
    assert found.bound in VITALS[name].edges


@pytest.mark.parametrize("name", [one.lower() for one in VITALS])
def test_the_percentile_of_a_vital_is_the_75th_of_its_own_buckets(name: str) -> None:
    vital = VITALS[name.upper()]
    for pool in ("", "_all_routes"):
        found = SIGNALS[f"rum_{name}{pool}"].form
        assert isinstance(found, Quantile)
        assert found.q == 0.75
        assert found.metric.metric == (SECONDS if vital.is_time else SHIFT)
        # Layouts differ by metric, so no two of them may be added up.
        assert {m.value for m in found.metric.matchers} == (
            {vital.name} if vital.is_time else set()
        )


@pytest.mark.parametrize("name", RULES)
def test_so_few_page_views_are_unknown(name: str) -> None:
    vital = name.split("_")[1].upper()
    assert RULES[name].gates.min_count == LEAST_COUNT[vital]


@pytest.mark.parametrize("name", RULES)
def test_small_routes_are_judged_together(name: str) -> None:
    pooled = f"{name}_all_routes"
    if not name.endswith("_all_routes"):
        by = SIGNALS[RULES[name].signal].form.by
        assert SIGNALS[RULES[pooled].signal].form.by == tuple(one for one in by if one != "route")


def test_lost_beacons_are_a_share_of_all_that_were_sent() -> None:
    found = SIGNALS["rum_beacons_lost"].form
    assert isinstance(found, Ratio)
    assert {one.metric for one in found.numerator} < {one.metric for one in found.denominator}

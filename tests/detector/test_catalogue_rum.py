"""What ships for browsers fits what the receiver of beacons tells."""

import pytest

from collector.rum.cells import Histograms
from collector.rum.names import variable
from collector.rum.percentile import LEAST_COUNT
from collector.rum.receiver import COUNTER_LABELS
from collector.rum.vitals import SECONDS, SHIFT, VITALS
from detector.config import build_rules, build_signals, shipped
from detector.form import Quantile, Ratio, Share
from detector.pooling import Pools
from storage.series import Labels, Selector

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
            assert set(plain.signal.form.read_by) <= labels


@pytest.mark.parametrize("name", VITALS)
def test_good_is_what_the_receiver_calls_good(name: str) -> None:
    found = SIGNALS[f"rum_{name.lower()}_good"].form
    assert isinstance(found, Share)
    assert found.bound == VITALS[name].good
    assert found.bound in VITALS[name].edges


@pytest.mark.parametrize("name", [one.lower() for one in VITALS])
def test_the_percentile_of_a_vital_is_the_75th_of_its_own_buckets(name: str) -> None:
    vital = VITALS[name.upper()]
    for pool in ("", "_all_routes", "_route_group") if name != "cls" else ("", "_all_routes"):
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


JUDGED = [name for name in RULES if name.endswith("_regression")]


@pytest.mark.parametrize("name", JUDGED)
def test_small_routes_are_judged_with_their_group_and_with_all(name: str) -> None:
    route, group, app = (RULES[f"{name}{level}"] for level in ("", "_route_group", "_all_routes"))
    labels = Labels.of(service="shop", route="/shelf/:id", device="mobile")
    above = list(Pools(SIGNALS).above(route.signal, labels))
    assert [(one.name, series) for one, series in above] == [
        (group.signal, Labels.of(service="shop", route_group="/shelf", device="mobile")),
        (app.signal, Labels.of(service="shop", device="mobile")),
    ]
    # The same in all but what it is about; a copy of one route is left to that route.
    plain = route.model_copy(update={"signal": "", "runbook": ""})
    for one in (group, app):
        gates = one.gates.model_copy(update={"min_parts": 0})
        assert one.gates.min_parts == 2
        assert one.model_copy(update={"signal": "", "runbook": "", "gates": gates}) == plain


@pytest.mark.parametrize(
    ("route", "group"),
    [
        ("/", "/"),
        ("/shelf", "/shelf"),
        ("/shelf/:id", "/shelf"),
        ("/shelf/:id/reviews", "/shelf"),
        ("/shelf/", "/shelf"),
        ("/:lang/shelf/:id", "/:lang/shelf"),
        ("/[lang]/shelf/[id]", "/[lang]/shelf"),
        ("/{lang}/{town}/shelf/{id}", "/{lang}/{town}/shelf"),
        ("/:lang", "/:lang"),
        ("/:lang/:id", "/:lang/:id"),
        ("/*rest", "/*rest"),
        ("__other__", "__other__"),
        ("/a b/ü/:id", "/a b"),
        ("//shelf", "//shelf"),
        ("/" + "a/" * 2000, "/a"),
    ],
)
def test_a_group_is_a_route_up_to_its_first_segment_that_is_no_variable(
    route: str, group: str
) -> None:
    labels = Labels.of(app="shop", route=route, device="mobile")
    plain = SIGNALS["rum_lcp_route_group"].plain[0].signal.form
    assert plain.series_of(labels).get("route_group") == group


@pytest.mark.parametrize("segment", [":id", "*rest", "{id}", "[id]", "id", "a:b"])
def test_a_variable_is_what_the_receiver_takes_for_one(segment: str) -> None:
    form = SIGNALS["rum_lcp_route_group"].form
    series = form.series_of(Labels.of(service="shop", route=f"/{segment}/shelf/x"))
    known = f"/{segment}/shelf" if variable(segment) else f"/{segment}"
    assert series.get("route_group") == known


def test_the_groups_of_all_vitals_are_the_same() -> None:
    made = {one.form.derive for name, one in SIGNALS.items() if name.endswith("_route_group")}
    assert len(made) == 1


def test_lost_beacons_are_a_share_of_all_that_were_sent() -> None:
    found = SIGNALS["rum_beacons_lost"].form
    assert isinstance(found, Ratio)
    assert {one.metric for one in found.numerator} < {one.metric for one in found.denominator}

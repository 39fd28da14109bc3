"""Web vitals are judged by their page views: chance, visitors, releases, elements."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector.rum import cells
from collector.rum.names import OTHER
from detector import hours
from detector.config import shipped
from detector.exclusion import Apart
from detector.judgement import Judgement, Reason, Verdict
from detector.visits import PageViews, ReleaseVerdict, Visits
from storage.series import Labels
from tests.detector.page_views import Group, store
from tests.detector.watch import DAY_MS, HOUR_MS, NOON_MS, Watch, definitions

SIGNALS, RULES = shipped()
SERIES = Labels.of(service="shop", route="/", device="mobile")
USUAL = (Group(900, 1.2), Group(100, 3.0, connection="3g"))
GATES = {"min_count": 200, "min_delta": 0.1}
NOTHING = Apart()


def watched(
    tmp_path: Path,
    now: Sequence[Group],
    gates: dict[str, Any],
    *,
    usual: Sequence[Group] = USUAL,
    signal: str = "rum_lcp",
    metric: str = "LCP",
    rule: str = "rum_lcp_regression",
) -> Watch:
    """A shop whose last two hours are other ones than those of the eight days before."""
    rules = {"r": {**RULES[rule], "gates": gates}}
    watch = Watch(tmp_path, definitions(rules, {signal: SIGNALS[signal]}))
    hours = [
        (NOON_MS - back * HOUR_MS, now if back < 2 else usual) for back in range(8 * 24, -1, -1)
    ]
    store(watch.history, metric, signal, hours, newest=3)
    return watch


def said(watch: Watch) -> Judgement:
    """What the rule says at noon."""
    (signal,) = watch.detector.definitions.signals.values()
    windowing = watch.detector.windowing
    windowing.follow(windowing.held[signal.name], NOON_MS + signal.form.window_ms)
    drafts = watch.detector.judge(signal, NOON_MS, [], [])
    (verdicts,) = watch.detector.confirming.confirm(drafts, NOON_MS, [], [])
    (row,) = verdicts.rows()
    watch.close()
    return row


def looked(watch: Watch, left_out: Apart = NOTHING) -> Visits:
    (signal,) = watch.detector.definitions.signals.values()
    labels = SERIES if "route" in signal.form.by else SERIES.without("route")
    found = PageViews(watch.history).look(signal, labels, NOON_MS, 0.4, left_out)
    watch.close()
    assert found is not None
    return found


OTHERS = (Group(500, 1.2), Group(500, 3.0, connection="3g"))
SLOWER = tuple(replace(one, median=1.5 * one.median) for one in USUAL)


@pytest.mark.parametrize("asked", [True, False])
def test_more_slow_connections_are_no_regression(tmp_path: Path, asked: bool) -> None:
    row = said(watched(tmp_path, OTHERS, {**GATES, **({"mix": 0.5} if asked else {})}))
    if not asked:  # the same without the gate
        assert row.verdict is Verdict.REGRESSED
        return
    assert (row.verdict, row.reason) == (Verdict.REJECTED, Reason.MIX)
    assert dict(row.stages)["left"] < 0.2
    mix = row.visits["mix"]
    assert mix["by"] == ["connection", "navigation"]
    assert mix["moved"][0]["visitors"] == {"connection": "3g", "navigation": "navigate"}
    assert mix["moved"][0]["now"] == pytest.approx(0.5, abs=0.02)
    assert mix["moved"][0]["before"] == pytest.approx(0.1, abs=0.02)
    assert mix["alike"] == pytest.approx(mix["before"], rel=0.1)


MOVED = {
    "country": (Group(500, 1.2), Group(500, 3.0, country="BR")),
    "navigation": (Group(500, 1.2), Group(500, 3.0, navigation="reload")),
    "release": (Group(500, 1.2), Group(500, 3.0, release="kiosk")),
}


@pytest.mark.parametrize("name", MOVED)
def test_whatever_visitors_differ_in_it_is_named(tmp_path: Path, name: str) -> None:
    now = MOVED[name]
    usual = (replace(now[0], n=900), replace(now[1], n=100))
    row = said(watched(tmp_path, now, {**GATES, "mix": 0.5}, usual=usual))
    assert (row.verdict, row.reason) == (Verdict.REJECTED, Reason.MIX)
    assert name in row.visits["mix"]["by"]


def test_a_slower_page_is_a_regression_with_the_same_visitors(tmp_path: Path) -> None:
    row = said(watched(tmp_path, SLOWER, {**GATES, "mix": 0.5, "band": 0.99}))
    assert row.verdict is Verdict.REGRESSED
    stages = dict(row.stages)
    assert stages["left"] == pytest.approx(1, abs=0.2)
    assert stages["edge"] > stages["same_hours"]


def test_a_new_release_that_is_slower_is_no_change_of_visitors(tmp_path: Path) -> None:
    now = (Group(700, 1.7, release="1.5.0", element="#banner"), Group(300, 1.2))
    row = said(watched(tmp_path, now, {**GATES, "mix": 0.5}, usual=(Group(1000, 1.2),)))
    assert row.verdict is Verdict.REGRESSED
    found = row.visits["releases"]
    assert (found["after"], found["before"], found["verdict"]) == ("1.5.0", "1.4.2", "worse")
    factor = np.exp(0.6745 * 0.4)
    assert found["difference"]["low"] < 0.5 * factor < found["difference"]["high"]
    assert found["value"]["n"] == 700
    first = row.visits["elements"][0]
    assert (first["element"], first["value_before"], first["share"]) == ("#banner", None, 1.0)


def test_a_rollout_that_began_days_ago_is_still_no_change_of_visitors(tmp_path: Path) -> None:
    watch = watched(tmp_path, (), {**GATES, "mix": 0.5})
    old, new = Group(900, 1.2), Group(100, 1.7, release="1.5.0")
    # The new release came three days ago to a tenth of the users, and to all of them this hour.
    hours = [
        (
            NOON_MS - back * HOUR_MS,
            (replace(new, n=1000),) if back < 2 else (old, new) if back < 72 else (old,),
        )
        for back in range(8 * 24, -1, -1)
    ]
    store(watch.history, "LCP", "rum_lcp", hours, newest=3)
    found = looked(watch)
    assert found.composition is None or found.composition.left > 0.5
    assert found.releases is not None
    assert found.releases.verdict is ReleaseVerdict.WORSE


def test_a_few_page_views_are_chance(tmp_path: Path) -> None:
    gates = {"min_count": 20, "min_delta": 0.1}
    # The same distribution, wide, and so few of it that a fifth more is nothing special.
    usual = (Group(30, 1.2, spread=0.9),)
    watch = watched(tmp_path, usual, {**gates, "band": 0.99}, usual=usual)
    one = (Group(30, 1.75, spread=0.9),)
    hours = [(NOON_MS - back * HOUR_MS, one) for back in range(2, -1, -1)]
    store(watch.history, "LCP", "rum_lcp", hours, newest=3, seed=5)
    row = said(watch)
    assert (row.verdict, row.reason) == (Verdict.REJECTED, Reason.BAND)
    again = Watch(tmp_path, definitions({"r": {**RULES["rum_lcp_regression"], "gates": gates}},
                                        {"rum_lcp": SIGNALS["rum_lcp"]}))  # fmt: skip
    assert said(again).verdict is Verdict.REGRESSED


@pytest.mark.parametrize(("n", "verdict"), [(600, Verdict.REGRESSED), (60, Verdict.REJECTED)])
def test_of_layout_shifts_the_share_is_held_against_chance(
    tmp_path: Path, n: int, verdict: Verdict
) -> None:
    gates = {"min_count": 50, "min_delta": 0.025, "band": 0.99}
    trigger = {"relative": {"below": 0.97}}
    rule = {**RULES["rum_cls_regression"], "trigger": trigger, "gates": gates}
    rule["clear"] = {"level": 0.98, "for": "6h"}
    watch = Watch(tmp_path, definitions({"r": rule}, {"rum_cls_good": SIGNALS["rum_cls_good"]}))
    hours = [
        (NOON_MS - back * HOUR_MS, [Group(n, 0.85 if back < 2 else 0.90)])
        for back in range(8 * 24, -1, -1)
    ]
    store(watch.history, "CLS", "rum_cls_good", hours, newest=3, seed=4)
    row = said(watch)
    assert (row.verdict, row.value < 0.87) == (verdict, True)
    if verdict is Verdict.REJECTED:
        assert row.reason is Reason.BAND


def test_all_routes_together_are_not_slower_because_a_slow_one_is_busier(tmp_path: Path) -> None:
    usual = (Group(900, 1.0), Group(100, 3.0, route="/search"))
    now = (Group(500, 1.0), Group(500, 3.0, route="/search"))
    row = said(
        watched(
            tmp_path,
            now,
            {**GATES, "mix": 0.5},
            usual=usual,
            signal="rum_lcp_all_routes",
            rule="rum_lcp_regression_all_routes",
        )
    )
    assert (row.verdict, row.reason) == (Verdict.REJECTED, Reason.MIX)
    assert "route" in row.visits["mix"]["by"]


def test_the_element_that_grew_is_named_and_the_others_are_not(tmp_path: Path) -> None:
    usual = (Group(700, 1.2), Group(300, 1.0, element="#teaser"))
    now = (Group(700, 1.8), Group(300, 1.0, element="#teaser"))
    first, *others = looked(watched(tmp_path, now, GATES, usual=usual)).elements
    assert first.element == "#hero"
    assert first.value / first.value_before == pytest.approx(1.5, rel=0.1)
    assert first.share == pytest.approx(first.share_before, abs=0.02)
    assert all(one.growth < first.growth / 4 for one in others)


def test_days_of_a_regression_are_no_past_of_page_views(tmp_path: Path) -> None:
    watch = watched(tmp_path, OTHERS, GATES)
    bad = tuple(replace(one, median=9.0) for one in USUAL)
    spoilt = [(NOON_MS - DAY_MS - back * HOUR_MS, bad) for back in range(1, -1, -1)]
    store(watch.history, "LCP", "rum_lcp", spoilt, newest=0)
    apart = Apart(over=((NOON_MS - DAY_MS - 2 * HOUR_MS, NOON_MS - DAY_MS),))
    clean = looked(watch, apart)
    assert clean.composition is not None
    assert clean.composition.found.before < 1.8
    again = Watch(tmp_path, watch.detector.definitions)
    spoilt_ = looked(again)
    assert spoilt_.composition is None or spoilt_.composition.found.before > 1.8


def test_a_signal_that_is_no_vital_has_no_page_views(tmp_path: Path) -> None:
    watch = watched(tmp_path, USUAL, GATES)
    (signal,) = watch.detector.definitions.signals.values()
    plain = signal.model_copy(update={"form": signal.form.model_copy(update={"vital": None})})
    found = PageViews(watch.history).look(plain, SERIES, NOON_MS, 0.4, Apart())
    watch.close()
    assert found is None


def test_where_nobody_counted_page_views_nothing_is_said(tmp_path: Path) -> None:
    watch = watched(tmp_path, USUAL, GATES)
    (signal,) = watch.detector.definitions.signals.values()
    other = SERIES.plus(service="another")
    found = PageViews(watch.history).look(signal, other, NOON_MS, 0.4, Apart())
    watch.close()
    assert found == Visits()


def test_the_hours_are_those_that_the_receiver_writes() -> None:
    mine = {cut.name.replace("VISITORS", "MIX"): str(cut) for cut in hours.Cut}
    assert mine == {cut.name: str(cut) for cut in cells.Cut}
    for cut in hours.Cut:
        theirs = cells.CUT_LABELS[cells.Cut(str(cut))]
        assert hours.LABELS[cut] == tuple(one for one in theirs if one != "metric")
    assert hours.OTHER == OTHER


@pytest.mark.parametrize("name", [one for one in RULES if one.startswith("rum_")])
def test_every_shipped_rule_of_a_vital_asks_for_chance_and_visitors(name: str) -> None:
    assert (RULES[name]["gates"]["band"], RULES[name]["gates"]["mix"]) == (0.99, 0.5)
    assert SIGNALS[RULES[name]["signal"]]["vital"] == name.split("_")[1].upper()

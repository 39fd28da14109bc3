"""The same samples in the history and in a real Prometheus: where the two agree, and where not.

Agreement is compared on hundreds of generated targets: with restarts, gaps, series that vanish,
targets that go down, samples that come late, NaN, infinity, buckets that change and families that
are mixed up. Prometheus gets them by remote write, with the stale markers that it would write
itself. The seed is printed, and set by PLIMSOLL_SEED; a case that fails is printed with it.

What is meant to differ is a row of `DIFFERENT`, with what each of the two says, or a test of its
own; docs/how-detection-works.md has the same list.
"""

import math
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from detector import evaluate
from detector.config import build_signals
from detector.promql import compile
from detector.signal import Signal
from detector.window import Span, merge
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples, Windows
from storage.series import NAME, Labels, Sample
from tests.detector.exposed import (
    KINDS,
    MINUTE_MS,
    MINUTES,
    TICK_MS,
    Case,
    generated,
    linear,
    points_of,
    samples_of,
)
from tests.detector.scrapes import START_MS
from tests.notation import numbers
from tests.remote_write import push
from tests.servers import prometheus

SEED = int(os.environ.get("PLIMSOLL_SEED", "20260302"))
ON_EDGES, OFF_EDGES = 24 * len(KINDS), 40
OUT_OF_ORDER = "storage: {tsdb: {out_of_order_time_window: 1h}}\n"
END_MS = START_MS + MINUTES * MINUTE_MS
OVER_MS = 5 * MINUTE_MS
LAG, HITS, LEVEL = "lag_seconds", "hits_total", "level"
BY_NAME = ["target", "name"]
FORMS: dict[str, dict[str, Any]] = {
    "p50": {"form": "quantile", "metric": LAG, "q": 0.5},
    "p90_by_name": {"form": "quantile", "metric": LAG, "q": 0.9, "by": BY_NAME},
    "p99_of_x": {"form": "quantile", "metric": 'lag_seconds{name="x"}', "q": 0.99},
    "p90_by_made": {
        "form": "quantile",
        "metric": LAG,
        "q": 0.9,
        "by": ["target", "made"],
        "derive": {"made": {"label": "name", "pattern": "[xy](.*)"}},
    },
    "mean": {"form": "mean", "metric": LAG},
    "mean_not_x": {"form": "mean", "metric": 'lag_seconds{name!="x"}', "by": BY_NAME},
    "share": {"form": "share", "metric": LAG, "bound": 0.5},
    "share_by_name": {"form": "share", "metric": LAG, "bound": 0.5, "by": BY_NAME},
    "ratio": {"form": "ratio", "numerator": 'hits_total{name="a"}', "denominator": HITS},
    "ratio_of_some": {
        "form": "ratio",
        "numerator": 'hits_total{name!~"b|c"}',
        "denominator": 'hits_total{name=~"[ab]"}',
    },
    "rate": {"form": "rate", "metric": HITS},
    "rate_by_name": {"form": "rate", "metric": HITS, "by": BY_NAME},
    "average": {"form": "gauge", "metric": LEVEL},
    "lowest": {"form": "gauge", "metric": LEVEL, "stat": "min"},
    "highest": {"form": "gauge", "metric": LEVEL, "stat": "max"},
    "lowest_by_made": {
        "form": "gauge",
        "metric": LEVEL,
        "stat": "min",
        "by": ["target", "made"],
        "derive": {"made": {"label": "name", "pattern": "(?:p|q)()"}},
    },
    "newest_by_name": {"form": "gauge", "metric": LEVEL, "by": BY_NAME, "stat": "last"},
    "newest": {"form": "gauge", "metric": LEVEL, "stat": "last"},
}
SIGNALS = build_signals({name: {"by": ["target"], **form} for name, form in FORMS.items()})
# Of several series PromQL knows no newest sample; that one is a row of `DIFFERENT`.
AGREEING = [name for name in SIGNALS if name != "newest"]
NOTHING = None
Values = dict[Labels, float]


@dataclass(frozen=True)
class Different:
    """Samples every 15 s from a minute before the first window, and what is made of them."""

    case: str
    lines: Mapping[str, str]
    signal: str
    minute: int
    ours: float | None
    theirs: float | None


def lag(le: str, name: str = "x") -> str:
    """A bucket, written as the lines of a case are."""
    return f"lag_seconds_bucket name={name} le={le}"


# fmt: off
DIFFERENT = [
    Different("the first error of a new counter",
        {"hits_total name=a": "_x6 1x7",
         "hits_total name=b": "100 110 120 130 140 150 160 170 180x5"},
        "ratio", 1, 1 / 41, 0.0),
    Different("what was added between two windows",
        {"hits_total name=b": "0x4 _ 0x3 _ 60x4"},
        "rate", 2, 60 / 75, 0.0),
    Different("one sample in the window",
        {"hits_total name=b": "0 _x4 180"},
        "rate", 1, 180 / 75, NOTHING),
    Different("the end of an outage",
        {"hits_total name=b": "0 10 20 30 40 _x6 110 120"},
        "rate_by_name", 2, 80 / 120, 10 / 15 * (15 + 7.5) / 60),
    Different("a sample that is no number on the edge of a window",
        {"hits_total name=b": "0 15 30 45 60 75 90 105 NaN 135 150 165 180"},
        "rate", 1, 45 / 45, math.nan),
    Different("a sample that is infinite",
        {"hits_total name=b": "0 15 30 45 60 75 Inf 105 120"},
        "rate", 1, 1.0, math.inf),
    Different("a restart that one bucket does not show",
        {lag("0.5"): "4x4 4 8x4", lag("+Inf"): "100x4 100 16x4"},
        "share", 1, 0.5, 4 / 16),
    Different("a series that vanishes",
        {"hits_total name=a": "0x13", "hits_total name=b": "0 15 30 45 60 75 90"},
        "rate", 1, 30 / 30, 30 * (30 + 7.5) / 30 / 60),
    Different("a series that comes back",
        {"hits_total name=a": "0x13", "hits_total name=b": "0 15 30 45 60 _x5 150 165 180"},
        "rate", 2, 120 / 120, 30 * (30 + 7.5) / 30 / 60),
    Different("the window in which the buckets change",
        {lag("0.1"): "1x4 1 2 3", lag("0.5"): "1x4 1 3 5 1 2", lag("2"): "_x7 1 3",
         lag("+Inf"): "1x4 1 3 5 1 3"},
        "p50", 1, 0.5 * 3.5 / 6, 0.1 + 0.4 * 1 / 3.5),
    Different("buckets of different layouts",
        {lag("0.5"): "0x5 10x4", lag("1"): "0x5 20x4", lag("+Inf"): "0x5 20x4",
         lag("0.5", "y"): "0x5 0x4", lag("2", "y"): "0x5 20x4", lag("+Inf", "y"): "0x5 20x4"},
        "p50", 1, 0.5, 1.0),
    Different("a bound that is no edge of one of the layouts",
        {lag("0.5"): "0x5 10x4", lag("+Inf"): "0x5 20x4",
         lag("0.4", "y"): "0x5 20x4", lag("+Inf", "y"): "0x5 20x4"},
        "share", 1, NOTHING, 0.25),
    Different("a sum without its count",
        {"lag_seconds_sum name=x": "0 1 2 3 4 5 6 7 17",
         "lag_seconds_count name=x": "0 2 4 6 8 10 12 14 _"},
        "mean", 1, 3 / 6, 13 / 8),
    Different("a gauge read on the edge of a window",
        {"level name=p": "1x4 9 1x3 1"},
        "average", 1, 1.0, 13 / 5),
    Different("a gauge that is no number at times",
        {"level name=p": "1x5 NaN 1 3 2"},
        "average", 1, 2.0, math.nan),
    Different("the newest sample of several series",
        {"level name=p": "_x5 1 2 3 _", "level name=q": "_x5 8 9 _ _"},
        "newest", 1, 3.0, 9.0),
]
# fmt: on


def named(different: Different) -> Case:
    """The target of a row."""
    case = Case(different.case)
    for series, text in different.lines.items():
        metric, *pairs = series.split()
        labels = dict(pair.split("=") for pair in pairs)
        for tick, value in enumerate(numbers(text)):
            if value is not None:
                case.show(metric, START_MS - MINUTE_MS + tick * TICK_MS, value, **labels)
    return case


class Both:
    """The same samples twice."""

    def __init__(self, cases: list[Case], history: DuckHistory, address: str) -> None:
        self.address = address
        self.cases = {case.name: case for case in cases}
        self.history = history
        self.seen = evaluate.seen(history, START_MS - MINUTE_MS, END_MS)
        self.client = httpx.Client(base_url=address, trust_env=False, timeout=30)

    def ours(self, signal: Signal) -> dict[int, Values]:
        """Values by the end of the window."""
        fine = evaluate.evaluate(self.history, signal, self.seen, START_MS - MINUTE_MS, END_MS)
        found: dict[int, Values] = {}
        for row in fine.rows():
            found.setdefault(row.end_ms, {})[row.labels] = row.value
        return found

    def ours_over(self, signal: Signal) -> Values:
        """The values of the five minutes after the start, merged from windows of a minute."""
        fine = evaluate.evaluate(self.history, signal, self.seen, START_MS, START_MS + OVER_MS)
        whole = merge(signal.form, fine, Span(START_MS, OVER_MS, 1))
        return {row.labels: row.value for row in whole.rows()}

    def theirs(self, signal: Signal, at_ms: int, seconds: float | None = None) -> Values:
        """What Prometheus says of a signal at a time, NaN included."""
        return self.asked(compile(signal, seconds), at_ms)

    def asked(self, query: str, at_ms: int) -> Values:
        """What Prometheus says at a time."""
        asked = {"query": query, "time": str(at_ms / 1000)}
        answer = self.client.post("/api/v1/query", data=asked)
        assert answer.status_code == 200, answer.text
        return {
            Labels.of({k: v for k, v in one["metric"].items() if k != "__name__"}): float(
                one["value"][1]
            )
            for one in answer.json()["data"]["result"]
        }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Some hundred generated targets and the rows of `DIFFERENT`, in one file each."""
    sys.stdout.write(f"seed {SEED} (PLIMSOLL_SEED)\n")
    cases = [generated(number, SEED) for number in range(ON_EDGES)]
    cases += [linear(number, SEED) for number in range(ON_EDGES, ON_EDGES + OFF_EDGES)]
    assert len(cases) >= 300
    cases += [named(one) for one in DIFFERENT]
    directory: Path = tmp_path_factory.mktemp("both")
    file = DuckFile(directory / "history.duckdb")
    history = DuckHistory(file)
    for samples in samples_of(cases, np.random.default_rng(SEED)):
        history.append(samples)
    with prometheus(directory, OUT_OF_ORDER, "--web.enable-remote-write-receiver") as address:
        for points in points_of(cases):
            assert {answer.status_code for answer in push(address, points)} == {204}
        made = Both(cases, history, address)
        yield made
        made.client.close()
    file.close()


def comparable(case: Case, signal: Signal, start_ms: int, end_ms: int) -> bool:
    """Whether the two are meant to agree on a window of a target."""
    if signal.form.form == "gauge" or case.name.endswith("linear"):
        return True
    return all(case.whole(one, start_ms, end_ms) for one in metrics_of(signal))


def told(case: Case, signal: Signal, start_ms: int, end_ms: int) -> str:
    """What is needed to look at a case that failed, and to make it again."""
    return f"PLIMSOLL_SEED={SEED}, {case.told(metrics_of(signal), start_ms, end_ms)}"


def metrics_of(signal: Signal) -> list[str]:
    """The metrics that a signal reads."""
    return list(dict.fromkeys(one.metric for one in signal.form.selectors()))


@pytest.mark.parametrize("name", AGREEING)
def test_windows_are_what_prometheus_says(both: Both, name: str) -> None:
    signal, compared = SIGNALS[name], Counter[str]()
    generated_cases = [one for one in both.cases.values() if one.name[:3].isdigit()]
    windows = both.ours(signal)
    for end_ms in range(START_MS + MINUTE_MS, END_MS + 1, MINUTE_MS):
        theirs = both.theirs(signal, end_ms)
        observed = {labels: value for labels, value in theirs.items() if not math.isnan(value)}
        for case in generated_cases:
            if comparable(case, signal, end_ms - MINUTE_MS, end_ms):
                mine = of_target(windows.get(end_ms, {}), case)
                assert mine == approximately(of_target(observed, case)), told(
                    case, signal, end_ms - MINUTE_MS, end_ms
                )
                compared[case.name.split(" ", 1)[1]] += len(mine)
    # Every kind of target was compared, and not only where nothing was to be seen.
    gauges = signal.form.form == "gauge"
    assert set(compared) == {*KINDS, "linear"}
    assert all(count > 40 for kind, count in compared.items() if not gauges or kind != "linear")
    assert compared.total() > 1500


@pytest.mark.parametrize("name", AGREEING)
def test_merged_windows_are_what_prometheus_says_of_the_longer_span(both: Both, name: str) -> None:
    signal, compared = SIGNALS[name], 0
    mine = both.ours_over(signal)
    theirs = both.theirs(signal, START_MS + OVER_MS, OVER_MS / 1000)
    observed = {labels: value for labels, value in theirs.items() if not math.isnan(value)}
    edges = range(START_MS, START_MS + OVER_MS + 1, MINUTE_MS)
    for case in both.cases.values():
        whole = case.name[:3].isdigit() and all(
            comparable(case, signal, edge, edge + MINUTE_MS) for edge in edges[:-1]
        )
        # Where a series is away for some of the windows, they have no common length.
        gauge = signal.form.form == "gauge"
        if whole and (gauge or all(case.same(one, edges) for one in metrics_of(signal))):
            assert of_target(mine, case) == approximately(of_target(observed, case)), told(
                case, signal, edges[0], edges[-1]
            )
            compared += 1
    assert compared >= ON_EDGES * 6 // 8


def of_target(values: Values, case: Case) -> Values:
    """Those of one target."""
    return {one: value for one, value in values.items() if one.get("target") == case.name}


def approximately(values: Values) -> Any:
    """The same series, their values to nine digits."""
    return pytest.approx(values, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("row", DIFFERENT, ids=lambda row: row.case)
def test_what_differs_differs_as_it_is_meant_to(both: Both, row: Different) -> None:
    signal, case = SIGNALS[row.signal], both.cases[row.case]
    end_ms = START_MS + row.minute * MINUTE_MS
    mine = list(of_target(both.ours(signal).get(end_ms, {}), case).values())
    theirs = list(of_target(both.theirs(signal, end_ms), case).values())
    assert mine == ([] if row.ours is None else [pytest.approx(row.ours)])
    assert theirs == ([] if row.theirs is None else [pytest.approx(row.theirs, nan_ok=True)])
    assert str(mine) != str(theirs)


def test_a_series_that_vanished_is_stale_in_prometheus(both: Both) -> None:
    # Else nothing above would say anything about stale markers.
    gone = [case for case in both.cases.values() if case.name.endswith("vanished")]
    assert len(gone) == ON_EDGES // len(KINDS)
    for case in gone:
        labels = Labels.of({NAME: "hits_total", "target": case.name}, name="b")
        last_ms = max(case.times["hits_total"][labels])
        assert both.asked(str(labels), last_ms + TICK_MS - 1) != {}
        assert both.asked(str(labels), last_ms + TICK_MS) == {}
        other = both.asked(str(labels).replace('"b"', '"c"'), last_ms + TICK_MS)
        assert len(other) == 1


def test_a_sample_that_comes_late_changes_no_window_that_is_stored(both: Both) -> None:
    signal, who = SIGNALS["average"], Labels.of(target="a sample that comes late")
    level = who.plus(**{NAME: "level"})
    end_ms = START_MS + MINUTE_MS
    at_once, late = [(START_MS + 10_000, 1.0), (START_MS + 40_000, 3.0)], (START_MS + 25_000, 8.0)

    def ours() -> Values:
        found = both.history.windows(signal.name, START_MS, end_ms, who)
        return {row.labels: row.value for row in found.rows()}

    def anew() -> Windows:
        return evaluate.evaluate(both.history, signal, {}, START_MS, end_ms)

    both.history.append(Samples.of(Sample(level, *one) for one in at_once))
    assert [one.status_code for one in push(both.address, {level: at_once})] == [204]
    both.history.put_windows(anew())
    assert ours() == {who: 2.0}
    assert both.theirs(signal, end_ms)[who] == 2.0

    both.history.append(Samples.of([Sample(level, *late)]))
    assert [one.status_code for one in push(both.address, {level: [late]})] == [204]
    assert ours() == {who: 2.0}  # what was judged stays what was judged
    assert both.theirs(signal, end_ms)[who] == 4.0
    (row,) = [row for row in anew().rows() if row.labels == who]
    assert (row.value, row.n) == (4.0, 3.0)  # nothing is lost: a refill has it


def test_of_two_values_for_one_time_the_last_stays_and_prometheus_keeps_the_first(
    both: Both,
) -> None:
    signal, who = SIGNALS["average"], Labels.of(target="two values for one time")
    level = who.plus(**{NAME: "level"})
    for value, status in ((1.0, 204), (5.0, 400)):
        both.history.append(Samples.of([Sample(level, START_MS + 10_000, value)]))
        (answer,) = push(both.address, {level: [(START_MS + 10_000, value)]})
        assert answer.status_code == status, answer.text
    assert "duplicate sample" in answer.text
    found = evaluate.evaluate(both.history, signal, {}, START_MS, START_MS + MINUTE_MS)
    assert [(row.value, row.n) for row in found.rows() if row.labels == who] == [(5.0, 1.0)]
    assert both.theirs(signal, START_MS + MINUTE_MS)[who] == 1.0


BY_HAND = ["a sample that comes late", "two values for one time"]


def test_what_differs_is_told_in_the_documentation() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/how-detection-works.md").read_text().split())
    assert [one for one in [*(row.case for row in DIFFERENT), *BY_HAND] if one not in page] == []
    rows = page.split("they are meant to differ:")[1].split("A late sample changes no window")[0]
    assert rows.count("|") == 4 * (2 + len(DIFFERENT) + len(BY_HAND))  # and no row is untested

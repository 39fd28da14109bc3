"""Windows of several origins as those of one signal."""

from typing import Any

import numpy as np
import pytest

from detector import evaluate
from detector.config import build_signals
from detector.expression import check_closed
from detector.increase import UP
from detector.signal import Signal, scaled
from detector.stack import rows_of
from detector.unite import concatenated
from detector.window import Span, merge
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Windows
from storage.series import NAME, Labels, Sample, Window
from tests.detector.scrapes import START_MS, as_read

MINUTE_MS = 60_000
INF = float("inf")


def signal(**form: Any) -> Signal:
    return build_signals({"mine": {"by": ["target", "route"], **form}})["mine"]


def evaluated(tmp_path: Any, one: Signal, lines: list[str], minutes: int = 3) -> list[Window]:
    """Windows of samples every 30 s, written as `name label=value ...: value value _ value`."""
    rows = []
    for line in lines:
        series, _, text = line.partition(": ")
        name, *pairs = series.split()
        labels = {"target": "shop", **dict(pair.split("=") for pair in pairs)}
        for tick, number in enumerate(text.split()):
            at_ms = START_MS + tick * 30_000
            rows.append(Sample(Labels.of({NAME: UP}, target=labels["target"]), at_ms, 1.0))
            if number != "_":
                rows.append(Sample(Labels.of({NAME: name}, **labels), at_ms, float(number)))
    file = DuckFile(tmp_path / "history.duckdb")
    history = DuckHistory(file)
    history.append(as_read(rows))
    end_ms = START_MS + minutes * MINUTE_MS
    seen = evaluate.seen(history, START_MS, end_ms)
    whole = evaluate.evaluate(history, one, seen, START_MS, end_ms).rows()
    # What is asked for minute by minute is the same.
    single = [
        row
        for end in range(START_MS + MINUTE_MS, end_ms + 1, MINUTE_MS)
        for row in evaluate.evaluate(history, one, seen, end - MINUTE_MS, end).rows()
    ]
    key = lambda row: (row.labels.pairs, row.end_ms)  # noqa: E731
    assert sorted(single, key=key) == sorted(whole, key=key)
    file.close()
    return whole


def told(rows: list[Window]) -> list[tuple[str, int, float]]:
    """Route, minute and n of each window."""
    return [(row.labels.get("route"), (row.end_ms - START_MS) // MINUTE_MS, row.n) for row in rows]


HITS = {
    "form": "rate",
    "metric": "hits_total",
    "variants": [{"metric": "their_hits", "labels": {"route": "path"}}],
}


def test_the_first_origin_that_a_target_shows_feeds_a_window(tmp_path: Any) -> None:
    rows = evaluated(
        tmp_path,
        signal(**HITS),
        [
            "hits_total route=/a: _ _ _ 10 20 30 40",
            "their_hits path=/a: 0 5 10 15 20 25 30",
            "their_hits path=/b: 0 1 2 3 4 5 6",
        ],
    )
    assert told(rows) == [("/a", 1, 10), ("/a", 2, 20), ("/a", 3, 20), ("/b", 1, 2)]


def test_an_origin_in_which_nothing_happened_keeps_the_others_out(tmp_path: Any) -> None:
    ratio = signal(
        form="ratio",
        numerator="hits",
        denominator="all",
        variants=[{"numerator": "their_hits", "denominator": "their_all"}],
    )
    quiet = ["hits: 0 0 0 0 0", "all: 7 7 7 8 9"]
    loud = ["their_hits: 0 1 2 3 4", "their_all: 0 2 4 6 8"]
    assert told(evaluated(tmp_path, ratio, [*quiet, *loud], 2)) == [("", 2, 2)]


def test_other_targets_are_fed_by_what_they_show(tmp_path: Any) -> None:
    rows = evaluated(
        tmp_path,
        signal(**HITS),
        ["hits_total route=/a: 0 1 2", "their_hits target=till path=/a: 0 5 10"],
        1,
    )
    assert {(row.labels.get("target"), row.n) for row in rows} == {("shop", 2), ("till", 10)}


def test_variants_of_one_source_stand_beside_each_other(tmp_path: Any) -> None:
    both = signal(
        form="rate",
        metric="bytes_total",
        variants=[
            {"source": "x", "metric": "in_bytes", "constants": {"route": "in"}},
            {"source": "x", "metric": "out_bytes", "constants": {"route": "out"}},
            {"source": "y", "metric": "y_bytes"},
        ],
    )
    lines = ["in_bytes: 0 1 2", "out_bytes: 0 3 6", "y_bytes route=y: 0 1 2"]
    assert told(evaluated(tmp_path, both, lines, 1)) == [("in", 1, 2), ("out", 1, 6)]


def test_of_equal_series_of_one_source_the_first_counts(tmp_path: Any) -> None:
    both = signal(
        form="rate",
        metric="hits",
        variants=[{"source": "x", "metric": "one"}, {"source": "x", "metric": "two"}],
    )
    assert told(evaluated(tmp_path, both, ["one: 0 1 2", "two: 0 3 6"], 1)) == [("", 1, 2)]


def test_milliseconds_become_seconds_in_bounds_and_values(tmp_path: Any) -> None:
    times = signal(form="quantile", q=0.5, metric="lag_ms", scale=0.001)
    lines = [
        "lag_ms_bucket le=57: 0 4 8",
        "lag_ms_bucket le=100: 0 4 8",
        "lag_ms_bucket le=+Inf: 0 4 8",
    ]
    (row,) = evaluated(tmp_path, times, lines, 1)
    assert row.bounds == (0.057, 0.1, INF)
    assert row.value == pytest.approx(0.0285)
    whole = merge(times.form, Windows.of("mine", [row]), Span(START_MS, MINUTE_MS, 1)).rows()
    assert whole[0].value == pytest.approx(row.value)
    share = signal(form="share", bound=0.057, metric="lag_ms", scale=0.001)
    assert share.plain[0].signal.form.model_dump()["bound"] == 57.0


def test_products_have_no_crumbs() -> None:
    from decimal import Decimal

    assert scaled(57, Decimal("0.001")) == 0.057
    assert scaled(INF, Decimal("0.001")) == INF


def test_windows_keep_their_buckets_when_they_are_put_together() -> None:
    def row(name: str, end: int, *counts: float) -> Window:
        bounds = (*map(float, range(1, len(counts))), INF)
        return Window("s", Labels.of(x=name), end, 60.0, 1.0, sum(counts), bounds, counts)

    first = [row("a", 60, 1, 2, 3), row("b", 60, 4, 5)]
    second = [row("a", 120, 6, 7), row("b", 60, 9, 9), row("c", 60, 8)]
    whole = concatenated("s", [Windows.of("s", first), Windows.of("s", second)])
    assert whole.rows() == [first[0], second[0], first[1], second[2]]
    assert rows_of(whole, np.array([2, 0])).rows() == [first[1], first[0]]
    assert concatenated("s", []).rows() == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("sum(x", r"a \( is opened"),
        ("x[5m", r"a \[ is opened"),
        ("sum)x(", r"a \) closes"),
        ("(x]", r"a \] closes"),
        ('x{a="b}', 'a " is opened'),
    ],
)
def test_an_expression_that_stands_open_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_closed(expression)


def test_brackets_in_quotes_are_text() -> None:
    check_closed(r"""sum(x{a="(", b='[\'', c=`{`}[5m])""")

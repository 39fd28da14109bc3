"""Why a signal is unknown: what is there, what is not, and what may have been meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from detector.config import build_signals
from detector.signal import LeftOut, Signal
from detector.unfit import Finding, findings
from storage.series import NAME, Labels


@dataclass(frozen=True)
class Seen:
    """The series of some lines."""

    lines: tuple[str, ...]

    def metrics(self) -> Iterable[str]:
        return {one.split("{")[0] for one in self.lines}

    def series(self, metric: str) -> Sequence[Labels]:
        found = []
        for line in self.lines:
            name, _, inner = line.rstrip("}").partition("{")
            if name == metric:
                pairs = dict(pair.split("=") for pair in inner.split(",") if pair)
                found.append(Labels.of({NAME: name, "target": "shop"}, **pairs))
        return found


def signal(**form: Any) -> Signal:
    return build_signals({"mine": {"by": ["target"], **form}})["mine"]


def found(one: Signal, *lines: str) -> list[Finding]:
    return findings(one, Seen(lines))


HITS = {"form": "rate", "metric": "hits_total"}
ERRORS = {
    "form": "ratio",
    "numerator": 'requests_total{code=~"5.."}',
    "denominator": "requests_total",
}
HALF = {"form": "share", "metric": "lag_seconds", "bound": 0.5}


@pytest.mark.parametrize(
    ("form", "lines", "reason", "text", "hint"),
    [
        (HITS, [], "metric_not_seen", "no target shows `hits_total`", ""),
        (
            HITS,
            ["hit_total", "level"],
            "metric_not_seen",
            "`hits_total`",
            "Did you mean hit_total?",
        ),
        (
            {**HITS, "metric": 'hits_total{cache="a"}'},
            ["hits_total{cache=b}", "hits_total{cache=c}"],
            "no_series_matches",
            '`hits_total` has 2 series, and none matches hits_total{cache="a"}',
            "cache is b, c.",
        ),
        (
            {**HITS, "metric": 'hits_total{cache="a"}'},
            ["hits_total{store=a}"],
            "no_series_matches",
            "one series",
            "None has the label cache; they have store.",
        ),
        (
            {**HITS, "metric": 'hits_total{cache="a",kind="x"}'},
            ["hits_total{cache=a,kind=y}", "hits_total{cache=b,kind=x}"],
            "no_series_matches",
            "2 series",
            "Each condition is met, but not all by one.",
        ),
        (
            {**HITS, "by": ["target", "cache"]},
            ["hits_total{store=a,job=x}"],
            "by_label_missing",
            "no series has the label `cache`, so all are one where `cache` should part them",
            "They have store.",
        ),
        (
            ERRORS,
            ["requests_total{status=200}"],
            "no_series_matches",
            "no series of `requests_total` has the label `code`",
            "They have status.",
        ),
        (
            {**ERRORS, "numerator": "erors_total"},
            ["requests_total{status=200}", "errors_total"],
            "metric_not_seen",
            "no target has shown `erors_total` yet",
            "Did you mean errors_total?",
        ),
        (
            {"form": "gauge", "metric": "free_bytes", "of": "all_bytes"},
            ["free_bytes"],
            "metric_not_seen",
            "no target has shown `all_bytes` yet",
            "",
        ),
        (
            HALF,
            [
                "lag_seconds_bucket{le=0.25}",
                "lag_seconds_bucket{le=1}",
                "lag_seconds_bucket{le=+Inf}",
            ],
            "bound_is_no_edge",
            "0.5 is no edge of 1 of 1 histograms",
            "are 0.25, 1.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_there(
    form: dict[str, Any], lines: list[str], reason: str, text: str, hint: str
) -> None:
    (one,) = found(signal(**form), *lines)
    assert one.reason == LeftOut(reason)
    assert text in one.text
    assert one.hint.endswith(hint)
    assert bool(one.hint) is bool(hint)


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        (HITS, ["hits_total"]),
        (ERRORS, ["requests_total{code=200}"]),  # no error has happened yet
        (HALF, ["lag_seconds_bucket{le=0.50}", "lag_seconds_bucket{le=+Inf}"]),
        ({**HITS, "by": ["target", "cache"]}, ["hits_total{cache=a}", "hits_total"]),
        ({"form": "promql", "expr": "up", "by": ["nothing"]}, []),
    ],
)
def test_what_is_well_has_no_finding(form: dict[str, Any], lines: list[str]) -> None:
    assert found(signal(**form), *lines) == []


VARIED = {
    **HITS,
    "by": ["target", "cache"],
    "variants": [
        {"source": "redis", "metric": "redis_hits", "labels": {"cache": "db"}},
        {"source": "other", "metric": 'other_hits{kind="x"}', "constants": {"cache": "one"}},
    ],
}


def test_a_variant_that_nothing_feeds_is_no_fault_while_another_is_fed() -> None:
    assert found(signal(**VARIED), "redis_hits{db=0}", "other_hits{kind=y}") == []
    assert found(signal(**VARIED), "other_hits{kind=x}") == []


def test_a_finding_names_the_variant_that_it_is_about() -> None:
    (one,) = found(signal(**VARIED), "redis_hits{keyspace=0}")
    assert (one.reason, one.source) == (LeftOut.BY_LABEL_MISSING, "redis")
    assert "label `db`" in one.text
    (one,) = found(signal(**VARIED), "other_hits{kind=y}")
    assert (one.reason, one.source) == (LeftOut.NO_SERIES_MATCHES, "other")
    (one,) = found(signal(**VARIED), "level")
    assert one.text == "no target shows `hits_total`, nor what 2 other sources call it"

"""The same samples in the history, in a real Prometheus and in a real VictoriaMetrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from detector import evaluate
from detector.config import build_signals, shipped
from detector.remote import Dialect, pace, questions, scrape_seconds, windows_from
from detector.signal import Signal
from detector.window import Span, merge
from storage.config import Engine, PrometheusConfig
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.prometheus import Prometheus
from storage.series import Labels, Window
from tests.detector.engines import Program, exposition, in_history
from tests.servers import import_prometheus, load_openmetrics, prometheus, victoriametrics

MINUTE_MS = 60_000
START_MS = 1_772_452_800_000
END_MS = START_MS + 40 * MINUTE_MS
FIRST_MS, LAST_MS = START_MS + 5 * MINUTE_MS, START_MS + 35 * MINUTE_MS
BY = ["target", "route"]
FORMS: dict[str, dict[str, Any]] = {
    "p90": {"form": "quantile", "metric": "lag_seconds", "q": 0.9},
    "p50_of_all": {"form": "quantile", "metric": "lag_seconds", "q": 0.5, "by": ["target"]},
    "p50_by_group": {
        "form": "quantile", "metric": "lag_seconds", "q": 0.5, "by": ["target", "group"],
        "derive": {"group": {"label": "route", "pattern": "(/.?)[a-z]*"}},
    },
    "mean_by_shipped_group": {
        "form": "mean", "metric": "lag_seconds", "by": ["target", "route_group"],
        "derive": shipped()[0]["rum_lcp_route_group"]["derive"],
    },
    "ratio_by_group": {
        "form": "ratio", "numerator": 'hits_total{code="500"}', "denominator": "hits_total",
        "by": ["target", "group"], "derive": {"group": {"label": "route", "pattern": "/(.).+"}},
    },
    "mean": {"form": "mean", "metric": "lag_seconds"},
    "share": {"form": "share", "metric": "lag_seconds", "bound": 0.5},
    "ratio": {"form": "ratio", "numerator": 'hits_total{code="500"}', "denominator": "hits_total"},
    "no_errors": {
        "form": "ratio", "numerator": 'hits_total{code="666"}', "denominator": "hits_total",
    },
    "rate": {"form": "rate", "metric": 'hits_total{target!="nobody"}'},
    "average": {"form": "gauge", "metric": "level", "by": ["target"]},
    "lowest": {"form": "gauge", "metric": "level", "stat": "min", "by": ["target"]},
    "highest": {"form": "gauge", "metric": "level", "stat": "max", "by": ["target"]},
    "newest": {"form": "gauge", "metric": "level", "stat": "last", "by": ["target"]},
}  # fmt: skip
SIGNALS = build_signals({name: {"by": BY, **form} for name, form in FORMS.items()})
AGREEING = ("steady", "restart", "on the edge")


def programs() -> list[Program]:
    made = [
        Program("steady"),
        Program("restart", offset_ms=11_000, restart_tick=61),
        Program("on the edge", offset_ms=0),
        Program("missed", missed_ticks=frozenset({50, 51, 90})),
    ]
    return [one.run(START_MS, END_MS, seed) for seed, one in enumerate(made)]


@dataclass
class Asked:
    """One engine and how it is spoken to."""

    client: Prometheus
    engine: Engine

    def dialect(self, signal: Signal) -> Dialect:
        unmeasured = Dialect(self.engine, "instance", 1.0)
        seconds = scrape_seconds(self.client.query(pace(signal, unmeasured), END_MS).samples)
        assert seconds == 15
        return Dialect(self.engine, "instance", seconds)

    def windows(self, signal: Signal, seconds: float = 60.0) -> list[Window]:
        step_ms, dialect = round(seconds * 1000), self.dialect(signal)
        span = Span(FIRST_MS, step_ms, (LAST_MS - FIRST_MS) // step_ms)
        answers = {
            part: self.client.query_range(query, FIRST_MS + step_ms, LAST_MS, step_ms).samples
            for part, query in questions(signal, dialect, seconds).items()
        }
        return windows_from(signal, dialect, span, answers).rows()


@pytest.fixture(scope="module", params=["prometheus", "victoriametrics"])
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    directory: Path = tmp_path_factory.mktemp("engine")
    rows = [one for program in programs() for one in program.samples]
    if request.param == "prometheus":
        load_openmetrics(exposition(rows, per_second=True), directory)
        with prometheus(directory) as url:
            client = Prometheus(PrometheusConfig(url=url))
            yield Asked(client, client.engine(END_MS))
            client.close()
        return
    with victoriametrics(directory) as url:
        import_prometheus(url, exposition(rows, per_second=False))
        client = Prometheus(PrometheusConfig(url=url))
        yield Asked(client, client.engine(END_MS))
        client.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckHistory]:
    file = DuckFile(tmp_path_factory.mktemp("history") / "history.duckdb")
    history = DuckHistory(file)
    history.append(in_history(programs()))
    yield history
    file.close()


def test_the_pace_is_not_that_of_what_has_just_begun(asked: Asked) -> None:
    signal = SIGNALS["average"]
    unmeasured = Dialect(asked.engine, "instance", 1.0)
    soon = asked.client.query(pace(signal, unmeasured), START_MS + 5 * MINUTE_MS)
    assert scrape_seconds(soon.samples) is None
    later = asked.client.query(pace(signal, unmeasured), START_MS + 21 * MINUTE_MS)
    assert scrape_seconds(later.samples) == 15


def of_programs(windows: list[Window], names: tuple[str, ...]) -> dict[Any, Any]:
    return {
        (one.labels, one.end_ms): (one.value, one.n, one.bounds, list(one.counts))
        for one in windows
        if one.labels.get("target") in names
    }


def near(windows: dict[Any, Any]) -> dict[Any, Any]:
    def approximately(number: float) -> Any:
        return pytest.approx(number, rel=1e-6, abs=1e-9)

    return {
        key: (approximately(v), approximately(n), bounds, [approximately(c) for c in counts])
        for key, (v, n, bounds, counts) in windows.items()
    }


def test_the_engine_is_recognised(asked: Asked, request: pytest.FixtureRequest) -> None:
    assert asked.engine.value in request.node.name


@pytest.mark.parametrize("name", SIGNALS)
def test_windows_are_those_of_the_history(asked: Asked, embedded: DuckHistory, name: str) -> None:
    signal = SIGNALS[name]
    seen = evaluate.seen(embedded, FIRST_MS, LAST_MS)
    ours = of_programs(
        evaluate.evaluate(embedded, signal, seen, FIRST_MS, LAST_MS).rows(), AGREEING
    )
    theirs = of_programs(asked.windows(signal), AGREEING)
    assert len(ours) >= 30 * len(AGREEING)
    assert theirs == near(ours)


@pytest.mark.parametrize("name", ["p90", "mean", "share", "ratio", "rate", "average", "lowest"])
def test_long_windows_are_those_that_are_merged_from_short_ones(
    asked: Asked, embedded: DuckHistory, name: str
) -> None:
    signal = SIGNALS[name]
    seen = evaluate.seen(embedded, FIRST_MS, LAST_MS)
    fine = evaluate.evaluate(embedded, signal, seen, FIRST_MS, LAST_MS)
    merged = merge(signal.form, fine, Span(FIRST_MS, 5 * MINUTE_MS, 6))
    ours = of_programs(merged.rows(), AGREEING)
    theirs = of_programs(asked.windows(signal, 300.0), AGREEING)
    assert len(ours) >= 6 * len(AGREEING)
    assert theirs == near(ours)


MISSED: dict[str, list[tuple[float, float]]] = {
    # Two scrapes of a minute are missing: rate and n of that window, and of the next one.
    "ours": [(50 / 30, 50), (127 / 90, 127)],
    # Prometheus extrapolates what it sees, and what was added in the gap is in neither window.
    "prometheus": [(0.92666, 55.599), (1.38793, 83.276)],
    # VictoriaMetrics has a rate over the time it sees; n is that rate times the window.
    "victoriametrics": [(50 / 30, 100), (1.64444, 98.667)],
}


def test_what_differs_where_scrapes_were_missed(asked: Asked, embedded: DuckHistory) -> None:
    signal, labels = SIGNALS["rate"], Labels.of(target="missed", route="/cart")
    seen = evaluate.seen(embedded, FIRST_MS, LAST_MS)
    ours = {
        one.end_ms: (one.value, one.n)
        for one in evaluate.evaluate(embedded, signal, seen, FIRST_MS, LAST_MS).rows()
        if one.labels == labels
    }
    theirs = {
        one.end_ms: (one.value, one.n) for one in asked.windows(signal) if one.labels == labels
    }
    gap = [START_MS + 13 * MINUTE_MS, START_MS + 14 * MINUTE_MS]
    assert [ours.pop(at) for at in gap] == [pytest.approx(one) for one in MISSED["ours"]]
    expected = [pytest.approx(one, rel=1e-4) for one in MISSED[asked.engine]]
    assert [theirs.pop(at) for at in gap] == expected
    # The scrape that is missing at the 90th turn lies inside a window: there nothing differs.
    assert theirs == {at: pytest.approx(one) for at, one in ours.items()}

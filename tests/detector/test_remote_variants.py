"""Variants from a real Prometheus by its range API: the same windows as from the history."""

import pytest

from detector.remote import Dialect, questions, windows_from
from detector.window import Span
from storage.config import Engine
from storage.history import Samples
from storage.series import NAME, Labels, Sample
from tests.detector.exposed import MINUTE_MS, MINUTES
from tests.detector.scrapes import START_MS
from tests.detector.test_variants_prometheus import SIGNALS, Both, both, settled

__all__ = ["both"]


@pytest.mark.parametrize("name", SIGNALS)
def test_windows_of_variants_are_read_from_prometheus(both: Both, name: str) -> None:
    signal, span = SIGNALS[name], Span(START_MS, MINUTE_MS, MINUTES)
    dialect = Dialect(Engine.PROMETHEUS, "instance", 15.0)
    answers = {}
    for part, query in questions(signal, dialect, 60.0).items():
        answer = both.client.post(
            "/api/v1/query_range",
            data={
                "query": query,
                "start": str((START_MS + MINUTE_MS) / 1000),
                "end": str(span.end_ms / 1000),
                "step": "60",
            },
        )
        assert answer.status_code == 200, answer.text
        answers[part] = Samples.of(
            Sample(Labels.of(one["metric"]).without(NAME), round(at * 1000), float(value))
            for one in answer.json()["data"]["result"]
            for at, value in one["values"]
        )
    rows = {(r.labels, r.end_ms): r for r in windows_from(signal, dialect, span, answers).rows()}
    ours = {
        (labels, end_ms): pair
        for end_ms, found in both.ours(signal).items()
        for labels, pair in found.items()
    }
    compared = 0
    for case in both.cases:
        for end_ms in range(START_MS + MINUTE_MS, span.end_ms + 1, MINUTE_MS):
            if settled(case, end_ms) and int(case.name[:3]) % 3 and "switched" not in case.name:
                got = {
                    k[0]: (r.value, r.n)
                    for k, r in rows.items()
                    if k[1] == end_ms and k[0].get("target") == case.name
                }
                said = {
                    k[0]: pair
                    for k, pair in ours.items()
                    if k[1] == end_ms and k[0].get("target") == case.name
                }
                assert set(got) == set(said), (case.name, end_ms)
                for labels, pair in said.items():
                    assert got[labels] == pytest.approx(pair, rel=1e-6), (case.name, end_ms, labels)
                compared += len(said)
    assert compared > 100

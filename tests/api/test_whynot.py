"""The page of what was not told: which gate refused it, how often, since when."""

import re
from dataclasses import replace

import pytest

from api.pages.whynot import GATES, candidates
from api.signal_shapes import JudgementShape
from detector.judgement import Judgement, Reason, Verdict
from tests.api.asking import Client
from tests.api.shop import definitions
from tests.api.test_words import JUDGED

REFUSED = replace(JUDGED, verdict=Verdict.REJECTED, reason=Reason.SUSTAIN, at_ms=300_000)


def rows(page: str) -> list[str]:
    return re.findall(r'<tr id="candidate-([^"]+)"', page)


def test_every_refusal_is_on_the_page(asked: Client) -> None:
    found = rows(asked.get("/why-not").text)
    refused = asked.get("/api/v1/judgements?verdict=rejected&limit=500").json()["items"]
    said = {f"{one['rule']}-{one['series']}-{one['reason']}" for one in refused}
    assert len(said) > 2
    assert sorted(found) == sorted(said)


def test_refusals_of_one_series_by_one_gate_are_one_row_with_its_newest() -> None:
    newest, oldest = (replace(REFUSED, at_ms=minute * 60_000) for minute in (9, 1))
    other = replace(REFUSED, reason=Reason.MIN_DELTA)
    found = candidates([newest, other, REFUSED, oldest], shape)
    assert [(one.newest.reason, one.count) for one in found] == [("sustain", 3), ("min_delta", 1)]
    assert (found[0].newest.at.minute, found[0].first.at.minute) == (9, 1)


def shape(one: Judgement) -> JudgementShape:
    return JudgementShape.of_judgement(one, "s", definitions())


def test_each_filter_narrows_the_page(asked: Client) -> None:
    everything = rows(asked.get("/why-not").text)
    for query in ("signal=api_p95", "rule=api_mean_time_regression"):
        assert 0 < len(rows(asked.get(f"/why-not?{query}").text)) < len(everything)
    by_gate = [rows(asked.get(f"/why-not?gate={gate}").text) for gate in GATES]
    for gate in ("sustain", "effect", "significance"):
        assert rows(asked.get(f"/why-not?gate={gate}").text)
    assert sorted(one for some in by_gate for one in some) == sorted(everything)
    assert rows(asked.get("/why-not?gate=min_events").text) == []


def test_a_row_says_why_in_words(asked: Client) -> None:
    page = asked.get("/why-not?gate=sustain&rule=api_response_time_regression").text
    assert re.search(r"only \d of 4 windows beyond 262 ms so far", page)
    assert "rejected: " not in page


def test_where_nothing_was_refused_the_page_explains_the_gates(client: Client) -> None:
    page = client.get("/why-not?gate=min_events&span=1h").text
    assert "No candidate fits these filters in the last 1h." in page
    for gate in GATES:
        assert f"<code>{gate}</code>" in page
    assert "Nothing broke a trigger" in client.get("/why-not").text


@pytest.mark.parametrize("query", ["gate=nonsense", "span=9d", "colour=red"])
def test_a_wrong_filter_is_named(asked: Client, query: str) -> None:
    assert asked.get(f"/why-not?{query}").status_code == 422


def test_every_gate_that_rejects_has_words() -> None:
    others = {
        Reason.NONE,
        Reason.NO_DATA,
        Reason.TOO_FEW_OBSERVATIONS,
        Reason.TOO_LITTLE_HISTORY,
        Reason.SETTLING,  # unknown, not rejected
        Reason.WENT_AWAY,  # suspected, not rejected
    }
    assert set(GATES) == set(Reason) - others

"""Why a rule fires or not: REST, the page of a series, and the terminal."""

import json
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from api.acting import AskError
from api.explaining import chosen, lines, wanted
from api.house import House
from api.main import app
from api.standing import series_id
from api.why_shapes import WhyShape, why_of
from detector.gates import Gate
from storage.series import Labels
from tests.api.asking import Client, problem
from tests.api.shop import CART, NOW_MS, SLOWER_MS

CART_ID = series_id(CART)
PATH = f"/api/v1/signals/api_p95/series/{CART_ID}/explain"
RULE = "api_response_time_regression"


def told(asked: Client, query: str = "", rule: str = RULE) -> dict[str, Any]:
    body = asked.get(PATH + query).json()
    (one,) = [each for each in body["rules"] if each["rule"]["id"] == rule]
    found: dict[str, Any] = one
    return found


def results(one: dict[str, Any]) -> dict[str, str]:
    return {gate["gate"]: gate["result"] for gate in one["gates"]}


def test_a_rule_that_fired_passed_every_gate_that_it_asks(asked: Client) -> None:
    one = told(asked)
    assert one["verdict"] == "regressed"
    assert set(results(one)) == set(Gate)
    assert set(results(one).values()) == {"passed", "abstained", "not_asked"}
    (trigger,) = [gate for gate in one["gates"] if gate["gate"] == "trigger"]
    (check,) = trigger["checks"]
    assert check["saw"] > check["needed"] == one["threshold"]
    assert check["text"].startswith("value ")
    assert check["relation"] == "above"
    assert one["open"]["state"] in ("open", "escalated")


def test_before_the_change_it_ended_at_the_trigger(asked: Client) -> None:
    one = told(asked, "?at=2026-03-02T10:50:00Z")
    assert one["verdict"] == "steady"
    found = results(one)
    assert found["trigger"] == "ended"
    assert found["data"] == found["history"] == "passed"
    assert {found[gate] for gate in ("sustain", "min_delta", "warming")} == {"not_reached"}
    assert one["open"] is None


def test_while_it_was_too_short_sustain_refused_and_says_how_much_is_missing(asked: Client) -> None:
    at_ms = SLOWER_MS + 8 * 60_000
    one = told(asked, f"?at=2026-03-02T11:{at_ms // 60_000 % 60:02}:00Z")
    assert (one["verdict"], one["reason"]) == ("rejected", "sustain")
    (gate,) = [each for each in one["gates"] if each["gate"] == "sustain"]
    assert gate["result"] == "refused"
    assert gate["checks"][0]["needed"] == 3
    assert gate["checks"][0]["saw"] == sum(each["breaches"] for each in one["windows"])
    # The ledger has the same, from the tick itself.
    assert one["recorded"]["verdict"] == "rejected"


def test_the_ledger_says_since_when(asked: Client) -> None:
    one = told(asked)["recorded"]
    assert one["verdict"] == "regressed"
    assert one["since"] == "2026-03-02T11:52:00Z"
    assert one["whole_day"] is False


def test_days_ago_it_is_judged_on_the_windows_that_are_left(asked: Client) -> None:
    body = asked.get(f"{PATH}?at=2026-03-01T12:02:00Z").json()
    assert body["is_coarse"] is True
    assert body["at"] == "2026-03-01T12:00:00Z"
    high = told(asked, "?at=2026-03-01T12:02:00Z", "api_p95_high")
    assert high["window_seconds"] == 300
    # Twenty observations a minute are a hundred in five.
    (count,) = [each for each in high["gates"] if each["gate"] == "min_count"]
    assert count["checks"][0]["needed"] == 100


def test_a_series_without_a_window_is_unknown_for_want_of_data(asked: Client) -> None:
    one = told(asked, "?at=2026-01-01T00:00:00Z")
    assert (one["verdict"], one["reason"]) == ("unknown", "no_data")
    assert results(one)["data"] == "refused"


@pytest.mark.parametrize("query", ["?at=2027-01-01T00:00:00Z", "?at=1700-01-01T00:00:00Z", "?x=1"])
def test_a_time_that_cannot_be_is_refused(asked: Client, query: str) -> None:
    problem(asked.get(PATH + query), 422, "invalid")


def test_a_series_or_signal_that_is_not_there_is_missing(asked: Client) -> None:
    problem(asked.get("/api/v1/signals/api_p95/series/0123456789ab/explain"), 404, "not-found")
    problem(asked.get(f"/api/v1/signals/nope/series/{CART_ID}/explain"), 404, "not-found")


# --- the page ---


def test_the_page_of_a_series_has_its_chart_and_every_gate(asked: Client) -> None:
    page = asked.get(f"/signals/api_p95/series/{CART_ID}").text
    assert f'data-series="{CART_ID}"' in page
    section = page.split(f'id="rule-{RULE}"')[1].split("</section>")[0]
    assert re.findall(r'<tr class="gate-(\w+)"><th scope="row"><code>data<', section) == ["passed"]
    assert "shop 2.7.1" in page
    assert "/regressions/reg_" in page
    assert "1 hour later" not in page


def test_the_links_beside_the_time_lead_to_other_times(asked: Client) -> None:
    page = asked.get(f"/signals/api_p95/series/{CART_ID}?at=2026-03-02T10:00:00Z").text
    links = re.findall(r'href="(\?at=[^"]+)#why">([^<]+)<', page)
    assert ("?at=2026-03-02T11:00:00Z", "1 hour later") in links
    assert ("?at=2026-03-02T09:00:00Z", "1 hour earlier") in links
    assert ("1 day later") not in [words for _, words in links]
    for query, _ in links:
        assert asked.get(f"/signals/api_p95/series/{CART_ID}{query}").status_code == 200


def test_a_refused_candidate_leads_to_its_gates(asked: Client) -> None:
    page = asked.get("/why-not").text
    link = re.findall(r'href="(/signals/[^"]+/series/[^"]+)"', page)[0].split("#")[0]
    assert "REFUSED" in asked.get(link).text.upper()


# --- the terminal ---


def test_a_series_is_named_by_its_id_or_its_labels() -> None:
    assert wanted("api_p95/0123456789ab") == ("api_p95", "0123456789ab", None)
    name, id_, selector = wanted('api_p95{route="/cart"}')
    assert (name, id_) == ("api_p95", None)
    known = {"a": CART, "b": CART.plus(route="/checkout")}
    assert chosen(known, None, selector, "x") == "a"
    _, _, every = wanted("api_p95")
    with pytest.raises(AskError, match="means 2 series"):
        chosen(known, None, every, "api_p95")
    with pytest.raises(AskError, match="no series"):
        chosen({}, None, every, "api_p95")
    with pytest.raises(AskError, match="is no series"):
        wanted("{nonsense")


def test_the_text_has_every_gate_that_is_asked_with_its_numbers(shop: House) -> None:
    signal = shop.detector.definitions.signals["api_p95"]
    found = list(lines(why_of(shop, signal, CART, NOW_MS)))
    assert found[0].startswith("API p95 of GET /cart of shop at 2026-03-02 12:00:00 UTC")
    assert any(re.match(r"  trigger +passed +value \d+ ms, above 2\d\d ms", one) for one in found)
    assert any(re.match(r"  sustain +passed +breaches 4 of 4, at least 3", one) for one in found)


def test_without_a_plimsoll_that_runs_and_without_files_the_command_says_so(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plimsoll.yaml").write_text("server: {port: 1}\nstorage: {directory: nowhere}\n")
    answer = CliRunner().invoke(app, ["explain", "api_p95"])
    assert answer.exit_code == 1
    assert "there is no nowhere/history.duckdb" in answer.stderr.replace("\n", " ")
    assert not (tmp_path / "nowhere").exists()


def test_the_json_of_the_command_is_that_of_rest(shop: House, asked: Client) -> None:
    signal = shop.detector.definitions.signals["api_p95"]
    shape = why_of(shop, signal, CART, NOW_MS - 10_000)
    body = asked.get(PATH + "?at=2026-03-02T11:59:50Z").json()
    assert json.loads(shape.model_dump_json()) == body
    assert WhyShape.model_validate(body) == shape
    assert Labels.of(body["labels"]) == CART

"""Who was told, who is silenced, who would be: over REST, and on the pages that show it."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from alerts.delivered import Lately
from alerts.matchers import parse
from alerts.outbox import ReceiverStatus
from api.access.token import Scope
from api.app import create_app
from api.covering import Cover, silence, touched
from api.hearers import ReceiverState, state_of
from api.house import House
from api.pages.silences import conditions
from tests.api.asking import Client, problem
from tests.api.desk import desk_house
from tests.api.shop import NOW_MS, close
from tests.api.test_access import bearing, token
from tests.api.test_pages import text


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The shop with receivers; tests do not change it."""
    house = desk_house(tmp_path_factory.mktemp("desk"))
    yield house
    close(house)


@pytest.fixture(scope="module")
def told(desk: House) -> Client:
    return Client(create_app(desk))


def previewed(client: Client, *matchers: str) -> dict[str, Any]:
    query = "&".join(f"matcher={quote(one)}" for one in matchers)
    answer = client.get(f"/api/v1/silences/preview?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


# --- what a silence would cover ---


def test_a_preview_says_which_incidents_nobody_would_hear_of(told: Client) -> None:
    body = previewed(told, 'service="shop"')
    (one,) = body["incidents"]
    assert (one["cover"], one["covered"], one["of"]) == ("quiet", 5, 5)
    assert len(body["open"]) == body["open_count"] == 5
    assert "Cache hit rate -17 % on products of shop" in [e["heading"] for e in body["lately"]]
    assert body["labels"]["service"] == ["shop"]


def test_an_incident_that_is_met_in_part_is_told_all_the_same(told: Client) -> None:
    (one,) = previewed(told, 'alertname="api_response_time_regression"')["incidents"]
    assert (one["cover"], one["covered"], one["of"]) == ("partly", 1, 5)


def test_what_is_silenced_already_counts_for_what_would_be_quiet(desk: House) -> None:
    with desk.state.reading() as session:
        incidents = desk.book.open_incidents(session)
    asked = silence(parse('alertname="api_response_time_regression"'), NOW_MS)
    rest = silence(parse('alertname!="api_response_time_regression"'), NOW_MS)
    (one,) = touched(incidents, asked, [], NOW_MS)
    assert one.cover is Cover.PARTLY
    (one,) = touched(incidents, asked, [rest], NOW_MS)
    assert (one.cover, one.covered) == (Cover.QUIET, 1)
    assert touched(incidents, silence((), NOW_MS), [rest], NOW_MS) == []


def test_a_preview_is_the_silence_that_follows_it(told: Client, desk: House) -> None:
    matchers = ['service="shop"', 'alertname=~"api_.*"']
    body = previewed(told, *matchers)
    assert body["matchers"] == matchers
    assert {one["labels"]["alertname"][:4] for one in body["open"]} == {"api_"}


@pytest.mark.parametrize("query", ["", "?matcher=", "?matcher=%7Bx", "?matcher=a%3D~%22(%22"])
def test_conditions_that_cannot_be_read_are_named(told: Client, query: str) -> None:
    problem(told.get(f"/api/v1/silences/preview{query}"), 422, "invalid")


def test_a_preview_needs_what_making_one_needs(house: House, client: Client) -> None:
    path = "/api/v1/silences/preview?matcher=a%3Db"
    reader, writer = token(house, Scope.READ), token(house, Scope.WRITE)
    assert client.get(path, headers=bearing(reader)).status_code == 403
    assert client.get(path, headers=bearing(writer)).status_code == 200
    page = client.get("/silences?matchers=a%3Db", headers=bearing(reader))
    assert "needs the scope" in page.text
    assert 'id="preview"' not in page.text


# --- routes ---


def test_the_tree_is_told_with_what_it_inherits(told: Client) -> None:
    body = told.get("/api/v1/routing").json()
    assert body["is_configured"]
    assert [one["path"] for one in body["items"]] == ["", "0", "1", "1.0"]
    last = body["items"][-1]
    assert (last["receiver"], last["tells"]) == ("team", ["team"])
    assert last["repeat_interval_seconds"] == 86_400
    assert last["group_by"] == ["service"]
    assert body["receivers"] is None
    assert {one["takes"] for one in body["items"]} == {None}


def test_labels_reach_receivers_in_the_order_of_the_tree(told: Client) -> None:
    path = "/api/v1/routing?label=service%3Dshop&label=severity%3Dcritical"
    body = told.get(path).json()
    assert body["receivers"] == ["pager", "team"]
    assert [one["path"] for one in body["items"] if one["takes"]] == ["0", "1"]
    assert told.get("/api/v1/routing?label=a%3Db").json()["receivers"] == ["team"]


def test_a_try_says_what_is_silenced(told: Client) -> None:
    body = told.get("/api/v1/routing?label=service%3Dbilling").json()
    assert len(body["silences"]) == 1
    assert body["silences"][0].startswith("sil_")


def test_without_a_tree_everybody_is_reached(client: Client) -> None:
    body = client.get("/api/v1/routing?label=a%3Db").json()
    assert (body["is_configured"], body["items"], body["receivers"]) == (False, [], [])


@pytest.mark.parametrize("label", ["shop", "a!=b", "a=~b", "{a=b}", ""])
def test_what_is_no_label_is_named(told: Client, label: str) -> None:
    problem(told.get(f"/api/v1/routing?label={quote(label)}"), 422, "invalid")


# --- receivers ---


def test_receivers_say_what_waits_and_why_without_their_secrets(told: Client) -> None:
    answer = told.get("/api/v1/receivers")
    team, pager = answer.json()["items"]
    assert (team["name"], team["kind"], team["state"]) == ("team", "webhook", "waiting")
    assert "refused" in team["error"]
    assert pager["outstanding"] == 1
    assert "hidden" not in answer.text
    assert "127.0.0.1:9" not in answer.text


@pytest.mark.parametrize(
    ("status", "lately", "state"),
    [
        (ReceiverStatus(), Lately(), ReceiverState.UNPROVEN),
        (ReceiverStatus(), Lately(sent=3), ReceiverState.WORKING),
        (ReceiverStatus(outstanding=1), Lately(sent=3), ReceiverState.WAITING),
        (ReceiverStatus(outstanding=1, broken=True), Lately(sent=3), ReceiverState.BROKEN),
    ],
)
def test_the_state_of_a_receiver(
    status: ReceiverStatus, lately: Lately, state: ReceiverState
) -> None:
    assert state_of(status, lately) is state


# --- pages ---


def test_the_page_says_who_was_told_of_what_and_why(told: Client) -> None:
    said = text(told, "/alerts")
    assert "1 silence in force" in said
    assert "Database p95 +51 % on select_cart and 4 more" in said
    assert "Collector down: stock" in said
    assert "new message opened The incident is new to this receiver." in said
    assert "pending [Errno 111] Connection refused" in said


def test_decisions_are_filtered_and_the_filters_are_kept_in_the_form(told: Client) -> None:
    page = told.get("/alerts?receiver=pager&action=&reason=").text
    assert page.count('id="decision-') == 1
    assert '<option value="pager" selected>' in page
    assert "No decision fits" in text(told, "/alerts?reason=muted")
    incident = re.search(r"/incidents/(inc_[0-9a-f]+)", page)
    assert incident is not None
    assert told.get(f"/alerts?incident={incident[1]}").text.count('id="decision-') == 2


def test_a_newcomer_is_told_how_to_be_told(client: Client) -> None:
    import yaml

    from alerts.config import AlertsConfig

    page = client.get("/alerts").text
    assert "Nobody is told of anything" in page
    assert "each receiver has a line here" in page
    block = re.search(r"<pre[^>]*><code>(alerts:.*?)</code>", page, re.S)
    assert block is not None
    shown = yaml.safe_load(unescape(block[1]))["alerts"]
    shown["slack"] = {"bot_token": "xoxb-1-2-3", "channel": shown["slack"]["channel"]}
    assert AlertsConfig.model_validate(shown).receiver_names == ("slack",)
    assert "Nothing is silenced" in text(client, "/silences")
    assert "There are no routes" in text(client, "/routes")


def test_the_page_previews_and_offers_to_make_it(told: Client) -> None:
    page = told.get("/silences?matchers=" + quote('service="shop"\nalertname=~"api_.*"')).text
    said = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "told all the same Database p95 +51 % on select_cart and 4 more" in said
    form = page[page.index('id="make"') :]
    assert 'data-post="/api/v1/silences"' in form
    assert form.count('name="matchers"') == 2
    assert "&#34;shop&#34;" in form


def test_conditions_are_read_line_by_line() -> None:
    found, fault = conditions(' a="b" \n\n{c=~"d",e!="f"}\n')
    assert [str(one) for one in found] == ['a="b"', 'c=~"d"', 'e!="f"']
    assert fault == ""
    assert conditions("nonsense")[0] == []
    assert "nonsense" in conditions("nonsense")[1]
    assert "at most 20" in conditions("\n".join(["a=b"] * 21))[1]
    assert "control" in conditions("a=b\x07")[1]


def test_a_fault_in_a_condition_is_shown_and_nothing_is_offered(told: Client) -> None:
    page = told.get("/silences?matchers=nonsense").text
    assert 'aria-invalid="true"' in page
    assert 'id="make"' not in page


def test_a_try_of_labels_marks_what_takes_it(told: Client) -> None:
    path = "/routes?labels=" + quote("service=shop\nseverity=critical")
    said = text(told, path)
    assert "Reaches pager , then team ." in said
    assert told.get(path).text.count("takes it</span>") == 2
    assert "is not a matcher" in text(told, "/routes?labels=nonsense")
    assert "kept quiet now by sil_" in text(told, "/routes?labels=service%3Dbilling")


def test_a_regression_leads_to_a_silence_that_covers_it(told: Client) -> None:
    (one,) = told.get("/api/v1/regressions?rule=api_response_time_regression").json()["items"]
    page = told.get(f"/regressions/{one['id']}").text
    link = re.search(r'href="(/silences\?matchers=[^"]+)"', page)
    assert link is not None
    shown = told.get(unescape(link[1])).text
    assert f"/incidents/{one['incident_id']}" in shown[shown.index('id="preview"') :]

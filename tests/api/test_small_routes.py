"""With what a small route is judged: REST, pages, the terminal, and one message for one cause."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.document import Document
from api.explaining import lines
from api.house import House
from api.serve import build
from api.settings import build as settings_of
from api.standing import series_id
from api.why_shapes import why_of
from storage.series import Labels
from tests.api.asking import Client
from tests.api.shop import NOW, NOW_MS, Clock, close
from tests.api.test_pages import text
from tests.detector.page_views import Group, store
from tests.slack_fake import CHANNEL, TOKEN, FakeSlack

HOUR_MS = 3_600_000
LEVELS = ("rum_lcp", "rum_lcp_route_group", "rum_lcp_all_routes")
SHELF = tuple(Group(70, 1.2, route=f"/shelf/{name}/:id") for name in "abcdef")
USUAL = (
    *SHELF,
    Group(900, 1.2, route="/list/all"),
    Group(900, 1.2, route="/list/:id"),
    Group(1200, 1.1),
    Group(60, 1.0, route="/about"),
    Group(40, 1.0, device="tablet"),
)
SLOW = tuple(replace(one, median=1.6 * one.median) for one in USUAL if "/list" in one.route)


class Told:
    """A shop whose lists get slower, and what a channel of Slack sees of it."""

    def __init__(self, directory: Path, slack: FakeSlack) -> None:
        origins = ["https://shop.example"]
        alerts = {"slack": {"bot_token": TOKEN, "channel": CHANNEL, "api_url": slack.api_url}}
        apps = [{"name": "shop", "key": "k", "origins": origins}]
        data = {
            "storage": {"directory": str(directory)},
            "collector": {"host": False, "rum": {"apps": apps}},
            "alerts": alerts,
        }
        self.clock, self.slack = Clock(), slack
        self.house: House = build(settings_of(Document(data=data)), now=self.clock)
        self.house.state.migrate()
        now = tuple(one for one in USUAL if "/list" not in one.route) + SLOW
        hours = [
            (NOW_MS - back * HOUR_MS, now if back < 3 else USUAL) for back in range(8 * 24, -1, -1)
        ]
        store(self.house.history, "LCP", LEVELS, hours, newest=6)
        for back in range(3, -1, -1):
            at_ms = NOW_MS - back * HOUR_MS
            self.house.detector.tick(at_ms)
            for later_ms in (0, 60_000):
                at = datetime.fromtimestamp((at_ms + later_ms) / 1000, UTC)
                self.house.alerts.announce(at)
                self.house.alerts.deliver(at)
        self.clock.at = NOW
        self.client = Client(create_app(self.house))

    def get(self, path: str, **asked: Any) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1{path}", params=asked)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with FakeSlack() as slack:
        made = Told(tmp_path_factory.mktemp("shop"), slack)
        yield made
        close(made.house)


def test_routes_their_group_and_the_app_are_one_message_that_nothing_is_added_to(
    told: Told,
) -> None:
    with told.house.state.reading() as session:
        (incident,) = told.house.book.incidents(session, True)
    assert {one.signal for one in incident.regressions} == set(LEVELS)
    assert incident.version == 1
    (message,) = told.slack.messages()
    assert "LCP p75" in message.text
    assert told.slack.thread(message) == []


def test_rest_says_with_what_a_metric_of_a_route_is_judged(told: Told) -> None:
    items = told.get("/web-vitals", metric="LCP")["items"]
    judged = {(one["route"], one["device"]): one["judged"] for one in items}
    small = judged["/shelf/a/:id", "mobile"]
    assert (small["level"], small["n"], small["needed"]) == ("pool", 70, 200)
    assert small["judged"] == {
        "signal": "rum_lcp_route_group",
        "series": series_id(Labels.of(service="shop", route_group="/shelf", device="mobile")),
        "name": "its group /shelf",
        "n": 420,
    }
    assert small["text"] == (
        "too few values (70, 200 are needed): judged with its group /shelf (n = 420)"
    )
    assert judged["/list/all", "mobile"]["level"] == "itself"
    assert judged["/about", "mobile"]["judged"]["name"] == "all of shop"
    nowhere = judged["/", "tablet"]
    assert (nowhere["level"], nowhere["judged"]) == ("nowhere", None)
    assert nowhere["text"] == (
        "unknown, too few values at every level (200 are needed): "
        "itself 40, its group / 40, all of shop 40"
    )
    pooled = told.get("/web-vitals", metric="LCP", by="app")["items"]
    assert [one["judged"] for one in pooled] == [None]


def test_the_list_of_routes_names_what_is_not_judged_by_itself(told: Told) -> None:
    routes = {one["route"]: one for one in told.get("/web-vitals/routes")["items"]}
    (shelf,) = routes["/shelf/a/:id"]["pooled"]
    assert (shelf["metric"], shelf["device"], shelf["short"]) == (
        "LCP",
        "mobile",
        "with its group /shelf",
    )
    assert routes["/list/all"]["pooled"] == []
    (tablet,) = routes["/"]["pooled"]
    assert (tablet["device"], tablet["level"]) == ("tablet", "nowhere")
    page = text(told.client, "/web-vitals")
    assert "mobile: judged with its group /shelf" in page
    assert "tablet: too few everywhere" in page


def test_the_page_of_a_route_says_it_and_leads_to_the_group(told: Told) -> None:
    path = "/web-vitals/shop?route=%2Fshelf%2Fa%2F%3Aid"
    page = told.client.get(path).text
    said = "mobile: too few values (70, 200 are needed): judged with its group /shelf"
    assert said in text(told.client, path)
    id_ = series_id(Labels.of(service="shop", route_group="/shelf", device="mobile"))
    assert f'href="/signals/rum_lcp_route_group/series/{id_}"' in page
    whole = text(told.client, "/web-vitals/shop")
    assert "LCP p75 of a group of routes" in whole
    assert told.client.get(f"/signals/rum_lcp_route_group/series/{id_}").status_code == 200


def test_a_series_and_the_terminal_say_it_at_any_time(told: Told) -> None:
    labels = Labels.of(service="shop", route="/shelf/a/:id", device="mobile")
    level = told.get(f"/signals/rum_lcp/series/{series_id(labels)}/explain")["level"]
    assert (level["level"], level["judged"]["n"]) == ("pool", 420)
    page = text(told.client, f"/signals/rum_lcp/series/{series_id(labels)}")
    assert "Too few values (70, 200 are needed): judged with its group" in page
    signal = told.house.detector.definitions.signals["rum_lcp"]
    why = why_of(told.house, signal, labels, NOW_MS - 2 * HOUR_MS)
    assert any("judged with its group /shelf (n = 420)" in line for line in lines(why))
    whole = told.house.detector.definitions.signals["rum_lcp_all_routes"]
    top = why_of(told.house, whole, Labels.of(service="shop", device="mobile"), NOW_MS)
    assert top.level is None

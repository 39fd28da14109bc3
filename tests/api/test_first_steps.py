"""What the pages of measured things say to somebody who has nothing yet: the next step."""

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import yaml

from api.house import House
from api.pages.navigation import ENTRIES
from collector.config import CollectorConfig
from storage.history import Windows
from storage.series import Labels, Window
from tests.api.asking import Client
from tests.api.shop import MINUTE_MS, NOW_MS, Clock, close, empty_house
from tests.api.test_pages import text


@pytest.mark.parametrize("path", ["/web-vitals", "/cache", "/resources"])
def test_the_configuration_that_an_empty_page_shows_works(client: Client, path: str) -> None:
    block = re.search(r"<pre[^>]*><code>(collector:.*?)</code>", client.get(path).text, re.S)
    assert block is not None
    shown = yaml.safe_load(unescape(block[1]))["collector"]
    for target in shown.get("redis", ()):
        target.pop("password_file")  # that file is the reader's
    CollectorConfig.model_validate(shown)


def test_an_empty_list_of_deployments_shows_a_request_that_works(client: Client) -> None:
    said = text(client, "/deployments")
    assert "plimsoll deployments report shop 1.4.2" in said
    body = re.search(r"-d '(.*?)'", said)
    assert body is not None
    answer = client.post("/api/v1/deployments", json=json.loads(body[1]))
    assert answer.status_code == 201
    id_ = answer.json()["id"]
    assert "shop 1.4.2" in text(client, "/deployments")
    assert "No signal has windows around that time" in text(client, f"/deployments/{id_}")


def test_a_deployment_of_now_fills_by_itself(client: Client, house: House, clock: Clock) -> None:
    posted = client.post("/api/v1/deployments", json={"service": "shop", "version": "1"})
    page = f"/deployments/{posted.json()['id']}"
    cpu = Labels.of(target="shop")
    rows = [Window("host_cpu_usage", cpu, NOW_MS - i * MINUTE_MS, 60, 0.3, 4) for i in range(1, 60)]
    house.history.put_windows(Windows.of("host_cpu_usage", rows))
    house.detector.tick(NOW_MS)
    assert "resemble each other too much. They come within minutes" in text(client, page)
    later = [Window("host_cpu_usage", cpu, NOW_MS + i * MINUTE_MS, 60, 0.6, 4) for i in range(1, 9)]
    house.history.put_windows(Windows.of("host_cpu_usage", later))
    clock.at += timedelta(minutes=9)
    house.detector.tick(NOW_MS + 9 * MINUTE_MS)
    said = text(client, page)
    assert "1 series worse" in said
    assert "+100 %" in said
    assert "not known" in said  # there are no earlier days


def test_what_is_watched_and_silent_is_told_from_what_is_not_watched(tmp_path: Path) -> None:
    from api.app import create_app
    from tests.api.whole import COLLECTOR

    house = empty_house(tmp_path, collector=COLLECTOR)
    client = Client(create_app(house))
    assert "Nothing of cache, pages yet" in text(client, "/cache")
    said = text(client, "/web-vitals")
    assert "No page view of shop in the last 24h" in said
    assert "plimsoll beacon snippet --app shop" in said
    close(house)


def test_the_menu_has_every_page_once_and_each_is_there(client: Client) -> None:
    page = client.get("/").text
    fold = re.search(r'<nav class="pages-fold".*?</nav>', page, re.S)
    assert fold is not None
    assert re.findall(r'href="([^"]+)"', fold[0]) == [one.path for one in ENTRIES]
    bar = re.search(r'<nav class="pages-bar".*?</nav>', page, re.S)
    assert bar is not None
    assert sorted(re.findall(r'href="([^"]+)"', bar[0])) == sorted(one.path for one in ENTRIES)
    for one in ENTRIES:
        assert client.get(one.path).status_code == 200, one.path

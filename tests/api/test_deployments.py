"""`/deployments`: told once, told again, told wrongly."""

import threading
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.house import House
from plimsoll_client.deployments import Deployment, Outcome, post
from tests.api.asking import Client, problem
from tests.api.shop import NOW

PATH = "/api/v1/deployments"
BODY = {"service": "shop", "version": "2.7.1", "at": "2026-03-02T11:18:00Z"}


def test_a_new_one_is_created_and_the_same_again_is_not(client: Client) -> None:
    first, again = client.post(PATH, json=BODY), client.post(PATH, json=BODY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"].startswith("dep_")
    assert first.json() == again.json()
    assert len(client.get(PATH).json()["items"]) == 1


def test_what_was_told_first_stands(client: Client) -> None:
    client.post(PATH, json={**BODY, "sha": "9f1c2ab"})
    again = client.post(PATH, json={**BODY, "sha": "0000000"})
    assert again.json()["sha"] == "9f1c2ab"


def test_another_offset_is_the_same_time(client: Client) -> None:
    first = client.post(PATH, json=BODY).json()
    again = client.post(PATH, json={**BODY, "at": "2026-03-02T12:18:00+01:00"})
    assert again.status_code == 200
    assert again.json()["id"] == first["id"]


def test_without_a_time_it_is_now(client: Client) -> None:
    told = client.post(PATH, json={"service": "shop", "version": "1"}).json()
    assert told["at"] == "2026-03-02T12:00:05Z"


def test_the_same_one_from_many_at_once_is_created_once(house: House) -> None:
    app, found = create_app(house), []

    def tell() -> None:
        found.append(Client(app).post(PATH, json=BODY).status_code)

    threads = [threading.Thread(target=tell) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [200] * 5 + [201]


def test_the_client_library_and_this_api_understand_each_other(house: House) -> None:
    class Same(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = Client(create_once).request(
                request.method,
                request.url.path,
                content=request.read(),
                headers={"content-type": request.headers["content-type"]},
            )
            return httpx.Response(answer.status_code, content=answer.content)

    create_once = create_app(house)
    told = Deployment(service="shop", version="3", at=NOW, link="https://ci.example/1")
    with httpx.Client(transport=Same()) as client:
        assert post(client, "http://127.0.0.1:8750", told) is Outcome.RECORDED
        assert post(client, "http://127.0.0.1:8750", told) is Outcome.ALREADY_KNOWN


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"service": ""}, "#/service"),
        ({"service": "   "}, "#/service"),
        ({"service": "s" * 101}, "#/service"),
        ({"service": "a\nb"}, "#/service"),
        ({"service": 7}, "#/service"),
        ({"service": None}, "#/service"),
        ({"version": "v" * 201}, "#/version"),
        ({"sha": "f" * 101}, "#/sha"),
        ({"environment": "e" * 101}, "#/environment"),
        ({"url": "javascript:alert(1)"}, "#/url"),
        ({"url": "ftp://ci.example/"}, "#/url"),
        ({"url": "https://user:secret@ci.example/"}, "#/url"),
        ({"url": "https://[bad"}, "#/url"),
        ({"url": "https://ci.example/" + "a" * 2000}, "#/url"),
        ({"at": "2026-03-03T12:00:06Z"}, "#/at"),
        ({"at": "2025-01-26T12:00:00Z"}, "#/at"),
        ({"at": "2026-03-02 noon"}, "#/at"),
        ({"at": 1772452800}, "#/at"),
        ({"when": "now"}, "#/when"),
    ],
)
def test_what_is_wrong_is_named(client: Client, change: dict[str, Any], pointer: str) -> None:
    body = problem(client.post(PATH, json={**BODY, **change}), 422, "invalid")
    assert [one["pointer"] for one in body["errors"]] == [pointer]
    assert "secret" not in str(body)


def test_a_missing_member_is_named(client: Client) -> None:
    body = problem(client.post(PATH, json={}), 422, "invalid")
    told = {one["pointer"]: one["detail"] for one in body["errors"]}
    assert told == {"#/service": "is missing", "#/version": "is missing"}


def test_a_body_that_is_no_json_is_a_bad_request(client: Client) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post(PATH, content=b'{"service": ', headers=headers)
    assert problem(answer, 400, "bad-request")["errors"][0]["detail"] == "the body is no JSON"
    problem(client.post(PATH, content=b"[1]", headers=headers), 422, "invalid")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_no_form_of_a_foreign_page_can_post(client: Client, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = client.post(PATH, content=b'{"service":"a","version":"1"}', headers=headers)
    problem(answer, 415, "content-type")
    assert client.get(PATH).json()["items"] == []


def test_they_are_listed_newest_first_and_filtered(client: Client) -> None:
    for version, at in (("1", "10:00"), ("2", "11:00"), ("3", "11:30")):
        client.post(PATH, json={**BODY, "version": version, "at": f"2026-03-02T{at}:00Z"})
    client.post(PATH, json={**BODY, "service": "mail", "version": "9"})

    def versions(query: str) -> list[str]:
        return [one["version"] for one in client.get(f"{PATH}{query}").json()["items"]]

    assert versions("?service=shop") == ["3", "2", "1"]
    assert versions("?limit=2") == ["3", "9"]
    assert versions("?since=2026-03-02T11:00:00Z&until=2026-03-02T11:20:00Z") == ["9", "2"]


def test_a_late_report_is_linked_to_what_is_open(asked: Client, shop: House) -> None:
    with shop.state.reading() as session:
        all_ = shop.book.incidents(session, True)
    (one,) = [o for o in all_ if any(r.labels.get("route") == "/cart" for r in o.regressions)]
    assert one.deployment is not None
    assert one.deployment.version == "2.7.1"

"""Only the members that somebody asks for."""

from typing import Any

import pytest
from pydantic import BaseModel

from api.errors import ProblemError
from api.fields import cut, parsed
from tests.api.asking import Client, problem


class Inner(BaseModel):
    version: str
    url: str


class Outer(BaseModel):
    id: str
    inner: Inner | None
    steps: list[Inner]
    labels: dict[str, str]


class Several(BaseModel):
    items: list[Outer]
    next_cursor: str | None


class OneWithItems(BaseModel):
    id: str
    items: list[Inner]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id", {"id": {}}),
        ("id, inner", {"id": {}, "inner": {}}),
        ("inner.version,inner.url", {"inner": {"version": {}, "url": {}}}),
        ("inner.version,inner", {"inner": {}}),
        ("inner,inner.version", {"inner": {}}),
        ("steps.url", {"steps": {"url": {}}}),
        ("labels.route", {"labels": {"route": {}}}),
    ],
)
def test_names_and_names_inside_of_them_are_read(text: str, found: Any) -> None:
    assert parsed(text, Outer) == found
    assert parsed(text, Several) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nope", "there are id, inner, labels, steps"),
        ("inner.nope", "not known in inner; there are url, version"),
        ("id.nope", "id has no members"),
        ("", "there are id"),
        ("id,,inner", "there are id"),
        ("labels.", "empty"),
        ("items", "there are id"),
        ("next_cursor", "there are id"),
    ],
)
def test_what_is_not_there_is_refused_and_what_is_there_is_named(text: str, told: str) -> None:
    with pytest.raises(ProblemError, match=told) as refused:
        parsed(text, Several)

    assert refused.value.status == 422
    assert [one.pointer for one in refused.value.errors] == ["?fields"]


def test_a_thing_that_has_items_beside_other_members_is_no_list() -> None:
    assert parsed("items.url,id", OneWithItems) == {"items": {"url": {}}, "id": {}}


def test_what_may_be_missing_stays_null() -> None:
    wanted = parsed("id,inner.url", Outer)

    assert cut({"id": "1", "inner": None, "steps": []}, wanted) == {"id": "1", "inner": None}


def test_each_item_of_a_list_has_what_was_asked_for_and_the_cursor_stays(asked: Client) -> None:
    whole = asked.get("/api/v1/regressions?limit=1").json()
    some = asked.get("/api/v1/regressions?limit=1&fields=id,deployment.version,labels.route")

    assert some.json() == {
        "items": [
            {
                "id": one["id"],
                "labels": {
                    name: one["labels"][name] for name in ["route"] if name in one["labels"]
                },
                "deployment": one["deployment"] and {"version": one["deployment"]["version"]},
            }
            for one in whole["items"]
        ],
        "next_cursor": whole["next_cursor"],
    }
    assert whole["next_cursor"] is not None
    assert int(some.headers["content-length"]) == len(some.content)


def test_the_tag_is_that_of_what_is_sent(asked: Client) -> None:
    whole, some = (
        asked.get("/api/v1/rules"),
        asked.get("/api/v1/rules?fields=id"),
    )
    assert whole.headers["etag"] != some.headers["etag"]
    again = asked.get("/api/v1/rules?fields=id", headers={"if-none-match": some.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/regressions", "/incidents", "/signals", "/signals/api_p95", "/deployments",
        "/judgements", "/rules", "/targets", "/source", "/whoami", "/tokens", "/audit",
        "/signals/api_p95/windows",
    ],
)  # fmt: skip
def test_every_list_and_every_thing_has_it(asked: Client, path: str) -> None:
    body = problem(asked.get(f"/api/v1{path}?fields=nope"), 422, "invalid")

    assert "not known; there are " in body["detail"]
    assert "nope" not in body["detail"]


def test_an_answer_that_has_no_members_has_no_fields(asked: Client) -> None:
    problem(asked.get("/api/v1/backup?fields=id"), 422, "invalid")


def test_a_change_is_not_made_when_its_fields_are_wrong(client: Client) -> None:
    posted = {"service": "shop", "version": "1"}
    problem(client.post("/api/v1/deployments?fields=nope", json=posted), 422, "invalid")
    assert client.get("/api/v1/deployments").json()["items"] == []
    made = client.post("/api/v1/deployments?fields=service,version", json=posted)
    assert (made.status_code, made.json()) == (201, posted)


def test_pages_for_people_do_not_know_it(asked: Client) -> None:
    assert asked.get("/why-not?fields=id").status_code == 422


def test_other_parameters_of_the_request_still_count(asked: Client) -> None:
    problem(asked.get("/api/v1/rules?fields=id&colour=red"), 422, "invalid")
    over = asked.get("/api/v1/regressions?fields=state&state=over").json()["items"]
    assert {one["state"] for one in over} == {"resolved"}


def test_the_parameter_stands_in_the_document_where_it_works(asked: Client) -> None:
    paths = asked.get("/api/v1/openapi.json").json()["paths"]

    def named(path: str) -> list[str]:
        return [one.get("name") for one in paths[f"/api/v1{path}"]["get"].get("parameters", ())]

    assert "fields" in named("/regressions")
    assert "fields" in named("/regressions/{regression_id}")
    assert "fields" not in named("/backup")

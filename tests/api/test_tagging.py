"""Answers that did not change are not sent again, and long ones are sent compressed."""

import pytest

from api.tagging import names
from tests.api.asking import Client


def test_an_answer_that_is_known_is_not_sent_again(asked: Client) -> None:
    first = asked.get("/api/v1/signals")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = asked.get("/api/v1/signals", headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert "content-security-policy" in again.headers
    other = asked.get("/api/v1/signals", headers={"if-none-match": '"other"'})
    assert (other.status_code, other.json()) == (200, first.json())


def test_what_has_changed_has_another_tag(client: Client) -> None:
    before = client.get("/api/v1/deployments").headers["etag"]
    client.post("/api/v1/deployments", json={"service": "shop", "version": "1"})
    after = client.get("/api/v1/deployments", headers={"if-none-match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


@pytest.mark.parametrize(
    "path", ["/api/v1/nope", "/alerts", "/metrics", "/api/v1/regressions?limit=x"]
)
def test_problems_pages_and_metrics_have_no_tag(asked: Client, path: str) -> None:
    answer = asked.get(path)
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("known", "tag", "found"),
    [
        (['W/"a"'], 'W/"a"', True),
        (['"a"'], 'W/"a"', True),
        (['"b", W/"a"'], 'W/"a"', True),
        (["*"], 'W/"a"', True),
        (['"b"', '"c"'], 'W/"a"', False),
        ([], 'W/"a"', False),
    ],
)
def test_tags_are_compared_as_weak_ones(known: list[str], tag: str, found: bool) -> None:
    assert names(known, tag) is found


def test_a_long_answer_is_compressed_for_who_understands_it(asked: Client) -> None:
    plain = asked.get("/api/v1/signals", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = asked.get("/api/v1/signals", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["etag"] == plain.headers["etag"]
    assert int(packed.headers["content-length"]) < len(plain.content) / 3


def test_a_short_answer_is_not_worth_it(asked: Client) -> None:
    answer = asked.get("/healthz", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers

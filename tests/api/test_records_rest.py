"""The dashboard of records over Infinity: its addresses asked of the REST API, its columns read."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards.normalise import normalise
from dashboards.records import REST, Records, dashboard
from tests.api.asking import Client
from tests.api.shop import NOW

URL = "https://plimsoll.example.org"
VARIABLE = re.compile(r"\$\{(\w+)(?::([a-z:]+))?\}")


def requested(url: str, since: datetime, until: datetime) -> str:
    """The address as Grafana fills it in, without the host."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "plimsoll_url":
            return URL
        assert found[2] == "date:iso"
        at = {"__from": since, "__to": until}[found[1]]
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    filled = VARIABLE.sub(value, url)
    assert filled.startswith(f"{URL}/api/v1/")
    return filled.removeprefix(URL)


def rows(target: Mapping[str, Any], answer: Any) -> list[dict[str, Any]]:
    """What Infinity's backend parser makes of an answer: a row for each item of the root."""
    return [
        {column["text"]: (column["type"], item[column["selector"]]) for column in target["columns"]}
        for item in answer[target["root_selector"]]
    ]


@pytest.mark.parametrize("title", REST)
def test_every_table_of_infinity_has_rows_from_the_rest_api(asked: Client, title: str) -> None:
    made = normalise(dashboard(Records.INFINITY, URL))
    [panel] = [one for one in made["panels"] if one["title"] == title]
    [target] = panel["targets"]
    answer = asked.get(requested(target["url"], NOW - timedelta(days=1), NOW))
    assert answer.status_code == 200, answer.text
    found = rows(target, answer.json())
    assert found
    for row in found:
        for kind, value in row.values():
            if kind == "timestamp":
                assert datetime.fromisoformat(value).tzinfo is not None
            else:
                assert isinstance(value, str)
    earlier = asked.get(
        requested(target["url"], NOW - timedelta(days=40), NOW - timedelta(days=30))
    )
    assert rows(target, earlier.json()) == []

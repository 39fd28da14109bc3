"""What the page views behind a web vital say: also beside a deployment, and beside a series."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from alerts.config import AlertsConfig
from api.app import create_app
from api.house import House
from api.standing import series_id
from detector.regression import Phase, Regression
from detector.units import Unit
from storage.series import Labels
from tests.alerts.test_visitors import ELEMENT, RELEASES
from tests.api.asking import Client
from tests.api.shop import DAY_MS, MINUTE_MS, NOW_MS, close, deployment, empty_house, windows
from tests.api.test_pages import text
from tests.api.test_regressions import put

DEPLOYED_MS = NOW_MS - 40 * MINUTE_MS
CHECKOUT = Labels.of(service="shop", route="/checkout/:id", device="mobile")
RELEASE = "Release 1.5.0 is worse than 1.4.2 by 400 ms (310 ms to 500 ms): 2 s, was 1.6 s"
GREW = "Element main>#hero grew most: 2.1 s, was 1.6 s, in 80 % of the page views, was 78 %"


def slower(house: House, number: int, opened_ms: int, **changes: Any) -> Regression:
    """A web vital that regressed, with what its page views said."""
    visits = {"releases": RELEASES, "elements": [ELEMENT]}
    vital = {
        "rule": "rum_lcp_regression",
        "signal": "rum_lcp",
        "title": "LCP",
        "unit": Unit.SECONDS,
        "labels": CHECKOUT,
        "evidence": {"visits": visits},
    }
    return put(house, number, opened_ms, **vital | changes)


@pytest.fixture
def deployed(house: House) -> str:
    """A deployment."""
    made = deployment("shop", "1.5.0", DEPLOYED_MS)
    with house.state.unit() as session:
        house.book.add_deployment(session, made)
    return made.id


@contextmanager
def read_whole(house: House) -> Iterator[list[str]]:
    """The regressions whose evidence is read meanwhile."""
    found: list[str] = []

    def note(_: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "regression.evidence" in statement:
            asked = json.dumps(rest[0])
            found.extend(one for one in ids if f'"{one}"' in asked)
            if not any(one in asked for one in ids):
                found.append(statement)  # by something else than by ids

    with house.state.reading() as session:
        ids = [one.id for one in house.book.spans(session, 0)]
    event.listen(house.state.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(house.state.engine, "before_cursor_execute", note)


def test_beside_a_deployment_the_release_and_the_element_are_told(
    client: Client, house: House, deployed: str
) -> None:
    slower(house, 1, DEPLOYED_MS + MINUTE_MS)
    (told,) = client.get(f"/api/v1/deployments/{deployed}/changes").json()["regressions"]
    assert told["page_views"] == [RELEASE, GREW]
    for path in ("/deployments", f"/deployments/{deployed}"):
        said = text(client, path)
        assert f"{RELEASE}. {GREW}." in said, path


def test_beside_a_series_the_release_and_the_element_are_told(
    client: Client, house: House, deployed: str
) -> None:
    slower(house, 1, DEPLOYED_MS + MINUTE_MS)
    slower(house, 2, DEPLOYED_MS + MINUTE_MS, labels=CHECKOUT.plus(device="desktop"))
    slower(house, 3, NOW_MS - DAY_MS, phase=Phase.RESOLVED, resolved_ms=NOW_MS - DAY_MS + 1)
    signal = house.detector.definitions.signals["rum_lcp"]
    ends = np.array([NOW_MS], np.int64)
    values, n = np.array([2.1]), np.array([900.0])
    house.history.put_windows(windows(signal, CHECKOUT, ends, 3600, values, n))
    path = f"/signals/rum_lcp/series/{series_id(CHECKOUT)}"
    assert text(client, path).count(f"{RELEASE}. {GREW}.") == 1
    # A day ago it was the other one, which is over; the later one is not of that chart.
    earlier = client.get(f"{path}?at=2026-03-01T11:59:00Z").text
    assert "/regressions/reg_003" in earlier
    assert "/regressions/reg_001" not in earlier


@pytest.mark.parametrize(
    "path", ["/deployments", "/deployments/{}", "/api/v1/deployments/{}/changes"]
)
def test_only_what_a_deployment_fits_is_read_whole(
    client: Client, house: House, deployed: str, path: str
) -> None:
    slower(house, 1, DEPLOYED_MS + MINUTE_MS)
    for number in range(2, 10):  # all of them open since then
        slower(house, number, DEPLOYED_MS + (number + 30) * MINUTE_MS)
    over = {"phase": Phase.RESOLVED, "resolved_ms": DEPLOYED_MS - MINUTE_MS}
    slower(house, 10, DEPLOYED_MS - 3 * MINUTE_MS, **over)
    with read_whole(house) as whole:
        assert client.get(path.format(deployed)).status_code == 200
    assert set(whole) == {"reg_001"}


def test_of_many_that_fit_the_list_names_some_and_counts_the_others(
    client: Client, house: House, deployed: str
) -> None:
    for number in range(1, 8):
        slower(house, number, DEPLOYED_MS + MINUTE_MS, labels=CHECKOUT.plus(route=f"/{number}"))
    with read_whole(house) as whole:
        said = text(client, "/deployments")
    assert "and 3 more" in said
    assert set(whole) == {"reg_001", "reg_002", "reg_003", "reg_004"}
    whole_list = client.get(f"/api/v1/deployments/{deployed}/changes").json()["regressions"]
    assert [one["id"] for one in whole_list] == [f"reg_00{number}" for number in range(1, 8)]


def test_without_a_deployment_the_list_asks_for_no_regression(client: Client) -> None:
    said = text(client, "/deployments")
    assert "Nobody has told of a deployment yet" in said
    assert "http://127.0.0.1:8750/api/v1/deployments" in said


def test_the_command_on_the_empty_list_names_the_address_that_is_told_to_people(
    tmp_path: Path,
) -> None:
    house = empty_house(tmp_path, alerts=AlertsConfig(public_url="https://p.example.org/"))
    said = text(Client(create_app(house)), "/deployments")
    close(house)
    assert "https://p.example.org/api/v1/deployments" in said

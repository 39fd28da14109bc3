"""The list of statements and their pages, on a house with eight days behind it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from api.app import create_app
from api.house import House
from api.standing import series_id
from storage.history import Windows
from storage.series import Labels
from tests.api.asking import Client
from tests.api.shop import NOW_MS, close, empty_house

SLOW, FAST, GONE = "5105105105105105", "fa57fa57fa57fa57", "90de90de90de90de"
TEXT = "SELECT * FROM orders WHERE customer = ? ORDER BY placed DESC"
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
EVERYTHING = Labels.of(target="main", datname="shop")


def labels(fingerprint: str, datname: str = "shop") -> Labels:
    return Labels.of(target="main", datname=datname, fingerprint=fingerprint)


def put(
    house: House, signal: str, one: Labels, mean: float, calls: float, seconds: int, days: float
) -> None:
    """Windows of one length over the last days, each with that mean and so many calls."""
    length_ms = seconds * 1000
    ends = np.arange(NOW_MS - round(days * DAY_MS) + length_ms, NOW_MS + 1, length_ms)
    count = len(ends)
    house.history.put_windows(
        Windows(
            signal,
            (one,),
            np.zeros(count, np.int64),
            ends.astype(np.int64),
            np.full(count, float(seconds)),
            np.full(count, mean),
            np.full(count, calls * seconds / 60),
            np.full(count, -1, np.int64),
        )
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two statements of a shop and one of a stock, a minute's calls each, and all together."""
    made = empty_house(tmp_path_factory.mktemp("queries"))
    for seconds, days in ((60, 0.1), (300, 2), (3600, 8)):
        put(made, "db_statement_time", labels(SLOW), 0.2, 10, seconds, days)
        put(made, "db_statement_time", labels(FAST), 0.001, 500, seconds, days)
        put(made, "db_statement_time", labels(SLOW, "stock"), 0.05, 1, seconds, days)
        put(made, "db_mean_time", EVERYTHING, 0.005, 1000, seconds, days)
    first_ms = NOW_MS - 3 * DAY_MS
    made.statements.note("main", {("shop", SLOW): TEXT, ("stock", SLOW): TEXT}, first_ms)
    made.statements.note("main", {("shop", GONE): "select ?"}, first_ms)
    yield made
    close(made)


@pytest.fixture(scope="module")
def asked(house: House) -> Client:
    return Client(create_app(house))


def items(asked: Client, query: str = "") -> list[dict[str, object]]:
    answer = asked.get(f"/api/v1/queries{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["items"]
    return found


@pytest.mark.parametrize(("span", "minutes"), [("1h", 60), ("24h", 1440), ("7d", 10080)])
def test_sums_of_any_span_are_those_of_its_windows(asked: Client, span: str, minutes: int) -> None:
    slow, fast, stock = items(asked, f"?span={span}")
    assert [one["fingerprint"] for one in (slow, fast, stock)] == [SLOW, FAST, SLOW]
    assert slow["calls"] == pytest.approx(10 * minutes)
    assert slow["total_seconds"] == pytest.approx(2 * minutes)
    assert slow["mean_seconds"] == pytest.approx(0.2)
    assert (slow["mean_text"], slow["text"]) == ("200 ms", TEXT)
    assert slow["share"] == pytest.approx(2 / 5)
    assert stock["share"] == 1
    assert slow["first_seen"] == "2026-02-27T12:00:00Z"
    assert (fast["text"], fast["first_seen"]) == ("", None)


def test_a_month_is_as_far_as_there_are_windows(asked: Client) -> None:
    slow = items(asked, "?span=30d")[0]
    assert slow["calls"] == pytest.approx(10 * 8 * 1440)


@pytest.mark.parametrize(("sort", "first"), [("total_time", SLOW), ("mean", SLOW), ("calls", FAST)])
def test_the_first_has_most_of_what_is_asked_for(asked: Client, sort: str, first: str) -> None:
    assert items(asked, f"?sort={sort}")[0]["fingerprint"] == first


def test_filters_and_limits_hold(asked: Client) -> None:
    assert [one["datname"] for one in items(asked, "?datname=stock")] == ["stock"]
    assert items(asked, "?target=elsewhere") == []
    answer = asked.get("/api/v1/queries?limit=1").json()
    assert (len(answer["items"]), answer["total"]) == (1, 3)
    assert asked.get("/api/v1/queries?sort=colour").status_code == 422
    assert asked.get("/api/v1/queries?taget=main").status_code == 422


def test_links_lead_to_the_page_and_to_the_windows(asked: Client) -> None:
    slow = items(asked)[0]
    links = slow["links"]
    assert isinstance(links, dict)
    assert slow["series"] == series_id(labels(SLOW))
    assert asked.get(str(links["page"])).status_code == 200
    windows = asked.get(str(links["windows"])).json()
    assert windows["series"][0]["value"][-1] == pytest.approx(0.2)


def test_the_page_lists_texts_with_what_they_took(asked: Client) -> None:
    page = asked.get("/queries")
    assert page.status_code == 200
    assert TEXT in page.text
    assert "text not kept" in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert "No statement fits these filters" in asked.get("/queries?target=elsewhere").text


def test_the_page_of_a_statement_has_its_text_and_a_chart_for_each_database(
    asked: Client,
) -> None:
    page = asked.get(f"/queries/{SLOW}")
    assert page.status_code == 200
    assert TEXT in page.text
    assert page.text.count('data-signal="db_statement_time"') == 2
    only = asked.get(f"/queries/{SLOW}?datname=stock&span=7d")
    assert only.text.count('data-signal="db_statement_time"') == 1


def test_a_statement_that_did_not_run_lately_still_has_a_page(asked: Client) -> None:
    page = asked.get(f"/queries/{GONE}")
    assert page.status_code == 200
    assert "It did not run in the last 24h" in page.text
    assert asked.get("/queries/0000000000000000").status_code == 404


def test_a_text_is_shown_as_text(house: House, asked: Client) -> None:
    mean = 0.5
    put(house, "db_statement_time", labels("deadbeefdeadbeef", "odd"), mean, 1, 300, 0.5)
    evil = 'select "<script>alert(1)</script>"'
    house.statements.note("main", {("odd", "deadbeefdeadbeef"): evil}, NOW_MS)
    for path in ("/queries?datname=odd", "/queries/deadbeefdeadbeef"):
        page = asked.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_without_statements_the_page_tells_the_next_step(tmp_path: Path) -> None:
    house = empty_house(tmp_path)
    try:
        page = Client(create_app(house)).get("/queries").text
    finally:
        close(house)
    assert "No PostgreSQL server is watched" in page
    assert "plimsoll setup postgres main" in page


def test_old_statements_are_forgotten_with_their_windows(tmp_path: Path) -> None:
    from api.loops import LoopMeters, Loops

    house = empty_house(tmp_path)
    try:
        old_ms = NOW_MS - 401 * DAY_MS
        house.statements.note("main", {("shop", GONE): "select ?"}, old_ms)
        house.statements.note("main", {("shop", SLOW): TEXT}, NOW_MS)
        Loops(house, LoopMeters(house.registry)).forget(house.now() + timedelta(seconds=1))
        assert set(house.statements.find({GONE, SLOW})) == {("main", "shop", SLOW)}
    finally:
        close(house)

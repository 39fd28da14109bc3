"""Rules for differences of counters, each with what happens without it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.postgres.counting import RESTART_MS, Readings, Totals

MINUTE_MS = 60_000


@pytest.fixture
def readings() -> Readings[str]:
    made: Readings[str] = Readings(60.0)
    made.compare({"a": (10.0, 1.0), "b": (5.0, 5.0)}, 0, "epoch")
    return made


def test_the_first_reading_is_compared_with_nothing() -> None:
    first: Readings[str] = Readings(60.0)
    growth = first.compare({"a": (10.0,)}, 0, "epoch")
    assert (growth.compared, growth.rows) == (False, {})


def test_what_grew_is_the_difference_and_what_did_not_move_is_left_out(
    readings: Readings[str],
) -> None:
    growth = readings.compare({"a": (12.0, 1.0), "b": (5.0, 5.0)}, MINUTE_MS, "epoch")
    assert growth.compared
    assert growth.rows == {"a": (2.0, 0.0)}


def test_what_was_not_there_before_began_since(readings: Readings[str]) -> None:
    rows = {"a": (10.0, 1.0), "b": (5.0, 5.0), "c": (7.0, 2.0)}
    assert readings.compare(rows, MINUTE_MS, "epoch").rows == {"c": (7.0, 2.0)}


def test_of_a_reading_that_is_cut_short_nothing_is_new(readings: Readings[str]) -> None:
    rows = {"a": (11.0, 1.0), "c": (7.0, 2.0)}
    assert readings.compare(rows, MINUTE_MS, "epoch", whole=False).rows == {"a": (1.0, 0.0)}


def test_another_epoch_is_a_new_beginning(readings: Readings[str]) -> None:
    growth = readings.compare({"a": (12.0, 3.0)}, MINUTE_MS, "another")
    assert (growth.compared, growth.rows) == (False, {})
    assert readings.compare({"a": (13.0, 3.0)}, 2 * MINUTE_MS, "another").rows == {"a": (1.0, 0.0)}


@pytest.mark.parametrize(
    ("gap_ms", "compared"),
    [(3 * MINUTE_MS, True), (3 * MINUTE_MS + 1, False), (0, False), (-5, False)],
)
def test_more_than_three_intervals_are_a_gap(
    readings: Readings[str], gap_ms: int, compared: bool
) -> None:
    assert readings.compare({"a": (12.0, 3.0)}, gap_ms, "epoch").compared is compared


def test_without_an_interval_only_a_gap_that_increases_would_see_is_one() -> None:
    patient: Readings[str] = Readings()
    patient.compare({"a": (1.0,)}, 0, "epoch")
    assert patient.compare({"a": (2.0,)}, RESTART_MS, "epoch").compared
    assert not patient.compare({"a": (3.0,)}, 2 * RESTART_MS + 1, "epoch").compared


def test_no_interval_is_so_long_that_increases_lose_the_thread() -> None:
    slow: Readings[str] = Readings(240.0)
    slow.compare({"a": (1.0,)}, 0, "epoch")
    assert not slow.compare({"a": (2.0,)}, RESTART_MS + 1, "epoch").compared


def test_any_counter_that_fell_means_that_the_entry_began_anew(readings: Readings[str]) -> None:
    # Calls alone are not enough: here they have caught up, and the time has not.
    growth = readings.compare({"a": (15.0, 0.5), "b": (5.0, 5.0)}, MINUTE_MS, "epoch")
    assert growth.rows == {"a": (15.0, 0.5)}
    assert growth.restarted == 1


def test_an_entry_that_says_it_began_anew_counts_from_zero() -> None:
    told: Readings[str] = Readings(60.0)
    told.compare({"a": (10.0,)}, 0, "epoch", {"a": 1.0})
    growth = told.compare({"a": (12.0,)}, MINUTE_MS, "epoch", {"a": 2.0})
    assert growth.rows == {"a": (12.0,)}
    assert growth.restarted == 0


@given(st.lists(st.lists(st.floats(0, 1e6), min_size=2, max_size=2), min_size=1, max_size=20))
def test_nothing_ever_grows_by_less_than_zero(rows: list[list[float]]) -> None:
    every: Readings[str] = Readings(60.0)
    for number, row in enumerate(rows):
        growth = every.compare({"a": tuple(row)}, number * MINUTE_MS, "epoch")
        assert all(value >= 0 for grown in growth.rows.values() for value in grown)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=2, max_size=20))
def test_what_grew_adds_up_to_the_whole(steps: list[tuple[float, float]]) -> None:
    counted: Readings[str] = Readings(60.0)
    totals: Totals[str] = Totals()
    now = [0.0, 0.0]
    for number, step in enumerate(steps):
        now = [one + more for one, more in zip(now, step, strict=True)]
        growth = counted.compare({"a": tuple(now)}, number * MINUTE_MS, "epoch")
        totals.add("a", growth.rows.get("a", (0.0, 0.0)))
    ((_, row),) = totals.items()
    first = steps[0]
    assert row == pytest.approx([now[0] - first[0], now[1] - first[1]], abs=1e-6)


def test_totals_forget_what_is_not_kept() -> None:
    totals: Totals[str] = Totals()
    totals.add("a", (1.0,))
    totals.add("b", (2.0,))
    totals.keep(["b", "c"])
    assert "a" not in totals
    totals.add("a", (4.0,))
    assert dict(totals.items()) == {"b": [2.0], "a": [4.0]}

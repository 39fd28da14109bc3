"""What is usual at an hour of the week: the pattern of four weeks at the level of today."""

from pathlib import Path

import numpy as np
import pytest

from detector.exclusion import Apart
from detector.month import Months
from detector.weekly import NOTHING, hour_of_week
from storage.history import NO_LAYOUT, Floats, Windows
from tests.detector.watch import HOUR_MS, MINUTE_MS, NOON_MS, SERIES, Watch

WEEK = 168


def month(level: float = 0.0, weeks: int = 4) -> Floats:
    """Four weeks of hours and three, of which so many weeks are known; the last two are not yet."""
    values = np.full(4 * WEEK + 3, level)
    values[: (4 - weeks) * WEEK] = np.nan
    values[-2:] = np.nan
    return values


def at(weeks_ago: int) -> int:
    """The same hour so many weeks ago."""
    return 4 * WEEK + 1 - weeks_ago * WEEK


def test_a_job_of_one_weekday_is_usual_at_its_hour() -> None:
    values = month()
    values[[at(week) for week in range(1, 5)]] = 1.0
    assert hour_of_week(values, WEEK, 0.5).above == 1.0
    assert hour_of_week(np.roll(values, 24), WEEK, 0.5).above == 0.0
    assert hour_of_week(values, WEEK, 0.5).weeks == 4


def test_one_odd_week_of_four_changes_nothing() -> None:
    values = month()
    values[[at(week) for week in (2, 3, 4)]] = 1.0
    assert hour_of_week(values, WEEK, 0.5).above == 1.0
    values = month()
    values[at(1)] = 9.0
    assert hour_of_week(values, WEEK, 0.5).above == 0.0


@pytest.mark.parametrize(("weeks", "known"), [(4, 4), (3, 3), (2, 0), (0, 0)])
def test_three_weeks_must_be_known(weeks: int, known: int) -> None:
    values = month(weeks=weeks)
    if weeks == 3:  # the hour itself, and half of the week after it
        values[at(3) - 1] = 0.0
    assert hour_of_week(values, WEEK, 0.5).weeks == known
    assert (hour_of_week(values, WEEK, 0.5) == NOTHING) is (known == 0)


def test_a_level_that_has_risen_since_is_that_of_today() -> None:
    values = month() + np.arange(4 * WEEK + 3) / WEEK  # one a week
    values[[at(week) for week in range(1, 5)]] += 5.0
    found = hour_of_week(values, WEEK, 0.5)
    assert found.above == pytest.approx(5 - 0.5, abs=0.02)  # half a week before its own level


INTO = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "usual"),
    [
        (-1.0, 1.0, [-0.5, -0.25, 0.0, 0.25, 0.5]),  # it rises through the hour
        (-4.0, 1.0, [-0.5, -0.25, 0.0, 0.25, 0.5]),  # no steeper than the flatter of its sides
        (0.0, -1.0, [0.0] * 5),  # a job that ends at the full hour is all there until then
        (-1.0, 0.0, [0.0] * 5),  # and one that begins at the full hour from then on
        (-1.0, -1.0, [0.0] * 5),  # the only hour of a job
        (np.nan, 1.0, [0.0] * 5),
    ],
)
def test_an_hour_slopes_no_more_than_both_its_neighbours_say(
    before: float, after: float, usual: list[float]
) -> None:
    values = month()
    for week in range(1, 5):
        values[at(week) - 1], values[at(week) + 1] = before, after
    assert [hour_of_week(values, WEEK, into).above for into in INTO] == usual


def test_a_week_of_which_little_is_known_has_no_level() -> None:
    values = month()
    values[at(2) + 1 : at(2) + 100] = np.nan
    assert hour_of_week(values, WEEK, 0.5).weeks == 3


def test_the_month_is_read_once_an_hour_without_what_is_no_past(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    hours = np.arange(NOON_MS - 30 * 24 * HOUR_MS, NOON_MS + 1, HOUR_MS)
    watch.history.put_windows(
        Windows(
            "level",
            (SERIES,),
            np.zeros(len(hours), np.int64),
            hours,
            np.full(len(hours), 3600.0),
            hours.astype(np.float64),
            np.ones(len(hours)),
            np.full(len(hours), NO_LAYOUT, np.int64),
        )
    )
    signal, months = watch.detector.definitions.signals["level"], Months(watch.history)
    now_ms = NOON_MS + 20 * MINUTE_MS
    lost = Apart(0, ((NOON_MS - HOUR_MS, NOON_MS - HOUR_MS + 1),))
    found = months.of(signal, SERIES, now_ms, 0, lost)
    assert found is not None
    assert (len(found.values), found.per_week) == (4 * WEEK + 3, WEEK)
    assert found.into == pytest.approx(17.5 / 60)
    # The last two are this hour and the next one, the third last ended at noon.
    assert np.isnan(found.values[-2:]).all()
    assert np.isnan(found.values[-3])
    assert found.values[-4] == NOON_MS - HOUR_MS
    assert found.values[-2 - WEEK] == NOON_MS + HOUR_MS - WEEK * HOUR_MS
    until = months.of(signal, SERIES, now_ms, 0, Apart(NOON_MS - 2 * HOUR_MS))
    assert until is not None
    assert np.isfinite(until.values).sum() == 2
    watch.close()

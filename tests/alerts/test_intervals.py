"""Times of the week, month and year at their edges; the real one is asked about ordinary ones."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts import intervals
from alerts.intervals import TimeInterval
from alerts.routing_config import TimeIntervalConfig


def made(**fields: object) -> TimeInterval:
    return TimeIntervalConfig.model_validate(fields).interval()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(start: str, end: str) -> list[dict[str, str]]:
    return [{"start_time": start, "end_time": end}]


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        (made(times=times("09:00", "17:00")), ["2026-03-02 09:00", "2026-03-02 16:59"],
         ["2026-03-02 08:59", "2026-03-02 17:00"]),
        (made(times=times("23:00", "24:00")), ["2026-03-02 23:59"], ["2026-03-03 00:00"]),
        (made(weekdays=["monday:friday"]), ["2026-03-02", "2026-03-06"],
         ["2026-03-07", "2026-03-08"]),
        (made(weekdays=["Sunday"]), ["2026-03-08"], ["2026-03-07", "2026-03-09"]),
        (made(days_of_month=["-1"]), ["2026-02-28", "2028-02-29", "2026-04-30"], ["2026-02-27"]),
        (made(days_of_month=["-3:-1"]), ["2026-02-26", "2026-02-28"], ["2026-02-25", "2026-03-01"]),
        (made(days_of_month=["29:31"]), ["2026-01-31", "2028-02-29"], ["2026-02-28", "2026-03-28"]),
        (made(days_of_month=["25:-1"]), ["2026-02-25", "2026-02-28"], ["2026-02-24"]),
        (made(days_of_month=["1:5", "-31:-28"]), ["2026-03-01", "2026-02-01"], ["2026-03-06"]),
        (made(months=["may:august", "12"]), ["2026-05-01", "2026-12-31"], ["2026-09-01"]),
        (made(years=["2026", "2030:2032"]), ["2026-01-01", "2031-06-01"], ["2027-01-01"]),
        (made(months=["march"], weekdays=["monday"]), ["2026-03-02"], ["2026-03-03", "2026-04-06"]),
        (made(times=[]), [], ["2026-03-02 12:00"]),
        (made(), ["2026-03-02"], []),
        # At the change to summer time the clocks of Berlin read 03:00 at 01:00 UTC.
        (made(times=times("02:00", "03:00"), location="Europe/Berlin"),
         ["2026-03-28 01:30", "2026-10-25 00:30", "2026-10-25 01:30"], ["2026-03-29 01:30"]),
        (made(weekdays=["monday"], location="Pacific/Kiritimati"), ["2026-03-01 12:00"],
         ["2026-03-02 11:00"]),
    ],
)  # fmt: skip
def test_an_interval_holds_from_its_start_until_before_its_end(
    interval: TimeInterval, inside: list[str], outside: list[str]
) -> None:
    assert [one for one in inside if not interval.contains(at(one))] == []
    assert [one for one in outside if interval.contains(at(one))] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"times": times("17:00", "09:00")},
        {"times": times("9:00", "10:00")},
        {"times": times("09:00", "24:01")},
        {"times": [{"start_time": "09:00"}]},
        {"weekdays": ["mon"]},
        {"weekdays": ["saturday:monday"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"days_of_month": ["-1:5"]},
        {"days_of_month": ["20:10"]},
        {"days_of_month": ["31:-30"]},
        {"months": ["smarch"]},
        {"months": ["december:january"]},
        {"years": ["2030:2020"]},
        {"years": ["next"]},
        {"location": "Europe/Atlantis"},
        {"location": "../etc/passwd"},
        {"weekdays": ["monday:tuesday:friday"]},
        {"weekday": ["monday"]},
    ],
)
def test_what_is_no_interval_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        made(**fields)


def test_the_machine_has_a_time_zone_of_its_own() -> None:
    now = at("2026-03-02 12:00")
    assert now.astimezone(intervals.zone("Local")) == now


def test_a_whole_week_of_minutes_is_cut_by_hours_without_a_gap() -> None:
    halves = made(times=times("00:00", "12:00")), made(times=times("12:00", "24:00"))
    for minute in range(0, 7 * 1440, 7):
        now = at("2026-03-02") + timedelta(minutes=minute)
        assert [one.contains(now) for one in halves].count(True) == 1

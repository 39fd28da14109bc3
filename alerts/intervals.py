"""Times of the week, month and year in which a route is silent, or only then speaks. Pure.

Fields and meaning are Alertmanager's: all given fields must hold; a missing field always does.
(https://prometheus.io/docs/alerting/latest/configuration/#time_interval)
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9]))|(24):(00)", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """One interval; ranges hold both ends, but for `times`, whose end is the first minute outside.

    `times` are minutes of the day, `weekdays` count from Sunday as 0, `days_of_month` below zero
    count from the end of the month. None is a field that was not given, an empty one never holds.
    """

    times: tuple[Range, ...] | None = None
    weekdays: tuple[Range, ...] | None = None
    days_of_month: tuple[Range, ...] | None = None
    months: tuple[Range, ...] | None = None
    years: tuple[Range, ...] | None = None
    location: str = "UTC"

    def contains(self, at: datetime) -> bool:
        """Whether the time is inside, by the clock and calendar of the location."""
        here = at.astimezone(zone(self.location))
        minute = here.hour * 60 + here.minute
        if self.times is not None and not any(lo <= minute < hi for lo, hi in self.times):
            return False
        if self.days_of_month is not None and not self._in_days(here):
            return False
        return (
            inside(here.month, self.months)
            and inside(here.isoweekday() % 7, self.weekdays)
            and inside(here.year, self.years)
        )

    def _in_days(self, here: datetime) -> bool:
        """Whether the day of the month is named; days that the month does not have are none."""
        length = monthrange(here.year, here.month)[1]
        for first, last in self.days_of_month or ():
            begin = first if first > 0 else length + first + 1
            end = last if last > 0 else length + last + 1
            if begin <= here.day <= end:
                return True
        return False


def inside(value: int, ranges: Iterable[Range] | None) -> bool:
    """Whether a value is in any of the ranges; where none are given, it is."""
    return ranges is None or any(lo <= value <= hi for lo, hi in ranges)


def held(
    names: Iterable[str], intervals: Mapping[str, Iterable[TimeInterval]], at: datetime
) -> str:
    """The first of these names whose intervals contain the time; empty when none does."""
    return next((n for n in names if any(one.contains(at) for one in intervals[n])), "")


def zone(location: str) -> tzinfo | None:
    """A time zone of the IANA data base; `Local` is this machine's (None); else a ValueError."""
    if location == "Local":
        return None
    if location in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(location)
    except (KeyError, ValueError, OSError):
        hint = "write one of the IANA data base, such as Europe/Berlin"
        raise ValueError(f"{location!r} is no time zone: {hint}") from None


def minutes(start: str, end: str) -> Range:
    """`08:00` to `17:30` as minutes of the day; 24:00 is the end of the day."""
    found = tuple(minute(one) for one in (start, end))
    if found[0] >= found[1]:
        raise ValueError("start_time must be before end_time: split what goes over midnight in two")
    return found[0], found[1]


def minute(text: str) -> int:
    """Minutes since midnight."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of the day: write it like 08:00 or 24:00")
    hours, rest = (part for part in found.groups() if part is not None)
    return int(hours) * 60 + int(rest)


def weekdays(text: str) -> Range:
    """`monday:friday`, or one day."""
    return in_order(text, *ends(text, lambda one: place(one, WEEKDAYS, "day of the week")))


def months(text: str) -> Range:
    """`march:october`, `3:10`, or one month."""

    def month(one: str) -> int:
        return whole(one, "month") if _WHOLE.fullmatch(one) else place(one, MONTHS, "month") + 1

    return in_order(text, *ends(text, month))


def years(text: str) -> Range:
    """`2026:2027`, or one year."""
    return in_order(text, *ends(text, lambda one: whole(one, "year")))


def days_of_month(text: str) -> Range:
    """`1:5`, `-3:-1`, or one day; days below zero count from the end of the month."""
    begin, end = ends(text, lambda one: whole(one, "day of the month"))
    if any(day == 0 or not -31 <= day <= 31 for day in (begin, end)):
        raise ValueError(f"{text!r} is no day of the month: from 1 to 31, or from -31 to -1")
    if begin < 0 < end:
        raise ValueError(f"{text!r}: the last day must be below zero where the first is")
    # 28 days is the shortest month: what is empty there and in all others is a mistake.
    if (begin if begin > 0 else 28 + begin) > (end if end > 0 else 28 + end):
        raise ValueError(f"{text!r}: the last day is before the first in every month")
    return begin, end


def ends(text: str, read: Any) -> Range:
    """Both ends of a range, or one value twice."""
    parts = text.lower().split(":")
    if len(parts) > 2:
        raise ValueError(f"{text!r} is no range: write it like a:b")
    return read(parts[0]), read(parts[-1])


def in_order(text: str, begin: int, end: int) -> Range:
    """The range, or a ValueError when it ends before it begins."""
    if begin > end:
        raise ValueError(f"{text!r} ends before it begins: split it in two")
    return begin, end


def place(text: str, names: tuple[str, ...], what: str) -> int:
    """Where a name stands in its list."""
    if text not in names:
        raise ValueError(f"{text!r} is no {what}")
    return names.index(text)


def whole(text: str, what: str) -> int:
    """A whole number."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no {what}")
    return int(text)

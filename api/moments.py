"""Times as they cross the border: RFC 3339 with an offset outside, milliseconds inside."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator

RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(value: object) -> datetime:
    """An aware time from RFC 3339 text; a ValueError shows how one is written.

    Plain numbers are refused: whether they are seconds or milliseconds is anybody's guess.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        # A + in a query arrives as a blank, which is why the message says so.
        raise ValueError(
            "a time is written like 2026-03-02T12:00:00Z (an offset's + is %2B in a query)"
        )
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(f"{value} is no time of the calendar") from None


Moment = Annotated[datetime, BeforeValidator(parse)]


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def maybe_milliseconds(moment: datetime | None) -> int | None:
    """The same, where there may be none."""
    return None if moment is None else milliseconds(moment)


def at(at_ms: int) -> datetime:
    """An aware time, UTC."""
    seconds, rest_ms = divmod(at_ms, 1000)
    return EPOCH + timedelta(0, seconds, rest_ms * 1000)


def maybe_at(at_ms: int | None) -> datetime | None:
    """The same, where there may be none."""
    return None if at_ms is None else at(at_ms)

"""Durations as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from storage.duration import Seconds, seconds, written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 0.5),
        ("15s", 15.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("7d", 604800.0),
        ("2w", 1209600.0),
        ("1.5h", 5400.0),
        (" 5m ", 300.0),
        (90, 90.0),
        (0.25, 0.25),
    ],
)
def test_durations_are_read_as_they_are_said(text: object, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "'' is no duration; write it like 15s, 5m or 1h30m"),
        ("5", "'5' is no duration; write it like"),
        ("5 m", "'5 m' is no duration; write it like"),
        ("-5m", "'-5m' is no duration; write it like"),
        ("five", "'five' is no duration; write it like"),
        ("0s", "'0s' is no duration: from 1ms to 300 years can be meant"),
        (0, "0 is no duration: from 1ms"),
        (-1, "-1 is no duration: from 1ms"),
        (0.0001, "0.0001 is no duration: from 1ms"),
        ("99999999w", "is no duration: from 1ms"),
        (float("nan"), "nan is no duration"),
        (float("inf"), "inf is no duration"),
        (True, "a duration is written like 15s"),
        (None, "a duration is written like 15s"),
        (["5m"], "a duration is written like 15s"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_way_to_write_one(
    value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        seconds(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (300, "5m"),
        (90, "1m30s"),
        (604800, "7d"),
        (0.5, "500ms"),
        (0, "0s"),
        (90061.5, "1d1h1m1s500ms"),
    ],
)
def test_durations_are_written_shortly(value: float, text: str) -> None:
    assert written(value) == text


@given(st.integers(min_value=1, max_value=10**13 - 1))
def test_what_was_written_is_read_back(milliseconds: int) -> None:
    assert round(seconds(written(milliseconds / 1000)) * 1000) == milliseconds


def test_a_field_reads_and_shows_durations() -> None:
    class Part(BaseModel):
        wait: Seconds

    assert Part.model_validate({"wait": "1h30m"}).wait == 5400.0
    assert Part.model_validate({"wait": "1h30m"}).model_dump_json() == '{"wait":"1h30m"}'

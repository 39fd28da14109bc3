"""Numbers as an on-call engineer says them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.units import Unit, change, text


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.812, Unit.SECONDS, "812 ms"),
        (0.0, Unit.SECONDS, "0 ms"),
        (1_772_452_899.9, Unit.TIMESTAMP, "2026-03-02 12:01 UTC"),
        (3e11, Unit.TIMESTAMP, "3e+11"),
        (-1.0, Unit.TIMESTAMP, "-1"),
        (0.00025, Unit.SECONDS, "250 µs"),
        (1.5, Unit.SECONDS, "1.5 s"),
        (90, Unit.SECONDS, "1.5 min"),
        (5400, Unit.SECONDS, "1.5 h"),
        (129_600, Unit.SECONDS, "1.5 d"),
        (-0.5, Unit.SECONDS, "-500 ms"),
        (0.032, Unit.RATIO, "3.2 %"),
        (1.0, Unit.RATIO, "100 %"),
        (1.4 * 2**30, Unit.BYTES, "1.4 GiB"),
        (512, Unit.BYTES, "512 B"),
        (2**60, Unit.BYTES, "1024 PiB"),
        (12.34, Unit.PER_SECOND, "12.3/s"),
        (1234.5, Unit.COUNT, "1234"),
        (0.00012, Unit.COUNT, "0.00012"),
        (12_345_678, Unit.COUNT, "1.23e+07"),
        (None, Unit.COUNT, "-"),
        (math.nan, Unit.SECONDS, "-"),
        (math.inf, Unit.SECONDS, "∞"),
        (-math.inf, Unit.SECONDS, "-∞"),
    ],
)
def test_values_as_people_say_them(value: float | None, unit: Unit, said: str) -> None:
    assert text(value, unit) == said


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(Unit))
def test_every_value_can_be_said(value: float, unit: Unit) -> None:
    assert text(value, unit)


@pytest.mark.parametrize(
    ("value", "baseline", "said"),
    [
        (142, 100, "+42 %"),
        (105.5, 100, "+5.5 %"),
        (58, 100, "-42 %"),
        (100, 100, "+0 %"),
        (1, 0, ""),
        (1, None, ""),
        (1, math.nan, ""),
        (math.nan, 1, ""),
        (300, 100, "+200 %"),
    ],
)
def test_a_change_as_people_say_it(value: float, baseline: float | None, said: str) -> None:
    assert change(value, baseline) == said

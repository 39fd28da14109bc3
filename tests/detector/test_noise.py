"""The verdict on noise: each bound has a case on either side."""

import pytest

from detector.noise import (
    ACCEPTABLE_PER_100,
    FEW_OPENINGS,
    LEAST_DAYS,
    QUIET_PER_100,
    TRANSIENT_SHARE,
    Fired,
    Noise,
    verdict,
)

WEEKS = 30
SERIES_DAYS = 100.0 * WEEKS


def fired(per_100: float, transient: float = 0.0, days: int = WEEKS) -> Fired:
    openings = round(per_100 * SERIES_DAYS / 100)
    return Fired(openings, round(openings * transient), SERIES_DAYS, days)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (fired(0), Noise.SILENT),
        (fired(QUIET_PER_100), Noise.QUIET),
        (fired(QUIET_PER_100 + 0.1), Noise.ACCEPTABLE),
        (fired(ACCEPTABLE_PER_100), Noise.ACCEPTABLE),
        (fired(ACCEPTABLE_PER_100 + 0.1), Noise.NOISY),
        (fired(5, TRANSIENT_SHARE), Noise.ACCEPTABLE),
        (fired(5, TRANSIENT_SHARE + 0.1), Noise.NOISY),
        (fired(QUIET_PER_100, 1.0), Noise.QUIET),
        (fired(0, days=LEAST_DAYS - 1), Noise.NOT_ENOUGH_HISTORY),
        (fired(0, days=LEAST_DAYS), Noise.SILENT),
        (fired(229, days=1), Noise.NOISY),
        (Fired(0, 0, 0.0, 0), Noise.NOT_ENOUGH_HISTORY),
        (Fired(FEW_OPENINGS - 1, 2, 10.0, 10), Noise.QUIET),
        (Fired(FEW_OPENINGS, 2, 10.0, 10), Noise.NOISY),
    ],
)
def test_a_rate_has_its_name(found: Fired, expected: Noise) -> None:
    assert verdict(found) is expected


def test_nothing_judged_has_no_rate_and_nothing_fired_no_share() -> None:
    assert Fired(0, 0, 0.0, 0).per_100 == 0
    assert Fired(0, 0, 5.0, 5).transient_share is None

import numpy as np

from detector.episode import Telling

AT = np.arange(200, dtype=np.int64) * 300


def told(seen: list[tuple[int, int, float]]) -> list[int]:
    flags, size = np.zeros(200, np.bool_), np.full(200, np.nan)
    for first, last, effect in seen:
        flags[first:last], size[first:last] = True, effect
    return Telling().told(flags, size, AT, 300)


def test_a_change_that_stays_is_told_once() -> None:
    assert told([(10, 200, 0.3)]) == [10]


def test_a_short_pause_is_no_end() -> None:
    assert told([(10, 40, 0.3), (60, 100, 0.3)]) == [10]


def test_after_two_quiet_hours_it_is_told_again() -> None:
    assert told([(10, 40, 0.3), (70, 100, 0.3)]) == [10, 70]


def test_it_is_told_again_when_it_has_grown_but_not_at_once() -> None:
    assert told([(10, 80, 0.3), (80, 200, 0.6)]) == [10, 80]
    assert told([(10, 20, 0.3), (20, 30, 0.6)]) == [10]
    assert told([(10, 80, 0.3), (80, 200, 0.35)]) == [10]


def test_what_grows_slowly_is_told_when_it_has_grown() -> None:
    steps = [(10 + 10 * number, 20 + 10 * number, 0.3 + 0.04 * number) for number in range(15)]
    assert len(told(steps)) == 2

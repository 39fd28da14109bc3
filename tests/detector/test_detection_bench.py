import math

import numpy as np
import pytest

from benchmarks._product import windows_of
from benchmarks.detection import detect, detect_suspected, times, windows
from benchmarks.time_to_detect import SIX_HOURS, bound_windows, ratios, variances
from storage.history import Floats, Ints


def series(step: int, days: int = 9) -> tuple[Ints, Floats]:
    generator = np.random.default_rng(step)
    at = 1_700_000_000 // step * step + np.arange(days * 86_400 // step, dtype=np.int64) * step
    return at, np.exp(
        3 + 0.3 * np.sin(at / 86_400 * 2 * np.pi) + generator.normal(0, 0.03, len(at))
    )


@pytest.mark.parametrize("step", [60, 300, 3600])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_change_in_the_bad_direction_is_told_once_and_where_it_began(
    step: int, direction: str
) -> None:
    at, values = series(step)
    assert detect(at, values, direction) == []
    onset = at[0] + 8 * 86_400
    values = np.where(at >= onset, values * (0.6 if direction == "down" else 1.6), values)
    notices = detect(at, values, direction)
    assert len(notices) == 1
    assert onset <= notices[0][0] <= onset + 4 * 3600
    assert abs(notices[0][1] - onset) <= max(1800, 2 * step)
    good = {"up": "down", "down": "up"}.get(direction)
    assert good is None or detect(at, values, good) == []
    assert detect_suspected(at, values, direction)[0][0] <= notices[0][0]


def test_a_notice_goes_out_only_from_what_was_seen_by_then() -> None:
    at, values = series(60)
    values[at >= at[0] + 8 * 86_400] *= 1.6
    whole = detect(at, values, "up")
    for count in (len(at) - 1, len(at) - 7, len(at) * 95 // 100):
        part = detect(at[:count], values[:count], "up")
        assert part == [one for one in whole if one[0] <= at[count - 1]]
        assert all(fired <= at[count - 1] for fired, _ in part)


def test_minutes_become_windows_of_five() -> None:
    at = np.arange(1_700_000_100, 1_700_000_100 + 600, 60, dtype=np.int64)
    judged = windows(at, np.arange(10.0))
    assert judged.values.tolist() == [2.0, 7.0]
    assert judged.at.tolist() == [at[4], at[9]]


@pytest.mark.parametrize("step", [60, 300])
def test_a_replay_judges_the_windows_of_a_series_at_the_times_the_method_does(step: int) -> None:
    # A window later, other pieces of a quarter of an hour and half days are compared.
    at, values = series(step)
    judged = windows(at, values)
    given = windows_of([judged.given], [0])
    ends = given.end_ms // (judged.seconds * 1000)
    np.testing.assert_array_equal(ends, judged.first + np.arange(len(judged.values)))
    known = times(judged, [(int(end_ms), int(end_ms)) for end_ms in given.end_ms[:3]])
    assert [one for one, _ in known] == judged.at[:3].tolist()
    # The last sample of a window is known before it ends, or as it does.
    assert (judged.at <= given.end_ms // 1000).all()
    assert (judged.at > given.end_ms // 1000 - judged.seconds).all()


def test_lorden_s_bound_is_log_t_over_the_information_of_a_window() -> None:
    # A shift of two deviations is 2 nats a window.
    assert bound_windows(0.2, 0.01, math.exp(6)) == pytest.approx(3)


def test_noise_without_memory_has_one_variance_and_one_with_memory_two() -> None:
    generator = np.random.default_rng(7)
    short, long = variances(generator.normal(0, 0.1, 400 * SIX_HOURS))
    assert short == pytest.approx(0.01, rel=0.05)
    assert long == pytest.approx(0.01, rel=0.25)
    levels = np.repeat(generator.normal(0, 0.1, 400), SIX_HOURS)
    assert variances(levels)[1] > 20 * variances(levels)[0]


def test_what_was_not_found_counts_as_infinite_and_a_bound_beyond_six_hours_not_at_all() -> None:
    clean = {"kind": "clean", "fa": 2, "weeks": 8.0}
    rows = [clean] + [
        {"kind": "level20", "base": base, "dir": "up", "found": found, "delay": 3600}
        for base, found in (("a", True), ("b", False), ("c", False), ("loud", True))
    ]
    spread = {"a": (0.001, 0.001), "b": (0.001, 0.0), "c": (0.0, 0.001), "loud": (1.0, 1.0)}
    told = ratios([*rows, {**rows[1], "kind": "level50"}], spread, correlated=True)
    assert told["level20"] == {"median": math.inf, "series": 3}
    bound = bound_windows(math.log(1.5), 0.001, 4 * 2016)
    assert told["level50"] == {"median": pytest.approx(12 / bound, abs=0.01), "series": 1}

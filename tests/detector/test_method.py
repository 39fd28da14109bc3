from dataclasses import replace

import numpy as np
import pytest

from detector.assessment import Finding
from detector.calibration import Strictness
from detector.episode import Telling
from detector.method import Method, coarse, five_minutes, lasted
from detector.transform import logarithmic, usual_size
from storage.history import Floats
from tests.detector.shapes import PER_DAY, autoregressive, daily

FIRST = 5_000_001
METHOD = five_minutes()
WAITS_FOR_NOTHING = replace(METHOD, patience=0)
WEEK = 7 * PER_DAY
STEP_25 = float(np.log(1.25))


def at_once(method: Method) -> Method:
    """The same without a wait."""
    return replace(method, spans=tuple(replace(span, wait=0) for span in method.spans))


def told(values: Floats, method: Method = METHOD) -> list[int]:
    """The columns of the notices, from the end of the first week on."""
    evidence = method.judge(values, FIRST)
    at = np.arange(len(values), dtype=np.int64) * 300
    return [one for one in Telling().told(evidence.changed, evidence.size, at, 300) if one >= WEEK]


def steady(seed: int = 1, days: int = 9, phi: float = 0.5, noise: float = 0.05) -> Floats:
    windows = days * PER_DAY
    generator = np.random.default_rng(seed)
    noisy: Floats = daily(windows, 0.3) + autoregressive(generator, 1, windows, phi, noise)[0]
    return noisy + 3.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_steady_noise_raises_at_most_two_alarms_per_hundred_series_and_day(phi: float) -> None:
    series, days = 60, 14
    generator = np.random.default_rng(int(phi * 10))
    noise = autoregressive(generator, series, days * PER_DAY, phi, 0.08)
    alarms = sum(len(told(row + daily(len(row), 0.3))) for row in noise)
    assert alarms / (series * (days - 7)) * 100 <= 2.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_share_of_windows_with_evidence_when_nothing_is_wrong(phi: float) -> None:
    generator = np.random.default_rng(7)
    noise = autoregressive(generator, 20, 10 * PER_DAY, phi, 0.08)
    wrong = np.mean([METHOD.judge(row, FIRST).changed[WEEK:].mean() for row in noise])
    assert wrong <= 0.015


def test_heavy_tails_are_in_the_threshold() -> None:
    generator = np.random.default_rng(5)
    rows = 0.05 * generator.standard_t(3, size=(20, 11 * PER_DAY))
    assert sum(len(told(row)) for row in rows) / (20 * 4) * 100 <= 2.0


def test_a_quarter_more_is_found_within_three_hours() -> None:
    generator = np.random.default_rng(11)
    found = 0
    for seed in range(40):
        values = steady(seed, days=9, noise=0.05)
        onset = WEEK + int(generator.integers(30, PER_DAY))
        values[onset:] += STEP_25
        found += any(onset <= at <= onset + 36 for at in told(values))
    assert found >= 38


@pytest.mark.parametrize("minutes", [5, 10, 15])
def test_a_spike_is_not_told(minutes: int) -> None:
    for seed in range(10):
        values = steady(seed)
        assert told(values) == []
        values[WEEK + 100 : WEEK + 100 + minutes // 5] += np.log(5)
        assert told(values) == []


def test_without_the_span_s_quartile_a_spike_would_be_told() -> None:
    values = steady()
    values[WEEK + 100] += np.log(5)
    one = replace(METHOD.spans[0], count=1, wait=0)
    assert told(values, replace(METHOD, spans=(one, *METHOD.spans[1:]))) != []


def test_a_transient_of_the_kind_that_the_series_has_is_not_told() -> None:
    values = steady(days=10)
    for day in (2.2, 4.7, 5.4):
        values[int(day * PER_DAY) :][:12] += 0.5
    spike = values.copy()
    spike[WEEK + 300 : WEEK + 312] += 0.5
    assert told(spike) == []
    assert told(spike, replace(METHOD, strictness=Strictness(margin=0.3, guard=0.0))) != []


def test_a_night_job_that_comes_every_night_is_not_told() -> None:
    values = steady(days=10)
    for day in range(10):
        values[day * PER_DAY + 40 :][:24] += 0.6
    assert told(values) == []


def test_the_guard_keeps_quiet_where_the_memory_holds_few_independent_values() -> None:
    def alarms(method: Method) -> int:
        generator = np.random.default_rng(23)
        total = 0
        for _ in range(12):
            level = np.repeat(generator.normal(size=22) * 0.08, PER_DAY // 2)
            noise = 0.005 * generator.normal(size=len(level))
            total += len(told(level + noise, method))
        return total

    assert alarms(METHOD) < alarms(replace(METHOD, strictness=Strictness(guard=0.0, scarcity=0.0)))


def test_agreement_of_several_references_is_asked_for() -> None:
    def alarms(method: Method) -> int:
        generator = np.random.default_rng(29)
        noise = autoregressive(generator, 12, 11 * PER_DAY, 0.97, 0.15)
        return sum(len(told(row, method)) for row in noise)

    lenient = replace(METHOD, strictness=Strictness(margin=1.0, guard=0.0))
    assert alarms(lenient) < alarms(replace(lenient, agreement=0.01))


def test_a_change_too_small_to_matter_is_small() -> None:
    values = steady(noise=0.002)
    values[WEEK + 50 :] += 0.04
    evidence = METHOD.judge(values, FIRST)
    assert told(values) == []
    careless = replace(METHOD, spans=tuple(replace(span, floor=0.0) for span in METHOD.spans))
    assert told(values, careless) != []
    assert Finding.SMALL in set(evidence.finding()[WEEK + 50 :])


def faint(step: float) -> Floats:
    """A change that noise like itself for hours nearly hides."""
    values = steady(1, days=9, phi=0.9, noise=0.08)
    values[WEEK + 100 :] += step
    return values


def test_what_is_suspected_for_six_hours_without_a_break_is_found() -> None:
    patient, hasty = METHOD.judge(faint(0.15), FIRST), WAITS_FOR_NOTHING.judge(faint(0.15), FIRST)
    first = int(np.argmax(patient.changed))
    assert patient.suspected[first - 71 : first + 1].all()
    assert not patient.suspected[first - 72]
    assert WEEK + 100 < first < np.argmax(hasty.changed)
    assert np.array_equal(patient.suspected, hasty.suspected)


def test_of_a_span_four_times_as_long_as_patience_a_suspicion_stays_one() -> None:
    day = replace(at_once(METHOD), spans=at_once(METHOD).spans[-1:], short=0)
    values = steady(3, days=13, noise=0.02)
    values[10 * PER_DAY :] += 0.1

    def found(patience: int) -> int:
        return int(replace(day, patience=patience).judge(values, FIRST).changed.sum())

    assert found(METHOD.patience) == found(0) < found(2 * METHOD.patience)


def test_without_history_nothing_is_known() -> None:
    evidence = METHOD.judge(steady(days=2), FIRST)
    assert set(evidence.finding()) == {Finding.UNKNOWN}
    assert np.isinf(evidence.least).all()


def test_a_suspicion_is_never_later_than_the_confirmation() -> None:
    values = steady()
    values[WEEK + 60 :] += STEP_25
    evidence = METHOD.judge(values, FIRST)
    assert evidence.changed.any()
    assert (evidence.suspected | ~evidence.changed).all()
    assert np.argmax(evidence.suspected) <= np.argmax(evidence.changed)


def test_what_comes_later_never_changes_what_was_said() -> None:
    values = steady(days=9)
    values[WEEK + 60 :] += STEP_25
    whole = METHOD.judge(values, FIRST)
    for count in (WEEK + 61, WEEK + 130, len(values) - 1):
        part = METHOD.judge(values[:count], FIRST)
        assert np.array_equal(part.agreeing, whole.agreeing[:, :count])
        assert np.array_equal(part.effect, whole.effect[:, :count], equal_nan=True)


def test_the_unit_does_not_matter() -> None:
    seconds = np.exp(steady())
    seconds[WEEK + 60 :] *= 1.25
    first = seconds[: 2 * PER_DAY]
    at = told(logarithmic(seconds, usual_size(first)))
    assert at != []
    assert told(logarithmic(seconds * 1000, usual_size(first * 1000))) == at


def test_what_is_not_learnt_does_not_raise_the_threshold() -> None:
    values = steady(days=11)
    values[4 * PER_DAY : 5 * PER_DAY] += 1.0
    learnt = np.ones(len(values), np.bool_)
    learnt[4 * PER_DAY : 5 * PER_DAY + PER_DAY] = False
    deaf = METHOD.judge(values, FIRST).least[2, 8 * PER_DAY]
    hearing = METHOD.judge(values, FIRST, learnt).least[2, 8 * PER_DAY]
    assert hearing < deaf


def test_references_that_cannot_see_as_much_have_no_say() -> None:
    windows = 9 * PER_DAY
    noise = 0.02 * np.random.default_rng(31).normal(size=windows)
    values = daily(windows, 1.0) + noise
    values[WEEK + 60 :] += 0.15
    everyone = replace(METHOD, comparable=1e9, agreement=0.9)
    assert told(values)[0] + 12 * 6 < told(values, everyone)[0]


def test_a_change_does_not_hide_itself_after_half_a_day() -> None:
    def hours_seen(method: Method) -> int:
        values = steady(noise=0.01, days=9)
        values[WEEK + 10 :] += 0.1
        return int(method.judge(values, FIRST).changed[WEEK:].sum()) // 12

    hasty = replace(METHOD, memory=replace(METHOD.memory, left_out=0))
    assert hours_seen(METHOD) > hours_seen(hasty) + 6


def test_the_largest_of_few_values_is_trusted_less() -> None:
    values = steady(days=9)
    careless = replace(METHOD, strictness=Strictness(scarcity=0.0))
    wide, narrow = (method.judge(values, FIRST).least[:, WEEK] for method in (METHOD, careless))
    assert wide[-1] / narrow[-1] > wide[0] / narrow[0]


def test_one_outage_does_not_make_the_series_deaf() -> None:
    values = steady(days=9)
    values[6 * PER_DAY : 6 * PER_DAY + 48] += 2.0
    forgetful = replace(METHOD, memory=replace(METHOD.memory, creep=1e9))
    hearing, deaf = (method.judge(values, FIRST).least[1, -1] for method in (METHOD, forgetful))
    assert hearing < 0.5 < 1.5 < deaf


def test_what_comes_again_raises_the_threshold_step_by_step() -> None:
    values = steady(days=13)
    for day in (6.3, 7.4, 8.1, 9.6, 10.2):
        values[int(day * PER_DAY) :][:48] += 2.0
    least = METHOD.judge(values, FIRST).least[1]
    assert least[6 * PER_DAY] < least[9 * PER_DAY] < least[12 * PER_DAY]


def test_what_never_moved_may_still_learn() -> None:
    values = np.zeros(12 * PER_DAY)
    for day in (5.3, 6.4, 7.1, 8.6, 9.2):
        values[int(day * PER_DAY) :][:48] += 0.5
    assert METHOD.judge(values, FIRST).least[1, -1] > METHOD.spans[1].floor


def test_a_loud_series_is_doubted_more_than_a_quiet_one() -> None:
    def raised(noise: float) -> float:
        values = steady(noise=noise)
        believing = replace(METHOD, strictness=Strictness(doubt=0.0))
        plain, doubting = (m.judge(values, FIRST).least[1, -1] for m in (believing, METHOD))
        return float(doubting / plain)

    assert raised(0.01) < 1.03
    assert raised(0.5) > 1.1


def test_from_a_doubling_on_a_threshold_is_doubted_by_no_more() -> None:
    def raised(noise: float) -> float:
        values = steady(noise=noise)
        believing = replace(METHOD, strictness=Strictness(doubt=0.0))
        plain, doubting = (m.judge(values, FIRST).least[0, -1] for m in (believing, METHOD))
        assert plain > np.log(2)
        return float(doubting / plain)

    assert raised(1.0) == pytest.approx(raised(3.0))


def test_35_minutes_of_any_height_are_not_told_and_40_are() -> None:
    values = steady()
    values[WEEK + 100 : WEEK + 107] += np.log(5)
    assert told(values) == []
    assert told(values, at_once(METHOD)) == [WEEK + 106]
    values[WEEK + 107] += np.log(5)
    assert told(values) == [WEEK + 108]


def test_what_only_long_spans_see_is_told_if_it_is_suspected_for_hours() -> None:
    def hearing(hours: float, method: Method = METHOD) -> list[int]:
        values = steady(2, noise=0.06, phi=0.0, days=10)
        values[WEEK + 100 :][: int(12 * hours)] += 0.08
        return told(values, method)

    assert hearing(4) == []
    assert hearing(4, at_once(METHOD)) != []
    (lasting,) = hearing(48)
    assert lasting - hearing(48, at_once(METHOD))[0] <= 42


def test_between_what_short_and_what_long_spans_see_a_suspicion_goes_on() -> None:
    hour = 2 * np.pi * np.arange(9 * PER_DAY) / PER_DAY
    values = 0.3 * np.sin(hour) + np.random.default_rng(300).normal(0, 0.03, len(hour))
    values[8 * PER_DAY :] += np.log(1.6)
    seen = METHOD.judge(values, FIRST).suspected[8 * PER_DAY : 8 * PER_DAY + 60]
    assert (np.diff(np.flatnonzero(seen)) > 6).any()
    assert len(told(values)) == 1
    assert len(told(values, replace(METHOD, lull=0))) == 2


def test_a_lull_within_its_bound_is_part_of_what_lasted_and_a_longer_one_is_not() -> None:
    seen = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 1], np.bool_)
    assert lasted(seen).tolist() == [0, 1, 0, 0, 1, 0, 0, 0, 1, 2]
    assert lasted(seen, 2).tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    assert lasted(seen, 3).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_of_coarse_windows_three_comparisons_have_to_agree() -> None:
    def alarms(method: Method) -> int:
        generator = np.random.default_rng(29)
        noise = autoregressive(generator, 20, 28 * 24, 0.9, 0.15)
        return sum(len(told_hourly(row + daily(len(row), 0.3), method)) for row in noise)

    assert alarms(coarse(3600)) < alarms(replace(coarse(3600), least_agreeing=2))


def test_one_hourly_window_alone_is_not_told() -> None:
    values = 3.0 + np.random.default_rng(3).normal(0, 0.02, 14 * 24)
    once, twice = values.copy(), values.copy()
    once[10 * 24] += 1.0
    twice[10 * 24 : 10 * 24 + 2] += 1.0
    hourly = coarse(3600)
    assert not hourly.judge(once, 416_666).changed.any()
    assert np.flatnonzero(hourly.judge(twice, 416_666).changed)[0] == 10 * 24 + 1


def hourly_with_trouble(every_days: float, hours: int = 4, days: int = 28) -> Floats:
    """A loud hourly series, eight times as high for some hours every few days."""
    values: Floats = 3.0 + np.random.default_rng(3).normal(0, 0.4, days * 24)
    for day in np.arange(3.6, days - 1, every_days):
        values[int(day * 24) :][:hours] += np.log(8)
    return values


def told_hourly(values: Floats, method: Method) -> list[float]:
    """On which days notices go out from the end of the first week on."""
    evidence = method.judge(values, 416_664)
    at = np.arange(len(values), dtype=np.int64) * 3600
    columns = Telling().told(evidence.changed, evidence.size, at, 3600)
    return [round(one / 24, 1) for one in columns if one >= 7 * 24]


def remembering(method: Method) -> Method:
    return replace(method, strictness=replace(method.strictness, rare_counts=np.inf))


def test_hours_of_trouble_are_told_each_time_they_come() -> None:
    values, hourly = hourly_with_trouble(3.1), coarse(3600)
    troubled = [day for day in np.arange(3.6, 27, 3.1) if day > 7]
    heard = told_hourly(values, hourly)
    assert all(any(day - 0.1 <= one <= day + 0.3 for one in heard) for day in troubled)
    assert len(told_hourly(values, remembering(hourly))) < len(troubled) / 2


def test_trouble_in_most_half_days_is_what_the_series_does() -> None:
    values, hourly = hourly_with_trouble(1.3), coarse(3600)
    troubled = [day for day in np.arange(3.6, 27, 1.3) if day > 7]
    assert len(told_hourly(values, hourly)) < len(troubled) / 4


def test_what_is_rare_is_forgotten_only_by_spans_of_two_hours_and_more() -> None:
    quarters, values = coarse(900), np.repeat(hourly_with_trouble(3.1), 4)
    whole, some = (
        method.judge(values, 4 * 416_664).least[:, -1]
        for method in (remembering(quarters), quarters)
    )
    assert quarters.spans[2].windows * 900 < 7200 < quarters.spans[3].windows * 900
    assert np.array_equal(some[:3], whole[:3])
    assert some[3] < whole[3]


def test_one_comparison_alone_is_not_enough() -> None:
    def beyond(method: Method) -> int:
        noise = autoregressive(np.random.default_rng(9), 12, 12 * PER_DAY, 0.95, 0.12)
        rows = (method.judge(row + daily(len(row), 0.3), FIRST) for row in noise)
        return sum(int(evidence.changed[WEEK:].sum()) for evidence in rows)

    lenient = replace(METHOD, strictness=Strictness(margin=0.75, chances=0.0))
    assert beyond(lenient) < beyond(replace(lenient, least_agreeing=1))


def test_what_is_asked_more_often_has_to_be_farther_beyond() -> None:
    careless = replace(METHOD, strictness=Strictness(chances=0.0))
    wide, narrow = (m.judge(steady(noise=0.1), FIRST).least[:, -1] for m in (METHOD, careless))
    ratios = wide / narrow
    assert ratios[0] > ratios[2] > ratios[-1] == pytest.approx(1.0)

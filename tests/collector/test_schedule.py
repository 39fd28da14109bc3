"""Who is due, and who may be tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.failure import Failure
from collector.schedule import BACKOFF_SPREAD, LOCKOUT_MS, LONGEST_BACKOFF_MS, Cadence, Turn

NOW = 1_760_000_000_000
names = st.text(min_size=1, max_size=20)
intervals = st.floats(0.5, 3600)
ordinary = st.sampled_from([reason for reason in Failure if reason not in ("auth", "permission")])


@given(names, intervals)
def test_the_first_turn_comes_within_the_first_interval_and_always_at_the_same_place(
    name: str, interval: float
) -> None:
    cadence = Cadence.begin(name, interval, NOW)
    assert NOW <= cadence.turn_ms < NOW + cadence.interval_ms
    assert cadence == Cadence.begin(name, interval, NOW)


def test_the_first_turns_of_many_targets_are_spread_over_the_interval() -> None:
    turns = [Cadence.begin(f"shop-{i}", 60, NOW).turn_ms - NOW for i in range(600)]
    for tenth in range(10):
        assert 30 < sum(6000 * tenth <= turn < 6000 * (tenth + 1) for turn in turns) < 90


def test_an_immediate_target_has_its_first_turn_now() -> None:
    assert Cadence.begin("host", 15, NOW, immediate=True).due(NOW)
    assert not Cadence.begin("shop", 15, NOW).due(NOW)


@given(names, intervals, st.lists(st.integers(0, 20_000), min_size=1, max_size=60))
def test_turns_stay_on_the_grid_and_are_never_closer_than_the_interval_allows(
    name: str, interval: float, steps: list[int]
) -> None:
    cadence = Cadence.begin(name, interval, NOW)
    grid = cadence.turn_ms
    now, taken = NOW, []
    for step in steps:
        now += step
        if cadence.due(now):
            before = cadence.turn_ms
            cadence, _ = cadence.take(now, running=False)
            assert now < cadence.turn_ms <= now + cadence.interval_ms
            assert (cadence.turn_ms - grid) % cadence.interval_ms == 0
            taken.append(before)
    assert len(set(taken)) == len(taken)


@given(names, intervals)
def test_a_run_never_overlaps_itself(name: str, interval: float) -> None:
    cadence = Cadence.begin(name, interval, NOW, immediate=True)
    assert cadence.take(NOW, running=True)[1] is Turn.STILL_RUNNING
    assert cadence.take(NOW, running=False)[1] is Turn.RUN


@given(names, intervals, st.lists(ordinary, min_size=1, max_size=30))
def test_the_wait_doubles_with_every_failure_give_or_take_a_fifth_up_to_five_minutes(
    name: str, interval: float, reasons: list[Failure]
) -> None:
    cadence = Cadence.begin(name, interval, NOW, immediate=True)
    for failures, reason in enumerate(reasons):
        cadence = cadence.failed(reason, NOW)
        wanted = cadence.interval_ms * 2.0**failures
        assert cadence.backoff_ms <= LONGEST_BACKOFF_MS
        assert cadence.backoff_ms <= wanted * (1 + BACKOFF_SPREAD)
        assert cadence.backoff_ms >= min(LONGEST_BACKOFF_MS, wanted * (1 - BACKOFF_SPREAD)) - 1
        assert cadence.retry_ms == NOW + cadence.backoff_ms
    assert cadence.succeeded().backoff_ms == 0
    assert cadence.succeeded().take(NOW, running=False)[1] is Turn.RUN


def test_waits_of_different_targets_are_not_equal() -> None:
    waits = {
        Cadence.begin(f"shop-{i}", 15, NOW).failed(Failure.REFUSED, NOW).backoff_ms
        for i in range(50)
    }
    assert len(waits) > 40
    assert min(waits) < 13_000
    assert max(waits) > 17_000


@pytest.mark.parametrize("reason", [Failure.AUTH, Failure.PERMISSION])
def test_a_refused_password_is_not_tried_again_for_a_quarter_of_an_hour(reason: Failure) -> None:
    cadence = Cadence.begin("shop", 15, NOW, immediate=True).failed(reason, NOW)
    turns = []
    for now in range(NOW, NOW + LOCKOUT_MS + 15_000, 15_000):
        cadence, turn = cadence.take(now, running=False)
        turns.append(turn)
    assert turns == [Turn.BACKING_OFF] * 60 + [Turn.RUN]


def test_a_target_that_backs_off_still_has_every_turn() -> None:
    cadence = Cadence.begin("shop", 15, NOW, immediate=True)
    for _ in range(5):
        cadence = cadence.failed(Failure.TIMEOUT, NOW)
    turns = []
    for second in range(0, 300):
        now = NOW + second * 1000
        if cadence.due(now):
            cadence, turn = cadence.take(now, running=False)
            turns.append(turn)
    assert len(turns) == 20
    assert turns[0] is Turn.BACKING_OFF
    assert turns[-1] is Turn.RUN


@given(names, st.integers(0, 40), st.integers(0, 100_000))
def test_the_next_attempt_is_the_first_turn_after_the_wait(
    name: str, failures: int, late: int
) -> None:
    cadence = Cadence.begin(name, 15, NOW, immediate=True)
    for _ in range(failures):
        cadence = cadence.failed(Failure.REFUSED, NOW + late)
    promised, now = cadence.attempt_ms, cadence.turn_ms
    while True:
        cadence, turn = cadence.take(now, running=False)
        if turn is Turn.RUN:
            break
        now = cadence.turn_ms
    assert now == promised


def test_a_clock_that_is_set_back_a_day_does_not_silence_a_target() -> None:
    day = 86_400_000
    cadence, _ = Cadence.begin("shop", 15, NOW, immediate=True).take(NOW, running=False)
    cadence = cadence.failed(Failure.REFUSED, NOW)
    assert cadence.due(NOW - day)
    cadence, turn = cadence.take(NOW - day, running=False)
    assert turn is Turn.RUN
    assert NOW - day < cadence.turn_ms <= NOW - day + 15_000

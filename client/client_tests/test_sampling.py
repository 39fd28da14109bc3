"""The thread that looks, and what survives its failures and forks."""

import os
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from client_tests.asking import value
from client_tests.turning import Clock
from plimsoll_client.sampling import GoneError, Peak, Sampler, Watched, sampler_of

FAILED = "plimsoll_client_sampling_failures_total"
DEADLINE_SECONDS = 20.0


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> int:
    return sum(thread.name == "plimsoll-sampler" for thread in threading.enumerate())


def test_a_peak_is_seen_by_everybody_who_looks_within_half_a_minute() -> None:
    clock = Clock()
    peak = Peak(clock)

    peak.note(0.2)
    clock.seconds += 20
    peak.note(0.1)

    assert [peak.largest(), peak.largest()] == [0.2, 0.2]
    clock.seconds += 10
    assert peak.largest() == 0.1
    clock.seconds += 30
    assert peak.largest() == 0


def test_there_is_a_thread_as_long_as_there_is_something_to_look_at(
    registry: CollectorRegistry,
) -> None:
    before = threads()
    sampler = sampler_of(registry)
    assert threads() == before
    looks: list[int] = []

    def look() -> None:
        looks.append(threading.get_ident())

    for _ in range(2):
        looks.clear()
        sampler.add(look, Watched.POOL, every=1)
        assert looks == [threading.get_ident()]  # at once, so that the first scrape shows it
        wait_until(lambda: len(looks) >= 3)
        assert threads() == before + 1
        assert looks[1] != threading.get_ident()
        sampler.remove(look)
        wait_until(lambda: threads() == before)


def test_a_reading_that_fails_is_counted_and_does_not_end_the_others(
    registry: CollectorRegistry,
) -> None:
    sampler, looks = Sampler(registry), []

    def fail() -> None:
        raise RuntimeError("not today")

    sampler._readings = [
        (fail, Watched.POOL, 1),
        (lambda: looks.append("every"), Watched.POOL, 1),
        (lambda: looks.append("other"), Watched.POOL, 2),
    ]
    for _ in range(4):
        sampler.sample()

    assert looks == ["every", "every", "other", "every", "every", "other"]
    assert value(registry, FAILED, what="pool") == 4
    assert value(registry, FAILED, what="event_loop") == 0


def test_what_is_gone_is_not_looked_at_again(registry: CollectorRegistry) -> None:
    sampler, looks = Sampler(registry), []

    def gone() -> None:
        looks.append("gone")
        raise GoneError

    sampler._readings = [(gone, Watched.POOL, 1)]
    sampler.sample()
    sampler.sample()

    assert looks == ["gone"]
    assert value(registry, FAILED, what="pool") == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_goes_on_with_its_pools_and_leaves_the_loops_of_its_parent(
    registry: CollectorRegistry,
) -> None:
    """Servers that load the application before they fork; programs that fork at any time."""
    sampler, looks, asked = sampler_of(registry), [], []

    def look() -> None:
        looks.append(os.getpid())

    def ask_the_loop() -> None:
        asked.append(os.getpid())

    sampler.add(look, Watched.POOL, every=1)
    sampler.add(ask_the_loop, Watched.EVENT_LOOP, every=1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # no assertion may leave the child
        seen = False
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not seen and time.monotonic() < deadline:
                time.sleep(0.005)
                seen = looks.count(os.getpid()) >= 3
            seen = seen and os.getpid() not in asked
        finally:
            os.write(writing, b"1" if seen else b"0")
            os._exit(0)
    told = os.read(reading, 1)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    before = len(looks)
    wait_until(lambda: len(looks) > before)  # the parent goes on too
    sampler.remove(look)
    sampler.remove(ask_the_loop)

    assert told == b"1"

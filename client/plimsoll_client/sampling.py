"""What can only be looked at, looked at again and again: one daemon thread for each registry.

Gauges are set here instead of being computed when somebody reads them, because with several worker
processes the page is written by a process that cannot look into the others.
"""

import os
import threading
from collections.abc import Callable
from enum import StrEnum
from time import perf_counter
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter

from plimsoll_client.registries import PerRegistry

INTERVAL_SECONDS = 0.1
SLOW_EVERY = 10  # rounds; what changes slowly is looked at once a second


class Watched(StrEnum):
    """What is looked at."""

    EVENT_LOOP = "event_loop"
    THREAD_POOL = "thread_pool"
    GARBAGE_COLLECTOR = "garbage_collector"
    POOL = "pool"


OF_A_LOOP = frozenset({Watched.EVENT_LOOP, Watched.THREAD_POOL})


class GoneError(Exception):
    """What a reading looks at does not exist any more."""


Reading = Callable[[], None]

# Held while readings are taken, and while the process forks: a child must not inherit the lock of a
# metric from a thread that it does not have.
taking = threading.RLock()
_noting = threading.Lock()


class Sampler:
    """Takes the readings of one registry, from the first one added until none is left.

    A reading that raises `GoneError` is dropped. One that fails is counted and taken again next
    time: it never ends the others.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures = Counter(
            "plimsoll_client_sampling_failures_total",
            "Readings that failed, by what was looked at.",
            ["what"],
            registry=registry,
        )
        for what in Watched:
            self._failures.labels(what.value)
        self._readings: list[tuple[Reading, Watched, int]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._rounds = 0
        _samplers.add(self)

    def add(self, reading: Reading, what: Watched, every: int = SLOW_EVERY) -> None:
        """Take a reading each `every` rounds of 100 ms; the first one at once."""
        self._take(reading, what)
        with self._lock:
            self._readings.append((reading, what, every))
            self._run()

    def remove(self, reading: Reading) -> None:
        """Take it no more."""
        with self._lock:
            self._readings = [one for one in self._readings if one[0] != reading]
            if not self._readings:
                self._wake.set()

    def sample(self) -> None:
        """One round."""
        self._rounds += 1
        for reading, what, every in list(self._readings):
            if self._rounds % every == 0:
                self._take(reading, what)

    def resume_after_fork(self) -> None:
        """A child has the readings, but neither the thread nor the event loops of its parent.

        Asking those would even wake the parent: the pipe to its loop is shared.
        """
        self._lock = threading.Lock()
        self._thread = None
        self._readings = [one for one in self._readings if one[1] not in OF_A_LOOP]
        if self._readings:
            self._run()

    def _take(self, reading: Reading, what: Watched) -> None:
        try:
            with taking:
                reading()
        except GoneError:
            self.remove(reading)
        except Exception:
            self._failures.labels(what.value).inc()

    def _run(self) -> None:
        if self._thread is None:
            self._wake = threading.Event()
            self._thread = threading.Thread(
                target=self._loop, args=(self._wake,), name="plimsoll-sampler", daemon=True
            )
            self._thread.start()

    def _loop(self, wake: threading.Event) -> None:
        while not wake.wait(INTERVAL_SECONDS):
            self.sample()
        with self._lock:
            self._thread = None
            if self._readings:  # added while this one was about to end
                self._run()


_samplers: WeakSet[Sampler] = WeakSet()
sampler_of = PerRegistry(Sampler)


def before_fork() -> None:
    """Wait until no reading is being taken."""
    taking.acquire()
    _noting.acquire()


def after_fork_in_parent() -> None:
    """Go on."""
    _noting.release()
    taking.release()


def after_fork_in_child() -> None:
    """Go on, with threads of its own."""
    after_fork_in_parent()
    for sampler in list(_samplers):
        sampler.resume_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=before_fork,
        after_in_parent=after_fork_in_parent,
        after_in_child=after_fork_in_child,
    )


class Peak:
    """The largest of the values of the last 30 s.

    A gauge with the newest value would lose every peak between two scrapes, and one that is emptied
    by reading would show each peak to one of two scrapers only.
    """

    SLOT_SECONDS = 5.0
    SLOTS = 6

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._slots: dict[int, float] = {}

    def note(self, value: float) -> None:
        """Remember a value."""
        slot = int(self._clock() // self.SLOT_SECONDS)
        with _noting:
            self._slots[slot] = max(value, self._slots.get(slot, 0.0))

    def largest(self) -> float:
        """The largest one that is not too old; 0 when there is none."""
        oldest = int(self._clock() // self.SLOT_SECONDS) - self.SLOTS + 1
        with _noting:
            self._slots = {slot: one for slot, one in self._slots.items() if slot >= oldest}
            return max(self._slots.values(), default=0.0)

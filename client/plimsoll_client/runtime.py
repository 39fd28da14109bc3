"""How the Python below an application is doing: event loop, threads, garbage collector.

    app.add_middleware(RuntimeMetrics)

Nothing is measured per request; the middleware is there to learn which event loop is in use.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, ref

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from plimsoll_client.asgi import App, Receive, Scope, Send
from plimsoll_client.registries import PerRegistry
from plimsoll_client.sampling import GoneError, Peak, Reading, Watched, sampler_of, taking

GENERATIONS = 3


class RuntimeFamilies:
    """The families of one registry, and the peaks that its event loops share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "python_event_loop_lag_seconds",
            "Longest time in 30 s that the event loop took to get to a callback that was due.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.threads = Gauge(
            "python_thread_pool_threads",
            "Threads of anyio, in which Starlette and FastAPI run plain functions.",
            ["state"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.pauses = Counter(
            "python_gc_pauses_total", "Garbage collections.", ["generation"], registry=registry
        )
        self.pause_seconds = Counter(
            "python_gc_pause_seconds_total",
            "Time that garbage collections took, in which no Python code ran.",
            ["generation"],
            registry=registry,
        )
        self.longest_pause = Gauge(
            "python_gc_longest_pause_seconds",
            "Longest garbage collection in 30 s.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.lag_peak = Peak()
        self.sampler = sampler_of(registry)
        self.loops: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Reading]] = (
            WeakKeyDictionary()
        )
        self.collector = GcWatch(self)


class LoopWatch:
    """Asks an event loop from another thread, ten times a second, to run a callback.

    From another thread, so that a loop that is blocked right now is seen, and not only afterwards.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        families: RuntimeFamilies,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._loop = ref(loop)
        self._families = families
        self._clock = clock
        self._asked_at: float | None = None

    def read(self) -> None:
        """Ask again, or note how long the answer is overdue. Raises `GoneError` after the loop."""
        families = self._families
        loop = living(self._loop)
        asked_at = self._asked_at
        if asked_at is None:
            self._asked_at = self._clock()
            try:
                loop.call_soon_threadsafe(self.answer)
            except RuntimeError:  # closed since
                raise GoneError from None
        else:
            families.lag_peak.note(self._clock() - asked_at)
        families.lag.set(families.lag_peak.largest())

    def answer(self) -> None:
        """Runs in the loop."""
        asked_at, self._asked_at = self._asked_at, None
        if asked_at is not None:
            self._families.lag_peak.note(self._clock() - asked_at)


class ThreadWatch:
    """Looks at what limits the threads of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, families: RuntimeFamilies, limiter: Any):
        self._loop = ref(loop)
        self._threads = families.threads
        self._limiter = limiter

    def read(self) -> None:
        """Tell how many threads work, may work, and are waited for."""
        living(self._loop)
        told = self._limiter.statistics()
        self._threads.labels("borrowed").set(told.borrowed_tokens)
        self._threads.labels("total").set(told.total_tokens)
        self._threads.labels("waiting").set(told.tasks_waiting)


def living(loop: "ref[asyncio.AbstractEventLoop]") -> asyncio.AbstractEventLoop:
    """The loop, if it is not closed."""
    found = loop()
    if found is None or found.is_closed():
        raise GoneError
    return found


class GcWatch:
    """Times garbage collections.

    A collection can begin anywhere, also while a metric holds its lock. So the callback touches no
    metric (it would wait for itself for ever): it adds up numbers, which are published from the
    sampler's thread.
    """

    def __init__(
        self, families: RuntimeFamilies, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._families = families
        self._clock = clock
        self._began = 0.0
        self._seconds = [0.0] * GENERATIONS
        self._pauses = [0] * GENERATIONS
        self._published = [(0, 0.0)] * GENERATIONS
        self._longest = 0.0
        self._peak = Peak(clock)

    def start(self) -> None:
        """Watch from now on; again and again is once."""
        if self.collected not in gc.callbacks:
            gc.callbacks.append(self.collected)
            self._families.sampler.add(self.read, Watched.GARBAGE_COLLECTOR)

    def stop(self) -> None:
        """Publish what there is, and watch no more."""
        if self.collected in gc.callbacks:
            gc.callbacks.remove(self.collected)
            self._families.sampler.remove(self.read)
            with taking:
                self.read()

    def collected(self, phase: str, info: Mapping[str, int]) -> None:
        """Called by the interpreter when a collection begins and ends."""
        if phase == "start":
            self._began = self._clock()
            return
        pause = self._clock() - self._began
        generation = info["generation"]
        self._seconds[generation] += pause
        self._pauses[generation] += 1
        if pause > self._longest:
            self._longest = pause

    def read(self) -> None:
        """Publish what was added up."""
        for generation in range(GENERATIONS):
            pauses, seconds = self._pauses[generation], self._seconds[generation]
            told_pauses, told_seconds = self._published[generation]
            label = str(generation)
            self._families.pauses.labels(label).inc(pauses - told_pauses)
            self._families.pause_seconds.labels(label).inc(max(0.0, seconds - told_seconds))
            self._published[generation] = pauses, seconds
        longest, self._longest = self._longest, 0.0
        self._peak.note(longest)
        self._families.longest_pause.set(self._peak.largest())


families_of = PerRegistry(RuntimeFamilies)


class RuntimeMetrics:
    """Watch the runtime from the first thing the server asks for until it shuts down.

    Under a loop that is not asyncio's (trio) only the garbage collector is watched.
    """

    def __init__(self, app: App, registry: CollectorRegistry = REGISTRY) -> None:
        self.app = app
        self.families = families_of(registry)
        self._seen: object | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        loop = running_loop()
        if loop is not self._seen:
            self._seen = loop
            self.watch(loop)
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            if loop is not None:
                self.leave(loop)

    def watch(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Begin with a loop, unless it is watched already."""
        families = self.families
        families.collector.start()
        if loop is None or loop in families.loops:
            return
        lag = LoopWatch(loop, families).read
        families.loops[loop] = [lag]
        families.sampler.add(lag, Watched.EVENT_LOOP, every=1)
        limiter = thread_limiter()
        if limiter is not None:
            threads = ThreadWatch(loop, families, limiter).read
            families.loops[loop].append(threads)
            families.sampler.add(threads, Watched.THREAD_POOL)

    def leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server shuts down."""
        families = self.families
        self._seen = None
        for reading in families.loops.pop(loop, ()):
            families.sampler.remove(reading)
        if not families.loops:
            families.collector.stop()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs this; `None` when it is not asyncio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def thread_limiter() -> Any:
    """What limits anyio's threads in this event loop; `None` without anyio.

    anyio is not imported: who uses it, has done so. It is asked here, inside a task, because it
    tells nobody else which loop it is in.
    """
    anyio = sys.modules.get("anyio.to_thread")
    return None if anyio is None else anyio.current_default_thread_limiter()

"""Calls of any function or block, counted and timed.

@measured("price a basket")
def price(basket): ...

with measured("load prices"):
    ...

Functions may be plain or async, and generators of both kinds. The name is the label; it is written
in code, never made from data.
"""

import inspect
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator
from enum import StrEnum
from functools import wraps
from threading import Lock
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar, cast

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from plimsoll_client.families import BUCKETS
from plimsoll_client.registries import Names, PerRegistry, Refused, refusals_of

MAX_FUNCTIONS = 200
FUNCTION_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, *BUCKETS, 30.0, 60.0)

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


def outcome_of(error: BaseException | None) -> Outcome:
    """What an exception that leaves a call says about its end.

    Cancelled is not failed: time-outs and clients that hang up cancel healthy code. A generator
    that is closed before its end was abandoned by its consumer.
    """
    if error is None:
        return Outcome.OK
    if isinstance(error, CancelledError):
        return Outcome.CANCELLED
    if isinstance(error, GeneratorExit):
        return Outcome.ABANDONED
    return Outcome.FAILED


class Series(NamedTuple):
    """Where the calls of one name are recorded."""

    begin: Callable[[], None]
    end: Callable[[Outcome, float], None]


class FunctionFamilies:
    """The three families of one registry that all its functions share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "function_duration_seconds",
            "Time inside a function, of calls that were neither cancelled nor abandoned.",
            ["function"],
            buckets=FUNCTION_BUCKETS,
            registry=registry,
        )
        self._calls = Counter(
            "function_calls_total", "Calls that ended.", ["function", "outcome"], registry=registry
        )
        self._active = Gauge(
            "function_active_calls",
            "Calls in progress.",
            ["function"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._names = Names(refusals_of(registry), Refused.TOO_MANY_FUNCTIONS, MAX_FUNCTIONS)
        self._series: dict[str, Series] = {}
        self._lock = Lock()

    def series(self, name: str) -> Series:
        """The series of a function; of the shared one once there are too many."""
        series = self._series.get(name)
        if series is None:
            label = self._names.admitted(name)
            with self._lock:  # made once: making it sets its calls in progress to 0
                series = self._series.get(label)
                if series is None:
                    series = self._series[label] = self._resolved(label)
        return series

    def _resolved(self, label: str) -> Series:
        active = self._active.labels(label)
        active.set(0)  # what a dead worker with the same number left behind
        observe = self._duration.labels(label).observe
        count = {one: self._calls.labels(label, one.value).inc for one in Outcome}

        def end(outcome: Outcome, seconds: float) -> None:
            """Cancelled and abandoned calls stopped when their caller chose: no duration."""
            active.dec()
            count[outcome]()
            if outcome in (Outcome.OK, Outcome.FAILED):
                observe(seconds)

        return Series(active.inc, end)


families_of = PerRegistry(FunctionFamilies)


def measured(name: str = "", *, registry: CollectorRegistry = REGISTRY) -> "Measured":
    """Measure a function as a decorator, or a block as a context manager.

    Without a name a function is called `module.function`; a block needs one.
    """
    if not isinstance(name, str):
        raise TypeError("write @measured() or @measured('name'), with parentheses")
    return Measured(name, families_of(registry).series)


class Measured:
    """One block to measure, or the decorator of any number of functions.

    `series_of` gives the series for a name.
    """

    clock = staticmethod(perf_counter)

    def __init__(self, name: str, series_of: Callable[[str], Series]) -> None:
        self._name = name
        self._series_of = series_of
        self._call: Call | None = None

    def __enter__(self) -> None:
        """Begin the block."""
        if not self._name:
            raise ValueError("a measured block needs a name: with measured('name')")
        if self._call is not None:
            # One object holds one start: nested, or in two tasks at once, they would mix.
            raise RuntimeError("this block is being measured; write measured(...) for each block")
        self._call = Call(self._series_of(self._name), self.clock)
        self._call.resume()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        """End the block; exceptions go on."""
        call, self._call = self._call, None
        if call is not None:
            call.pause()
            call.end(error)
        return False

    def __call__(self, function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
        """Decorate a function of any of the four kinds; what it is stays visible from outside."""
        module, qualified = (getattr(function, part, "") for part in ("__module__", "__qualname__"))
        series = self._series_of(
            self._name or f"{module}.{qualified or type(function).__qualname__}"
        )
        if inspect.isasyncgenfunction(function):
            wrapper = async_generator(function, series, self.clock)
        elif inspect.isgeneratorfunction(function):
            wrapper = generator(function, series, self.clock)
        elif inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - objects with an async __call__
        ):
            wrapper = coroutine(function, series, self.clock)
        else:
            wrapper = plain(function, series, self.clock)
        return cast(Callable[Parameters, Value], wrapper)


class Call:
    """One call, from its begin to its end; `resume` and `pause` bound the time spent inside.

    Of a generator only its own time counts: what its consumer does between two values says nothing
    about it. It is in progress all the while.
    """

    __slots__ = ("_clock", "_resumed", "_seconds", "_series")

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._seconds = 0.0
        self._resumed = 0.0
        series.begin()

    def resume(self) -> None:
        """The code runs."""
        self._resumed = self._clock()

    def pause(self) -> None:
        """The code does not run: it has given a value, or ended."""
        self._seconds += self._clock() - self._resumed

    def end(self, error: BaseException | None) -> None:
        """Record the call, with what left it."""
        self._series.end(outcome_of(error), self._seconds)


Clock = Callable[[], float]


def plain(function: Callable[..., Any], series: Series, clock: Clock) -> Callable[..., Any]:
    """A plain function, measured."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = Call(series, clock)
        call.resume()
        error: BaseException | None = None
        try:
            return function(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            call.pause()
            call.end(error)
            del error  # or the exception and its own traceback would keep each other alive

    return wrapper


def coroutine(function: Callable[..., Any], series: Series, clock: Clock) -> Callable[..., Any]:
    """An async function, measured; its time contains what it awaits."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = Call(series, clock)
        call.resume()
        error: BaseException | None = None
        try:
            return await function(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            call.pause()
            call.end(error)
            del error

    return wrapper


def generator(function: Callable[..., Any], series: Series, clock: Clock) -> Callable[..., Any]:
    """A generator function, measured; values, exceptions and results pass both ways."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = Call(series, clock)
        error: BaseException | None = None
        try:
            return (yield from Steps(function(*args, **kwargs), call))
        except BaseException as raised:
            error = raised
            raise
        finally:
            call.end(error)
            del error

    return wrapper


class Steps(Generator[Any, Any, Any]):
    """A generator whose steps are timed; `yield from` speaks to it as to the generator itself."""

    def __init__(self, inner: Generator[Any, Any, Any], call: Call) -> None:
        self._inner = inner
        self._call = call

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        self._call.resume()
        try:
            return self._inner.send(value)
        finally:
            self._call.pause()

    def throw(self, *error: Any) -> Any:
        """Go on with an exception."""
        self._call.resume()
        try:
            return self._inner.throw(*error)
        finally:
            self._call.pause()

    def close(self) -> None:
        """Stop; what the generator does in its `finally` counts too."""
        self._call.resume()
        try:
            self._inner.close()
        finally:
            self._call.pause()


def async_generator(
    function: Callable[..., Any], series: Series, clock: Clock
) -> Callable[..., Any]:
    """An async generator function, measured. There is no `yield from` for these."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        call = Call(series, clock)
        error: BaseException | None = None

        async def step(awaitable: Any) -> Any:
            call.resume()
            try:
                return await awaitable
            finally:
                call.pause()

        try:
            value = await step(inner.asend(None))
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    await step(inner.aclose())
                    raise
                except BaseException as thrown:
                    value = await step(inner.athrow(thrown))
                else:
                    value = await step(inner.asend(sent))
        except StopAsyncIteration:
            return
        except BaseException as raised:
            error = raised
            raise
        finally:
            call.end(error)
            del error

    return wrapper

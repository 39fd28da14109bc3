"""What a cache is worth, counted where it is known: in the application.

products = ObservedCache("products")

value = redis.get(key)
if value is not None:
    products.hit()
else:
    with products.fetch():
        value = load(key)
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar, cast

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from plimsoll_client.registries import Names, PerRegistry, Refused, refusals_of

MAX_CACHES = 100
Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")

FETCH_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class Result(StrEnum):
    """What a look into a cache gave."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    ERROR = "error"


class CacheFamilies:
    """The three families of one registry that all its caches share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "cache_requests_total", "Looks into a cache.", ["cache", "result"], registry=registry
        )
        self.fetch_duration = Histogram(
            "cache_fetch_duration_seconds",
            "Time to get a value that the cache did not have.",
            ["cache"],
            buckets=FETCH_BUCKETS,
            registry=registry,
        )
        self.entry_ttl = Gauge(
            "cache_entry_ttl_seconds",
            "How long an entry is kept, as configured.",
            ["cache"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.names = Names(refusals_of(registry), Refused.TOO_MANY_CACHES, MAX_CACHES)


class ObservedCache:
    """The counters of one cache; keys and values never come near it.

    `name` is chosen in the code, never from data: each name is a series of its own. The first
    hundred get one, the rest share `__overflow__`.
    """

    clock = staticmethod(perf_counter)

    def __init__(
        self,
        name: str,
        registry: CollectorRegistry = REGISTRY,
        *,
        ttl_seconds: float | None = None,
    ) -> None:
        families = families_of(registry)
        self.name = label = families.names.admitted(name)
        self._count = {
            result: families.requests.labels(label, result.value).inc for result in Result
        }
        self._fetch_duration = families.fetch_duration.labels(label)
        if ttl_seconds is not None:
            families.entry_ttl.labels(label).set(ttl_seconds)

    def hit(self) -> None:
        """The cache had the value."""
        self._count[Result.HIT]()

    def stale(self) -> None:
        """The cache had a value beyond its time, and it was used."""
        self._count[Result.STALE]()

    def error(self) -> None:
        """The cache could not be asked."""
        self._count[Result.ERROR]()

    @contextmanager
    def fetch(self) -> Iterator[None]:
        """Count a miss, and time the block that gets the value instead.

        A block that fails is a miss without a time: how fast a database refuses says nothing about
        the cost of a miss. Works in coroutines too.
        """
        self._count[Result.MISS]()
        started = self.clock()
        yield
        self._fetch_duration.observe(self.clock() - started)

    def fetching(self, load: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
        """Decorate the function, plain or async, that is called only on a miss."""
        if inspect.iscoroutinefunction(load):

            @wraps(load)
            async def measured_async(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
                with self.fetch():
                    return await load(*args, **kwargs)

            return cast(Callable[Parameters, Value], measured_async)

        @wraps(load)
        def measured(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
            with self.fetch():
                return load(*args, **kwargs)

        return measured


families_of = PerRegistry(CacheFamilies)

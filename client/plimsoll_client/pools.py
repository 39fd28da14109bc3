"""Pools of database connections: how many are in use, and how long one is waited for.

    watch_pool(ConnectionPool(...), "main")       # psycopg_pool, plain or async

For SQLAlchemy see `plimsoll_client.sqlalchemy_engine`. No database library is imported: a pool is
known by its shape.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakSet, ref

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from plimsoll_client.registries import Names, PerRegistry, Refused, refusals_of
from plimsoll_client.sampling import GoneError, Watched, sampler_of

MAX_POOLS = 50
WAIT_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class State(StrEnum):
    """What the connections of a pool are counted as."""

    USED = "used"
    IDLE = "idle"
    OVERFLOW = "overflow"
    LIMIT = "limit"


class Failure(StrEnum):
    """Why no connection was obtained."""

    TIMEOUT = "timeout"
    QUEUE_FULL = "queue_full"
    CONNECTION = "connection"


# By name, because no database library is imported: SQLAlchemy's and psycopg_pool's.
FAILURES = {
    "TimeoutError": Failure.TIMEOUT,
    "PoolTimeout": Failure.TIMEOUT,
    "TooManyRequests": Failure.QUEUE_FULL,
}


class Connections(NamedTuple):
    """The state of a pool; `None` is what it cannot tell, and no series."""

    used: int
    idle: int
    overflow: int | None = None
    limit: int | None = None


class PoolFamilies:
    """The families of one registry that all its pools share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "db_client_connections",
            "Connections of a pool; overflow is a part of those that are open.",
            ["pool", "state"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.pending = Gauge(
            "db_client_connection_pending_requests",
            "Who waits for a connection of a pool now.",
            ["pool"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.wait = Histogram(
            "db_client_connection_wait_seconds",
            "Time to obtain a connection of a pool, time-outs included.",
            ["pool"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "db_client_connection_failures_total",
            "Connections that were asked for and not obtained.",
            ["pool", "reason"],
            registry=registry,
        )
        self.names = Names(refusals_of(registry), Refused.TOO_MANY_POOLS, MAX_POOLS)
        self.sampler = sampler_of(registry)


families_of = PerRegistry(PoolFamilies)


class PoolWatch:
    """What one pool is counted under; `look` tells its state, or raises `GoneError`."""

    clock = staticmethod(perf_counter)

    def __init__(
        self, name: str, registry: CollectorRegistry, look: Callable[[], Connections]
    ) -> None:
        families = self._families = families_of(registry)
        self.label = families.names.admitted(name)
        self._look = look
        self._sampled = False
        self._pending = families.pending.labels(self.label)
        self._pending.set(0)
        self._observe_wait = families.wait.labels(self.label).observe
        self._fail = {
            reason: families.failures.labels(self.label, reason.value).inc for reason in Failure
        }

    @contextmanager
    def obtaining(self) -> Iterator[None]:
        """Time the block that obtains a connection; in coroutines too.

        A time-out is a wait, and the longest of all. How fast a server refuses is none.
        """
        if not self._sampled:
            # Not earlier: a server that forks its workers has imported the application before, and
            # should have no thread by then.
            self._sampled = True
            self._families.sampler.add(self.read, Watched.POOL)
        self._pending.inc()
        started = self.clock()
        try:
            yield
        except BaseException as error:
            if isinstance(error, Exception):  # else cancelled: the caller's choice
                reason = FAILURES.get(type(error).__name__, Failure.CONNECTION)
                self._fail[reason]()
                if reason is Failure.TIMEOUT:
                    self._observe_wait(self.clock() - started)
            raise
        else:
            self._observe_wait(self.clock() - started)
        finally:
            self._pending.dec()

    def read(self) -> None:
        """Publish the state of the pool; nothing is open any more when the pool is gone."""
        try:
            told = self._look()
        except GoneError:
            self._publish(Connections(used=0, idle=0))
            raise
        self._publish(told)

    def _publish(self, told: Connections) -> None:
        states = (
            (State.USED, told.used),
            (State.IDLE, told.idle),
            (State.OVERFLOW, told.overflow),
            (State.LIMIT, told.limit),
        )
        for state, connections in states:
            if connections is not None:
                self._families.connections.labels(self.label, state.value).set(connections)


_watched: WeakSet[Any] = WeakSet()


def watch_pool(pool: Any, name: str, registry: CollectorRegistry = REGISTRY) -> None:
    """Watch a pool of psycopg_pool under a name written in code; twice is once.

    Its `getconn` is wrapped on the object itself, so `connection()` is covered too.
    """
    if pool in _watched:
        return
    for part in ("getconn", "get_stats"):
        if not callable(getattr(pool, part, None)):
            raise TypeError(f"a pool of psycopg_pool has {part}(); this is {type(pool).__name__}")
    _watched.add(pool)
    watch = PoolWatch(name, registry, look_at_psycopg(ref(pool)))
    getconn = pool.getconn
    if inspect.iscoroutinefunction(getconn):

        async def obtain_async(*args: Any, **kwargs: Any) -> Any:
            with watch.obtaining():
                return await getconn(*args, **kwargs)

        pool.getconn = obtain_async
        return

    def obtain(*args: Any, **kwargs: Any) -> Any:
        with watch.obtaining():
            return getconn(*args, **kwargs)

    pool.getconn = obtain


def look_at_psycopg(pool: Callable[[], Any]) -> Callable[[], Connections]:
    """How to tell the state of a pool of psycopg_pool."""

    def look() -> Connections:
        living = pool()
        if living is None or living.closed:
            raise GoneError
        stats = living.get_stats()
        idle = stats["pool_available"]
        return Connections(
            used=max(0, stats["pool_size"] - idle), idle=idle, limit=stats["pool_max"] or None
        )

    return look

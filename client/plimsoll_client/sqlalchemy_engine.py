"""An engine of SQLAlchemy: its pool, and the time of its statements.

    watch_engine(create_engine(...), "main")      # or create_async_engine(...)

Needs SQLAlchemy 2, which whoever has an engine has.
"""

import re
from collections.abc import Callable
from time import perf_counter
from typing import Any
from weakref import WeakSet, ref

try:
    from sqlalchemy import Engine, Pool, event
except ImportError as missing:
    raise ImportError("plimsoll_client.sqlalchemy_engine needs SQLAlchemy 2") from missing

from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from plimsoll_client.pools import Connections, PoolWatch
from plimsoll_client.registries import PerRegistry
from plimsoll_client.sampling import GoneError

OPERATION_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
OPERATIONS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "CALL", "COPY"})
OTHER_OPERATION = "OTHER"
STARTED = "_plimsoll_started"
LONGEST_COMMENT = 1000
FIRST_WORD = re.compile(r"(?:\s|/\*.*?\*/|--[^\n]*\n)*+\(*([A-Za-z]+)", re.DOTALL)


class OperationFamily:
    """The family of one registry that all its engines share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "db_client_operation_duration_seconds",
            "Time to execute a statement, without fetching its rows.",
            ["db", "operation"],
            buckets=OPERATION_BUCKETS,
            registry=registry,
        )


family_of = PerRegistry(OperationFamily)


def operation_of(statement: str) -> str:
    """The first word of a statement, when it is a known one; the statement itself is not kept."""
    found = FIRST_WORD.match(statement, 0, LONGEST_COMMENT)
    word = found[1].upper() if found else OTHER_OPERATION
    return word if word in OPERATIONS else OTHER_OPERATION


_watched: WeakSet[Engine] = WeakSet()


def watch_engine(engine: Any, name: str, registry: CollectorRegistry = REGISTRY) -> None:
    """Watch an engine, plain or async, under a name written in code; twice is once.

    The name is the label `pool` of its connections and `db` of its statements. `dispose()` gives an
    engine a new pool, which is watched in turn.
    """
    engine = getattr(engine, "sync_engine", engine)
    if not isinstance(engine, Engine):
        raise TypeError(f"expected an engine of SQLAlchemy, not {type(engine).__name__}")
    if engine in _watched:
        return
    _watched.add(engine)
    counts = Counts(ref(engine))
    watch = PoolWatch(name, registry, counts.look)
    counts.listen(engine)
    wrap_pool(engine.pool, watch)
    event.listen(engine, "engine_disposed", lambda disposed: wrap_pool(disposed.pool, watch))
    time_statements(engine, watch.label, registry)


def wrap_pool(pool: Pool, watch: PoolWatch) -> None:
    """Time `connect()` of a pool, on the object itself: no event is sent before the wait."""
    connect = pool.connect

    def timed() -> Any:
        with watch.obtaining():
            return connect()

    pool.connect = timed  # type: ignore[method-assign]


class Counts:
    """The connections of an engine, counted by the events of its pools.

    By events, because they are told by every class of pool, `NullPool` too, and because connections
    in use survive `dispose()` outside of any pool.
    """

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self._engine = engine
        self._open: set[int] = set()
        self._used: set[int] = set()

    def listen(self, engine: Engine) -> None:
        """Hear of everything that happens to a connection; a new pool inherits the listeners."""
        event.listen(engine, "connect", self.opened)
        event.listen(engine, "checkout", self.taken)
        event.listen(engine, "checkin", self.returned)
        event.listen(engine, "close", self.closed)
        event.listen(engine, "detach", self.closed)

    # Records are told apart by their number: sets cannot drift as sums do when an event is missing.
    # Adding to a set and taking from it are single steps for other threads.

    def opened(self, connection: Any, record: Any) -> None:
        """A connection was made."""
        self._open.add(id(record))

    def taken(self, connection: Any, record: Any, proxy: Any) -> None:
        """A connection is used."""
        self._used.add(id(record))

    def returned(self, connection: Any, record: Any) -> None:
        """A connection is no longer used."""
        self._used.discard(id(record))

    def closed(self, connection: Any, record: Any) -> None:
        """A connection was closed, or belongs to its user alone from now on."""
        self._open.discard(id(record))
        self._used.discard(id(record))

    def look(self) -> Connections:
        """The state now; overflow and limit as far as the class of the pool has them."""
        engine = self._engine()
        if engine is None:
            raise GoneError
        pool: Any = engine.pool
        used = len(self._used)
        overflow = limit = None
        if hasattr(pool, "overflow") and hasattr(pool, "size"):
            most_overflow = getattr(pool, "_max_overflow", -1)  # there is no public name
            overflow = max(0, pool.overflow())
            limit = None if most_overflow < 0 else pool.size() + most_overflow
        return Connections(used, max(0, len(self._open) - used), overflow, limit)


def time_statements(engine: Engine, db: str, registry: CollectorRegistry) -> None:
    """Time the execution of every statement under its first word."""
    duration = family_of(registry).duration

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if context is not None:
            setattr(context, STARTED, perf_counter())

    def after(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        started = getattr(context, STARTED, None)
        if started is not None:
            duration.labels(db, operation_of(statement)).observe(perf_counter() - started)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)

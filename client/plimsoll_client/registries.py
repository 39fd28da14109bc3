"""Metric families that belong to a registry, and the limits on names that become labels.

A registry refuses two families of one name. Applications, caches and pools are made several times
in one process, so families belong to the registry, not to what uses them.
"""

from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

OVERFLOW = "__overflow__"

Made = TypeVar("Made")


class PerRegistry(Generic[Made]):
    """One thing for each registry, made at the first call and kept as long as the registry."""

    def __init__(self, make: Callable[[CollectorRegistry], Made]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[CollectorRegistry, Made] = WeakKeyDictionary()
        self._lock = Lock()

    def __call__(self, registry: CollectorRegistry) -> Made:
        """What belongs to `registry`."""
        with self._lock:
            made = self._made.get(registry)
            if made is None:
                made = self._made[registry] = self._make(registry)
            return made


class Refused(StrEnum):
    """Why something is counted under a shared label instead of its own."""

    TOO_MANY_ROUTES = "too_many_routes"
    ROUTE_FAILED = "route_failed"
    UNKNOWN_TIER = "unknown_tier"
    TIER_FAILED = "tier_failed"
    ODD_STATUS = "odd_status"
    TOO_MANY_CACHES = "too_many_caches"
    TOO_MANY_FUNCTIONS = "too_many_functions"
    TOO_MANY_POOLS = "too_many_pools"
    TOO_MANY_SOURCES = "too_many_sources"
    TOO_MANY_STRATEGIES = "too_many_strategies"


class Refusals:
    """The counter of refused labels of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "plimsoll_client_series_dropped_total",
            "What was counted under a shared label, because its own was refused.",
            ["reason"],
            registry=registry,
        )
        for reason in Refused:  # a counter that starts with its first event loses that event
            self._counter.labels(reason.value)

    def count(self, reason: Refused) -> None:
        """Count one thing that did not get its own label."""
        self._counter.labels(reason.value).inc()


refusals_of = PerRegistry(Refusals)


class Names:
    """The names that one label may take: the first `limit` that come; the rest share one.

    Names are meant to be written in code. The limit is for the day when somebody makes one from
    data: that day must not end with a million series.
    """

    def __init__(self, refusals: Refusals, reason: Refused, limit: int) -> None:
        self._refusals = refusals
        self._reason = reason
        self._limit = limit
        self._known: set[str] = set()
        self._lock = Lock()

    def admitted(self, name: str) -> str:
        """`name`, or `__overflow__` when there are too many; each refusal is counted."""
        if name in self._known:
            return name
        with self._lock:
            if name in self._known:
                return name
            if len(self._known) < self._limit:
                self._known.add(name)
                return name
        self._refusals.count(self._reason)
        return OVERFLOW

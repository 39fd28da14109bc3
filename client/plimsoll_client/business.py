"""Times and moments of the business: how long a calculation took, how old the data are.

with strategy_calculation("momentum"):
    ...

market_data_updated("nyse")
"""

from datetime import datetime
from threading import Lock
from time import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from plimsoll_client.functions import Measured, Outcome, Series
from plimsoll_client.registries import Names, PerRegistry, Refused, refusals_of

MAX_NAMES = 100
CALCULATION_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
YEAR_5138_SECONDS = 1e11  # every time in milliseconds since 1973 lies beyond


class BusinessFamilies:
    """The three families of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "business_strategy_calculation_duration_seconds",
            "Time of the calculations of a strategy that succeeded.",
            ["strategy"],
            buckets=CALCULATION_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "business_strategy_calculation_failures_total",
            "Calculations of a strategy that ended with an exception.",
            ["strategy"],
            registry=registry,
        )
        self.updated = Gauge(
            "business_market_data_last_update_timestamp_seconds",
            "When the data of a source were last updated, in seconds since 1970.",
            ["source"],
            registry=registry,
            # Not of the living only: what a worker that is gone has updated is still updated.
            multiprocess_mode="max",
        )
        refusals = refusals_of(registry)
        self.strategies = Names(refusals, Refused.TOO_MANY_STRATEGIES, MAX_NAMES)
        self.sources = Names(refusals, Refused.TOO_MANY_SOURCES, MAX_NAMES)
        self.newest: dict[str, float] = {}
        self.lock = Lock()

    def calculations(self, strategy: str) -> Series:
        """Where the calculations of a strategy are recorded."""
        label = self.strategies.admitted(strategy)
        observe = self.duration.labels(label).observe
        fail = self.failures.labels(label).inc

        def end(outcome: Outcome, seconds: float) -> None:
            if outcome is Outcome.OK:
                observe(seconds)
            elif outcome is Outcome.FAILED:
                fail()

        return Series(lambda: None, end)


families_of = PerRegistry(BusinessFamilies)


def strategy_calculation(strategy: str, registry: CollectorRegistry = REGISTRY) -> Measured:
    """Time the calculation of a strategy: a block, or as a decorator a function of any kind.

    One that raises is counted as a failure and has no duration; one that is cancelled is neither.
    Of more than 100 strategies the rest share `__overflow__`.
    """
    return Measured(strategy, families_of(registry).calculations)


def market_data_updated(
    source: str, at: datetime | float | None = None, registry: CollectorRegistry = REGISTRY
) -> None:
    """Say that the data of a source are as of `at`: aware, or in seconds since 1970; default now.

    The moment is exported, not the age: an age that nobody updates any more would look young for
    ever, while `time() - timestamp` goes on growing. An older moment than the last does not count.
    Raises `ValueError` for a time without zone, and for one that must be in milliseconds.
    """
    seconds = in_seconds(at)
    families = families_of(registry)
    label = families.sources.admitted(source)
    with families.lock:  # feeds arrive out of order, and threads do too
        if seconds > families.newest.get(label, float("-inf")):
            families.newest[label] = seconds
            families.updated.labels(label).set(seconds)


def in_seconds(at: datetime | float | None) -> float:
    """A moment as seconds since 1970."""
    if at is None:
        return time()
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError("`at` has no time zone; pass an aware datetime or a Unix timestamp")
        return at.timestamp()
    if not 0 <= at < YEAR_5138_SECONDS:
        raise ValueError(f"{at!r} is no time in seconds since 1970; is it in milliseconds?")
    return float(at)

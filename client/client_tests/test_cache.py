"""The counters of a cache."""

import asyncio
import os
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from client_tests.asking import value
from plimsoll_client.cache import FETCH_BUCKETS, MAX_CACHES, ObservedCache, Result
from plimsoll_client.registries import OVERFLOW

FETCHED = "cache_fetch_duration_seconds"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(registry: CollectorRegistry, clock: Clock) -> ObservedCache:
    cache = ObservedCache("products", registry, ttl_seconds=60)
    cache.clock = clock
    return cache


def results(registry: CollectorRegistry, cache: str = "products") -> dict[str, float | None]:
    return {
        result.value: value(registry, "cache_requests_total", cache=cache, result=result.value)
        for result in Result
    }


def test_every_result_starts_at_zero(cache: ObservedCache, registry: CollectorRegistry) -> None:
    assert results(registry) == {"hit": 0, "miss": 0, "stale": 0, "error": 0}


def test_what_is_said_is_counted(cache: ObservedCache, registry: CollectorRegistry) -> None:
    cache.hit()
    cache.hit()
    cache.stale()
    cache.error()

    assert results(registry) == {"hit": 2, "miss": 0, "stale": 1, "error": 1}


def test_a_fetch_is_a_miss_with_its_cost(
    cache: ObservedCache, registry: CollectorRegistry, clock: Clock
) -> None:
    with cache.fetch():
        clock.seconds += 0.25

    assert results(registry)["miss"] == 1
    assert value(registry, f"{FETCHED}_sum", cache="products") == 0.25
    assert value(registry, f"{FETCHED}_bucket", cache="products", le="0.25") == 1
    assert value(registry, f"{FETCHED}_bucket", cache="products", le="0.15") == 0


def test_a_fetch_that_fails_is_a_miss_without_a_cost(
    cache: ObservedCache, registry: CollectorRegistry
) -> None:
    with pytest.raises(RuntimeError, match="database"), cache.fetch():
        raise RuntimeError("database")

    assert results(registry)["miss"] == 1
    assert value(registry, f"{FETCHED}_count", cache="products") == 0


def test_a_decorated_function_is_a_fetch(
    cache: ObservedCache, registry: CollectorRegistry, clock: Clock
) -> None:
    @cache.fetching
    def load(key: str, *, times: int) -> str:
        """Load it."""
        clock.seconds += 0.5
        return key * times

    assert load("a", times=2) == "aa"
    assert load.__doc__ == "Load it."
    assert results(registry)["miss"] == 1
    assert value(registry, f"{FETCHED}_sum", cache="products") == 0.5


def test_a_decorated_coroutine_is_timed_until_it_is_done(
    cache: ObservedCache, registry: CollectorRegistry, clock: Clock
) -> None:
    @cache.fetching
    async def load(key: str) -> str:
        await asyncio.sleep(0)
        clock.seconds += 0.5
        return key

    assert asyncio.run(load("a")) == "a"
    assert results(registry)["miss"] == 1
    assert value(registry, f"{FETCHED}_sum", cache="products") == 0.5


def test_the_configured_time_to_live_is_told(
    cache: ObservedCache, registry: CollectorRegistry
) -> None:
    ObservedCache("forever", registry)

    assert value(registry, "cache_entry_ttl_seconds", cache="products") == 60
    assert value(registry, "cache_entry_ttl_seconds", cache="forever") is None


def test_two_caches_of_one_registry_count_apart(
    cache: ObservedCache, registry: CollectorRegistry
) -> None:
    other = ObservedCache("prices", registry)

    cache.hit()
    other.error()

    assert results(registry)["hit"] == 1
    assert results(registry, "prices") == {"hit": 0, "miss": 0, "stale": 0, "error": 1}


def test_the_same_cache_made_twice_goes_on_counting(
    cache: ObservedCache, registry: CollectorRegistry
) -> None:
    cache.hit()
    ObservedCache("products", registry).hit()

    assert results(registry)["hit"] == 2


def test_names_made_from_data_end_in_one_series(registry: CollectorRegistry) -> None:
    for number in range(MAX_CACHES + 2):
        ObservedCache(f"customer {number}", registry).hit()

    assert results(registry, "customer 0")["hit"] == 1
    assert results(registry, OVERFLOW)["hit"] == 2
    assert value(registry, "plimsoll_client_series_dropped_total", reason="too_many_caches") == 2


def test_buckets_resolve_both_fast_and_slow_fetches() -> None:
    assert FETCH_BUCKETS[0] == 0.001
    assert FETCH_BUCKETS[-1] == 10
    assert list(FETCH_BUCKETS) == sorted(FETCH_BUCKETS)


def test_promtool_finds_no_fault_with_the_names(
    cache: ObservedCache, registry: CollectorRegistry
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: apt install prometheus")
        pytest.skip("promtool is missing: apt install prometheus")
    cache.hit()

    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")

"""Calculations, and how old data are."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from prometheus_client import CollectorRegistry

from client_tests.asking import value
from client_tests.turning import Clock
from plimsoll_client.business import MAX_NAMES, market_data_updated, strategy_calculation
from plimsoll_client.functions import Measured
from plimsoll_client.registries import OVERFLOW

DURATION = "business_strategy_calculation_duration_seconds"
FAILURES = "business_strategy_calculation_failures_total"
UPDATED = "business_market_data_last_update_timestamp_seconds"


def updated(registry: CollectorRegistry, source: str = "nyse") -> float | None:
    return value(registry, UPDATED, source=source)


def test_a_calculation_is_timed_as_a_block_and_as_any_function(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(Measured, "clock", clock)
    calculation = strategy_calculation("momentum", registry)
    with calculation:
        clock.seconds += 1

    @strategy_calculation("momentum", registry)
    async def calculate() -> int:
        clock.seconds += 2
        return 7

    assert asyncio.run(calculate()) == 7
    assert value(registry, f"{DURATION}_count", strategy="momentum") == 2
    assert value(registry, f"{DURATION}_sum", strategy="momentum") == 3


def test_a_failed_calculation_has_no_duration_and_a_cancelled_one_is_neither(
    registry: CollectorRegistry,
) -> None:
    with pytest.raises(ZeroDivisionError), strategy_calculation("momentum", registry):
        raise ZeroDivisionError
    with pytest.raises(asyncio.CancelledError), strategy_calculation("momentum", registry):
        raise asyncio.CancelledError

    assert value(registry, FAILURES, strategy="momentum") == 1
    assert value(registry, f"{DURATION}_count", strategy="momentum") == 0


@pytest.mark.parametrize(
    "at",
    [
        1_772_452_800,
        1_772_452_800.0,
        datetime(2026, 3, 2, 12, tzinfo=UTC),
        datetime(2026, 3, 2, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_moment_is_given_in_seconds_or_with_its_zone(
    registry: CollectorRegistry, at: datetime | float
) -> None:
    market_data_updated("nyse", at, registry)

    assert updated(registry) == 1_772_452_800


def test_without_a_moment_it_is_now(registry: CollectorRegistry) -> None:
    before = datetime.now(UTC).timestamp()
    market_data_updated("nyse", registry=registry)

    assert before <= (updated(registry) or 0) <= datetime.now(UTC).timestamp()


def test_what_arrives_late_does_not_turn_the_moment_back(registry: CollectorRegistry) -> None:
    for at in (100, 300, 200):
        market_data_updated("nyse", at, registry)
    market_data_updated("xetra", 50, registry)

    assert (updated(registry), updated(registry, "xetra")) == (300, 50)


@pytest.mark.parametrize("at", [1_772_452_800_000, -1, float("nan"), float("inf")])
def test_what_cannot_be_seconds_is_refused(registry: CollectorRegistry, at: float) -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        market_data_updated("nyse", at, registry)

    assert updated(registry) is None


def test_a_moment_without_zone_is_refused(registry: CollectorRegistry) -> None:
    naive = datetime(2026, 3, 2, 12, tzinfo=UTC).replace(tzinfo=None)

    with pytest.raises(ValueError, match="no time zone"):
        market_data_updated("nyse", naive, registry)


def test_names_made_from_data_end_in_one_series(registry: CollectorRegistry) -> None:
    for number in range(MAX_NAMES + 2):
        market_data_updated(f"symbol {number}", 100 + number, registry)
        with strategy_calculation(f"strategy {number}", registry):
            pass

    assert updated(registry, OVERFLOW) == 100 + MAX_NAMES + 1
    assert value(registry, f"{DURATION}_count", strategy=OVERFLOW) == 2
    for reason in ("too_many_sources", "too_many_strategies"):
        assert value(registry, "plimsoll_client_series_dropped_total", reason=reason) == 2

"""A loop that fails goes on; what a person can mend is told without a traceback."""

import asyncio
import logging

import duckdb
import pytest
from prometheus_client import CollectorRegistry

from api.house import House
from api.loops import LoopMeters, Loops


async def one_round(loops: Loops, error: Exception) -> None:
    async def failing() -> float:
        loops.stop()
        raise error

    await loops.repeat("judge", failing)


@pytest.mark.parametrize(
    ("error", "said", "traceback"),
    [
        (duckdb.IOException("IO Error: No space left on device"), "make space on its disk", False),
        (duckdb.Error("Corrupt database file: checksum"), "restore a backup", False),
        (ValueError("no fault of a file"), "the next one follows", True),
    ],
)
def test_what_is_told_of_a_round_that_failed(
    house: House, caplog: pytest.LogCaptureFixture, error: Exception, said: str, traceback: bool
) -> None:
    registry = CollectorRegistry()
    with caplog.at_level(logging.ERROR, logger="api.loops"):
        asyncio.run(one_round(Loops(house, LoopMeters(registry)), error))
    (record,) = caplog.records
    assert said in record.getMessage()
    assert (record.exc_info is not None) == traceback
    assert registry.get_sample_value("plimsoll_loop_failures_total", {"loop": "judge"}) == 1


def test_without_messages_the_loops_of_the_alerts_rest(house: House) -> None:
    loops = Loops(house, LoopMeters(CollectorRegistry()))

    async def rounds() -> tuple[float, float, float]:
        return await loops.deliver(), await loops.draw(), await loops.listen()

    assert asyncio.run(rounds()) == (5.0, 5.0, 15.0)
    assert not house.alerts.listens

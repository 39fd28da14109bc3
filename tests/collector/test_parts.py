"""A target that is asked several things: what fails is seen and counted, the rest goes on."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from api.routes.targets import TargetShape
from collector.config import Limits
from collector.failure import CollectFailure, Failure
from collector.readings import Key, PartedRun, Readings, SeriesOfSource
from collector.source import Collected, Drop
from tests.collector.test_run import NOW_MS, UP, Fake, running, second

PART_UP = "plimsoll_collector_part_up"


async def good(readings: Readings) -> None:
    readings.add("cache_keys", 3.0, db="0")


async def refused(readings: Readings) -> None:
    readings.add("cache_slow", 1.0)
    raise CollectFailure(Failure.PERMISSION, "lacks +slowlog|get")


async def buggy(_readings: Readings) -> None:
    raise KeyError("hunter2")


def book(**limits: int) -> SeriesOfSource:
    return SeriesOfSource({"service": "shop"}, "cache", Limits.model_validate(limits))


class Moody:
    """A target with two parts of which one may fail, and which may be gone."""

    def __init__(self) -> None:
        self.slow: Callable[[Readings], object] = good
        self.gone = False
        self.book = book()

    async def collect(self, at_ms: int) -> Collected:
        if self.gone:
            raise CollectFailure(Failure.REFUSED, "Connection refused")
        run = PartedRun(self.book, at_ms, stopwatch=lambda: 0.0)
        await run.part("info", good)
        await run.part("slowlog", self.slow)  # type: ignore[arg-type]
        return run.collected()


def test_a_part_that_fails_is_counted_shown_and_leaves_the_target_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def attempt() -> None:
        moody = Moody()
        async with running(Fake("cache", moody.collect)) as rig:
            await rig.turn(second(0))
            moody.slow = refused
            await rig.turn(second(1))
            await rig.turn(second(2))

            status = rig.status("cache")
            assert status.state == "up"
            info, slowlog = status.parts
            assert (info.name, info.reason, info.samples) == ("info", None, 1)
            assert (slowlog.name, slowlog.reason) == ("slowlog", Failure.PERMISSION)
            assert slowlog.last_success == second(0)
            assert slowlog.last_attempt == second(2)
            shape = TargetShape.of(status)
            assert shape.text == "up, without slowlog"
            assert shape.parts[1].text == "failed: it does not let us read (lacks +slowlog|get)"
            up = rig.meter("part_up", "cache", part="slowlog")
            assert (up, rig.meter("part_up", "cache", part="info")) == (0, 1)
            failures = {"part": "slowlog", "reason": "permission"}
            assert rig.meter("part_failures_total", "cache", **failures) == 2
            assert rig.meter("failures_total", "cache", reason="permission") is None

            moody.slow = good
            await rig.turn(second(3))
            assert rig.status("cache").parts[1].reason is None

            turns = [NOW_MS + 1000 * number for number in range(4)]
            assert rig.shelf.series(UP, "cache") == dict.fromkeys(turns, 1.0)
            assert rig.shelf.series("cache_keys", "cache") == dict.fromkeys(turns, 3.0)
            assert rig.shelf.series("cache_slow", "cache") == {}

    caplog.set_level(logging.INFO, "collector")
    asyncio.run(attempt())
    assert [record.getMessage() for record in caplog.records] == [
        "fake cache: the part slowlog failed (permission): lacks +slowlog|get",
        "fake cache: the part slowlog works again",
    ]


def test_the_up_of_a_part_is_written_at_every_turn_also_while_its_target_is_down() -> None:
    async def attempt() -> None:
        moody = Moody()
        async with running(Fake("cache", moody.collect)) as rig:
            await rig.turn(second(0))
            moody.gone = True
            for number in (1, 2, 3):
                await rig.turn(second(number))
            written = [
                (dict(samples.series[0].pairs)["part"], int(samples.at_ms[0]), samples.values[0])
                for samples in rig.shelf.appends
                if samples.series[0].metric == PART_UP
            ]
            assert [(at - NOW_MS, up) for part, at, up in written if part == "slowlog"] == [
                (0, 1.0),
                (1000, 0.0),
                (2000, 0.0),
                (3000, 0.0),
            ]
            assert rig.meter("part_up", "cache", part="slowlog") == 0
            assert rig.meter("part_failures_total", "cache", part="slowlog", reason="refused") is (
                None
            )

    asyncio.run(attempt())


def test_a_bug_in_a_part_is_internal_and_tells_no_secret() -> None:
    async def attempt() -> None:
        run = PartedRun(book(), 0)
        assert not await run.part("buggy", buggy)
        (part,) = run.collected().parts
        assert part.failure is not None
        assert part.failure.reason is Failure.INTERNAL
        assert "hunter2" not in part.failure.detail
        assert "KeyError in buggy:" in part.failure.detail

    asyncio.run(attempt())


def collected(book: SeriesOfSource, at_ms: int, *rows: tuple[str, dict[str, str]]) -> Collected:
    """What comes of these readings in one part."""

    async def work(readings: Readings) -> None:
        for name, labels in rows:
            readings.add(name, 1.0, **labels)

    async def attempt() -> Collected:
        run = PartedRun(book, at_ms)
        await run.part("all", work)
        return run.collected()

    return asyncio.run(attempt())


def test_samples_labels_long_values_and_doubles_are_left_out_and_counted() -> None:
    tight = book(samples=4, labels=1, label_value_bytes=8)
    came = collected(
        tight,
        0,
        ("a", {}),
        ("a", {}),
        ("b", {"x": "1", "y": "2"}),
        ("b", {"x": "123456789"}),
        ("b", {"x": "1"}),
        ("b", {"x": "2"}),
        ("b", {"x": "3"}),
    )
    assert came.dropped == {
        Drop.LABELS: 1,
        Drop.LABEL_VALUE: 1,
        Drop.SAMPLES: 1,
        Drop.DUPLICATE: 1,
    }
    assert [str(one) for one in came.samples.series] == [
        'a{service="shop",target="cache"}',
        'b{service="shop",target="cache",x="1"}',
        'b{service="shop",target="cache",x="2"}',
    ]


def test_new_series_beyond_the_limit_wait_until_others_were_not_read_for_five_minutes() -> None:
    tight = book(series=2)
    collected(tight, 0, ("a", {}), ("b", {}))
    assert collected(tight, 1000, ("a", {}), ("c", {})).dropped == {Drop.SERIES: 1}
    assert collected(tight, 300_500, ("a", {}), ("c", {})).dropped == {}
    assert collected(tight, 300_600, ("b", {})).dropped == {Drop.SERIES: 1}


def test_a_figure_that_is_not_there_stays_absent() -> None:
    readings = Readings(book(), 0, 10)
    readings.add("redis_memory_max_bytes", None)
    assert readings.series == []


def test_room_for_new_series_is_looked_for_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # For each of very many new series it would take all the time there is.
    searches = 0

    class Counted(dict[Key, int]):
        def items(self) -> Any:
            nonlocal searches
            searches += 1
            return super().items()

    tight = book(series=3)
    monkeypatch.setattr(tight, "_seen_ms", Counted())
    rows: list[tuple[str, dict[str, str]]] = [("a", {"x": str(one)}) for one in range(100)]
    assert collected(tight, 0, *rows).dropped == {Drop.SERIES: 97}
    assert collected(tight, 15_000, *rows).dropped == {Drop.SERIES: 97}
    assert searches == 2

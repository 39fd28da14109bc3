"""Many targets at once: none disturbs another, and each is accounted for at every turn."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.config import CollectorConfig, Target
from collector.failure import CollectFailure, Failure
from collector.meters import CollectorMeters
from collector.run import Collector, TargetState, TargetStatus
from collector.scrape import Scrape
from collector.source import Collected, Drop, Source
from collector.sources import sources
from storage.history import Samples
from storage.series import Labels
from tests.collector import servers
from tests.collector.servers import page, serving

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
UP = "plimsoll_collector_up"


class Shelf:
    """A history that remembers."""

    def __init__(self) -> None:
        self.appends: list[Samples] = []

    def append(self, *batches: Samples) -> None:
        self.appends.extend(batches)

    def series(self, name: str, target: str) -> dict[int, float]:
        """Values by time of the series of this metric and target."""
        return {
            int(at): float(value)
            for samples in self.appends
            for i, at, value in zip(samples.index, samples.at_ms, samples.values, strict=True)
            if samples.series[i].metric == name and samples.series[i].get("target") == target
        }


class Fake:
    """A source that does what it is told."""

    kind = "fake"
    immediate = True

    def __init__(
        self, name: str, collect: Callable[[int], Awaitable[Collected]], timeout: float = 0.2
    ) -> None:
        self.name = name
        self.interval_seconds = 1.0
        self.timeout_seconds = timeout
        self.closed = False
        self._collect = collect

    async def collect(self, at_ms: int) -> Collected:
        return await self._collect(at_ms)

    async def close(self) -> None:
        self.closed = True


async def one_sample(at_ms: int) -> Collected:
    return Collected(Samples.at([Labels.of(__name__="a", target="x")], at_ms, [7.0]))


class Rig:
    """A collector with its shelf and its meters."""

    def __init__(self, *given: Source) -> None:
        self.shelf = Shelf()
        self.registry = CollectorRegistry()
        self.collector = Collector(
            given, self.shelf.append, CollectorMeters(self.registry), stopwatch=lambda: 0.0
        )

    async def turn(self, now: datetime) -> None:
        """One turn, waited for, and written."""
        await asyncio.gather(*self.collector.start_due(now))
        self.collector.flush()

    def status(self, name: str) -> TargetStatus:
        return next(status for status in self.collector.status() if status.name == name)

    def meter(self, name: str, target: str, **labels: str) -> float | None:
        kind = next(s.kind for s in self.collector.status() if s.name == target)
        return self.registry.get_sample_value(
            f"plimsoll_collector_{name}", {"collector": kind, "target": target, **labels}
        )


@asynccontextmanager
async def running(*given: Source) -> AsyncIterator[Rig]:
    rig = Rig(*given)
    try:
        yield rig
    finally:
        await rig.collector.stop()


def second(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


BAD: dict[str, tuple[servers.Answer, Failure]] = {
    "hanging": (servers.hang, Failure.TIMEOUT),
    "dripping": (servers.drip, Failure.TIMEOUT),
    "html": (servers.HTML, Failure.PARSE),
    "huge": (servers.flood, Failure.TOO_LARGE),
    "bomb": (servers.bomb(), Failure.TOO_LARGE),
    "bad-utf8": (servers.BAD_UTF8, Failure.PARSE),
    "unauthorised": (page(b"", status="401 Unauthorized"), Failure.AUTH),
    "forbidden": (page(b"", status="403 Forbidden"), Failure.PERMISSION),
    "broken": (page(b"", status="500 Internal Server Error"), Failure.HTTP_STATUS),
    "moved": (servers.REDIRECT, Failure.HTTP_STATUS),
    "json": (servers.JSON, Failure.PARSE),
    "half": (servers.HALF, Failure.PROTOCOL),
    "silent": (servers.close_at_once, Failure.PROTOCOL),
}


async def resolve(host: str, _port: int) -> Sequence[str]:
    if host == "nowhere.test":
        raise CollectFailure(Failure.DNS, "nowhere.test cannot be resolved")
    return ["169.254.169.254"] if host == "metadata.test" else [host]


def test_a_healthy_target_keeps_its_cadence_beside_every_kind_of_bad_one() -> None:
    config = CollectorConfig.model_validate({"interval": "15s"})
    rounds = 6

    def scrape(name: str, url: str) -> Scrape:
        # Only those that never end have a short limit: a slow machine changes no reason.
        timeout = "500ms" if name in ("hanging", "dripping") else "10s"
        target = Target.model_validate({"name": name, "url": url, "timeout": timeout})
        return Scrape(target, config, resolve=resolve, immediate=True)

    async def attempt() -> None:
        async with AsyncExitStack() as stack:
            urls = {
                name: (await stack.enter_async_context(serving(answer))).url()
                for name, (answer, _) in BAD.items()
            }
            closed = await stack.enter_async_context(AsyncExitStack())
            urls["down"] = (await closed.enter_async_context(serving(servers.GOOD))).url()
            await closed.aclose()
            urls["denied"] = "http://metadata.test/metrics"
            urls["unknown"] = "http://nowhere.test/metrics"
            reasons = {name: reason for name, (_, reason) in BAD.items()} | {
                "down": Failure.REFUSED,
                "denied": Failure.DENIED,
                "unknown": Failure.DNS,
            }
            healthy = await stack.enter_async_context(serving(servers.GOOD))
            given = [scrape(name, url) for name, url in urls.items()]
            given.insert(2, scrape("healthy", healthy.url()))
            rig = await stack.enter_async_context(running(*given))

            overtaken = 0
            for number in range(rounds):
                started = rig.collector.start_due(second(15 * number))
                tasks = {task.get_name(): task for task in started}
                async with asyncio.timeout(10):
                    await tasks["collect scrape/healthy"]
                slow = tasks.get("collect scrape/hanging")
                overtaken += slow is not None and not slow.done()
                await asyncio.gather(*tasks.values())
                rig.collector.flush()
            assert overtaken >= 1  # it did not wait for those that hang

            turns = [NOW_MS + 15_000 * number for number in range(rounds)]
            assert rig.shelf.series(UP, "healthy") == dict.fromkeys(turns, 1.0)
            assert rig.shelf.series("http_requests_total", "healthy") == dict.fromkeys(turns, 5.0)
            assert len(healthy.requests) == rounds
            assert rig.status("healthy").state is TargetState.UP
            assert rig.meter("up", "healthy") == 1
            for name, reason in reasons.items():
                assert rig.shelf.series(UP, name) == dict.fromkeys(turns, 0.0), name
                assert rig.shelf.series("http_requests_total", name) == {}, name
                status = rig.status(name)
                assert (status.state, status.reason) == (TargetState.DOWN, reason), name
                assert status.detail
                assert rig.meter("up", name) == 0
                failures = rig.meter("failures_total", name, reason=reason.value)
                assert failures is not None
                assert 1 <= failures < rounds, name  # it backs off

    asyncio.run(attempt())


def test_thirty_targets_that_hang_do_not_take_the_places_of_one_that_works() -> None:
    hung = asyncio.Event

    async def hang(_at_ms: int) -> Collected:
        await hung().wait()
        raise AssertionError

    async def attempt() -> None:
        healthy = Fake("healthy", one_sample)
        bad = [Fake(f"bad-{number}", hang, timeout=100) for number in range(30)]
        async with running(healthy, *bad) as rig:
            for number in range(4):
                tasks = rig.collector.start_due(second(number))
                async with asyncio.timeout(5):
                    await next(task for task in tasks if task.get_name().endswith("healthy"))
            rig.collector.flush()
            turns = [NOW_MS + 1000 * number for number in range(4)]
            assert rig.shelf.series(UP, "healthy") == dict.fromkeys(turns, 1.0)

    asyncio.run(attempt())


def test_no_more_than_twenty_run_at_once() -> None:
    async def attempt() -> None:
        now, most = 0, 0
        release = asyncio.Event()
        release.set()

        async def count(at_ms: int) -> Collected:
            nonlocal now, most
            now, most = now + 1, max(most, now + 1)
            await release.wait()
            await asyncio.sleep(0)
            now -= 1
            return await one_sample(at_ms)

        async with running(*(Fake(f"shop-{i}", count, timeout=10) for i in range(50))) as rig:
            await rig.turn(NOW)
            assert most == 10  # none of them has ever worked
            release.clear()
            tasks = rig.collector.start_due(second(1))
            while now < 20:
                await asyncio.sleep(0)
            release.set()
            await asyncio.gather(*tasks)
            assert most == 20

    asyncio.run(attempt())


def test_a_run_that_does_not_end_is_not_overlapped_and_shows_as_down_at_every_turn() -> None:
    async def attempt() -> None:
        release = asyncio.Event()
        begun = 0

        async def slow(at_ms: int) -> Collected:
            nonlocal begun
            begun += 1
            await release.wait()
            return await one_sample(at_ms)

        async with running(Fake("slow", slow, timeout=100)) as rig:
            first = rig.collector.start_due(NOW)
            await asyncio.sleep(0)
            for number in (1, 2):
                assert rig.collector.start_due(second(number)) == []
            assert begun == 1
            status = rig.status("slow")
            assert (status.state, status.reason) == (TargetState.DOWN, Failure.TIMEOUT)
            assert rig.meter("failures_total", "slow", reason="timeout") == 2
            release.set()
            await asyncio.gather(*first)
            await rig.turn(second(3))
            assert begun == 2
            assert rig.shelf.series(UP, "slow") == {
                NOW_MS: 1.0,
                NOW_MS + 1000: 0.0,
                NOW_MS + 2000: 0.0,
                NOW_MS + 3000: 1.0,
            }
            assert rig.status("slow").state is TargetState.UP

    asyncio.run(attempt())


def test_the_first_failure_is_told_again_after_recovery_and_backing_off_ends() -> None:
    async def attempt() -> None:
        works = False

        async def moody(at_ms: int) -> Collected:
            if not works:
                raise CollectFailure(Failure.REFUSED, "Connection refused")
            return await one_sample(at_ms)

        async with running(Fake("moody", moody)) as rig:
            for number in range(20):
                await rig.turn(second(number))
            attempts = rig.meter("failures_total", "moody", reason="refused")
            assert attempts is not None
            assert 3 <= attempts <= 6
            backoff = rig.meter("backoff_seconds", "moody")
            assert backoff is not None
            assert backoff > 2
            promised = rig.status("moody").next_attempt
            assert promised is not None
            works, number = True, 20
            while rig.status("moody").state is TargetState.DOWN:
                await rig.turn(second(number))
                number += 1
            status = rig.status("moody")
            assert status.last_success == promised == second(number - 1)
            assert (status.reason, status.detail, status.samples) == (None, "", 1)
            assert rig.meter("backoff_seconds", "moody") == 0
            assert rig.meter("last_success_timestamp_seconds", "moody") == promised.timestamp()
            await rig.turn(second(number))
            assert len(rig.shelf.series(UP, "moody")) == number + 1
            assert list(rig.shelf.series(UP, "moody").values())[-2:] == [1, 1]

    asyncio.run(attempt())


def test_a_bug_is_an_internal_failure_that_stops_nobody_and_is_logged_once_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def buggy(_at_ms: int) -> Collected:
        raise KeyError("password=hunter2")

    async def attempt() -> None:
        async with running(Fake("buggy", buggy), Fake("healthy", one_sample)) as rig:
            for number in range(4000):
                await rig.turn(second(number))
            assert set(rig.shelf.series(UP, "buggy").values()) == {0}
            assert set(rig.shelf.series(UP, "healthy").values()) == {1}
            assert len(rig.shelf.series(UP, "buggy")) == 4000
            status = rig.status("buggy")
            assert status.reason is Failure.INTERNAL
            assert status.detail.startswith("KeyError in buggy:")
            assert "hunter2" not in status.detail

    caplog.set_level(logging.INFO, "collector")
    asyncio.run(attempt())
    assert len(caplog.records) == 2
    assert caplog.records[0].levelno == logging.ERROR
    assert "hunter2" not in caplog.text


def test_recovery_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    failing = True

    async def moody(at_ms: int) -> Collected:
        if failing:
            raise CollectFailure(Failure.REFUSED, "Connection refused")
        return await one_sample(at_ms)

    async def attempt() -> None:
        nonlocal failing
        async with running(Fake("moody", moody)) as rig:
            await rig.turn(NOW)
            failing = False
            for number in range(1, 4):
                await rig.turn(second(number))

    caplog.set_level(logging.INFO, "collector")
    asyncio.run(attempt())
    assert [record.getMessage() for record in caplog.records] == [
        "fake moody is down (refused): Connection refused",
        "fake moody is up again",
    ]


def test_what_a_page_drops_is_counted_by_reason() -> None:
    async def crowded(at_ms: int) -> Collected:
        return Collected((await one_sample(at_ms)).samples, {Drop.SERIES: 3, Drop.LABELS: 1})

    async def attempt() -> None:
        async with running(Fake("crowded", crowded)) as rig:
            await rig.turn(NOW)
            await rig.turn(second(1))
            assert rig.meter("series_dropped_total", "crowded", reason="too_many_series") == 6
            assert rig.meter("series_dropped_total", "crowded", reason="too_many_labels") == 2
            assert rig.status("crowded").dropped == 4

    asyncio.run(attempt())


def test_stopping_cancels_what_runs_closes_everything_and_writes_what_came() -> None:
    async def hang(_at_ms: int) -> Collected:
        await asyncio.Event().wait()
        raise AssertionError

    async def attempt() -> None:
        healthy, hanging = Fake("healthy", one_sample), Fake("hanging", hang, timeout=100)
        rig = Rig(healthy, hanging)
        tasks = rig.collector.start_due(NOW)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert rig.shelf.appends == []
        async with asyncio.timeout(5):
            await rig.collector.stop()
        assert all(task.done() for task in tasks)
        assert (healthy.closed, hanging.closed) == (True, True)
        assert [len(one) for one in rig.shelf.appends] == [1, 1]
        assert rig.shelf.series(UP, "healthy") == {NOW_MS: 1.0}
        assert rig.shelf.series(UP, "hanging") == {}

    asyncio.run(attempt())


def test_a_wait_of_a_hundredth_of_the_interval_does_not_shift_the_samples() -> None:
    async def attempt() -> None:
        ticks = iter((0.0, 0.009, 0.1, 1.0, 1.011, 1.1))
        shelf = Shelf()
        meters = CollectorMeters(CollectorRegistry())
        collector = Collector(
            [Fake("shop", one_sample)], shelf.append, meters, stopwatch=lambda: next(ticks)
        )
        await asyncio.gather(*collector.start_due(NOW))
        await asyncio.gather(*collector.start_due(second(1)))
        await collector.stop()
        assert list(shelf.series(UP, "shop")) == [NOW_MS, NOW_MS + 1011]

    asyncio.run(attempt())


def test_samples_are_as_old_as_the_start_of_the_fetch_not_as_the_wait_before_it() -> None:
    async def attempt() -> None:
        clock = 0.0
        seen: list[int] = []

        async def slow(at_ms: int) -> Collected:
            nonlocal clock
            seen.append(at_ms)
            clock += 0.5
            await asyncio.sleep(0)
            return await one_sample(at_ms)

        shelf = Shelf()
        collector = Collector(
            [Fake(f"shop-{i}", slow) for i in range(11)],
            shelf.append,
            CollectorMeters(CollectorRegistry()),
            stopwatch=lambda: clock,
        )
        await asyncio.gather(*collector.start_due(NOW))
        assert seen == [NOW_MS + 500 * number for number in range(11)]
        await collector.stop()

    asyncio.run(attempt())


def test_a_target_that_was_never_tried_is_pending_and_its_first_turn_is_known() -> None:
    config = CollectorConfig.model_validate(
        {"host": False, "targets": [{"name": "shop", "url": "http://127.0.0.1:9/metrics"}]}
    )
    rig = Rig(*sources(config))
    assert rig.status("shop").state is TargetState.PENDING
    assert rig.status("shop").next_attempt is None
    assert rig.collector.next_due() is None

    async def attempt() -> None:
        assert rig.collector.start_due(NOW) == []
        promised = rig.collector.next_due()
        assert promised is not None
        assert NOW < promised < second(15)
        assert rig.status("shop").next_attempt == promised
        assert len(rig.collector.start_due(promised)) == 1
        await rig.collector.stop()

    asyncio.run(attempt())


def test_the_sources_of_a_configuration_are_the_host_our_own_page_and_the_targets() -> None:
    described: dict[str, Any] = {"targets": [{"name": "shop", "url": "http://shop/metrics"}]}
    page = b"ours_total 1\n", "text/plain"
    found = sources(CollectorConfig.model_validate(described), own_page=lambda: page)
    assert [(source.kind, source.name, source.immediate) for source in found] == [
        ("host", "host", True),
        ("scrape", "plimsoll", True),
        ("scrape", "shop", False),
    ]
    ours = asyncio.run(found[1].collect(1000))  # nobody is asked over the network
    assert [one.get("target") for one in ours.samples.series] == ["plimsoll"]
    without = sources(CollectorConfig.model_validate({**described, "host": False}))
    assert [source.name for source in without] == ["shop"]

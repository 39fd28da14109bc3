"""One Redis or Valkey server as a source: what is asked in which order, and what is remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from time import perf_counter

from collector.addresses import Resolve, SystemResolver
from collector.config import CollectorConfig, RedisTarget
from collector.connect import SHARE_OF_INTERVAL
from collector.failure import CollectFailure, Failure
from collector.readings import PartedRun, Readings, SeriesOfSource
from collector.redis import info, latency
from collector.redis.events import Listener, Tally
from collector.redis.groups import KeyGroups
from collector.redis.link import Door, Link, checked_reply
from collector.redis.resp import Refusal
from collector.redis.sampler import Sampler
from collector.redis.slowlog import AT_ONCE, SlowCommands, entries
from collector.source import Collected

HISTOGRAMS_SINCE = (7,)
REFUSED_AGAIN_MS = 5 * 60_000
SHARE_FOR_EVENTS = 0.25
"""Of the time for a run: how long opening the second connection may take."""


class Redis:
    """One server. Parts: `info` (without it the server is down), `latency`, `slowlog`, `keys`,
    `events`.
    """

    kind = "redis"

    def __init__(
        self,
        target: RedisTarget,
        config: CollectorConfig,
        *,
        resolve: Resolve | None = None,
        immediate: bool = False,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = target.name
        self.interval_seconds = target.interval or config.interval
        self.timeout_seconds = min(
            target.timeout or config.timeout, SHARE_OF_INTERVAL * self.interval_seconds
        )
        self.immediate = immediate
        self._target = target
        self._stopwatch = stopwatch
        most_bytes = config.limits.body_bytes
        self._door = Door(target, self.timeout_seconds, most_bytes, resolve or SystemResolver())
        self._link: Link | None = None
        self._book = SeriesOfSource(target.labels, target.name, config.limits)
        self._groups = KeyGroups(target.key_groups)
        self._lookups, self._started = info.Lookups(), info.Started()
        self._histograms = latency.Watched()
        self._slow = SlowCommands()
        self._sampler = Sampler(target, self.interval_seconds, self._groups, self._lookups)
        # Its own door: a look-up of the name that is under way must not refuse the other one.
        self._listener = Listener(
            Door(target, self.timeout_seconds, most_bytes, resolve or SystemResolver()),
            Tally(self._groups),
            stopwatch,
        )
        self._info: dict[str, str] = {}
        self._refused_ms: dict[str, int] = {}
        self._sections: tuple[str, ...] = info.SECTIONS

    def __repr__(self) -> str:
        return f"Redis({self.name!r})"

    async def collect(self, at_ms: int) -> Collected:
        """Ask for everything; a CollectFailure when there is no connection or no INFO."""
        run = PartedRun(self._book, at_ms, self._stopwatch)
        done = False
        try:
            if not await run.part("info", partial(self._asked, self._part_info)):
                (part,) = run.collected().parts
                raise part.failure or CollectFailure(Failure.INTERNAL, "no answer")
            for name, work in self._beside():
                if self._may_try(name, at_ms):
                    await run.part(name, work)
            done = True
        finally:
            if not done:
                self._histograms.forget()
                self._drop()  # also when cancelled: replies may be on their way
        collected = run.collected()
        for part in collected.parts:
            if part.failure is not None and part.failure.reason is Failure.PERMISSION:
                self._refused_ms[part.name] = at_ms
        return collected

    def _beside(self) -> Iterator[tuple[str, Callable[[Readings], Awaitable[None]]]]:
        """The parts beside `info` that this target has."""
        if info.version(self._info) >= HISTOGRAMS_SINCE:
            yield "latency", partial(self._asked, self._part_latency)
        yield "slowlog", partial(self._asked, self._part_slowlog)
        if self._target.sampled_keys:
            yield "keys", partial(self._asked, self._part_keys)
        if self._target.events:
            yield "events", self._part_events

    def _may_try(self, part: str, at_ms: int) -> bool:
        """Not again and again what the user may not do: each try is in the server's ACL LOG."""
        refused_ms = self._refused_ms.get(part)
        return refused_ms is None or not 0 <= at_ms - refused_ms < REFUSED_AGAIN_MS

    async def close(self) -> None:
        """End both connections."""
        self._drop()
        await self._listener.close()

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    async def _asked(
        self, work: Callable[[Link, Readings], Awaitable[None]], readings: Readings
    ) -> None:
        """A part on the kept link. A link that ended since the last turn is opened anew once."""
        kept = self._link is not None
        try:
            await self._on_link(work, readings)
        except CollectFailure as failure:
            if not kept or failure.reason is not Failure.PROTOCOL or self._link is not None:
                raise
            await self._on_link(work, readings)

    async def _on_link(
        self, work: Callable[[Link, Readings], Awaitable[None]], readings: Readings
    ) -> None:
        link = self._link = self._link or await self._door.open()
        try:
            await work(link, readings)
        finally:
            if link.waits:
                self._drop()

    async def _part_info(self, link: Link, readings: Readings) -> None:
        (reply,) = await link.ask(("INFO", *self._sections))
        if isinstance(reply, Refusal) and reply.code == "ERR":  # before 7.0 one section at most
            self._sections = ("all",)
            (reply,) = await link.ask(("INFO", *self._sections))
        text = checked_reply(reply, "info")
        self._info = info.fields(text if isinstance(text, bytes) else b"")
        info.read(self._info, readings, self._lookups, self._started)

    async def _part_latency(self, link: Link, readings: Readings) -> None:
        try:
            (reply,) = await link.ask(("LATENCY", "HISTOGRAM"))
            found = latency.histograms(checked_reply(reply, "latency|histogram"))
        except CollectFailure:
            self._histograms.forget()
            raise
        self._histograms.read(found, readings)

    async def _part_slowlog(self, link: Link, readings: Readings) -> None:
        length, newest = await link.ask(("SLOWLOG", "LEN"), ("SLOWLOG", "GET", AT_ONCE))
        self._slow.take(entries(checked_reply(newest, "slowlog|get"), self._groups))
        self._slow.read(readings)
        count = checked_reply(length, "slowlog|len")
        readings.add("redis_slowlog_length", float(count) if isinstance(count, int) else None)

    async def _part_keys(self, link: Link, readings: Readings) -> None:
        began = self._stopwatch()
        await self._sampler.sample(link, self._info, readings.at_ms)
        self._sampler.took(self._stopwatch() - began)
        self._sampler.read(self._info, readings)

    async def _part_events(self, readings: Readings) -> None:
        try:
            async with asyncio.timeout(SHARE_FOR_EVENTS * self.timeout_seconds):
                await self._listener.part(readings)
        except TimeoutError:
            raise CollectFailure(Failure.TIMEOUT, "no connection to listen on in time") from None

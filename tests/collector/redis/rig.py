"""A Redis source beside a real server, and its readings by name."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from collector.config import CollectorConfig
from collector.redis.source import Redis
from collector.source import Collected, Part
from tests.caches import RedisServer

MINUTE_MS = 60_000


def config(address: str, **more: Any) -> CollectorConfig:
    """A configuration with one Redis; `more` are keys of its target."""
    target = {"name": "cache", "address": address, **more}
    return CollectorConfig.model_validate({"host": False, "interval": "60s", "redis": [target]})


def source(address: str, **more: Any) -> Redis:
    """A source; every name leads to this machine."""
    chosen = config(address, **more)
    return Redis(chosen.redis[0], chosen, resolve=here)


async def here(_host: str, _port: int) -> Sequence[str]:
    """The addresses of any name."""
    return ["127.0.0.1"]


class Seen:
    """What one run brought."""

    def __init__(self, came: Collected) -> None:
        self.came = came
        self.values = {
            str(came.samples.series[i]): float(value)
            for i, value in zip(came.samples.index, came.samples.values, strict=True)
        }
        self.parts: dict[str, Part] = {part.name: part for part in came.parts}

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of a series of this target; None when it did not come."""
        pairs = sorted({**labels, "target": "cache"}.items())
        text = ",".join(f'{key}="{value}"' for key, value in pairs)
        return self.values.get(f"{name}{{{text}}}")

    def failures(self) -> dict[str, str]:
        """Why parts failed, in words."""
        return {name: part.failure.detail for name, part in self.parts.items() if part.failure}


def watching(work: Callable[["Watch"], Awaitable[None]], address: str, **more: Any) -> None:
    """Run this with a source that is closed afterwards."""

    async def attempt() -> None:
        watch = Watch(source(address, **more))
        try:
            await work(watch)
        finally:
            await watch.source.close()

    asyncio.run(attempt())


class Watch:
    """A source on a clock that goes on by a minute with every turn."""

    def __init__(self, made: Redis) -> None:
        self.source = made
        self.at_ms = 1_790_000_000_000

    async def turn(self) -> Seen:
        """One collection."""
        self.at_ms += MINUTE_MS
        return Seen(await self.source.collect(self.at_ms))


def fill(server: RedisServer, prefix: str, count: int, size: int = 100, **more: Any) -> None:
    """So many keys of one prefix."""
    pipeline = server.client.pipeline(transaction=False)
    for number in range(count):
        pipeline.set(f"{prefix}:{number}", "x" * size, **more)
    pipeline.execute()

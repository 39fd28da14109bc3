"""A shop's use of a cache: look-ups by minute, on a real Redis; and the past of the same use."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.history import Samples
from storage.series import NAME, Labels

MINUTE_MS = 60_000
LOOKUPS = 300
"""For each of the two groups, in a minute."""

STRANGERS = 15
"""Of these so many are for sessions that never were."""

SIZE = 1000
"""Bytes of a session."""


class Shop:
    """Looks sessions and the catalogue up; what is not there it fetches and puts there.

    `sessions` is the working set. Sessions live for a while, pages of the catalogue for ever.
    """

    def __init__(self, client: Any, sessions: int, *, secret: str = "", seed: int = 7):
        self.client = client
        self.sessions = sessions
        self.secret = secret
        self.random = random.Random(seed)

    def fill(self) -> None:
        """Everything is there to begin with."""
        pipeline = self.client.pipeline(transaction=False)
        for number in range(200):
            pipeline.set(f"catalog:{number}", "page")
        for number in range(self.sessions):
            pipeline.set(self.session(number), self.value(), ex=86_400)
        pipeline.execute()

    def session(self, number: int) -> str:
        """The key of a session."""
        return f"session:{number}{self.secret}"

    def value(self) -> str:
        """What a session holds."""
        return (self.secret + "x" * SIZE)[:SIZE]

    def use(self, lookups: int = LOOKUPS, strangers: int = STRANGERS) -> int:
        """So many look-ups of each group, as in a minute; how many sessions were missed."""
        keys = [
            self.session(self.random.randrange(self.sessions)) for _ in range(lookups - strangers)
        ]
        keys += [f"session:no{self.random.randrange(10**9)}" for _ in range(strangers)]
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.get(key)
            pipeline.get(f"catalog:{self.random.randrange(200)}")
        found = pipeline.execute()[::2]
        missed = [key for key, value in zip(keys, found, strict=True) if value is None]
        for key in missed:
            if not key.startswith("session:no"):
                pipeline.set(key, self.value(), ex=86_400)
        pipeline.execute()
        return len(missed)


def past(target: str, start_ms: int, end_ms: int, *, seed: int = 7) -> list[Samples]:
    """What the collector would have found in that time, once a minute."""
    rng = np.random.default_rng(seed)
    times = np.arange(start_ms, end_ms + 1, MINUTE_MS)
    lookups = rng.poisson(2 * LOOKUPS, len(times))
    misses = rng.poisson(STRANGERS, len(times))
    counters: Sequence[tuple[dict[str, str], np.ndarray]] = (
        ({NAME: "redis_keyspace_hits_total"}, np.cumsum(lookups - misses)),
        ({NAME: "redis_keyspace_misses_total"}, np.cumsum(misses)),
        ({NAME: "redis_key_group_misses_total", "group": "session"}, np.cumsum(misses)),
        ({NAME: "plimsoll_collector_up", "collector": "redis"}, np.ones(len(times))),
    )
    return [
        Samples(
            (Labels.of(labels, target=target),),
            np.zeros(len(times), np.int64),
            times,
            values.astype(np.float64),
        )
        for labels, values in counters
    ]

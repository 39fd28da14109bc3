"""Figures of targets that no signal defines: from raw samples, shown and never judged.

Samples are kept for days, not for weeks, so a figure has no band. What is worth a rule deserves a
signal: that is configuration, and these are not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from api.house import House
from detector.evaluate import seen
from detector.increase import LOOKBACK_MS, increases
from detector.units import Unit
from storage.history import Floats, Ints, Samples
from storage.series import NAME, Labels, Match, Matcher, Selector

MOST_POINTS = 360
STEPS_SECONDS = (60, 300, 900, 3600, 10_800)
RECENT = timedelta(minutes=5)
MOST_SERIES = 60


class How(StrEnum):
    """How samples become a value of a span."""

    LEVEL = "level"
    """The average of the samples; several series are added."""
    HIGHEST = "highest"
    """The largest sample of any series."""
    RATE = "rate"
    """The increase per second; several series are added."""


class About(StrEnum):
    """Which page shows it."""

    PROCESS = "process"
    HOST = "host"
    CACHE = "cache"
    GROUP = "group"
    """A group of keys of a cache."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: which samples, how, and by which labels its series are told apart."""

    name: str
    title: str
    unit: Unit
    metric: str
    how: How = How.LEVEL
    by: tuple[str, ...] = ()
    about: About = About.PROCESS
    only: tuple[tuple[str, str], ...] = ()

    def selector(self, target: str | None) -> Selector:
        """Its samples, of one target if it is given."""
        matchers = [Matcher(name, Match.EQUAL, value) for name, value in self.only]
        if target is not None:
            matchers.append(Matcher("target", Match.EQUAL, target))
        return Selector(self.metric, tuple(matchers))


S, B, R, C, P = Unit.SECONDS, Unit.BYTES, Unit.RATIO, Unit.COUNT, Unit.PER_SECOND
GROUPED = ("group",)
FIGURES = (
    Figure("process_cpu", "Processor time, in cores", C, "process_cpu_seconds_total", How.RATE),
    Figure("process_memory", "Resident memory", B, "process_resident_memory_bytes"),
    Figure("process_files", "Open files", C, "process_open_fds"),
    Figure(
        "event_loop_lag",
        "Event loop lag, the longest",
        S,
        "python_event_loop_lag_seconds",
        How.HIGHEST,
    ),
    Figure(
        "node_event_loop_lag",
        "Event loop lag, p99",
        S,
        "nodejs_eventloop_lag_p99_seconds",
        How.HIGHEST,
    ),
    Figure("node_heap", "Heap in use", B, "nodejs_heap_size_used_bytes"),
    Figure("gc_pause", "Time in garbage collection", R, "python_gc_pause_seconds_total", How.RATE),
    Figure("threads", "Threads of the pool", C, "python_thread_pool_threads", by=("state",)),
    Figure(
        "pool_connections",
        "Connections of a pool",
        C,
        "db_client_connections",
        by=("pool", "state"),
    ),
    Figure(
        "pool_pending",
        "Waiting for a connection",
        C,
        "db_client_connection_pending_requests",
        by=("pool",),
    ),
    Figure("host_load", "Load average, 1 min", C, "host_load1", about=About.HOST),
    Figure("host_memory_used", "Memory used", B, "host_memory_used_bytes", about=About.HOST),
    Figure(
        "container_memory",
        "Working set of the container",
        B,
        "container_memory_working_set_bytes",
        about=About.HOST,
    ),
    Figure(
        "container_cpu",
        "Processor time of the container, in cores",
        C,
        "container_cpu_seconds_total",
        How.RATE,
        about=About.HOST,
    ),
    Figure(
        "container_oom_kills",
        "Killed for want of memory",
        P,
        "container_oom_kills_total",
        How.RATE,
        about=About.HOST,
    ),
    Figure("redis_keys", "Keys", C, "redis_db_keys", about=About.CACHE),
    Figure("redis_memory", "Memory used", B, "redis_memory_used_bytes", about=About.CACHE),
    Figure("redis_memory_max", "Memory limit", B, "redis_memory_max_bytes", about=About.CACHE),
    Figure(
        "redis_commands",
        "Commands",
        P,
        "redis_commands_processed_total",
        How.RATE,
        about=About.CACHE,
    ),
    Figure(
        "redis_expired", "Keys expired", P, "redis_expired_keys_total", How.RATE, about=About.CACHE
    ),
    Figure("redis_clients", "Clients", C, "redis_connected_clients", about=About.CACHE),
    Figure("memcached_keys", "Keys", C, "memcached_current_items", about=About.CACHE),
    Figure("memcached_memory", "Memory used", B, "memcached_current_bytes", about=About.CACHE),
    Figure("memcached_memory_max", "Memory limit", B, "memcached_limit_bytes", about=About.CACHE),
    Figure(
        "memcached_gets",
        "Look-ups",
        P,
        "memcached_commands_total",
        How.RATE,
        about=About.CACHE,
        only=(("command", "get"),),
    ),
    Figure(
        "memcached_expired_unfetched",
        "Expired, never fetched",
        P,
        "memcached_expired_unfetched_total",
        How.RATE,
        about=About.CACHE,
    ),
    Figure(
        "memcached_evicted_unfetched",
        "Evicted, never fetched",
        P,
        "memcached_evicted_unfetched_total",
        How.RATE,
        about=About.CACHE,
    ),
    Figure("memcached_clients", "Clients", C, "memcached_current_connections", about=About.CACHE),
    Figure("group_keys", "Keys", C, "redis_key_group_keys", by=GROUPED, about=About.GROUP),
    Figure("group_bytes", "Memory", B, "redis_key_group_bytes", by=GROUPED, about=About.GROUP),
    Figure(
        "group_misses", "Misses", P, "redis_key_group_misses_total", How.RATE, GROUPED, About.GROUP
    ),
    Figure(
        "group_missed_after_expiry",
        "Misses soon after expiry",
        P,
        "redis_key_group_missed_after_expiry_total",
        How.RATE,
        GROUPED,
        About.GROUP,
    ),
    Figure(
        "group_evicted",
        "Evictions",
        P,
        "redis_key_group_evicted_total",
        How.RATE,
        GROUPED,
        About.GROUP,
    ),
    Figure(
        "group_expired",
        "Expiries",
        P,
        "redis_key_group_expired_total",
        How.RATE,
        GROUPED,
        About.GROUP,
    ),
    Figure(
        "group_ttl",
        "Time to live, median",
        S,
        "redis_key_group_ttl_seconds",
        by=GROUPED,
        about=About.GROUP,
        only=(("stat", "p50"),),
    ),
    Figure(
        "group_idle",
        "Not read for, median",
        S,
        "redis_key_group_idle_seconds",
        by=GROUPED,
        about=About.GROUP,
        only=(("stat", "p50"),),
    ),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One series of a figure, in columns; a span without samples has no entry."""

    figure: Figure
    target: str
    labels: Labels
    end_ms: list[int]
    value: list[float]
    n: list[float]

    @property
    def id(self) -> str:
        """Stable inside its target: the figure, and what tells its series apart."""
        return "-".join((self.figure.name, *(self.labels.get(one) for one in self.figure.by)))


@dataclass(frozen=True, slots=True)
class Reach:
    """Whole steps `(since, until]`; what is running does not count, because it is not whole."""

    since_ms: int
    until_ms: int
    step_ms: int

    @classmethod
    def of(cls, since_ms: int, until_ms: int, step_seconds: int | None = None) -> "Reach":
        """The steps in a span; the shortest that keep to `MOST_POINTS`, unless one is given."""
        fits = (one for one in STEPS_SECONDS if until_ms - since_ms <= MOST_POINTS * one * 1000)
        step_ms = (step_seconds or next(fits, STEPS_SECONDS[-1])) * 1000
        return cls(since_ms // step_ms * step_ms, until_ms // step_ms * step_ms, step_ms)

    def slots(self, at_ms: Ints) -> Ints:
        """Which step each time falls into."""
        return np.asarray((at_ms - self.since_ms - 1) // self.step_ms, np.int64)

    @property
    def count(self) -> int:
        """How many steps."""
        return max(0, (self.until_ms - self.since_ms) // self.step_ms)


def drawn(
    house: House, figures: Iterable[Figure], reach: Reach, target: str | None = None
) -> list[Drawn]:
    """The series of these figures with samples in the reach, in the order of the figures."""
    chosen = list(figures)
    found: list[Drawn] = []
    selectors = [one.selector(target) for one in chosen]
    every = house.history.samples(selectors, reach.since_ms - LOOKBACK_MS, reach.until_ms)
    times = seen(house.history, reach.since_ms, reach.until_ms)
    for one, selector in zip(chosen, selectors, strict=True):
        samples = picked(every, selector)
        if not len(samples):
            continue
        if one.how is How.RATE:
            grown = increases(samples, times)
            per_second = grown.values * 1000 / reach.step_ms
            rows = (grown.index, grown.at_ms, per_second)
        else:
            usable = np.isfinite(samples.values)
            rows = (samples.index[usable], samples.at_ms[usable], samples.values[usable])
        found += columns(one, samples, rows, reach)
    return found


def picked(every: Samples, selector: Selector) -> Samples:
    """The samples that a selector means."""
    mine = [
        i
        for i, one in enumerate(every.series)
        if one.get(NAME) == selector.metric and selector.matches(one)
    ]
    place = np.full(len(every.series) + 1, -1, np.int64)
    place[mine] = np.arange(len(mine))
    rows = place[every.index] >= 0
    series = tuple(every.series[i] for i in mine)
    return Samples(series, place[every.index[rows]], every.at_ms[rows], every.values[rows])


def columns(
    figure: Figure, samples: Samples, rows: tuple[Ints, Ints, Floats], reach: Reach
) -> list[Drawn]:
    """The rows of one figure by step, one set of columns for each of its series."""
    index, at_ms, values = rows
    inside = (at_ms > reach.since_ms) & (at_ms <= reach.until_ms)
    index, slots, values = index[inside], reach.slots(at_ms[inside]), values[inside]
    keys = [one.only(("target", *figure.by)) for one in samples.series]
    known = list(dict.fromkeys(keys))
    place = np.array([known.index(one) for one in keys], np.int64)
    shape = (len(known), reach.count)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(count, (place[index], slots), 1.0)
    if figure.how is How.HIGHEST:
        total[:] = -np.inf
        np.maximum.at(total, (place[index], slots), values)
    elif figure.how is How.RATE:
        np.add.at(total, (place[index], slots), values)
    else:
        each = (len(samples.series), reach.count)
        sums, samples_of = np.zeros(each), np.zeros(each)
        np.add.at(sums, (index, slots), values)
        np.add.at(samples_of, (index, slots), 1.0)
        means = np.divide(sums, samples_of, out=np.zeros(each), where=samples_of > 0)
        np.add.at(total, place, means)
    ends = reach.since_ms + reach.step_ms * np.arange(1, reach.count + 1)
    return [
        Drawn(
            figure,
            labels.get("target"),
            labels,
            ends[count[i] > 0].tolist(),
            total[i][count[i] > 0].tolist(),
            count[i][count[i] > 0].tolist(),
        )
        for i, labels in enumerate(known[:MOST_SERIES])
        if count[i].any()
    ]


def of(*about: About) -> Sequence[Figure]:
    """The figures of some pages."""
    return [one for one in FIGURES if one.about in about]

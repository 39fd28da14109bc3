"""Eight days that the demo shop could have had: windows as they would have been evaluated.

The distribution of each route is that of `api.demo.shop`: waiting times are log-normal around the
same medians. The traffic has days and nights, and every number comes from the seed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from api.demo.shop import FAILING, JITTER, QUERY_BUCKETS
from api.demo.traffic import PER_SECOND
from detector.buckets import Bounds, Buckets
from detector.form import Quantile
from detector.run import Definitions
from detector.signal import Signal
from detector.window import with_buckets
from plimsoll_client.families import BUCKETS
from storage.history import NO_LAYOUT, Floats, History, Ints, Windows
from storage.series import Labels

DAY_MS = 86_400_000
DAYS = 8
OVERHEAD_SECONDS = 0.003


@dataclass(frozen=True, slots=True)
class Stream:
    """One series of requests or queries: how many, and how long they take."""

    labels: Labels
    per_second: float
    medians: tuple[tuple[float, float], ...]  # (share, median seconds)
    spread: float = JITTER


def route(method: str, template: str) -> Labels:
    """The labels of a route of the shop."""
    return Labels.of(target="shop", method=method, route=template)


def operation(name: str) -> Labels:
    """The labels of a class of queries of the shop."""
    return Labels.of(target="shop", db="shop", operation=name)


HIT_RATE = 0.86
ROUTES = (
    Stream(
        route("GET", "/products/{product_id}"),
        PER_SECOND["product"],
        ((HIT_RATE, 0.02), (1 - HIT_RATE, 0.05)),
    ),
    Stream(route("GET", "/search"), PER_SECOND["search"], ((1.0, 0.07),)),
    Stream(route("POST", "/checkout"), PER_SECOND["checkout"], ((1.0, 0.11),)),
)
QUERIES = (
    Stream(operation("sum prices"), PER_SECOND["checkout"], ((1.0, 0.00004),), 0.5),
    Stream(operation("search"), PER_SECOND["search"], ((1.0, 0.0001),), 0.5),
)


def fill(history: History, definitions: Definitions, end_ms: int, seed: int) -> Iterator[float]:
    """Write the eight days before `end` into the history; gives the share done."""
    makers: dict[str, Callable[[Signal, Ints, np.random.Generator], Windows]] = {
        "api_p95": lambda s, t, rng: of_streams(s, t, rng, ROUTES, BUCKETS),
        "api_mean": lambda s, t, rng: of_streams(s, t, rng, ROUTES, BUCKETS),
        "api_requests": lambda s, t, rng: of_streams(s, t, rng, ROUTES, BUCKETS),
        "api_error_rate": lambda s, t, rng: of_streams(s, t, rng, ROUTES, BUCKETS),
        "db_p95": lambda s, t, rng: of_streams(s, t, rng, QUERIES, QUERY_BUCKETS),
        "cache_hit_rate": hit_rate,
    }
    chosen = {name: make for name, make in makers.items() if name in definitions.signals}
    for done, (name, make) in enumerate(chosen.items()):
        signal = definitions.signals[name]
        spans = [(signal.form.over, DAYS * DAY_MS), (signal.form.window, DAY_MS // 12)]
        for part, (seconds, back_ms) in enumerate(spans):
            # The same seed for both lengths would make them equal in number, not in sum.
            rng = np.random.default_rng([seed, done, part])
            step_ms = round(seconds * 1000)
            last_ms = end_ms // step_ms * step_ms
            times = np.arange(last_ms - back_ms + step_ms, last_ms + 1, step_ms)
            longer = replace_window(signal, seconds)
            history.put_windows(make(longer, times, rng))
            yield (done + (part + 1) / 2) / len(chosen)


def replace_window(signal: Signal, seconds: float) -> Signal:
    """The same signal with windows of another length."""
    form = signal.form.model_copy(update={"window": seconds, "over": seconds})
    return signal.model_copy(update={"form": form})


def busy(times: Ints) -> Floats:
    """How busy the shop is: nights are quiet, noon is not; never less than half."""
    return 1 + 0.4 * np.sin(2 * np.pi * (times % DAY_MS) / DAY_MS - math.pi / 2)


def of_streams(
    signal: Signal,
    times: Ints,
    rng: np.random.Generator,
    streams: tuple[Stream, ...],
    finite: tuple[float, ...],
) -> Windows:
    """The windows of all streams, drawn from their distributions."""
    bounds: Bounds = (*finite, math.inf)
    parts = []
    for stream in streams:
        expected = stream.per_second * signal.form.window * busy(times)
        counts = rng.multinomial(rng.poisson(expected), shares(stream, bounds))
        buckets = Buckets((bounds,), np.zeros(len(times), np.int64), counts.cumsum(axis=1) * 1.0)
        parts.append((stream, buckets, rng.normal(1, 0.01, len(times))))
    labels = tuple(stream.labels for stream in streams)
    if signal.name == "api_error_rate":
        labels = tuple(one.without("method") for one in labels)
    n = np.concatenate([buckets.totals() for _, buckets, _ in parts])
    values = np.concatenate([value(signal, *part, rng) for part in parts])
    windows = Windows(
        signal.name,
        labels,
        np.repeat(np.arange(len(streams)), len(times)),
        np.tile(times, len(streams)),
        np.full(len(values), signal.form.window),
        values,
        n,
        np.full(len(values), NO_LAYOUT, np.int64),
    )
    if not isinstance(signal.form, Quantile):
        return windows
    cumulative = np.concatenate([buckets.cumulative for _, buckets, _ in parts])
    return with_buckets(windows, Buckets((bounds,), np.zeros(len(values), np.int64), cumulative))


def value(
    signal: Signal, stream: Stream, buckets: Buckets, wobble: Floats, rng: np.random.Generator
) -> Floats:
    """The values of one stream for a signal."""
    match signal.name:
        case "api_error_rate":
            failing = FAILING if stream.labels.get("route") == "/checkout" else 0.0
            n = buckets.totals()
            return rng.binomial(n.astype(np.int64), failing) / np.maximum(n, 1)
        case "api_requests":
            return buckets.totals() / signal.form.window
        case "api_mean":
            log_normal_mean = math.exp(stream.spread**2 / 2)
            mean = sum(share * median for share, median in stream.medians) * log_normal_mean
            return (mean + OVERHEAD_SECONDS) * wobble
        case _:
            form = signal.form
            return buckets.quantile(form.q if isinstance(form, Quantile) else 0.5)


def shares(stream: Stream, bounds: Bounds) -> Floats:
    """The share of observations that falls into each bucket."""
    below = np.zeros(len(bounds))
    for weight, median in stream.medians:
        overhead = OVERHEAD_SECONDS if median > 0.01 else 0.0
        for place, bound in enumerate(bounds):
            over = max(bound - overhead, 1e-9)
            z = math.inf if math.isinf(bound) else math.log(over / median) / stream.spread
            below[place] += weight * 0.5 * (1 + math.erf(z / math.sqrt(2)))
    share: Floats = np.diff(below, prepend=0.0) / below[-1]
    return share


def hit_rate(signal: Signal, times: Ints, rng: np.random.Generator) -> Windows:
    """The hit rate of the shop's cache."""
    lookups = rng.poisson(PER_SECOND["product"] * signal.form.window * busy(times))
    hits = rng.binomial(lookups, HIT_RATE)
    return Windows(
        signal.name,
        (Labels.of(target="shop", cache="products"),),
        np.zeros(len(times), np.int64),
        times,
        np.full(len(times), signal.form.window),
        hits / np.maximum(lookups, 1),
        lookups.astype(np.float64),
        np.full(len(times), NO_LAYOUT, np.int64),
    )

"""Requests as a collector would have found them: cumulative counters of a route, seeded."""

import math
from collections.abc import Callable

import numpy as np

from storage.history import Samples
from storage.series import NAME, Labels

BOUNDS = (
    .005, .01, .015, .02, .03, .04, .05, .06, .075, .09, .1, .125, .15, .2, .25, .35, .5, .75,
    1., 2.5, 5., 10., math.inf,
)  # fmt: skip
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def requests(
    target: str,
    route: str,
    start_ms: int,
    end_ms: int,
    *,
    median_seconds: Callable[[np.ndarray], np.ndarray],
    per_minute: int = 300,
    step_ms: int = MINUTE_MS,
    seed: int = 7,
) -> Samples:
    """The histogram and the counter of one route, and that its target was read, from start to end.

    Latencies are log-normal around `median_seconds(times)` with a daily wave in the traffic.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(start_ms, end_ms + 1, step_ms)
    wave = 1 + 0.5 * np.sin(2 * np.pi * (times % DAY_MS) / DAY_MS)
    count = rng.poisson(per_minute * wave * step_ms / MINUTE_MS)
    medians = median_seconds(times)
    edges = np.array(BOUNDS[:-1])
    below = np.array(
        [[0.5 * (1 + math.erf(math.log(e / m) / (0.4 * math.sqrt(2)))) for e in edges]
         for m in np.unique(medians)]
    )  # fmt: skip
    share = np.diff(below, axis=1, prepend=0.0, append=1.0)
    share = np.column_stack([share[:, :-1], 1 - share[:, :-1].sum(axis=1)])
    drawn = rng.multinomial(count, share[np.unique(medians, return_inverse=True)[1]])
    cumulative = drawn.cumsum(axis=1).cumsum(axis=0)
    middle = np.append((np.array(BOUNDS[:-1]) + np.append(0, BOUNDS[:-2])) / 2, 10.0)
    sums = (drawn * middle).sum(axis=1).cumsum()
    labels = Labels.of(target=target, method="GET", route=route, status_class="2xx")
    base = "http_server_request_duration_seconds"
    columns = [
        (labels.plus(**{NAME: f"{base}_bucket", "le": "+Inf" if b == math.inf else f"{b:g}"}),
         cumulative[:, i])
        for i, b in enumerate(BOUNDS)
    ]  # fmt: skip
    total = cumulative[:, -1]
    requests_labels = labels.without("status_class").plus(status="200")
    columns += [
        (labels.plus(**{NAME: f"{base}_sum"}), sums),
        (labels.plus(**{NAME: f"{base}_count"}), total),
        (requests_labels.plus(**{NAME: "http_server_requests_total"}), total),
        (Labels.of({NAME: "plimsoll_collector_up", "target": target, "collector": "scrape"}),
         np.ones(len(times))),
    ]  # fmt: skip
    return Samples(
        tuple(one for one, _ in columns),
        np.repeat(np.arange(len(columns)), len(times)),
        np.tile(times, len(columns)),
        np.concatenate([values.astype(np.float64) for _, values in columns]),
    )

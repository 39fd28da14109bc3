"""Counters as a target would show them, and what grew between two looks, in plain loops.

A `Page` is what one target showed at one time: the values of its series, or None when it could not
be read. The loops are the reference: slow, and as close to the words as can be.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from detector.increase import LOOKBACK_MS, UP, Seen, seen_times
from storage.history import Samples
from storage.series import NAME, Labels, Sample

START_MS = 1_772_452_800_000
INF = math.inf
Values = Mapping[Labels, float]


@dataclass(frozen=True)
class Page:
    """What a target showed at a time; `values` is None when it could not be read."""

    target: str
    at_ms: int
    values: Values | None


def as_read(samples: Iterable[Sample]) -> Samples:
    """Samples as a history gives them: by series, then by time, each once."""
    newest = {(one.labels, one.at_ms): one for one in samples}
    order = {one.labels: i for i, one in reversed(list(enumerate(newest.values())))}
    return Samples.of(sorted(newest.values(), key=lambda one: (order[one.labels], one.at_ms)))


def samples_of(pages: Iterable[Page]) -> Samples:
    """The samples of all pages."""
    return as_read(
        Sample(labels, page.at_ms, value)
        for page in pages
        for labels, value in (page.values or {}).items()
    )


def ups_of(pages: Iterable[Page]) -> Samples:
    """What the collector notes about each try."""
    return as_read(
        Sample(
            Labels.of({NAME: UP, "target": page.target}),
            page.at_ms,
            0.0 if page.values is None else 1.0,
        )
        for page in pages
    )


def seen_of(pages: Iterable[Page]) -> Seen:
    """When each target was read."""
    return seen_times(ups_of(pages))


Grown = dict[tuple[Labels, int], tuple[float, int]]


def grown(pages: Sequence[Page], together: Mapping[Labels, object] | None = None) -> Grown:
    """For each (series, time) that has one: the increase and the milliseconds it covers.

    Series that are `together` under one name are reset together.
    """
    result: Grown = {}
    last: dict[Labels, tuple[int, float]] = {}
    last_read: dict[str, int] = {}
    for page in sorted(pages, key=lambda one: one.at_ms):
        if page.values is None:
            continue
        usable = {k: v for k, v in page.values.items() if math.isfinite(v)}
        fell = {k for k, v in usable.items() if known(last, k, page.at_ms) and v < last[k][1]}
        groups = {together[k] for k in fell} if together else set()
        for labels, value in usable.items():
            read_ms = last_read.get(page.target)
            if known(last, labels, page.at_ms):
                before_ms, before = last[labels]
                was_reset = labels in fell or (together and together[labels] in groups)
                result[labels, page.at_ms] = (
                    value if was_reset else value - before,
                    page.at_ms - before_ms,
                )
            elif read_ms is not None and page.at_ms - read_ms <= LOOKBACK_MS:
                result[labels, page.at_ms] = (value, page.at_ms - read_ms)
            last[labels] = (page.at_ms, value)
        last_read[page.target] = page.at_ms
    return result


def known(last: Mapping[Labels, tuple[int, float]], labels: Labels, at_ms: int) -> bool:
    """Whether a series has a sample that is young enough to grow from."""
    return labels in last and at_ms - last[labels][0] <= LOOKBACK_MS


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """Prometheus' `histogram_quantile` on cumulative (bound, count) pairs, the last infinite."""
    total = buckets[-1][1]
    if total == 0:
        return math.nan
    rank = q * total
    at = next((i for i, (_, count) in enumerate(buckets) if count >= rank), len(buckets) - 1)
    if at == len(buckets) - 1:
        return buckets[-2][0]
    upper, count = buckets[at]
    if at == 0 and upper <= 0:
        return upper
    lower, below = (0.0, 0.0) if at == 0 else buckets[at - 1]
    return lower + (upper - lower) * (rank - below) / (count - below)


def labelled(metric: str, target: str, /, **labels: str) -> Labels:
    """A series of a target."""
    return Labels.of({NAME: metric, "target": target}, **labels)


@st.composite
def counters(draw: st.DrawFn, *, names: Sequence[str] = ("a", "b", "c")) -> list[Page]:
    """Pages of two targets with counters that grow, begin, vanish, break and start again."""
    step_ms = draw(st.sampled_from([20_000, 45_000, 60_000, 100_000]))
    pages: list[Page] = []
    for target in ("shop", "till"):
        offset_ms = draw(st.integers(0, step_ms - 1))
        current: dict[Labels, float] = {}
        for i in range(draw(st.integers(0, 14))):
            at_ms = START_MS + offset_ms + i * step_ms
            event = draw(st.sampled_from(["read"] * 6 + ["unread", "restart", "odd"]))
            if event == "unread":
                pages.append(Page(target, at_ms, None))
                continue
            if event == "restart":
                current = {}
            for name in names:
                if draw(st.booleans()):
                    key = labelled("hits_total", target, name=name)
                    current[key] = current.get(key, 0.0) + draw(st.integers(0, 1000))
            shown = dict(current)
            if event == "odd":
                for key in shown:
                    if draw(st.booleans()):
                        shown[key] = draw(st.sampled_from([math.nan, INF, -INF]))
            pages.append(Page(target, at_ms, shown))
    return pages


@st.composite
def histograms(draw: st.DrawFn, *, layouts: Sequence[Sequence[float]]) -> list[Page]:
    """Pages of a target with two histograms; each has one of the layouts and may be restarted."""
    step_ms = draw(st.sampled_from([20_000, 60_000]))
    bounds = {name: draw(st.sampled_from(list(layouts))) for name in ("x", "y")}
    counts = {name: [0.0] * len(bounds[name]) for name in bounds}
    pages: list[Page] = []
    for i in range(draw(st.integers(1, 10))):
        shown: dict[Labels, float] = {}
        for name, edges in bounds.items():
            added = [float(draw(st.integers(0, 20))) for _ in edges]
            # A restart after which all buckets are as full as before is one that nobody can see.
            restarted = draw(st.integers(0, 4)) == 0 and sum(added) < sum(counts[name])
            before = [0.0] * len(edges) if restarted else counts[name]
            counts[name] = [a + b for a, b in zip(before, added, strict=True)]
            for j, edge in enumerate(edges):
                le = "+Inf" if edge == INF else f"{edge:g}"
                key = labelled("latency_seconds_bucket", "shop", name=name, le=le)
                shown[key] = sum(counts[name][: j + 1])
        pages.append(Page("shop", START_MS + 7_000 + i * step_ms, shown))
    return pages

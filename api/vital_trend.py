"""Web vitals over time, by value and by route: what the pages draw and REST gives."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from api.house import House
from api.levels import Levels, LevelShape
from api.shapes import DeploymentShape, Shape
from api.vital_shapes import (
    Certainty,
    DistributionShape,
    LossShape,
    MetricName,
    distribution,
    unit_of,
)
from api.vitals import Hours, running, stored_rows
from collector.rum.cells import HOUR_MS, Cut
from collector.rum.percentile import BOUNDS, LEAST_CERTAIN, band
from collector.rum.vitals import VITALS
from detector import units
from detector.pooling import Level
from detector.units import Unit
from storage.history import Floats
from storage.series import Labels

Chosen = Callable[[Labels], bool]
METRICS: tuple[MetricName, ...] = ("LCP", "INP", "CLS", "FCP", "TTFB")
MOST_POINTS = 200
WHOLE_HOURS = (1, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True)
class Hourly:
    """The bucket counts of one metric in one hour, of one set of labels."""

    end_ms: int
    metric: str
    counts: Floats


class Rating(StrEnum):
    """Where a value lies among the thresholds of web.dev; both ends are inclusive."""

    GOOD = "good"
    NEEDS_IMPROVEMENT = "needs_improvement"
    POOR = "poor"
    UNKNOWN = "unknown"
    """Fewer than 25 values: there is no percentile."""


class RatedShape(DistributionShape):
    """The values of one metric, with the rating of their p75."""

    metric: MetricName
    """The metric."""
    unit: Unit
    """Base unit of the percentile."""
    rating: Rating
    """Of the p75."""
    excess: float | None
    """p75 over the end of good: above 1 it is not good any more; null without a percentile."""


class PooledShape(LevelShape):
    """A metric of a route and class of devices that is judged with others, or not at all."""

    metric: MetricName
    """The metric."""
    device: str
    """mobile, tablet or desktop."""


class RouteShape(Shape):
    """One route of an app, all devices together unless one is asked for."""

    app: str
    """The app."""
    route: str
    """The route, as a template; `__other__` for those without a label of their own."""
    views: int
    """Most values of any of its metrics: about how many page views told something."""
    worst: MetricName | None
    """The metric with the largest excess among those with 100 values or more; null without one."""
    rating: Rating
    """The rating of that metric."""
    metrics: list[RatedShape]
    """Each metric with values: LCP, INP, CLS, FCP, TTFB."""
    loss: LossShape
    """What is missing; the coverage is of the route, the rest of its app."""
    pooled: list[PooledShape]
    """The metrics and devices that have too few values in the last hour to be judged by
    themselves."""


class RoutesShape(Shape):
    """Routes, the worst first."""

    since: datetime
    """Begin of the first whole hour."""
    until: datetime
    """End of the last."""
    items: list[RouteShape]
    """The routes."""
    more: bool
    """Whether there are more than are given."""


class TrendCurve(Shape):
    """The p75 over time, in columns of equal length; a span with too few values has a null."""

    id: str
    """The metric."""
    end_ms: list[int]
    """Ends of the spans, milliseconds since the epoch, oldest first."""
    value: list[float | None]
    """The p75 of each."""
    low: list[float | None]
    """Lower edge of its 95 % band, by order statistics."""
    high: list[float | None]
    """Upper edge."""
    n: list[float]
    """How many values are behind each."""


class TrendShape(Shape):
    """One metric over time, with what was deployed meanwhile."""

    unit: Unit
    """Base unit of the values."""
    good: float
    """Values up to here are good."""
    fair: float
    """Values above are poor."""
    since: datetime
    """Begin of the span."""
    until: datetime
    """End of the span."""
    window_seconds: float
    """Length of the span behind each value: whole hours."""
    series: list[TrendCurve]
    """One."""
    deployments: list[DeploymentShape]
    """What was deployed in the span."""


class BucketShape(Shape):
    """One bucket of values."""

    above: float
    """Values are above this; the first bucket of CLS holds exact zeros."""
    to: float | None
    """And at most this; null for the last bucket, which has no end."""
    text: str
    """The same for people."""
    rating: Rating
    """good, needs_improvement or poor: thresholds are edges, so a bucket has one."""
    n: int
    """How many values."""
    share: float
    """Their share of all."""


class BucketsShape(Shape):
    """How the values of one metric are distributed."""

    metric: MetricName
    """The metric."""
    unit: Unit
    """Base unit of the edges."""
    n: int
    """How many values."""
    items: list[BucketShape]
    """All buckets, the smallest values first; none without values."""


def rated(metric: MetricName, observed: Sequence[float] | Floats) -> RatedShape:
    """The values of a metric with the rating of their p75."""
    found = distribution(metric, observed)
    return RatedShape(
        **found.model_dump(),
        metric=metric,
        unit=unit_of(metric),
        rating=rating(metric, found.p75),
        excess=None if found.p75 is None else found.p75 / VITALS[metric].good,
    )


def rating(metric: MetricName, value: float | None) -> Rating:
    """Where a value lies."""
    if value is None:
        return Rating.UNKNOWN
    if value <= VITALS[metric].good:
        return Rating.GOOD
    return Rating.NEEDS_IMPROVEMENT if value <= VITALS[metric].fair else Rating.POOR


def route_of(
    app: str,
    route: str,
    known: Mapping[str, Floats],
    loss: LossShape,
    pooled: Sequence[PooledShape],
) -> RouteShape:
    """One route from the counts of its metrics."""
    metrics = [rated(one, known[one]) for one in METRICS if one in known]
    sure = [one for one in metrics if one.certainty in (Certainty.SHOWN, Certainty.JUDGED)]
    worst = max(sure, key=lambda one: one.excess or 0.0, default=None)
    return RouteShape(
        app=app,
        route=route,
        views=max((one.n for one in metrics), default=0),
        worst=worst.metric if worst else None,
        rating=worst.rating if worst else Rating.UNKNOWN,
        metrics=metrics,
        loss=loss,
        pooled=list(pooled),
    )


def pooled(
    levels: Levels, app: str, route: str, metrics: Iterable[MetricName], devices: Iterable[str]
) -> list[PooledShape]:
    """What of a route is not judged by itself."""
    found = []
    for metric in metrics:
        for device in devices:
            one = levels.of_vital(metric, app, route, device)
            if one is not None and one.level in (Level.POOL, Level.NOWHERE):
                found.append(PooledShape(**one.model_dump(), metric=metric, device=device))
    return found


def weight(one: RouteShape) -> tuple[float, int, str, str]:
    """For sorting: what is furthest beyond good first; what is not sure comes last."""
    worst = next((each for each in one.metrics if each.metric == one.worst), None)
    return -(worst.excess or 0.0) if worst else 1.0, -one.views, one.app, one.route


def step_of(hours: Hours, n: float) -> int:
    """The length of the spans of a trend, in milliseconds.

    The fewest whole hours that keep to `MOST_POINTS` and have enough values, on average, for their
    percentiles to be certain; a day at most.
    """
    count = (hours.until_ms - hours.since_ms) // HOUR_MS
    for one in WHOLE_HOURS:
        if count <= MOST_POINTS * one and n * one >= LEAST_CERTAIN * count:
            return one * HOUR_MS
    return WHOLE_HOURS[-1] * HOUR_MS


def over_time(found: Sequence[Hourly], hours: Hours, metric: MetricName) -> tuple[int, TrendCurve]:
    """How long the spans are, in milliseconds, and the p75 of each span with values.

    Of added counts, never of other percentiles.
    """
    mine = [one for one in found if one.metric == metric]
    step = step_of(hours, sum(float(one.counts.sum()) for one in mine))
    known: dict[int, Floats] = {}
    for one in mine:
        slot = -(-one.end_ms // step) * step
        if slot in known:
            known[slot] += one.counts
        else:
            known[slot] = one.counts.copy()
    ends = sorted(known)
    bands = [band(BOUNDS[metric], known[one].tolist()) for one in ends]
    return step, TrendCurve(
        id=metric,
        end_ms=[min(one, hours.until_ms) for one in ends],
        value=[one.value if one else None for one in bands],
        low=[one.low if one else None for one in bands],
        high=[one.high if one else None for one in bands],
        n=[float(known[one].sum()) for one in ends],
    )


def in_all(found: Sequence[Hourly]) -> dict[MetricName, Floats]:
    """The counts of each metric over all hours."""
    total: dict[MetricName, Floats] = {}
    for name in METRICS:
        mine = [one.counts for one in found if one.metric == name]
        if mine:
            total[name] = np.sum(mine, axis=0)
    return total


def hourly(house: House, hours: Hours, chosen: Chosen) -> list[Hourly]:
    """The counts of each hour and set of labels that is chosen; read once for all metrics."""
    live = running(house, hours)
    found = [
        Hourly(hour.end_ms, name, np.array(observed, np.float64))
        for hour in live
        for labels, name, observed in hour.rows(Cut.MIX)
        if chosen(labels)
    ]
    stored, rows = stored_rows(house, Cut.MIX, hours, live)
    names = [one.get("metric") if chosen(one) else "" for one in stored.series]
    known = np.array([name in VITALS for name in names], bool)
    starts = np.cumsum(stored.widths()) - stored.widths()
    for i in rows[known[stored.index[rows]]].tolist() if len(rows) else []:
        name, first = names[int(stored.index[i])], int(starts[i])
        size = len(BOUNDS[name])
        if len(stored.layouts[int(stored.layout[i])]) == size:
            counts = stored.counts[first : first + size]
            found.append(Hourly(int(stored.end_ms[i]), name, counts))
    return found


def buckets(metric: MetricName, observed: Sequence[float] | Floats) -> BucketsShape:
    """The distribution as it was counted."""
    total = float(sum(observed))
    unit, items, above = unit_of(metric), [], 0.0
    for bound, count in zip(BOUNDS[metric], observed, strict=True) if total else ():
        last = np.isinf(bound)
        if last:
            told = f"above {units.text(above, unit)}"
        elif bound == 0:
            told = "exactly 0"
        else:
            told = f"to {units.text(bound, unit)}"
        items.append(
            BucketShape(
                above=above,
                to=None if last else bound,
                text=told,
                rating=Rating.POOR if last else rating(metric, bound),
                n=round(float(count)),
                share=float(count) / total,
            )
        )
        above = above if last else bound
    return BucketsShape(metric=metric, unit=unit, n=round(total), items=items)

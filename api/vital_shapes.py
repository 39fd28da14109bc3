"""What REST says of web vitals: distributions, what they do not know of, and comparisons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from api.levels import LevelShape
from api.shapes import Shape
from collector.rum.percentile import (
    BOUNDS,
    LEAST_CERTAIN,
    LEAST_COUNT,
    Comparison,
    band,
    compare,
    shares,
)
from collector.rum.vitals import VITALS
from detector import units
from detector.units import Unit
from storage.history import Floats

MetricName = Literal["LCP", "INP", "CLS", "FCP", "TTFB"]
Key = tuple[str, ...]


class Certainty(StrEnum):
    """How much a percentile of so many values is worth."""

    TOO_FEW = "too_few"
    """Fewer than 25 values: no percentile is given."""
    UNCERTAIN = "uncertain"
    """Fewer than 100: shown in grey."""
    SHOWN = "shown"
    """Enough to be shown, and too few to be judged."""
    JUDGED = "judged"
    """As many as the rules ask for."""


class LossShape(Shape):
    """What a percentile does not know of. A ratio is null where nothing is known."""

    beacons: float
    """Beacons that were sent, as far as their sequences tell."""
    beacons_lost: float | None
    """Share of them that did not come."""
    views: float
    """Page views that began and are over."""
    views_unfinalised: float | None
    """Share of them whose end was never told, so INP and CLS are missing."""
    coverage: float | None
    """Page loads that browsers told of, over the pages of HTML that the server counted for the same
    route, or over all its GET requests where it does not tell them apart; null without `target`, or
    where it has no such route. A cache before it adds to it."""


class DistributionShape(Shape):
    """The values of one metric."""

    n: int
    """How many values were counted, never extrapolated."""
    certainty: Certainty
    """How much that is worth."""
    p75: float | None
    """The 75th percentile, in the unit; null of fewer than 25 values."""
    p75_low: float | None
    """Lower edge of its 95 % band, by order statistics."""
    p75_high: float | None
    """Upper edge."""
    p75_text: str
    """The percentile for people."""
    good: float | None
    """Share of the values that are good; null of none."""
    needs_improvement: float | None
    """Share between good and poor."""
    poor: float | None
    """Share that is poor."""


class VitalShape(DistributionShape):
    """One metric of one route and device, with what it does not know of beside it."""

    app: str
    """The app."""
    metric: MetricName
    """The metric."""
    route: str
    """The route; empty for all together."""
    device: str
    """mobile, tablet or desktop; empty for all together."""
    unit: Unit
    """Base unit of the percentile."""
    loss: LossShape
    """What is missing."""
    judged: LevelShape | None
    """Whether rules judge it itself, or with its group of routes or all of the app, by the values
    of the last hour; null where routes or devices are taken together."""


class VitalsShape(Shape):
    """All that is asked for, the busiest first."""

    since: datetime
    """Begin of the first whole hour."""
    until: datetime
    """End of the last."""
    items: list[VitalShape]
    """One for each app, metric, route and device."""
    more: bool
    """Whether there are more than are given."""


class ReleaseShape(DistributionShape):
    """One metric of one release."""

    release: str
    """The release that beacons carry; `__other__` for those without a label of their own."""
    since: datetime
    """Begin of the first hour with page views of it, within the span."""


class ComparedShape(Shape):
    """Whether one set of values is worse than another; both bands are at 99 % here."""

    before: str
    """What it is compared with."""
    after: str
    """What is compared."""
    verdict: Comparison
    """unknown, steady, worse or better."""
    reason: str
    """Why."""
    share_z: float | None
    """z of the difference of the shares worse than good; positive where they grew."""


class ReleasesShape(Shape):
    """The releases of an app, the newest last, and the newest against the one before it."""

    items: list[ReleaseShape]
    """Each release with its values."""
    compared: ComparedShape | None
    """The two that were asked for, or the newest two; null with fewer."""


class ElementShape(DistributionShape):
    """One LCP element or INP target. Counts are lower bounds: rare ones make room for others."""

    element: str
    """Its selector."""
    share: float
    """Its share of the values whose element is known."""
    share_before: float | None
    """The same in the release or span that it is compared with; null without one."""
    p75_before: float | None
    """Its percentile there."""
    growth: float | None
    """Its part of the change: share x p75 now less the same before, in the unit."""


class ElementsShape(Shape):
    """What the values are about, the one that grew most first, else the most frequent."""

    metric: MetricName
    """LCP or INP."""
    items: list[ElementShape]
    """The elements."""


class ShiftShape(Shape):
    """The span against the same app's week before, with and without the change of its visitors."""

    compared: ComparedShape
    """As they were measured."""
    alike: ComparedShape | None
    """With the devices, connections and kinds of navigation as frequent as before; null of none."""
    mix: bool
    """Whether the difference is one of visitors: it is gone when they are made alike."""
    now: DistributionShape
    """The span."""
    before: DistributionShape
    """The week before it."""


def distribution(metric: str, observed: Sequence[float] | Floats) -> DistributionShape:
    """What the counts of one metric say."""
    values = [float(one) for one in observed]
    n = round(sum(values))
    found, parts = band(BOUNDS[metric], values), shares(metric, values)
    certainty = Certainty.JUDGED
    if found is None:
        certainty = Certainty.TOO_FEW
    elif n < LEAST_CERTAIN:
        certainty = Certainty.UNCERTAIN
    elif n < LEAST_COUNT[metric]:
        certainty = Certainty.SHOWN
    return DistributionShape(
        n=n,
        certainty=certainty,
        p75=found.value if found else None,
        p75_low=found.low if found else None,
        p75_high=found.high if found else None,
        p75_text=units.text(found.value if found else None, unit_of(metric)),
        good=parts.good if parts else None,
        needs_improvement=parts.needs_improvement if parts else None,
        poor=parts.poor if parts else None,
    )


def compared_of(
    metric: str,
    before: str,
    was: Sequence[float] | Floats,
    after: str,
    now: Sequence[float] | Floats,
) -> ComparedShape:
    """One set of counts against another."""
    found = compare(metric, [float(one) for one in was], [float(one) for one in now])
    return ComparedShape(
        before=before,
        after=after,
        verdict=found.verdict,
        reason=found.reason,
        share_z=found.share_z,
    )


def summed(metric: str, known: Mapping[Key, Floats]) -> list[float]:
    """All counts together."""
    total = [0.0] * len(BOUNDS[metric])
    for observed in known.values():
        total = [a + float(b) for a, b in zip(total, observed, strict=True)]
    return total


def unit_of(metric: str) -> Unit:
    """The base unit of a metric."""
    return Unit.SECONDS if VITALS[metric].is_time else Unit.COUNT

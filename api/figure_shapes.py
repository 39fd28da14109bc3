"""What REST and the pages say of caches and of resources: signals with their bands, and figures."""

from collections.abc import Sequence
from datetime import datetime

from api.figures import About, Drawn
from api.shapes import DeploymentShape, Shape
from api.signal_shapes import SeriesShape
from api.standing import Series, Standing
from detector import units
from detector.regression import Severity
from detector.units import Unit


class FigureCurve(Shape):
    """One series of a figure over time, in columns of equal length. A gap has no entry."""

    id: str
    """Stable inside its target."""
    figure: str
    """The figure."""
    title: str
    """What it is."""
    unit: Unit
    """Base unit of the values."""
    labels: dict[str, str]
    """What tells its series apart."""
    end_ms: list[int]
    """Ends of the steps, milliseconds since the epoch, oldest first."""
    value: list[float]
    """The values."""
    n: list[float]
    """How many samples are behind each."""


class FiguresShape(Shape):
    """Figures of one target over a span of time; they have no baseline and no rule."""

    target: str
    """The target."""
    since: datetime
    """Begin of the span."""
    until: datetime
    """End of the span."""
    window_seconds: float
    """Length of each step."""
    series: list[FigureCurve]
    """The figures with samples in the span."""
    deployments: list[DeploymentShape]
    """What was deployed in the span."""


class FigureNow(Shape):
    """The newest value of a figure."""

    id: str
    """Stable inside its target."""
    figure: str
    """The figure."""
    title: str
    """What it is."""
    unit: Unit
    """Base unit of the value."""
    labels: dict[str, str]
    """What tells its series apart."""
    value: float
    """Of the newest whole minute in the last five."""
    text: str
    """The same for people."""


class SignalNow(Shape):
    """One signal of one target as it stands."""

    signal: str
    """The signal."""
    title: str
    """Its title."""
    judged: bool
    """Whether a rule judges it; else it is only shown."""
    series: list[SeriesShape]
    """The series of this target, the weightiest first."""


class GroupShape(Shape):
    """One group of keys of a Redis server. Null is not known, never zero."""

    group: str
    """The group: a pattern of the configuration, or what keys begin with."""
    keys: float | None
    """How many keys, from a sample of them."""
    bytes: float | None
    """About how much memory, from the same sample."""
    misses_per_second: float | None
    """Look-ups that found nothing; where `keymiss` events are on."""
    share_of_misses: float | None
    """Its share of the misses of all groups."""
    missed_after_expiry_per_second: float | None
    """Those that came within a minute after the key expired: its time to live is too short."""
    evicted_per_second: float | None
    """Keys evicted; where `evicted` events are on."""
    expired_per_second: float | None
    """Keys expired; where `expired` events are on."""
    ttl_seconds: float | None
    """Median time that sampled keys have to live."""
    idle_seconds: float | None
    """Median time since sampled keys were read."""


class TargetNow(Shape):
    """How one target stands."""

    target: str
    """The target."""
    severity: Severity | None
    """Of the worst regression that is open on its signals shown here; null without one."""
    signals: list[SignalNow]
    """Its signals."""
    figures: list[FigureNow]
    """Its figures."""


class CacheNow(TargetNow):
    """How one cache stands."""

    groups: list[GroupShape]
    """Its groups of keys, those that miss most first; none where keys are not looked at."""


class TargetsNow(Shape):
    """Targets, what is open on top."""

    items: list[TargetNow]
    """The targets."""


class CachesNow(Shape):
    """Caches, what is open on top."""

    items: list[CacheNow]
    """The caches."""


def curve_of(one: Drawn) -> FigureCurve:
    """A figure over time."""
    return FigureCurve(
        id=one.id,
        figure=one.figure.name,
        title=one.figure.title,
        unit=one.figure.unit,
        labels={name: one.labels.get(name) for name in one.figure.by},
        end_ms=one.end_ms,
        value=one.value,
        n=one.n,
    )


def now_of(one: Drawn) -> FigureNow:
    """Its newest value."""
    return FigureNow(
        id=one.id,
        figure=one.figure.name,
        title=one.figure.title,
        unit=one.figure.unit,
        labels={name: one.labels.get(name) for name in one.figure.by},
        value=one.value[-1],
        text=units.text(one.value[-1], one.figure.unit),
    )


def signal_now(one: Standing, series: Sequence[Series]) -> SignalNow:
    """A signal with some of its series."""
    return SignalNow(
        signal=one.signal.name,
        title=one.signal.title,
        judged=any(rule.enabled for rule in one.rules.values()),
        series=[SeriesShape.of(each, one.signal.form.unit) for each in series],
    )


def groups_of(figures: Sequence[Drawn]) -> list[GroupShape]:
    """The groups of keys of one target from their figures."""
    found: dict[str, dict[str, float]] = {}
    for one in figures:
        if one.figure.about is About.GROUP:
            found.setdefault(one.labels.get("group"), {})[one.figure.name] = one.value[-1]
    misses = sum(one.get("group_misses", 0.0) for one in found.values())
    rows = [group_of(name, known, misses) for name, known in found.items()]
    return sorted(rows, key=lambda one: (-(one.misses_per_second or 0.0), -(one.bytes or 0.0)))


def group_of(name: str, known: dict[str, float], misses: float) -> GroupShape:
    """One group."""
    missed = known.get("group_misses")
    return GroupShape(
        group=name,
        keys=known.get("group_keys"),
        bytes=known.get("group_bytes"),
        misses_per_second=missed,
        share_of_misses=missed / misses if missed is not None and misses else None,
        missed_after_expiry_per_second=known.get("group_missed_after_expiry"),
        evicted_per_second=known.get("group_evicted"),
        expired_per_second=known.get("group_expired"),
        ttl_seconds=known.get("group_ttl"),
        idle_seconds=known.get("group_idle"),
    )

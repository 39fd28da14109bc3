"""The typed forms of signals: what each reads, and what it means.

A signal is typed because a judge needs to know how many observations stand behind a number. Each
form reads counters, gauges or histograms of the text format and yields windows (value, n, buckets).
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from detector.deriving import Derivations, derived
from detector.expression import check_closed
from detector.renaming import (
    GaugeVariant,
    Metric,
    Metrics,
    MetricVariant,
    RatioVariant,
    Renaming,
    Variant,
)
from detector.units import Unit
from storage.duration import Seconds
from storage.series import Labels, Match, Matcher, Selector

LAST_BUCKET = Matcher("le", Match.EQUAL, "+Inf")
WINDOW = "$window"

MINE = {"metric", "numerator", "denominator", "of", "complement"}
"""Keys that say what is read; the others say what it means."""

READING = frozenset({*MINE, "form", "labels", "constants", "scale", "variants", "derive"})
"""Keys of a signal after whose change its aliases no longer mean the same."""


class Direction(StrEnum):
    """Which way is worse."""

    UP = "up"
    DOWN = "down"


class _Form(Renaming):
    """What all forms share."""

    title: str = Field("", description="How a person calls it; the name when left out.")
    description: str = Field("", description="One sentence: what it tells, and what is worse.")
    by: tuple[str, ...] = Field((), description="Labels that make a series of its own.")
    derive: Derivations = Field(
        (), description="Labels of `by` that are made of others, see [derived](#derived-labels)."
    )
    pool: str | None = Field(
        None,
        description="The signal that holds several series of this one together, by fewer labels: "
        "what has too few observations is judged with the series there that it is part of.",
    )
    unit: Unit = Field(Unit.COUNT, description="Base unit of the value.")
    worse: Direction = Field(Direction.UP, description="Which way is worse: up or down.")
    window: Seconds = Field(60.0, description="Length of a stored window.")
    over: Seconds = Field(300.0, description="Span that a judgement looks at; whole windows.")
    kind: str = Field("other", description="Where it is shown: api, database, cache, resource.")
    vital: Literal["LCP", "INP", "CLS", "FCP", "TTFB"] | None = Field(
        None,
        description="The web vital that it is, whose page views the receiver of beacons counts: "
        "what the gate `mix` weighs, and what a regression is explained by.",
    )

    @model_validator(mode="after")
    def _whole_windows(self) -> "_Form":
        if self.window < 1:
            raise ValueError("`window` must be at least 1s")
        if round(self.over * 1000) % self.window_ms:
            raise ValueError(
                "`over` must be a whole number of `window`s, like window: 1m, over: 5m"
            )
        return self

    @model_validator(mode="after")
    def _derived_is_used(self) -> "_Form":
        made = [one.name for one in self.derive]
        for one in self.derive:
            if one.name not in self.by:
                raise ValueError(f"`derive` makes `{one.name}`, which is not in `by`")
            if one.label in made:
                raise ValueError(f"`derive` makes `{one.name}` of `{one.label}`, which is made too")
        return self

    @property
    def window_ms(self) -> int:
        """Length of a stored window in milliseconds."""
        return round(self.window * 1000)

    @property
    def read_by(self) -> tuple[str, ...]:
        """The labels that tell its series apart as they are read: of a made one what it is of."""
        of = {one.name: one.label for one in self.derive}
        return tuple(dict.fromkeys(of.get(one, one) for one in self.by))

    def series_of(self, labels: Labels) -> Labels:
        """The series of the signal that a series of samples, or a finer signal's, belongs to."""
        return derived(labels, self.derive).only(self.by)

    def selectors(self) -> tuple[Selector, ...]:
        """The series it reads, those of its variants left out."""
        raise TypeError("a form names its selectors")  # pragma: no cover

    def counted(self) -> tuple[Selector, ...]:
        """The series that tell how much was observed: where they are, the signal is."""
        return self.selectors()

    def halves(self) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
        """What is divided, and what it is divided by; both empty where nothing is."""
        return (), ()

    def variation(self, variant: Variant) -> dict[str, Any]:
        """The members that a variant gives another value."""
        return {name: getattr(variant, name) for name in type(variant).model_fields if name in MINE}


class _Histogram(_Form):
    metric: Metric = Field(description="The histogram, without `_bucket`.")
    variants: tuple[MetricVariant, ...] = Field(
        (), description="Other series that feed it, see [variants](#variants)."
    )

    def selectors(self) -> tuple[Selector, ...]:
        """The bucket series."""
        return (self.metric.renamed(f"{self.metric.metric}_bucket"),)

    def counted(self) -> tuple[Selector, ...]:
        """The last bucket, which counts all observations."""
        return (self.selectors()[0].narrowed(LAST_BUCKET),)


class Quantile(_Histogram):
    """Quantile of the merged increase of a histogram; n counts the observations."""

    form: Literal["quantile"]
    q: float = Field(gt=0, lt=1, description="Which quantile, between 0 and 1.")


class Mean(_Form):
    """Increase of a histogram's sum over the increase of its count; n counts the observations."""

    form: Literal["mean"]
    metric: Metric = Field(description="The histogram or summary, without `_sum`.")
    variants: tuple[MetricVariant, ...] = Field(
        (), description="Other series that feed it, see [variants](#variants)."
    )

    def selectors(self) -> tuple[Selector, ...]:
        """The sum and the count."""
        name = self.metric.metric
        return (self.metric.renamed(f"{name}_sum"), self.metric.renamed(f"{name}_count"))

    def halves(self) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
        """The sum over the count."""
        total, count = self.selectors()
        return (total,), (count,)

    def counted(self) -> tuple[Selector, ...]:
        """The count."""
        return self.selectors()[1:]


class Share(_Histogram):
    """Share of the observations of a histogram within a bound; n counts the observations."""

    form: Literal["share"]
    bound: float = Field(
        allow_inf_nan=False,
        description="What counts as within: an edge of the buckets, in the unit of the signal.",
    )


class Ratio(_Form):
    """Counter increase over counter increase; n is the increase of the denominator."""

    form: Literal["ratio"]
    numerator: Metrics = Field(
        description="The counter of what is looked at; several are added up."
    )
    denominator: Metrics = Field(description="The counter of all; several are added up.")
    variants: tuple[RatioVariant, ...] = Field(
        (), description="Other series that feed it, see [variants](#variants)."
    )

    def selectors(self) -> tuple[Selector, ...]:
        """Numerators and denominators."""
        return (*self.numerator, *self.denominator)

    def halves(self) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
        """Numerators over denominators."""
        return self.numerator, self.denominator

    def counted(self) -> tuple[Selector, ...]:
        """The denominators."""
        return self.denominator


class Rate(_Form):
    """Counter increase per second; n is the increase."""

    form: Literal["rate"]
    metric: Metric = Field(description="The counter.")
    variants: tuple[MetricVariant, ...] = Field(
        (), description="Other series that feed it, see [variants](#variants)."
    )

    def selectors(self) -> tuple[Selector, ...]:
        """The counter."""
        return (self.metric,)


class Gauge(_Form):
    """Average, minimum, maximum, last value or sum over the window; n counts the samples."""

    form: Literal["gauge"]
    metric: Metric = Field(description="The gauge.")
    stat: Literal["avg", "min", "max", "last", "sum"] = Field(
        "avg",
        description="Which value of the window; `sum` adds up the averages of the series.",
    )
    of: Metric | None = Field(
        None, description="A gauge that it is divided by: memory that is free `of` all memory."
    )
    complement: bool = Field(
        False, description="Whether the value is what is missing to 1: used instead of free."
    )
    variants: tuple[GaugeVariant, ...] = Field(
        (), description="Other series that feed it, see [variants](#variants)."
    )

    @model_validator(mode="after")
    def _no_extremes_of_quotients(self) -> "Gauge":
        derived: list[Gauge | GaugeVariant] = [self, *self.variants]
        if self.stat in ("min", "max") and any(one.of or one.complement for one in derived):
            raise ValueError(
                f"`stat: {self.stat}` cannot stand beside `of` or `complement`: the extremes of "
                "two gauges need not fall together"
            )
        return self

    def selectors(self) -> tuple[Selector, ...]:
        """The gauge, and what it is divided by."""
        return (self.metric,) if self.of is None else (self.metric, self.of)

    def halves(self) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
        """The gauge over `of`."""
        return ((), ()) if self.of is None else ((self.metric,), (self.of,))

    def counted(self) -> tuple[Selector, ...]:
        """The gauge."""
        return (self.metric,)


class Promql(_Form):
    """Any expression; only with a Prometheus source. Without `count`, n is 1 for each window."""

    form: Literal["promql"]
    expr: str = Field(
        description="The expression; `[$window]` in it stands for the length of the window."
    )
    count: str | None = Field(
        None, description="An expression for n, how many observations are behind the value."
    )

    @field_validator("expr", "count")
    @classmethod
    def _closed(cls, value: str | None) -> str | None:
        if value is not None:
            check_closed(value)
        return value

    @model_validator(mode="after")
    def _nothing_renamed(self) -> "Promql":
        if self.labels or self.constants or self.derive or self.scale != 1:
            raise ValueError(
                "`labels`, `constants`, `derive` and `scale` belong into the expression"
            )
        return self

    def selectors(self) -> tuple[Selector, ...]:
        """None: its series are Prometheus' affair."""
        return ()


AnySignal = Annotated[
    Quantile | Mean | Share | Ratio | Rate | Gauge | Promql, Field(discriminator="form")
]


def weights_are_counts(form: Any) -> bool:
    """Whether an average over time weighs a window by n: not where n is no count of observations.

    A rate's n is the increase itself, so weighing by it would count busy minutes twice; a gauge's n
    only tells how often it was read.
    """
    if isinstance(form, Promql):
        return form.count is not None
    return not isinstance(form, Rate | Gauge)

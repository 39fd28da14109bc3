"""What is worth judging: typed definitions over metrics, and what they mean.

A signal is typed because a judge needs to know how many observations stand behind a number. Each
form reads counters, gauges or histograms of the text format and yields windows (value, n, buckets).
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from detector.units import Unit
from storage.duration import Seconds
from storage.series import Selector

NAME = re.compile(r"[a-z][a-z0-9_]*")


class LeftOut(StrEnum):
    """Why a signal has no window although its metric is there."""

    BOUND_IS_NO_EDGE = "bound_is_no_edge"
    MEMORY = "memory"  # stored and judged, but not remembered for a baseline


class Direction(StrEnum):
    """Which way is worse."""

    UP = "up"
    DOWN = "down"


def _selector(value: object) -> Selector:
    if isinstance(value, Selector):
        return value
    if not isinstance(value, str):
        raise ValueError('a selector is written like http_requests_total or name{label="value"}')
    return Selector.parse(value)


Metric = Annotated[
    Selector, BeforeValidator(_selector), PlainSerializer(lambda s: str(s), return_type=str)
]


class _Form(BaseModel):
    """What all forms share."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    title: str = Field("", description="How a person calls it; the name when left out.")
    description: str = Field("", description="One sentence: what it tells, and what is worse.")
    by: tuple[str, ...] = Field((), description="Labels that make a series of its own.")
    unit: Unit = Field(Unit.COUNT, description="Base unit of the value.")
    worse: Direction = Field(Direction.UP, description="Which way is worse: up or down.")
    window: Seconds = Field(60.0, description="Length of a stored window.")
    over: Seconds = Field(300.0, description="Span that a judgement looks at; whole windows.")
    kind: str = Field("other", description="Where it is shown: api, database, cache, resource.")

    @model_validator(mode="after")
    def _whole_windows(self) -> "_Form":
        if self.window < 1:
            raise ValueError("`window` must be at least 1s")
        if round(self.over * 1000) % self.window_ms:
            raise ValueError(
                "`over` must be a whole number of `window`s, like window: 1m, over: 5m"
            )
        return self

    @property
    def window_ms(self) -> int:
        """Length of a stored window in milliseconds."""
        return round(self.window * 1000)

    def selectors(self) -> tuple[Selector, ...]:
        """The series it reads."""
        raise TypeError("a form names its selectors")  # pragma: no cover


class Quantile(_Form):
    """Quantile of the merged increase of a histogram; n counts the observations."""

    form: Literal["quantile"]
    metric: Metric = Field(description="The histogram, without `_bucket`.")
    q: float = Field(gt=0, lt=1, description="Which quantile, between 0 and 1.")

    def selectors(self) -> tuple[Selector, ...]:
        """The bucket series."""
        return (self.metric.renamed(f"{self.metric.metric}_bucket"),)


class Mean(_Form):
    """Increase of a histogram's sum over the increase of its count; n counts the observations."""

    form: Literal["mean"]
    metric: Metric = Field(description="The histogram or summary, without `_sum`.")

    def selectors(self) -> tuple[Selector, ...]:
        """The sum and the count."""
        name = self.metric.metric
        return (self.metric.renamed(f"{name}_sum"), self.metric.renamed(f"{name}_count"))


class Share(_Form):
    """Share of the observations of a histogram within a bound; n counts the observations."""

    form: Literal["share"]
    metric: Metric = Field(description="The histogram, without `_bucket`.")
    bound: float = Field(
        allow_inf_nan=False,
        description="What counts as within: an edge of the buckets, in the unit of the histogram.",
    )

    def selectors(self) -> tuple[Selector, ...]:
        """The bucket series."""
        return (self.metric.renamed(f"{self.metric.metric}_bucket"),)


class Ratio(_Form):
    """Counter increase over counter increase; n is the increase of the denominator."""

    form: Literal["ratio"]
    numerator: Metric = Field(description="The counter of what is looked at.")
    denominator: Metric = Field(description="The counter of all.")

    def selectors(self) -> tuple[Selector, ...]:
        """Numerator and denominator."""
        return (self.numerator, self.denominator)


class Rate(_Form):
    """Counter increase per second; n is the increase."""

    form: Literal["rate"]
    metric: Metric = Field(description="The counter.")

    def selectors(self) -> tuple[Selector, ...]:
        """The counter."""
        return (self.metric,)


class Gauge(_Form):
    """Average, minimum, maximum or last value over the window; n counts the samples."""

    form: Literal["gauge"]
    metric: Metric = Field(description="The gauge.")
    stat: Literal["avg", "min", "max", "last"] = Field(
        "avg", description="Which value of the window."
    )

    def selectors(self) -> tuple[Selector, ...]:
        """The gauge."""
        return (self.metric,)


AnySignal = Annotated[Quantile | Mean | Share | Ratio | Rate | Gauge, Field(discriminator="form")]


class Signal(BaseModel):
    """A form under its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    form: AnySignal

    @property
    def title(self) -> str:
        """How a person calls it."""
        return self.form.title or self.name.replace("_", " ")


def check_name(name: str) -> str:
    """A name of a signal or rule, or a ValueError that says how one is written."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r}: names are lower case letters, digits and _, like api_p95")
    return name


def weights_are_counts(form: Any) -> bool:
    """Whether an average over time weighs a window by n: not where n is no count of observations.

    A rate's n is the increase itself, so weighing by it would count busy minutes twice; a gauge's n
    only tells how often it was read.
    """
    return not isinstance(form, Rate | Gauge)

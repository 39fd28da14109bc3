"""Whose series a signal is read from, and how they become ours: selectors, names, variants."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from storage.series import Selector


def _selector(value: object) -> Selector:
    if isinstance(value, Selector):
        return value
    if not isinstance(value, str):
        raise ValueError('a selector is written like http_requests_total or name{label="value"}')
    return Selector.parse(value)


def _selectors(value: object) -> tuple[Selector, ...]:
    found = tuple(_selector(one) for one in value) if isinstance(value, list | tuple) else None
    if found == ():
        raise ValueError("name at least one counter")
    return found or (_selector(value),)


Metric = Annotated[
    Selector, BeforeValidator(_selector), PlainSerializer(lambda s: str(s), return_type=str)
]


Metrics = Annotated[
    tuple[Selector, ...],
    BeforeValidator(_selectors),
    PlainSerializer(
        lambda found: str(found[0]) if len(found) == 1 else [str(one) for one in found],
        return_type=str | list[str],
    ),
]


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, dict) or not all(
        isinstance(one, str) for pair in value.items() for one in pair
    ):
        raise ValueError("must hold names with values, both texts: {route: path}")
    return tuple(value.items())


# Pairs and not a dict, so that a form stays hashable: what is known of its series is kept by it.
Names = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_pairs),
    PlainSerializer(lambda pairs: dict(pairs), return_type=dict[str, str]),
]


class Renaming(BaseModel):
    """How somebody else's series become ours: names of labels, labels they lack, their unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    labels: Names = Field(
        (),
        description="Their names of our labels: `route: path` reads their `path` as our `route`.",
    )
    constants: Names = Field((), description="Labels that they lack, with a fixed value each.")
    scale: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="What their numbers are multiplied by: 0.001 makes seconds of milliseconds.",
    )


class Variant(Renaming):
    """Other series that feed the same signal."""

    source: str = Field(
        "", description="Whose series these are; variants of one source stand beside each other."
    )


class MetricVariant(Variant):
    """A variant of a form that reads one metric."""

    metric: Metric = Field(description="What is read instead.")


class RatioVariant(Variant):
    """A variant of a ratio."""

    numerator: Metrics = Field(description="What is read instead.")
    denominator: Metrics = Field(description="What is read instead.")


class GaugeVariant(MetricVariant):
    """A variant of a gauge."""

    of: Metric | None = Field(None, description="As in the form.")
    complement: bool = Field(False, description="As in the form.")

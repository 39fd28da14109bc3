"""What every collector looks like from outside: a source with a name, a pace and one verb."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from collector.failure import CollectFailure
from storage.history import Samples

TARGET = "target"


class Drop(StrEnum):
    """Why a sample of a page was left out; each is a label value of `..._dropped_total`."""

    SAMPLES = "too_many_samples"
    SERIES = "too_many_series"
    LABELS = "too_many_labels"
    LABEL_VALUE = "label_value_too_long"
    DUPLICATE = "duplicate"
    NATIVE_HISTOGRAM = "native_histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one part of a run went, for a target that is asked several things.

    `seconds` is the time it took, `samples` what it brought. A part with a `failure` leaves the
    others as they are: the run as a whole worked when the target answered at all.
    """

    name: str
    seconds: float
    samples: int = 0
    failure: CollectFailure | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run brought: samples, how many were left out for which reason, and its parts."""

    samples: Samples
    dropped: Mapping[Drop, int] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


class Source(Protocol):
    """One outside thing that is collected from.

    `kind` is the collector (`scrape`, `host`), `name` the target: together they are its identity.
    `immediate` sources make their first run at once instead of somewhere in the first interval.
    """

    @property
    def kind(self) -> str:
        """The collector's name, as in the label `collector`."""
        ...

    @property
    def name(self) -> str:
        """The target's name, as in the label `target`."""
        ...

    @property
    def interval_seconds(self) -> float:
        """How often it is collected."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """How long one run may take in all."""
        ...

    @property
    def immediate(self) -> bool:
        """Whether the first run needs no jitter, because nobody else is bothered by it."""
        ...

    async def collect(self, at_ms: int) -> Collected:
        """Fetch once; samples carry `at_ms`. Raises CollectFailure; must stand being cancelled."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...

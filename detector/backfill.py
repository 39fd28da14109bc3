"""How far the past of a signal has been evaluated: one shape, wherever the past comes from."""

from dataclasses import dataclass
from enum import StrEnum


class BackfillSource(StrEnum):
    """Where the past of a signal is read."""

    SAMPLES = "samples"
    """The raw samples that the history keeps."""
    PROMETHEUS = "prometheus"
    """A Prometheus-compatible engine, by `query_range`."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """The share of a signal's past that is evaluated, 0 to 1; it stays at 1 when all is done."""

    source: BackfillSource
    done: float


Backfills = dict[str, Backfill]
"""By signal: those that had a past to evaluate since the start. Written by who evaluates it."""

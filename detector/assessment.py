"""The evidence that a series changed, and what it amounts to. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from storage.history import Flags, Floats, Ints


class Finding(StrEnum):
    """What the evidence says of one series at one window."""

    UNKNOWN = "unknown"  # no statistic has a threshold yet
    STEADY = "steady"
    SMALL = "small"  # unusual, but less than is worth a notice after so short a time
    SUSPECTED = "suspected"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The evidence at some windows: `[..., spans, windows]`, spans from the shortest.

    `agreeing`: the share of the comparable references that are beyond their thresholds;
    `suspecting`: beyond the lower ones of a suspicion; after hours of suspicion the two are one.
    `effect`: the median change they see.
    `least`: the change this span could just see (the best threshold); infinite when cold.
    """

    agreeing: Floats
    suspecting: Floats
    effect: Floats
    least: Floats
    floors: Floats
    agreement: float

    def _beyond(self, share: Floats) -> Flags:
        return (share >= self.agreement) & (self.effect >= self.floors)

    @property
    def changed(self) -> Flags:
        """`[..., windows]`: whether some span says so."""
        return np.asarray(self._beyond(self.agreeing).any(axis=-2))

    @property
    def suspected(self) -> Flags:
        """`[..., windows]`: the same with the lower thresholds."""
        return np.asarray(self._beyond(self.suspecting).any(axis=-2))

    @property
    def span(self) -> Ints:
        """`[..., windows]`: the shortest span that says so, else that suspects; -1 for none."""
        beyond = self._beyond(self.agreeing)
        beyond = np.where(beyond.any(axis=-2, keepdims=True), beyond, self._beyond(self.suspecting))
        return np.where(beyond.any(axis=-2), np.argmax(beyond, axis=-2), -1)

    @property
    def size(self) -> Floats:
        """`[..., windows]`: the largest effect of the spans that say so; NaN if none does."""
        beyond = self._beyond(self.suspecting) | self._beyond(self.agreeing)
        size = np.where(beyond, self.effect, -np.inf).max(axis=-2)
        return np.where(np.isneginf(size), np.nan, size)

    def finding(self) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
        """`[..., windows]` of `Finding`."""
        cold = ~np.isfinite(self.least).any(axis=-2)
        small = (self.agreeing >= self.agreement).any(axis=-2)
        return np.select(
            [cold, self.changed, self.suspected, small],
            [Finding.UNKNOWN, Finding.CHANGED, Finding.SUSPECTED, Finding.SMALL],
            Finding.STEADY,
        ).astype(object)

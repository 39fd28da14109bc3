"""How far the recent windows lie above what was expected, over spans from minutes to a day. Pure.

The statistic of a span is its lower quartile: three quarters of the windows lie above it. A spike
shorter than a quarter of a span cannot move it, and a change that stays moves it in full as soon as
three quarters of the span lie behind the change.
"""

from dataclasses import dataclass

import numpy as np

from detector.expected import middle, ordered, trailing
from storage.history import Floats


@dataclass(frozen=True, slots=True)
class Span:
    """`count` pieces in a row of `piece` windows each; a piece counts by its median.

    Judged at slots (counted from the epoch) divisible by `piece`, and holding until the next.
    `floor` is the least change, in logarithms, that is worth a notice after so short a time.
    What it sees is found once something was suspected for `wait` windows before (0: at once).
    """

    count: int
    piece: int
    floor: float
    wait: int = 0

    @property
    def windows(self) -> int:
        """How many windows it covers."""
        return self.count * self.piece

    @property
    def least(self) -> int:
        """How many pieces have to be known: three quarters."""
        return self.count - self.count // 4

    @property
    def rank(self) -> int:
        """Which of the ordered pieces tells: the lower quartile; of medians the lower third."""
        return (self.count - 1) // (4 if self.piece == 1 else 3)


def ordered_pieces(residual: Floats, at: slice, span: Span) -> Floats:
    """The pieces of the span that ends at each slot of `at`, in the order of size, NaNs last."""
    if span.piece == 1:
        return ordered(trailing(residual, span.count)[..., at, :])
    pieces = middle(ordered(trailing(residual, span.piece)[..., at, :]))
    return ordered(trailing(pieces, span.count))


def renewed(residual: Floats, first_slot: int, every: int) -> slice:
    """The columns at which something judged every so many slots is judged."""
    return slice(-first_slot % every, residual.shape[-1], every)


def held(values: Floats, first_slot: int, every: int, windows: int) -> Floats:
    """Values of the renewed columns, each holding until the next; NaN before the first."""
    if every == 1:
        return values
    lead = -first_slot % every
    full = np.full((*values.shape[:-1], windows), np.nan)
    spread = np.repeat(values, every, axis=-1)[..., : windows - lead]
    full[..., lead : lead + spread.shape[-1]] = spread
    return full


def lower_quartile(in_order: Floats, span: Span) -> Floats:
    """The lower quartile of each ordered row; NaN unless three quarters of it are known."""
    known = np.isfinite(in_order[..., span.least - 1])
    return np.where(known, in_order[..., span.rank], np.nan)


def level(residual: Floats, first_slot: int, per_day: int, every: int) -> Floats:
    """The median of the last day, renewed every so many windows; NaN under a quarter.

    `first_slot` is the slot (counted from the epoch) of the first column.
    """
    count = per_day // every
    at = renewed(residual, first_slot, every)
    in_order = ordered(trailing(residual[..., at], count))
    day = np.where(np.isnan(in_order[..., count // 4]), np.nan, middle(in_order))
    return held(day, first_slot, every, residual.shape[-1])

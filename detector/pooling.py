"""Small series together: with which larger one a series is judged, and which are parts of which.

Pure. A signal names with `pool` the one that holds several of its series together, by fewer labels
(a route, its group, all routes of an app). Which series that is follows from labels alone, so it is
the same one at any time, however few observations a member has.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from detector.signal import Signal
from storage.series import Labels


class Series(Protocol):
    """Whatever is of one series of a signal, such as a regression."""

    @property
    def signal(self) -> str:
        """The signal."""
        ...

    @property
    def labels(self) -> Labels:
        """The series."""
        ...


Placed = TypeVar("Placed", bound=Series)


class Level(StrEnum):
    """Where a series is judged, by the observations in its newest window."""

    ITSELF = "itself"
    POOL = "pool"  # it has too few: with the nearest series that it is part of and that has enough
    NOWHERE = "nowhere"  # too few at every level: unknown
    UNJUDGED = "unjudged"  # no rule looks at it, at any level


@dataclass(frozen=True, slots=True)
class Step:
    """One series on the way up: how many observations it has, and how many its rules ask for.

    `needed` is NaN-free: infinite where no rule in force judges the signal.
    """

    signal: Signal
    labels: Labels
    n: float
    needed: float

    @property
    def enough(self) -> bool:
        """Whether it is judged."""
        return self.n >= self.needed


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series is judged: `steps` are itself and what it is part of, the finest first."""

    level: Level
    steps: tuple[Step, ...]

    @property
    def judged(self) -> Step | None:
        """The series that is judged for it; None for none."""
        return next((one for one in self.steps if one.enough), None)


@dataclass(frozen=True, slots=True)
class Pools:
    """The signals by name, and what their `pool`s mean for series."""

    signals: Mapping[str, Signal] = field(default_factory=dict)

    def above(self, signal: str, labels: Labels) -> Iterator[tuple[Signal, Labels]]:
        """The series that hold a series, the nearest first."""
        seen = {signal}
        while (name := self.pool_of(signal)) and name not in seen:
            seen.add(name)
            signal, labels = name, self.signals[name].form.series_of(labels)
            yield self.signals[name], labels

    def pool_of(self, signal: str) -> str:
        """The signal that holds the series of one together; empty for none that can."""
        known = self.signals.get(signal)
        pool = self.signals.get(known.form.pool or "") if known else None
        # Of a signal whose labels were changed by its user nobody knows which series holds which.
        return pool.name if known and pool and not missing(known, pool) else ""

    def members(self, pool: str) -> list[Signal]:
        """The signals whose series one holds together."""
        return [one for name, one in self.signals.items() if self.pool_of(name) == pool]

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """(signal, reason, hint) of each `pool` that cannot be meant."""
        for name, one in self.signals.items():
            wanted = one.form.pool
            if wanted is None:
                continue
            pool = self.signals.get(wanted)
            if pool is None:
                near = difflib.get_close_matches(wanted, self.signals, 1)
                hint = f"Did you mean {near[0]}?" if near else "plimsoll signals lists them."
                yield name, f"there is no signal {wanted!r}", hint
            elif name in (wanted, *(above.name for above, _ in self.above(wanted, Labels()))):
                yield name, f"{name} would hold itself together", "Name one with fewer labels."
            elif lacks := missing(one, pool):
                labels = ", ".join(lacks)
                hint = f"Put {labels} into `by` of {name}, or leave it out of {wanted}'s."
                yield name, f"{wanted} tells series apart by {labels}, and {name} does not", hint

    def holds(self, whole: tuple[str, Labels], part: tuple[str, Labels]) -> bool:
        """Whether a series (signal, labels) is part of another one."""
        return any((one.name, labels) == whole for one, labels in self.above(*part))

    def related(self, one: tuple[str, Labels], other: tuple[str, Labels]) -> bool:
        """Whether one of two series is part of the other."""
        return self.holds(one, other) or self.holds(other, one)

    def finest(self, found: Sequence[Placed]) -> list[Placed]:
        """Without those that hold another of them together with more: it is the place to look."""
        above = (self.above(one.signal, one.labels) for one in found)
        held = {(pool.name, labels) for way in above for pool, labels in way}
        return [one for one in found if (one.signal, one.labels) not in held]

    def standing(
        self,
        signal: str,
        labels: Labels,
        n_of: Callable[[str, Labels], float],
        needed: Callable[[str], float | None],
    ) -> Standing:
        """Where a series is judged.

        `n_of` says how many observations a series has in its newest window, `needed` how many the
        rules on a signal ask for; None for a signal that no rule judges.
        """
        way = [(self.signals[signal], labels), *self.above(signal, labels)]
        steps = []
        for one, series in way:
            least = needed(one.name)
            if least is not None or one.name == signal:
                asked = float("inf") if least is None else least
                steps.append(Step(one, series, n_of(one.name, series), asked))
        if all(step.needed == float("inf") for step in steps):
            return Standing(Level.UNJUDGED, tuple(steps))
        if steps[0].enough:
            return Standing(Level.ITSELF, tuple(steps))
        pooled = any(step.enough for step in steps)
        return Standing(Level.POOL if pooled else Level.NOWHERE, tuple(steps))


def missing(part: Signal, pool: Signal) -> list[str]:
    """The labels that a pool needs of its members and that a signal does not have."""
    return [one for one in pool.form.read_by if one not in part.form.by]

"""What the labels of a signal's series mean for it, worked out once a series. Pure.

A tick reads the same series as the one before, so what follows from labels alone (the group by the
labels that count, the histogram a bucket belongs to, its edge, the target) is kept by the history's
own integers for series. Nothing here depends on samples: the same series mean the same, whether
they are asked about for the first time or again.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from detector.buckets import edge
from detector.form import AnySignal, Mean, Quantile, Share
from storage.history import Floats, Ints, Samples
from storage.series import NAME, Labels

Whole: TypeAlias = "array[int]"
Real: TypeAlias = "array[float]"
SPARE = 4096  # so many series may be remembered for nothing before all are worked out anew


@dataclass(frozen=True, slots=True)
class Meaning:
    """Columns with one entry a series.

    `group` points into `groups` (the series of the signal), `target` into `targets`. `owner` is the
    number of what lives and dies together: the buckets of a histogram, a sum and its count. `upper`
    and `lower` say how many selectors of either half of a quotient mean a series, `edge` is the
    bound of a bucket.
    """

    groups: Sequence[Labels]
    group: Ints
    owner: Ints
    edge: Floats
    upper: Floats
    lower: Floats
    targets: Sequence[str]
    target: Ints

    def target_in(self, names: Iterable[str]) -> Ints:
        """For each series the position of its target among these names; -1 where it is none."""
        number = {name: position for position, name in enumerate(names)}
        return np.array([number.get(name, -1) for name in self.targets], np.int64)[self.target]


class Plan:
    """The meaning of series for one form. Remembers what it has worked out, and nothing else."""

    def __init__(self, form: AnySignal) -> None:
        self.form = form
        self.forget()

    def forget(self) -> None:
        """As new."""
        self.groups: dict[Labels, int] = {}
        self.owners: dict[Labels, int] = {}
        self.targets: dict[str, int] = {}
        self.row_of = np.full(0, -1, np.int64)  # by the history's integer
        # Bare numbers: as objects they would take three times as much.
        self.columns: tuple[Whole, Whole, Real, Real, Real, Whole] = (
            array("q"), array("q"), array("d"), array("d"), array("d"), array("q")
        )  # fmt: skip
        self.arrays: tuple[Ints, Ints, Floats, Floats, Floats, Ints] | None = None
        self.last: tuple[Ints, Meaning] | None = None

    def meaning(self, samples: Samples) -> Meaning:
        """What the series of these samples mean."""
        if len(samples.ids) != len(samples.series):  # integers are not known: nothing to keep by
            fresh = Plan(self.form)
            fresh.add(samples.series)
            return fresh.chosen(np.arange(len(samples.series)))
        if self.last is not None and np.array_equal(self.last[0], samples.ids):
            return self.last[1]
        if len(self.columns[0]) > 2 * len(samples.series) + SPARE:
            self.forget()
        found = self.chosen(self.rows(samples))
        self.last = (samples.ids, found)
        return found

    def rows(self, samples: Samples) -> Ints:
        """Where each series stands in the columns; new ones are added."""
        highest = int(samples.ids.max(initial=-1))
        if highest >= len(self.row_of):
            more = np.full(2 * highest + 1 - len(self.row_of), -1, np.int64)
            self.row_of = np.concatenate([self.row_of, more])
        new = np.flatnonzero(self.row_of[samples.ids] < 0)
        first = len(self.columns[0])
        self.add([samples.series[one] for one in new.tolist()])
        self.row_of[samples.ids[new]] = np.arange(first, first + len(new))
        return self.row_of[samples.ids]

    def add(self, series: Iterable[Labels]) -> None:
        """Work out new series."""
        group, owner, edges, upper, lower, target = self.columns
        histogram = isinstance(self.form, Quantile | Share)
        above, below = self.form.halves()
        without = "le" if histogram else NAME if isinstance(self.form, Mean) else None
        for labels in series:
            group.append(self.groups.setdefault(self.group(labels), len(self.groups)))
            owner.append(self.owner(labels, without))
            edges.append(edge(labels.get("le")) if histogram else math.nan)
            upper.append(float(sum(one.matches(labels) for one in above)))
            lower.append(float(sum(one.matches(labels) for one in below)))
            target.append(self.targets.setdefault(labels.get("target"), len(self.targets)))
        self.arrays = None

    def owner(self, labels: Labels, without: str | None) -> int:
        """The number of what it belongs to, where the form asks for that."""
        if without is None:
            return 0
        return self.owners.setdefault(labels.without(without), len(self.owners))

    def group(self, labels: Labels) -> Labels:
        """The series of the signal that a series of samples belongs to."""
        return self.form.series_of(labels)

    def chosen(self, rows: Ints) -> Meaning:
        """The columns of some series."""
        if self.arrays is None:
            group, owner, edges, upper, lower, target = self.columns
            self.arrays = (
                np.array(group, np.int64),
                np.array(owner, np.int64),
                np.array(edges, np.float64),
                np.array(upper, np.float64),
                np.array(lower, np.float64),
                np.array(target, np.int64),
            )
        group_, owner_, edge_, upper_, lower_, target_ = self.arrays
        return Meaning(
            tuple(self.groups),
            group_[rows],
            owner_[rows],
            edge_[rows],
            upper_[rows],
            lower_[rows],
            tuple(self.targets),
            target_[rows],
        )

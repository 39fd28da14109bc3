"""What is worth judging: a form under its name, and the ways to read it."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from detector.form import AnySignal, Promql, Share
from detector.renaming import Renaming, Variant
from storage.series import Labels, Selector

NAME = re.compile(r"[a-z][a-z0-9_]*")
TARGET = "target"


class LeftOut(StrEnum):
    """Why a signal has no window, or less than its definition promises."""

    METRIC_NOT_SEEN = "metric_not_seen"
    NO_SERIES_MATCHES = "no_series_matches"
    BOUND_IS_NO_EDGE = "bound_is_no_edge"
    BY_LABEL_MISSING = "by_label_missing"
    MEMORY = "memory"  # stored and judged, but not remembered for a baseline


@dataclass(frozen=True, slots=True)
class Plain:
    """One way to read a signal: a form as its series are made, and how they are renamed.

    In `signal.form` nothing is to be renamed any more: its `by` holds their names (`theirs`), in
    the order of ours. A target feeds a window from the lowest `rank` that it shows samples of.
    """

    signal: "Signal"
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    constants: tuple[tuple[str, str], ...]
    scale: float
    source: str
    rank: int

    @property
    def renames(self) -> tuple[tuple[str, str], ...]:
        """Pairs of our name and theirs, where the two differ."""
        return tuple(pair for pair in zip(self.ours, self.theirs, strict=True) if len({*pair}) > 1)


class Signal(BaseModel):
    """A form under its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    form: AnySignal

    @cached_property
    def plain(self) -> tuple[Plain, ...]:
        """The ways to read it, its own first, then its variants in their order."""
        variants = () if isinstance(self.form, Promql) else self.form.variants
        ranks: dict[str, int] = {}
        found = [self._plain(self.form, "", 0)]
        for position, one in enumerate(variants, 1):
            rank = ranks.setdefault(one.source, position) if one.source else position
            found.append(self._plain(one, one.source, rank))
        return tuple(found)

    def _plain(self, renaming: Renaming, source: str, rank: int) -> Plain:
        form, scale = self.form, renaming.scale
        labels, constants = dict(renaming.labels), dict(renaming.constants)
        # Whoever has the label itself, under any name or as a constant, needs none made.
        made = [one for one in form.derive if one.name not in labels and one.name not in constants]
        fixed = Labels.of(constants)
        constants |= {one.name: one.value(fixed) for one in made if one.label in constants}
        constants = {name: value for name, value in constants.items() if name in form.by}
        ours = tuple(one for one in dict.fromkeys(form.by) if one not in constants)
        theirs = tuple(labels.get(one, one) for one in ours)
        changes: dict[str, Any] = {"by": theirs, "labels": (), "constants": (), "scale": 1.0}
        changes["derive"] = tuple(
            one.model_copy(update={"label": labels.get(one.label, one.label)})
            for one in made
            if one.name not in constants
        )
        if isinstance(renaming, Variant):
            changes |= form.variation(renaming)
        if not isinstance(form, Promql):
            changes["variants"] = ()
        if isinstance(form, Share):
            changes["bound"], scale = scaled(form.bound, 1 / Decimal(repr(scale))), 1.0
        return Plain(
            Signal(name=self.name, form=form.model_copy(update=changes)),
            ours,
            theirs,
            tuple(constants.items()),
            scale,
            source,
            rank,
        )

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The series of all its variants, each named once."""
        found = [one for each in self.plain for one in each.signal.form.selectors()]
        return tuple(dict.fromkeys(found))

    @property
    def title(self) -> str:
        """How a person calls it."""
        return self.form.title or self.name.replace("_", " ")


def check_name(name: str) -> str:
    """A name of a signal or rule, or a ValueError that says how one is written."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r}: names are lower case letters, digits and _, like api_p95")
    return name


def scaled(value: float, factor: Decimal) -> float:
    """A product without the crumbs of binary fractions: 57 x 0.001 is 0.057 and no more."""
    return float(Decimal(repr(value)) * factor) if value - value == 0 else value

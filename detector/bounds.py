"""What a trigger means for each series, and a tree of triggers: where it holds, where it is over.

Pure, over columns.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from storage.history import Flags, Floats

FIXED = ("absolute", "burn")
"""The kinds of triggers that ask for no history."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trigger means for each series: NaN where its history does not suffice.

    `measured` are the numbers that are compared (series x windows, or one column for all of them)
    where they are not the judged values themselves. `trigger` says which one of a tree it is.
    `lasting` are the last two hours of the series where they hold it, whatever the newest windows
    say, and `hours` what they are beyond; NaN elsewhere.
    """

    threshold: Floats
    clear: Floats
    critical: Floats
    measured: Floats | None = None
    trigger: str = ""
    lasting: Floats | None = None
    hours: Floats | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """Several triggers as one: it holds where `all` of them hold, or where `any` does."""

    how: Literal["all", "any"]
    parts: tuple["Limits | Tree", ...]


Bounds = Limits | Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a rule means for each series.

    `worse` is its trigger; `expected` the same against what is usual at this hour, `better` its
    mirror, `critical` what makes it critical where that is a trigger of its own; each None where
    the rule has none.
    """

    worse: Bounds
    expected: Bounds | None = None
    better: Bounds | None = None
    critical: Bounds | None = None


class LeafEvidence(NamedTuple):
    """One trigger of a tree at the newest window: what was compared with what."""

    trigger: str
    value: float
    threshold: float
    holds: bool


def held(bounds: Bounds, values: Floats, upwards: bool) -> Floats:
    """Where a trigger holds, series x windows: 1 yes, 0 no, NaN not known.

    A tree is known as soon as what is not known cannot change it: one `any` that holds is enough,
    and so is one of `all` that does not.
    """
    if isinstance(bounds, Limits):
        measured = values if bounds.measured is None else bounds.measured
        level = bounds.threshold[:, None]
        beyond = measured > level if upwards else measured < level
        if bounds.lasting is not None:
            beyond |= ~np.isnan(bounds.lasting[:, None])
        known = np.where(np.isnan(measured) | np.isnan(level), np.nan, beyond)
        return known if known.shape == values.shape else np.broadcast_to(known, values.shape)
    parts = np.stack([held(one, values, upwards) for one in bounds.parts])
    decides = 0.0 if bounds.how == "all" else 1.0
    unknown = np.isnan(parts).any(axis=0)
    return np.where(
        (parts == decides).any(axis=0), decides, np.where(unknown, np.nan, 1.0 - decides)
    )


def fixed(bounds: Bounds) -> Bounds:
    """The same where only fixed limits are known: what holds now needs no history."""
    if isinstance(bounds, Tree):
        return Tree(bounds.how, tuple(fixed(one) for one in bounds.parts))
    if bounds.trigger.endswith(FIXED):
        return bounds
    return replace(bounds, threshold=np.full(len(bounds.threshold), np.nan))


def cleared(bounds: Bounds, newest: Floats, upwards: bool) -> Flags:
    """Whether the newest window is back beyond the clear level.

    The mirror of `held`: what asks for `all` is over when one of them is, `any` when all are.
    """
    if isinstance(bounds, Limits):
        value = newest if bounds.measured is None else bounds.measured[:, -1]
        back: Flags = value < bounds.clear if upwards else value > bounds.clear
        return back
    parts = np.stack([cleared(one, newest, upwards) for one in bounds.parts])
    over: Flags = np.asarray(parts.any(axis=0) if bounds.how == "all" else parts.all(axis=0))
    return over


def is_back(bounds: Bounds, i: int, value: float, upwards: bool) -> bool:
    """Whether a value of one series is back beyond the clear level; trees as in `cleared`."""
    if isinstance(bounds, Limits):
        value = value if bounds.measured is None else float(bounds.measured[i, -1])
        return bool(value < bounds.clear[i] if upwards else value > bounds.clear[i])
    parts = (is_back(one, i, value, upwards) for one in bounds.parts)
    return any(parts) if bounds.how == "all" else all(parts)


def beyond_critical(levels: Levels, values: Floats, upwards: bool) -> Flags:
    """Whether the newest window is beyond what is critical."""
    if levels.critical is not None:
        beyond: Flags = held(levels.critical, values, upwards)[:, -1] == 1
        return beyond
    if isinstance(levels.worse, Tree):
        return np.zeros(len(values), np.bool_)
    limits = levels.worse
    newest = values[:, -1] if limits.measured is None else limits.measured[:, -1]
    return newest > limits.critical if upwards else newest < limits.critical


def shown(bounds: Bounds, upwards: bool) -> Limits:
    """The one level of a rule that is drawn and told, in the unit of the signal.

    Of `all` the furthest, of `any` the nearest: what a value must be beyond. What is measured in
    other terms (a slope, a shift) has no place in the unit; it is told only where it is alone.
    """
    if isinstance(bounds, Limits):
        return bounds
    inner = [shown(one, upwards) for one in bounds.parts]
    parts = [one for one in inner if one.measured is None] or inner[:1]
    furthest = (bounds.how == "all") == upwards
    pick = np.fmax if furthest else np.fmin
    return Limits(
        pick.reduce([one.threshold for one in parts]),
        pick.reduce([one.clear for one in parts]),
        pick.reduce([one.critical for one in parts]),
        parts[0].measured,
    )


def leaves(bounds: Bounds, values: Floats, i: int, upwards: bool) -> list[LeafEvidence]:
    """The single triggers of a tree for one series; none where there is but one."""
    if isinstance(bounds, Limits):
        return []
    found: list[LeafEvidence] = []
    for one in bounds.parts:
        if isinstance(one, Tree):
            found += leaves(one, values, i, upwards)
            continue
        value = float((values if one.measured is None else one.measured)[i, -1])
        level = float(one.threshold[i])
        holds = value > level if upwards else value < level
        found.append(LeafEvidence(one.trigger, value, level, holds))
    return found

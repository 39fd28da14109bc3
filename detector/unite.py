"""The windows of a signal's variants as the windows of one signal. Pure, over columns.

A target may show the same thing twice, under our name and an exporter's. It must not be counted
twice: of each target and window only the variant of the lowest rank counts that the target showed
samples of, whether anything was observed in them or not. So the answer for a window does not depend
on which other windows are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from detector.form import Quantile, Rate
from detector.signal import TARGET, Plain, scaled
from detector.stack import joined, rows_of
from detector.window import Span
from storage.history import Flags, Samples, Windows
from storage.series import Labels

Slots = dict[str, Flags]
"""For each target the windows that are meant."""


@dataclass(frozen=True, slots=True)
class Part:
    """The windows of one variant, series still named as they are there, and where it has samples.

    What nobody comes after needs no `shown`.
    """

    plain: Plain
    windows: Windows
    shown: Slots


def united(signal: str, span: Span, parts: Sequence[Part]) -> Windows:
    """All windows of a signal under our names, sorted by (series, end).

    Of two variants of one rank that have the same series, the first counts.
    """
    taken: Slots = {}
    shown: Slots = {}
    found: list[Windows] = []
    rank = 0
    for part in parts:
        if part.plain.rank != rank:
            taken, rank = merged(taken, shown), part.plain.rank
        windows = ours(part.plain, part.windows)
        found.append(chosen(windows, ~blocked(windows, span, taken)) if taken else windows)
        shown = merged(shown, part.shown)
    return concatenated(signal, [one for one in found if len(one)])


def slots_shown(plain: Plain, samples: Samples, span: Span) -> Slots:
    """The windows in which each target showed a sample of what the variant counts."""
    counted = plain.signal.form.counted()
    wanted = [any(one.matches(labels) for one in counted) for labels in samples.series]
    return slots(samples, wanted, span)


def slots(samples: Samples, wanted: Sequence[bool], span: Span) -> Slots:
    """The windows in which each target has a sample of one of the wanted series."""
    place: dict[str, int] = {}
    owner = np.array(
        [
            place.setdefault(labels.get(TARGET), len(place)) if chosen else -1
            for labels, chosen in zip(samples.series, wanted, strict=True)
        ],
        np.int64,
    )[samples.index]
    slot = span.slot(samples.at_ms)
    inside = (slot >= 0) & (owner >= 0)
    flags = np.zeros((len(place), span.count), np.bool_)
    flags[owner[inside], slot[inside]] = True
    return dict(zip(place, flags, strict=True))


def merged(one: Slots, other: Slots) -> Slots:
    """The windows that are in either."""
    return one | {
        name: one[name] | flags if name in one else flags for name, flags in other.items()
    }


def blocked(windows: Windows, span: Span, taken: Slots) -> Flags:
    """Which windows a variant of a lower rank has the samples of."""
    nothing = np.zeros(span.count, np.bool_)
    rows = [taken.get(labels.get(TARGET), nothing) for labels in windows.series]
    flags = np.array(rows, np.bool_).reshape(len(rows), span.count)
    blocked: Flags = flags[windows.index, span.slot(windows.end_ms)]
    return blocked


def renamed(plain: Plain, labels: Labels) -> Labels:
    """A series of a variant under our names."""
    values = {our: labels.get(their) for our, their in zip(plain.ours, plain.theirs, strict=True)}
    return Labels.of(values | dict(plain.constants))


def ours(plain: Plain, windows: Windows) -> Windows:
    """The windows of a variant under our names and in our unit."""
    if plain.renames or plain.constants:
        windows = replace(windows, series=tuple(renamed(plain, one) for one in windows.series))
    if plain.scale == 1:
        return windows
    factor = Decimal(repr(plain.scale))
    form = plain.signal.form
    layouts = tuple(tuple(scaled(one, factor) for one in bounds) for bounds in windows.layouts)
    return replace(
        windows,
        values=windows.values * plain.scale,
        n=windows.n * plain.scale if isinstance(form, Rate) else windows.n,
        layouts=layouts if isinstance(form, Quantile) else (),
    )


def concatenated(signal: str, parts: Sequence[Windows]) -> Windows:
    """Windows of several origins as one; the first of equal (series, end) stays."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Windows.of(signal, ())
    whole = joined(signal, parts)
    order = np.lexsort((whole.end_ms, whole.index))  # stable: of equal rows the first comes first
    same = np.diff(whole.index[order], prepend=-1) | np.diff(whole.end_ms[order], prepend=-1)
    return rows_of(whole, order[same != 0])


def chosen(windows: Windows, kept: Flags) -> Windows:
    """Only some of the windows, and the series that they are of."""
    if kept.all():
        return windows
    some = rows_of(windows, np.flatnonzero(kept))
    used, index = np.unique(some.index, return_inverse=True)
    series = tuple(some.series[int(one)] for one in used)
    return replace(some, series=series, index=index.astype(np.int64))

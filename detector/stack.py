"""Windows put one behind the other, and some of them taken out. Pure, over columns."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from storage.history import NO_LAYOUT, Ints, Windows
from storage.series import Labels


def together(all_: Sequence[Windows], series: tuple[Labels, ...]) -> Windows:
    """Windows one behind the other; the index of each points into `series` already."""
    layouts: dict[tuple[float, ...], int] = {}
    layout = []
    for one in all_:
        number = [layouts.setdefault(bounds, len(layouts)) for bounds in one.layouts]
        layout.append(np.array([*number, NO_LAYOUT], np.int64)[one.layout])
    index, end_ms, seconds, values, n, counts = (
        np.concatenate(columns)
        for columns in zip(
            *((w.index, w.end_ms, w.seconds, w.values, w.n, w.counts) for w in all_), strict=True
        )
    )
    return Windows(
        all_[0].signal,
        series,
        index,
        end_ms,
        seconds,
        values,
        n,
        np.concatenate(layout),
        tuple(layouts),
        counts,
    )


def joined(signal: str, parts: Sequence[Windows]) -> Windows:
    """Windows of one signal as one, with one list of series and one of layouts."""
    series: dict[Labels, int] = {}
    placed = []
    for one in parts:
        place = np.array([series.setdefault(each, len(series)) for each in one.series], np.int64)
        placed.append(replace(one, signal=signal, index=place[one.index]))
    return together(placed, tuple(series))


def rows_of(windows: Windows, rows: Ints) -> Windows:
    """These rows, in this order, with their buckets."""
    widths = windows.widths()
    starts = np.cumsum(widths) - widths
    width = widths[rows]
    first = np.repeat(starts[rows] - (np.cumsum(width) - width), width)
    return replace(
        windows,
        index=windows.index[rows],
        end_ms=windows.end_ms[rows],
        seconds=windows.seconds[rows],
        values=windows.values[rows],
        n=windows.n[rows],
        layout=windows.layout[rows],
        counts=windows.counts[first + np.arange(len(first))],
    )


def ending(windows: Windows, end_ms: int) -> Windows:
    """The windows that end at one time."""
    return rows_of(windows, np.flatnonzero(windows.end_ms == end_ms))

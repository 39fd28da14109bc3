"""Windows as rows of a table: which replace which, and how buckets are written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from storage.history import Floats, Ints, Windows

Column = NDArray[Any]

MOST_EMPTY = 50_000
"""Buckets of windows that have none, which are handed over to save a statement."""


def replaces(all_: Iterable[Windows], reach_ms: Mapping[float, int]) -> bool:
    """Whether any of these windows may stand in the place of a stored one."""
    return any(
        (windows.end_ms[windows.seconds == seconds] <= end_ms).any()
        for windows in all_
        for seconds, end_ms in reach_ms.items()
    )


def lengths(windows: Windows) -> list[float]:
    """The lengths that occur; nearly always one."""
    first = windows.seconds[:1]
    if (windows.seconds == first).all():
        return list(first.tolist())
    return list(np.unique(windows.seconds).tolist())


def further(reach_ms: Mapping[float, int], all_: Iterable[Windows]) -> dict[float, int]:
    """How far windows of each length reach after these were written."""
    found = dict(reach_ms)
    for windows in all_:
        for seconds in lengths(windows):
            end_ms = int(windows.end_ms[windows.seconds == seconds].max())
            found[seconds] = max(end_ms, found.get(seconds, end_ms))
    return found


def store_windows(
    cursor: duckdb.DuckDBPyConnection,
    windows: Sequence[Windows],
    series_ids: Sequence[Ints],
    layout_ids: Sequence[Ints],
    replacing: bool,
) -> None:
    """Write windows, in place of what stood there, inside the caller's transaction."""
    ids = np.concatenate([of[one.index] for one, of in zip(windows, series_ids, strict=True)])
    layout = np.concatenate([of[one.layout] for one, of in zip(windows, layout_ids, strict=True)])
    end_ms, seconds, values, n, counts, widths = (
        np.concatenate(columns)
        for columns in zip(
            *((w.end_ms, w.seconds, w.values, w.n, w.counts, w.widths()) for w in windows),
            strict=True,
        )
    )
    row = last_of_same(ids, end_ms, seconds)
    columns = {
        "series": ids, "end_ms": end_ms, "seconds": seconds, "value": values, "n": n,
        "layout": layout, "width": widths,
    }  # fmt: skip
    chosen = {name: column[row] for name, column in columns.items()}
    if replacing:
        cursor.register("rows_in", chosen)
        cursor.execute(
            "DELETE FROM windows w USING rows_in r WHERE w.end_ms >= ? AND w.end_ms <= ? "
            "AND w.series = r.series AND w.end_ms = r.end_ms AND w.seconds = r.seconds",
            [int(end_ms.min()), int(end_ms.max())],
        )
    starts = (np.cumsum(widths) - widths)[row]
    most = int(chosen["width"].max(initial=0))
    plain = chosen["width"] == 0
    # One statement costs as much as thousands of empty buckets. Never one of no rows: what is
    # inserted after it in one transaction, if it is more than a row group, is not read again
    # before the next checkpoint (DuckDB 2.0.0).
    if plain.all() or not plain.any() or len(row) * most <= MOST_EMPTY:
        insert_windows(cursor, chosen, starts, counts)
        return
    for mask in (plain, ~plain):
        part = {name: column[mask] for name, column in chosen.items()}
        insert_windows(cursor, part, starts[mask], counts)


def insert_windows(
    cursor: duckdb.DuckDBPyConnection, rows: Mapping[str, Column], starts: Ints, counts: Floats
) -> None:
    """Write rows with their `width` buckets, which begin at `starts` in `counts`."""
    most = int(rows["width"].max(initial=0))
    place = np.minimum(starts[None, :] + np.arange(most)[:, None], max(len(counts) - 1, 0))
    # A column for each bucket: lists made of rows would have to be grouped and sorted.
    names = [f"c{number}" for number in range(most)]
    # DuckDB finds it by its name in this frame, in half the time that register() takes.
    written = {**rows, **dict(zip(names, counts[place], strict=True))}  # noqa: F841
    buckets = f"CASE WHEN width > 0 THEN list_slice([{', '.join(names)}], 1, width) END"
    cursor.execute(
        "INSERT INTO windows SELECT series, end_ms, seconds, value, n, layout, "
        f"{buckets if most else 'NULL'} FROM written"
    )


def last_of_same(series: Ints, end_ms: Ints, seconds: Floats) -> Ints:
    """The rows to keep, ascending, so that each (series, end, length) stands once: the last one."""
    order = np.lexsort((seconds, end_ms, series))
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in (series, end_ms, seconds):
        same &= np.diff(column[order]) == 0
    return np.sort(order[~np.append(same, False)]).astype(np.int64)

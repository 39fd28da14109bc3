"""Windows as rows of a table: which replace which, and how buckets are written."""

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import numpy as np

from storage.history import Floats, Ints, Windows


def replaces(all_: Iterable[Windows], reach_ms: Mapping[float, int]) -> bool:
    """Whether any of these windows may stand in the place of a stored one."""
    return any(
        (windows.end_ms[windows.seconds == seconds] <= end_ms).any()
        for windows in all_
        for seconds, end_ms in reach_ms.items()
    )


def further(reach_ms: Mapping[float, int], all_: Iterable[Windows]) -> dict[float, int]:
    """How far windows of each length reach after these were written."""
    found = dict(reach_ms)
    for windows in all_:
        for seconds in np.unique(windows.seconds).tolist():
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
    columns = {"series": ids, "end_ms": end_ms, "seconds": seconds, "value": values, "n": n}
    chosen = {name: column[row] for name, column in columns.items()}
    if replacing:
        cursor.register("rows_in", chosen)
        cursor.execute(
            "DELETE FROM windows w USING rows_in r WHERE w.end_ms >= ? AND w.end_ms <= ? "
            "AND w.series = r.series AND w.end_ms = r.end_ms AND w.seconds = r.seconds",
            [int(end_ms.min()), int(end_ms.max())],
        )
    plain = widths[row] == 0
    for name, mask in (("plain", plain), ("wide", ~plain)):
        part = {key: column[mask] for key, column in chosen.items()}
        cursor.register(name, {"row": row[mask], **part, "layout": layout[row][mask]})
    if plain.any():
        # Not of no rows: what is inserted after it in one transaction, if it is more than a row
        # group, is not read again before the next checkpoint (DuckDB 2.0.0).
        cursor.execute(
            "INSERT INTO windows SELECT series, end_ms, seconds, value, n, layout, NULL FROM plain"
        )
    if plain.all():
        return
    cursor.register(
        "counts_in",
        {
            "row": np.repeat(np.arange(len(widths)), widths),
            "position": np.arange(len(counts)),
            "count": counts,
        },
    )
    cursor.execute(
        "INSERT INTO windows SELECT series, end_ms, seconds, value, n, layout, c.counts "
        "FROM wide LEFT JOIN (SELECT row, list(count ORDER BY position) AS counts "
        "FROM counts_in GROUP BY row) c USING (row) ORDER BY row"
    )


def last_of_same(series: Ints, end_ms: Ints, seconds: Floats) -> Ints:
    """The rows to keep, ascending, so that each (series, end, length) stands once: the last one."""
    order = np.lexsort((seconds, end_ms, series))
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in (series, end_ms, seconds):
        same &= np.diff(column[order]) == 0
    return np.sort(order[~np.append(same, False)]).astype(np.int64)

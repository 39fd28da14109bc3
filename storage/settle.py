"""Past days, rewritten in the order of their series.

Rows come in the order of time, which is cheap to write and best for whoever reads the last minutes.
For one series over a week it is the worst, and the values of different series one behind the other
hardly compress. So a day that is over is written once more, by series. Where a row stands never
changes what a read gives: rows that come late, or again, stand behind and count as they always did.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from storage.catalogue import Cursor

DAY_MS = 86_400_000
MOST_ROWS = 1_000_000
"""Rows in one transaction, but for a single series that has more: writers wait for it."""

GROWN_ROWS = 10_000
GROWN_SHARE = 0.1
"""A day is rewritten again when so many rows came since: a signal that is new looks back a week."""

SCHEMA = "CREATE TABLE IF NOT EXISTS settled (name VARCHAR, day BIGINT, row_count BIGINT)"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table whose rows have a series and a time."""

    table: str
    time: str
    order: str
    """How a past day is sorted; among equals the one written last stays last."""


# Every other series runs backwards, so that no time is far from the one before it: packed as
# differences, times that jitter by milliseconds then take half the space.
SAMPLES = Shelf("samples", "ts", "series, CASE WHEN series % 2 = 1 THEN -ts ELSE ts END, rowid")
WINDOWS = Shelf("windows", "end_ms", "seconds, series, end_ms")
SHELVES = (SAMPLES, WINDOWS)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one transaction moves: a range of series on one day."""

    shelf: Shelf
    day: int
    first: int
    last: int
    closes: int | None
    """The rows of the whole day, if this is its last piece."""


def due(cursor: Cursor, shelf: Shelf, before_ms: int) -> list[tuple[int, int]]:
    """The days that ended by then and are not settled, with their rows, oldest first."""
    settled = dict(
        cursor.execute(
            "SELECT day, row_count FROM settled WHERE name = ?", [shelf.table]
        ).fetchall()
    )
    counted = cursor.execute(
        f"SELECT ({shelf.time} - 1) // {DAY_MS} AS day, count(*) FROM {shelf.table} "
        f"WHERE {shelf.time} <= ? GROUP BY day ORDER BY day",
        [before_ms // DAY_MS * DAY_MS],
    ).fetchall()
    return [
        (day, rows)
        for day, rows in counted
        if day not in settled or rows - settled[day] > max(GROWN_ROWS, GROWN_SHARE * settled[day])
    ]


def pieces(cursor: Cursor, shelf: Shelf, day: int, rows: int) -> Iterator[Piece]:
    """A day, cut by series so that no piece is too large."""
    counted = cursor.execute(
        f"SELECT series, count(*) FROM {shelf.table} WHERE {during(shelf, day)} "
        "GROUP BY series ORDER BY series"
    ).fetchall()
    ids = np.array([series for series, _ in counted], np.int64)
    before = np.cumsum([count for _, count in counted]) - [count for _, count in counted]
    group = before // MOST_ROWS
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = [*(starts[1:] - 1).tolist(), len(ids) - 1]
    for start, end in zip(starts.tolist(), ends, strict=True):
        closes = rows if end == len(ids) - 1 else None
        yield Piece(shelf, day, int(ids[start]), int(ids[end]), closes)


def during(shelf: Shelf, day: int) -> str:
    """The rows of a day: of `(start, end]`, so that the window that ends at midnight belongs."""
    begin_ms = day * DAY_MS
    return f"{shelf.time} > {begin_ms} AND {shelf.time} <= {begin_ms + DAY_MS}"


def move(cursor: Cursor, piece: Piece) -> int:
    """Rewrite one piece inside the caller's transaction; how many rows."""
    table = piece.shelf.table
    chosen = f"{during(piece.shelf, piece.day)} AND series BETWEEN {piece.first} AND {piece.last}"
    cursor.execute(
        f"CREATE TEMP TABLE moving AS SELECT * FROM {table} WHERE {chosen} "
        f"ORDER BY {piece.shelf.order}"
    )
    cursor.execute(f"DELETE FROM {table} WHERE {chosen}")
    ((moved,),) = cursor.execute(f"INSERT INTO {table} FROM moving").fetchall()
    cursor.execute("DROP TABLE moving")
    if piece.closes is not None:
        cursor.execute("DELETE FROM settled WHERE name = ? AND day = ?", [table, piece.day])
        cursor.execute("INSERT INTO settled VALUES (?, ?, ?)", [table, piece.day, piece.closes])
    return int(moved)


def forget(cursor: Cursor, shelf: Shelf, before_ms: int) -> None:
    """Forget the days whose rows are all gone."""
    day = before_ms // DAY_MS
    cursor.execute("DELETE FROM settled WHERE name = ? AND day < ?", [shelf.table, day])

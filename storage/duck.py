"""History on a DuckDB file: the embedded default.

Rows are written in batches of NumPy columns, one transaction a batch, and DuckDB's write-ahead log
makes a batch whole or absent after kill -9. Series and window series get small integers; the maps
are held in memory, because a tick asks for thousands of them.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from storage import settle
from storage.catalogue import Catalogue
from storage.cost import Part, counted
from storage.duckfile import Connection, DuckFile, HistoryError, advice, transaction
from storage.history import HOUR_SECONDS, NO_LAYOUT, Flags, Floats, Ints, Samples, Windows
from storage.journal import EVER_MS, SAMPLES, Journal, windows_topic
from storage.newest import Newest
from storage.series import Labels, Selector
from storage.window_rows import further, lengths, replaces, store_windows

Number = TypeVar("Number", np.int32, np.int64, np.float64)

VERSION = 1
MOST_SETTLED = 50_000_000
"""Rows of past days that one call of `settle` rewrites: about a minute, where a week is new."""

SCHEMA = """
CREATE TABLE format (version INTEGER);
CREATE TABLE series (id INTEGER, metric VARCHAR, labels VARCHAR);
CREATE TABLE samples (series INTEGER, ts BIGINT, value DOUBLE);
CREATE TABLE window_series (id INTEGER, signal VARCHAR, labels VARCHAR);
CREATE TABLE layouts (id INTEGER, bounds DOUBLE[]);
CREATE TABLE windows (
    series INTEGER, end_ms BIGINT, seconds DOUBLE, value DOUBLE, n DOUBLE,
    layout INTEGER, counts DOUBLE[]
);
"""


CHOSEN = (
    "FROM windows WHERE end_ms > ? AND end_ms <= ? AND (? IS NULL OR seconds = ?) "
    "AND series IN (SELECT id FROM wanted) ORDER BY series, end_ms"
)


class DuckHistory:
    """`storage.history.History` on a DuckDB file."""

    def __init__(self, file: DuckFile) -> None:
        self.file = file
        self.write = threading.Lock()
        self.journal = Journal()
        try:
            cursor = file.cursor()
            prepare(cursor, file.path)
            cursor.execute(settle.SCHEMA)
            self.series = Catalogue(cursor.execute("FROM series").fetchall())
            self.window_series = Catalogue(cursor.execute("FROM window_series").fetchall())
            rows = cursor.execute("SELECT id, bounds FROM layouts").fetchall()
            ((newest_ms,),) = cursor.execute("SELECT max(ts) FROM samples").fetchall()
        except duckdb.Error as error:  # damage shows when the first tables are read
            raise HistoryError(advice(file.path, error)) from None
        self.layouts: dict[tuple[float, ...], int] = {tuple(bounds): id_ for id_, bounds in rows}
        self.newest = Newest(-EVER_MS if newest_ms is None else newest_ms)
        self._shown: tuple[Ints, tuple[Labels, ...]] = (np.empty(0, np.int64), ())
        self.held: list[Windows] = []
        # How far windows of each length reach: what is newer replaces nothing. None is not known.
        self.reach_ms: dict[float, int] | None = None

    def append(self, *batches: Samples) -> None:
        """Store samples in one transaction: after a crash all of them are there, or none."""
        given = [samples for samples in batches if len(samples)]
        if not given:
            return
        with self.write:
            ids = joined([self.series.recall(one.series)[one.index] for one in given])
            times = [samples.at_ms for samples in given]
            at_ms, values = joined(times), joined([samples.values for samples in given])
            rows = {"series": ids, "ts": at_ms, "value": values}
            if self.series.new:
                with transaction(self.file, self.series) as cursor:
                    self.series.store_new(cursor, "series")
                    insert_samples(cursor, rows)
            else:  # one statement is a transaction of its own, which is cheaper
                with closing(self.file.cursor()) as cursor:
                    insert_samples(cursor, rows)
            # Copies: whoever measured them may put the next ones into the same arrays.
            self.newest.add(ids, at_ms.copy(), values.astype(np.float64))
        self.journal.note(SAMPLES, int(at_ms.min()), int(at_ms.max()))

    @counted(Part.HISTORY)
    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """The samples of the chosen series in `(start, end]`."""
        wanted = np.concatenate([np.empty(0, np.int64), *map(self.series.among, selectors)])
        if not len(wanted):
            return Samples.of(())
        found = self.newest.between(start_ms, end_ms)
        ids, at_ms, values = self.read_samples(wanted, start_ms, end_ms) if found is None else found
        if found is not None:
            meant = np.zeros(int(max(wanted.max(), ids.max(initial=0))) + 1, np.bool_)
            meant[wanted] = True
            if not (kept := meant[ids]).all():
                ids, at_ms, values = ids[kept], at_ms[kept], values[kept]
        if not (kept := last_of_equal(ids, at_ms)).all():
            ids, at_ms, values = ids[kept], at_ms[kept], values[kept]
        first = np.diff(ids, prepend=-1) != 0
        used = ids[first]
        return Samples(self.shown(used), np.cumsum(first) - 1, at_ms, values, used)

    def shown(self, ids: Ints) -> tuple[Labels, ...]:
        """The labels of these series; the same object as long as the same ones are asked for."""
        known = self._shown
        if not np.array_equal(known[0], ids):
            names = self.series.names
            known = self._shown = (ids, tuple(names[one] for one in ids.tolist()))
        return known[1]

    def read_samples(self, wanted: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints, Floats]:
        """(ids, times, values) of these series in `(start, end]` from the file, sorted."""
        cursor = self.file.cursor()
        cursor.register("wanted", {"id": wanted})
        columns = cursor.execute(
            "SELECT series, ts, value FROM samples WHERE ts > ? AND ts <= ? "
            "AND series IN (SELECT id FROM wanted) ORDER BY series, ts, rowid",
            [start_ms, end_ms],
        ).fetchnumpy()
        return columns["series"].astype(np.int64), columns["ts"], numbers(columns["value"])

    @counted(Part.HISTORY)
    def oldest_ms(self) -> int | None:
        """The time of the oldest sample that is kept; None where there is none."""
        found = self.file.cursor().execute("SELECT min(ts) FROM samples").fetchone()
        return None if found is None or found[0] is None else int(found[0])

    def put_windows(self, *windows: Windows) -> None:
        """Store windows, of any signals, in one transaction; same series, end, length replaces."""
        filled = [one for one in windows if len(one)]
        if not filled:
            return
        with self.unit(windows=filled):
            pass
        self.note_windows(filled)

    def hold_windows(self, *windows: Windows) -> None:
        """The same, but not before the next transaction that writes windows, or is a `unit`.

        Whoever reads windows has them written first, so that only a crash can tell the difference:
        then they are gone, with whatever was to be written beside them.
        """
        filled = [one for one in windows if len(one)]
        with self.write:
            self.held += filled
        self.note_windows(filled)

    def flush(self) -> None:
        """Write what is held."""
        if self.held:
            with self.unit():
                pass

    @contextmanager
    def unit(self, *others: Catalogue, windows: Sequence[Windows] = ()) -> Iterator[Connection]:
        """One transaction of whoever keeps tables in the same file; what is held is written too.

        It has the history to itself. When the body raises, nothing is written and all is held on.
        """
        with self.write:
            filled = [*self.held, *windows]
            with self.new_layouts(), transaction(self.file, self.window_series, *others) as cursor:
                reach_ms = self.store(cursor, filled) if filled else self.reach_ms
                yield cursor
            self.held.clear()
            self.reach_ms = reach_ms  # committed, and nobody else writes yet

    def store(self, cursor: Connection, filled: Sequence[Windows]) -> dict[float, int]:
        """Write windows in the caller's transaction; how far those of each length reach then."""
        ids = [self.window_series.again(one.series, one.signal) for one in filled]
        self.window_series.store_new(cursor, "window_series")
        layouts = [self.store_layouts(cursor, one.layouts) for one in filled]
        reach_ms = self.reach(cursor)
        store_windows(cursor, filled, ids, layouts, replaces(filled, reach_ms))
        return further(reach_ms, filled)

    def note_windows(self, filled: Sequence[Windows]) -> None:
        """Say that these windows can be read."""
        for one in filled:
            for seconds in lengths(one):
                topic = windows_topic(one.signal, seconds)
                self.journal.note(topic, int(one.end_ms.min()), int(one.end_ms.max()))

    def reach(self, cursor: Connection) -> dict[float, int]:
        """The end of the newest window of each length, inside the caller's transaction."""
        if self.reach_ms is None:
            found = cursor.execute("SELECT seconds, max(end_ms) FROM windows GROUP BY seconds")
            self.reach_ms = {seconds: int(end_ms) for seconds, end_ms in found.fetchall()}
        return self.reach_ms

    @contextmanager
    def new_layouts(self) -> Iterator[None]:
        """Forget the bucket layouts of a transaction that was rolled back."""
        before = dict(self.layouts)
        try:
            yield
        except BaseException:
            self.layouts = before
            raise

    def store_layouts(
        self, cursor: duckdb.DuckDBPyConnection, layouts: Iterable[tuple[float, ...]]
    ) -> Ints:
        """The ids of bucket layouts, with -1 at the end for `NO_LAYOUT`."""
        ids = []
        for bounds in layouts:
            if bounds not in self.layouts:
                self.layouts[bounds] = len(self.layouts)
                cursor.execute(
                    "INSERT INTO layouts VALUES (?, ?)", [self.layouts[bounds], list(bounds)]
                )
            ids.append(self.layouts[bounds])
        return np.array([*ids, NO_LAYOUT], np.int64)

    @counted(Part.HISTORY)
    def windows(
        self,
        signal: str,
        start_ms: int,
        end_ms: int,
        labels: Labels | None = None,
        *,
        seconds: float | None = None,
        counts: bool = True,
    ) -> Windows:
        """The windows that end in `(start, end]`, of one series or one length if given."""
        self.flush()
        if labels is not None:
            found = self.window_series.one(signal, labels)
        else:
            found = self.window_series.find(signal, lambda _: True)
        if not found:
            return Windows.of(signal, ())
        cursor = self.file.cursor()
        columns = "layout, counts" if counts else f"{NO_LAYOUT} AS layout"
        chosen = "end_ms > ? AND end_ms <= ?"
        values: list[float] = [start_ms, end_ms]
        if seconds is not None:
            chosen, values = f"{chosen} AND seconds = ?", [*values, seconds]
        if len(found) == 1:  # by its number, which is looked for in what is known of each block
            chosen, values = f"{chosen} AND series = ?", [*values, *found]
        else:
            cursor.register("wanted", ids_of(found))
            chosen = f"{chosen} AND series IN (SELECT id FROM wanted)"
        table = cursor.execute(
            f"SELECT series, end_ms, seconds, value, n, {columns} FROM windows WHERE {chosen} "
            "ORDER BY series, end_ms, seconds",
            values,
        ).fetchnumpy()
        if not len(table["series"]):
            return Windows.of(signal, ())
        labels_found, index = compact(table["series"], found)
        layouts, layout = self.layouts_of(table["layout"])
        buckets = list(table["counts"][layout != NO_LAYOUT]) if counts else []
        return Windows(
            signal,
            labels_found,
            index,
            table["end_ms"],
            numbers(table["seconds"]),
            numbers(table["value"]),
            numbers(table["n"]),
            layout,
            layouts,
            np.concatenate(buckets).astype(np.float64) if buckets else np.empty(0, np.float64),
        )

    def layouts_of(self, ids: Ints) -> tuple[tuple[tuple[float, ...], ...], Ints]:
        """The bucket layouts that occur, and for each row its position among them or -1."""
        used, layout = np.unique(ids, return_inverse=True)
        by_id = {id_: bounds for bounds, id_ in list(self.layouts.items())}
        known = tuple(by_id[int(id_)] for id_ in used if id_ != NO_LAYOUT)
        return known, layout.astype(np.int64) - (1 if used[0] == NO_LAYOUT else 0)

    def retain(
        self, samples_after_ms: int, windows_after_ms: int, hourly_after_ms: int | None = None
    ) -> int:
        """Drop what is older, give back how many rows went; windows of an hour may stay longer."""
        self.flush()
        hourly = windows_after_ms if hourly_after_ms is None else hourly_after_ms
        with self.write, transaction(self.file, self.series) as cursor:
            settle.forget(cursor, settle.SAMPLES, samples_after_ms)
            settle.forget(cursor, settle.WINDOWS, min(windows_after_ms, hourly))
            gone = deleted(cursor, "samples WHERE ts <= ?", samples_after_ms)
            gone += deleted(
                cursor,
                "windows WHERE end_ms <= CASE WHEN seconds = ? THEN ? ELSE ? END",
                HOUR_SECONDS,
                hourly,
                windows_after_ms,
            )
            self.newest.cut(samples_after_ms)
        self.journal.note_all_windows(-EVER_MS, windows_after_ms)
        self.journal.note(SAMPLES, -EVER_MS, samples_after_ms)
        return gone

    def settle(self, before_ms: int, most_rows: int = MOST_SETTLED) -> int:
        """Rewrite days that ended by then in the order of their series; how many rows moved.

        What a read gives stays the same; the file becomes smaller and one series quicker to read.
        Each piece of a day is a transaction, and others write between them. A day that was begun is
        ended; what is left after so many rows waits for the next call.
        """
        moved = 0
        cursor = self.file.cursor()
        for shelf in settle.SHELVES:
            for day, rows in settle.due(cursor, shelf, before_ms):
                if moved >= most_rows:
                    return moved
                for piece in settle.pieces(cursor, shelf, day, rows):
                    with self.write, transaction(self.file, self.series) as writing:
                        moved += settle.move(writing, piece)
        return moved

    def thin(self, signal: str, seconds: float | None, after_ms: int) -> int:
        """Drop the older windows of one length of a signal, or of all; give back how many went."""
        self.flush()
        found = self.window_series.find(signal, lambda _: True)
        if not found:
            return 0
        with self.write, transaction(self.file, self.window_series) as cursor:
            cursor.register("wanted", ids_of(found))
            length = "true" if seconds is None else "seconds = ?"
            chosen = f"{length} AND end_ms <= ? AND series IN (SELECT id FROM wanted)"
            values = [after_ms] if seconds is None else [seconds, after_ms]
            gone = deleted(cursor, f"windows WHERE {chosen}", *values)
        if seconds is None:
            self.journal.note_windows_of(signal, -EVER_MS, after_ms)
        else:
            self.journal.note(windows_topic(signal, seconds), -EVER_MS, after_ms)
        return gone


def insert_samples(cursor: duckdb.DuckDBPyConnection, rows: Mapping[str, object]) -> None:
    """Write columns of samples behind those that are there."""
    # DuckDB finds `rows` by its name in this frame, in half the time that register() takes.
    cursor.execute("INSERT INTO samples SELECT series, ts, value FROM rows")


def deleted(cursor: duckdb.DuckDBPyConnection, chosen: str, *values: float) -> int:
    """Delete the chosen rows, give back how many."""
    row = cursor.execute(f"DELETE FROM {chosen}", values).fetchone()
    return int(row[0]) if row else 0


def prepare(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the tables in a new file; refuse one of a newer version."""
    tables = {row[0] for row in cursor.execute("SHOW TABLES").fetchall()}
    if "format" not in tables:
        cursor.execute(f"BEGIN; {SCHEMA} INSERT INTO format VALUES ({VERSION}); COMMIT")
        return
    (version,) = cursor.execute("SELECT max(version) FROM format").fetchone() or (0,)
    if version > VERSION:
        raise HistoryError(
            f"{path} is of a newer version of Plimsoll (format {version}, this one reads "
            f"{VERSION}): start that version, or choose another data directory"
        )


def joined(columns: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """Columns one behind the other; a single one is not copied."""
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def ids_of(found: Mapping[int, Labels]) -> dict[str, Ints]:
    """Ids as a column that SQL can join with."""
    return {"id": np.fromiter(found, np.int64, len(found))}


def compact(ids: Ints, found: Mapping[int, Labels]) -> tuple[tuple[Labels, ...], Ints]:
    """The labels that occur, and for each row its position among them."""
    used, index = np.unique(ids, return_inverse=True)
    return tuple(found[id_] for id_ in used.tolist()), index.astype(np.int64)


def numbers(column: Floats) -> Floats:
    """A column without its mask: DuckDB's Python reader and writer turn NaN into NULL and back."""
    return np.ma.filled(column, np.nan)


def last_of_equal(series: Ints, ts: Ints) -> Flags:
    """Which rows to keep so that each (series, time) stands once: the one written last."""
    if not len(series):
        return np.empty(0, np.bool_)
    follows = (series[1:] == series[:-1]) & (ts[1:] == ts[:-1])
    return ~np.append(follows, False)

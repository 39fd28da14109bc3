"""History on a DuckDB file: the embedded default.

Rows are written in batches of NumPy columns, one transaction a batch, and DuckDB's write-ahead log
makes a batch whole or absent after kill -9. Series and window series get small integers; the maps
are held in memory, because a tick asks for thousands of them.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from storage.catalogue import Catalogue
from storage.history import HOUR_SECONDS, NO_LAYOUT, Flags, Floats, Ints, Samples, Windows
from storage.journal import EVER_MS, SAMPLES, Journal, windows_topic
from storage.series import Labels, Selector

Connection = duckdb.DuckDBPyConnection
Number = TypeVar("Number", np.int32, np.int64, np.float64)

VERSION = 1
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


class HistoryError(Exception):
    """The history cannot be opened; the message says what to do."""


class DuckFile:
    """One open DuckDB file, shared by the books that keep tables in it.

    Only one process can have it open. `memory` is DuckDB's own limit for its buffers.
    """

    def __init__(self, path: Path, *, memory: str = "256MB", threads: int = 2) -> None:
        self.path = path
        self.copying = threading.Lock()  # held while a copy is made and handed out: one at a time
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = duckdb.connect(
                str(path), config={"memory_limit": memory, "threads": threads}
            )
        except (duckdb.Error, OSError) as error:
            raise HistoryError(advice(path, error)) from None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the same file; cursors are not shared between threads."""
        return self.connection.cursor()

    def size_bytes(self) -> int:
        """What the file and its log take on disk."""
        files = (self.path, self.path.with_name(self.path.name + ".wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def rows(self) -> dict[str, int]:
        """How many rows each table has, as DuckDB keeps count of them; nothing is read for it."""
        found = self.cursor().execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = current_database() ORDER BY table_name"
        )
        return {name: int(count) for name, count in found.fetchall()}

    def memory_bytes(self) -> int:
        """What the buffers take in memory."""
        found = self.cursor().execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
        (total,) = found.fetchone() or (0,)
        return int(total or 0)

    def copy_to(self, path: Path) -> None:
        """Write everything into a new file, as it is at one moment; others go on meanwhile."""
        cursor = self.cursor()
        (name,) = cursor.execute("SELECT current_database()").fetchone() or ("",)
        target = str(path).replace("'", "''")
        try:
            cursor.execute(f"ATTACH '{target}' AS plimsoll_copy")
            try:
                # One statement is one transaction, so the copy is of one moment.
                cursor.execute(f'COPY FROM DATABASE "{name}" TO plimsoll_copy')
                cursor.execute("CHECKPOINT plimsoll_copy")  # else part of it stays in its log
            finally:
                cursor.execute("DETACH plimsoll_copy")
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise HistoryError(
                f"the history cannot be copied to {path.parent} ({first}): "
                "check that there is as much free space as it takes"
            ) from None
        finally:
            cursor.close()

    def close(self) -> None:
        """Write the log into the file and give it back."""
        self.connection.close()


def advice(path: Path, error: Exception) -> str:
    """Say what is wrong with the file, and the way out."""
    said = str(error)
    if "could not set lock" in said.lower():
        return (
            f"{path} is in use by another Plimsoll process: "
            "stop that one, or choose another data directory"
        )
    if isinstance(error, duckdb.IOException) and "newer version" in said.lower():
        return (
            f"{path} was written by a newer version: "
            "start that version, or choose another data directory"
        )
    if isinstance(error, OSError):
        return f"{path} cannot be opened ({error.strerror}): check that the directory is writable"
    first = said.splitlines()[0] if said else type(error).__name__
    return (
        f"{path} cannot be read as a history ({first}): move it away to start afresh "
        "(regressions are kept in the state file), or restore a backup"
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
            self.series = Catalogue(cursor.execute("FROM series").fetchall())
            self.window_series = Catalogue(cursor.execute("FROM window_series").fetchall())
            rows = cursor.execute("SELECT id, bounds FROM layouts").fetchall()
        except duckdb.Error as error:  # damage shows when the first tables are read
            raise HistoryError(advice(file.path, error)) from None
        self.layouts: dict[tuple[float, ...], int] = {tuple(bounds): id_ for id_, bounds in rows}
        # How far windows of each length reach: what is newer replaces nothing. None is not known.
        self.reach_ms: dict[float, int] | None = None

    def append(self, *batches: Samples) -> None:
        """Store samples in one transaction: after a crash all of them are there, or none."""
        given = [samples for samples in batches if len(samples)]
        if not given:
            return
        with self.write, transaction(self.file, self.series) as cursor:
            ids = [self.series.recall(samples.series)[samples.index] for samples in given]
            self.series.store_new(cursor, "series")
            at_ms = joined([samples.at_ms for samples in given])
            rows = {
                "series": joined(ids),
                "ts": at_ms,
                "value": joined([samples.values for samples in given]),
            }
            cursor.register("rows_in", rows)
            cursor.execute("INSERT INTO samples SELECT series, ts, value FROM rows_in")
        self.journal.note(SAMPLES, int(at_ms.min()), int(at_ms.max()))

    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """The samples of the chosen series in `(start, end]`."""
        wanted = np.concatenate([np.empty(0, np.int64), *map(self.series.among, selectors)])
        if not len(wanted):
            return Samples.of(())
        cursor = self.file.cursor()
        cursor.register("wanted", {"id": wanted})
        columns = cursor.execute(
            "SELECT series, ts, value FROM samples WHERE ts > ? AND ts <= ? "
            "AND series IN (SELECT id FROM wanted) ORDER BY series, ts, rowid",
            [start_ms, end_ms],
        ).fetchnumpy()
        kept = last_of_equal(columns["series"], columns["ts"])
        labels, index, ids = compact(columns["series"][kept], self.series.names)
        return Samples(labels, index, columns["ts"][kept], numbers(columns["value"])[kept], ids)

    def put_windows(self, *windows: Windows) -> None:
        """Store windows, of any signals, in one transaction; same series, end, length replaces."""
        filled = [one for one in windows if len(one)]
        if not filled:
            return
        with self.write:
            with self.new_layouts(), transaction(self.file, self.window_series) as cursor:
                ids = [self.window_series.identify(one.series, one.signal) for one in filled]
                self.window_series.store_new(cursor, "window_series")
                layouts = [self.store_layouts(cursor, one.layouts) for one in filled]
                reach_ms = self.reach(cursor)
                store_windows(cursor, filled, ids, layouts, replaces(filled, reach_ms))
            self.reach_ms = further(reach_ms, filled)  # committed, and nobody else writes yet
        for one in filled:
            for seconds in np.unique(one.seconds).tolist():
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
        found = self.window_series.find(signal, lambda known: labels is None or known == labels)
        if not found:
            return Windows.of(signal, ())
        cursor = self.file.cursor()
        cursor.register("wanted", ids_of(found))
        table = cursor.execute(
            "SELECT series, end_ms, seconds, value, n, "
            + (f"layout, counts {CHOSEN}" if counts else f"{NO_LAYOUT} AS layout {CHOSEN}"),
            [start_ms, end_ms, seconds, seconds],
        ).fetchnumpy()
        if not len(table["series"]):
            return Windows.of(signal, ())
        labels_found, index, _ = compact(table["series"], found)
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
        hourly = windows_after_ms if hourly_after_ms is None else hourly_after_ms
        with self.write, transaction(self.file, self.series) as cursor:
            gone = deleted(cursor, "samples WHERE ts <= ?", samples_after_ms)
            gone += deleted(
                cursor,
                "windows WHERE end_ms <= CASE WHEN seconds = ? THEN ? ELSE ? END",
                HOUR_SECONDS,
                hourly,
                windows_after_ms,
            )
        self.journal.note_all_windows(-EVER_MS, windows_after_ms)
        self.journal.note(SAMPLES, -EVER_MS, samples_after_ms)
        return gone

    def thin(self, signal: str, seconds: float, after_ms: int) -> int:
        """Drop the older windows of one length of a signal, give back how many went."""
        found = self.window_series.find(signal, lambda _: True)
        if not found:
            return 0
        with self.write, transaction(self.file, self.window_series) as cursor:
            cursor.register("wanted", ids_of(found))
            chosen = "seconds = ? AND end_ms <= ? AND series IN (SELECT id FROM wanted)"
            gone = deleted(cursor, f"windows WHERE {chosen}", seconds, after_ms)
        self.journal.note(windows_topic(signal, seconds), -EVER_MS, after_ms)
        return gone


@contextmanager
def transaction(file: DuckFile, catalogue: Catalogue) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor inside one transaction, rolled back when the body raises."""
    cursor = file.cursor()
    cursor.begin()
    try:
        yield cursor
        cursor.commit()
    except BaseException:
        catalogue.settle(committed=False)
        with suppress(duckdb.TransactionException):  # a commit that failed has ended it already
            cursor.rollback()
        raise
    else:
        catalogue.settle(committed=True)
    finally:
        cursor.close()


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


def compact(
    ids: Ints, found: Mapping[int, Labels] | Sequence[Labels]
) -> tuple[tuple[Labels, ...], Ints, Ints]:
    """The labels that occur, for each row its position among them, and the id of each."""
    used, index = np.unique(ids, return_inverse=True)
    return (
        tuple(found[id_] for id_ in used.tolist()),
        index.astype(np.int64),
        used.astype(np.int64),
    )


def numbers(column: Floats) -> Floats:
    """A column without its mask: DuckDB's Python reader and writer turn NaN into NULL and back."""
    return np.ma.filled(column, np.nan)


def last_of_equal(series: Ints, ts: Ints) -> Flags:
    """Which rows to keep so that each (series, time) stands once: the one written last."""
    if not len(series):
        return np.empty(0, np.bool_)
    follows = (series[1:] == series[:-1]) & (ts[1:] == ts[:-1])
    return ~np.append(follows, False)


def last_of_same(series: Ints, end_ms: Ints, seconds: Floats) -> Ints:
    """The rows to keep, ascending, so that each (series, end, length) stands once: the last one."""
    order = np.lexsort((seconds, end_ms, series))
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in (series, end_ms, seconds):
        same &= np.diff(column[order]) == 0
    return np.sort(order[~np.append(same, False)]).astype(np.int64)

"""Past days in the order of their series: every read gives what it gave before."""

import math
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from storage import settle
from storage.catalogue import Cursor
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples, Windows
from storage.series import NAME, Labels, Selector, Window

DAY = settle.DAY_MS
STEP = 10_800_000
A_DAY = DAY // STEP
LOAD = Selector("load")


def load(number: int) -> Labels:
    return Labels.of({NAME: "load", "host": str(number)})


def add(history: DuckHistory, at_ms: int, values: Sequence[float]) -> None:
    history.append(Samples.at([load(i) for i in range(len(values))], at_ms, values))


def filled(history: DuckHistory, days: int = 3) -> None:
    """Four series over some days, scrape after scrape, and their windows of two lengths."""
    for hour in range(A_DAY * days):
        add(history, (hour + 1) * STEP, [hour + 0.5, math.nan, math.inf, -hour])
        rows = [
            Window("w", Labels.of(host=str(i)), (hour + 1) * STEP, seconds, hour, 1.0,
                   (1.0, math.inf), (float(hour), float(i)))
            for i in range(4)
            for seconds in (60.0, 3600.0)
        ]  # fmt: skip
        history.put_windows(Windows.of("w", rows))


def everything(history: DuckHistory) -> tuple[str, str]:
    samples = history.samples([LOAD], 0, 2**60)
    columns = (samples.index, samples.at_ms, samples.values)
    return repr([column.tolist() for column in columns]), repr(
        history.windows("w", 0, 2**60).rows()
    )


def order(history: DuckHistory, table: str, time: str) -> list[tuple[int, int]]:
    """Series and day of each row, as they stand in the file."""
    cursor = history.file.cursor()
    rows = cursor.execute(f"SELECT series, ({time} - 1) // {DAY} FROM {table} ORDER BY rowid")
    return list(rows.fetchall())


def test_days_that_are_over_are_sorted_by_series_and_read_as_before(history: DuckHistory) -> None:
    filled(history)
    before = everything(history)
    assert history.settle(2 * DAY + STEP) == 2 * A_DAY * 12
    assert everything(history) == before
    past = [row for row in order(history, "samples", "ts") if row[1] < 2]
    assert past == sorted(past, key=lambda row: (row[1], row[0]))
    today = [row for row in order(history, "samples", "ts") if row[1] == 2]
    assert today[:8] == [(0, 2), (1, 2), (2, 2), (3, 2)] * 2
    assert history.settle(2 * DAY + STEP) == 0


def test_a_day_is_not_touched_before_it_has_ended(history: DuckHistory) -> None:
    filled(history, days=1)
    assert history.settle(DAY - 1) == 0
    assert history.settle(DAY) > 0


def test_a_large_day_is_moved_in_pieces_of_whole_series(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(history)
    before = everything(history)
    monkeypatch.setattr(settle, "MOST_ROWS", 2 * A_DAY)  # two series of samples, one of windows
    moves: list[settle.Piece] = []
    whole = settle.move

    def counted(cursor: Cursor, piece: settle.Piece) -> int:
        moves.append(piece)
        return whole(cursor, piece)

    monkeypatch.setattr(settle, "move", counted)
    history.settle(DAY)
    assert [(one.shelf.table, one.first, one.last) for one in moves] == [
        ("samples", 0, 1), ("samples", 2, 3),
        ("windows", 0, 0), ("windows", 1, 1), ("windows", 2, 2), ("windows", 3, 3),
    ]  # fmt: skip
    assert everything(history) == before


def test_one_call_ends_the_day_that_it_began_and_leaves_the_others(history: DuckHistory) -> None:
    filled(history)
    assert [history.settle(2 * DAY, most_rows=1) for _ in range(5)] == [
        4 * A_DAY, 4 * A_DAY, 8 * A_DAY, 8 * A_DAY, 0,
    ]  # fmt: skip


def test_late_samples_and_those_that_come_again_count_as_always(history: DuckHistory) -> None:
    filled(history)
    add(history, 5 * STEP, [100.0])  # in place of one, before its day is settled
    history.settle(2 * DAY)
    assert value(history, 5 * STEP) == 100.0
    add(history, 6 * STEP, [200.0])  # in place of one that is settled
    add(history, 6 * STEP + 1, [300.0])  # between two
    assert [value(history, at) for at in (6 * STEP, 6 * STEP + 1)] == [200.0, 300.0]
    found = history.samples([LOAD], 0, 2 * DAY)
    rows = list(zip(found.index.tolist(), found.at_ms.tolist(), strict=True))
    assert rows == sorted(set(rows))
    history.put_windows(
        Windows.of("w", [Window("w", Labels.of(host="0"), 5 * STEP, 60.0, -1.0, 1.0)])
    )
    again = history.windows("w", 5 * STEP - 1, 5 * STEP, Labels.of(host="0"), seconds=60.0)
    assert again.values.tolist() == [-1.0]


def value(history: DuckHistory, at_ms: int) -> float:
    found = history.samples([Selector.parse('load{host="0"}')], at_ms - 1, at_ms)
    (only,) = found.values.tolist()
    return float(only)


def test_a_day_that_grew_is_settled_again_with_the_newest_value_last(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(history, days=1)
    history.settle(DAY)
    monkeypatch.setattr(settle, "GROWN_ROWS", 4)
    for hour in range(4):
        add(history, (hour + 1) * STEP, [7.0])
    assert history.settle(DAY) == 0  # not enough came
    add(history, 5 * STEP, [7.0])
    assert history.settle(DAY) == A_DAY * 4 + 5
    assert [value(history, (hour + 1) * STEP) for hour in range(6)] == [7.0] * 5 + [5.5]


def test_what_is_old_goes_from_settled_days_and_others_alike(history: DuckHistory) -> None:
    filled(history)
    history.settle(2 * DAY)
    assert history.retain(DAY + 4 * STEP, 2 * DAY) == 12 * 4 + 16 * 8
    assert int(history.samples([LOAD], 0, 2**60).at_ms.min()) == DAY + 5 * STEP
    assert len(history.windows("w", 0, 2 * DAY)) == 0
    assert history.thin("w", 60.0, 3 * DAY) == A_DAY * 4
    assert history.retain(3 * DAY, 3 * DAY) == 12 * 4 + A_DAY * 4
    assert history.file.cursor().execute("FROM settled").fetchall() == []


def test_a_piece_that_fails_changes_nothing_and_is_done_by_the_next_call(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(history)
    before = everything(history)
    monkeypatch.setattr(settle, "during", broken(settle.during))
    with pytest.raises(duckdb.Error):
        history.settle(2 * DAY)
    assert everything(history) == before
    monkeypatch.undo()
    assert history.settle(2 * DAY) == 2 * A_DAY * 12
    assert everything(history) == before


def broken(during: object) -> object:
    """The same, with an error in the second statement of a move: the rows are copied already."""
    calls: list[int] = []

    def once(shelf: settle.Shelf, day: int) -> str:
        calls.append(day)
        condition = str(during(shelf, day))  # type: ignore[operator]
        # The first call counts the series; the second is for the move itself.
        return condition if len(calls) == 1 else f"{condition} AND error('broken') IS NULL"

    return once


def test_what_is_settled_is_there_after_reopening_and_in_a_copy(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "h.duckdb")
    history = DuckHistory(file)
    filled(history)
    history.settle(2 * DAY)
    before = everything(history)
    file.copy_to(tmp_path / "copy.duckdb")
    file.close()
    for name in ("h", "copy"):
        file = DuckFile(tmp_path / f"{name}.duckdb")
        history = DuckHistory(file)
        assert everything(history) == before
        assert history.settle(2 * DAY) == 0
        file.close()


def test_a_file_that_was_never_settled_is_settled_when_it_is_opened_by_us(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "h.duckdb")
    filled(DuckHistory(file))
    before = everything(DuckHistory(file))
    file.cursor().execute("DROP TABLE settled")  # as an earlier version left it
    file.close()
    file = DuckFile(tmp_path / "h.duckdb")
    history = DuckHistory(file)
    assert history.settle(2 * DAY) > 0
    assert everything(history) == before
    file.close()


def test_every_other_series_runs_backwards(history: DuckHistory) -> None:
    filled(history, days=1)
    history.settle(DAY)
    rows = history.file.cursor().execute("SELECT series, ts FROM samples ORDER BY rowid").fetchall()
    forward = [(step + 1) * STEP for step in range(A_DAY)]
    runs = [forward[::-1] if series % 2 else forward for series in range(4)]
    assert rows == [(series, at_ms) for series in range(4) for at_ms in runs[series]]

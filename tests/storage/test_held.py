"""Windows that are held until something else is written: nobody but a crash can tell."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from storage.catalogue import Catalogue
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Windows
from storage.series import Labels, Window
from tests.storage.asked import statements

INF = float("inf")
TOPIC = "s/60"


def some(*ends: int, value: float = 1.0, **labels: str) -> Windows:
    series = Labels.of(labels or {"i": "1"})
    return Windows.of("s", [Window("s", series, end_ms, 60.0, value, 5.0) for end_ms in ends])


def ends(history: DuckHistory) -> list[int]:
    found: list[int] = history.windows("s", 0, 2**60).end_ms.tolist()
    return found


def stored(file: DuckFile) -> int:
    ((count,),) = file.cursor().execute("SELECT count(*) FROM windows").fetchall()
    return int(count)


def test_what_is_held_is_read_and_noted_like_what_is_written(history: DuckHistory) -> None:
    history.hold_windows(some(10), some(20))
    assert stored(history.file) == 0
    assert history.journal.since(TOPIC, 0).count == 2
    assert ends(history) == [10, 20]
    assert stored(history.file) == 2
    assert history.journal.since(TOPIC, 0).count == 2


@pytest.mark.parametrize(
    "write",
    [
        lambda history: history.put_windows(some(30)),
        lambda history: history.flush(),
        lambda history: history.thin("s", 60.0, 5),
        lambda history: history.retain(0, 5),
    ],
    ids=["put", "flush", "thin", "retain"],
)
def test_whoever_writes_windows_writes_what_is_held_as_well(
    history: DuckHistory, write: Callable[[DuckHistory], object]
) -> None:
    history.hold_windows(some(10))
    write(history)
    assert stored(history.file) >= 1
    assert history.held == []


def test_old_windows_are_dropped_though_they_were_only_held(history: DuckHistory) -> None:
    history.hold_windows(some(10, 20))
    assert history.thin("s", 60.0, 15) == 1
    history.hold_windows(some(11, 21))
    assert history.retain(0, 15) == 1
    assert ends(history) == [20, 21]


def test_of_windows_held_and_put_the_later_count(history: DuckHistory) -> None:
    history.hold_windows(some(10, value=1.0))
    history.hold_windows(some(10, value=2.0))
    history.put_windows(some(10, value=3.0), some(20, value=3.0))
    history.hold_windows(some(20, value=4.0))
    found = history.windows("s", 0, 100)
    assert found.values.tolist() == [3.0, 4.0]


def test_tables_beside_are_written_with_them_or_neither(history: DuckHistory) -> None:
    history.file.cursor().execute("CREATE TABLE beside (id INTEGER)")
    names = Catalogue(())
    history.hold_windows(some(10), some(10, i="2"))

    def told(value: object) -> None:
        with history.unit(names) as cursor:
            names.identify([Labels.of(rule="r")], "r")
            cursor.execute("INSERT INTO beside VALUES (?)", [value])

    with pytest.raises(duckdb.Error):
        told("no number")
    assert (stored(history.file), len(names), len(history.held)) == (0, 0, 2)
    told(7)
    assert (stored(history.file), len(names), history.held) == (2, 1, [])
    assert ends(history) == [10, 10]


def test_a_crash_loses_what_is_held_and_nothing_else(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    history = DuckHistory(file)
    history.put_windows(some(10))
    history.hold_windows(some(20), some(20, i="new"))
    file.close()
    file = DuckFile(tmp_path / "history.duckdb")
    reopened = DuckHistory(file)
    assert ends(reopened) == [10]
    reopened.put_windows(some(20), some(20, i="new"))
    assert ends(reopened) == [10, 20, 20]
    file.close()


BOUNDS: dict[str, tuple[float, ...]] = {
    "none": (),
    "narrow": (0.5, INF),
    "wide": tuple([*(n / 10 for n in range(40)), INF]),
}


def shaped(kinds: str, end_ms: int) -> Windows:
    """One window of a series for each letter: n(one), (narro)w, (wid)e."""
    chosen = {"n": BOUNDS["none"], "w": BOUNDS["narrow"], "e": BOUNDS["wide"]}
    return Windows.of(
        "s",
        [
            Window(
                "s",
                Labels.of(i=f"{place:03}"),
                end_ms,
                60.0,
                float(place),
                5.0,
                chosen[kind],
                tuple(float(place + one) for one in range(len(chosen[kind]))),
            )
            for place, kind in enumerate(kinds)
        ],
    )


@pytest.mark.parametrize("kinds", ["n", "e", "nwe", "ewnnwe", "wwww", "nnn"])
@pytest.mark.parametrize("most_empty", [0, 50_000], ids=["apart", "together"])
def test_buckets_of_any_widths_come_back_however_they_are_written(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch, kinds: str, most_empty: int
) -> None:
    monkeypatch.setattr("storage.window_rows.MOST_EMPTY", most_empty)
    given = shaped(kinds, 10)
    history.put_windows(given)
    assert history.windows("s", 0, 100).rows() == given.rows()
    replaced = shaped(kinds[::-1], 10)
    history.put_windows(replaced)
    assert history.windows("s", 0, 100).rows() == replaced.rows()


def test_few_windows_are_one_statement_whatever_their_buckets(history: DuckHistory) -> None:
    history.put_windows(shaped("nwe", 10))
    with statements(history.file) as seen:
        history.put_windows(shaped("nwe", 20))
    assert seen == ["BEGIN", "INSERT INTO windows", "COMMIT"]

"""The history on a DuckDB file: what goes in comes out, from any thread, or not at all."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import catalogue
from storage.duck import DuckHistory
from storage.duckfile import DuckFile, transaction
from storage.history import NO_LAYOUT, Samples, Windows
from storage.series import NAME, Labels, Sample, Selector, Window

UP = Selector.parse("up")
INF = math.inf


def up(**labels: str) -> Labels:
    return Labels.of({NAME: "up", **labels})


def all_of(history: DuckHistory, *selectors: str) -> list[Sample]:
    """The samples one by one, NaN as a word so that they can be compared."""
    found = history.samples([Selector.parse(one) for one in selectors], -(2**60), 2**60)
    return [
        Sample(found.series[i], int(at), float(value))
        for i, at, value in zip(found.index, found.at_ms, found.values, strict=True)
    ]


def window(end_ms: int, value: float = 1.0, seconds: float = 60.0, **labels: str) -> Window:
    return Window("p95", Labels.of(labels), end_ms, seconds, value, 10.0)


def put(history: DuckHistory, *windows: Window) -> None:
    history.put_windows(Windows.of("p95", windows))


def got(history: DuckHistory, **conditions: object) -> list[Window]:
    return history.windows("p95", -(2**60), 2**60, **conditions).rows()  # type: ignore[arg-type]


def test_samples_come_back_sorted_by_series_and_time(history: DuckHistory) -> None:
    history.append(
        Samples.of(
            [Sample(up(i="2"), 20, 2.0), Sample(up(i="1"), 30, 3.0), Sample(up(i="1"), 10, 1.0)]
        )
    )
    found = history.samples([UP], 0, 100)
    assert found.series == (up(i="2"), up(i="1"))
    assert found.index.tolist() == [0, 1, 1]
    assert found.at_ms.tolist() == [20, 10, 30]
    assert found.values.tolist() == [2.0, 1.0, 3.0]


def test_a_span_leaves_its_start_out_and_takes_its_end_in(history: DuckHistory) -> None:
    history.append(Samples.of(Sample(up(), at, 1.0) for at in (10, 11, 20, 21)))
    assert history.samples([UP], 10, 20).at_ms.tolist() == [11, 20]


def test_the_oldest_sample_is_known_from_any_series(history: DuckHistory) -> None:
    assert history.oldest_ms() is None
    history.append(Samples.of([Sample(up(job="a"), 2000, 1.0), Sample(up(job="b"), 1000, 1.0)]))
    assert history.oldest_ms() == 1000


def test_a_series_has_the_same_id_in_every_answer(history: DuckHistory) -> None:
    history.append(Samples.at([up(job=one) for one in "abc"], 1, [1.0, 2.0, 3.0]))
    first = history.samples([UP], 0, 10)
    known = dict(zip(first.series, first.ids.tolist(), strict=True))
    assert len(set(known.values())) == 3
    history.append(Samples.at([up(job=one) for one in "cdb"], 2, [1.0, 2.0, 3.0]))
    again = history.samples([Selector.parse('up{job=~"b|c|d"}')], 1, 10)
    ids = dict(zip(again.series, again.ids.tolist(), strict=True))
    assert {one: ids[one] for one in known if one in ids} == {
        up(job="b"): known[up(job="b")],
        up(job="c"): known[up(job="c")],
    }
    assert ids[up(job="d")] not in known.values()
    assert Samples.of([]).ids.tolist() == []


def test_selectors_choose_series_and_each_comes_once(history: DuckHistory) -> None:
    history.append(
        Samples.at([up(job="a"), up(job="b"), Labels.of({NAME: "down", "job": "a"})], 1, [1, 2, 3])
    )
    assert [one.value for one in all_of(history, 'up{job="a"}')] == [1.0]
    assert [one.value for one in all_of(history, "up", 'up{job=~"a|b"}', "down")] == [1.0, 2.0, 3.0]
    assert all_of(history, "absent") == []
    assert all_of(history) == []


def test_of_samples_at_one_time_the_last_written_counts(history: DuckHistory) -> None:
    history.append(Samples.of([Sample(up(), 1, 1.0), Sample(up(), 1, 2.0)]))
    assert [one.value for one in all_of(history, "up")] == [2.0]
    history.append(Samples.of([Sample(up(), 1, 3.0), Sample(up(), 2, 4.0)]))
    assert [one.value for one in all_of(history, "up")] == [3.0, 4.0]


def test_nan_and_infinity_are_kept(history: DuckHistory) -> None:
    values = [math.nan, INF, -INF, 0.0, 5e-324, 1.7e308]
    history.append(Samples.of(Sample(up(), at, value) for at, value in enumerate(values)))
    read = [one.value for one in all_of(history, "up")]
    assert math.isnan(read[0])
    assert read[1:] == values[1:]


def test_nothing_is_no_trouble(history: DuckHistory) -> None:
    history.append(Samples.of([]))
    history.put_windows(Windows.of("p95", []))
    assert len(history.samples([UP], 0, 1)) == 0
    assert len(history.samples([], 0, 1)) == 0
    assert len(history.windows("p95", 0, 1)) == 0
    assert history.retain(10, 10) == 0


@pytest.mark.parametrize(
    "value", ["plain", "ä ✓ 漢字 \U0001f6a2", '"quoted" \\ \n \t', "'; DROP TABLE x;--"]
)
def test_labels_survive_whatever_is_in_them(value: str, tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "h.duckdb")
    DuckHistory(file).append(Samples.at([up(label=value)], 1, [1.0]))
    file.close()
    file = DuckFile(tmp_path / "h.duckdb")
    assert DuckHistory(file).samples([UP], 0, 1).series == (up(label=value),)
    file.close()


WINDOWS = st.lists(
    st.builds(
        lambda label, end, seconds, value, n, layout: Window(
            "p95", Labels.of(s=label), end, seconds, value, n, layout,
            tuple(float(i) for i, _ in enumerate(layout)),
        ),
        st.sampled_from("abc"),
        st.integers(0, 5).map(lambda slot: slot * 60_000),
        st.sampled_from([60.0, 300.0]),
        st.floats(allow_nan=False),
        st.floats(0, 1e9),
        st.sampled_from([(), (0.1, INF), (0.1, 0.5, INF)]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WINDOWS, max_size=4))
def test_windows_are_a_dictionary_by_series_end_and_length(
    history: DuckHistory, batches: list[list[Window]]
) -> None:
    expected: dict[tuple[Labels, int, float], Window] = {}
    history.retain(2**60, 2**60)
    for batch in batches:
        put(history, *batch)
        expected |= {(one.labels, one.end_ms, one.seconds): one for one in batch}
    found = got(history)
    assert {(one.labels, one.end_ms, one.seconds): one for one in found} == expected
    assert len(found) == len(expected)


def test_windows_come_back_sorted_by_series_and_end(history: DuckHistory) -> None:
    put(history, window(2, s="b"), window(3, s="a"), window(1, s="a"))
    found = history.windows("p95", 0, 10)
    assert found.index.tolist() == sorted(found.index.tolist())
    assert [one.end_ms for one in found.rows() if one.labels.get("s") == "a"] == [1, 3]


def test_windows_are_chosen_by_signal_series_length_and_span(history: DuckHistory) -> None:
    put(history, window(1, s="a"), window(2, s="a", seconds=300.0), window(2, s="b"))
    history.put_windows(Windows.of("mean", [replace(window(2, s="a"), signal="mean")]))
    assert len(got(history)) == 3
    assert [one.end_ms for one in got(history, labels=Labels.of(s="a"))] == [1, 2]
    assert [one.seconds for one in got(history, seconds=300.0)] == [300.0]
    assert [one.end_ms for one in history.windows("p95", 1, 2).rows()] == [2, 2]
    assert got(history, labels=Labels.of(s="absent")) == []
    assert len(history.windows("mean", 0, 10)) == 1


def test_buckets_come_back_row_by_row_or_not_at_all(history: DuckHistory) -> None:
    rows = [
        replace(window(1, s="a"), bounds=(0.1, 1.0, INF), counts=(1.0, 2.0, 3.0)),
        replace(window(2, s="a")),
        replace(window(3, s="a"), bounds=(0.5, INF), counts=(4.0, 5.0)),
    ]
    put(history, *rows)
    assert got(history) == rows
    bare = history.windows("p95", 0, 10, counts=False)
    assert bare.layout.tolist() == [NO_LAYOUT] * 3
    assert bare.layouts == ()
    assert bare.rows() == [replace(one, bounds=(), counts=()) for one in rows]


def test_a_window_without_a_value_keeps_its_nan(history: DuckHistory) -> None:
    put(history, window(1, math.nan))
    assert math.isnan(got(history)[0].value)


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "h.duckdb"
    row = replace(window(1, s="a"), bounds=(0.1, INF), counts=(1.0, 2.0))
    for at in range(3):
        file = DuckFile(path)
        history = DuckHistory(file)
        history.append(Samples.at([up(i="old"), up(i=str(at))], at, [float(at), 7.0]))
        put(
            history, replace(row, end_ms=at), replace(row, bounds=(float(at), INF), end_ms=100 + at)
        )
        file.close()
    file = DuckFile(path)
    history = DuckHistory(file)
    assert [one.value for one in all_of(history, 'up{i="old"}')] == [0.0, 1.0, 2.0]
    assert len(all_of(history, "up")) == 6
    assert [one.bounds for one in got(history)] == [
        (0.1, INF), (0.1, INF), (0.1, INF), (0.0, INF), (1.0, INF), (2.0, INF),
    ]  # fmt: skip
    file.close()


def test_what_is_old_is_dropped_and_counted(history: DuckHistory) -> None:
    history.append(Samples.of(Sample(up(), at, 1.0) for at in (1, 2, 3)))
    put(history, window(1), window(2), window(3))
    assert history.retain(samples_after_ms=2, windows_after_ms=1) == 3
    assert [one.at_ms for one in all_of(history, "up")] == [3]
    assert [one.end_ms for one in got(history)] == [2, 3]


def test_a_batch_that_fails_leaves_nothing_behind(history: DuckHistory) -> None:
    broken = Samples((up(i="new"),), np.array([0]), np.array([1]), np.array(["x"]))
    with pytest.raises(duckdb.Error):
        history.append(broken)
    assert all_of(history, "up") == []
    history.append(Samples.at([up(i="new")], 1, [1.0]))
    assert [one.labels for one in all_of(history, "up")] == [up(i="new")]


def test_several_batches_are_stored_together_or_not_at_all(history: DuckHistory) -> None:
    first, second = Samples.at([up(i="1")], 1, [1.0]), Samples.at([up(i="2"), up(i="1")], 1, [2, 3])
    broken = Samples((up(i="3"),), np.array([0]), np.array([1]), np.array(["x"]))
    with pytest.raises(duckdb.Error):
        history.append(first, second, broken)
    assert all_of(history, "up") == []
    history.append(first, Samples.of([]), second)
    assert [(one.labels, one.value) for one in all_of(history, "up")] == [
        (up(i="1"), 3.0),  # the later batch counts
        (up(i="2"), 2.0),
    ]


def test_series_that_come_in_the_same_tuple_are_not_looked_at_again(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = (up(i="1"), up(i="2"))
    history.append(Samples.at([up(i="0"), up(i="2")], 1, [0.0, 1.0]))
    history.append(Samples(series, np.array([1, 0]), np.array([2, 2]), np.array([1.5, 2.5])))
    with monkeypatch.context() as patched:
        patched.setattr(history.series, "identify", lambda _: pytest.fail("looked at"))
        history.append(Samples(series, np.array([0, 1]), np.array([3, 3]), np.array([3.5, 4.5])))
    history.append(Samples((up(i="1"), up(i="2")), np.array([0]), np.array([4]), np.array([5.5])))
    assert [(one.labels.get("i"), one.value) for one in all_of(history, 'up{i!="0"}')] == [
        ("2", 1.0), ("2", 1.5), ("2", 4.5), ("1", 2.5), ("1", 3.5), ("1", 5.5),
    ]  # fmt: skip


def test_tuples_of_series_are_remembered_within_a_limit(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MOST_RECALLED", 3)
    pairs = [(up(i=str(i)), up(i=str(i + 1))) for i in range(5)]
    for at_ms, pair in enumerate([*pairs, *pairs], 1):
        history.append(Samples(pair, np.array([0, 1]), np.full(2, at_ms), np.array([1.0, 2.0])))
        assert history.series.recalled_series <= 3
    assert len(all_of(history, "up")) == 20


def test_a_tuple_of_series_whose_batch_failed_is_stored_with_the_next(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "h.duckdb")
    history = DuckHistory(file)
    series = (up(i="new"),)
    for values in (["x"], [1.0]):
        with suppress(duckdb.Error):
            history.append(Samples(series, np.array([0]), np.array([1]), np.array(values)))
    file.close()
    file = DuckFile(tmp_path / "h.duckdb")
    assert [one.labels for one in all_of(DuckHistory(file), "up")] == [up(i="new")]
    file.close()


def test_a_series_of_a_batch_that_failed_is_stored_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "h.duckdb"
    file = DuckFile(path)
    history = DuckHistory(file)
    with pytest.raises(duckdb.Error):
        history.append(Samples((up(),), np.array([0]), np.array([1]), np.array(["x"])))
    history.retain(0, 0)  # a transaction that stores no series
    history.append(Samples.at([up()], 1, [1.0]))
    file.close()
    file = DuckFile(path)
    assert [one.labels for one in all_of(DuckHistory(file), "up")] == [up()]
    file.close()


def test_bucket_bounds_of_a_batch_that_failed_are_stored_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "h.duckdb"
    file = DuckFile(path)
    history = DuckHistory(file)
    row = replace(window(1, s="a"), bounds=(0.1, INF), counts=(1.0, 2.0))
    good = Windows.of("p95", [row])
    with pytest.raises(duckdb.Error):
        history.put_windows(replace(good, values=np.array(["x"])))
    history.put_windows(good)
    file.close()
    file = DuckFile(path)
    assert DuckHistory(file).windows("p95", 0, 10).rows() == [row]
    file.close()


def test_an_error_at_commit_is_told_and_not_the_failed_rollback(history: DuckHistory) -> None:
    history.file.connection.execute("CREATE TABLE one (a INTEGER PRIMARY KEY)")

    def collide() -> None:
        with transaction(history.file, history.series) as cursor:
            cursor.execute("INSERT INTO one VALUES (1)")
            with transaction(history.file, history.series) as other:
                other.execute("INSERT INTO one VALUES (1)")

    with pytest.raises(duckdb.Error, match="Failed to commit"):
        collide()


def in_threads(*works: Callable[[], None]) -> None:
    """Run all at once; the first error of any is raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def guarded(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_write_and_read_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path, rounds, writers = tmp_path / "h.duckdb", 15, 3
    file = DuckFile(path)
    history = DuckHistory(file)

    def writer(name: str) -> Callable[[], None]:
        def work() -> None:
            for at in range(rounds):
                # A shared new series in every round: two writers must not give it two ids.
                history.append(Samples.at([up(i=name), up(round=str(at))], at + 1, [1.0, 1.0]))
                put(history, window(at + 1, s=name), window(at + 1, s=f"{name}{at}"))

        return work

    def reader() -> None:
        for _ in range(rounds):
            assert set(history.samples([UP], 0, 100).values.tolist()) <= {1.0}
            history.windows("p95", 0, 100)

    in_threads(*(writer(str(one)) for one in range(writers)), reader, reader)
    for _ in range(2):
        assert len(all_of(history, 'up{i!=""}')) == rounds * writers
        assert len({one.labels for one in all_of(history, 'up{round!=""}')}) == rounds
        assert len(all_of(history, 'up{round!=""}')) == rounds
        assert len(got(history)) == 2 * rounds * writers
        file.close()
        file = DuckFile(path)
        history = DuckHistory(file)
    file.close()


def test_the_size_of_the_file_counts_its_log(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "h.duckdb")
    history = DuckHistory(file)
    before = file.size_bytes()
    history.append(Samples.at([up(i=str(i)) for i in range(500)], 1, [1.0] * 500))
    assert file.size_bytes() > before
    file.close()


def rows_of(history: DuckHistory, table: str) -> Sequence[tuple[object, ...]]:
    return history.file.cursor().execute(f"FROM {table}").fetchall()


def test_a_series_is_stored_once(history: DuckHistory) -> None:
    for at in range(3):
        history.append(Samples.at([up(i=str(i)) for i in range(2500)], at, [1.0] * 2500))
    assert len(rows_of(history, "series")) == 2500
    assert len(history.series) == 2500


def test_windows_of_an_hour_may_stay_longer_than_others(history: DuckHistory) -> None:
    rows = [
        Window("p", Labels.of(target="shop"), end, seconds, 1.0, 1.0)
        for end in (1, 3)
        for seconds in (60, 3600)
    ]
    history.put_windows(Windows.of("p", rows))
    assert history.retain(0, 2, 0) == 1
    left = [(one.end_ms, one.seconds) for one in history.windows("p", 0, 9).rows()]
    assert left == [(1, 3600), (3, 60), (3, 3600)]
    assert history.retain(0, 2) == 1


def test_one_length_of_one_signal_is_thinned(history: DuckHistory) -> None:
    for signal in ("p", "q"):
        rows = [
            Window(signal, Labels.of(target="shop"), end, s, 1.0, 1.0)
            for end in (1, 2, 3)
            for s in (60, 300)
        ]
        history.put_windows(Windows.of(signal, rows))
    assert history.thin("p", 60.0, 2) == 2
    assert history.thin("nobody", 60.0, 2) == 0
    assert len(history.windows("q", 0, 9)) == 6
    left = [(one.end_ms, one.seconds) for one in history.windows("p", 0, 9).rows()]
    assert left == [(1, 300), (2, 300), (3, 60), (3, 300)]

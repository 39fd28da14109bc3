"""The newest samples in memory: the same answer as from the file, or none."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples
from storage.newest import Newest
from storage.series import NAME, Labels, Sample, Selector

SELECTORS = [Selector(name) for name in ("a", "b")]
NAMES = [Labels.of({NAME: name, "i": i}) for name in ("b", "a", "c") for i in ("1", "2")]
Said = list[tuple[Labels, int, float]]


def batch(*rows: tuple[int, int, float]) -> Samples:
    return Samples.of(Sample(NAMES[which], at_ms, value) for which, at_ms, value in rows)


def said(found: Samples) -> Said:
    """Row by row; NaN as a number that can be compared."""
    values = np.where(np.isnan(found.values), -1e9, found.values).tolist()
    series = [found.series[one] for one in found.index.tolist()]
    return list(zip(series, found.at_ms.tolist(), values, strict=True))


def ids_of(history: DuckHistory, found: Samples) -> list[Labels]:
    return [history.series.names[one] for one in found.ids.tolist()]


def add(newest: Newest, *at_ms: int) -> None:
    count = len(at_ms)
    newest.add(np.arange(count, dtype=np.int32), np.array(at_ms), np.ones(count))


ROW = st.tuples(
    st.integers(0, len(NAMES) - 1),
    st.integers(0, 12),
    st.sampled_from([1.0, 2.5, -0.0, math.inf, math.nan]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.lists(ROW, max_size=4),
    batches=st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=5),
    start_ms=st.integers(-1, 12),
    end_ms=st.integers(0, 14),
)
def test_whatever_came_in_whatever_order_memory_and_file_give_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    before: Sequence[tuple[int, int, float]],
    batches: Sequence[Sequence[tuple[int, int, float]]],
    start_ms: int,
    end_ms: int,
) -> None:
    path = tmp_path_factory.mktemp("newest") / "history.duckdb"
    file = DuckFile(path)
    DuckHistory(file).append(batch(*before))
    history = DuckHistory(file)
    history.newest.kept_ms = 5
    for rows in batches:
        history.append(batch(*rows))
    found = history.samples(SELECTORS, start_ms, end_ms)
    history.newest = Newest(2**60)  # knows nothing: the file is asked
    asked = history.samples(SELECTORS, start_ms, end_ms)
    assert said(found) == said(asked)
    assert ids_of(history, found) == list(found.series)
    assert found.ids.tolist() == asked.ids.tolist()
    file.close()


def test_a_minute_that_was_just_appended_is_not_read_from_the_file(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    history = DuckHistory(file)
    history.append(batch((0, 60_000, 1.0), (1, 60_000, 2.0)))
    history.append(batch((0, 120_000, 3.0)))
    asked = list[int]()
    read = history.read_samples

    def counted(wanted: object, start_ms: int, end_ms: int) -> object:
        asked.append(start_ms)
        return read(wanted, start_ms, end_ms)  # type: ignore[arg-type]

    history.read_samples = counted  # type: ignore[method-assign, assignment]
    assert [at_ms for _, at_ms, _ in said(history.samples(SELECTORS, 60_000, 120_000))] == [120_000]
    assert asked == []
    reopened = DuckHistory(file)  # what came before a start is in the file alone
    assert reopened.newest.floor_ms == 120_000
    assert len(said(reopened.samples(SELECTORS, 0, 120_000))) == 3
    file.close()


def test_whoever_measures_may_use_the_same_arrays_again(history: DuckHistory) -> None:
    at_ms, values = np.array([60_000]), np.array([1.0])
    history.append(Samples((NAMES[0],), np.array([0]), at_ms, values))
    at_ms[:], values[:] = 61_000, 9.0
    assert said(history.samples(SELECTORS, 0, 100_000)) == [(NAMES[0], 60_000, 1.0)]


def test_what_is_old_goes_and_nothing_is_said_of_its_time() -> None:
    newest = Newest(0, kept_ms=100)
    for at_ms in (50, 100, 150):
        add(newest, at_ms)
    assert (len(newest), newest.floor_ms) == (2, 50)
    assert newest.between(49, 200) is None
    found = newest.between(50, 200)
    assert found is not None
    assert found[1].tolist() == [100, 150]
    newest.cut(120)  # dropped from the file as well
    assert (len(newest), newest.floor_ms) == (1, 120)


def test_of_a_past_that_is_put_in_at_once_only_the_end_is_held() -> None:
    newest = Newest(0, kept_ms=100)
    add(newest, *range(10, 1_010, 10))
    assert (len(newest), newest.floor_ms) == (10, 900)


def test_too_many_samples_are_left_to_the_file() -> None:
    newest = Newest(0, most_rows=5)
    add(newest, 10, 10, 10)
    add(newest, 20, 20)
    assert len(newest) == 5
    add(newest, 30)
    assert (len(newest), newest.floor_ms) == (0, 30)
    add(newest, 40)
    assert newest.between(30, 40) is not None


def test_one_sample_from_the_future_ends_no_memory_of_what_comes_now() -> None:
    newest = Newest(0, kept_ms=100)
    add(newest, 10_000)
    add(newest, 50)
    add(newest, 90)
    found = newest.between(40, 100)
    assert found is not None
    assert found[1].tolist() == [50, 90]


def test_retention_takes_samples_out_of_memory_too(history: DuckHistory) -> None:
    history.append(batch((0, 10, 1.0)), batch((0, 20, 2.0)))
    history.retain(15, 0)
    assert [at_ms for _, at_ms, _ in said(history.samples(SELECTORS, 0, 30))] == [20]

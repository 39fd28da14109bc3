"""What waits for the history."""

import numpy as np
import pytest

from collector.buffer import Buffer, merged
from storage.history import Samples
from storage.series import Labels


def batch(at_ms: int, **values: float) -> Samples:
    series = [Labels.of(__name__=name) for name in values]
    return Samples.at(series, at_ms, list(values.values()))


def rows(samples: Samples) -> list[tuple[str, int, float]]:
    return [
        (str(samples.series[i]), int(at), float(value))
        for i, at, value in zip(samples.index, samples.at_ms, samples.values, strict=True)
    ]


def test_batches_become_one_with_each_series_once() -> None:
    whole = merged([batch(1, a=1, b=2), batch(2, b=3, c=4), batch(3, a=5)])
    assert [str(labels) for labels in whole.series] == ["a", "b", "c"]
    assert rows(whole) == [("a", 1, 1), ("b", 1, 2), ("b", 2, 3), ("c", 2, 4), ("a", 3, 5)]
    assert whole.index.dtype == np.int64


def test_a_flush_is_one_append_and_leaves_nothing() -> None:
    appended: list[Samples] = []
    buffer = Buffer(appended.append, lambda lost: pytest.fail(f"{lost} lost"))
    buffer.add(batch(1, a=1))
    buffer.add(batch(2, a=2, b=3))
    buffer.add(batch(3))
    assert len(buffer) == 3
    assert buffer.flush() == 3
    assert len(appended) == 1
    assert buffer.flush() == 0
    assert len(appended) == 1


def test_what_the_history_refuses_is_written_by_the_next_flush_in_the_old_order() -> None:
    appended: list[Samples] = []
    full = True

    def sink(samples: Samples) -> None:
        if full:
            raise OSError("disk full")
        appended.append(samples)

    buffer = Buffer(sink, lambda lost: pytest.fail(f"{lost} lost"))
    buffer.add(batch(1, a=1))
    with pytest.raises(OSError, match="disk full"):
        buffer.flush()
    buffer.add(batch(2, a=2))
    full = False
    assert buffer.flush() == 2
    assert rows(appended[0]) == [("a", 1, 1), ("a", 2, 2)]


def test_when_too_much_waits_the_oldest_is_given_up_and_counted() -> None:
    appended: list[Samples] = []
    lost: list[int] = []
    buffer = Buffer(appended.append, lost.append, most_samples=3)
    for at_ms in range(4):
        buffer.add(batch(at_ms, a=1, b=2))
    assert lost == [2, 2, 2]
    assert len(buffer) == 2
    buffer.flush()
    assert [at for _, at, _ in rows(appended[0])] == [3, 3]

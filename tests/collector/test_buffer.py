"""What waits for the history."""

import pytest

from collector.buffer import Buffer
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


class Shelf:
    """A sink that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Samples, ...]] = []

    def __call__(self, *batches: Samples) -> None:
        self.calls.append(batches)


def test_a_flush_is_one_append_and_leaves_nothing() -> None:
    appended = Shelf()
    buffer = Buffer(appended, lambda lost: pytest.fail(f"{lost} lost"))
    first, second = batch(1, a=1), batch(2, a=2, b=3)
    buffer.add(first)
    buffer.add(second)
    buffer.add(batch(3))
    assert len(buffer) == 3
    assert buffer.flush() == 3
    assert buffer.flush() == 0
    (batches,) = appended.calls
    assert batches[0] is first  # the history knows a target's series by the object
    assert batches[1] is second
    assert len(batches) == 2


def test_what_the_history_refuses_is_written_by_the_next_flush_in_the_old_order() -> None:
    appended = Shelf()
    full = True

    def sink(*batches: Samples) -> None:
        if full:
            raise OSError("disk full")
        appended(*batches)

    buffer = Buffer(sink, lambda lost: pytest.fail(f"{lost} lost"))
    buffer.add(batch(1, a=1))
    with pytest.raises(OSError, match="disk full"):
        buffer.flush()
    buffer.add(batch(2, a=2))
    full = False
    assert buffer.flush() == 2
    assert [rows(one) for one in appended.calls[0]] == [[("a", 1, 1)], [("a", 2, 2)]]


def test_when_too_much_waits_the_oldest_is_given_up_and_counted() -> None:
    appended = Shelf()
    lost: list[int] = []
    buffer = Buffer(appended, lost.append, most_samples=3)
    for at_ms in range(4):
        buffer.add(batch(at_ms, a=1, b=2))
    assert lost == [2, 2, 2]
    assert len(buffer) == 2
    buffer.flush()
    assert [at for one in appended.calls[0] for _, at, _ in rows(one)] == [3, 3]

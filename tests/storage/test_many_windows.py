"""Windows by the hundred thousand in one transaction, as a backfill and the demo write them."""

import math

import numpy as np
import pytest

from storage.duck import DuckFile, DuckHistory
from storage.history import NO_LAYOUT, Windows
from storage.series import Labels

# More than a row group of DuckDB, which has 122,880 rows.
MANY = 130_000


def some(signal: str, count: int, *, buckets: bool) -> Windows:
    """Windows of one series, with or without buckets."""
    layout = np.zeros(count, np.int64) if buckets else np.full(count, NO_LAYOUT, np.int64)
    return Windows(
        signal,
        (Labels.of(target="shop"),),
        np.zeros(count, np.int64),
        np.arange(1, count + 1) * 10_000,
        np.full(count, 10.0),
        np.ones(count),
        np.ones(count),
        layout,
        ((1.0, math.inf),) if buckets else (),
        np.ones(2 * count if buckets else 0),
    )


@pytest.mark.parametrize(("plain", "wide"), [(0, MANY), (10, MANY), (MANY, MANY), (MANY, 0)])
def test_as_many_windows_are_read_as_were_written(
    duck_file: DuckFile, plain: int, wide: int
) -> None:
    history = DuckHistory(duck_file)
    history.put_windows(some("plain", plain, buckets=False), some("wide", wide, buckets=True))
    for signal, count in (("plain", plain), ("wide", wide)):
        assert len(history.windows(signal, 0, 2**62, counts=False)) == count

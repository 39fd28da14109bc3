"""What was measured: samples as they came, windows as they were evaluated.

The bulk types are columns (NumPy), because a tick reads millions of rows; `storage.series` has the
same things one by one. All times are milliseconds since the epoch, UTC. A span `(start, end]`
leaves its start out and takes its end in, so that spans in a row share no sample.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storage.journal import Journal
from storage.series import Labels, Sample, Selector, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples in columns: row `i` is series `series[index[i]]` at `at_ms[i]` with `values[i]`.

    What `History.samples` returns is sorted by (index, at_ms) and holds each (series, time) once.
    What `History.append` takes may come in any order.

    `ids` is the history's own integer for each entry of `series`: the same from call to call for as
    long as the history is open, so that what was computed from labels can be kept by it. Empty when
    unknown.
    """

    series: tuple[Labels, ...]
    index: Ints
    at_ms: Ints
    values: Floats
    ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Samples":
        """Columns from single samples, in their order."""
        rows = list(samples)
        position: dict[Labels, int] = {}
        index = [position.setdefault(row.labels, len(position)) for row in rows]
        return cls(
            tuple(position),
            np.array(index, np.int64),
            np.array([row.at_ms for row in rows], np.int64),
            np.array([row.value for row in rows], np.float64),
        )

    @classmethod
    def at(cls, series: Sequence[Labels], at_ms: int, values: Sequence[float]) -> "Samples":
        """One collection: every series once, all at the same time."""
        count = len(series)
        return cls(
            tuple(series),
            np.arange(count, dtype=np.int64),
            np.full(count, at_ms, np.int64),
            np.asarray(values, np.float64),
        )


NO_LAYOUT = -1
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one signal in columns, sorted by (index, end_ms) when read from a history.

    `layout[i]` points into `layouts` (bucket bounds, the last one infinity) or is -1 where the
    signal is no histogram; `counts` holds the buckets of all rows, one row behind the other.
    """

    signal: str
    series: tuple[Labels, ...]
    index: Ints
    end_ms: Ints
    seconds: Floats
    values: Floats
    n: Floats
    layout: Ints
    layouts: tuple[tuple[float, ...], ...] = ()
    counts: Floats = field(default_factory=lambda: np.empty(0, np.float64))

    def __len__(self) -> int:
        return len(self.index)

    def widths(self) -> Ints:
        """How many buckets each row has."""
        sizes = np.array([len(bounds) for bounds in self.layouts] + [0], np.int64)
        return sizes[self.layout]

    def rows(self) -> list[Window]:
        """One by one; for tests and small answers."""
        widths = self.widths().tolist()
        ends = np.cumsum(widths).tolist()
        return [
            Window(
                self.signal,
                self.series[int(self.index[i])],
                int(self.end_ms[i]),
                float(self.seconds[i]),
                float(self.values[i]),
                float(self.n[i]),
                self.layouts[int(self.layout[i])] if self.layout[i] != NO_LAYOUT else (),
                tuple(self.counts[ends[i] - widths[i] : ends[i]].tolist()),
            )
            for i in range(len(self))
        ]

    @classmethod
    def of(cls, signal: str, windows: Iterable[Window]) -> "Windows":
        """Columns from single windows of one signal, in their order."""
        rows = list(windows)
        series: dict[Labels, int] = {}
        layouts: dict[tuple[float, ...], int] = {}
        index = [series.setdefault(row.labels, len(series)) for row in rows]
        layout = [
            layouts.setdefault(row.bounds, len(layouts)) if row.bounds else NO_LAYOUT
            for row in rows
        ]
        return cls(
            signal,
            tuple(series),
            np.array(index, np.int64),
            np.array([row.end_ms for row in rows], np.int64),
            np.array([row.seconds for row in rows], np.float64),
            np.array([row.value for row in rows], np.float64),
            np.array([row.n for row in rows], np.float64),
            np.array(layout, np.int64),
            tuple(layouts),
            np.array([count for row in rows for count in row.counts], np.float64),
        )


class History(Protocol):
    """Where samples and windows are kept. Safe to call from several threads.

    Whatever is written is noted in the `journal`, so that copies in memory stay true.
    """

    @property
    def journal(self) -> Journal:
        """What was written since one last looked."""
        ...

    def append(self, *batches: Samples) -> None:
        """Store samples in one transaction: after a crash all of them are there, or none.

        Of samples of one series at one time the last counts, in the order of the batches.
        """
        ...

    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """The samples of the chosen series in `(start, end]`."""
        ...

    def oldest_ms(self) -> int | None:
        """The time of the oldest sample that is kept; None where there is none."""
        ...

    def put_windows(self, *windows: Windows) -> None:
        """Store windows, of any signals, in one transaction; same series, end, length replaces."""
        ...

    def hold_windows(self, *windows: Windows) -> None:
        """The same, but perhaps only together with what the caller writes next.

        Whoever reads windows finds them all the same; a crash before that loses them.
        """
        ...

    def unit(self, *others: Any) -> AbstractContextManager[Any]:
        """One transaction of whoever keeps tables beside the windows; what is held is in it.

        `others` are the catalogues of series of those tables.
        """
        ...

    def flush(self) -> None:
        """Write what is held."""
        ...

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
        """The windows of a signal that end in `(start, end]`, of one series or one length if given.

        A signal has windows of several lengths: short ones for the recent past, longer ones merged
        from them. Without `counts` the buckets are left out (`layout` is -1), which is faster.
        """
        ...

    def retain(
        self, samples_after_ms: int, windows_after_ms: int, hourly_after_ms: int | None = None
    ) -> int:
        """Drop what is older, give back how many rows went; windows of an hour may stay longer."""
        ...

    def thin(self, signal: str, seconds: float | None, after_ms: int) -> int:
        """Drop the older windows of one length of a signal, or of all; give back how many went."""
        ...

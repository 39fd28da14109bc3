"""The receiver as a source among the others: at each turn its counts become samples and windows."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collector.rum import keeping
from collector.rum.cells import HOUR_MS, HOUR_SECONDS, KIND, Cut, Hour, Tally, hour_end
from collector.rum.percentile import BOUNDS, P75, percentile
from collector.rum.receiver import COUNTER_LABELS, Receiver
from collector.source import TARGET, Collected
from storage.history import History, Samples, Windows
from storage.series import NAME, Labels, Window

TIMEOUT_SECONDS = 30.0
STORE_EVERY = 5
"""Turns between two times that the hours which run are stored."""
AT_ONCE = 100
"""Views that are counted between two looks at waiting requests."""


class RumSource:
    """Hands over the receiver's counts; its target is called `rum`, too.

    The hours of a cut are windows in the history. A process that begins within an hour goes on from
    what the one before it had stored: windows of the same hour replace each other.
    """

    immediate = True

    def __init__(self, receiver: Receiver, history: History, kept: Path | None = None) -> None:
        """`kept` is the file that open page views outlive the process in; None: they do not."""
        self.kind = self.name = KIND
        self.interval_seconds = receiver.config.interval
        self.timeout_seconds = TIMEOUT_SECONDS
        self._receiver = receiver
        self._history = history
        self._counters: dict[tuple[str, tuple[str, ...]], Labels] = {}
        self._kept = kept
        self._resumed = False
        self._stored_ms = self._at_ms = 0
        self._store_every_ms = round(STORE_EVERY * receiver.config.interval * 1000)

    async def collect(self, at_ms: int) -> Collected:
        """Count what is over, then give every count as a sample and store the hours."""
        self._at_ms = at_ms
        if not self._resumed and self._kept is not None:
            kept = await asyncio.to_thread(read, self._kept)
            if kept is not None:
                keeping.resume(self._receiver, kept, at_ms)
        while self._receiver.settle(at_ms, AT_ONCE) == AT_ONCE:
            await asyncio.sleep(0)
        batches = [self._told(at_ms)]
        for site in self._receiver.sites.values():
            batches.append(site.histograms.samples(at_ms))
            await asyncio.sleep(0)
        await self._store_hours(at_ms)
        if self._kept is not None:
            await asyncio.to_thread(write, self._kept, keeping.counted(self._receiver, at_ms))
        return Collected(joined(batches))

    async def close(self) -> None:
        """Store the hours as they stand, and keep the views that are not over for the next start.

        Not before what an earlier process kept was read: it would be overwritten.
        """
        if self._resumed:
            await self._store_hours(None)
            if self._kept is not None:
                await asyncio.to_thread(
                    write, self._kept, keeping.whole(self._receiver, self._at_ms)
                )

    def _told(self, at_ms: int) -> Samples:
        series, values = [], []
        for name, counted in self._receiver.counters().items():
            for pair, value in counted.items():
                labels = self._counters.get((name, pair))
                if labels is None:
                    told = dict(zip(COUNTER_LABELS[name], pair, strict=True))
                    labels = Labels.of({NAME: name, **told, TARGET: self.name})
                    self._counters[name, pair] = labels
                series.append(labels)
                values.append(value)
        return Samples.at(series, at_ms, values)

    async def _store_hours(self, at_ms: int | None) -> None:
        """Write the hours that are over, and every few minutes those that run."""
        sites = self._receiver.sites.values()
        if at_ms is not None and not self._resumed:
            await self._resume(at_ms)
        due = at_ms is None or at_ms - self._stored_ms >= self._store_every_ms
        ended = [(site, hour) for site in sites for hour in site.ended]
        if not due and not ended:
            return
        hours = [hour for _, hour in ended] + [site.hour for site in sites if site.hour.end_ms]
        await asyncio.to_thread(self._write, hours)
        for site, hour in ended:
            site.ended.remove(hour)
        if at_ms is not None:
            self._stored_ms = at_ms

    def _write(self, hours: Sequence[Hour]) -> None:
        """Store hours as windows; runs in a thread, and reads copies of the counts."""
        batches = [windows(cut, hours) for cut in Cut] + [tallies(one, hours) for one in Tally]
        batches = [one for one in batches if len(one)]
        if batches:
            self._history.put_windows(*batches)

    async def _resume(self, at_ms: int) -> None:
        """Add what an earlier process stored of the hour that runs."""
        end_ms = hour_end(at_ms)
        stored = await asyncio.to_thread(self._read, end_ms)
        sites = {site.app.name: site for site in self._receiver.sites.values()}
        for row in stored:
            site = sites.get(row.labels.get("app"))
            if site is None:
                continue
            if row.signal in _CUTS:
                site.resume(end_ms, Cut(row.signal), row.labels, row.counts)
            else:
                site.resume_tally(end_ms, Tally(row.signal), row.labels, row.value, row.n)
        self._resumed = True

    def _read(self, end_ms: int) -> list[Window]:
        """All windows of the hour that ends then; runs in a thread."""
        return [
            row
            for name in (*Cut, *Tally)
            for row in self._history.windows(
                name, end_ms - HOUR_MS, end_ms, seconds=HOUR_SECONDS
            ).rows()
        ]


_CUTS = frozenset(Cut)


def read(path: Path) -> bytes | None:
    """What an earlier process kept; None where there was none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, data: bytes) -> None:
    """Replace the file as a whole: a stop in between leaves the one before."""
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    os.replace(beside, path)


def tallies(tally: Tally, hours: Sequence[Hour]) -> Windows:
    """The shares of some hours: value is the share (of page loads their number), n the whole."""
    rows = [
        Window(
            tally.value,
            labels,
            hour.end_ms,
            HOUR_SECONDS,
            part if tally is Tally.LOADS else part / whole,
            whole,
        )
        for hour in hours
        for labels, part, whole in hour.shares(tally)
        if whole
    ]
    return Windows.of(tally.value, rows)


def windows(cut: Cut, hours: Sequence[Hour]) -> Windows:
    """The counts of some hours by one cut; the value of each is its 75th percentile."""
    series: dict[Labels, int] = {}
    layouts: dict[tuple[float, ...], int] = {}
    index, ends, values, totals, layout = [], [], [], [], []
    counts: list[float] = []
    for hour in hours:
        for labels, metric, observed in hour.rows(cut):
            bounds = BOUNDS.get(metric)
            if bounds is None or len(bounds) != len(observed):
                continue
            index.append(series.setdefault(labels, len(series)))
            ends.append(hour.end_ms)
            values.append(percentile(bounds, observed, P75))
            totals.append(float(sum(observed)))
            layout.append(layouts.setdefault(bounds, len(layouts)))
            counts += observed
    return Windows(
        cut.value,
        tuple(series),
        np.array(index, np.int64),
        np.array(ends, np.int64),
        np.full(len(ends), HOUR_SECONDS),
        np.array(values, np.float64),
        np.array(totals, np.float64),
        np.array(layout, np.int64),
        tuple(layouts),
        np.array(counts, np.float64),
    )


def joined(batches: Sequence[Samples]) -> Samples:
    """Several batches as one; their series are different ones."""
    series = tuple(labels for one in batches for labels in one.series)
    offsets = np.cumsum([0, *(len(one.series) for one in batches)])[:-1].tolist()
    return Samples(
        series,
        np.concatenate([one.index + at for one, at in zip(batches, offsets, strict=True)]),
        np.concatenate([one.at_ms for one in batches]),
        np.concatenate([one.values for one in batches]),
    )

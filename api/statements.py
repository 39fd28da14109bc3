"""Statements over a span of time: what they took, from the stored windows of their signal.

Windows of a mean carry how many executions are behind them, so sums over any span are exact up to
the windows at its edges, and the same for every source that feeds the signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from api.house import House
from api.moments import milliseconds
from detector import evaluate
from detector.evaluate import HOUR_MS, has_hourly
from detector.form import Ratio
from detector.increase import increases
from detector.signal import Signal
from storage.history import HOUR_SECONDS, Windows
from storage.series import NAME, Labels, Match, Matcher, Selector

SIGNAL = "db_statement_time"
WHOLE = "db_mean_time"
"""All statements of a database together, those without series of their own too."""

BY = ("target", "datname", "fingerprint")
FINE_SPAN_MS = 2 * HOUR_MS
COARSE_SPAN_MS = 48 * HOUR_MS


class Span(StrEnum):
    """How far back sums go."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        """The same as a time."""
        hours = {Span.HOUR: 1, Span.DAY: 24, Span.WEEK: 168, Span.MONTH: 720}
        return timedelta(hours=hours[self])


@dataclass(frozen=True, slots=True)
class Spent:
    """What was executed in a span: how often, and for how long in all."""

    calls: float
    seconds: float

    @property
    def mean_seconds(self) -> float:
        """How long one execution took."""
        return self.seconds / self.calls


def statement_signal(house: House) -> Signal | None:
    """The signal of statements; None where the configuration has none that is fit for sums."""
    return fit(house, SIGNAL)


def fit(house: House, name: str) -> Signal | None:
    """A signal whose windows are means with the number of executions."""
    found = house.detector.definitions.signals.get(name)
    return found if found is not None and isinstance(found.form, Ratio) else None


def spent(house: House, signal: Signal, span: Span) -> dict[Labels, Spent]:
    """What each series of a signal took in the span; those without executions are left out."""
    until_ms = milliseconds(house.now())
    since_ms = until_ms - round(span.length.total_seconds() * 1000)
    totals: dict[Labels, list[float]] = {}
    for windows in read(house, signal, since_ms, until_ms):
        usable = np.isfinite(windows.values) & (windows.n > 0)
        index, n = windows.index[usable], windows.n[usable]
        count = len(windows.series)
        calls = np.bincount(index, n, count).tolist()
        seconds = np.bincount(index, n * windows.values[usable], count).tolist()
        for labels, one, two in zip(windows.series, calls, seconds, strict=True):
            known = totals.setdefault(labels, [0.0, 0.0])
            known[0] += one
            known[1] += two
    return {labels: Spent(*one) for labels, one in totals.items() if one[0] > 0}


def read(house: House, signal: Signal, since_ms: int, until_ms: int) -> list[Windows]:
    """The windows of a span, of the longest lengths that fit it; no time is in two of them."""
    history, form = house.history, signal.form
    if until_ms - since_ms <= FINE_SPAN_MS:
        return [history.windows(signal.name, since_ms, until_ms, seconds=form.window)]
    over_ms = round(form.over * 1000)
    since_ms, edge_ms = since_ms // over_ms * over_ms, until_ms // over_ms * over_ms
    found = []
    if until_ms - since_ms > COARSE_SPAN_MS and has_hourly(signal):
        hour_ms = edge_ms // HOUR_MS * HOUR_MS
        since_ms = since_ms // HOUR_MS * HOUR_MS
        hours = history.windows(signal.name, since_ms, hour_ms, seconds=HOUR_SECONDS)
        found.append(hours)
        # The last hour is merged a while after its end.
        since_ms = int(hours.end_ms.max()) if len(hours) else since_ms
    found.append(history.windows(signal.name, since_ms, edge_ms, seconds=form.over))
    return found


def shares(house: House, found: Mapping[Labels, Spent], span: Span) -> dict[Labels, float]:
    """The share of each in the time of all statements of its database; 0 to 1."""
    whole: dict[Labels, float] = {}
    signal = fit(house, WHOLE)
    if signal is not None:
        for labels, one in spent(house, signal, span).items():
            owner = labels.only(("target", "datname"))
            whole[owner] = whole.get(owner, 0.0) + one.seconds
    listed: dict[Labels, float] = {}
    for labels, one in found.items():
        owner = labels.only(("target", "datname"))
        listed[owner] = listed.get(owner, 0.0) + one.seconds
    result = {}
    for labels, one in found.items():
        owner = labels.only(("target", "datname"))
        everything = max(whole.get(owner, 0.0), listed[owner])
        result[labels] = one.seconds / everything if everything else 0.0
    return result


FIGURES = {
    "rows": "Rows per execution",
    "shared_blocks_hit": "Blocks found in buffers, per execution",
    "shared_blocks_read": "Blocks read from disk or cache, per execution",
    "temp_blocks_written": "Temporary blocks written, per execution",
    "block_read_seconds": "Time reading blocks, per execution",
    "plan_seconds": "Time planning, per execution",
    "wal_bytes": "Write-ahead log, per execution",
}


def figures(house: House, labels: Labels, span: Span) -> dict[str, float]:
    """What one execution needed on average, by the names of `FIGURES`; as far as samples go."""
    until_ms = milliseconds(house.now())
    since_ms = until_ms - round(span.length.total_seconds() * 1000)
    matchers = tuple(Matcher(name, Match.EQUAL, labels.get(name)) for name in BY)
    names = {f"pg_statement_{name}_total": name for name in ("calls", *FIGURES)}
    selectors = [Selector(name, matchers) for name in names]
    samples = house.history.samples(selectors, since_ms, until_ms)
    grown = increases(samples, evaluate.seen(house.history, since_ms, until_ms))
    sums = dict.fromkeys(names.values(), 0.0)
    for position, value in zip(grown.index.tolist(), grown.values.tolist(), strict=True):
        sums[names[samples.series[position].get(NAME)]] += value
    calls = sums.pop("calls")
    return {name: value / calls for name, value in sums.items()} if calls else {}

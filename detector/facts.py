"""What some triggers ask of the history beside averages: distributions, daily lows, budgets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.baseline import DAY_MS, DAYS, HOUR_MS
from detector.buckets import merged, shared
from detector.chance import deviations, quantile_edge, share_edge
from detector.dependencies import Dependencies
from detector.exclusion import Apart
from detector.form import Quantile, Ratio, Share
from detector.judgement import Judged
from detector.judges.burn import Events
from detector.judges.distribution import Distributions
from detector.judges.slope import daily_lows
from detector.judging import Facts
from detector.parts import Parts
from detector.rule import Rule, Span
from detector.settling import Beginnings, Deployed, none_deployed
from detector.signal import Signal
from detector.stack import joined
from detector.trigger import AnyLeaf, Burn, Distribution, Slope
from detector.units import Unit
from detector.window import Span as WindowSpan
from storage.history import Floats, History, Ints, Windows
from storage.series import Labels

LOWS_DAYS = 8
LONG_STEPS = 12
Lows = tuple[tuple[int, int], tuple[Labels, ...], Floats]


def leaves_of(rule: Rule) -> Iterable[AnyLeaf]:
    """Every single trigger of a rule."""
    triggers = [rule.trigger, *([rule.critical_when] if rule.critical_when else [])]
    return [leaf for trigger in triggers for _, leaf in trigger.leaves()]


@dataclass(frozen=True, slots=True)
class Spent:
    """The events of the greater part of a long span, until `until_ms`."""

    until_ms: int
    version: int
    series: tuple[Labels, ...]
    events: Events


@dataclass(slots=True)
class FactFinder:
    """Reads the history for the triggers that need more; what is long only now and then.

    Daily lows are read anew each hour, the long span of a burn rate each twelfth of it.
    """

    history: History
    signals: Mapping[str, Signal] = field(default_factory=dict)
    dependencies: Dependencies = field(default_factory=Dependencies)
    deployed: Deployed = none_deployed
    _lows: dict[str, Lows] = field(default_factory=dict)
    _spent: dict[tuple[str, float], Spent] = field(default_factory=dict)

    @property
    def beginnings(self) -> Beginnings:
        """What began anew, such as a cache after a flush."""
        return Beginnings(self.history, self.signals, self.dependencies, self.deployed)

    @property
    def parts(self) -> Parts:
        """Of how many series one is made that holds others together."""
        return Parts(self.history, self.signals)

    def find(
        self, signal: Signal, rule: Rule, span: Span, judged: Judged, version: int = 0
    ) -> Facts:
        """The facts that a rule asks for, in the order of the judged series.

        `version` is another whenever somebody has written into the past of the signal.
        """
        series, end_ms = judged.series, judged.end_ms
        leaves = list(leaves_of(rule))
        distributions = lows = None
        if any(isinstance(one, Distribution) for one in leaves) and isinstance(
            signal.form, Quantile
        ):
            distributions = self.distributions(signal, span, series, end_ms)
        if any(isinstance(one, Slope) for one in leaves):
            lows = self.lows(signal, series, end_ms, version)
        burns = {one for one in leaves if isinstance(one, Burn)}
        burnt = self.all_burnt(signal, burns, series, end_ms, version)
        shares = rule.gates.sampling and isinstance(signal.form, Ratio | Share)
        n = judged.n[:, -1] if shares else None
        share = signal.form.unit == Unit.RATIO
        return Facts(distributions=distributions, lows=lows, burnt=burnt, n=n, is_share=share)

    def lows(
        self, signal: Signal, series: Sequence[Labels], end_ms: int, version: int = 0
    ) -> Floats:
        """The daily lows until the last full hour, series x days."""
        until_ms = end_ms // HOUR_MS * HOUR_MS
        known = self._lows.get(signal.name)
        if known is None or known[0] != (until_ms, version):
            windows = self.history.windows(
                signal.name,
                until_ms - LOWS_DAYS * DAY_MS,
                until_ms,
                seconds=signal.form.over,
                counts=False,
            )
            found = daily_lows(windows, until_ms, LOWS_DAYS)
            known = ((until_ms, version), windows.series, found)
            self._lows[signal.name] = known
        place = {labels: row for row, labels in enumerate(known[1])}
        padded = np.vstack([known[2], np.full((1, LOWS_DAYS), np.nan)])
        return padded[[place.get(labels, -1) for labels in series]]

    def all_burnt(
        self,
        signal: Signal,
        burns: Collection[Burn],
        series: Sequence[Labels],
        end_ms: int,
        version: int,
    ) -> dict[Burn, Floats]:
        """The shares of each burn rate; the newest windows are read once for all of them."""
        if not burns:
            return {}
        start_ms = min(
            min(end_ms - round(one.short_seconds * 1000), spent_until_ms(signal, one, end_ms))
            for one in burns
        )
        newest = self.history.windows(
            signal.name, start_ms, end_ms, seconds=signal.form.window, counts=False
        )
        return {one: self.burnt(signal, one, series, end_ms, version, newest) for one in burns}

    def burnt(
        self,
        signal: Signal,
        burn: Burn,
        series: Sequence[Labels],
        end_ms: int,
        version: int,
        newest: Windows,
    ) -> Floats:
        """The shares of the long and the short span that end at a time, series x 2.

        The long one begins on a grid of its twelfths, so that little is read at each tick. `newest`
        are the short windows since then, and since the short span began.
        """
        until_ms = spent_until_ms(signal, burn, end_ms)
        known = self._spent.get((signal.name, burn.long))
        if known is None or (known.until_ms, known.version) != (until_ms, version):
            start_ms = until_ms - round(burn.long * 1000)
            found = self.history.windows(
                signal.name, start_ms, until_ms, seconds=signal.form.over, counts=False
            )
            known = Spent(until_ms, version, found.series, Events.of(found, start_ms, until_ms))
            self._spent[signal.name, burn.long] = known
        short_ms = end_ms - round(burn.short_seconds * 1000)
        tail, short = (Events.of(newest, since_ms, end_ms) for since_ms in (until_ms, short_ms))
        long = placed(known.events, known.series, series) + placed(tail, newest.series, series)
        return np.stack([long.shares, placed(short, newest.series, series).shares], axis=1)

    def edges(
        self,
        signal: Signal,
        confidence: float,
        upwards: bool,
        series: Sequence[Labels],
        end_ms: int,
        left_out: Mapping[Labels, Apart],
    ) -> tuple[Floats, Floats]:
        """(edge of the band of the newest value, value of the same hours before) of each series.

        NaN where the signal is neither a quantile nor a share. Days that are no past of a series,
        because a regression was open, are left out.
        """
        z, form = deviations(confidence), signal.form
        over_ms = round(form.over * 1000)
        found = np.full((2, len(series)), np.nan)
        days = [end_ms - day * DAY_MS for day in range(DAYS + 1)]
        learnt = np.array(
            [
                [left_out.get(one, Apart()).is_past(at - over_ms, at) for at in days[1:]]
                for one in series
            ]
        )
        if isinstance(form, Quantile):
            shapes = self.distributions(signal, Span(over_ms, 1, 1), series, end_ms)
            past = np.where(learnt[:, :, None], shapes.past[:, :, 0], 0.0).sum(axis=1)
            for row in range(len(series)):
                bounds = shapes.edges[row]
                width = int(np.argmax(np.isinf(bounds))) + 1
                now, before = (
                    np.diff(one[:width], prepend=0.0) for one in (shapes.now[row, 0], past[row])
                )
                edges = tuple(bounds[:width].tolist())
                found[:, row] = quantile_edge(edges, now, before, form.q, z, upwards=upwards)
        elif isinstance(form, Share):
            parts = [
                self.events(signal, at - over_ms, at, series, day) for day, at in enumerate(days)
            ]
            for row in range(len(series)):
                chosen = [one for one, yes in zip(parts[1:], learnt[row], strict=True) if yes]
                now, before = (
                    (sum(one.weighted[row] for one in each), sum(one.n[row] for one in each))
                    for each in (parts[:1], chosen)
                )
                found[:, row] = share_edge(now, before, z, upwards=upwards)
        return found[0], found[1]

    def events(
        self, signal: Signal, start_ms: int, end_ms: int, series: Sequence[Labels], day: int
    ) -> Events:
        """The events of a span on a day: of today from the short windows, else from the long."""
        seconds = signal.form.over if day else signal.form.window
        windows = self.history.windows(signal.name, start_ms, end_ms, seconds=seconds, counts=False)
        return placed(Events.of(windows, start_ms, end_ms), windows.series, series)

    def distributions(
        self, signal: Signal, span: Span, series: Sequence[Labels], end_ms: int
    ) -> Distributions:
        """The buckets of the judged windows, and of the same windows on the seven days before."""
        parts: list[Windows] = []
        slots: list[Ints] = []
        for day in range(DAYS + 1):
            until_ms = end_ms - day * DAY_MS
            start_ms = until_ms - span.total_ms
            seconds = signal.form.window if day == 0 else signal.form.over
            # The windows that are judged may begin off the grid of the longer ones that are kept.
            found = self.history.windows(signal.name, start_ms, until_ms, seconds=seconds)
            slot = WindowSpan(start_ms, span.each_ms, span.of).slot(found.end_ms)
            parts.append(found)
            slots.append(np.where(slot >= 0, slot + day * span.of, -1))
        return arranged(joined(signal.name, parts), np.concatenate(slots), series, span.of)


def spent_until_ms(signal: Signal, burn: Burn, end_ms: int) -> int:
    """Until when the long span is read only now and then: a grid of its twelfths."""
    over_ms = round(signal.form.over * 1000)
    step_ms = max(round(burn.long * 1000 / LONG_STEPS) // over_ms, 1) * over_ms
    return end_ms // step_ms * step_ms


def placed(events: Events, known: Sequence[Labels], series: Sequence[Labels]) -> Events:
    """The events in the order of other series; none where a series is not known."""
    place = {labels: row for row, labels in enumerate(known)}
    rows = [place.get(labels, -1) for labels in series]
    return Events(np.append(events.weighted, 0.0)[rows], np.append(events.n, 0.0)[rows])


def arranged(windows: Windows, slot: Ints, series: Sequence[Labels], of: int) -> Distributions:
    """Windows put into (series, day, window); the first day is today."""
    columns = (DAYS + 1) * of
    cell = np.where(slot >= 0, windows.index * columns + slot, -1)
    buckets = merged(windows, cell, len(windows.series) * columns)
    width = max(buckets.cumulative.shape[1], 1)
    whole = np.zeros((len(windows.series) + 1, columns, width))
    edges = np.full((len(windows.series) + 1, width), np.inf)
    owner = buckets.owner.reshape(-1, columns)
    for row in range(len(windows.series)):
        # Days are compared on the bounds that all of them have.
        used = {one: buckets.bounds[one] for one in np.unique(owner[row]).tolist()}
        used = {one: bounds for one, bounds in used.items() if bounds}
        common = shared(used.values())
        if not common:
            continue
        for one, bounds in used.items():
            at = np.flatnonzero(owner[row] == one)
            place = [bounds.index(bound) for bound in common]
            mine = buckets.cumulative[row * columns + at][:, place]
            whole[row, at, : len(common)] = np.maximum.accumulate(mine, axis=1)
        whole[row, :, len(common) :] = whole[row, :, len(common) - 1, None]
        edges[row, : len(common)] = common
    position = {labels: row for row, labels in enumerate(windows.series)}
    rows = [position.get(labels, -1) for labels in series]
    days = whole[rows].reshape(len(rows), DAYS + 1, of, width)
    return Distributions(days[:, 0], days[:, 1:], edges[rows])

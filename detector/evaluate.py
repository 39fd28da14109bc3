"""Signals into windows, on the history."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from detector.form import AnySignal, Share
from detector.increase import LOOKBACK_MS, UP, Seen, seen_times
from detector.plan import Plan
from detector.signal import LeftOut, Plain, Signal
from detector.unite import Part, renamed, slots_shown, united
from detector.window import Span, left_out, merge, windows_of
from storage.history import HOUR_SECONDS, History, Samples, Windows
from storage.series import Labels, Selector

HOUR_MS = round(HOUR_SECONDS * 1000)


class Reader(Protocol):
    """Whoever has samples: the history, or the newest of them in memory."""

    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """The samples of the chosen series in `(start, end]`."""
        ...


Plans = dict[AnySignal, Plan]
Memo = dict[AnySignal, tuple[tuple[Labels, ...], dict[Labels, LeftOut]]]


def seen(reader: Reader, start_ms: int, end_ms: int) -> Seen:
    """When each target was read, far enough back for windows that begin after `start`."""
    return seen_times(reader.samples([Selector(UP)], start_ms - LOOKBACK_MS, end_ms))


def evaluate(
    reader: Reader,
    signal: Signal,
    seen: Seen,
    start_ms: int,
    end_ms: int,
    plans: Plans | None = None,
) -> Windows:
    """The windows of a signal that end in `(start, end]`, from samples.

    In `plans` is kept what follows from labels; the windows are the same without.
    """
    step_ms = signal.form.window_ms
    span = Span(start_ms, step_ms, (end_ms - start_ms) // step_ms)
    found: list[tuple[Plain, Samples]] = []
    for one in signal.plain:
        samples = reader.samples(one.signal.form.selectors(), start_ms - LOOKBACK_MS, end_ms)
        if len(samples):
            found.append((one, samples))
    several = len(found) > 1
    parts = []
    for one, samples in found:
        form = one.signal.form
        plan = None if plans is None else plans.setdefault(form, Plan(form))
        windows = windows_of(one.signal, samples, seen, start_ms, end_ms, plan)
        parts.append(Part(one, windows, slots_shown(one, samples, span) if several else {}))
    return united(signal.name, span, parts)


def unfit(
    reader: Reader, signal: Signal, start_ms: int, end_ms: int, memo: Memo | None = None
) -> dict[Labels, LeftOut]:
    """The series of a signal that no window can be made for, though they have samples; and why.

    It follows from the labels alone; in `memo` the last answer is kept for the same series.
    """
    found: dict[Labels, LeftOut] = {}
    for one in signal.plain if isinstance(signal.form, Share) else ():
        form = one.signal.form
        series = reader.samples(form.selectors(), start_ms, end_ms).series
        known = None if memo is None else memo.get(form)
        if known is None or known[0] != series:
            known = (series, left_out(form, series))
            if memo is not None:
                memo[form] = known
        found |= {renamed(one, labels): reason for labels, reason in known[1].items()}
    return found


def coarse(history: History, signal: Signal, start_ms: int, end_ms: int) -> Windows:
    """The windows of the length that is judged (`over`), merged from the stored ones."""
    fine = history.windows(signal.name, start_ms, end_ms, seconds=signal.form.window)
    step_ms = round(signal.form.over * 1000)
    return merge(signal.form, fine, Span(start_ms, step_ms, (end_ms - start_ms) // step_ms))


def has_hourly(signal: Signal) -> bool:
    """Whether windows of an hour can be merged from those that are judged."""
    over_ms = round(signal.form.over * 1000)
    return over_ms < HOUR_MS and HOUR_MS % over_ms == 0


def hourly(history: History, signal: Signal, start_ms: int, end_ms: int) -> Windows:
    """The windows of an hour, for charts of long spans, merged from those that are judged."""
    judged = history.windows(signal.name, start_ms, end_ms, seconds=signal.form.over)
    return merge(signal.form, judged, Span(start_ms, HOUR_MS, (end_ms - start_ms) // HOUR_MS))


def metrics(signals: Iterable[Signal]) -> frozenset[str]:
    """The metric names that the signals read."""
    return frozenset(s.metric for one in signals for s in one.selectors)

"""The windows of series as columns for a chart, in a length that suits the span."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.house import House
from api.moments import milliseconds
from detector.evaluate import has_hourly
from detector.form import Quantile
from detector.signal import Signal
from detector.window import Span, merge
from storage.history import HOUR_SECONDS, Floats, Windows
from storage.series import Labels


@dataclass(frozen=True, slots=True)
class Curve:
    """One series over time: columns of equal length, oldest first; a gap has no entry."""

    labels: Labels
    end_ms: list[int]
    value: list[float | None]
    n: list[float | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of time, and the length of the windows that suits it.

    `stored` is the length to read; where it is shorter than `seconds` the windows are merged, so
    that a quantile over a long span is still one of merged buckets, and no average of quantiles.
    """

    since_ms: int
    until_ms: int
    stored: float
    seconds: float

    @property
    def rows(self) -> float:
        """How many stored windows of one series it holds."""
        return (self.until_ms - self.since_ms) / 1000 / self.stored


def stretch(house: House, signal: Signal, since_ms: int, until_ms: int, points: int) -> Stretch:
    """The shortest windows that give at most so many points: stored ones, else merged ones.

    Only lengths are read that are kept as far back as the stretch goes.
    """
    form, kept = signal.form, house.settings.storage
    span_ms = until_ms - since_ms
    age_seconds = (milliseconds(house.now()) - since_ms) / 1000
    stored = form.over
    if age_seconds > kept.keep_windows and has_hourly(signal):
        stored = HOUR_SECONDS
    else:
        fine = form.window if age_seconds <= kept.keep_fine_windows else form.over
        for seconds in (fine, form.over):
            if span_ms <= points * seconds * 1000:
                return Stretch(since_ms, until_ms, seconds, seconds)
    stored_ms = round(stored * 1000)
    step_ms = -(-span_ms // (points * stored_ms)) * stored_ms
    # On a grid of its own, so that the same span gives the same windows whenever it is asked for.
    return Stretch(
        since_ms // step_ms * step_ms, until_ms // step_ms * step_ms, stored, step_ms / 1000
    )


def curves(
    house: House, signal: Signal, series: Sequence[Labels], reach: Stretch
) -> dict[Labels, Curve]:
    """The curves of these series; one without a window in the stretch has empty columns.

    A series that has no stored window yet, because the first has not ended, shows the reading of
    its running window as its only point.
    """
    merged = reach.seconds != reach.stored
    windows = house.history.windows(
        signal.name,
        reach.since_ms,
        reach.until_ms,
        series[0] if len(series) == 1 else None,
        seconds=reach.stored,
        counts=merged and isinstance(signal.form, Quantile),
    )
    if merged:
        step_ms = round(reach.seconds * 1000)
        count = (reach.until_ms - reach.since_ms) // step_ms
        windows = merge(signal.form, windows, Span(reach.since_ms, step_ms, count))
    found = {labels: curve(windows, position) for position, labels in enumerate(windows.series)}
    for one in house.detector.readings.get(signal.name, ()):
        inside = reach.since_ms < one.end_ms <= reach.until_ms
        if one.labels not in found and inside:
            found[one.labels] = Curve(one.labels, [one.end_ms], [one.value], [one.n])
    return {labels: found.get(labels, Curve(labels, [], [], [])) for labels in series}


def curve(windows: Windows, position: int) -> Curve:
    """One series of the windows."""
    mine = windows.index == position
    return Curve(
        windows.series[position],
        [int(end_ms) for end_ms in windows.end_ms[mine]],
        plain(windows.values[mine]),
        plain(windows.n[mine]),
    )


def plain(column: Floats) -> list[float | None]:
    """Numbers for JSON: what is not finite is null."""
    return [float(one) if np.isfinite(one) else None for one in column]


def rounded(one: Curve, digits: int) -> Curve:
    """A curve with its values and counts in so many significant digits."""

    def short(column: list[float | None]) -> list[float | None]:
        return [None if each is None else float(f"{each:.{digits}g}") for each in column]

    return replace(one, value=short(one.value), n=short(one.n))

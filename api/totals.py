"""Numbers of a signal over all its series, from its newest windows.

Nothing is averaged that must not be: quantiles come from the added buckets of all series, ratios
and means are weighted by what is behind them, rates are added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.house import House
from detector.form import Mean, Quantile, Rate, Ratio
from detector.readings import Reading
from detector.units import Unit
from detector.window import Span, merge
from storage.series import Labels, Match, Matcher, Selector

LATE_MS = 15 * 60_000
"""A reading that is older says nothing of now."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of all series together: values by their q, and how many observations are behind them."""

    values: Mapping[float, float | None]
    n: float


def fresh(house: House, signal: str, now_ms: int, target: str | None) -> list[Reading]:
    """The newest readings of a signal, of one target if it is given; none that are old."""
    return [
        one
        for one in house.detector.readings.get(signal, ())
        if one.end_ms > now_ms - LATE_MS and target in (None, one.labels.get("target"))
    ]


def total_rate(house: House, signal: str, readings: Sequence[Reading]) -> float | None:
    """The rates of all series, added; None without any."""
    found = house.detector.definitions.signals.get(signal)
    if found is None or not isinstance(found.form, Rate) or not readings:
        return None
    return float(sum(one.value for one in readings))


def newest_total(
    house: House, metrics: Sequence[str], now_ms: int, target: str | None
) -> int | None:
    """The newest samples of gauges that count things, added; None without any that is fresh."""
    only = () if target is None else (Matcher("target", Match.EQUAL, target),)
    selectors = [Selector(name, only) for name in metrics]
    samples = house.history.samples(selectors, now_ms - LATE_MS, now_ms)
    if not len(samples.index):
        return None
    last = np.append(np.diff(samples.index) != 0, True)  # samples come by series, then by time
    return round(float(samples.values[last].sum()))


def weighted(house: House, signal: str, readings: Sequence[Reading]) -> float | None:
    """The ratio or mean of all series together; None where nothing is behind it."""
    found = house.detector.definitions.signals.get(signal)
    if found is None or not isinstance(found.form, Ratio | Mean):
        return None
    n = sum(one.n for one in readings)
    return float(sum(one.value * one.n for one in readings) / n) if n > 0 else None


def highest(house: House, signal: str, readings: Sequence[Reading]) -> Reading | None:
    """The series of a share that is highest; None without any."""
    found = house.detector.definitions.signals.get(signal)
    if found is None or found.form.unit is not Unit.RATIO:
        return None
    return max(readings, key=lambda one: one.value, default=None)


def quantiles(
    house: House, signal: str, wanted: Sequence[float], now_ms: int, target: str | None
) -> Quantiles:
    """Quantiles of all series together, of the windows that the newest readings are made of."""
    readings = fresh(house, signal, now_ms, target)
    nothing = Quantiles(dict.fromkeys(wanted), 0.0)
    found = house.detector.definitions.signals.get(signal)
    if found is None or not isinstance(found.form, Quantile) or not readings:
        return nothing
    form, chosen = found.form, {one.labels for one in readings}
    end_ms = max(one.end_ms for one in readings)
    over_ms = round(form.over * 1000)
    windows = house.history.windows(signal, end_ms - over_ms, end_ms, seconds=form.window)
    if not len(windows) or not any(one in chosen for one in windows.series):
        return nothing
    # As if all were one series; what is not chosen is another, which nobody looks at.
    group = np.array([one not in chosen for one in windows.series], np.int64)
    together = replace(
        windows,
        series=(Labels.of(), Labels.of(left="out")),
        index=group[windows.index],
    )
    span = Span(end_ms - over_ms, over_ms, 1)
    values: dict[float, float | None] = {}
    n = 0.0
    for q in wanted:
        one = merge(form.model_copy(update={"q": q}), together, span)
        mine = [i for i in range(len(one)) if one.series[int(one.index[i])] == Labels.of()]
        value = float(one.values[mine[0]]) if mine else float("nan")
        n = float(one.n[mine[0]]) if mine else 0.0
        values[q] = value if np.isfinite(value) else None
    return Quantiles(values, n)

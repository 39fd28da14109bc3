"""A signal's windows from a Prometheus-compatible engine: what to ask, and what the answers mean.

Pure. All PromQL is made in `questions`. A quantile is asked for as bucket counts, means, ratios and
shares in two halves, so that longer windows are merged from shorter ones as those of the history.

Prometheus' `increase(x[1m])` knows nothing of the sample before its span: of four samples in a
minute it sees three intervals and extrapolates the fourth. So it is asked for the window and one
scrape interval more, less a millisecond: the span then holds exactly the sample before the window
and those in it, whose difference it extrapolates to the span; times window over span that is what
was added, exactly, and no two windows count the same increase. VictoriaMetrics' `increase` takes
the sample before the span by itself and extrapolates nothing: it is asked for the window.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import assert_never

import numpy as np

from detector.buckets import Buckets, edge
from detector.form import Gauge, Mean, Promql, Quantile, Rate, Ratio, Share
from detector.promql import (
    Asking,
    added,
    asked,
    counted,
    edge_matcher,
    joined,
    observations,
    summed,
    times,
    value,
)
from detector.signal import Plain, Signal, scaled
from detector.window import Span, with_buckets
from storage.config import Engine
from storage.duration import written
from storage.history import Flags, Floats, Ints, Samples, Windows
from storage.series import Labels

TARGET = "target"
MEASURED_SECONDS = 20 * 60
# Prometheus scrapes evenly: what is measured is put right where a scrape or two was missed.
USUAL_SECONDS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600)
NEARLY = 0.08


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine counts, what it calls our `target`, and how often it scrapes."""

    engine: Engine
    target_label: str
    scrape_seconds: float

    def reach_seconds(self, seconds: float) -> float:
        """The span to ask an increase over, for what was added within a window."""
        if self.engine is Engine.VICTORIAMETRICS:
            return seconds
        return seconds + self.scrape_seconds - 0.001

    def held_seconds(self, seconds: float) -> float:
        """The span to ask over for the samples in a window; Prometheus 2 takes in both edges."""
        return seconds if self.engine is Engine.VICTORIAMETRICS else seconds - 0.001

    def told(self, labels: Labels) -> Labels:
        """The labels of an answer as we call them."""
        pairs = ((TARGET if n == self.target_label else n, v) for n, v in labels)
        return Labels(tuple(pairs))


def questions(signal: Signal, dialect: Dialect, seconds: float) -> dict[str, str]:
    """The expressions whose values at the end of a window make it, by the part they play.

    Each is about all variants of the signal; buckets of another unit are a part of their own.
    """
    wide = f"[{written(dialect.reach_seconds(seconds))}]"
    narrow = f"[{written(dialect.held_seconds(seconds))}]"
    asking = Asking(narrow, dialect.target_label, named=False)
    form = signal.form
    if isinstance(form, Promql):
        found = {"value": value(form, f"[{written(seconds)}]")}
        count = counted(signal, seconds)
        return found | {"count": count} if count else found
    if isinstance(form, Quantile):
        asking = replace(asking, beside=("le",))
        return {
            bucket_part(scale): joined(
                signal,
                lambda one: part("buckets", one, wide, narrow),
                asking,
                lambda one, scale=scale: one.scale == scale,  # type: ignore[misc]
            )
            for scale in dict.fromkeys(one.scale for one in signal.plain)
        }
    names = {Rate: ("rate",), Gauge: ("value", "count")}.get(type(form), ("upper", "lower"))
    return {
        name: joined(signal, lambda one, name=name: part(name, one, wide, narrow), asking)  # type: ignore[misc]
        for name in names
    }


def bucket_part(scale: float) -> str:
    """The name of the part that buckets of a unit play."""
    return "buckets" if scale == 1 else f"buckets x {scale!r}"


def part(name: str, plain: Plain, wide: str, narrow: str) -> str:
    """One part of one variant, in our unit."""
    form = plain.signal.form
    by, made = form.by, form.derive
    match name, form:
        case "buckets", Quantile():
            return added(form.selectors(), wide, ("le", *by), made)
        case "upper", Share():
            return added([form.selectors()[0].narrowed(edge_matcher(form.bound))], wide, by, made)
        case "upper", Mean() | Ratio():
            return times(added(form.halves()[0], wide, by, made), plain.scale)
        case "lower", Share() | Mean() | Ratio():
            return added(form.counted(), wide, by, made)
        case "rate", Rate():
            return times(summed(f"rate({form.metric}{wide})", by, made=made), plain.scale)
        case "value", Gauge():
            return times(value(form, narrow), plain.scale)
        case _:
            return observations(form, narrow)


def pace(signal: Signal, dialect: Dialect) -> str:
    """How many samples a usual series of the signal has in `MEASURED_SECONDS`.

    Of series that were there at the beginning of it alone: after a deployment the others would have
    too few.
    """
    # A millisecond less, so that a sample on either edge is not counted twice.
    span, back = written(MEASURED_SECONDS - 0.001), written(MEASURED_SECONDS)
    counted = dict.fromkeys(
        each
        for one in signal.plain
        for each in asked(one, Asking("", dialect.target_label)).signal.form.counted()[-1:]
    )
    steady = [f"count_over_time({one}[{span}]) and {one} offset {back}" for one in counted]
    return f"quantile(0.5, {' or '.join(steady)})"


def scrape_seconds(answer: Samples) -> float | None:
    """The scrape interval behind an answer to `pace`; None where there were no samples."""
    if not len(answer) or not answer.values[-1] > 0:
        return None
    measured = MEASURED_SECONDS / float(answer.values[-1])
    usual = min(USUAL_SECONDS, key=lambda one: abs(one / measured - 1))
    return float(usual) if abs(usual / measured - 1) <= NEARLY else round(measured, 3)


def windows_from(
    signal: Signal, dialect: Dialect, span: Span, answers: Mapping[str, Samples]
) -> Windows:
    """The windows of a span from the answers to its `questions`.

    Where nothing was observed there is no window, as in those of the history; what an engine says
    is infinite was not observed.
    """
    seconds = span.step_ms / 1000
    form = signal.form
    scale = seconds / dialect.reach_seconds(seconds)
    cells = Cells(span, dialect, answers)
    match form:
        case Quantile():
            return bucket_windows(signal, dialect, span, in_our_unit(signal, answers), scale)
        case Share() | Mean() | Ratio():
            n = np.maximum(cells.of("lower"), 0.0) * scale
            kept = np.flatnonzero(n > 0)
            upper = np.nan_to_num(cells.of("upper"))[kept] * scale
            if isinstance(form, Mean | Share):
                kept, upper = paired(cells, kept, upper)
            if isinstance(form, Share):
                upper = np.minimum(upper, n[kept])
            return span.windows(signal.name, cells.series, kept, upper / n[kept], n[kept])
        case Rate():
            rate = cells.of("rate")
            kept = np.flatnonzero(rate >= 0)
            return span.windows(signal.name, cells.series, kept, rate[kept], rate[kept] * seconds)
        case Gauge():
            value, n = cells.of("value"), cells.of("count")
            kept = np.flatnonzero((n > 0) & np.isfinite(value))
            return span.windows(signal.name, cells.series, kept, value[kept], n[kept])
        case Promql():
            value = cells.of("value")
            n = cells.of("count") if "count" in answers else np.ones(len(value))
            kept = np.flatnonzero((n > 0) & np.isfinite(value))
            return span.windows(signal.name, cells.series, kept, value[kept], n[kept])
    assert_never(form)


def paired(cells: "Cells", kept: Ints, upper: Floats) -> tuple[Ints, Floats]:
    """Without the windows whose numerator is missing: there it is unknown, and not zero."""
    known = np.isfinite(cells.of("upper")[kept])
    return kept[known], upper[known]


def in_our_unit(signal: Signal, answers: Mapping[str, Samples]) -> Samples:
    """The buckets of all variants as one answer, their bounds in the unit of the signal."""
    found: list[Samples] = []
    for scale in dict.fromkeys(one.scale for one in signal.plain):
        answer, factor = answers.get(bucket_part(scale)), Decimal(repr(scale))
        if answer is not None:
            series = tuple(
                one if scale == 1 else one.plus(le=repr(scaled(edge(one.get("le")), factor)))
                for one in answer.series
            )
            found.append(Samples(series, answer.index, answer.at_ms, answer.values))
    if len(found) == 1:
        return found[0]
    starts = np.cumsum([0, *(len(one.series) for one in found)])
    return Samples(
        tuple(each for one in found for each in one.series),
        np.concatenate([one.index + start for one, start in zip(found, starts, strict=False)]),
        np.concatenate([one.at_ms for one in found]),
        np.concatenate([one.values for one in found]),
    )


def numbered(names: Iterable[Labels]) -> tuple[Ints, tuple[Labels, ...]]:
    """A number for each, the same for the same; and what the numbers stand for."""
    position: dict[Labels, int] = {}
    numbers = [position.setdefault(one, len(position)) for one in names]
    return np.array(numbers, np.int64), tuple(position)


class Cells:
    """The answers put side by side: `series * count + slot`, NaN where an answer has nothing."""

    def __init__(self, span: Span, dialect: Dialect, answers: Mapping[str, Samples]) -> None:
        self.span = span
        names = {
            part: [dialect.told(labels) for labels in one.series] for part, one in answers.items()
        }
        every = [labels for one in names.values() for labels in one]
        numbers, self.series = numbered(every)
        self.values: dict[str, Floats] = {}
        begin = 0
        for part, one in answers.items():
            group = numbers[begin : begin + len(one.series)]
            begin += len(one.series)
            self.values[part] = self.filled(group, one)

    def filled(self, group: Ints, answer: Samples) -> Floats:
        """One answer as cells."""
        values = np.full(len(self.series) * self.span.count, np.nan)
        slot = self.span.slot(answer.at_ms)
        inside = (slot >= 0) & np.isfinite(answer.values)
        cell = group[answer.index] * self.span.count + slot
        values[cell[inside]] = answer.values[inside]
        return values

    def of(self, part: str) -> Floats:
        """The cells of one answer."""
        return self.values[part]


def bucket_windows(
    signal: Signal, dialect: Dialect, span: Span, answer: Samples, scale: float
) -> Windows:
    """Windows of a histogram from the increase of its buckets.

    Two spellings of one bound are one bucket. A window has the bounds that it was answered with:
    where a layout changed, windows before and after it have different ones.
    """
    group, series = numbered(dialect.told(one.without("le")) for one in answer.series)
    edges = np.array([edge(one.get("le")) for one in answer.series], np.float64)
    known, column = np.unique(edges, return_inverse=True)
    slot = span.slot(answer.at_ms)
    usable = (slot >= 0) & np.isfinite(answer.values) & ~np.isnan(edges[answer.index])
    index, added = answer.index[usable], np.maximum(answer.values[usable], 0.0) * scale
    cells, row = np.unique(group[index] * span.count + slot[usable], return_inverse=True)
    cumulative = np.zeros((len(cells), len(known)))
    present = np.zeros((len(cells), len(known)), np.bool_)
    np.add.at(cumulative, (row, column[index]), added)
    present[row, column[index]] = True
    buckets, kept = laid(known, cumulative, present)
    form = signal.form
    if not isinstance(form, Quantile):
        raise TypeError("only a quantile has buckets")
    value = buckets.quantile(form.q)
    plain = span.windows(signal.name, series, cells[kept], value, buckets.totals())
    return with_buckets(plain, buckets)


def laid(edges: Floats, cumulative: Floats, present: Flags) -> tuple[Buckets, Ints]:
    """Rows of buckets with the bounds that are present in each, and which rows they are.

    A row without its last bucket, or in which nothing was observed, is left out.
    """
    whole = present[:, edges == np.inf].any(axis=1) & (present.sum(axis=1) > 1)
    kept = np.flatnonzero(whole & (cumulative.max(axis=1, initial=0.0) > 0))
    patterns, owner = np.unique(present[kept], axis=0, return_inverse=True)
    owner = owner.reshape(-1).astype(np.int64)
    rows = np.zeros((len(kept), len(edges)))
    for number, pattern in enumerate(patterns):
        mine = np.flatnonzero(owner == number)
        rows[mine[:, None], np.arange(pattern.sum())] = cumulative[
            np.ix_(kept[mine], np.flatnonzero(pattern))
        ]
    bounds = tuple(tuple(edges[pattern].tolist()) for pattern in patterns)
    return Buckets(bounds, owner, rows), kept

"""Why a signal has no windows, or fewer than its definition promises. Pure, over labels of series.

What can be known without a sample is known by `detector.variants`; this asks which series there
are, under any name that the signal can be read by. It says what is there instead, since most of
these faults are a name written otherwise.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from detector.buckets import edge
from detector.form import Share
from detector.signal import TARGET, LeftOut, Plain, Signal
from detector.units import digits
from storage.series import NAME, Labels, Matcher, Selector

VALUES_SHOWN = 5
SILENT = frozenset({NAME, TARGET, "le", "job", "instance"})


class Known(Protocol):
    """The series of a history, by metric."""

    def metrics(self) -> Iterable[str]:
        """The names of all metrics."""
        ...

    def series(self, metric: str) -> Sequence[Labels]:
        """The series of a metric."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a signal, or a part of it, unknown."""

    reason: LeftOut
    source: str
    text: str
    hint: str


def findings(signal: Signal, known: Known) -> list[Finding]:
    """What is wrong with a signal, given the series that were ever seen and are still kept.

    A variant that nothing feeds is no fault while another one is fed.
    """
    if not signal.selectors:
        return []
    fed = [one for one in signal.plain if is_fed(one, known)]
    if not fed:
        return unfed(signal, known)
    return [each for one in fed for each in of_fed(one, known)]


def is_fed(plain: Plain, known: Known) -> bool:
    """Whether there is any series of what the variant counts."""
    return any(
        one.matches(labels)
        for one in plain.signal.form.counted()
        for labels in known.series(one.metric)
    )


def unfed(signal: Signal, known: Known) -> list[Finding]:
    """Why nothing feeds a signal: its metrics are not there, or none of their series is meant."""
    found: dict[str, Finding] = {}
    for one in signal.plain:
        for selector in one.signal.form.counted():
            series = known.series(selector.metric)
            if series and selector.metric not in found:
                found[selector.metric] = unmatched(selector, series, one.source)
    if found:
        return list(found.values())
    first = signal.plain[0].signal.form.counted()[0].metric
    others = len({one.source for one in signal.plain} - {""})
    beside = f", nor what {others} other sources call it" if others else ""
    text = f"no target shows `{first}`{beside}"
    return [Finding(LeftOut.METRIC_NOT_SEEN, "", text, similar(first, known))]


def similar(metric: str, known: Known) -> str:
    """The metric that may be meant, among those that are there."""
    near = difflib.get_close_matches(metric, list(known.metrics()), 1, 0.75)
    return f"Did you mean {near[0]}?" if near else ""


def unmatched(selector: Selector, series: Sequence[Labels], source: str) -> Finding:
    """None of the series is meant: which condition it is, and what stands there instead."""
    count = f"{len(series)} series" if len(series) > 1 else "one series"
    text = f"`{selector.metric}` has {count}, and none matches {selector}"
    failing = next((m for m in selector.matchers if not any(map(m.matches, series))), None)
    hint = instead(failing, series) if failing else "Each condition is met, but not all by one."
    return Finding(LeftOut.NO_SERIES_MATCHES, source, text, hint)


def instead(matcher: Matcher, series: Sequence[Labels]) -> str:
    """What a label holds that a condition asks for something else of."""
    values = sorted({one.get(matcher.name) for one in series} - {""})
    if not values:
        return f"None has the label {matcher.name}; they have {', '.join(names(series)) or 'none'}."
    more = f" and {len(values) - VALUES_SHOWN} more" if len(values) > VALUES_SHOWN else ""
    return f"{matcher.name} is {', '.join(values[:VALUES_SHOWN])}{more}."


def names(series: Iterable[Labels]) -> list[str]:
    """The labels that series have, those that nobody asks for left out."""
    return sorted({name for labels in series for name, _ in labels} - SILENT)


def of_fed(plain: Plain, known: Known) -> Iterator[Finding]:
    """What a variant lacks although it is fed."""
    form = plain.signal.form
    for selector in dict.fromkeys(form.selectors()):
        if selector not in form.counted():
            yield from of_other_half(selector, plain, known)
    read = [s for c in form.counted() for s in known.series(c.metric) if c.matches(s)]
    if isinstance(form, Share):
        yield from of_bound(plain, form, known)
    made = {one.name: one.label for one in form.derive}
    for our, name in zip(plain.ours, plain.theirs, strict=True):
        their = made.get(name, name)
        if our != TARGET and not any(one.get(their) for one in read):
            text = (
                f"no series has the label `{their}`, so all are one where `{our}` should part them"
            )
            hint = f"They have {', '.join(names(read)) or 'no labels'}."
            yield Finding(LeftOut.BY_LABEL_MISSING, plain.source, text, hint)


def of_other_half(selector: Selector, plain: Plain, known: Known) -> Iterator[Finding]:
    """A numerator or a divisor that is not there, or whose label is on none of its series.

    That none of its values is there is no fault: no error may have happened yet.
    """
    series = known.series(selector.metric)
    if not series:
        text = f"no target has shown `{selector.metric}` yet"
        hint = similar(selector.metric, known)
        yield Finding(LeftOut.METRIC_NOT_SEEN, plain.source, text, hint)
        return
    for one in selector.matchers:
        if not one.accepts("") and not any(labels.get(one.name) for labels in series):
            text = f"no series of `{selector.metric}` has the label `{one.name}`"
            hint = f"They have {', '.join(names(series)) or 'no labels'}."
            yield Finding(LeftOut.NO_SERIES_MATCHES, plain.source, text, hint)


def of_bound(plain: Plain, form: Share, known: Known) -> Iterator[Finding]:
    """A bound that is no edge of some histograms."""
    edges: dict[Labels, set[float]] = {}
    for selector in form.selectors():
        for labels in known.series(selector.metric):
            if selector.matches(labels):
                edges.setdefault(labels.without("le"), set()).add(edge(labels.get("le")))
    without = [one for one, bounds in edges.items() if form.bound not in bounds]
    if without:
        finite = sorted(one for one in edges[without[0]] if abs(one) < float("inf"))
        text = f"{digits(form.bound)} is no edge of {len(without)} of {len(edges)} histograms"
        hint = f"Edges of {without[0]} are {', '.join(map(digits, finite))}."
        yield Finding(LeftOut.BOUND_IS_NO_EDGE, plain.source, text, hint)

"""Series made so that a signal has a wished value: what generated tests of rules are fed with.

A histogram with two buckets, counters that grow by the right amounts, a gauge that stands still,
with labels that the signal's selectors find.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detector.deriving import derived
from detector.form import LAST_BUCKET, AnySignal, Gauge, Mean, Promql, Quantile, Rate, Ratio, Share
from detector.promql import INSTANCE, Asking, asked
from detector.signal import Signal
from storage.series import Labels, Match, Matcher, Selector

Json = dict[str, Any]
EVERY = 30  # seconds between two samples
BUSY = 10_000.0  # observations between two samples: no counting gate is in the way
OTHERS = ("some", "200", "other", "ok", "")


@dataclass(frozen=True, slots=True)
class Grown:
    """One series: its growth between two samples, or the value of a gauge, before and then."""

    selector: Selector
    labels: dict[str, str]
    before: float
    then: float

    def __str__(self) -> str:
        return f"{self.selector.metric}{Labels.of(self.labels)}"


def series_of(
    signal: Signal, before: float, then: float, steps: int, more: int
) -> tuple[list[Json], str] | None:
    """Series of which the signal has these two values, one after the other, and its own labels.

    None where no way is known to make them, as of form `promql`.
    """
    plain = signal.plain[0]
    theirs = asked(plain, Asking("1m", INSTANCE))
    form, scale = theirs.signal.form, theirs.scale
    write = standing if isinstance(form, Gauge) else adding
    make = gauges if isinstance(form, Gauge) else growing
    made = make(form, before / scale, then / scale)  # type: ignore[arg-type]
    if made is None:
        return None
    series = [{"series": str(one), "values": write(one, steps, more)} for one in made]
    names = zip(theirs.ours, theirs.theirs, strict=True)
    read = derived(Labels.of(made[0].labels), form.derive)
    values = {our: read.get(their) for our, their in names}
    return series, str(Labels.of({**values, **dict(theirs.constants)}))


def standing(one: Grown, steps: int, more: int) -> str:
    """A gauge that stands at one value, then at another, as promtool writes it."""
    return f"{one.before!r}+0x{steps - 1} {one.then!r}+0x{more - 1}"


def adding(one: Grown, steps: int, more: int) -> str:
    """A counter that grows by one amount, then by another."""
    reached = one.before * (steps - 1)
    return f"0+{one.before!r}x{steps - 1} {reached + one.then!r}+{one.then!r}x{more - 1}"


def gauges(form: Gauge, before: float, then: float) -> list[Grown] | None:
    """A gauge, and a second one of 1 that it is divided by."""
    if form.complement:
        before, then = 1 - before, 1 - then
    labels = example(form.metric, form.read_by)
    if labels is None:
        return None
    made = [Grown(form.metric, labels, before, then)]
    if form.of is not None:
        whole = example(form.of, form.read_by)
        if whole is None:
            return None
        made.append(Grown(form.of, whole, 1.0, 1.0))
    return made


def growing(form: AnySignal, before: float, then: float) -> list[Grown] | None:
    """Counters of which a form has one value, then another."""
    match form:
        case Quantile() | Share():
            [buckets] = form.selectors()
            labels = example(buckets, form.read_by)
            if labels is None:
                return None
            return [*histogram(form, buckets, labels, before, then)]
        case Mean():
            total, count = form.selectors()
            labels = example(count, form.read_by)
            if labels is None:
                return None
            return [
                Grown(total, labels, before * BUSY, then * BUSY),
                Grown(count, labels, BUSY, BUSY),
            ]
        case Ratio():
            return ratio(form, before, then)
        case Rate():
            labels = example(form.metric, form.read_by)
            return (
                None
                if labels is None
                else [Grown(form.metric, labels, before * EVERY, then * EVERY)]
            )
        case Gauge() | Promql():
            return None


def histogram(
    form: Quantile | Share, buckets: Selector, labels: dict[str, str], before: float, then: float
) -> Iterator[Grown]:
    """All observations in one bucket, of which the quantile is a fixed share; or so many in it."""
    whole = {**labels, LAST_BUCKET.name: LAST_BUCKET.value}
    yield Grown(buckets, whole, BUSY, BUSY)
    if isinstance(form, Share):
        yield Grown(buckets, {**labels, "le": repr(form.bound)}, BUSY * before, BUSY * then)
        return
    near, far = sorted((before, then))
    edge = near / form.q  # all below it: the quantile lies at its share of the way from nought
    if far <= edge:  # too near to tell apart with two buckets, so both are the one
        yield Grown(buckets, {**labels, "le": repr(before / form.q)}, BUSY, BUSY)
        return
    first, second = (BUSY, 0.0) if before < then else (0.0, BUSY)
    yield Grown(buckets, {**labels, "le": repr(edge)}, first, second)
    yield Grown(buckets, {**labels, "le": repr(edge + (far - edge) / form.q)}, BUSY, BUSY)


def ratio(form: Ratio, before: float, then: float) -> list[Grown] | None:
    """What is counted, and the rest: of the same counter, or of another one."""
    upper = form.numerator[0]
    labels = example(upper, form.read_by)
    if labels is None:
        return None
    counted = Grown(upper, labels, BUSY * before, BUSY * then)
    own = Labels.of({"__name__": upper.metric, **labels})
    inside = any(one.matches(own) for one in form.denominator)
    for lower in form.denominator:
        rest = example(lower, form.read_by, form.numerator)
        if rest is not None:
            share = ((1 - before), (1 - then)) if inside else (1.0, 1.0)
            return [counted, Grown(lower, rest, BUSY * share[0], BUSY * share[1])]
    return None


def example(
    selector: Selector, by: Sequence[str], unlike: Sequence[Selector] = ()
) -> dict[str, str] | None:
    """Labels of a series that a selector finds and the others do not; None for no idea."""
    matchers = [one for each in (selector, *unlike) for one in each.matchers]
    names = dict.fromkeys([*by, *(one.name for one in matchers)])
    fixed: dict[str, str] = {}
    for name in names:
        found = next(accepted(selector.matchers, name), None)
        if found is None:
            return None
        fixed[name] = found
    if not any(one.matches(named(selector, fixed)) for one in unlike):
        return {name: value for name, value in fixed.items() if value}
    for name in names:
        for value in accepted(selector.matchers, name, matchers):
            other = {**fixed, name: value}
            if not any(one.matches(named(selector, other)) for one in unlike):
                return {key: each for key, each in other.items() if each}
    return None


def named(selector: Selector, labels: Mapping[str, str]) -> Labels:
    """The labels of a series with its name; empty ones are none."""
    return Labels.of({"__name__": selector.metric, **{k: v for k, v in labels.items() if v}})


def accepted(
    matchers: Sequence[Matcher], name: str, hints: Sequence[Matcher] = ()
) -> Iterator[str]:
    """Values of a label that all its matchers take, the likeliest first.

    `hints` are more conditions that may name a fit value: what one selector excludes another finds.
    """
    mine = [one for one in matchers if one.name == name]
    hinted = [one for one in hints if one.name == name]
    for value in [*(text for one in (*mine, *hinted) for text in texts(one)), *OTHERS]:
        if all(one.accepts(value) for one in mine):
            yield value


def texts(matcher: Matcher) -> Iterator[str]:
    """Texts that a matcher is about: the alternatives of a pattern with its dots filled in."""
    if matcher.op in (Match.EQUAL, Match.NOT_EQUAL):
        yield matcher.value
        return
    for one in matcher.value.split("|"):
        yield re.sub(r"\\(.)", r"\1", re.sub(r"\.[*+]?|\[.*?\]", "0", one))

"""A signal as PromQL: what dashboards, exported rules and Prometheus itself make of it. Pure.

One definition, two evaluations: `detector.window` on the history, this on a Prometheus of 2.42 or
later. What PromQL cannot say is told in docs/how-detection-works.md; a test compares the two.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from detector.deriving import Derived
from detector.form import WINDOW, AnySignal, Gauge, Mean, Promql, Quantile, Rate, Ratio, Share
from detector.signal import TARGET, Plain, Signal
from storage.duration import written
from storage.series import Match, Matcher, Selector, escaped

INSTANCE = "instance"
"""What Prometheus calls our `target`."""

PART = "plimsoll_part"
# Clients write large and small edges like Go does: 1e+06, 1e-05.
GO_EXPONENT_FROM, GO_EXPONENT_BELOW = 6, -4


@dataclass(frozen=True, slots=True)
class Asking:
    """How a signal is asked for: over which span, and what the label `target` is called there.

    With `named` the answer has our `target`, else theirs. `beside` are labels that an answer keeps
    beside those of the signal: `le`.
    """

    span: str
    target: str = TARGET
    named: bool = True
    beside: tuple[str, ...] = ()


def compile(signal: Signal, seconds: float | None = None, *, target: str = TARGET) -> str:
    """The expression whose value at the end of a window is the signal's; over `window` by default.

    Where nothing was observed it is NaN or has no series; a signal has no window there. `target` is
    what the label `target` is called there: `instance` in a Prometheus that scrapes by itself.
    """
    span = f"[{length(signal, seconds)}]"

    def made(one: Plain) -> str:
        return times(value(one.signal.form, span), one.scale)

    return joined(signal, made, Asking(span, target))


def counted(signal: Signal, seconds: float | None = None, *, target: str = TARGET) -> str:
    """The expression for n, how many observations are behind the value; empty where n is 1."""
    if isinstance(signal.form, Promql):
        return spanned(signal.form.count or "", length(signal, seconds))
    span = f"[{length(signal, seconds)}]"

    def made(one: Plain) -> str:
        form = one.signal.form
        return times(observations(form, span), one.scale if isinstance(form, Rate) else 1.0)

    return joined(signal, made, Asking(span, target))


def joined(
    signal: Signal,
    made: Callable[[Plain], str],
    asking: Asking,
    chosen: Callable[[Plain], bool] = lambda plain: True,
) -> str:
    """What is `made` of the chosen variants, under our names, each target from the first it shows.

    `made` finds a variant as it is to be asked for: its groups and selectors hold their names.
    """
    plain = [asked(one, asking) for one in signal.plain]
    found = []
    for one in plain:
        if chosen(one):
            before = [each for each in plain if each.rank < one.rank]
            found.append(ours(one, made(one), shown(before, asking), asking))
    return found[0] if len(found) == 1 else "\nor ".join(f"({one})" for one in found)


def length(signal: Signal, seconds: float | None) -> str:
    """The span as PromQL writes it."""
    return written(signal.form.window if seconds is None else seconds)


def asked(plain: Plain, asking: Asking) -> Plain:
    """The same variant where `target` is called otherwise: in its groups and its matchers."""
    target = asking.target
    if target == TARGET:
        return plain
    form = plain.signal.form
    theirs = swapped(plain.theirs, target)
    changes: dict[str, object] = {
        "by": theirs,
        "derive": tuple(
            one.model_copy(update={"label": target}) if one.label == TARGET else one
            for one in form.derive
        ),
    }
    for name in ("metric", "of", "numerator", "denominator"):
        found = getattr(form, name, None)
        if isinstance(found, Selector):
            changes[name] = aimed(found, target)
        elif found:
            changes[name] = tuple(aimed(one, target) for one in found)
    signal = Signal(name=plain.signal.name, form=form.model_copy(update=changes))
    ours = plain.ours if asking.named else swapped(plain.ours, target)
    return replace(plain, signal=signal, ours=ours, theirs=theirs)


def swapped(labels: Sequence[str], target: str) -> tuple[str, ...]:
    """The names of labels where `target` is called otherwise."""
    return tuple(target if one == TARGET else one for one in labels)


def aimed(selector: Selector, target: str) -> Selector:
    """A selector whose conditions on `target` are on the label of that name there."""
    matchers = (
        replace(one, name=target) if one.name == TARGET else one for one in selector.matchers
    )
    return Selector(selector.metric, tuple(matchers))


def shown(variants: Iterable[Plain], asking: Asking) -> str:
    """The targets that show samples of any of these variants; empty for none."""
    counted = dict.fromkeys(each for one in variants for each in one.signal.form.counted())
    by = f"group by ({asking.target})"
    return " or ".join(f"{by} (present_over_time({one}{asking.span}))" for one in counted)


def ours(plain: Plain, inner: str, before: str, asking: Asking) -> str:
    """A value of a variant as one of the signal: without the targets of others, and renamed."""
    if before:
        inner = f"({inner}) unless on ({asking.target}) ({before})"
    for our, their in plain.renames:
        inner = f'label_replace({inner}, "{our}", "$1", "{their}", "(.*)")'
    for our, constant in plain.constants:
        inner = f'label_replace({inner}, "{our}", "{literal(constant)}", "", "")'
    if plain.renames:  # their names have to go
        inner = summed(inner, (*asking.beside, *plain.ours, *dict(plain.constants)), "max")
    return inner


def times(expression: str, scale: float) -> str:
    """An expression in another unit."""
    return expression if scale == 1 else f"({expression}) * {scale!r}"


def literal(text: str) -> str:
    """A text as the replacement of `label_replace`, where a dollar stands for a group."""
    return escaped(text.replace("$", "$$"))


def value(form: AnySignal, span: str) -> str:
    """The value of a plain form."""
    match form:
        case Quantile():
            buckets = increase(form.selectors()[0], span)
            counts = summed(buckets, ("le", *form.by), made=form.derive)
            return f"histogram_quantile({form.q!r}, {counts})"
        case Share():
            within = form.selectors()[0].narrowed(edge_matcher(form.bound))
            upper = added([within], span, form.by, form.derive)
            return f"{upper} / {observations(form, span)}"
        case Mean():
            total = added(form.selectors()[:1], span, form.by, form.derive)
            return f"{total} / {observations(form, span)}"
        case Ratio():
            upper = added(form.numerator, span, form.by, form.derive)
            lower = observations(form, span)
            # An error counter that was never written is no error, not no answer.
            return f"({upper} or 0 * {lower}) / {lower}"
        case Rate():
            return summed(f"rate({form.metric}{span})", form.by, made=form.derive)
        case Gauge():
            found = gauge(form, form.metric, span)
            if form.of is not None:
                found = f"({found}) / ({gauge(form, form.of, span)})"
            return f"1 - ({found})" if form.complement else found
        case Promql():
            return spanned(form.expr, span[1:-1])
    assert_never(form)


def observations(form: AnySignal, span: str) -> str:
    """How many observations a plain form counts."""
    if isinstance(form, Gauge):
        return summed(f"count_over_time({form.metric}{span})", form.by, made=form.derive)
    return added(form.counted(), span, form.by, form.derive)


def spanned(expression: str, span: str) -> str:
    """An expression of a user with the length of the window in it."""
    return expression.replace(WINDOW, span)


def gauge(form: Gauge, metric: Selector, span: str) -> str:
    """All samples of all series of a group together, as in a window of the history.

    For `last` PromQL knows the newest sample of each series, not of the group: the largest stands.
    """
    by, made = form.by, form.derive
    if form.stat == "avg":
        total = summed(f"sum_over_time({metric}{span})", by, made=made)
        return f"{total} / {summed(f'count_over_time({metric}{span})', by, made=made)}"
    inner, outer = {
        "min": ("min_over_time", "min"),
        "max": ("max_over_time", "max"),
        "last": ("last_over_time", "max"),
        "sum": ("avg_over_time", "sum"),
    }[form.stat]
    return summed(f"{inner}({metric}{span})", by, outer, made)


def added(
    selectors: Sequence[Selector], span: str, by: Iterable[str], made: Iterable[Derived] = ()
) -> str:
    """What was added to counters, in each group together.

    `increase` drops the name of the metric, so that series of two metrics could be told apart no
    more and one of them would be lost: each is given a label of its own.
    """
    if len(selectors) == 1:
        return summed(increase(selectors[0], span), by, made=made)
    parts = [
        f'label_replace({increase(one, span)}, "{PART}", "{number}", "", "")'
        for number, one in enumerate(selectors)
    ]
    return summed(" or ".join(parts), by, made=made)


def increase(selector: Selector, span: str) -> str:
    """What was added to a counter: of samples on both edges of the span exact, as a rate is not."""
    return f"increase({selector}{span})"


def summed(inner: str, by: Iterable[str], how: str = "sum", made: Iterable[Derived] = ()) -> str:
    """One series for each group, by labels of which some are made; `le` stands once."""
    for one in made:  # the whole label, and then what the pattern takes where it fits
        for pattern in ("(.*)", one.pattern):
            inner = (
                f'label_replace({inner}, "{one.name}", "$1", "{one.label}", "{escaped(pattern)}")'
            )
    labels = ", ".join(dict.fromkeys(by))
    return f"{how} by ({labels}) ({inner})" if labels else f"{how}({inner})"


def edge_matcher(bound: float) -> Matcher:
    """The `le` of a bound in every spelling that clients use; for Prometheus it is a text."""
    spelled = spellings(bound)
    if len(spelled) == 1:
        return Matcher("le", Match.EQUAL, spelled[0])
    return Matcher("le", Match.REGEX, "|".join(map(re.escape, spelled)))


def spellings(bound: float) -> tuple[str, ...]:
    """`1` and `1.0`; `1e+06` beside `1000000` and `1000000.0`. The plainest first."""
    exact = repr(bound + 0.0 if bound else 0.0)
    found = [exact.removesuffix(".0"), exact]
    short = next(text for p in range(17) if float(text := f"{bound:.{p}e}") == bound)
    if bound and not GO_EXPONENT_BELOW <= int(short.partition("e")[2]) < GO_EXPONENT_FROM:
        found.append(short)
    return tuple(dict.fromkeys(found))

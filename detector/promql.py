"""A signal as PromQL: what dashboards, exported rules and Prometheus itself make of it. Pure.

One definition, two evaluations: `detector.window` on the history, this on a Prometheus of 2.42 or
later. What PromQL cannot say is told in docs/how-detection-works.md; a test compares the two.
"""

import re
from collections.abc import Iterable
from typing import assert_never

from detector.signal import Gauge, Mean, Quantile, Rate, Ratio, Share, Signal
from storage.duration import written
from storage.series import Match, Matcher, Selector

LAST_BUCKET = Matcher("le", Match.EQUAL, "+Inf")
# Clients write large and small edges like Go does: 1e+06, 1e-05.
GO_EXPONENT_FROM, GO_EXPONENT_BELOW = 6, -4


def compile(signal: Signal, seconds: float | None = None) -> str:
    """The expression whose value at the end of a window is the signal's; over `window` by default.

    Where nothing was observed it is NaN or has no series; a signal has no window there.
    """
    form = signal.form
    span = f"[{written(form.window if seconds is None else seconds)}]"
    match form:
        case Quantile():
            buckets = increase(form.selectors()[0], span)
            return f"histogram_quantile({form.q!r}, {summed(buckets, ('le', *form.by))})"
        case Share():
            (buckets_of,) = form.selectors()
            upper, lower = (
                summed(increase(narrowed(buckets_of, one), span), form.by)
                for one in (edge_matcher(form.bound), LAST_BUCKET)
            )
            return f"{upper} / {lower}"
        case Mean():
            upper, lower = (summed(increase(one, span), form.by) for one in form.selectors())
            return f"{upper} / {lower}"
        case Ratio():
            upper, lower = (summed(increase(one, span), form.by) for one in form.selectors())
            # An error counter that was never written is no error, not no answer.
            return f"({upper} or 0 * {lower}) / {lower}"
        case Rate():
            return summed(f"rate({form.metric}{span})", form.by)
        case Gauge():
            return gauge(form, span)
    assert_never(form)


def gauge(form: Gauge, span: str) -> str:
    """All samples of all series of a group together, as in a window of the history.

    For `last` PromQL knows the newest sample of each series, not of the group: the largest stands.
    """
    if form.stat == "avg":
        total = summed(f"sum_over_time({form.metric}{span})", form.by)
        return f"{total} / {summed(f'count_over_time({form.metric}{span})', form.by)}"
    inner, outer = {
        "min": ("min_over_time", "min"),
        "max": ("max_over_time", "max"),
        "last": ("last_over_time", "max"),
    }[form.stat]
    return summed(f"{inner}({form.metric}{span})", form.by, outer)


def increase(selector: Selector, span: str) -> str:
    """What was added to a counter: of samples on both edges of the span exact, as a rate is not."""
    return f"increase({selector}{span})"


def summed(inner: str, by: Iterable[str], how: str = "sum") -> str:
    """One series for each group; `le` stands once, whoever asks for it."""
    labels = ", ".join(dict.fromkeys(by))
    return f"{how} by ({labels}) ({inner})" if labels else f"{how}({inner})"


def narrowed(selector: Selector, matcher: Matcher) -> Selector:
    """The same series, and one condition more."""
    return Selector(selector.metric, (*selector.matchers, matcher))


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

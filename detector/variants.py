"""What cannot be meant in a signal, as far as its text alone tells. Pure.

A fault names the place in the signal's text, what is wrong there, and a way out.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detector.form import AnySignal, Mean, Promql, Quantile, Share
from detector.renaming import Names, Renaming, Variant
from detector.signal import TARGET
from storage.series import Match, Selector

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
KEYS = ("metric", "of", "numerator", "denominator")


@dataclass(frozen=True, slots=True)
class Misfit:
    """One fault: where it stands below the signal, the reason, and a hint."""

    path: tuple[str, ...]
    reason: str
    hint: str = ""


def misfits(form: AnySignal) -> Iterator[Misfit]:
    """All faults of a form and its variants."""
    variants: tuple[Variant, ...] = () if isinstance(form, Promql) else form.variants
    if variants and TARGET not in form.by:
        yield Misfit(
            ("by",),
            "must hold `target` where a signal has variants",
            "A target that shows the same thing twice is counted once; add target to `by`.",
        )
    named = tuple(dict.fromkeys((*form.by, *(one.label for one in form.derive))))
    yield from of_renaming(form, named, ())
    yield from of_selectors(form, form, ())
    for position, one in enumerate(variants):
        path = ("variants", str(position))
        yield from of_renaming(one, named, path)
        yield from of_selectors(one, form, path)


def of_renaming(renaming: Renaming, by: Iterable[str], path: tuple[str, ...]) -> Iterator[Misfit]:
    """Names that mean nothing, or two things."""
    known = list(by)
    yield from of_names(renaming.labels, known, (*path, "labels"))
    yield from of_names(renaming.constants, known, (*path, "constants"))
    first: dict[str, str] = {}
    for our, their in renaming.labels:
        key = (*path, "labels", our)
        if not LABEL.fullmatch(their):
            yield Misfit(key, f"{their!r} is no label name", "Letters, digits and `_`.")
        elif their in first:
            yield Misfit(
                key,
                f"`{first[their]}` and `{our}` are both read from `{their}`",
                "Keep one of them, and leave the other out of `by`.",
            )
        elif their != our and their in known:
            yield Misfit(
                key,
                f"`{their}` is a label of this signal already",
                "Two labels would be one; leave one of them out of `by`.",
            )
        first.setdefault(their, our)
    for our, constant in renaming.constants:
        key = (*path, "constants", our)
        if our in dict(renaming.labels):
            yield Misfit(key, f"`{our}` is in `labels` and in `constants`", "Keep one of them.")
        if not constant:
            yield Misfit(key, f"the value of `{our}` is empty", "Leave the label out instead.")


def of_names(named: Names, known: list[str], path: tuple[str, ...]) -> Iterator[Misfit]:
    """Labels that are given a value and are none of the signal's."""
    for our, _ in named:
        if our == TARGET:
            yield Misfit(
                (*path, our),
                "`target` is the target's name and cannot be another label",
                "With a Prometheus source, its label for it is set there once for all signals.",
            )
        elif our not in known:
            near = difflib.get_close_matches(our, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"`by` has: {', '.join(known) or '-'}."
            yield Misfit((*path, our), f"`{our}` is none of the labels in `by`", hint)


def of_selectors(
    read: AnySignal | Variant, form: AnySignal, path: tuple[str, ...]
) -> Iterator[Misfit]:
    """Selectors that no series can match, or that name a part of a histogram for the whole."""
    for key in KEYS:
        found = getattr(read, key, None)
        for one in (found,) if isinstance(found, Selector) else found or ():
            yield from of_selector(one, form, (*path, key))


def of_selector(selector: Selector, form: AnySignal, path: tuple[str, ...]) -> Iterator[Misfit]:
    """The faults of one selector."""
    whole = selector.metric.removesuffix("_bucket")
    if isinstance(form, Quantile | Share | Mean) and whole != selector.metric:
        yield Misfit(
            path, f"`{selector.metric}` is a part of a histogram", f"Write {whole} without it."
        )
    if isinstance(form, Quantile | Share) and any(one.name == "le" for one in selector.matchers):
        yield Misfit(path, "a condition on `le` takes buckets away", "All of them are needed.")
    for exact in selector.matchers:
        if exact.op is Match.EQUAL:
            against = [one for one in selector.matchers if one.name == exact.name]
            failing = next((one for one in against if not one.accepts(exact.value)), None)
            if failing is not None:
                yield Misfit(
                    path,
                    f"no series can match both {exact} and {failing}",
                    f'Join them: {exact.name}=~"a|b" matches either.',
                )
                return

"""Why a rule fired on a series at a time, or why not: gate by gate, with the numbers.

The stages of the tick are run again on the stored windows, so that every number is there, whatever
the ledger keeps.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from detector.bounds import Limits, shown
from detector.checks import Case, Check
from detector.facts import FactFinder
from detector.gates import Gate, stages
from detector.hearing import Assess, Hearing, Normals
from detector.judgement import Judgement, Reason, Verdict, Verdicts
from detector.paper import as_of
from detector.regression import Regression
from detector.rule import Rule, Span
from detector.signal import Signal
from detector.sweep import Stretch, Sweep, back_ms, coarse_rule, stretch_at
from detector.tagging import Tagging
from detector.tags import Tagged
from storage.history import History
from storage.series import Labels


class Result(StrEnum):
    """What became of a series at a gate."""

    PASSED = "passed"
    REFUSED = "refused"
    ENDED = "ended"  # nothing was refused: there is no breach, or it got better
    ABSTAINED = "abstained"  # its stage has nothing to say of this series
    NOT_ASKED = "not_asked"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Passage:
    """One gate: what it was asked, what it saw and needed, and what came of it."""

    gate: Gate
    result: Result
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """One judged window: NaN where there is none."""

    end_ms: int
    value: float
    n: float
    breaches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One rule on one series at one tick. `clear` is the level below which it would be over.

    `tags` are what else may explain a breach that holds; of other verdicts there are none.
    """

    rule: str
    definition: Rule
    judgement: Judgement
    passages: tuple[Passage, ...]
    windows: tuple[Looked, ...]
    window_ms: int
    clear: float
    critical: float
    regression: Regression | None
    tags: tuple[Tagged, ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """All rules on one series at one tick; `is_coarse` where the short windows are gone."""

    signal: Signal
    labels: Labels
    at_ms: int
    is_coarse: bool
    rules: tuple[Explanation, ...]


def explain(
    history: History,
    signal: Signal,
    rules: Mapping[str, Rule],
    labels: Labels,
    at_ms: int,
    known: Sequence[Regression] = (),
    assess: Assess | None = None,
    tagging: Tagging | None = None,
    facts: FactFinder | None = None,
) -> Why:
    """Judge the last tick at or before a time again, and tell each gate.

    `known` are the regressions of the book on this signal. Without `tagging` nobody looks for tags.
    """
    over_ms = round(signal.form.over * 1000)
    changes = {name: rule for name, rule in rules.items() if rule.is_change}
    others = {name: rule for name, rule in rules.items() if not rule.is_change}
    earlier_ms = at_ms // over_ms * over_ms
    if changes and others and earlier_ms < at_ms // signal.form.window_ms * signal.form.window_ms:
        # A change was last looked for where a judged window of the grid ended.
        rest = (known, assess, tagging, facts)
        whole = explain(history, signal, others, labels, at_ms, *rest)
        looked = explain(history, signal, changes, labels, earlier_ms, *rest)
        return replace(whole, rules=(*whole.rules, *looked.rules))
    if changes and not others:
        at_ms = earlier_ms
    stretch = stretch_at(history, signal, list(rules.values()), at_ms)
    if stretch.is_coarse:
        rules = {name: coarse_rule(rule, signal) for name, rule in rules.items()}
    rules = {name: rule.model_copy(update={"enabled": True}) for name, rule in rules.items()}
    back = back_ms(stretch.signal, list(rules.values()))
    sweep = Sweep(history, stretch, back, labels)
    sweep.begin()
    (tick_ms,) = sweep.steps()
    before = as_of([one for one in known if one.signal == signal.name], tick_ms - 1)
    watched = [one for one in before if not one.phase.is_over and one.labels == labels]
    hearing = Hearing(
        sweep.days,
        sweep.current,
        Normals().flat(sweep.days, tick_ms, before),
        facts or FactFinder(history),
        assess=assess,
    )
    told = []
    for verdicts in hearing.verdicts(rules, tick_ms, watched, before):
        if labels in verdicts.judged.series:
            mine = [one for one in watched if one.rule == verdicts.rule]
            rule = rules[verdicts.rule]
            one = explained(stretch, rule, verdicts, labels, mine[0] if mine else None)
            if tagging is not None and one.judgement.verdict is Verdict.REGRESSED:
                i = verdicts.judged.series.index(labels)
                one = replace(one, tags=tuple(tagging.of(rule, verdicts, i, one.judgement)))
            told.append(one)
    absent = rules.keys() - {one.rule for one in told}
    told += [unseen(stretch, name, rules[name], labels, tick_ms) for name in sorted(absent)]
    return Why(signal, labels, tick_ms, stretch.is_coarse, tuple(told))


def explained(
    stretch: Stretch, rule: Rule, verdicts: Verdicts, labels: Labels, open_: Regression | None
) -> Explanation:
    """One rule, from its verdicts."""
    i = verdicts.judged.series.index(labels)
    form = stretch.signal.form
    span = rule.span(form.window, form.over)
    case = Case.of(
        rule,
        span,
        verdicts.judged,
        verdicts.background,
        verdicts.levels,
        verdicts.assessment,
    )
    judged, end_ms = verdicts.judged, verdicts.judged.end_ms
    limits = shown(verdicts.levels.worse, rule.upwards)
    return Explanation(
        rule=verdicts.rule,
        definition=rule,
        judgement=verdicts.row(i),
        passages=tuple(passages(case, i)),
        windows=tuple(
            Looked(
                end_ms - (span.of - 1 - column) * span.each_ms,
                float(judged.values[i, column]),
                float(judged.n[i, column]),
                bool(case.breach[i, column]),
            )
            for column in range(span.of)
        ),
        window_ms=span.each_ms,
        clear=level(limits, "clear", i),
        critical=level(limits, "critical", i),
        regression=open_,
    )


def level(limits: Limits, name: str, i: int) -> float:
    """One level in the unit of the signal; NaN where it is in other terms, or beyond everything."""
    value = float(getattr(limits, name)[i])
    return value if limits.measured is None and math.isfinite(value) else math.nan


def passages(case: Case, i: int) -> Iterator[Passage]:
    """The way of one series through the gates, in their order."""
    ended = False
    for stage in stages(case):
        checks = stage.checks(i) if stage.asked else ()
        if not stage.asked:
            result = Result.NOT_ASKED
        elif ended:
            result = Result.NOT_REACHED
        elif stage.ends[i]:
            refusing = stage.verdict not in (Verdict.STEADY, Verdict.IMPROVED)
            result = Result.REFUSED if refusing else Result.ENDED
            ended = True
        elif checks and all(math.isnan(one.saw) or math.isnan(one.needed) for one in checks):
            result = Result.ABSTAINED
        else:
            result = Result.PASSED
        # Where no rule asks, a stage ends nothing.
        yield Passage(stage.gate, result, checks)


def unseen(stretch: Stretch, name: str, rule: Rule, labels: Labels, at_ms: int) -> Explanation:
    """A rule on a series that has no window at all in what it looks at."""
    form = stretch.signal.form
    span: Span = rule.span(form.window, form.over)
    gap = math.nan
    judgement = Judgement(
        rule=name,
        signal=stretch.signal.name,
        labels=labels,
        at_ms=at_ms,
        verdict=Verdict.UNKNOWN,
        reason=Reason.NO_DATA,
        value=gap,
        n=0.0,
        threshold=gap,
        baseline=gap,
        deviation=gap,
        baseline_n=0.0,
        days=0,
        breaches=0,
        of=span.of,
        critical=False,
        clear=False,
        began_lo_ms=at_ms - span.total_ms,
        began_hi_ms=at_ms - span.total_ms + span.each_ms,
    )
    way = [
        Passage(gate, Result.REFUSED if gate is Gate.DATA else Result.NOT_REACHED, ())
        for gate in Gate
    ]
    windows = [
        Looked(at_ms - back * span.each_ms, gap, 0.0, False) for back in reversed(range(span.of))
    ]
    return Explanation(
        rule=name,
        definition=rule,
        judgement=judgement,
        passages=tuple(way),
        windows=tuple(windows),
        window_ms=span.each_ms,
        clear=gap,
        critical=gap,
        regression=None,
    )

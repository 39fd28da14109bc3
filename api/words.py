"""What a regression, a rule or a judgement says, in words. Pure; the same words everywhere.

The parts of the sentence about a regression are those of the messages that were sent about it.
"""

from collections.abc import Mapping
from functools import lru_cache

from alerts.wording import against, since, where
from detector import units
from detector.baseline import DAYS, DAYS_NEEDED
from detector.judgement import Judgement, Reason, Verdict
from detector.lifecycle import suggests_acceptance
from detector.regression import Kind, Phase, Regression
from detector.rule import Rule
from detector.signal import Signal
from detector.tags import all_told
from detector.trigger import (
    Absolute,
    AnyLeaf,
    Burn,
    Change,
    Distribution,
    Relative,
    Sigma,
    Slope,
    Trigger,
)
from storage.duration import UNITS
from storage.series import Labels

SPOKEN = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 10: "ten", 15: "fifteen"}
SPOKEN_UNITS = (("day", "d"), ("hour", "h"), ("minute", "m"), ("second", "s"))


@lru_cache(maxsize=1024)
def place(labels: Labels) -> str:
    """`GET /cart of shop`: where a person would look; empty for a series without labels.

    A page of history asks twice for each regression, and series come back.
    """
    named = where(labels)
    owner = labels.get("service") or labels.get("target")
    return f"{named} of {owner}" if owner and owner not in named.split() else named


def heading(regression: Regression) -> str:
    """`API p95 +42 % on GET /cart of shop`."""
    size = regression.change or f"at {units.text(regression.worst, regression.unit)}"
    on = place(regression.labels)
    return f"{regression.title} {size}" + (f" on {on}" if on else "")


def summary(regression: Regression, fits: str) -> str:
    """One sentence: what, how much, since when, and the deployment that fits, as it is told."""
    on = place(regression.labels)
    value = units.text(regression.value, regression.unit)
    told = regression.title + (f" on {on}" if on else "")
    size = regression.change or units.text(regression.worst, regression.unit)
    match regression.phase:
        case Phase.RESOLVED if regression.kind is Kind.IMPROVEMENT:
            told += f" is back at {value} (was {size} at its best) after {lasted(regression)}"
        case Phase.RESOLVED:
            told += f" is back at {value} (was {size} at its worst) after {lasted(regression)}"
        case Phase.ACCEPTED:
            told += f" is {value}, {against(regression)}, accepted as the new normal"
        case Phase.FALSE_POSITIVE:
            told += f" was {size}, marked as a false positive"
        case Phase.TRANSIENT:
            told += f" was {size} for {lasted(regression)} and went away"
        case Phase.SUSPECTED:
            told += f" is {value}, {against(regression)}, and may still go away"
        case _:
            told += f" is {value}, {against(regression)}"
    told += f", since {since(regression)}"
    return f"{told}, {fits}." if fits else f"{told}."


def suggestion(regression: Regression, now_ms: int) -> str:
    """What a person may want to do; empty for nothing."""
    if not suggests_acceptance(regression, now_ms):
        return ""
    days = (now_ms - regression.held_since_ms) // 86_400_000
    return f"It has lasted {days} days. If this is how it is now, accept it as the new normal."


def lasted(regression: Regression) -> str:
    """How long, from where it began to where it was resolved or last looked at."""
    ended_ms = regression.resolved_ms or regression.updated_ms
    return units.duration(max(0, ended_ms - regression.began_lo_ms) / 1000)


def spoken(seconds: float) -> str:
    """A length as an adjective: 300 is `five-minute`, 15 is `fifteen-second`."""
    for word, unit in SPOKEN_UNITS:
        count, rest = divmod(seconds, UNITS[unit])
        if count and not rest:
            named = "one" if count == 1 else SPOKEN.get(int(count), f"{count:.0f}")
            return f"{named}-{word}"
    return f"{units.digits(seconds)}-second"


def limit(rule: Rule, unit: units.Unit, baseline: str = "", deviation: str = "") -> str:
    """What a breach is: `above 1.2 x the 7-day average of 212 ms`."""
    return breach(rule.trigger, unit, baseline, deviation)


def breach(trigger: Trigger, unit: units.Unit, baseline: str = "", deviation: str = "") -> str:
    """What a trigger asks for; the parts of a tree joined by `and` and `or`."""
    if not trigger.branches:
        return leaf(trigger.part, unit, baseline, deviation)
    joint = " and " if trigger.all is not None else " or "
    parts = [breach(one, unit, baseline, deviation) for one in trigger.branches]
    inner = [bool(one.branches) for one in trigger.branches]
    return joint.join(
        f"({part})" if tree else part for part, tree in zip(parts, inner, strict=True)
    )


def leaf(part: AnyLeaf, unit: units.Unit, baseline: str = "", deviation: str = "") -> str:
    """What one trigger asks for."""
    side = "above" if part.upwards else "below"
    of = f" of {baseline}" if baseline else ""
    match part:
        case Absolute():
            return f"{side} {units.text(part.level, unit)}"
        case Relative(mode="points"):
            return f"more than {points(abs(part.level - 1), unit)} {side} the 7-day average{of}"
        case Relative():
            return f"{side} {part.level:g} x the 7-day average{of}"
        case Sigma():
            size = f" of {deviation}" if deviation else ""
            distance = several(part.level, "standard deviation")
            return f"more than {distance}{size} {side} the 7-day average{of}"
        case Distribution(bound=None):
            further = "slower" if part.upwards and unit is units.Unit.SECONDS else side
            far = several(part.level, "deviation")
            return f"distribution {further} than in the same hours by more than {far}"
        case Distribution():
            edge = units.text(part.bound, unit)
            grown = f"{units.digits(part.level * 100)} percentage points"
            return f"share {side} {edge} grown by more than {grown} against the same hours"
        case Slope():
            ahead = units.duration(part.within)
            return f"daily low on the way to {part.level:g} x in {ahead}, {part.days} days in a row"
        case Change():
            return f"lasting change to at least {part.level:g} x what is usual at this hour{of}"
        case Burn():
            spans = " and ".join(units.duration(one) for one in (part.long, part.short_seconds))
            budget = units.text(1 - part.objective, units.Unit.RATIO)
            return f"error budget of {budget} spent {part.level:g} x too fast for {spans}"


def points(distance: float, unit: units.Unit) -> str:
    """A distance in the unit; of a ratio in percentage points."""
    size = units.text(distance, unit)
    return size.replace(" %", " percentage points") if unit is units.Unit.RATIO else size


def both_ways(rule: Rule, baseline: float | None, unit: units.Unit) -> str:
    """What a level means as a multiple and in points, since people mean both by "10 %".

    Empty where only one can be meant.
    """
    part = rule.trigger.part
    alone = isinstance(part, Relative) and not rule.trigger.branches and unit is units.Unit.RATIO
    if not alone or baseline is None:
        return ""
    relative = units.text(baseline * part.level, unit)
    added = units.text(baseline + part.level - 1, unit)
    return f"{relative} as a multiple, {added} in points"


def several(count: float, what: str) -> str:
    """`1 event`, `2 events`."""
    number = f"{count:g}" if count % 1 else counted(count)
    return f"{number} {what}{'' if count == 1 else 's'}"


def trigger(rule: Rule, signal: Signal) -> str:
    """A rule in words: what must be breached, and in how many windows."""
    span = rule.span(signal.form.window, signal.form.over)
    length = spoken(span.each_ms / 1000)
    if rule.is_change:
        looked = units.duration(signal.form.over)
        near = back(rule.trigger.part, rule.trigger.part.halfway, signal.form.unit)
        side = near.replace("below", "above") if rule.upwards else near.replace("above", "below")
        told = f"looked for every {looked} where {span.need} of {span.of} windows are {side}"
        return f"{limit(rule, signal.form.unit)}, {told}"
    if span.need == span.of:
        lasting = f"for {units.duration(span.total_ms / 1000)}"
        if span.of > 1:
            lasting += f" (all {span.of} {length} windows)"
    else:
        lasting = f"in {span.need} of {span.of} {length} windows"
    return f"{limit(rule, signal.form.unit)} {lasting}"


def gates(rule: Rule, unit: units.Unit) -> list[str]:
    """What a rule asks for beside its trigger, one short phrase each."""
    asked, told = rule.gates, []
    if asked.min_count:
        told.append(f"at least {several(asked.min_count, 'observation')} in a window")
    if asked.min_baseline_count:
        told.append(f"at least {counted(asked.min_baseline_count)} in the 7 days before")
    if asked.min_delta:
        # Of a ratio the difference is in points: 10 % of 50 % would be 5 points.
        ratio = f", or {asked.min_ratio:g} x it" if asked.min_ratio is not None else ""
        told.append(f"at least {points(asked.min_delta, unit)} from the average{ratio}")
    elif asked.min_ratio is not None:
        told.append(f"at least {asked.min_ratio:g} x the average")
    if asked.min_events:
        told.append(f"at least {several(asked.min_events, 'event')}")
    if asked.min_parts:
        told.append(f"at least {several(asked.min_parts, 'part')}: of one alone it is a copy")
    for one in asked.settling:
        after = f"what {one.signal} shows" if one.signal else "a deployment"
        told.append(f"not within {units.duration(one.for_)} after {after}")
    if asked.sampling:
        told.append("deviations count the chance of so few observations")
    if asked.expected:
        told.append("the same against what is usual at this hour")
    if asked.band is not None:
        told.append(f"more than chance at {asked.band * 100:g} % confidence")
    if asked.effect is not None:
        told.append(f"beyond {asked.effect:g} x what is usual at this hour")
    if asked.significance is not None:
        share = units.text(asked.significance, units.Unit.RATIO)
        told.append(f"beyond what it did in two weeks, in {share} of the comparisons")
    if asked.mix is not None:
        share = units.text(asked.mix, units.Unit.RATIO)
        told.append(f"{share} of it left with the visitors made alike")
    if asked.went_away is not None:
        told.append(
            f"{units.text(asked.went_away, units.Unit.RATIO)} of the step kept for two hours"
        )
    return told


def cleared(rule: Rule, unit: units.Unit) -> str:
    """When it is over, in words."""
    lasting = f"for {units.duration(rule.clear.for_)} without a break"
    if not rule.trigger.branches:
        return f"{back(rule.trigger.part, rule.cleared, unit)} {lasting}"
    return f"{back_of(rule.trigger, unit)} {lasting}"


def back_of(trigger: Trigger, unit: units.Unit) -> str:
    """When a tree is over: one of `all` is enough, `any` needs every one."""
    if not trigger.branches:
        part = trigger.part
        return back(part, part.clear if part.clear is not None else part.halfway, unit)
    joint = " or " if trigger.all is not None else " and "
    inner = [back_of(one, unit) for one in trigger.branches]
    trees = [bool(one.branches) for one in trigger.branches]
    return joint.join(f"({one})" if tree else one for one, tree in zip(inner, trees, strict=True))


def back(part: AnyLeaf, level: float | None, unit: units.Unit) -> str:
    """Where one trigger is over."""
    side = "below" if part.upwards else "above"
    level = part.level if level is None else level
    match part:
        case Absolute():
            return f"{side} {units.text(level, unit)}"
        case Relative(mode="points"):
            return f"within {points(abs(level - 1), unit)} of the 7-day average"
        case Relative():
            return f"{side} {level:g} x the 7-day average"
        case Sigma():
            return f"{side} {several(level, 'standard deviation')} from the 7-day average"
        case Distribution(bound=None):
            return f"distribution within {several(level, 'deviation')}"
        case Distribution():
            return f"share within {units.digits(level * 100)} percentage points"
        case Slope():
            return f"daily low on the way {side} {level:g} x"
        case Change():
            return f"{side} {level:g} x what is usual at this hour"
        case Burn():
            return f"error budget spent less than {level:g} x too fast"


def why(regression: Regression, rule: Rule | None, signal: Signal | None) -> str:
    """Why it fired, from the evidence it opened with.

    The rule may have been changed or taken away since; then only the numbers are told.
    """
    evidence = regression.evidence
    unit = regression.unit
    windows = f"{evidence.get('breaches', '?')} of {evidence.get('of', '?')}"
    if rule is None or signal is None or rule.signal != regression.signal:
        told = f"{windows} windows were beyond {units.text(regression.threshold, unit)}"
    else:
        length = spoken(rule.span(signal.form.window, signal.form.over).each_ms / 1000)
        deviation = units.text(evidence.get("deviation"), unit)
        baseline = units.text(regression.baseline, unit)
        told = f"{windows} {length} windows were {limit(rule, unit, baseline, deviation)}"
    ways = both_ways(rule, regression.baseline, unit) if rule is not None else ""
    if ways:
        told += f" ({ways})"
    count = evidence.get("n")
    if count:
        told += f"; {counted(count)} observations in the last of them"
    if regression.baseline is not None and evidence.get("days"):
        told += f"; the average rests on {evidence['days']} of {DAYS} days"
    tags = "".join(f" {one}" for one in all_told(regression))
    return f"{told}.{past(evidence.get('stages') or {}, unit)}{tags}"


def past(stages: Mapping[str, float], unit: units.Unit) -> str:
    """What the past of the series said of it, from the numbers kept; empty if nothing."""
    told = ""
    if "expected" in stages:
        weeks = stages.get("weeks", 0)
        whence = f", by the same hour of {weeks:g} weeks" if weeks else ""
        told = f" Usual at this hour is {units.text(stages['expected'], unit)}{whence}."
    if "effect" in stages and "span_seconds" in stages:
        share = units.text(stages["agreeing"], units.Unit.RATIO)
        what = "what it lacks to 100 %" if stages.get("of_rest") else "it"
        told += (
            f" Over the last {units.duration(stages['span_seconds'])} {what} is at least "
            f"{stages['effect'] * 100:+.0f} % against its last two weeks, beyond what it did by "
            f"itself in {share} of the comparisons"
        )
        if "after" in stages:
            levels = (units.text(stages[name], unit) for name in ("before", "after"))
            told += f"; median {' before and '.join(levels)} after"
            if "error" in stages:
                told += f" (the difference to {units.text(stages['error'], unit)})"
        told += "."
    return told


def verdict(judgement: Judgement, rule: Rule | None, signal: Signal | None) -> str:
    """A judgement in words: `unknown: 12 observations in the window, 35 are needed`."""
    unit = signal.form.unit if signal else units.Unit.COUNT
    value = units.text(judgement.value, unit)
    threshold = units.text(judgement.threshold, unit)
    windows = f"{judgement.breaches} of {judgement.of} windows"
    match judgement.verdict:
        case Verdict.UNKNOWN:
            return f"unknown: {lacking(judgement, rule)}"
        case Verdict.REJECTED:
            return f"rejected: {refused(judgement, rule, unit)}"
        case Verdict.REGRESSED:
            return f"regressed: {windows} beyond {threshold}, the last at {value}"
        case Verdict.SUSPECTED:
            return f"suspected: {windows} beyond {threshold}, and it may still go away"
        case Verdict.IMPROVED:
            return f"improved: {windows} beyond {threshold} on the better side, the last at {value}"
        case Verdict.STEADY:
            return f"steady: {value}, the threshold is {threshold}"


def lacking(judgement: Judgement, rule: Rule | None) -> str:
    """What a judgement lacks for more than `unknown`."""
    match judgement.reason:
        case Reason.TOO_FEW_OBSERVATIONS:
            needed = f", {counted(rule.gates.min_count)} are needed" if rule else ""
            return f"{several(judgement.n, 'observation')} in the window{needed}"
        case Reason.TOO_LITTLE_HISTORY:
            if judgement.days < 2:
                return "not more than a day of data to compare with"
            least = rule.gates.min_baseline_count if rule else 0
            if judgement.baseline_n < least:
                held = counted(judgement.baseline_n)
                return f"{held} observations in 7 days, {counted(least)} are needed"
            return "the 7-day average is zero, and a multiple of zero says nothing"
        case _:
            return "no data in the window"


def refused(judgement: Judgement, rule: Rule | None, unit: units.Unit) -> str:
    """Which gate refused a breach, and what it asks for."""
    match judgement.reason:
        case Reason.MIN_DELTA:
            far = units.text(abs(judgement.value - judgement.baseline), unit)
            asked = f", {units.text(rule.gates.min_delta, unit)} are asked for" if rule else ""
            return f"only {far} from the average{asked}"
        case Reason.MIN_EVENTS:
            asked = f", {counted(rule.gates.min_events)} are asked for" if rule else ""
            return f"{counted(judgement.value * judgement.n)} events{asked}"
        case Reason.MIN_PARTS:
            return "it is one series alone under another name, and that one is judged"
        case Reason.WARMING:
            return f"{judgement.days} of {DAYS} days have data, {DAYS_NEEDED} are needed to tell it"
        case Reason.EXPECTED:
            return f"beyond {units.text(judgement.threshold, unit)}, but usual at this hour"
        case Reason.EFFECT:
            return "too close to what is usual"
        case Reason.SIGNIFICANCE:
            return "it did as much by itself in the last two weeks"
        case Reason.AWAITING_EVIDENCE:
            return "too many candidates at once; it is looked at in the next ticks"
        case _:
            beyond = f"beyond {units.text(judgement.threshold, unit)}"
            return f"only {judgement.breaches} of {judgement.of} windows {beyond} so far"


def drift(value: float, expected: float) -> str:
    """How far from the average in whole percent; empty where that rounds to nothing."""
    if not expected:
        return ""
    percent = round((value / expected - 1) * 100)
    return f"{percent:+d} %" if percent else ""


def counted(number: float) -> str:
    """A count with its thousands set apart: 1,240."""
    return f"{number:,.0f}" if number == number else "-"

"""What a regression, a rule or a judgement says, in words. Pure; the same words everywhere.

The parts of the sentence about a regression are those of the messages that were sent about it.
"""

from alerts.message import against, correlated, since, where
from detector import units
from detector.baseline import DAYS, DAYS_NEEDED
from detector.judgement import Judgement, Reason, Verdict
from detector.regression import Incident, Phase, Regression
from detector.rule import Absolute, Relative, Rule, Sigma
from detector.signal import Signal
from storage.duration import UNITS
from storage.series import Labels

SPOKEN = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 10: "ten", 15: "fifteen"}
SPOKEN_UNITS = (("day", "d"), ("hour", "h"), ("minute", "m"), ("second", "s"))


def place(labels: Labels) -> str:
    """`GET /cart of shop`: where a person would look; empty for a series without labels."""
    named = where(labels)
    owner = labels.get("service") or labels.get("target")
    return f"{named} of {owner}" if owner and owner not in named.split() else named


def heading(regression: Regression) -> str:
    """`API p95 +42 % on GET /cart of shop`."""
    size = regression.change or f"at {units.text(regression.worst, regression.unit)}"
    on = place(regression.labels)
    return f"{regression.title} {size}" + (f" on {on}" if on else "")


def summary(regression: Regression, incident: Incident | None) -> str:
    """One sentence: what, how much, since when, after which deployment."""
    on = place(regression.labels)
    value = units.text(regression.value, regression.unit)
    told = regression.title + (f" on {on}" if on else "")
    if regression.phase is Phase.RESOLVED:
        size = regression.change or units.text(regression.worst, regression.unit)
        told += f" is back at {value} (was {size} at its worst) after {lasted(regression)}"
    else:
        told += f" is {value}, {against(regression)}"
    told += f", since {since(regression)}"
    if incident is not None and incident.deployment is not None:
        told += f", {correlated(incident)}"
    return f"{told}."


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
    part = rule.trigger.part
    side = "above" if rule.upwards else "below"
    of = f" of {baseline}" if baseline else ""
    match part:
        case Absolute():
            return f"{side} {units.text(part.level, unit)}"
        case Relative():
            return f"{side} {part.level:g} x the 7-day average{of}"
        case Sigma():
            size = f" of {deviation}" if deviation else ""
            distance = several(part.level, "standard deviation")
            return f"more than {distance}{size} {side} the 7-day average{of}"


def several(count: float, what: str) -> str:
    """`1 event`, `2 events`."""
    number = f"{count:g}" if count % 1 else counted(count)
    return f"{number} {what}{'' if count == 1 else 's'}"


def trigger(rule: Rule, signal: Signal) -> str:
    """A rule in words: what must be breached, and in how many windows."""
    span = rule.span(signal.form.window, signal.form.over)
    length = spoken(span.each_ms / 1000)
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
        size = units.text(asked.min_delta, unit)
        size = size.replace(" %", " percentage points") if unit is units.Unit.RATIO else size
        told.append(f"at least {size} from the average")
    if asked.min_events:
        told.append(f"at least {several(asked.min_events, 'event')}")
    return told


def cleared(rule: Rule, unit: units.Unit) -> str:
    """When it is over, in words."""
    level = rule.clear.level
    match rule.trigger.part:
        case Absolute():
            back = units.text(level, unit)
        case Relative():
            back = f"{level:g} x the 7-day average"
        case Sigma():
            back = f"{several(level, 'standard deviation')} from the 7-day average"
    side = "below" if rule.upwards else "above"
    return f"{side} {back} for {units.duration(rule.clear.for_)} without a break"


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
    count = evidence.get("n")
    if count:
        told += f"; {counted(count)} observations in the last of them"
    if regression.baseline is not None and evidence.get("days"):
        told += f"; the average rests on {evidence['days']} of {DAYS} days"
    return f"{told}."


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
        case Verdict.STEADY:
            return f"steady: {value}, the threshold is {threshold}"


def lacking(judgement: Judgement, rule: Rule | None) -> str:
    """What a judgement lacks for more than `unknown`."""
    match judgement.reason:
        case Reason.TOO_FEW_OBSERVATIONS:
            needed = f", {counted(rule.gates.min_count)} are needed" if rule else ""
            return f"{several(judgement.n, 'observation')} in the window{needed}"
        case Reason.TOO_LITTLE_HISTORY:
            if judgement.days < DAYS_NEEDED:
                return f"{judgement.days} of {DAYS} days have data, {DAYS_NEEDED} are needed"
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

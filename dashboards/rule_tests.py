"""Tests for the exported rules, in promtool's form: for each alert a series that fires, one quiet.

The value comes from series that the signal reads; what was normal is given, as the file of the
baseline would record it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboards.made_series import EVERY, Json, series_of
from dashboards.promrules import Breach, breach_of
from dashboards.rules import RuleFile, dump
from detector.baseline import DAYS
from detector.form import Direction
from detector.rule import Rule, Span
from detector.signal import Signal
from detector.trigger import Absolute, AnyLeaf, Burn, Relative, Sigma
from detector.units import Unit
from storage.duration import written

SECONDS_BEFORE = 600.0
OBSERVED = 1e9
SPANS_OF_BURN = 10
SPREAD = 0.05  # standard deviation of the baseline, as a share of its average


@dataclass(frozen=True, slots=True)
class Levels:
    """What a series is before, and what it is then: beyond everything, or only just within."""

    before: float
    firing: float
    quiet: float


def test_files(file: RuleFile, rules: Mapping[str, Rule]) -> dict[str, str]:
    """The tests of a rule file, by file name; none where its series cannot be made up.

    promtool evaluates all groups of a file of tests in one interval, whatever their own is. So
    there is a file for each length of judged windows.
    """
    tests: dict[float, list[Json]] = {}
    for name in file.exported:
        breach, span = breach_of(rules[name], file.signal)
        tests.setdefault(span.each_ms / 1000, []).extend(tests_of(name, breach, span))
    return {
        f"plimsoll-{file.signal.name}.{written(seconds)}.test.yaml": dump(
            {
                "rule_files": [f"../{file.name}"],
                "evaluation_interval": written(seconds),
                "tests": made,
            }
        )
        for seconds, made in tests.items()
        if made
    }


def tests_of(name: str, breach: Breach, span: Span) -> Iterator[Json]:
    """One that fires and one that stays quiet."""
    signal, rule = breach.now.signal, breach.rule
    levels = levels_of(rule, signal)
    each = span.each_ms / 1000
    # Burn rates look far back: hardly anything is before, and enough then, that it counts.
    before = each if breach.burns else math.ceil(SECONDS_BEFORE / each) * each
    after = span.total_ms / 1000 + (SPANS_OF_BURN if breach.burns else 2) * each
    early = before + (span.need - 1) * each  # one window is still missing
    steps, more = round(before / EVERY) + 1, round(after / EVERY)
    severities = dict.fromkeys([str(rule.severity), *(["critical"] if breach.critical() else [])])
    for fires, value in ((True, levels.firing), (False, levels.quiet)):
        made = series_of(signal, levels.before, value, steps, more)
        if made is None:
            return
        series, labels = made
        yield {
            "name": f"{name} {'fires' if fires else 'stays quiet'}",
            "interval": f"{EVERY}s",
            "input_series": series + baseline_of(breach, levels.before, labels, steps + more),
            "promql_expr_test": [
                asked(name, severity, when, fires=fires and when > early)
                for severity in severities
                for when in (early, before + after)
            ],
        }


def asked(name: str, severity: str, when: float, *, fires: bool) -> Json:
    """Whether an alert fires at a time."""
    return {
        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing",severity="{severity}"}})',
        "eval_time": written(when),
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }


def baseline_of(breach: Breach, usual: float, labels: str, count: int) -> list[Json]:
    """The baseline as its own file would record it, where the rule asks for one."""
    if not breach.asks_the_past:
        return []
    past, week = breach.past, DAYS * 86_400.0
    values = {"mean": usual, "deviation": usual * SPREAD, "days": float(DAYS)}
    if past.has_count:
        values["observations"] = OBSERVED
    return [
        {"series": f"{past.named(what, week)}{labels}", "values": f"{value!r}+0x{count - 1}"}
        for what, value in values.items()
    ]


def levels_of(rule: Rule, signal: Signal) -> Levels:
    """Values for a rule: of a tree those of its parts that go furthest."""
    usual = usual_of(signal)
    leaves = [leaf for _, leaf in rule.trigger.leaves()]
    if rule.critical_when is not None:
        leaves += [leaf for _, leaf in rule.critical_when.leaves()]
    # Where an average is asked for as well, a fixed limit must not lie within it.
    fixed = [one.level for one in leaves if isinstance(one, Absolute)]
    if fixed and rule.upwards:
        usual = min(usual, min(fixed) * 0.5)
    elif fixed:
        usual = max(usual, midway(max(fixed), signal))
    burns = [one for one in leaves if isinstance(one, Burn)]
    if burns:
        return burning(burns, rule.upwards)
    wished = [beyond(one, one.level, usual, signal) for one in leaves]
    if rule.critical is not None:
        wished.append(beyond(rule.trigger.part, rule.critical, usual, signal))
    gates, side = rule.gates, 1 if rule.upwards else -1
    wished.append(usual + side * gates.min_delta * 2)
    if gates.min_ratio is not None:
        wished.append(usual * gates.min_ratio * (1 + side * 0.5))
    furthest = max(wished) if rule.upwards else max(min(wished), 0.0)
    return Levels(usual, capped(furthest, signal), within(rule.trigger.part, usual, signal))


def burning(burns: Sequence[Burn], upwards: bool) -> Levels:
    """Shares that spend the budget faster than all of these burn rates, and slower than any."""
    shares = [one.level * (1 - one.objective) for one in burns]
    firing, quiet = min(max(shares) * 1.5, 0.99), min(shares) * 0.9
    return Levels(0.0, firing, quiet) if upwards else Levels(1.0, 1 - firing, 1 - quiet)


def usual_of(signal: Signal) -> float:
    """What a signal is on a usual day."""
    if signal.form.unit is Unit.RATIO:
        return 0.95 if signal.form.worse is Direction.DOWN else 0.2
    return 0.1 if signal.form.unit is Unit.SECONDS else 100.0


def midway(level: float, signal: Signal) -> float:
    """A value well above a lower limit."""
    return (level + 1) / 2 if signal.form.unit is Unit.RATIO else level * 2


def capped(value: float, signal: Signal) -> float:
    """No ratio is above 1."""
    return min(value, 0.99) if signal.form.unit is Unit.RATIO else value


def beyond(leaf: AnyLeaf, level: float, usual: float, signal: Signal) -> float:
    """A value that is well beyond a level."""
    side = 1 if leaf.upwards else -1
    match leaf:
        case Absolute():
            further = level * (1 + side * 0.25)
        case Relative(mode="points"):
            further = usual + (level - 1) * 1.3
        case Relative():
            further = usual * (1 + (level - 1) * 1.3)
        case Sigma():
            further = usual * (1 + side * 2 * SPREAD * level)
        case _:
            raise ValueError(f"{type(leaf).__name__} cannot be said in PromQL")
    return capped(max(further, 0.0), signal)


def within(leaf: AnyLeaf, usual: float, signal: Signal) -> float:
    """A value that is only just within a level, on the way to it."""
    side = 1 if leaf.upwards else -1
    match leaf:
        case Absolute(above=None):
            return min(leaf.level * 1.02, midway(leaf.level, signal))
        case Absolute():
            return leaf.level * 0.97
        case Relative(mode="points"):
            return usual + (leaf.level - 1) * 0.9
        case Relative():
            return usual * (1 + (leaf.level - 1) * 0.9)
        case Sigma():
            return usual * (1 + side * 0.9 * SPREAD * leaf.level)
        case _:
            return usual

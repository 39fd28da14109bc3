"""What the dashboards must know of the signals in force."""

from collections.abc import Iterable, Iterator

from api import words
from dashboards.signals import SignalPanel, Threshold
from detector.form import Direction
from detector.regression import Severity
from detector.rule import Rule
from detector.run import Definitions
from detector.trigger import Absolute, Burn


def signal_panels(definitions: Definitions) -> list[SignalPanel]:
    """One panel for each signal, with the fixed levels of its rules, and its rules in words."""
    return [
        SignalPanel(
            name=name,
            title=signal.title,
            description=signal.form.description,
            kind=signal.form.kind,
            unit=signal.form.unit,
            worse=signal.form.worse,
            by=signal.form.by,
            thresholds=tuple(
                limit for rule in definitions.rules_of(name).values() for limit in limits(rule)
            ),
            objective=objective_of(definitions.rules_of(name).values()),
            rules=tuple(
                f"{rule_name}: {words.trigger(rule, signal)}"
                for rule_name, rule in definitions.rules_of(name).items()
            ),
        )
        for name, signal in definitions.signals.items()
    ]


def objective_of(rules: Iterable[Rule]) -> float | None:
    """The strictest objective that a rule on an error budget names; None without such a rule."""
    leaves = [leaf for rule in rules for _, leaf in rule.trigger.leaves()]
    return max((one.objective for one in leaves if isinstance(one, Burn)), default=None)


def limits(rule: Rule) -> Iterator[Threshold]:
    """The fixed levels of a rule that is nothing else; part of a tree, one says too little."""
    part = rule.trigger.part
    if rule.trigger.branches or not isinstance(part, Absolute):
        return
    worse = Direction.UP if rule.upwards else Direction.DOWN
    yield Threshold(part.level, rule.severity, worse)
    if rule.critical is not None:
        yield Threshold(rule.critical, Severity.CRITICAL, worse)

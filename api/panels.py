"""What the dashboards must know of the signals in force."""

from dashboards.signals import SignalPanel, Threshold
from detector.run import Definitions
from detector.signal import Direction
from detector.trigger import Absolute


def signal_panels(definitions: Definitions) -> list[SignalPanel]:
    """One panel for each signal, with the fixed levels of its absolute rules."""
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
                Threshold(
                    rule.trigger.part.level,
                    rule.severity,
                    Direction.UP if rule.upwards else Direction.DOWN,
                )
                for rule in definitions.rules_of(name).values()
                if isinstance(rule.trigger.part, Absolute)
            ),
        )
        for name, signal in definitions.signals.items()
    ]

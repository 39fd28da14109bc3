"""What a dashboard must know of a signal: its name, how it is called, its unit, its limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit

OURS = frozenset({"signal", "rule", "severity"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """A fixed level of an absolute rule: how bad it is to be beyond it, and on which side."""

    level: float
    severity: Severity
    worse: Direction = Direction.UP


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPanel:
    """One signal as a dashboard shows it.

    `by` names every label that tells two series of the signal apart: a panel that draws one series
    picks it by these. `kind` is the section it is shown in. `rules` are sentences, one for
    each rule that judges it, in the words of Plimsoll's own pages. `objective` is the share that is
    to be good, where a rule on its budget says so.
    """

    name: str
    title: str
    description: str = ""
    kind: str = "other"
    unit: Unit = Unit.COUNT
    worse: Direction = Direction.UP
    by: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    rules: tuple[str, ...] = ()
    objective: float | None = None

    @property
    def told(self) -> str:
        """What a reader is told of it: its description, and the rules that judge it."""
        first = self.description or f"The signal {self.name}."
        rules = "".join(f"\n- {rule}" for rule in self.rules)
        return f"{first}\n\nJudged by:{rules}" if rules else first

    @property
    def labels(self) -> tuple[str, ...]:
        """`by` as `/metrics` calls it: a label named like one of Plimsoll's own is `exported_`."""
        return tuple(f"exported_{label}" if label in OURS else label for label in self.by)


def labels_of(signals: Iterable[SignalPanel]) -> tuple[str, ...]:
    """Every label that some signal has series by, in the order they first appear."""
    return tuple(dict.fromkeys(label for signal in signals for label in signal.labels))


def kinds_of(signals: Sequence[SignalPanel]) -> dict[str, list[SignalPanel]]:
    """The signals by kind; kinds and signals keep the order they came in."""
    kinds: dict[str, list[SignalPanel]] = {}
    for signal in signals:
        kinds.setdefault(signal.kind, []).append(signal)
    return kinds


def of_kinds(signals: Iterable[SignalPanel], *kinds: str) -> list[SignalPanel]:
    """The signals of these kinds, in their order."""
    return [one for one in signals if one.kind in kinds]

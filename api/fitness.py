"""What keeps signals unknown, looked at anew only when series were added or went."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from detector.signal import Signal
from detector.unfit import Finding, findings
from storage.series import Labels

Counts = tuple[int, ...]


class Catalogue(Protocol):
    """Whoever keeps the series of each metric."""

    @property
    def ids(self) -> Mapping[str, Mapping[Labels, int]]:
        """A number for each series, by metric."""
        ...


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """The series of a history as `detector.unfit` asks for them."""

    catalogue: Catalogue

    def metrics(self) -> Iterable[str]:
        """The names of all metrics; made in one step, since a writer may add some meanwhile."""
        return list(self.catalogue.ids)

    def series(self, metric: str) -> Sequence[Labels]:
        """The series of a metric."""
        return list(self.catalogue.ids.get(metric, ()))


@dataclass(slots=True)
class Fitness:
    """Remembers the findings of each signal, with how many series they were made of."""

    _found: dict[str, tuple[Signal, Counts, tuple[Finding, ...]]] = field(default_factory=dict)

    def of(self, signal: Signal, catalogue: Catalogue) -> tuple[Finding, ...]:
        """What is wrong with a signal now."""
        metrics = dict.fromkeys(one.metric for one in signal.selectors)
        counts = (len(catalogue.ids), *(len(catalogue.ids.get(one, ())) for one in metrics))
        known = self._found.get(signal.name)
        if known is not None and known[0] is signal and known[1] == counts:
            return known[2]
        made = tuple(findings(signal, KnownSeries(catalogue)))
        self._found[signal.name] = (signal, counts, made)
        return made

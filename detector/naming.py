"""What of an incident and its regressions orders them and names the whole, however much is read."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from detector.finding import Finding
from detector.regression import Phase, Severity
from storage.series import Labels


class Named(Protocol):
    """What orders the regressions of an incident and names one: a `Regression`, or a part of it."""

    @property
    def id(self) -> str:
        """Which one it is."""
        ...

    @property
    def incident_id(self) -> str:
        """What it belongs to."""
        ...

    @property
    def title(self) -> str:
        """How a person calls its signal."""
        ...

    @property
    def signal(self) -> str:
        """What was judged."""
        ...

    @property
    def unit(self) -> str:
        """The unit of its values."""
        ...

    @property
    def labels(self) -> Labels:
        """Its series."""
        ...

    @property
    def severity(self) -> Severity:
        """How bad it got."""
        ...

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        ...

    @property
    def worst(self) -> float:
        """The worst value so far."""
        ...

    @property
    def threshold(self) -> float:
        """The level it broke."""
        ...

    @property
    def baseline(self) -> float | None:
        """What it was judged against; None for absolute rules."""
        ...

    @property
    def change(self) -> str:
        """How far from the baseline, at its worst."""
        ...


One = TypeVar("One", bound=Named)
Held = TypeVar("Held", bound=Named, covariant=True)


class Grouped(Protocol[Held]):
    """What a heading is made of: an `Incident`, or as much of it."""

    @property
    def phase(self) -> Phase:
        """Whether any of its regressions is open."""
        ...

    @property
    def severity(self) -> Severity:
        """That of the worst."""
        ...

    @property
    def regressions(self) -> Sequence[Held]:
        """What it holds."""
        ...

    @property
    def finding(self) -> Finding:
        """Where it began."""
        ...

    @property
    def is_muted(self) -> bool:
        """Whether somebody muted all of it that is not over."""
        ...

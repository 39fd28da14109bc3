"""The tree of routes: which receivers an alert goes to, and how it is grouped on the way. Pure.

The meaning is Alertmanager's: depth first, left to right; the first child that matches takes the
alert unless it says `continue`; a node none of whose children match takes it itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from alerts.matchers import matches, shown
from storage.series import Matcher

Labels = Mapping[str, str]


class Notify(StrEnum):
    """From when on a route tells of a regression."""

    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"


@dataclass(frozen=True, slots=True)
class Escalate:
    """Whom a route tells when nobody has acknowledged, and after how long."""

    after_ms: int
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One node, with everything it inherits filled in.

    `path` is where it stands: the places of its ancestors and its own among their siblings. `key`
    is the conditions of all of them, the path (two siblings may have the same conditions) and the
    receiver: what a changed configuration leaves as it was keeps its key, and so its groups.
    """

    path: tuple[int, ...] = ()
    key: str = ""
    receiver: str = ""
    matchers: tuple[Matcher, ...] = ()
    continues: bool = False
    group_by: tuple[str, ...] = ()
    group_by_all: bool = False
    group_wait_ms: int = 30_000
    group_interval_ms: int = 300_000
    repeat_interval_ms: int = 14_400_000
    mute_times: tuple[str, ...] = ()
    active_times: tuple[str, ...] = ()
    notify: Notify = Notify.CONFIRMED
    escalate: Escalate | None = None
    routes: tuple["Route", ...] = ()

    @property
    def told(self) -> str:
        """Its conditions for people."""
        return shown(self.matchers) if self.matchers else "default-route"

    def match(self, labels: Labels) -> list["Route"]:
        """The nodes that take an alert with these labels, in the order of the tree."""
        if not matches(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.routes:
            taken = child.match(labels)
            found += taken
            if taken and not child.continues:
                break
        return found or [self]

    def walk(self) -> Iterator["Route"]:
        """This node and all below, depth first."""
        yield self
        for child in self.routes:
            yield from child.walk()

    def group_labels(self, labels: Labels) -> dict[str, str]:
        """The labels by which this route groups; those an alert does not have are left out."""
        if self.group_by_all:
            return dict(sorted(labels.items()))
        return {name: labels[name] for name in sorted(self.group_by) if name in labels}

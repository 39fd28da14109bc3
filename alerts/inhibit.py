"""Alerts that keep others quiet: while a source fires, its targets are not told. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alerts.matchers import matches
from storage.series import Matcher

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """Sources, targets, and the labels in which the two must be the same (absent is empty)."""

    sources: tuple[Matcher, ...]
    targets: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    name: str = ""

    def inhibitor(self, target: Labels, firing: Iterable[Labels]) -> Labels | None:
        """A firing alert that keeps this one quiet; None where there is none.

        What matches both sides is kept quiet only by what matches the source side alone, so that
        no alert inhibits itself, and no two inhibit each other.
        """
        if not matches(self.targets, target):
            return None
        both = matches(self.sources, target)
        for one in firing:
            if not matches(self.sources, one):
                continue
            if any(one.get(name, "") != target.get(name, "") for name in self.equal):
                continue
            if both and matches(self.targets, one):
                continue
            return one
        return None


def inhibitor(
    rules: Iterable[InhibitRule], target: Labels, firing: Iterable[Labels]
) -> Labels | None:
    """The first firing alert that any rule lets inhibit this one."""
    sources = list(firing)
    found = (rule.inhibitor(target, sources) for rule in rules)
    return next((one for one in found if one is not None), None)

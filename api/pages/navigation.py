"""The pages that the menu names, in the one order in which they are shown everywhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the menu; `name` is what the template of the page calls `active`."""

    name: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that answer one question. Those of a `first` group stand in the bar where there is room
    for a bar; all others are behind its last entry.
    """

    title: str
    entries: tuple[Entry, ...]
    first: bool = False


NAVIGATION = (
    Group(
        "What is wrong",
        (
            Entry("overview", "/", "Overview"),
            Entry("history", "/regressions", "Regressions"),
            Entry("deployments", "/deployments", "Deployments"),
        ),
        first=True,
    ),
    Group(
        "What is measured",
        (
            Entry("vitals", "/web-vitals", "Web vitals"),
            Entry("queries", "/queries", "Queries"),
            Entry("cache", "/cache", "Cache"),
            Entry("resources", "/resources", "Resources"),
        ),
        first=True,
    ),
    Group(
        "What is told, and why",
        (
            Entry("alerts", "/alerts", "Alerts"),
            Entry("whynot", "/why-not", "Why not"),
            Entry("replay", "/replay", "Replay"),
            Entry("runbooks", "/runbooks", "Runbooks"),
        ),
    ),
    Group(
        "Plimsoll",
        (
            Entry("configuration", "/configuration", "Configuration"),
            Entry("itself", "/itself", "Plimsoll itself"),
        ),
    ),
)
ENTRIES = tuple(entry for group in NAVIGATION for entry in group.entries)

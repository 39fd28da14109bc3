"""What rests on what, from the two places where it may be declared, checked as one."""

import difflib
from collections.abc import Iterable, Iterator

from api.document import Document, Fault
from collector.config import RESERVED_NAMES, CollectorConfig
from detector.config import DependenciesConfig
from detector.dependencies import cycle

Key = tuple[str, ...]


def needs(
    dependencies: DependenciesConfig, collector: CollectorConfig
) -> dict[str, tuple[str, ...]]:
    """For each service or target what it needs: `dependencies.needs` and each `depends_on`."""
    found = dict(dependencies.needs)
    for _, one in collector.watched():
        if one.depends_on:
            found[one.name] = tuple(dict.fromkeys((*found.get(one.name, ()), *one.depends_on)))
    return found


def need_faults(
    document: Document, dependencies: DependenciesConfig, collector: CollectorConfig
) -> Iterator[Fault]:
    """Names of nobody, what is declared twice, and circles that only both places make."""
    known = {*RESERVED_NAMES, *dependencies.services}
    for _, one in collector.watched():
        known |= {one.name, one.labels.get("service", "")} - {""}
    for name, needed in dependencies.needs.items():
        yield from unknown(document, ("dependencies", "needs", name), (name, *needed), known)
    first: Key = ("dependencies", "needs")
    for (kind, position), one in collector.watched():
        path = ("collector", kind, position, "depends_on")
        if not one.depends_on:
            continue
        first = path
        yield from unknown(document, path, one.depends_on, known)
        if one.name in dependencies.needs:
            reason = f"what {one.name!r} needs stands under `dependencies.needs` too"
            yield Fault(".".join(path), reason, "Keep one of the two.", document.line(path))
    circle = cycle(needs(dependencies, collector))
    if circle and not cycle(dependencies.needs):
        reason = f"goes round in a circle: {' -> '.join(circle)}"
        yield Fault(".".join(first), reason, "", document.line(first))


def unknown(
    document: Document, path: Key, names: Iterable[str], known: Iterable[str]
) -> Iterator[Fault]:
    """Names that are no target and no service: most are misspelt."""
    for one in dict.fromkeys(names):
        if one not in known:
            near = difflib.get_close_matches(one, sorted(known), 1)
            hint = "A service that is only a label on a page belongs into `services`."
            if near:
                hint = f"Did you mean {near[0]}? {hint}"
            reason = f"there is no target or service {one!r}"
            yield Fault(".".join(path), reason, hint, document.line(path))

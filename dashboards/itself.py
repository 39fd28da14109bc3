"""Plimsoll itself: whether it gets its data, keeps up, and reaches the people it has to tell."""

from collections.abc import Sequence

from dashboards.frame import Sheet, Spans, plimsoll_job
from dashboards.grid import Section, Shelf, shelves
from dashboards.health import collection, plimsoll_itself, storage_and_source, telling
from dashboards.signals import SignalPanel

UID = "plimsoll-itself"


def sheet(signals: Sequence[SignalPanel]) -> Sheet:
    """The dashboard; it needs no signal."""
    return Sheet(
        uid=UID,
        title="Plimsoll itself",
        description="Collection, detection, delivery and storage of Plimsoll.",
        variables=[plimsoll_job()],
        spans=[Spans(name="All regressions", shown=False)],
        sections=[
            Section("Collection", [Shelf(9, collection()[:1]), *shelves(collection()[1:])]),
            Section("Detection and its own API", shelves(plimsoll_itself())),
            Section("Telling people", shelves(telling())),
            Section("Storage and source", shelves(storage_and_source())),
        ],
    )

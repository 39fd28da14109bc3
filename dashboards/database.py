"""The database: how fast queries are, what the server does, and what regressed."""

from collections.abc import Sequence

from dashboards.family import family
from dashboards.frame import Sheet
from dashboards.signals import SignalPanel, of_kinds

UID = "plimsoll-database"


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the kind `database`."""
    mine = of_kinds(signals, "database")
    return (
        family(
            UID, "Database", "How fast queries are, what the server does, and what regressed.", mine
        )
        if mine
        else None
    )

"""The caches: how much they answer, and what regressed."""

from collections.abc import Sequence

from dashboards.family import family
from dashboards.frame import Sheet
from dashboards.signals import SignalPanel, of_kinds

UID = "plimsoll-cache"


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the kind `cache`."""
    mine = of_kinds(signals, "cache")
    return (
        family(UID, "Cache", "How much the caches answer, and what regressed.", mine)
        if mine
        else None
    )

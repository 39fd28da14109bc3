"""What the business counts: every signal of a kind that is not of the technical ones."""

from collections.abc import Sequence

from dashboards.family import family
from dashboards.frame import Sheet
from dashboards.signals import SignalPanel

UID = "plimsoll-business"
TECHNICAL = frozenset({"api", "database", "cache", "resource", "web"})


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None where every signal is a technical one."""
    mine = [one for one in signals if one.kind not in TECHNICAL]
    if not mine:
        return None
    return family(
        UID,
        "Business metrics",
        "Orders, calculations, the age of data: the signals of your own, and what regressed.",
        mine,
    )

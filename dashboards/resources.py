"""Machines and containers: use, saturation and errors, and what regressed."""

from collections.abc import Sequence

from dashboards.family import family
from dashboards.frame import Sheet
from dashboards.signals import SignalPanel, of_kinds

UID = "plimsoll-resources"


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the kind `resource`."""
    mine = of_kinds(signals, "resource")
    return (
        family(
            UID,
            "Resources",
            "Use, saturation and errors of machines and containers, and what regressed.",
            mine,
        )
        if mine
        else None
    )

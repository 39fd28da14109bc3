"""One route: each of its signals with its band."""

from collections.abc import Sequence

from dashboards.detail import Group, detail
from dashboards.frame import Sheet
from dashboards.links import ONE_ROUTE, ROUTE
from dashboards.signals import SignalPanel


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the API that is split by route."""
    mine = ONE_ROUTE.among(signals)
    if not mine:
        return None
    return detail(
        ROUTE,
        "Route",
        "One route of one program: value, expectation and band of each signal.",
        [Group("The chosen route", ONE_ROUTE, mine)],
    )

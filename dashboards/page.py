"""One page of the web site: each of its vitals with its band."""

from collections.abc import Sequence

from dashboards.detail import Group, detail
from dashboards.frame import Sheet
from dashboards.links import ONE_PAGE, PAGE
from dashboards.signals import SignalPanel


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the web that is split by route."""
    mine = ONE_PAGE.among(signals)
    if not mine:
        return None
    return detail(
        PAGE,
        "Page",
        "One page as its visitors had it: value, expectation and band of each web vital.",
        [Group("The chosen page", ONE_PAGE, mine)],
    )

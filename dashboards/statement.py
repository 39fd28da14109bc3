"""One query: a class as the application times it, a statement as the database counts it."""

from collections.abc import Sequence

from dashboards.detail import Group, detail
from dashboards.frame import Sheet
from dashboards.links import ONE_CLASS, ONE_STATEMENT, QUERY
from dashboards.signals import SignalPanel


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal that is split by class or by statement."""
    groups = [
        Group("The chosen class of queries", ONE_CLASS, ONE_CLASS.among(signals)),
        Group("The chosen statement", ONE_STATEMENT, ONE_STATEMENT.among(signals)),
    ]
    if not any(one.signals for one in groups):
        return None
    return detail(
        QUERY,
        "Query",
        "One class of queries as the application times it, and one statement as the database "
        "counts it, each with its band. Texts of statements are on Plimsoll's pages.",
        groups,
    )

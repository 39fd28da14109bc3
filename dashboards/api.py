"""The API by route: time, errors and traffic of every route, and the way to each of them."""

from collections.abc import Sequence
from dataclasses import replace

from dashboards.family import family
from dashboards.frame import Sheet, programs
from dashboards.programs import from_programs
from dashboards.signals import SignalPanel, of_kinds

UID = "plimsoll-api"


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the kind `api`."""
    mine = of_kinds(signals, "api")
    if not mine:
        return None
    made = family(
        UID,
        "API by route",
        "How fast every route answers, how often it fails, and what regressed.",
        mine,
        [from_programs()],
    )
    return replace(made, variables=[*made.variables, *programs()])

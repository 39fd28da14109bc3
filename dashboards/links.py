"""Where dashboards lead: to the next dashboard with what was clicked chosen, and to Plimsoll."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.panels import PLIMSOLL, Link
from dashboards.signals import SignalPanel

ROUTE = "plimsoll-route"
PAGE = "plimsoll-page"
QUERY = "plimsoll-query"


@dataclass(frozen=True, slots=True)
class Detail:
    """A dashboard about one thing, and the label that makes a signal part of it."""

    uid: str
    title: str
    kind: str
    label: str
    prefix: str = ""

    def variables(self, signals: Sequence[SignalPanel]) -> dict[str, str]:
        """The labels that choose the thing, by the names of their variables; the widest first."""
        widest = max(signals, key=lambda one: len(one.labels), default=None)
        return {} if widest is None else {f"{self.prefix}{one}": one for one in widest.labels}

    def among(self, signals: Sequence[SignalPanel]) -> list[SignalPanel]:
        """The signals that tell of such things."""
        return [one for one in signals if one.kind == self.kind and self.label in one.labels]


ONE_ROUTE = Detail(ROUTE, "Open the route", "api", "route")
ONE_PAGE = Detail(PAGE, "Open the page", "web", "route")
ONE_CLASS = Detail(QUERY, "Open the query class", "database", "operation", "class_")
ONE_STATEMENT = Detail(QUERY, "Open the statement", "database", "fingerprint", "statement_")
DETAILS = (ONE_ROUTE, ONE_PAGE, ONE_CLASS, ONE_STATEMENT)


def page_of(signal: str) -> Link:
    """Where Plimsoll shows a signal."""
    return Link("Open in Plimsoll", f"{PLIMSOLL}/signals/{signal}")


def history_of(signal: str = "") -> Link:
    """Where Plimsoll tells of the regressions of a signal, or of all."""
    asked = f"?signal={signal}" if signal else ""
    return Link("Open the regressions", f"{PLIMSOLL}/regressions{asked}")


def further(signal: SignalPanel, *, in_table: bool = False) -> Link | None:
    """The dashboard about the thing that was clicked; None where no dashboard is about such."""
    detail = next((one for one in DETAILS if one.among([signal])), None)
    if detail is None:
        return None
    source = "__data.fields" if in_table else "__field.labels"
    chosen = {
        f"{detail.prefix}{one}": f"${{{source}.{one}:percentencode}}" for one in signal.labels
    }
    return Link(detail.title, address(detail.uid, chosen), beside=False)


def address(uid: str, chosen: Mapping[str, str]) -> str:
    """A dashboard of this Grafana over the same time range and data source."""
    variables = "".join(f"&var-{name}={value}" for name, value in chosen.items())
    return f"/d/{uid}?${{__url_time_range}}&var-datasource=${{datasource}}{variables}"

"""What Grafana does with a dashboard before Prometheus sees it, as far as ours need it."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dashboards.config import DashboardsConfig
from dashboards.normalise import text
from dashboards.sheets import dashboards
from storage.duration import seconds
from tests.dashboards.shop import SCRAPE_SECONDS, SIGNALS

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::\w+)?\}|(?P<plain>\w+))")

Json = dict[str, Any]


@cache
def written() -> dict[str, str]:
    """The files of all dashboards of the shop, by uid; those of records stand at the end."""
    config = DashboardsConfig(records=("postgresql", "infinity"))
    return {one.uid: text(one) for one in dashboards(SIGNALS, config)}


def read(uid: str) -> Json:
    """A dashboard of the shop, normalised; a fresh one, so that a test may spoil it."""
    found: Json = json.loads(written()[uid])
    return found


def overview_json() -> Json:
    """The overview of the shop."""
    return read("plimsoll-overview")


def panels(dashboard: Json) -> list[Json]:
    """Every panel that asks something, folded or not; headings are left out."""
    every = [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", []))]
    return [panel for panel in every if panel["type"] != "row"]


def panel_titled(dashboard: Json, title: str) -> Json:
    """The one panel of this title."""
    [panel] = [panel for panel in panels(dashboard) if panel["title"] == title]
    return panel


def queries(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Every PromQL query, of panels and of annotations, with a name that tells where it stands."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            if target["datasource"]["type"] == "prometheus":
                yield f"p{panel['id']}_{target['refId']}", target["expr"]
    for at, annotation in enumerate(dashboard["annotations"]["list"]):
        yield f"annotation{at}", annotation["target"]["expr"]


def variables(dashboard: Json) -> list[Json]:
    """The variables, in order."""
    listed: list[Json] = dashboard["templating"]["list"]
    return listed


def rate_interval(min_step: str = "") -> str:
    """`$__rate_interval`: four scrapes, or four of the least steps that the query asks for."""
    return f"{4 * (seconds(min_step) if min_step else SCRAPE_SECONDS):.0f}s"


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its variables replaced; an unknown one is a KeyError, where Grafana is silent."""
    return VARIABLE.sub(lambda found: values[found["braced"] or found["plain"]], text)


def anything(dashboard: Json) -> dict[str, str]:
    """A value for each variable that any query can be read with."""
    names = [variable["name"] for variable in variables(dashboard)]
    fixed = {"series": 'route=".+"', "__rate_interval": "1m", "__range": "1h"}
    return dict.fromkeys(names, ".+") | fixed


def fills(panel: Json) -> list[str]:
    """The lower edges that bands are drawn down to."""
    return [
        one["value"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "custom.fillBelowTo"
    ]

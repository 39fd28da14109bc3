"""The set: every dashboard that these signals give, in the order of the list in Grafana."""

from collections.abc import Sequence

from grafanalib.core import Dashboard

from dashboards import (
    api,
    business,
    cache,
    database,
    errors,
    history,
    itself,
    overview,
    page,
    records,
    resources,
    route,
    sla,
    statement,
    vitals,
)
from dashboards.config import DashboardsConfig
from dashboards.frame import Sheet, dashboard
from dashboards.links import PAGE, QUERY, ROUTE
from dashboards.records import Records
from dashboards.signals import SignalPanel

#: All there can be. One that has nothing to show of these signals is left out.
UIDS = (
    overview.UID,
    api.UID,
    ROUTE,
    errors.UID,
    database.UID,
    QUERY,
    cache.UID,
    resources.UID,
    vitals.UID,
    PAGE,
    business.UID,
    sla.UID,
    history.UID,
    itself.UID,
)


def sheets(signals: Sequence[SignalPanel], objective: float) -> list[Sheet]:
    """The sheets that have something to show."""
    found: list[Sheet | None] = [
        overview.sheet(signals),
        api.sheet(signals),
        route.sheet(signals),
        errors.sheet(signals),
        database.sheet(signals),
        statement.sheet(signals),
        cache.sheet(signals),
        resources.sheet(signals),
        vitals.sheet(signals),
        page.sheet(signals),
        business.sheet(signals),
        sla.sheet(signals, objective),
        history.sheet(signals),
        itself.sheet(signals),
    ]
    return [one for one in found if one is not None]


def dashboards(signals: Sequence[SignalPanel], config: DashboardsConfig) -> list[Dashboard]:
    """The dashboards of these signals."""
    return [
        *(
            dashboard(one, signals, config.plimsoll_url, with_records=bool(config.records))
            for one in sheets(signals, config.objective)
        ),
        *(records.dashboard(Records(kind), config.plimsoll_url) for kind in config.records),
    ]

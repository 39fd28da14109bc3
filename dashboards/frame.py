"""What every dashboard has: data source, variables, deployments and regressions as annotations.

Dashboards are found by one tag, and a list of them all stands at the top of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafanalib.core import Annotations, Dashboard, DashboardLink, Template, Templating, Time

from dashboards.grid import Section, layout
from dashboards.normalise import EVERYTHING
from dashboards.panels import SOURCE
from dashboards.signals import SignalPanel, labels_of

TAG = "plimsoll"
RECORDS = "plimsoll-records"
"""The tag of those on another data source: what is chosen there must not be carried on."""
URL = "http://127.0.0.1:8750"
# `.+` would leave out the series that do not have the label at all.
ANY_OR_NONE = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Open regressions as spans: of which series, on which panels (by title; on all without).

    `shown` is whether they are drawn before somebody asks for them.
    """

    name: str
    selectors: tuple[str, ...] = ("",)
    titles: tuple[str, ...] = ()
    shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One dashboard: what it is called, which choices it offers, and what stands on it."""

    uid: str
    title: str
    description: str
    sections: Sequence[Section]
    variables: Sequence[Template] = ()
    spans: Sequence[Spans] = ()
    since: str = "now-6h"


def dashboard(
    sheet: Sheet,
    signals: Sequence[SignalPanel],
    plimsoll_url: str = URL,
    *,
    with_records: bool = False,
) -> Dashboard:
    """The sheet as a dashboard; clicks lead to Plimsoll at `plimsoll_url`.

    `with_records` adds the list of the dashboards of records to the top.
    """
    panels = layout(sheet.sections)
    inner = [one for panel in panels for one in (panel, *getattr(panel, "panels", []))]
    ids: dict[str, list[int]] = {}
    for panel in inner:
        ids.setdefault(panel.title, []).append(panel.id)
    return Dashboard(
        title=f"Plimsoll: {sheet.title}",
        uid=sheet.uid,
        description=sheet.description,
        tags=[TAG],
        timezone="browser",
        refresh="1m",
        time=Time(sheet.since, "now"),
        templating=Templating(list=[data_source(), *sheet.variables, home(plimsoll_url)]),
        annotations=Annotations(list=annotations(sheet.spans, labels_of(signals), ids)),
        links=[others(), *([records()] if with_records else [])],
        panels=panels,
    )


def others(*, carry: bool = True) -> DashboardLink:
    """The list of all dashboards; `carry` takes along what is chosen, the data source too."""
    return DashboardLink(
        title="Plimsoll", tags=[TAG], asDropdown=True, includeVars=carry, keepTime=True
    )


def records() -> DashboardLink:
    """The list of the dashboards of records."""
    return DashboardLink(
        title="Records", tags=[RECORDS], asDropdown=True, includeVars=False, keepTime=True
    )


def data_source() -> Template:
    """Which Prometheus is asked."""
    return Template(
        name="datasource",
        label="Data source",
        type="datasource",
        query="prometheus",
        default="default",
    )


def home(plimsoll_url: str) -> Template:
    """Where Plimsoll's pages are; hidden."""
    return Template(
        name="plimsoll_url",
        label="Plimsoll",
        type="constant",
        query=plimsoll_url,
        default=plimsoll_url,
        hide=2,
    )


def chooser(name: str, title: str, asked: str, **more: Any) -> Template:
    """A variable whose choices come from Prometheus."""
    return Template(name=name, label=title, type="query", dataSource=SOURCE, query=asked, **more)


def filters(names: dict[str, str], selector: str) -> list[Template]:
    """A variable for each label, by name: one or several values, or all, what has none included."""
    return [
        chooser(
            name,
            name.replace("_", " "),
            f"label_values(plimsoll_signal_value{selector}, {label})",
            includeAll=True,
            multi=True,
            allValue=ANY_OR_NONE,
            default=EVERYTHING,
        )
        for name, label in names.items()
    ]


def choices(names: dict[str, str], selector: str) -> list[Template]:
    """A variable for each label, by name: exactly one value, narrowed by those before it."""
    found: list[Template] = []
    before = [selector.strip("{}")]
    for name, label in names.items():
        narrowed = "{" + ",".join(before) + "}"
        asked = f"label_values(plimsoll_signal_value{narrowed}, {label})"
        found.append(chooser(name, name.replace("_", " "), asked))
        before.append(f'{label}="${name}"')
    return found


def plimsoll_job() -> Template:
    """Which jobs are Plimsoll itself: names that other programs expose too are narrowed to them."""
    return chooser(
        "plimsoll_job",
        "job of Plimsoll",
        "label_values(plimsoll_collector_up, job)",
        includeAll=True,
        multi=True,
        default=EVERYTHING,
    )


def programs() -> list[Template]:
    """Which jobs and instances of the programs that Prometheus scrapes by itself."""
    everyone = {"includeAll": True, "multi": True, "allValue": ".+", "default": EVERYTHING}
    name = "http_server_requests_total"
    return [
        chooser("job", "job", f"label_values({name}, job)", **everyone),
        chooser(
            "instance",
            "instance",
            f'label_values({name}{{job=~"$job"}}, instance)',
            **everyone,
        ),
    ]


def annotations(
    spans: Sequence[Spans], labels: Sequence[str], ids: dict[str, list[int]]
) -> list[dict[str, Any]]:
    """Deployments as lines, regressions as spans.

    Titles and texts name only labels that are always there: in place of another Grafana writes its
    name. Tags leave out what is missing, so they tell the series.
    """
    found: list[dict[str, Any]] = [
        {
            "name": "Deployments",
            "enable": True,
            "datasource": SOURCE,
            "iconColor": "blue",
            "titleFormat": "Deployment: {{service}} {{version}}",
            "tagKeys": "service,version",
            "useValueForTime": True,  # and the value is read as milliseconds
            "target": annotated(
                "max by (service, version) (plimsoll_deployment_timestamp_seconds) * 1000"
            ),
        }
    ]
    for one in spans:
        regressions = {
            "name": one.name,
            "enable": one.shown,
            "datasource": SOURCE,
            "iconColor": "orange",
            "titleFormat": "Regression: {{signal}}",
            "textFormat": "{{rule}}, {{severity}}",
            "tagKeys": ",".join(labels) or "signal",  # blanks would be part of the names
            "target": annotated(open_regressions(labels, *one.selectors)),
        }
        if one.titles:
            regressions["filter"] = {"ids": sorted(id for t in one.titles for id in ids[t])}
        found.append(regressions)
    return found


def annotated(expr: str) -> dict[str, str]:
    """The query of an annotation."""
    return {"expr": expr, "refId": "Anno"}


def open_regressions(labels: Sequence[str], *selectors: str) -> str:
    """One series for each open regression among these series, whoever tells of it."""
    names = ", ".join(("signal", "rule", "severity", *labels))
    return f"max by ({names}) ({any_of('plimsoll_regression_open', selectors)})"


def any_of(metric: str, selectors: Sequence[str]) -> str:
    """The series of a metric that one of the selectors finds; all without."""
    return "\n  or ".join(f"{metric}{one}" for one in selectors or ("",))

"""The overview: what is open, the few numbers that matter, one series with its band, and Plimsoll.

It asks only for what Plimsoll's own `/metrics` exposes, so it works wherever Prometheus scrapes it.
"""

from collections.abc import Sequence
from typing import Any

from grafanalib.core import Annotations, Dashboard, DashboardLink, Template, Templating, Time

from dashboards.grid import Section, Shelf, layout, shelves
from dashboards.health import collection, plimsoll_itself
from dashboards.panels import (
    PLIMSOLL,
    SOURCE,
    UNITS,
    About,
    Link,
    Query,
    Shape,
    Viz,
    band,
    band_look,
    curves,
    query,
    stat,
    steps_of,
    table,
    timeline,
    unit_of_query,
)
from dashboards.signals import SignalPanel, kinds_of, labels_of
from detector.signal import Direction
from detector.units import Unit

UID = "plimsoll-overview"
TAG = "plimsoll"
BAND_TITLE = "One series and its band"
HEADLINES = ("api_p95", "api_error_rate", "host_cpu_usage", "host_memory_usage")
MOST_SERIES = 10

KINDS = {
    "api": "API",
    "database": "Database",
    "cache": "Cache",
    "resource": "Resources",
    "web": "Web vitals",
    "other": "Other signals",
}
STATES = {
    0: ("steady", "green"),
    1: ("info", "blue"),
    2: ("warning", "orange"),
    3: ("critical", "red"),
}


def dashboard(
    signals: Sequence[SignalPanel], plimsoll_url: str = "http://127.0.0.1:8750"
) -> Dashboard:
    """The overview of these signals; clicks lead to Plimsoll at `plimsoll_url`."""
    labels = labels_of(signals)
    panels = layout(
        [
            Section("", [Shelf(4, headline_stats(signals, labels))]),
            Section("Regressions", [Shelf(8, [states(), open_now(labels)])]),
            Section("A series of your choice", [Shelf(10, [chosen_band(signals)])]),
            *signal_sections(signals),
            Section("Collection", shelves(collection())),
            Section("Plimsoll itself", shelves(plimsoll_itself())),
        ]
    )
    band_id = next(panel.id for panel in panels if panel.title == BAND_TITLE)
    return Dashboard(
        title="Plimsoll: overview",
        uid=UID,
        description="What got slower, since when, and after which deployment.",
        tags=[TAG],
        timezone="browser",
        refresh="1m",
        time=Time("now-6h", "now"),
        templating=Templating(list=variables(signals, labels, plimsoll_url)),
        annotations=Annotations(list=annotations(labels, band_id)),
        links=[
            DashboardLink(
                title="Plimsoll", tags=[TAG], asDropdown=True, includeVars=True, keepTime=True
            )
        ],
        panels=panels,
    )


def variables(
    signals: Sequence[SignalPanel], labels: Sequence[str], plimsoll_url: str
) -> list[Template]:
    """The data source, the chosen signal and series, which Plimsoll, and where its pages are."""
    return [
        Template(
            name="datasource",
            label="Data Source",
            type="datasource",
            query="prometheus",
            default="default",
        ),
        chooser(
            "signal",
            "signal",
            "label_values(plimsoll_signal_value, signal)",
            default=signals[0].name if signals else None,
        ),
        series_chooser(labels),
        chooser(
            "plimsoll_job",
            "job of Plimsoll",
            "label_values(plimsoll_collector_up, job)",
            includeAll=True,
            multi=True,
            default="$__all",
        ),
        Template(
            name="plimsoll_url",
            label="Plimsoll",
            type="constant",
            query=plimsoll_url,
            default=plimsoll_url,
            hide=2,
        ),
    ]


def series_chooser(labels: Sequence[str]) -> Template:
    """Chooses one series of the signal: each choice is the matchers that find it.

    One list serves signals with whatever labels, where a list for each label would fill the screen
    with lists that are mostly empty. Grafana does not escape what it lists, so a series with a
    quotation mark or a backslash in a label cannot be chosen here; its own panel still shows it.
    """
    series = f'count by ({", ".join(labels)}) (plimsoll_signal_value{{signal="$signal"}})'
    return chooser("series", "series", f"query_result({series})", regex=r"/\{(.*)\}/")


def chooser(name: str, title: str, asked: str, **more: Any) -> Template:
    """A variable whose choices come from Prometheus."""
    return Template(name=name, label=title, type="query", dataSource=SOURCE, query=asked, **more)


def annotations(labels: Sequence[str], band_id: int) -> list[dict[str, Any]]:
    """Deployments as lines; regressions as spans, those of the chosen series on its band alone.

    Titles and texts name only labels that are always there: in place of another Grafana writes its
    name. Tags leave out what is missing, so they tell the series.
    """
    regressions = {
        "datasource": SOURCE,
        "iconColor": "orange",
        "titleFormat": "Regression: {{signal}}",
        "textFormat": "{{rule}}, {{severity}}",
        "tagKeys": ",".join(labels),  # split at the commas; blanks would be part of the names
    }
    return [
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
        },
        regressions
        | {
            "name": "Regressions of the chosen series",
            "enable": True,
            "filter": {"ids": [band_id]},
            "target": annotated(open_regressions(labels, chosen_series())),
        },
        regressions
        | {
            "name": "All regressions",
            "enable": False,
            "target": annotated(open_regressions(labels)),
        },
    ]


def annotated(expr: str) -> dict[str, str]:
    """The query of an annotation."""
    return {"expr": expr, "refId": "Anno"}


def headline_stats(signals: Sequence[SignalPanel], labels: Sequence[str]) -> list[Viz]:
    """What is open, what is down, and the worst series of each headline signal there is.

    Several Plimsolls may tell of the same regression or target; it is counted once.
    """
    known = {signal.name: signal for signal in signals}
    # None open is no series at all, so nought is said only while Plimsoll is scraped.
    nought = "max(plimsoll_collector_up) * 0"
    return [
        stat(
            About("Open regressions", "Regressions open now, over all signals."),
            query(f"sum({open_regressions(labels)}) or {nought}", shape=Shape.NOW),
            one_is_too_many("orange"),
        ),
        stat(
            About("Targets down", "Targets whose last collection failed."),
            query("sum(1 - min by (collector, target) (plimsoll_collector_up))", shape=Shape.NOW),
            one_is_too_many("red"),
        ),
        *(worst_of(known[name]) for name in HEADLINES if name in known),
    ]


def open_regressions(labels: Sequence[str], selector: str = "") -> str:
    """One series for each open regression, whoever tells of it."""
    names = ", ".join(("signal", "rule", "severity", *labels))
    return f"max by ({names}) (plimsoll_regression_open{selector})"


def one_is_too_many(colour: str) -> list[dict[str, Any]]:
    """The steps of a count that should be nought."""
    return [{"color": "green", "value": None}, {"color": colour, "value": 1}]


def worst_of(signal: SignalPanel) -> Viz:
    """The worst series of a signal now, and how it came there."""
    worst = "min" if signal.worse is Direction.DOWN else "max"
    return stat(
        About(
            signal.title,
            f"The worst series now. {signal.description}".strip(),
            UNITS[signal.unit],
            page_of(signal.name),
        ),
        query(f'{worst}(plimsoll_signal_value{{signal="{signal.name}"}})'),
        steps_of(signal.thresholds),
    )


def states() -> Viz:
    """Every signal as a row: steady, or how bad its worst open regression is."""
    open_ones = "\n  or ".join(
        f'plimsoll_regression_open{{severity="{severity}"}} * {number}'
        for number, (severity, _) in STATES.items()
        if number
    )
    return timeline(
        About(
            "State of every signal",
            "How bad the worst open regression of each signal is; steady when none is open.",
            link=page_of("${__field.labels.signal}"),
        ),
        query(
            f"max by (signal) (\n  {open_ones}\n)\n"
            "or count by (signal) (plimsoll_signal_value) * 0",
            "{{signal}}",
        ),
        STATES,
    )


def open_now(labels: Sequence[str]) -> Viz:
    """The regressions that are open now, one row each."""
    columns = ("severity", "signal", "rule", *labels)
    return table(
        About(
            "Open now",
            "The regressions open at the end of the time range, and the series each is on.",
            link=page_of("${__data.fields.signal}"),
        ),
        query(f"{open_regressions(labels)} > 0", shape=Shape.TABLE),
        columns,
        words={"severity": {word: (word, colour) for word, colour in STATES.values()}},
        empty="No regression is open.",
    )


def chosen_band(signals: Sequence[SignalPanel]) -> Viz:
    """The chosen series with its band, in the unit of whichever signal was chosen.

    A panel has one unit, and the variable chooses among signals of several. So there is one set of
    queries for each unit, of which all but one find nothing. The last set is for signals that this
    dashboard was not written for; their numbers are shown plain.
    """
    names: dict[Unit, list[str]] = {}
    for signal in signals:
        names.setdefault(signal.unit, []).append(signal.name)
    sets = [(ref.value, UNITS[ref], "=~", names[ref]) for ref in UNITS if ref in names]
    sets.append(("unknown", "short", "!~", [signal.name for signal in signals]))

    asked: list[Query] = []
    units: list[dict[str, Any]] = []
    for ref, unit, op, among in sets:
        four = band(chosen_series(f'signal{op}"{"|".join(among)}"'), f"{ref}_")
        asked += four
        units += [unit_of_query(one.refId, unit) for one in four]
    return curves(
        About(
            BAND_TITLE,
            "The series chosen above: its value, what was expected, and the band around that.",
            link=page_of("${signal}"),
        ),
        asked,
        overrides=[*units, *band_look()],
    )


def chosen_series(*more: str) -> str:
    """The matchers of the one series that the variables choose."""
    # Raw, because a choice is matchers already. It is last, as it may be empty: PromQL lets a list
    # of matchers end with a comma, and not begin with one.
    return "{" + ",".join(['signal="$signal"', *more, "${series:raw}"]) + "}"


def signal_sections(signals: Sequence[SignalPanel]) -> list[Section]:
    """A section for each kind of signal, with a panel for each signal."""
    return [
        Section(
            KINDS.get(kind, kind.replace("_", " ").capitalize()),
            shelves([signal_panel(signal) for signal in those]),
        )
        for kind, those in kinds_of(signals).items()
    ]


def signal_panel(signal: SignalPanel) -> Viz:
    """A signal, its limits as dashed lines: one series with its band, or the worst of many."""
    only = f'{{signal="{signal.name}"}}'
    about = About(
        signal.title,
        signal.description or f"The signal {signal.name}.",
        UNITS[signal.unit],
        page_of(signal.name),
    )
    if not signal.labels:
        return curves(
            about,
            band(only),
            limits=signal.thresholds,
            worse=signal.worse,
            overrides=band_look(),
        )
    worst = "bottomk" if signal.worse is Direction.DOWN else "topk"
    series = f"max by ({', '.join(signal.labels)}) (plimsoll_signal_value{only})"
    asked = query(f"{worst}({MOST_SERIES}, {series})", legend_of(signal.labels))
    return curves(about, [asked], limits=signal.thresholds, worse=signal.worse)


def legend_of(labels: Sequence[str]) -> str:
    """The values of these labels, one after the other."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def page_of(signal: str) -> Link:
    """Where Plimsoll shows a signal."""
    return Link("Open in Plimsoll", f"{PLIMSOLL}/signals/{signal}")

"""The overview: what is open, the few numbers that matter, one series with its band, and Plimsoll.

It asks only for what Plimsoll's own `/metrics` exposes, so it works wherever Prometheus scrapes it.
"""

from collections.abc import Sequence
from typing import Any

from grafanalib.core import Template

from dashboards.bands import band, band_look
from dashboards.figures import (
    open_count,
    open_now,
    signal_panel,
    states,
    worst_of,
)
from dashboards.frame import Sheet, Spans, chooser, plimsoll_job
from dashboards.grid import Section, Shelf, shelves
from dashboards.health import collection, plimsoll_itself, telling
from dashboards.links import page_of
from dashboards.panels import (
    UNITS,
    About,
    Query,
    Shape,
    Viz,
    curves,
    query,
    stat,
    unit_of_query,
)
from dashboards.signals import SignalPanel, kinds_of, labels_of
from dashboards.steps import one_is_too_many
from detector.units import Unit

UID = "plimsoll-overview"
BAND_TITLE = "One series and its band"
HEADLINES = ("api_p95", "api_error_rate", "host_cpu_usage", "host_memory_usage")

KINDS = {
    "api": "API",
    "database": "Database",
    "cache": "Cache",
    "resource": "Resources",
    "web": "Web vitals",
    "other": "Other signals",
}


def sheet(signals: Sequence[SignalPanel]) -> Sheet:
    """The overview of these signals; it needs none."""
    labels = labels_of(signals)
    return Sheet(
        uid=UID,
        title="overview",
        description="What got slower, since when, and after which deployment.",
        variables=variables(signals, labels),
        spans=[
            Spans(
                name="Regressions of the chosen series",
                selectors=(chosen_series(),),
                titles=(BAND_TITLE,),
            ),
            Spans(name="All regressions", shown=False),
        ],
        sections=[
            Section("", [Shelf(4, headline_stats(signals, labels))]),
            Section("Regressions", [Shelf(8, [states(), open_now(labels)])]),
            Section("A series of your choice", [Shelf(10, [chosen_band(signals)])]),
            *signal_sections(signals),
            Section("Collection", shelves(collection())),
            Section("Plimsoll itself", shelves([*plimsoll_itself(), *telling()])),
        ],
    )


def variables(signals: Sequence[SignalPanel], labels: Sequence[str]) -> list[Template]:
    """The chosen signal and series, and which jobs are Plimsoll."""
    return [
        chooser(
            "signal",
            "signal",
            "label_values(plimsoll_signal_value, signal)",
            default=signals[0].name if signals else None,
        ),
        series_chooser(labels),
        plimsoll_job(),
    ]


def series_chooser(labels: Sequence[str]) -> Template:
    """Chooses one series of the signal: each choice is the matchers that find it.

    One list serves signals with whatever labels, where a list for each label would fill the screen
    with lists that are mostly empty. Grafana does not escape what it lists, so a series with a
    quotation mark or a backslash in a label cannot be chosen here; its own panel still shows it.
    """
    series = f'count by ({", ".join(labels)}) (plimsoll_signal_value{{signal="$signal"}})'
    return chooser("series", "series", f"query_result({series})", regex=r"/\{(.*)\}/")


def headline_stats(signals: Sequence[SignalPanel], labels: Sequence[str]) -> list[Viz]:
    """What is open, what is down, and the worst series of each headline signal there is."""
    known = {signal.name: signal for signal in signals}
    return [
        open_count(labels),
        stat(
            About("Targets down", "Targets whose last collection failed."),
            query("sum(1 - min by (collector, target) (plimsoll_collector_up))", shape=Shape.NOW),
            one_is_too_many("red"),
        ),
        *(worst_of(known[name]) for name in HEADLINES if name in known),
    ]


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

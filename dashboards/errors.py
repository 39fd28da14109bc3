"""Errors and slow endpoints: where requests fail, and where they take long."""

from collections.abc import Sequence

from dashboards.figures import (
    among,
    legend_of,
    open_count,
    open_now,
    ranking,
    selector,
    signal_panel,
    standings,
    worst_of,
)
from dashboards.frame import Sheet, Spans, filters, programs
from dashboards.grid import Section, Shelf, shelves
from dashboards.links import further, page_of
from dashboards.panels import About, Shape, Viz, bars, query
from dashboards.programs import from_programs
from dashboards.signals import SignalPanel, Threshold, labels_of, of_kinds
from dashboards.steps import steps_of
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit

UID = "plimsoll-errors"
TIMES = (Threshold(1.2, Severity.WARNING), Threshold(1.5, Severity.CRITICAL))


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None where no signal of the API is a time or a share that is bad when high."""
    mine = [one for one in of_kinds(signals, "api") if one.worse is Direction.UP and one.labels]
    failing = [one for one in mine if one.unit is Unit.RATIO]
    slow = [one for one in mine if one.unit is Unit.SECONDS]
    if not failing and not slow:
        return None
    both = [*failing, *slow]
    labels, which = labels_of(both), among(both)
    chosen = {one: one for one in labels}
    return Sheet(
        uid=UID,
        title="Errors and slow endpoints",
        description="Where requests fail, where they take long, and where both began.",
        variables=[*filters(chosen, which), *programs()],
        spans=[Spans(name="Regressions: errors and times", selectors=(which,))],
        sections=[
            Section(
                "",
                [
                    Shelf(
                        4,
                        [open_count(labels, which), *(worst_of(one, chosen) for one in both[:5])],
                    )
                ],
            ),
            Section("Regressions", [Shelf(7, [open_now(labels, which)])]),
            about_errors(failing, chosen),
            about_times(slow, chosen),
            from_programs(),
        ],
    )


def about_errors(failing: Sequence[SignalPanel], chosen: dict[str, str]) -> Section:
    """Where requests fail."""
    panels = [
        panel for one in failing for panel in (signal_panel(one, chosen), ranking(one, chosen))
    ]
    tables = [standings(one, chosen) for one in failing]
    return Section("Errors", [*shelves(panels, at_most=2), *shelves(tables, at_most=2)])


def about_times(slow: Sequence[SignalPanel], chosen: dict[str, str]) -> Section:
    """Where requests take long, in seconds and beside what is normal there."""
    panels = [panel for one in slow for panel in (ranking(one, chosen), slower(one, chosen))]
    return Section(
        "The slowest endpoints",
        [
            *shelves(panels, at_most=2),
            *shelves([signal_panel(one, chosen) for one in slow], at_most=2),
        ],
    )


def slower(signal: SignalPanel, chosen: dict[str, str]) -> Viz:
    """The series that are slowest for what they usually are."""
    which, by = selector(signal, chosen), ", ".join(signal.labels)
    return bars(
        About(
            f"{signal.title}: times the average of 7 days",
            "A fast endpoint that became three times slower stands above a slow one that always "
            "was slow.",
            "short",
            page_of(signal.name),
            further(signal),
        ),
        query(
            f"sort_desc(topk(10,\n  max by ({by}) (plimsoll_signal_value{which})\n"
            f"  / max by ({by}) (plimsoll_signal_expected{which})\n))",
            legend_of(signal.labels),
            shape=Shape.NOW,
        ),
        steps_of(TIMES),
    )

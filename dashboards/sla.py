"""Limits kept, and how fast what may be missed is used up.

The objectives are those of the rules on budgets, else the fixed limits of the rules, so that a
dashboard never promises another number than a rule alerts on. Two things are shown of each.
*Compliance* is the share of judged spans that were within the limit. *Burn*, of signals that are
shares themselves, is how many times faster than allowed the budget goes: 1 uses it up exactly. Both
count every span alike, busy or quiet, because Prometheus knows the judged values and not the
requests behind them.
"""

from collections.abc import Sequence

from dashboards.figures import (
    MOST_SERIES,
    among,
    legend_of,
    open_count,
    open_now,
    selector,
    signal_panel,
)
from dashboards.frame import Sheet, Spans, filters
from dashboards.grid import Section, Shelf, shelves
from dashboards.links import further, page_of
from dashboards.panels import About, Column, Shape, Viz, curves, ledger, query, stat
from dashboards.signals import SignalPanel, Threshold, labels_of
from dashboards.steps import steps_of
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit

UID = "plimsoll-sla"
MOST_STATS = 6
#: How fast a budget may burn, by the longer window: Google's SRE workbook, chapter 5, table 5-8.
BURNS = (
    ("1h", 14.4, Severity.CRITICAL),
    ("6h", 6.0, Severity.CRITICAL),
    ("1d", 3.0, Severity.WARNING),
    ("3d", 1.0, Severity.WARNING),
)


def sheet(signals: Sequence[SignalPanel], objective: float = 0.95) -> Sheet | None:
    """The dashboard; None where no signal has a fixed limit. `objective` is of the compliance."""
    mine = [one for one in signals if one.thresholds or one.objective is not None]
    if not mine:
        return None
    labels, which = labels_of(mine), among(mine)
    chosen = {one: one for one in labels}
    spent = [one for one in mine if budget_of(one) > 0]
    return Sheet(
        uid=UID,
        title="SLA and burn",
        description="Which limits were kept, how often, and how fast budgets burn.",
        since="now-24h",
        variables=filters(chosen, which),
        spans=[Spans(name="Regressions: limits", selectors=(which,))],
        sections=[
            Section(
                "Within the limit, of the worst series over the time range",
                shelves(
                    [
                        open_count(labels, which),
                        *(kept(one, chosen, objective) for one in mine),
                    ],
                    height=4,
                    at_most=MOST_STATS,
                ),
            ),
            Section(
                "Compliance",
                shelves([compliance(one, chosen, objective) for one in mine], at_most=2),
            ),
            Section("Burn", shelves([burn(one, chosen) for one in spent], at_most=2)),
            Section("Burn by window", shelves([windows(one, chosen) for one in spent], at_most=2)),
            Section("Now", [Shelf(7, [open_now(labels, which)])]),
            Section(
                "The limits", shelves([signal_panel(one, chosen) for one in mine]), folded=True
            ),
        ],
    )


def limit_of(signal: SignalPanel) -> Threshold:
    """The limit that comes first on the way from good to bad; of a budget alone, the budget."""
    down = signal.worse is Direction.DOWN
    if not signal.thresholds and signal.objective is not None:
        level = signal.objective if down else 1 - signal.objective
        return Threshold(round(level, 12), Severity.WARNING, signal.worse)
    levels = sorted(signal.thresholds, key=lambda one: one.level, reverse=down)
    return levels[0]


def budget_of(signal: SignalPanel) -> float:
    """What may be missed of a share; 0 for what is not a share of failures or successes."""
    if signal.unit is not Unit.RATIO or signal.kind == "resource":
        return 0.0  # a processor that is 80 % busy has not failed 80 % of anything
    if signal.objective is not None:
        return 1 - signal.objective
    level = limit_of(signal).level
    return 1 - level if signal.worse is Direction.DOWN else level


def within(signal: SignalPanel, chosen: dict[str, str]) -> str:
    """1 where a series is within its limit, 0 where it is beyond."""
    limit = limit_of(signal)
    down = signal.worse is Direction.DOWN
    which = selector(signal, chosen)
    series = f"{'min' if down else 'max'}{grouped(signal)} (plimsoll_signal_value{which})"
    return f"{series} {'>=' if down else '<='} bool {limit.level!r}"


def grouped(signal: SignalPanel) -> str:
    """The `by` clause of its labels."""
    return f" by ({', '.join(signal.labels)})" if signal.labels else ""


def share_within(signal: SignalPanel, chosen: dict[str, str]) -> str:
    """Share of the time range in which each series was within its limit."""
    return f"avg_over_time(({within(signal, chosen)})[$__range:1m])"


def said(signal: SignalPanel) -> str:
    """The limit in words."""
    limit = limit_of(signal)
    return f"{'at least' if signal.worse is Direction.DOWN else 'at most'} {limit.level:g}"


def kept(signal: SignalPanel, chosen: dict[str, str], objective: float) -> Viz:
    """The share of the range in which the worst series was within its limit."""
    return stat(
        About(
            signal.title,
            f"Share of the judged spans with {said(signal)}, of the worst series.",
            "percentunit",
            page_of(signal.name),
        ),
        query(f"min({share_within(signal, chosen)})", shape=Shape.NOW),
        steps_of([Threshold(objective, Severity.CRITICAL, Direction.DOWN)]),
    )


def compliance(signal: SignalPanel, chosen: dict[str, str], objective: float) -> Viz:
    """Every series: how often it kept its limit, and how much of its budget of misses is left."""
    share = share_within(signal, chosen)
    return ledger(
        About(
            f"{signal.title}: {said(signal)}",
            "Share of the judged spans within the limit, and what is left of the "
            f"{1 - objective:.2g} that may be missed.",
            "percentunit",
            page_of(signal.name),
            further(signal, in_table=True),
        ),
        signal.labels,
        [
            Column(
                "missed",
                f"1 - {share}",
                "percentunit",
                steps_of([Threshold(round(1 - objective, 6), Severity.CRITICAL)]),
            ),
            Column("within", share, "percentunit"),
            Column(
                "budget left",
                f"1 - (1 - {share}) / {round(1 - objective, 6)!r}",
                "percentunit",
                steps_of([Threshold(0.0, Severity.CRITICAL, Direction.DOWN)]),
            ),
        ],
        empty="No series has been judged yet.",
    )


def burning(signal: SignalPanel, chosen: dict[str, str], span: str) -> str:
    """How many times faster than allowed the budget of a share goes, over a span."""
    value = f"avg_over_time(plimsoll_signal_value{selector(signal, chosen)}[{span}])"
    if signal.worse is Direction.DOWN:
        value = f"(1 - {value})"
    return f"max{grouped(signal)} ({value}) / {round(budget_of(signal), 9)!r}"


def burn(signal: SignalPanel, chosen: dict[str, str]) -> Viz:
    """Burn over an hour; what lasts at a dashed line is worth an alert."""
    return curves(
        About(
            f"{signal.title}: burn over an hour",
            "Times faster than allowed; at 1 the budget is used up exactly. Lines at 14.4, 6, 3 "
            "and 1: what Google's SRE workbook alerts on, over 1 hour, 6 hours, 1 and 3 days.",
            "short",
            page_of(signal.name),
            further(signal),
        ),
        [query(f"topk({MOST_SERIES}, {burning(signal, chosen, '1h')})", legend_of(signal.labels))],
        limits=[Threshold(level, severity) for _, level, severity in BURNS],
    )


def windows(signal: SignalPanel, chosen: dict[str, str]) -> Viz:
    """Burn of every series over each of the four windows."""
    return ledger(
        About(
            f"{signal.title}: burn by window",
            "A window is coloured when it burns faster than an alert over it would allow.",
            "short",
            page_of(signal.name),
            further(signal, in_table=True),
        ),
        signal.labels,
        [
            Column(
                span, burning(signal, chosen, span), "short", steps_of([Threshold(level, severity)])
            )
            for span, level, severity in BURNS
        ],
        empty="No series has been judged yet.",
    )

"""Panels about signals: the worst series, bands, the distance from normal, what is open.

All of them ask for what Plimsoll exposes of its judged signals, so a signal that is added to the
configuration is on its dashboard without a line here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.bands import band, band_look
from dashboards.frame import open_regressions
from dashboards.links import further, history_of, page_of
from dashboards.panels import (
    UNITS,
    About,
    Column,
    Shape,
    Viz,
    bars,
    curves,
    ledger,
    query,
    stat,
    table,
    timeline,
)
from dashboards.quiet import NOUGHT, or_none
from dashboards.signals import SignalPanel, Threshold
from dashboards.steps import one_is_too_many, steps_of
from detector.form import Direction
from detector.regression import Severity

MOST_SERIES = 10
STATES = {
    0: ("steady", "green"),
    1: ("info", "blue"),
    2: ("warning", "orange"),
    3: ("critical", "red"),
}
OPEN_WORDS = {word: (word, colour) for word, colour in STATES.values()}
OR_NONE_OPEN = {**OPEN_WORDS, "none": ("none open", "green")}
UNUSUAL = (Threshold(2, Severity.INFO), Threshold(4, Severity.WARNING))


def among(signals: Sequence[SignalPanel], *more: str) -> str:
    """The matchers of these signals; of one by its name, as Grafana's editor writes it."""
    names = "|".join(one.name for one in signals)
    which = f'signal=~"{names}"' if len(signals) > 1 else f'signal="{names}"'
    return "{" + ",".join((which, *more)) + "}"


def matched(signal: SignalPanel, chosen: Mapping[str, str]) -> list[str]:
    """Matchers for those of the chosen labels that a signal has; `chosen` has label by variable."""
    return [f'{one}=~"${name}"' for name, one in chosen.items() if one in signal.labels]


def selector(signal: SignalPanel, chosen: Mapping[str, str] | None = None) -> str:
    """The series of a signal among those that the variables choose."""
    return among([signal], *matched(signal, chosen or {}))


def open_count(labels: Sequence[str], which: str = "", title: str = "Open regressions") -> Viz:
    """How many regressions are open; several Plimsolls may tell of one, and it is counted once."""
    return stat(
        About(title, "Regressions open now.", link=history_of()),
        query(f"sum({open_regressions(labels, which)}) or {NOUGHT}", shape=Shape.NOW),
        one_is_too_many("orange"),
    )


def worst_of(signal: SignalPanel, chosen: Mapping[str, str] | None = None) -> Viz:
    """The worst series of a signal now, and how it came there."""
    worst = "min" if signal.worse is Direction.DOWN else "max"
    return stat(
        About(
            signal.title,
            f"The worst series now. {signal.told}",
            UNITS[signal.unit],
            page_of(signal.name),
        ),
        query(f"{worst}(plimsoll_signal_value{selector(signal, chosen)})"),
        steps_of(signal.thresholds),
    )


def states(which: str = "") -> Viz:
    """Every signal as a row: steady, or how bad its worst open regression is."""
    inner = which.strip("{}")
    more = f",{inner}" if inner else ""
    open_ones = "\n  or ".join(
        f'plimsoll_regression_open{{severity="{severity}"{more}}} * {number}'
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
            f"or count by (signal) (plimsoll_signal_value{which}) * 0",
            "{{signal}}",
        ),
        STATES,
    )


def open_now(labels: Sequence[str], *which: str) -> Viz:
    """The regressions that are open now, one row each."""
    columns = ("severity", "signal", "rule", *labels)
    return table(
        About(
            "Open now",
            "The regressions open at the end of the time range, and the series each is on. One row "
            "that says so when none is open.",
            link=history_of("${__data.fields.signal}"),
        ),
        query(or_none(f"{open_regressions(labels, *which)} > 0", "severity"), shape=Shape.TABLE),
        columns,
        words={"severity": OR_NONE_OPEN},
        empty="Plimsoll is not scraped.",
    )


def signal_panel(signal: SignalPanel, chosen: Mapping[str, str] | None = None) -> Viz:
    """A signal, its limits as dashed lines: one series with its band, or the worst of many."""
    if not signal.labels:
        return band_panel(signal)
    worst = "bottomk" if signal.worse is Direction.DOWN else "topk"
    series = (
        f"max by ({', '.join(signal.labels)}) (plimsoll_signal_value{selector(signal, chosen)})"
    )
    asked = query(f"{worst}({MOST_SERIES}, {series})", legend_of(signal.labels))
    return curves(
        about(signal),
        [asked],
        limits=signal.thresholds,
        worse=signal.worse,
        empty=unseen(signal),
    )


def band_panel(signal: SignalPanel, which: str = "", title: str = "") -> Viz:
    """One series of a signal with its band; `which` are the matchers that choose one."""
    return curves(
        about(signal, title, leads_on=False),
        band(which or selector(signal)),
        limits=signal.thresholds,
        worse=signal.worse,
        overrides=band_look(),
        empty=unseen(signal),
    )


def unseen(signal: SignalPanel) -> str:
    """What stands where a signal has no series: often nothing that it reads is collected."""
    return f"No series of {signal.name}. Why: plimsoll signals explain {signal.name}"


def about(
    signal: SignalPanel, title: str = "", *, leads_on: bool = True, in_table: bool = False
) -> About:
    """What is told of a panel on one signal."""
    return About(
        title or signal.title,
        signal.told,
        UNITS[signal.unit],
        page_of(signal.name),
        further(signal, in_table=in_table) if leads_on else None,
    )


def ranking(signal: SignalPanel, chosen: Mapping[str, str] | None = None) -> Viz:
    """The worst series of a signal now as bars, the worst on top."""
    down = signal.worse is Direction.DOWN
    series = (
        f"max by ({', '.join(signal.labels)}) (plimsoll_signal_value{selector(signal, chosen)})"
    )
    order, worst = ("sort", "bottomk") if down else ("sort_desc", "topk")
    return bars(
        about(signal, f"{signal.title}: the worst now"),
        query(
            f"{order}({worst}({MOST_SERIES}, {series}))",
            legend_of(signal.labels),
            shape=Shape.NOW,
        ),
        steps_of(signal.thresholds),
    )


def standings(signal: SignalPanel, chosen: Mapping[str, str] | None = None) -> Viz:
    """Every series of a signal: what it is now, what was expected, and how far that is apart."""
    which, unit = selector(signal, chosen), UNITS[signal.unit]
    by = f"by ({', '.join(signal.labels)})"
    return ledger(
        about(signal, f"{signal.title}: every series", in_table=True),
        signal.labels,
        [
            Column("score", f"max {by} (plimsoll_signal_score{which})", "short", steps_of(UNUSUAL)),
            Column(
                "now", f"max {by} (plimsoll_signal_value{which})", unit, steps_of(signal.thresholds)
            ),
            Column("expected", f"max {by} (plimsoll_signal_expected{which})", unit),
            Column("lower", f"min {by} (plimsoll_signal_lower{which})", unit),
            Column("upper", f"max {by} (plimsoll_signal_upper{which})", unit),
        ],
        empty="No series has been judged yet.",
    )


def unusual(signals: Sequence[SignalPanel], labels: Sequence[str], *more: str) -> Viz:
    """What is furthest from normal, whatever its unit: standard deviations, worse is up."""
    which = among(signals, *more)
    by = ", ".join(("signal", *labels))
    return curves(
        About(
            "Furthest from normal",
            "Standard deviations between the value and the average of 7 days; positive is worse. "
            "It makes series of any unit comparable, and is no verdict: the rules ask for more.",
            link=page_of("${__field.labels.signal}"),
        ),
        [
            query(
                f"topk({MOST_SERIES}, max by ({by}) (plimsoll_signal_score{which}))",
                legend_of(("signal", *labels)),
            )
        ],
        limits=UNUSUAL,
    )


def legend_of(labels: Sequence[str]) -> str:
    """The values of these labels, one after the other."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def colourless() -> list[dict[str, Any]]:
    """Steps of a number that is neither good nor bad."""
    return steps_of([])

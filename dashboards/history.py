"""The history of regressions, as Prometheus saw them open; each one's record is in Plimsoll."""

from collections.abc import Sequence

from dashboards.figures import OR_NONE_OPEN, STATES, legend_of, open_count, open_now, states
from dashboards.frame import Sheet, Spans, open_regressions
from dashboards.grid import Section, Shelf
from dashboards.links import history_of
from dashboards.panels import About, Column, Shape, Viz, bars, curves, ledger, query, stat, timeline
from dashboards.quiet import NOUGHT, or_none
from dashboards.signals import SignalPanel, labels_of
from dashboards.steps import one_is_too_many, steps_of

UID = "plimsoll-regressions"
EVERY = history_of("${__field.labels.signal}")


def sheet(signals: Sequence[SignalPanel]) -> Sheet:
    """The dashboard; it needs no signal."""
    labels = labels_of(signals)
    return Sheet(
        uid=UID,
        title="History of regressions",
        description="What regressed, when, for how long, and what was refused by which gate.",
        since="now-7d",
        spans=[Spans(name="All regressions", shown=False)],
        sections=[
            Section("", [Shelf(4, [open_count(labels), told(labels), share_open(labels)])]),
            Section("When", [Shelf(8, [by_severity(labels)]), Shelf(10, [spans(labels)])]),
            Section("Signals", [Shelf(9, [states(), longest(labels)])]),
            Section("One by one", [Shelf(10, [every(labels)]), Shelf(8, [open_now(labels)])]),
            Section("Why not", [Shelf(8, [verdicts(), refused()])]),
        ],
    )


def seconds_open(labels: Sequence[str]) -> str:
    """How long each regression was open in the time range."""
    return f"count_over_time(({open_regressions(labels)})[$__range:1m]) * 60"


def told(labels: Sequence[str]) -> Viz:
    """How many regressions there were."""
    return stat(
        About(
            "Regressions in the range",
            "Series and rules on which a regression was open.",
            link=history_of(),
        ),
        query(f"count({seconds_open(labels)}) or {NOUGHT}", shape=Shape.NOW),
        steps_of([]),
    )


def share_open(labels: Sequence[str]) -> Viz:
    """The share of the time in which anything was open."""
    anything = f"(sum({open_regressions(labels)}) or {NOUGHT}) > bool 0"
    return stat(
        About("Time with something open", "Share of the time range.", "percentunit", history_of()),
        query(f"avg_over_time(({anything})[$__range:1m])", shape=Shape.NOW),
        steps_of([]),
    )


def by_severity(labels: Sequence[str]) -> Viz:
    """How many were open, by severity."""
    return curves(
        About(
            "Open regressions by severity", "How many were open at each moment.", link=history_of()
        ),
        [
            query(
                or_none(f"sum by (severity) ({open_regressions(labels)})", "severity"),
                "{{severity}}",
            )
        ],
    )


def spans(labels: Sequence[str]) -> Viz:
    """Every regression as a bar from its begin to its end."""
    severities = "\n  or ".join(
        f"max by (signal, rule{''.join(f', {one}' for one in labels)})"
        f' (plimsoll_regression_open{{severity="{severity}"}}) * {number}'
        for number, (severity, _) in reversed(STATES.items())
        if number
    )
    return timeline(
        About(
            "From when to when",
            "Each regression while it was open, in the colour of its severity.",
            link=EVERY,
        ),
        query(or_none(severities, "rule"), legend_of(("rule", *labels))),
        STATES,
    )


def longest(labels: Sequence[str]) -> Viz:
    """Which signals were regressed longest."""
    longest_ones = f"topk(15, sum by (signal) ({seconds_open(labels)}))"
    return bars(
        About(
            "Longest open, by signal",
            "Time with an open regression, all its series added up.",
            "s",
            EVERY,
        ),
        query(
            f"sort_desc({or_none(longest_ones, 'signal')})",
            "{{signal}}",
            shape=Shape.NOW,
        ),
        one_is_too_many("orange"),
    )


def every(labels: Sequence[str]) -> Viz:
    """Every regression of the range, the longest first."""
    return ledger(
        About(
            "Regressions in the range, one by one",
            "How long each was open within the time range. Its record, with chart, size and "
            "evidence, is in Plimsoll.",
            "s",
            history_of("${__data.fields.signal}"),
        ),
        ("severity", "signal", "rule", *labels),
        [Column("open for", or_none(seconds_open(labels), "severity"), "s")],
        empty="Plimsoll is not scraped.",
        words={"severity": OR_NONE_OPEN},
    )


def verdicts() -> Viz:
    """What the rules said."""
    return curves(
        About("Judgements by verdict", "What the rules said of all series.", "cps"),
        [
            query(
                "sum by (verdict) (rate(plimsoll_judgements_total[$__rate_interval]))",
                "{{verdict}}",
                min_step="1m",
            )
        ],
    )


def refused() -> Viz:
    """Which gate refused a candidate."""
    return curves(
        About(
            "Refused candidates by reason",
            "What broke a trigger and was not told; the page Why not has each of them.",
            "cps",
        ),
        [
            query(
                or_none(
                    'sum by (reason) (rate(plimsoll_judgements_total{verdict="rejected"}'
                    "[$__rate_interval]))",
                    "reason",
                ),
                "{{reason}}",
                min_step="1m",
            )
        ],
    )

"""The few panel shapes that every dashboard is made of.

grafanalib draws several panels in a shape that Grafana dropped, and cannot write others at all. So
only its `Panel` is used, through `Viz`, and each shape is spelt out here once, as Grafana reads it
today.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from grafanalib.core import Panel, Target

from dashboards.signals import Threshold
from detector.regression import Severity
from detector.signal import Direction
from detector.units import Unit

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PLIMSOLL = "${plimsoll_url}"

#: Grafana's unit ids; its `bytes` counts in 1024.
UNITS = {
    Unit.SECONDS: "s",
    Unit.RATIO: "percentunit",
    Unit.BYTES: "bytes",
    Unit.BYTES_PER_SECOND: "binBps",
    Unit.PER_SECOND: "cps",
    Unit.COUNT: "short",
}
COLOURS = {Severity.INFO: "blue", Severity.WARNING: "orange", Severity.CRITICAL: "red"}

# The four lines of a band. Grafana finds the lower edge by its display name, exactly, so these
# names are the same in every band panel and never hold a label.
VALUE, EXPECTED, UPPER, LOWER = "value", "expected", "upper", "lower"


class Shape(StrEnum):
    """What a query returns: a curve over the time range, one number now, or rows of a table."""

    CURVE = "curve"
    NOW = "now"
    TABLE = "table"


class Viz(Panel):  # type: ignore[misc]  # grafanalib has no types
    """A panel of any type that Grafana knows today; what grafanalib lacks is in `extraJson`."""

    def to_json_data(self) -> Any:
        """As grafanalib writes it; `normalise` takes away what Grafana no longer reads."""
        return self.panel_json({})


class Query(Target):  # type: ignore[misc]  # grafanalib has no types
    """One PromQL query; grafanalib's own target lacks `range` and `editorMode`."""

    def to_json_data(self) -> dict[str, Any]:
        """Only what the Prometheus data source reads."""
        return {
            "datasource": self.datasource,
            "editorMode": "code",
            "expr": self.expr,
            "format": self.format,
            "instant": self.instant,
            "interval": self.interval,
            "legendFormat": self.legendFormat,
            "range": not self.instant,
            "refId": self.refId,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click on a value leads."""

    title: str
    url: str

    def as_json(self) -> dict[str, Any]:
        """As a data link; it opens beside the dashboard, which stays where it is."""
        return {"title": self.title, "url": self.url, "targetBlank": True}


HOME = Link("Open Plimsoll", f"{PLIMSOLL}/")


@dataclass(frozen=True, slots=True)
class About:
    """What a reader is told of a panel: title, a sentence, unit (Grafana's id), where to go on."""

    title: str
    description: str
    unit: str = "short"
    link: Link = HOME


def query(
    expr: str, legend: str = "", *, ref: str = "A", shape: Shape = Shape.CURVE, min_step: str = ""
) -> Query:
    """A PromQL query. `min_step` is for what happens rarely: `$__rate_interval` is then 4 of it."""
    return Query(
        datasource=SOURCE,
        expr=expr,
        format="table" if shape is Shape.TABLE else "time_series",
        instant=shape is not Shape.CURVE,
        interval=min_step,
        legendFormat=legend,
        refId=ref,
    )


def stat(about: About, asked: Query, steps: list[dict[str, Any]]) -> Viz:
    """One number, coloured by its threshold steps; with a small curve when the query has one."""
    return viz(
        "stat",
        about,
        [asked],
        options={
            "colorMode": "value",
            "graphMode": "none" if asked.instant else "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": False,
            "textMode": "value",
            "wideLayout": True,
        },
        defaults=coloured_by(steps),
    )


def curves(
    about: About,
    asked: Sequence[Query],
    *,
    limits: Sequence[Threshold] = (),
    worse: Direction = Direction.UP,
    overrides: Sequence[Mapping[str, Any]] = (),
) -> Viz:
    """Curves over time, each with its last and its largest value in a table below.

    Limits are dashed lines. What is worse when it falls has its smallest value in the table too,
    and an axis that does not start at nought: such values stay near the top.
    """
    falling = worse is Direction.DOWN
    custom = {
        "axisPlacement": "auto",
        "drawStyle": "line",
        "fillOpacity": 0,
        "lineWidth": 1,
        "showPoints": "auto",  # a lone sample between gaps must be seen
        "spanNulls": False,  # gaps stay gaps
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    return viz(
        "timeseries",
        about,
        asked,
        options={
            "legend": {
                "calcs": ["lastNotNull", "max", "min"] if falling else ["lastNotNull", "max"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "asc" if falling else "desc"},
        },
        defaults={
            "color": {"mode": "palette-classic"},
            "custom": custom if falling else {**custom, "axisSoftMin": 0},
            "thresholds": {"mode": "absolute", "steps": lines_of(limits)},
        },
        overrides=overrides,
    )


def timeline(about: About, asked: Query, states: Mapping[int, tuple[str, str]]) -> Viz:
    """One row per series, one colour and one word per state: `{0: ("down", "red")}`."""
    return viz(
        "state-timeline",
        about,
        [asked],
        options={
            "alignValue": "left",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "auto",
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        defaults={
            "color": {"mode": "fixed", "fixedColor": "text"},
            "custom": {"fillOpacity": 75, "lineWidth": 0, "spanNulls": False},
            "mappings": worded({str(number): state for number, state in states.items()}),
        },
    )


def table(
    about: About,
    asked: Query,
    columns: Sequence[str],
    *,
    words: Mapping[str, Mapping[str, tuple[str, str]]],
    empty: str,
) -> Viz:
    """The labels of what the query finds now, one row each; `words` colours values of a column.

    `empty` is what stands there when nothing is found, so that quiet does not look like broken.
    """
    return viz(
        "table",
        about,
        [asked],
        options={"cellHeight": "sm", "showHeader": True},
        defaults={
            "custom": {"align": "auto", "inspect": False},
            "noValue": empty,
        },
        overrides=[
            override(
                column,
                mappings=worded(values),
                custom__cellOptions={"type": "color-text", "wrapText": False},
            )
            for column, values in words.items()
        ],
        transformations=[
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True, "Value": True},
                    "indexByName": {label: at for at, label in enumerate(columns)},
                    "renameByName": {},
                },
            }
        ],
    )


def viz(
    kind: str,
    about: About,
    asked: Sequence[Query],
    *,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    overrides: Sequence[Mapping[str, Any]] = (),
    transformations: Sequence[Mapping[str, Any]] = (),
) -> Viz:
    """A panel with what all have: title, description, unit, data source, link, queries."""
    common: dict[str, Any] = {"unit": about.unit, "links": [about.link.as_json()]}
    return Viz(
        title=about.title,
        description=about.description,
        dataSource=SOURCE,
        maxDataPoints=None,  # grafanalib's 100 would make every curve coarse
        targets=list(asked),
        transformations=list(transformations),
        extraJson={
            "type": kind,
            "options": options,
            "fieldConfig": {"defaults": {**common, **defaults}, "overrides": list(overrides)},
        },
    )


def override(name: str, **properties: Any) -> dict[str, Any]:
    """What differs for the series shown as `name`; `custom__x` stands for `custom.x`."""
    return overridden("byName", name, properties)


def unit_of_query(ref: str, unit: str) -> dict[str, Any]:
    """Another unit for all that one query returns."""
    return overridden("byFrameRefID", ref, {"unit": unit})


def overridden(matcher: str, what: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """An override in Grafana's form."""
    return {
        "matcher": {"id": matcher, "options": what},
        "properties": [
            {"id": key.replace("__", "."), "value": value} for key, value in properties.items()
        ],
    }


def band(selector: str, ref: str = "") -> list[Query]:
    """The four queries of one series: its value, what was expected, and the edges around it.

    Each aggregates to exactly one series. With two, the lower edge would be found by name twice
    and the band would be drawn to the wrong one.
    """
    return [
        query(f"max(plimsoll_signal_value{selector})", VALUE, ref=f"{ref}{VALUE}"),
        query(f"max(plimsoll_signal_expected{selector})", EXPECTED, ref=f"{ref}{EXPECTED}"),
        query(f"max(plimsoll_signal_upper{selector})", UPPER, ref=f"{ref}{UPPER}"),
        query(f"min(plimsoll_signal_lower{selector})", LOWER, ref=f"{ref}{LOWER}"),
    ]


def band_look() -> list[dict[str, Any]]:
    """How the lines of a band are drawn: green value, dashed expectation, blue between the edges.

    If `fillBelowTo` names no series of the panel, Grafana leaves the band out without a word.
    """
    blue = {"mode": "fixed", "fixedColor": "blue"}
    edge = {
        "color": blue,
        "custom__lineWidth": 0,
        "custom__showPoints": "never",
        "custom__hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    return [
        override(UPPER, custom__fillBelowTo=LOWER, custom__fillOpacity=18, **edge),
        override(LOWER, **edge),
        override(
            EXPECTED,
            color=blue,
            custom__lineStyle={"fill": "dash", "dash": [6, 6]},
            custom__showPoints="never",
        ),
        override(VALUE, color={"mode": "fixed", "fixedColor": "green"}, custom__lineWidth=2),
    ]


def coloured_by(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Field defaults that colour a value by the step it is on."""
    return {
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }


def steps_of(thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    """Threshold steps: each span between two levels has the colour of the worst one it breaks.

    Without levels there is nothing to praise or blame, so the one step has the text colour.
    """
    if not thresholds:
        return [{"color": "text", "value": None}]
    levels = sorted({threshold.level for threshold in thresholds})
    between = [low + (high - low) / 2 for low, high in pairwise(levels)]
    inside = [-math.inf, *between, math.inf]
    starts = [None, *levels]
    return [
        {"color": colour_at(value, thresholds), "value": start}
        for start, value in zip(starts, inside, strict=True)
    ]


def lines_of(thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    """Threshold steps that are only drawn as lines, each in the colour of its severity.

    Grafana gives a line the colour of what is above it. With the steps of `steps_of`, the line that
    a value must not fall below would be green.
    """
    if not thresholds:
        return []
    lines = sorted(thresholds, key=lambda threshold: (threshold.level, threshold.severity.rank))
    colours = {threshold.level: COLOURS[threshold.severity] for threshold in lines}
    return [
        {"color": "text", "value": None},
        *({"color": colour, "value": level} for level, colour in colours.items()),
    ]


def colour_at(value: float, thresholds: Sequence[Threshold]) -> str:
    """The colour of the worst threshold that a value is beyond; green when it breaks none."""
    broken = [
        threshold.severity
        for threshold in thresholds
        if (value > threshold.level if threshold.worse is Direction.UP else value < threshold.level)
    ]
    return COLOURS[max(broken, key=lambda severity: severity.rank)] if broken else "green"


def worded(states: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Value mappings: a word and a colour for each value, as a colour alone tells too little."""
    options = {
        value: {"text": word, "color": colour, "index": index}
        for index, (value, (word, colour)) in enumerate(states.items())
    }
    return [{"type": "value", "options": options}]

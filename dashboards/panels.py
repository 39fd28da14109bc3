"""The few panel shapes that every dashboard is made of.

grafanalib draws several panels in a shape that Grafana dropped, and cannot write others at all. So
only its `Panel` is used, through `Viz`, and each shape is spelt out here once, as Grafana reads it
today.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grafanalib.core import Panel, Target

from dashboards.signals import Threshold
from dashboards.steps import coloured_by, lines_of, worded
from detector.form import Direction
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
    Unit.TIMESTAMP: "none",  # Grafana's times are in milliseconds
}
TABLE_OPTIONS = {"cellHeight": "sm", "showHeader": True}
TABLE_CUSTOM = {"align": "auto", "inspect": False}


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
    """Where a click on a value leads: `beside` the dashboard, or in its place."""

    title: str
    url: str
    beside: bool = True

    def as_json(self) -> dict[str, Any]:
        """As a data link."""
        return {"title": self.title, "url": self.url, "targetBlank": self.beside}


HOME = Link("Open Plimsoll", f"{PLIMSOLL}/")


@dataclass(frozen=True, slots=True)
class About:
    """What a reader is told of a panel: title, a sentence, unit (Grafana's id), where to go on.

    `further` is the next dashboard, which keeps the time range and the data source.
    """

    title: str
    description: str
    unit: str = "short"
    link: Link = HOME
    further: Link | None = None

    @property
    def links(self) -> list[dict[str, Any]]:
        """The next dashboard first, then Plimsoll."""
        return [one.as_json() for one in (self.further, self.link) if one is not None]


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
    empty: str = "",
) -> Viz:
    """Curves over time, each with its last and its largest value in a table below.

    Limits are dashed lines. What is worse when it falls has its smallest value in the table too,
    and an axis that does not start at nought: such values stay near the top. `empty` is what stands
    there when nothing is found.
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
            **({"noValue": empty} if empty else {}),
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


def bars(about: About, asked: Query, steps: list[dict[str, Any]]) -> Viz:
    """One bar for each thing that a query for now finds, coloured by its threshold steps."""
    return viz(
        "bargauge",
        about,
        [asked],
        options={
            "displayMode": "gradient",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": False,
            },
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        },
        defaults={**coloured_by(steps), "min": 0},
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
        options=TABLE_OPTIONS,
        defaults={"custom": TABLE_CUSTOM, "noValue": empty},
        overrides=word_looks(words),
        transformations=[organized(columns, {}, {"Time", "Value"})],
    )


def word_looks(words: Mapping[str, Mapping[str, tuple[str, str]]]) -> list[dict[str, Any]]:
    """The word and the colour that values of a column are shown as."""
    return [
        override(
            column,
            mappings=worded(values),
            custom__cellOptions={"type": "color-text", "wrapText": False},
        )
        for column, values in words.items()
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """A number in a table: what is asked, its heading, its unit, the steps that colour it."""

    title: str
    expr: str
    unit: str = "short"
    steps: Sequence[Mapping[str, Any]] = ()


def ledger(
    about: About,
    labels: Sequence[str],
    columns: Sequence[Column],
    *,
    empty: str,
    words: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
) -> Viz:
    """One row for each set of labels, with a number of each column, the first one largest first.

    `words` colours values of a column of labels.
    """
    refs = [chr(ord("A") + at) for at in range(len(columns))]
    # Grafana numbers the values only where more than one query was answered.
    titles = {"Value": columns[0].title} | {
        f"Value #{ref}": one.title for ref, one in zip(refs, columns, strict=True)
    }
    return viz(
        "table",
        about,
        [
            query(one.expr, ref=ref, shape=Shape.TABLE)
            for ref, one in zip(refs, columns, strict=True)
        ],
        options={**TABLE_OPTIONS, "sortBy": [{"desc": True, "displayName": columns[0].title}]},
        defaults={"custom": TABLE_CUSTOM, "noValue": empty},
        overrides=[*word_looks(words or {}), *(column_look(one) for one in columns)],
        transformations=[
            {"id": "merge", "options": {}},
            organized([*labels, *titles], titles, {"Time"}),
        ],
    )


def column_look(column: Column) -> dict[str, Any]:
    """Unit of a column, and its colours where it has steps."""
    if not column.steps:
        return override(column.title, unit=column.unit)
    return override(
        column.title,
        unit=column.unit,
        color={"mode": "thresholds"},
        thresholds={"mode": "absolute", "steps": list(column.steps)},
        custom__cellOptions={"type": "color-text", "wrapText": False},
    )


def organized(
    order: Sequence[str], renamed: Mapping[str, str], hidden: Iterable[str]
) -> dict[str, Any]:
    """The transformation that orders, renames and hides columns."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(sorted(hidden), True),
            "indexByName": {name: at for at, name in enumerate(order)},
            "renameByName": dict(renamed),
        },
    }


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
    common: dict[str, Any] = {"unit": about.unit, "links": about.links}
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

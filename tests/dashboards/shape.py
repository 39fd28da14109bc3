"""A closed JSON Schema of the classic dashboard form, as far as our dashboards use it.

Grafana passes over a misspelt key without a word. So every key that we write is listed here, and
whoever writes another has to look up that Grafana knows it.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
ANY_TEXT: Schema = {"type": "string"}
YES_NO: Schema = {"type": "boolean"}
NATURAL: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}


def one_of(*values: object) -> Schema:
    """One of these values."""
    return {"enum": list(values)}


def each(item: Schema, at_least: int = 0) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": item, "minItems": at_least}


def closed(required: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these keys and no other."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": sorted(required),
        "additionalProperties": False,
    }


def source(kind: str) -> Schema:
    """The data source that the variable chooses, of this type."""
    return closed({"type": one_of(kind), "uid": one_of("${datasource}")})


POSTGRESQL, INFINITY = "grafana-postgresql-datasource", "yesoreyeram-infinity-datasource"
SOURCE = source("prometheus")
COLOUR = one_of("green", "orange", "red", "blue", "text")
TARGET = closed(
    {
        "datasource": SOURCE,
        "editorMode": one_of("code"),
        "expr": TEXT,
        "format": one_of("time_series", "table"),
        "instant": YES_NO,
        "range": YES_NO,
        "refId": TEXT,
    },
    interval=TEXT,
    legendFormat=TEXT,
)
SQL_TARGET = closed(
    {
        "datasource": source(POSTGRESQL),
        "editorMode": one_of("code"),
        "format": one_of("table"),
        "rawQuery": one_of(True),
        "rawSql": TEXT,
        "refId": TEXT,
    }
)
REST_TARGET = closed(
    {
        "columns": each(
            closed({"selector": TEXT, "text": TEXT, "type": one_of("string", "timestamp")}), 1
        ),
        "datasource": source(INFINITY),
        "format": one_of("table"),
        "parser": one_of("backend"),
        "refId": TEXT,
        "root_selector": TEXT,
        "source": one_of("url"),
        "type": one_of("json"),
        "url": TEXT,
        "url_options": closed({"data": ANY_TEXT, "method": one_of("GET")}),
    }
)
FIELD_COLOUR = closed({"mode": one_of("thresholds", "palette-classic", "fixed")}, fixedColor=COLOUR)
THRESHOLDS = closed(
    {
        "mode": one_of("absolute"),
        "steps": {
            "type": "array",
            "minItems": 1,
            "prefixItems": [closed({"color": COLOUR, "value": {"type": "null"}})],
            "items": closed({"color": COLOUR, "value": NUMBER}),
        },
    }
)
MAPPING = closed(
    {
        "type": one_of("value"),
        "options": {
            "type": "object",
            "additionalProperties": closed({"text": TEXT, "color": COLOUR, "index": NATURAL}),
        },
    }
)
HIDE_FROM = closed({"legend": YES_NO, "tooltip": YES_NO, "viz": YES_NO})
CURVE_CUSTOM = closed(
    {
        "axisPlacement": one_of("auto"),
        "drawStyle": one_of("line"),
        "fillOpacity": NATURAL,
        "lineWidth": NATURAL,
        "showPoints": one_of("auto", "never"),
        "spanNulls": one_of(False),
        "thresholdsStyle": closed({"mode": one_of("off", "dashed")}),
    },
    axisSoftMin=NUMBER,
)
CUSTOM = {
    "stat": closed({}),
    "timeseries": CURVE_CUSTOM,
    "state-timeline": closed({"fillOpacity": NATURAL, "lineWidth": NATURAL, "spanNulls": YES_NO}),
    "table": closed({"align": one_of("auto"), "inspect": YES_NO}),
    "bargauge": closed({}),
}
LEGEND = closed(
    {
        "calcs": each(one_of("lastNotNull", "max", "min")),
        "displayMode": one_of("table", "list"),
        "placement": one_of("bottom"),
        "showLegend": YES_NO,
    }
)
REDUCE = closed({"calcs": each(one_of("lastNotNull"), 1), "fields": ANY_TEXT, "values": YES_NO})
OPTIONS = {
    "stat": closed(
        {
            "colorMode": one_of("value"),
            "graphMode": one_of("none", "area"),
            "justifyMode": one_of("auto"),
            "orientation": one_of("auto"),
            "percentChangeColorMode": one_of("standard"),
            "reduceOptions": REDUCE,
            "showPercentChange": YES_NO,
            "textMode": one_of("value"),
            "wideLayout": YES_NO,
        }
    ),
    "timeseries": closed(
        {
            "legend": LEGEND,
            "tooltip": closed({"mode": one_of("multi"), "sort": one_of("asc", "desc")}),
        }
    ),
    "state-timeline": closed(
        {
            "alignValue": one_of("left"),
            "legend": LEGEND,
            "mergeValues": YES_NO,
            "rowHeight": NUMBER,
            "showValue": one_of("auto"),
            "tooltip": closed({"mode": one_of("multi"), "sort": one_of("none")}),
        }
    ),
    "table": closed(
        {"cellHeight": one_of("sm"), "showHeader": YES_NO},
        sortBy=each(closed({"desc": YES_NO, "displayName": TEXT}), 1),
    ),
    "bargauge": closed(
        {
            "displayMode": one_of("gradient"),
            "legend": LEGEND,
            "maxVizHeight": NATURAL,
            "minVizHeight": NATURAL,
            "minVizWidth": NATURAL,
            "namePlacement": one_of("auto"),
            "orientation": one_of("horizontal"),
            "reduceOptions": REDUCE,
            "showUnfilled": YES_NO,
            "sizing": one_of("auto"),
            "valueMode": one_of("color"),
        }
    ),
}
LINK = closed({"title": TEXT, "url": TEXT, "targetBlank": YES_NO})
OVERRIDDEN: dict[str, Schema] = {
    "color": FIELD_COLOUR,
    "custom.cellOptions": closed({"type": one_of("color-text"), "wrapText": YES_NO}),
    "custom.fillBelowTo": TEXT,
    "custom.fillOpacity": NATURAL,
    "custom.hideFrom": HIDE_FROM,
    "custom.lineStyle": closed({"fill": one_of("dash"), "dash": each(NATURAL, 2)}),
    "custom.lineWidth": NATURAL,
    "custom.showPoints": one_of("never"),
    "custom.stacking": closed({"group": one_of("A"), "mode": one_of("normal")}),
    "links": each(LINK, 1),
    "mappings": each(MAPPING, 1),
    "thresholds": THRESHOLDS,
    "unit": TEXT,
}
OVERRIDE = closed(
    {
        "matcher": closed({"id": one_of("byName", "byFrameRefID"), "options": TEXT}),
        "properties": each(
            {
                "oneOf": [
                    closed({"id": one_of(name), "value": value})
                    for name, value in OVERRIDDEN.items()
                ]
            },
            1,
        ),
    }
)
GRID = closed(
    {
        "h": {"type": "integer", "minimum": 1},
        "w": {"type": "integer", "minimum": 1, "maximum": 24},
        "x": {"type": "integer", "minimum": 0, "maximum": 23},
        "y": NATURAL,
    }
)
MERGE = closed({"id": one_of("merge"), "options": closed({})})
ORGANIZE = closed(
    {
        "id": one_of("organize"),
        "options": closed(
            {
                "excludeByName": {"type": "object", "additionalProperties": YES_NO},
                "indexByName": {"type": "object", "additionalProperties": NATURAL},
                "renameByName": {"type": "object", "additionalProperties": ANY_TEXT},
            }
        ),
    }
)


def panel(kind: str, asked: Schema = SOURCE, target: Schema = TARGET) -> Schema:
    """A panel of one type; one on Prometheus has links for all its values."""
    links = {"links": each(LINK, 1)} if asked is SOURCE else {}
    defaults = closed(
        {"unit": TEXT, **links},
        color=FIELD_COLOUR,
        custom=CUSTOM[kind],
        mappings=each(MAPPING, 1),
        min=NUMBER,
        noValue=TEXT,
        thresholds=THRESHOLDS,
    )
    return closed(
        {
            "datasource": asked,
            "description": TEXT,
            "fieldConfig": closed({"defaults": defaults, "overrides": each(OVERRIDE)}),
            "gridPos": GRID,
            "id": NATURAL,
            "options": OPTIONS[kind],
            "targets": each(target, 1),
            "title": TEXT,
            "type": one_of(kind),
        },
        transformations=each({"oneOf": [MERGE, ORGANIZE]}, 1),
    )


PANEL: Schema = {"oneOf": [panel(kind) for kind in OPTIONS]}
ROW = closed(
    {
        "collapsed": YES_NO,
        "gridPos": GRID,
        "id": NATURAL,
        "panels": each(PANEL),
        "title": TEXT,
        "type": one_of("row"),
    }
)
ANNOTATION = closed(
    {
        "datasource": SOURCE,
        "enable": YES_NO,
        "iconColor": COLOUR,
        "name": TEXT,
        "tagKeys": {"type": "string", "pattern": r"^\w+(,\w+)*$"},
        "target": closed({"expr": TEXT, "refId": one_of("Anno")}),
        "titleFormat": TEXT,
    },
    filter=closed({"ids": each(NATURAL, 1)}),
    textFormat=TEXT,
    useValueForTime=YES_NO,
)
VARIABLE = closed(
    {
        "hide": one_of(0, 2),
        "includeAll": YES_NO,
        "label": TEXT,
        "multi": YES_NO,
        "name": TEXT,
        "options": each({}),
        "query": TEXT,
        "sort": one_of(1),
        "type": one_of("datasource", "query", "constant"),
    },
    current=closed({"selected": YES_NO, "text": TEXT, "value": TEXT}),
    allValue=one_of(".*", ".+"),
    datasource=SOURCE,
    refresh=one_of(2),
    regex=TEXT,
)
DASHBOARD_LINK = closed(
    {
        "asDropdown": one_of(True),
        "icon": one_of("external link"),
        "includeVars": YES_NO,
        "keepTime": one_of(True),
        "tags": each(one_of("plimsoll", "plimsoll-records"), 1),
        "targetBlank": YES_NO,
        "title": TEXT,
        "tooltip": ANY_TEXT,
        "type": one_of("dashboards"),
        "url": ANY_TEXT,
    }
)


def dashboard(panels: Schema) -> Schema:
    """A dashboard with such panels."""
    return closed(
        {
            "annotations": closed({"list": each(ANNOTATION)}),
            "description": TEXT,
            "editable": one_of(False),
            "fiscalYearStartMonth": one_of(0),
            "graphTooltip": one_of(2),
            "links": each(DASHBOARD_LINK, 1),
            "liveNow": one_of(False),
            "panels": each(panels, 1),
            "preload": one_of(False),
            "refresh": one_of("1m", "5m"),
            "schemaVersion": one_of(42),
            "tags": each(TEXT, 1),
            "templating": closed({"list": each(VARIABLE)}),
            "time": closed({"from": TEXT, "to": TEXT}),
            "timepicker": closed({"refresh_intervals": each(TEXT), "hidden": YES_NO}),
            "timezone": one_of("browser"),
            "title": TEXT,
            "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
            "weekStart": one_of(""),
        },
    )


DASHBOARD = dashboard({"oneOf": [ROW, PANEL]})
#: The dashboards of records, by the type of their data source.
OF_RECORDS = {
    POSTGRESQL: dashboard(panel("table", source(POSTGRESQL), SQL_TARGET)),
    INFINITY: dashboard(panel("table", source(INFINITY), REST_TARGET)),
}

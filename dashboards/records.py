"""Regressions as records, for those who have a data source that can read them: optional.

The other dashboards need only Prometheus, which knows what was open and not why. PostgreSQL as
Plimsoll's state, or the Infinity plugin on Plimsoll's REST API, show every record with its numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grafanalib.core import Dashboard, Template, Templating, Time

from dashboards.frame import RECORDS, home, others
from dashboards.grid import Section, Shelf, layout
from dashboards.panels import PLIMSOLL, TABLE_CUSTOM, TABLE_OPTIONS, Viz, override
from dashboards.steps import worded

Json = dict[str, Any]
MOST_ROWS = 200


class Records(StrEnum):
    """What records are read with."""

    POSTGRESQL = "postgresql"
    INFINITY = "infinity"


KINDS = {
    Records.POSTGRESQL: "grafana-postgresql-datasource",
    Records.INFINITY: "yesoreyeram-infinity-datasource",
}
WORDS = {
    "critical": ("critical", "red"),
    "warning": ("warning", "orange"),
    "info": ("info", "blue"),
}

SQL = {
    "Regressions in the range": f"""
SELECT to_timestamp(opened_ms / 1000.0) AS "opened", severity, phase, signal, rule,
  labels::text AS "series", value, worst, baseline, threshold,
  (coalesce(resolved_ms, updated_ms) - opened_ms) / 1000.0 AS "lasted", id
FROM regression
WHERE kind = 'regression' AND phase <> 'suspected'
  AND $__timeFilter(to_timestamp(opened_ms / 1000.0))
ORDER BY opened_ms DESC LIMIT {MOST_ROWS}""",
    "Deployments in the range": f"""
SELECT to_timestamp(at_ms / 1000.0) AS "at", service, version, environment, sha
FROM deployment
WHERE $__timeFilter(to_timestamp(at_ms / 1000.0))
ORDER BY at_ms DESC LIMIT {MOST_ROWS}""",
    "By rule": """
SELECT rule, count(*) AS "regressions",
  avg((coalesce(resolved_ms, updated_ms) - opened_ms) / 1000.0) AS "lasted"
FROM regression
WHERE kind = 'regression' AND phase <> 'suspected'
  AND $__timeFilter(to_timestamp(opened_ms / 1000.0))
GROUP BY rule ORDER BY 2 DESC""",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the REST API: its address below `/api/v1`, and its columns by heading."""

    path: str
    columns: Mapping[str, tuple[str, str]]


REST = {
    "Regressions in the range": Listing(
        "regressions",
        {
            "opened": ("opened_at", "timestamp"),
            "severity": ("severity", "string"),
            "phase": ("state", "string"),
            "signal": ("signal", "string"),
            "rule": ("rule", "string"),
            "what": ("summary", "string"),
            "worst": ("worst_text", "string"),
            "baseline": ("baseline_text", "string"),
            "threshold": ("threshold_text", "string"),
            "id": ("id", "string"),
        },
    ),
    "Deployments in the range": Listing(
        "deployments",
        {
            "at": ("at", "timestamp"),
            "service": ("service", "string"),
            "version": ("version", "string"),
            "environment": ("environment", "string"),
            "sha": ("sha", "string"),
        },
    ),
}


class Rows(Viz):
    """A table whose query is not for Prometheus."""

    def to_json_data(self) -> Any:
        """As Grafana reads it; the query is in `extraJson` already."""
        made = super().to_json_data()
        made["targets"] = self.extraJson["targets"]
        return made


def dashboard(kind: Records, plimsoll_url: str) -> Dashboard:
    """The records, read with this kind of data source."""
    asked = sql_targets() if kind is Records.POSTGRESQL else rest_targets()
    tables = [rows(kind, title, target) for title, target in asked.items()]
    first, *rest = tables
    return Dashboard(
        title=f"Plimsoll: records ({'PostgreSQL' if kind is Records.POSTGRESQL else 'Infinity'})",
        uid=f"plimsoll-records-{kind}",
        description="Every regression of the time range with its numbers, and every deployment.",
        tags=[RECORDS],
        timezone="browser",
        refresh="5m",  # grafanalib's 10 s would ask for every row six times a minute
        time=Time("now-30d", "now"),
        templating=Templating(
            list=[
                Template(
                    name="datasource",
                    label="Data source",
                    type="datasource",
                    query=KINDS[kind],
                ),
                home(plimsoll_url),
            ]
        ),
        links=[others(carry=False)],
        panels=layout([Section("", [Shelf(14, [first]), Shelf(10, rest)])]),
    )


def source_of(kind: Records) -> Json:
    """The data source that was chosen."""
    return {"type": KINDS[kind], "uid": "${datasource}"}


def sql_targets() -> dict[str, Json]:
    """What PostgreSQL is asked."""
    return {
        title: {
            "datasource": source_of(Records.POSTGRESQL),
            "editorMode": "code",
            "format": "table",
            "rawQuery": True,
            "rawSql": sql.strip(),
            "refId": "A",
        }
        for title, sql in SQL.items()
    }


def rest_targets() -> dict[str, Json]:
    """What the REST API is asked; the data source holds the token, if Plimsoll has tokens."""
    span = "since=${__from:date:iso}&until=${__to:date:iso}"
    return {
        title: {
            "datasource": source_of(Records.INFINITY),
            "columns": [
                {"selector": selector, "text": heading, "type": kind}
                for heading, (selector, kind) in one.columns.items()
            ],
            "format": "table",
            "parser": "backend",
            "refId": "A",
            "root_selector": "items",
            "source": "url",
            "type": "json",
            "url": f"{PLIMSOLL}/api/v1/{one.path}?limit={MOST_ROWS}&{span}",
            "url_options": {"data": "", "method": "GET"},
        }
        for title, one in REST.items()
    }


def rows(kind: Records, title: str, target: Json) -> Viz:
    """A table of what one query finds; a click leads to the record."""
    overrides: Sequence[Json] = [
        override("lasted", unit="s"),
        override(
            "severity",
            mappings=worded(WORDS),
            custom__cellOptions={"type": "color-text", "wrapText": False},
        ),
        override(
            "id",
            links=[
                {
                    "targetBlank": True,
                    "title": "Open the record",
                    "url": f"{PLIMSOLL}/regressions/${{__data.fields.id}}",
                }
            ],
        ),
    ]
    return Rows(
        title=title,
        description=f"At most {MOST_ROWS} rows, the newest first.",
        dataSource=source_of(kind),
        maxDataPoints=None,
        extraJson={
            "type": "table",
            "options": TABLE_OPTIONS,
            "fieldConfig": {
                "defaults": {
                    "custom": TABLE_CUSTOM,
                    "noValue": "Nothing in this time range.",
                    "unit": "short",  # each row is of another signal, so the numbers have none
                },
                "overrides": list(overrides),
            },
            "targets": [target],
        },
    )

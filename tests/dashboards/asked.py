"""A Prometheus, asked as Grafana asks it."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx

from tests.dashboards.grafana import Json, filled, rate_interval, variables
from tests.dashboards.shop import END

LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
QUERY_RESULT = re.compile(r"query_result\((.+)\)")
LEGEND = re.compile(r"\{\{(\w+)\}\}")
LOOK_BACK = timedelta(minutes=30)
STEP_SECONDS = 60

Points = list[float]


class Asked:
    """Runs the queries of panels and the choices of variables; times are the end of a range."""

    def __init__(
        self,
        address: str,
        end: datetime = END,
        look_back: timedelta = LOOK_BACK,
        step_seconds: int = STEP_SECONDS,
    ) -> None:
        self._client = httpx.Client(base_url=f"{address}/api/v1", trust_env=False, timeout=20)
        self.end, self.look_back, self.step_seconds = end, look_back, step_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def choices(self, variable: Json, values: Mapping[str, str]) -> list[str]:
        """What a query variable offers."""
        if of_label := LABEL_VALUES.fullmatch(variable["query"]):
            selector = filled(of_label[1], values)
            values_found: list[str] = self._get(
                f"label/{of_label[2]}/values", {"match[]": selector}
            )
            return values_found
        parts = QUERY_RESULT.fullmatch(variable["query"])
        assert parts is not None
        pattern = re.compile(variable["regex"].strip("/"))
        found = self.now(filled(parts[1], values))
        lines = [as_listed(labels, value, self.end) for labels, value in found]
        return sorted(match[1] for line in lines if (match := pattern.search(line)))

    def chosen(self, dashboard: Json, **wanted: str) -> dict[str, str]:
        """A value for each variable: the wanted one, else the first, else the empty string."""
        values: dict[str, str] = {}
        for variable in variables(dashboard):
            name = variable["name"]
            if variable["type"] == "query" and variable["includeAll"]:
                every = "|".join(map(re.escape, self.choices(variable, values)))
                values[name] = variable.get("allValue", f"({every})").replace("\\", "\\\\")
            elif variable["type"] == "query":
                choices = self.choices(variable, values)
                if name in wanted:
                    assert wanted[name] in choices
                values[name] = wanted.get(name) or (choices[0] if choices else "")
            else:
                values[name] = variable["query"]
        return values

    def drawn(
        self, target: Json, values: Mapping[str, str], end: datetime | None = None
    ) -> list[tuple[str, Points]]:
        """The series of one query by their names in the legend; those that are all NaN are out."""
        end = end or self.end
        known = {
            "__rate_interval": rate_interval(target.get("interval", "")),
            "__range": f"{self.look_back.total_seconds():.0f}s",
            **values,
        }
        expr = filled(target["expr"], known)
        if target["instant"]:
            found = self._get("query", {"query": expr, "time": end.timestamp()})["result"]
            series = [(one["metric"], [one["value"]]) for one in found]
        else:
            span = {"start": (end - self.look_back).timestamp(), "end": end.timestamp()}
            asked = {"query": expr, "step": self.step_seconds, **span}
            found = self._get("query_range", asked)["result"]
            series = [(one["metric"], one["values"]) for one in found]
        return [
            (legend(target.get("legendFormat", ""), metric), finite(points))
            for metric, points in series
            if finite(points)
        ]

    def now(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of everything an expression finds at the end."""
        found = self._get("query", {"query": expr, "time": self.end.timestamp()})["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        answer = self._client.get(path, params=dict(parameters))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def as_listed(labels: Mapping[str, str], value: float, end: datetime) -> str:
    """A result of query_result() as Grafana writes it before the regular expression is applied."""
    inner = ",".join(f'{name}="{text}"' for name, text in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}} {value:g} {end.timestamp() * 1000:.0f}"


def legend(form: str, labels: Mapping[str, str]) -> str:
    """A name in the legend; a label that is not there is empty."""
    return LEGEND.sub(lambda found: labels.get(found[1], ""), form)


def finite(points: Sequence[tuple[float, str]]) -> Points:
    """The numbers that a panel can draw."""
    return [float(value) for _, value in points if math.isfinite(float(value))]

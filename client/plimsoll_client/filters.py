"""What lists and files are narrowed by: the parameters of the endpoints, as types."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

Moment = datetime | str


class Span(TypedDict, total=False):
    """From when until when, RFC 3339 or an aware time; `limit` is the most items of a page."""

    since: Moment
    until: Moment
    limit: int


class RegressionFilters(Span, total=False):
    """Which regressions: as the parameters of `GET /regressions`."""

    state: str
    kind: str
    severity: str
    signal: str
    rule: str
    target: str


class IncidentFilters(Span, total=False):
    """Which incidents: as the parameters of `GET /incidents`."""

    state: str
    severity: str


class EventFilters(Span, total=False):
    """Which events: as the parameters of `GET /events`."""

    about: str
    step: str
    actor: str
    regression: str
    incident: str


class DeploymentFilters(Span, total=False):
    """Which deployments: as the parameters of `GET /deployments`."""

    service: str


class JudgementFilters(Span, total=False):
    """Which judgements: as the parameters of `GET /judgements`."""

    rule: str
    signal: str
    series: str
    verdict: str
    reason: str
    gate: str


class WindowFilters(TypedDict, total=False):
    """Which windows: as the parameters of `GET /signals/{name}/windows`."""

    series: Sequence[str]
    since: Moment
    until: Moment
    points: int


class RegressionRows(TypedDict, total=False):
    """Which regressions of a file: as the parameters of `GET /regressions/export`."""

    since: Moment
    until: Moment
    state: str
    kind: str
    severity: str
    signal: str
    rule: str
    target: str


class WindowRows(TypedDict, total=False):
    """Which windows of a file: as the parameters of `GET /signals/{name}/windows/export`."""

    series: Sequence[str]
    since: Moment
    until: Moment
    seconds: float

"""`/summary`: the whole state in one small answer, for a person or a script."""

from collections import Counter
from datetime import datetime
from importlib.metadata import version
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field
from sqlalchemy import func
from sqlmodel import select

from api.house import House
from api.moments import at, milliseconds
from api.rooms import Asked, Rooms, Targets
from api.routes.router import router
from api.routes.texts import Name
from api.shapes import Shape
from api.totals import fresh, highest, newest_total, quantiles, total_rate, weighted
from api.vital_shapes import DistributionShape, MetricName, distribution, unit_of
from api.vitals import Hours, Key, counts
from collector.rum.cells import Cut
from collector.run import TargetState, TargetStatus
from detector.readings import Reading
from detector.regression import Phase, Severity
from detector.run import TICK
from detector.tables import IncidentRow
from detector.units import Unit
from storage.series import Labels

routes = router("summary")

Q = (0.5, 0.95, 0.99)
MOST_NAMES = 20
DAY_MS = 86_400_000
KEYS = ("redis_db_keys", "memcached_current_items")


class SummaryAsked(Asked):
    """What is summed up."""

    target: Name | None = Field(
        None, description="Only series of this target; of all when left out."
    )


class RequestsShape(Shape):
    """Requests over all routes, in the newest judged span (5 minutes)."""

    per_second: float | None
    """Requests per second."""
    error_ratio: float | None
    """Share that ended in a server error."""
    mean_seconds: float | None
    """Mean time to answer, server errors left out."""
    p50_seconds: float | None
    """Median, from the added buckets of all routes."""
    p95_seconds: float | None
    """95 % were answered within this."""
    p99_seconds: float | None
    """99 % were answered within this."""
    observations: int | None
    """How many answers are behind the quantiles."""


class DatabaseShape(Shape):
    """Queries over all classes, in the newest judged span."""

    p50_seconds: float | None
    """Median of the time of a query, as applications measure it."""
    p95_seconds: float | None
    """95 % were answered within this."""
    p99_seconds: float | None
    """99 % were answered within this."""
    statement_mean_seconds: float | None
    """Mean time of a statement, by pg_stat_statements."""
    statements_per_second: float | None
    """Statements per second, by pg_stat_statements."""
    buffer_hit_ratio: float | None
    """Share of blocks that PostgreSQL found in its buffers."""
    connections_ratio: float | None
    """Connections in use as a share of the most that are allowed; of the fullest server."""


class HighestShape(Shape):
    """The machine on which something is highest."""

    ratio: float
    """0 to 1."""
    target: str
    """The target it is of."""


class CacheShape(Shape):
    """All caches together."""

    hit_ratio: float | None
    """Hits as a share of lookups; the same as `cache_hit_ratio`."""
    keys: int | None
    """Keys in Redis and Valkey, all databases, and items in memcached."""


class VitalOfApp(DistributionShape):
    """One metric of one app, all routes and devices together, of the last 24 hours."""

    app: str
    """The app."""
    metric: MetricName
    """The metric."""
    unit: Unit
    """Base unit of its values."""


class OpenCounts(Shape):
    """What is open now."""

    total: int
    """Regressions, acknowledged and muted ones too."""
    critical: int
    """Critical ones."""
    warning: int
    """Warnings."""
    info: int
    """Those for information."""
    incidents: int
    """Open incidents that they belong to."""


class TargetCounts(Shape):
    """How the targets are doing."""

    up: int
    """Answered at the last collection."""
    down: int
    """Did not."""
    pending: int
    """Were not collected yet."""
    down_names: list[str]
    """The names of those that are down, at most 20."""


class SummaryShape(Shape):
    """The whole state. What is not measured is null, never zero."""

    version: str
    """The version of Plimsoll."""
    started_at: datetime
    """When this process began to answer."""
    uptime_seconds: float
    """How long ago that is."""
    judged_at: datetime | None
    """The newest tick; null before the first."""
    open: OpenCounts
    """Open regressions by severity; of all targets."""
    targets: TargetCounts
    """Targets that are collected from; all of them."""
    requests: RequestsShape
    """The API."""
    database: DatabaseShape
    """Databases."""
    cache_hit_ratio: float | None
    """Hits as a share of lookups, over all caches."""
    cache: CacheShape
    """Caches."""
    cpu: HighestShape | None
    """The busiest machine."""
    memory: HighestShape | None
    """The fullest machine."""
    web_vitals: list[VitalOfApp]
    """What browsers measured, by app and metric; empty where no app is configured."""


@routes.get("/summary", summary="The whole state in one small answer")
def summary(
    house: Rooms, known: Targets, asked: Annotated[SummaryAsked, Query()], request: Request
) -> SummaryShape:
    """From the newest windows of the shipped signals; readings of more than 15 minutes ago are out.

    Quantiles over several routes come from their added buckets, ratios and means are weighted by
    what is behind them.
    """
    now = house.now()
    now_ms, started = milliseconds(now), request.app.state.started
    with house.state.reading() as session:
        judged_ms = house.book.progress_ms(session, TICK)
        severities = Counter(one.severity for one in house.book.open_regressions(session))
        incidents = session.exec(
            select(func.count()).select_from(IncidentRow).where(IncidentRow.phase == Phase.OPEN)
        ).one()
    hits = fresh(house, "cache_hit_rate", now_ms, asked.target)
    hit_ratio = weighted(house, "cache_hit_rate", hits)
    return SummaryShape(
        version=version("plimsoll"),
        started_at=started,
        uptime_seconds=max(0.0, (now - started).total_seconds()),
        judged_at=None if judged_ms is None else at(judged_ms),
        open=OpenCounts(
            total=sum(severities.values()),
            critical=severities[Severity.CRITICAL],
            warning=severities[Severity.WARNING],
            info=severities[Severity.INFO],
            incidents=incidents,
        ),
        targets=counted(known),
        requests=requests(house, now_ms, asked.target),
        database=database(house, now_ms, asked.target),
        cache_hit_ratio=hit_ratio,
        cache=CacheShape(hit_ratio=hit_ratio, keys=newest_total(house, KEYS, now_ms, asked.target)),
        cpu=machine(house, "host_cpu_usage", now_ms, asked.target),
        memory=machine(house, "host_memory_usage", now_ms, asked.target),
        web_vitals=web_vitals(house, now_ms, asked.target),
    )


def counted(known: tuple[TargetStatus, ...]) -> TargetCounts:
    """How many targets are up, and which are down."""
    states = Counter(one.state for one in known)
    down = [one.name for one in known if one.state is TargetState.DOWN]
    return TargetCounts(
        up=states[TargetState.UP],
        down=states[TargetState.DOWN],
        pending=states[TargetState.PENDING],
        down_names=down[:MOST_NAMES],
    )


def requests(house: House, now_ms: int, target: str | None) -> RequestsShape:
    """All routes together."""

    def newest(signal: str) -> list[Reading]:
        return fresh(house, signal, now_ms, target)

    found = quantiles(house, "api_p95", Q, now_ms, target)
    return RequestsShape(
        per_second=total_rate(house, "api_requests", newest("api_requests")),
        error_ratio=weighted(house, "api_error_rate", newest("api_error_rate")),
        mean_seconds=weighted(house, "api_mean", newest("api_mean")),
        p50_seconds=found.values[0.5],
        p95_seconds=found.values[0.95],
        p99_seconds=found.values[0.99],
        observations=round(found.n) if found.n else None,
    )


def database(house: House, now_ms: int, target: str | None) -> DatabaseShape:
    """All query classes and servers together."""

    def newest(signal: str) -> list[Reading]:
        return fresh(house, signal, now_ms, target)

    found = quantiles(house, "db_p95", Q, now_ms, target)
    fullest = highest(house, "db_connections_usage", newest("db_connections_usage"))
    return DatabaseShape(
        p50_seconds=found.values[0.5],
        p95_seconds=found.values[0.95],
        p99_seconds=found.values[0.99],
        statement_mean_seconds=weighted(house, "db_statement_time", newest("db_statement_time")),
        statements_per_second=total_rate(house, "db_statements", newest("db_statements")),
        buffer_hit_ratio=weighted(house, "db_buffer_hit_rate", newest("db_buffer_hit_rate")),
        connections_ratio=None if fullest is None else fullest.value,
    )


def web_vitals(house: House, now_ms: int, target: str | None) -> list[VitalOfApp]:
    """What browsers measured in 24 hours, of the apps of a target if one is asked for."""
    apps = {one.name for one in house.settings.collector.rum.apps if target in (None, one.target)}
    if not apps:
        return []

    def project(labels: Labels) -> Key | None:
        app = labels.get("app")
        return (app, labels.get("metric")) if app in apps else None

    found = counts(house, Cut.MIX, Hours.around(now_ms - DAY_MS, now_ms), project)
    return [
        VitalOfApp.model_validate(
            {
                "app": app,
                "metric": metric,
                "unit": unit_of(metric),
                **distribution(metric, observed).model_dump(),
            }
        )
        for (app, metric), observed in sorted(found.items())
    ]


def machine(house: House, signal: str, now_ms: int, target: str | None) -> HighestShape | None:
    """The machine where a gauge is highest."""
    found = highest(house, signal, fresh(house, signal, now_ms, target))
    if found is None:
        return None
    return HighestShape(ratio=found.value, target=found.labels.get("target"))

"""Incidents to tell of: a shop whose cart got slower after a deployment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detector.regression import Deployment, Incident, Phase, Regression, Severity
from detector.units import Unit
from storage.series import Labels

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def minutes(count: float) -> int:
    return ms(NOON + timedelta(minutes=count))


CART = Regression(
    id="reg-cart",
    incident_id="inc-1",
    fingerprint="f1",
    rule="api_p95_relative",
    signal="api_p95",
    title="API p95",
    unit=Unit.SECONDS,
    labels=Labels.of(service="shop", method="GET", route="/cart"),
    worse="up",
    severity=Severity.WARNING,
    phase=Phase.OPEN,
    value=0.812,
    worst=0.812,
    threshold=0.6852,
    baseline=0.571,
    began_lo_ms=minutes(3),
    began_hi_ms=minutes(5),
    opened_ms=minutes(9),
    updated_ms=minutes(9),
    runbook="https://wiki.example/runbooks/slow-cart",
)
POOL = replace(
    CART,
    id="reg-pool",
    fingerprint="f2",
    rule="db_p95_absolute",
    signal="db_p95",
    title="Database p95",
    labels=Labels.of(service="shop", query="select_cart"),
    value=0.140,
    worst=0.160,
    threshold=0.1,
    baseline=None,
    runbook="",
)
RELEASE = Deployment(
    id="dep-1",
    service="shop",
    version="1.4.2",
    at_ms=minutes(1),
    url="https://ci.example/shop/1.4.2",
)


def incident(name: str = "inc-1", *, version: int = 1, **changes: Any) -> Incident:
    """An open incident with one regression."""
    made = Incident(
        id=name,
        labels=Labels.of(service="shop"),
        phase=Phase.OPEN,
        severity=Severity.WARNING,
        opened_ms=minutes(9),
        resolved_ms=None,
        version=version,
        regressions=(replace(CART, incident_id=name),),
        deployment=RELEASE,
    )
    return replace(made, **changes)


def changed(before: Incident, value: float = 0.9) -> Incident:
    """The next version, a little slower."""
    first = replace(before.regressions[0], value=value, worst=max(value, 0.812))
    return replace(before, version=before.version + 1, regressions=(first,))


def worse(before: Incident) -> Incident:
    """The next version, critical and with the database in it."""
    first = replace(
        before.regressions[0], severity=Severity.CRITICAL, value=1.31, worst=1.42, runbook=""
    )
    pool = replace(POOL, incident_id=before.id)
    return replace(
        before,
        version=before.version + 1,
        severity=Severity.CRITICAL,
        regressions=(pool, first),
    )


def resolved(before: Incident) -> Incident:
    """The last version: over after 34 minutes."""
    ended = minutes(37)
    regressions = tuple(
        replace(r, phase=Phase.RESOLVED, value=0.54, resolved_ms=ended) for r in before.regressions
    )
    return replace(
        before,
        version=before.version + 1,
        phase=Phase.RESOLVED,
        resolved_ms=ended,
        regressions=regressions,
    )


def decided(before: Incident, phase: Phase, **changes: Any) -> Incident:
    """The next version, after somebody decided about all of it."""
    over = phase.is_over
    ended = minutes(37) if over else None
    regressions = tuple(
        replace(r, phase=phase, by="ada", resolved_ms=ended, **changes) for r in before.regressions
    )
    return replace(
        before,
        version=before.version + 1,
        phase=Phase.RESOLVED if over else Phase.OPEN,
        resolved_ms=ended,
        regressions=regressions,
    )

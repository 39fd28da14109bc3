"""Regressions and deployments as the book takes them; every test changes what it looks at."""

from typing import Any

from detector.identity import identity
from detector.regression import Deployment, Phase, Regression, Severity, Step, Transition
from detector.units import Unit
from storage.series import Labels

NOON_MS = 1_772_452_800_000
MINUTE_MS = 60_000
CART = Labels.of(target="shop", method="GET", route="/cart")


def regression(minute: int = 0, **changes: Any) -> Regression:
    """An open regression of `GET /cart` that opened so many minutes after noon."""
    at_ms = NOON_MS + minute * MINUTE_MS
    values: dict[str, Any] = {
        "rule": "api_slow",
        "labels": CART,
        "severity": Severity.WARNING,
        "unit": Unit.SECONDS,
        **changes,
    }
    print_ = values.setdefault("fingerprint", identity("f", values["rule"], str(values["labels"])))
    return Regression(
        **{
            "id": identity("reg", print_, at_ms),
            "incident_id": "",
            "signal": "api_p95",
            "title": "API p95",
            "worse": "up",
            "phase": Phase.OPEN,
            "value": 0.9,
            "worst": 1.1,
            "threshold": 0.5,
            "baseline": 0.4,
            "began_lo_ms": at_ms - 20 * MINUTE_MS,
            "began_hi_ms": at_ms - 15 * MINUTE_MS,
            "opened_ms": at_ms,
            "updated_ms": at_ms,
            "held_since_ms": at_ms,
            "runbook": "https://example.org/run",
            "evidence": {"n": 300.0, "deviation": None, "baseline_n": 5000.0, "days": 7},
            **values,
        }
    )


def step(one: Regression, what: Step = Step.OPENED) -> Transition:
    """The transition that belongs to it."""
    return Transition(
        regression_id=one.id,
        at_ms=one.updated_ms,
        actor="detector",
        before="",
        after=one.phase,
        reason="told",
        step=what,
        evidence={"n": 300.0},
    )


def deployment(minute: int, service: str = "shop", version: str = "2.7.1") -> Deployment:
    """A deployment so many minutes after noon."""
    at_ms = NOON_MS + minute * MINUTE_MS
    return Deployment(
        id=identity("dep", service, version, at_ms),
        service=service,
        version=version,
        at_ms=at_ms,
        sha="9f1c2ab",
        environment="production",
        url="https://ci.example/1",
    )

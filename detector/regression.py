"""What came of a judgement that held: regressions, the incidents they form, deployments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from detector import units
from detector.finding import Finding
from storage.series import Labels


class Phase(StrEnum):
    """Where a regression or an incident is in its life."""

    OPEN = "open"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How bad; `rank` orders them."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A service, a version, a time; posted by CI."""

    id: str
    service: str
    version: str
    at_ms: int
    sha: str = ""
    environment: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """One rule on one series, from the tick it opened to the tick it was resolved.

    `baseline` is the one it opened with: it stays frozen, so that a regression cannot become its
    own normal. Absolute rules have none. `began_lo_ms..began_hi_ms` is the span in which the change
    set in. `value` is the newest judged value, `worst` the worst so far.
    """

    id: str
    incident_id: str
    fingerprint: str
    rule: str
    signal: str
    title: str
    unit: units.Unit
    labels: Labels
    worse: str
    severity: Severity
    phase: Phase
    value: float
    worst: float
    threshold: float
    baseline: float | None
    began_lo_ms: int
    began_hi_ms: int
    opened_ms: int
    updated_ms: int
    clear_since_ms: int | None = None
    resolved_ms: int | None = None
    runbook: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def change(self) -> str:
        """`+42 %` against the frozen baseline, at its worst; empty for absolute rules."""
        return units.change(self.worst, self.baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Regressions that belong together, told as one thing.

    `version` rises with every change that a person should hear of; whoever tells it claims a
    version. `labels` are those that all its regressions share. `deployment` is the one whose time
    fits, by correlation only. `finding` says where it probably began, and all that it correlates
    with.
    """

    id: str
    labels: Labels
    phase: Phase
    severity: Severity
    opened_ms: int
    resolved_ms: int | None
    version: int
    regressions: tuple[Regression, ...]
    deployment: Deployment | None = None
    finding: Finding = field(default_factory=Finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step in the life of a regression, with who took it and what it rested on."""

    regression_id: str
    at_ms: int
    actor: str
    before: str
    after: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

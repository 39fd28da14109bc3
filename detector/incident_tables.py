"""Tables of what is found out about incidents, and of their steps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from detector.finding import (
    Check,
    Correlation,
    Finding,
    Match,
    Origin,
    OriginReason,
    OriginVerdict,
    Peers,
    Slots,
)
from detector.tables import document, milliseconds


class Step(StrEnum):
    """What happened to an incident as a whole."""

    OPENED = "opened"
    JOINED = "joined"
    TOOK_OVER = "took_over"
    MERGED = "merged"
    REOPENED = "reopened"
    ORIGIN = "origin"
    STORM = "storm"
    CORRELATED = "correlated"
    TESTED = "tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentStep:
    """One step in the life of an incident, with who took it and what it rested on."""

    incident_id: str
    at_ms: int
    actor: str
    step: Step
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


class IncidentStepRow(SQLModel, table=True):
    """One step of an incident."""

    __tablename__ = "incident_step"
    __table_args__ = (
        Index("ix_incident_step_page", "at_ms", "id"),
        Index("ix_incident_step_step_page", "step", "at_ms", "id"),
        Index("ix_incident_step_actor_page", "actor", "at_ms", "id"),
        Index("ix_incident_step_actor_step_page", "actor", "step", "at_ms", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(foreign_key="incident.id", index=True)
    at_ms: int = milliseconds()
    actor: str
    step: str
    reason: str
    evidence: dict[str, Any] = document()

    @classmethod
    def of(cls, one: IncidentStep) -> "IncidentStepRow":
        """The row of a step."""
        return cls(
            incident_id=one.incident_id,
            at_ms=one.at_ms,
            actor=one.actor,
            step=str(one.step),
            reason=one.reason,
            evidence=dict(one.evidence),
        )

    def domain(self) -> IncidentStep:
        """What the row stands for."""
        return IncidentStep(
            incident_id=self.incident_id,
            at_ms=self.at_ms,
            actor=self.actor,
            step=Step(self.step),
            reason=self.reason,
            evidence=self.evidence,
        )


class FindingRow(SQLModel, table=True):
    """What is found out about one incident; `at_ms` is the tick that looked last."""

    __tablename__ = "incident_finding"

    incident_id: str = Field(primary_key=True, foreign_key="incident.id")
    at_ms: int = milliseconds()
    merged_into: str = ""
    storm: bool = False
    origin: dict[str, Any] = document()
    correlations: list[dict[str, Any]] = document()

    @classmethod
    def of(cls, incident_id: str, at_ms: int, finding: Finding) -> "FindingRow":
        """The row of a finding."""
        row = cls(incident_id=incident_id, at_ms=at_ms, origin={}, correlations=[])
        row.keep(at_ms, finding)
        return row

    def keep(self, at_ms: int, finding: Finding) -> None:
        """Put a newer finding in the place of what it holds."""
        self.at_ms = at_ms
        self.merged_into, self.storm = finding.merged_into, finding.storm
        self.origin = asdict(finding.origin)
        self.correlations = [asdict(one) for one in finding.correlations]

    def domain(self) -> Finding:
        """What the row stands for."""
        return finding_of(self)


def finding_of(row: Any) -> Finding:
    """The finding of a row, watched or only read."""
    return Finding(
        origin=origin_of(row.origin),
        correlations=tuple(correlation(one) for one in row.correlations),
        storm=row.storm,
        merged_into=row.merged_into,
    )


def origin_of(stored: Mapping[str, Any]) -> Origin:
    """An origin from its document."""
    return Origin(
        OriginVerdict(stored["verdict"]),
        stored["regression_id"],
        tuple(OriginReason(one) for one in stored["reasons"]),
        tuple(stored["among"]),
    )


def correlation(stored: Mapping[str, Any]) -> Correlation:
    """A correlation from its document."""
    slots, peers = stored["slots"], stored["peers"]
    return Correlation(
        **{
            **stored,
            "match": Match(stored["match"]),
            "slots": Slots(**{**slots, "check": Check(slots["check"])}),
            "peers": Peers(**{**peers, "check": Check(peers["check"])}),
        }
    )

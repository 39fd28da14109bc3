"""The detector's tables, and the way between a row and what it stands for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Row,
    Select,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import Field, Session, SQLModel

from detector.finding import Finding
from detector.regression import (
    Deployment,
    Incident,
    Kind,
    Phase,
    Regression,
    Severity,
    Step,
    Tag,
    Transition,
)
from detector.units import Unit
from storage.series import Labels


def milliseconds(*, index: bool = False, nullable: bool = False) -> Any:
    """A column of milliseconds since the epoch; a plain integer would end in January 1970."""
    return Field(sa_column=Column(BigInteger, index=index, nullable=nullable))


def document() -> Any:
    """A column of JSON."""
    return Field(sa_column=Column(JSON, nullable=False))


UNTOLD = text("announced < version")
LIVE = text("open_key IS NOT NULL")
ACCEPTED = text("accepted_from_ms IS NOT NULL")
# The order of pages, then all that a filter can ask for: a filter is tested without reading rows.
ENTRY = ("opened_ms", "id", "kind", "severity", "phase", "signal", "rule", "target")
# Columns that hold one of a few words, with the member of each word: to call the class for it takes
# five times as long.
WORDS: dict[str, dict[str, Any]] = {
    name: {str(one): one for one in known}
    for name, known in (("kind", Kind), ("unit", Unit), ("severity", Severity), ("phase", Phase))
}


def led(name: str) -> tuple[str, ...]:
    """An entry that this column leads."""
    return name, *(one for one in ENTRY if one != name)


class IncidentRow(SQLModel, table=True):
    """One incident; `announced` is the highest version that somebody took to tell it."""

    __tablename__ = "incident"
    __table_args__ = (
        Index("ix_incident_page", "opened_ms", "id"),
        Index("ix_incident_phase_page", "phase", "opened_ms", "id"),
        Index("ix_incident_severity_page", "severity", "opened_ms", "id"),
        Index("ix_incident_phase_severity_page", "phase", "severity", "opened_ms", "id"),
        # The few that somebody must still tell, found without reading the many that are told.
        Index(
            "ix_incident_untold", "opened_ms", "id", sqlite_where=UNTOLD, postgresql_where=UNTOLD
        ),
    )

    id: str = Field(primary_key=True)
    labels: dict[str, str] = document()
    phase: str
    severity: str
    opened_ms: int = milliseconds()
    resolved_ms: int | None = milliseconds(nullable=True)
    version: int
    announced: int = 0
    deployment_id: str | None = Field(default=None, foreign_key="deployment.id")

    def domain(
        self, regressions: tuple[Regression, ...], deployment: Deployment | None
    ) -> Incident:
        """What the row stands for."""
        return incident_of(self, regressions, deployment)


def incident_of(
    row: Any,
    regressions: tuple[Regression, ...],
    deployment: Deployment | None,
    finding: Finding | None = None,
) -> Incident:
    """The incident of a row, watched or only read, with what belongs to it."""
    return Incident(
        id=row.id,
        labels=Labels.of(row.labels),
        phase=WORDS["phase"][row.phase],
        severity=WORDS["severity"][row.severity],
        opened_ms=row.opened_ms,
        resolved_ms=row.resolved_ms,
        version=row.version,
        regressions=regressions,
        deployment=deployment,
        finding=finding or Finding(),
    )


class RegressionRow(SQLModel, table=True):
    """One regression; `open_key` is its fingerprint until it is over, so that two cannot be.

    A suspicion and an improvement belong to no incident: nobody is told of them.
    """

    __tablename__ = "regression"
    __table_args__ = (
        Index("ix_regression_page", *ENTRY),
        Index("ix_regression_signal_page", *led("signal")),
        Index("ix_regression_rule_page", *led("rule")),
        Index("ix_regression_target_page", *led("target")),
        # What is not over, among a million that are.
        Index("ix_regression_live", *ENTRY, sqlite_where=LIVE, postgresql_where=LIVE),
        Index("ix_regression_resolved_ms", "resolved_ms"),
        # What began about when something was deployed, among all that ever did.
        Index("ix_regression_began", "began_hi_ms", "began_lo_ms"),
        # Ticks ask for false positives whose breach lasts, among many that are over.
        Index("ix_regression_phase_clear", "phase", "clear_since_ms"),
        Index(
            "ix_regression_accepted",
            "accepted_from_ms",
            sqlite_where=ACCEPTED,
            postgresql_where=ACCEPTED,
        ),
    )

    id: str = Field(primary_key=True)
    incident_id: str | None = Field(default=None, foreign_key="incident.id", index=True)
    fingerprint: str = Field(index=True)
    open_key: str | None = Field(default=None, unique=True)
    rule: str
    signal: str
    title: str
    unit: str
    labels: dict[str, str] = document()
    target: str = ""
    worse: str
    severity: str
    phase: str
    value: float
    worst: float
    threshold: float
    baseline: float | None
    began_lo_ms: int = milliseconds()
    began_hi_ms: int = milliseconds()
    opened_ms: int = milliseconds()
    updated_ms: int = milliseconds()
    clear_since_ms: int | None = milliseconds(nullable=True)
    resolved_ms: int | None = milliseconds(nullable=True)
    runbook: str = ""
    evidence: dict[str, Any] = document()
    kind: str
    version: int = 1
    held_since_ms: int = milliseconds()
    earlier: list[list[int]] = document()
    recorded: float | None
    recorded_ms: int = milliseconds()
    tags: list[str] = document()
    muted_until_ms: int | None = milliseconds(nullable=True)
    silent_since_ms: int | None = milliseconds(nullable=True)
    accepted_from_ms: int | None = milliseconds(nullable=True)
    by: str = ""

    @classmethod
    def of(cls, regression: Regression) -> "RegressionRow":
        """The row of a regression."""
        values = {name: getattr(regression, name) for name in SAME}
        return cls(
            **values,
            incident_id=regression.incident_id or None,
            open_key=None if regression.phase.is_over else regression.fingerprint,
            kind=str(regression.kind),
            earlier=[list(one) for one in regression.earlier],
            tags=[str(one) for one in regression.tags],
            unit=str(regression.unit),
            labels=regression.labels.as_dict(),
            target=regression.labels.as_dict().get("target", ""),
            severity=str(regression.severity),
            phase=str(regression.phase),
            evidence=dict(regression.evidence),
        )

    def domain(self) -> Regression:
        """What the row stands for."""
        return domain({name: getattr(self, name) for name in (*BRIEF, "evidence")})


# Members that are the same in the row and in the domain.
SAME = (
    "id", "fingerprint", "rule", "signal", "title", "worse", "value", "worst",
    "threshold", "baseline", "began_lo_ms", "began_hi_ms", "opened_ms", "updated_ms",
    "clear_since_ms", "resolved_ms", "runbook", "version", "held_since_ms", "recorded",
    "recorded_ms", "muted_until_ms", "silent_since_ms", "accepted_from_ms", "by",
)  # fmt: skip


# What a regression is without its evidence, which is most of what is read and parsed of it.
BRIEF = (*SAME, "incident_id", "kind", "earlier", "tags", "unit", "labels", "severity", "phase")

# What a heading is made of. All of it stands before the evidence, behind which a row of an SQLite
# file goes on in other pages.
NAMED = (
    "id", "incident_id", "fingerprint", "rule", "signal", "title", "unit", "labels", "worse",
    "severity", "phase", "value", "worst", "threshold", "baseline", "began_lo_ms", "began_hi_ms",
    "opened_ms", "updated_ms",
)  # fmt: skip


def regressions_of(
    session: Session, condition: ColumnElement[bool], names: Sequence[str] = (*BRIEF, "evidence")
) -> Iterator[Regression]:
    """Regressions that meet a condition; those that are not read whole are shown, never stored."""
    row = columns(RegressionRow)
    chosen: Select[Any] = sqlalchemy.select(*(row[name] for name in names))
    found = session.execute(chosen.where(condition)).all()
    return (domain(dict(zip(names, row, strict=True))) for row in found)


def domain(found: dict[str, Any]) -> Regression:
    """The regression of these columns."""
    found["incident_id"] = found["incident_id"] or ""
    for name, known in WORDS.items():
        if name in found:  # those that are only named have no kind
            found[name] = known[found[name]]
    if "earlier" in found:
        found["earlier"] = tuple((lo, hi) for lo, hi in found["earlier"])
        found["tags"] = tuple(map(Tag, found["tags"]))
    found["labels"] = Labels.of(found["labels"])
    return Regression(**found)


class TransitionRow(SQLModel, table=True):
    """One step in the life of a regression."""

    __tablename__ = "transition"
    __table_args__ = (
        Index("ix_transition_page", "at_ms", "id"),
        Index("ix_transition_step_page", "step", "at_ms", "id"),
        Index("ix_transition_actor_page", "actor", "at_ms", "id"),
        Index("ix_transition_actor_step_page", "actor", "step", "at_ms", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    regression_id: str = Field(foreign_key="regression.id", index=True)
    at_ms: int = milliseconds()
    actor: str
    before: str
    after: str
    reason: str
    step: str
    evidence: dict[str, Any] = document()

    @classmethod
    def of(cls, transition: Transition) -> "TransitionRow":
        """The row of a transition."""
        return cls(
            regression_id=transition.regression_id,
            at_ms=transition.at_ms,
            actor=transition.actor,
            before=transition.before,
            after=transition.after,
            reason=transition.reason,
            step=str(transition.step),
            evidence=dict(transition.evidence),
        )

    def domain(self) -> Transition:
        """What the row stands for."""
        return Transition(
            regression_id=self.regression_id,
            at_ms=self.at_ms,
            actor=self.actor,
            before=self.before,
            after=self.after,
            reason=self.reason,
            step=Step(self.step),
            evidence=self.evidence,
        )


class DeploymentRow(SQLModel, table=True):
    """One deployment; the same service, version and time is the same deployment."""

    __tablename__ = "deployment"
    __table_args__ = (UniqueConstraint("service", "version", "at_ms"),)

    id: str = Field(primary_key=True)
    service: str
    version: str
    at_ms: int = milliseconds(index=True)
    sha: str = ""
    environment: str = ""
    url: str = ""

    def domain(self) -> Deployment:
        """What the row stands for."""
        return deployment_of([getattr(self, name) for name in DEPLOYED])


DEPLOYED = tuple(DeploymentRow.model_fields)


def deployment_of(values: Iterable[Any]) -> Deployment:
    """The deployment of a row, watched or only read: of its values in the order of the columns."""
    return Deployment(**dict(zip(DEPLOYED, values, strict=True)))


def columns(table: type[SQLModel]) -> ReadOnlyColumnCollection[str, Any]:
    """The columns of a table for statements whose rows no session watches.

    Watched rows cost as much again, and so does the making of statements that could give them.
    """
    found: ReadOnlyColumnCollection[str, Any] = sqlalchemy.inspect(table).local_table.c
    return found


def read_only(
    session: Session, table: type[SQLModel], condition: Any, *order: Any, limit: int | None = None
) -> Sequence[Row[Any]]:
    """Rows with their columns as members, as they are now and for reading only."""
    chosen: Select[Any] = sqlalchemy.select(*columns(table)).where(condition)
    return session.execute(chosen.order_by(*order).limit(limit)).all()


class ProgressRow(SQLModel, table=True):
    """How far a loop has come: the end of the last tick that was completed."""

    __tablename__ = "progress"

    name: str = Field(primary_key=True)
    at_ms: int = milliseconds()

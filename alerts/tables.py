"""What the deciding half keeps: groups, silences, decisions, and its own troubles."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel


def milliseconds(*, nullable: bool = False) -> Any:
    """A time."""
    return Field(sa_type=BigInteger, nullable=nullable)


def document() -> Any:
    """Something structured."""
    return Field(sa_column=Column(JSON, nullable=False))


class GroupRow(SQLModel, table=True):
    """One group of alerts. `due_ms` is set while something can become of it.

    `id` is a hash of its key, which may be longer than an index takes.
    `revision` rises with every change: whoever writes says which one he read, so that of several
    processes exactly one takes each step.
    """

    __tablename__ = "alert_group"
    __table_args__ = (Index("ix_alert_group_due", "due_ms"),)

    id: str = Field(primary_key=True)
    revision: int
    due_ms: int | None = Field(default=None, sa_type=BigInteger)
    content: dict[str, Any] = document()


class SilenceRow(SQLModel, table=True):
    """A silence or a maintenance window; expiring one moves its end."""

    __tablename__ = "silence"
    __table_args__ = (
        Index("ix_silence_ends_ms", "ends_ms"),
        Index("ix_silence_page", "created_ms", "id"),
    )

    id: str = Field(primary_key=True)
    kind: str
    matchers: list[dict[str, Any]] = document()
    starts_ms: int = milliseconds()
    ends_ms: int = milliseconds()
    created_by: str
    comment: str = Field(sa_type=Text)
    created_ms: int = milliseconds()
    updated_ms: int = milliseconds()


class DecisionRow(SQLModel, table=True):
    """What was decided about one version of an incident for one receiver, and why.

    `key` is that of the message in the outbox, where one was written; what became of it stands
    there. `recheck_ms` is set while a silence is all that keeps an incident quiet and no group will
    look at it again.
    """

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_page", "at_ms", "id"),
        Index("ix_notification_incident", "incident_id", "receiver", "id"),
        Index("ix_notification_recheck_ms", "recheck_ms"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = milliseconds()
    incident_id: str
    version: int
    receiver: str
    route: str = Field(sa_type=Text)
    group_key: str = Field(sa_type=Text)
    action: str
    reason: str
    phase: str
    severity: str
    evidence: dict[str, Any] = document()
    key: str
    recheck_ms: int | None = milliseconds(nullable=True)


class TroubleRow(SQLModel, table=True):
    """A trouble of Plimsoll itself, told as an incident. `open_key` keeps one of each open."""

    __tablename__ = "trouble"
    __table_args__ = (Index("ix_trouble_resolved_ms", "resolved_ms"),)

    id: str = Field(primary_key=True)
    open_key: str | None = Field(default=None, unique=True)
    kind: str
    subject: str
    reporter: str
    detail: str = Field(sa_type=Text)
    value: float
    threshold: float
    opened_ms: int = milliseconds()
    updated_ms: int = milliseconds()
    resolved_ms: int | None = milliseconds(nullable=True)
    version: int
    announced: int

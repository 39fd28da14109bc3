"""The table of the outbox, and the questions that are asked of its rows."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, Text, and_, case, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, select

from alerts.alert import Action, Outcome, Reference
from alerts.retry import State

# After one of these the receiver is left in peace as a whole until the row's next attempt.
HOLDING = (
    Outcome.RATE_LIMITED,
    Outcome.UNREACHABLE,
    Outcome.SERVER_ERROR,
    Outcome.RECEIVER_BROKEN,
)


class Kind(StrEnum):
    """What a row sends: the message of an incident, a list of many, or what goes into a thread."""

    MESSAGE = "message"
    DIGEST = "digest"
    REPLY = "reply"
    CHART = "chart"


STANDING = (Kind.MESSAGE, Kind.DIGEST)


class OutboxRow(SQLModel, table=True):
    """One message; see `alerts.outbox` for what a row stands for.

    `thread_of` is the incident or digest whose thread it goes into, `gathered` the digest that
    tells it, `line` what that says of it, `decided` what a person had decided by then.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "next_attempt_ms"),
        Index("ix_outbox_incident", "incident_id", "receiver", "id"),
        Index("ix_outbox_pace", "attempted_ms"),
        Index("ix_outbox_gathered", "gathered"),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    incident_id: str
    receiver: str
    version: int
    action: str
    reason: str
    phase: str
    severity: str
    payload: str = Field(sa_type=Text)
    digest: str
    state: str
    attempts: int = 0
    repeats: int = 0
    created_ms: int = Field(sa_type=BigInteger)
    first_attempt_ms: int | None = Field(default=None, sa_type=BigInteger)
    attempted_ms: int | None = Field(default=None, sa_type=BigInteger)
    next_attempt_ms: int | None = Field(default=None, sa_type=BigInteger)
    sent_ms: int | None = Field(default=None, sa_type=BigInteger)
    outcome: str = ""
    error: str = Field(default="", sa_type=Text)
    channel: str = ""
    ts: str = ""
    kind: str = Kind.MESSAGE
    thread_of: str = ""
    gathered: str = ""
    line: str = Field(default="", sa_type=Text)
    decided: str = Field(default="", sa_type=Text)


def outstanding() -> Any:
    """Something is still to be done about the row; as a range, for which there is an index."""
    return col(OutboxRow.next_attempt_ms) >= 0


def unsent() -> Any:
    """The row has something to say that is not said yet; what is only told again is said."""
    return and_(outstanding(), col(OutboxRow.state) != State.SENT)


def about(incident_id: str, receiver: str) -> tuple[Any, ...]:
    """The messages of one incident for one receiver, without what stands in their threads."""
    return (
        OutboxRow.incident_id == incident_id,
        OutboxRow.receiver == receiver,
        col(OutboxRow.kind).in_(STANDING),
    )


def replaceable(row: OutboxRow) -> bool:
    """The message has surely not gone out yet and will be tried again."""
    return row.state in (State.PENDING, State.FAILED) and row.next_attempt_ms is not None


def due(now_ms: int, resting: Collection[str], kinds: Collection[Kind]) -> Any:
    """The rows to try now: new messages, then edits, then replies, each the longest due first.

    Those of one incident keep their order; what goes into a thread waits for its message.
    """
    urgency = case((col(OutboxRow.action) == Action.POST, 0), (reply(), 2), else_=1)
    holder = aliased(OutboxRow)
    return (
        select(OutboxRow)
        .where(
            col(OutboxRow.next_attempt_ms) <= now_ms,
            col(OutboxRow.kind).in_(kinds),
            col(OutboxRow.receiver).not_in(resting),
            *unblocked(),
            ~exists().where(
                col(holder.receiver) == OutboxRow.receiver,
                col(holder.outcome).in_(HOLDING),
                col(holder.next_attempt_ms) > now_ms,
                # Text does not wait for charts; charts wait for both.
                or_(col(holder.kind) != Kind.CHART, col(OutboxRow.kind) == Kind.CHART),
            ),
        )
        .order_by(urgency, col(OutboxRow.next_attempt_ms), col(OutboxRow.id))
        .limit(1)
    )


def unblocked() -> tuple[Any, ...]:
    """Nothing has to come before the row: no older one, and no message for its thread."""
    older, root = aliased(OutboxRow), aliased(OutboxRow)
    same_line = or_(
        col(older.kind).in_(STANDING),
        and_(col(OutboxRow.kind) == Kind.REPLY, col(older.kind) == Kind.REPLY),
    )
    return (
        OutboxRow.state != State.SENDING,
        ~exists().where(
            col(older.incident_id) == OutboxRow.incident_id,
            col(older.receiver) == OutboxRow.receiver,
            col(older.next_attempt_ms).is_not(None),
            col(older.id) < col(OutboxRow.id),
            same_line,
        ),
        or_(
            col(OutboxRow.thread_of) == "",
            exists().where(
                col(root.incident_id) == OutboxRow.thread_of,
                col(root.receiver) == OutboxRow.receiver,
                col(root.kind).in_(STANDING),
                col(root.ts) != "",
            ),
        ),
    )


def reply() -> Any:
    """The row is a reply in a thread."""
    return col(OutboxRow.kind) == Kind.REPLY


def place(
    session: Session, incident_id: str, receiver: str, *, before: Reference | None = None
) -> Reference | None:
    """Where the newest message of an incident or digest stands at the receiver.

    With `before`: where the newest one stands that is another.
    """
    another = before.ts if before is not None else ""
    found = session.exec(
        select(OutboxRow.channel, OutboxRow.ts)
        .where(*about(incident_id, receiver), col(OutboxRow.ts).not_in(("", another)))
        .order_by(col(OutboxRow.id).desc())
        .limit(1)
    ).first()
    return Reference(*found) if found else None


def known_channel(session: Session, receiver: str) -> str:
    """The id of the channel this receiver posted into last; empty before the first message."""
    found = session.exec(
        select(OutboxRow.channel)
        .where(OutboxRow.receiver == receiver, OutboxRow.channel != "")
        .order_by(col(OutboxRow.id).desc())
        .limit(1)
    ).first()
    return found or ""

"""What must be sent; it survives a crash, and knows whether the fate of a message is known.

A row is one version of one incident for one receiver. `next_attempt_ms` is set exactly as long as
something is still to be done about it. Per incident and receiver at most one row is in flight or
in doubt and at most one waits behind it: a newer version takes the place of the one that waits.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger, Index, Text, delete, exists, func, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, select

from alerts.alert import Action, Alert, Delivery, Outcome, Reason, Reference, Told
from alerts.message import as_repeat, digest
from alerts.retry import RECOVERY_DELAY_MS, Letter, State, next_step
from detector.regression import Phase, Severity

# After one of these the receiver is left in peace as a whole until the row's next attempt.
HOLDING = (
    Outcome.RATE_LIMITED,
    Outcome.UNREACHABLE,
    Outcome.SERVER_ERROR,
    Outcome.RECEIVER_BROKEN,
)


class OutboxRow(SQLModel, table=True):
    """One message; see the module for what a row stands for."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "next_attempt_ms"),
        Index("ix_outbox_incident", "incident_id", "receiver", "id"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStatus:
    """How one receiver is; `error` is the newest one and holds no secrets."""

    broken: bool = False
    outstanding: int = 0
    outcome: str = ""
    error: str = ""
    retry_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatus:
    """What is still to be sent, how long it waits, and which receivers are in trouble."""

    pending: int = 0
    oldest_seconds: float = 0.0
    receivers: dict[str, ReceiverStatus] = field(default_factory=dict)


class Outbox:
    """The only hand on the table; every method is one part of the caller's unit of work."""

    def told(self, session: Session, incident_id: str, receiver: str) -> Told:
        """What a receiver knows of an incident; a message that failed for good told nothing."""
        rows = session.exec(
            select(OutboxRow)
            .where(
                *about(incident_id, receiver),
                OutboxRow.state != State.SUPERSEDED,
                or_(col(OutboxRow.state) != State.FAILED, outstanding()),
            )
            .order_by(col(OutboxRow.id).desc())
        ).all()
        if not rows:
            return Told()
        said = next((row for row in rows if not replaceable(row)), None)
        return Told(
            phase=Phase(said.phase) if said else None,
            severity=Severity(said.severity) if said else None,
            digest=rows[0].digest,
            waiting=replaceable(rows[0]),
        )

    def put(self, session: Session, alert: Alert, now_ms: int) -> Reason:
        """Add what an alert decided to send; the reason tells when it was there already."""
        incident, receiver = alert.incident, alert.receiver.name
        key = alert.key
        if session.exec(select(OutboxRow.id).where(OutboxRow.key == key)).first() is not None:
            return Reason.ALREADY_QUEUED
        payload = dict(alert.payload or {})
        session.add(
            OutboxRow(
                key=key,
                incident_id=incident.id,
                receiver=receiver,
                version=incident.version,
                action=alert.action,
                reason=alert.reason,
                phase=incident.phase,
                severity=incident.severity,
                payload=written(payload),
                digest=digest(payload),
                state=State.PENDING,
                created_ms=now_ms,
                next_attempt_ms=now_ms,
            )
        )
        session.flush()
        coalesce(session, incident.id, receiver)
        return alert.reason

    def claim(self, session: Session, now_ms: int, resting: Collection[str] = ()) -> Letter | None:
        """Take the message that is due longest; None when there is none, or another took it."""
        row = session.exec(due(now_ms, resting)).first()
        if row is None or row.id is None:
            return None
        in_doubt = row.state == State.UNKNOWN
        taken = session.exec(
            update(OutboxRow)
            .where(
                col(OutboxRow.id) == row.id,
                col(OutboxRow.state) == row.state,
                col(OutboxRow.attempts) == row.attempts,
            )
            .values(
                state=State.SENDING,
                attempts=row.attempts + 1,
                attempted_ms=now_ms,
                first_attempt_ms=func.coalesce(OutboxRow.first_attempt_ms, now_ms),
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:
            return None
        reference = place(session, row)
        action = Action(row.action)
        if action is Action.UPDATE and reference is None:
            action = Action.POST  # there is nothing to edit: what went before never arrived
        return Letter(
            id=row.id,
            key=row.key,
            incident_id=row.incident_id,
            receiver=row.receiver,
            version=row.version,
            action=action,
            payload=json.loads(row.payload),
            attempts=row.attempts + 1,
            repeats=row.repeats,
            in_doubt=in_doubt,
            first_attempt_ms=row.first_attempt_ms or now_ms,
            reference=reference,
            channel=reference.channel if reference else known_channel(session, row.receiver),
        )

    def settle(self, session: Session, letter: Letter, delivery: Delivery, now_ms: int) -> State:
        """Write down what became of a claimed message, and what follows from it."""
        step = next_step(letter, delivery, now_ms)
        row = session.get(OutboxRow, letter.id)
        if row is None or row.state != State.SENDING or row.attempts != letter.attempts:
            # Recovered meanwhile: whoever recovered it finds the truth by looking.
            return State.UNKNOWN
        row.state, row.action, row.repeats = step.state, step.action, step.repeats
        row.payload, row.next_attempt_ms = written(step.payload), step.next_attempt_ms
        row.outcome, row.error = delivery.outcome, delivery.detail
        if step.state is State.SENT:
            row.sent_ms, row.error = now_ms, ""
        reference = delivery.reference or (letter.reference if row.state == State.SENT else None)
        if reference is not None:
            row.channel, row.ts = reference.channel, reference.ts
        session.add(row)
        session.flush()
        coalesce(session, letter.incident_id, letter.receiver)
        return step.state

    def recover(self, session: Session, now_ms: int, claimed_before_ms: int) -> int:
        """Take back what was being sent when the process ended; its fate is unknown.

        Edits are simply made again; posts are looked for after a while, since the request may
        still be on its way.
        """
        rows = session.exec(
            select(OutboxRow).where(
                OutboxRow.state == State.SENDING,
                col(OutboxRow.attempted_ms) <= claimed_before_ms,
            )
        ).all()
        for row in rows:
            posted = row.action == Action.POST or place(session, row) is None
            row.state = State.UNKNOWN if posted else State.PENDING
            row.action = Action.POST if posted else row.action
            row.next_attempt_ms = now_ms + RECOVERY_DELAY_MS if posted else now_ms
            row.outcome, row.error = Outcome.UNKNOWN, "the process ended while sending"
            session.add(row)
        session.flush()
        for row in rows:
            coalesce(session, row.incident_id, row.receiver)
        return len(rows)

    def abandon(self, session: Session, receivers: Collection[str]) -> int:
        """Give up what waits for receivers that are no longer configured."""
        done = session.exec(
            update(OutboxRow)
            .where(outstanding(), col(OutboxRow.receiver).not_in(receivers))
            .values(state=State.FAILED, next_attempt_ms=None, error=Reason.NO_RECEIVER)
            .execution_options(synchronize_session=False)
        )
        return done.rowcount

    def status(self, session: Session, now_ms: int, receivers: Iterable[str] = ()) -> OutboxStatus:
        """What waits and what is broken; every configured receiver is in it."""
        rows = session.exec(
            select(OutboxRow).where(outstanding()).order_by(col(OutboxRow.attempted_ms))
        ).all()
        by_receiver: dict[str, list[OutboxRow]] = {name: [] for name in receivers}
        for row in rows:
            by_receiver.setdefault(row.receiver, []).append(row)
        oldest = min((row.created_ms for row in rows), default=now_ms)
        return OutboxStatus(
            pending=len(rows),
            oldest_seconds=max(0, now_ms - oldest) / 1000,
            receivers={name: receiver_status(those) for name, those in by_receiver.items()},
        )

    def retain(self, session: Session, before_ms: int) -> int:
        """Forget incidents whose last word was sent before; how many rows went."""
        last, later = aliased(OutboxRow), aliased(OutboxRow)
        over = exists().where(
            col(last.incident_id) == OutboxRow.incident_id,
            col(last.receiver) == OutboxRow.receiver,
            col(last.phase) == Phase.RESOLVED,
            col(last.next_attempt_ms).is_(None),
            col(last.created_ms) < before_ms,
            ~exists().where(
                col(later.incident_id) == last.incident_id,
                col(later.receiver) == last.receiver,
                col(later.id) > col(last.id),
            ),
        )
        done = session.exec(
            delete(OutboxRow).where(over).execution_options(synchronize_session=False)
        )
        return done.rowcount


def outstanding() -> Any:
    """Something is still to be done about the row."""
    return col(OutboxRow.next_attempt_ms).is_not(None)


def about(incident_id: str, receiver: str) -> tuple[Any, Any]:
    """The rows of one incident for one receiver."""
    return OutboxRow.incident_id == incident_id, OutboxRow.receiver == receiver


def replaceable(row: OutboxRow) -> bool:
    """The message has surely not gone out yet and will be tried again."""
    return row.state in (State.PENDING, State.FAILED) and row.next_attempt_ms is not None


def due(now_ms: int, resting: Collection[str]) -> Any:
    """The rows to try now, the longest due first; those of one incident keep their order."""
    older, holder = aliased(OutboxRow), aliased(OutboxRow)
    return (
        select(OutboxRow)
        .where(
            col(OutboxRow.next_attempt_ms) <= now_ms,
            OutboxRow.state != State.SENDING,
            col(OutboxRow.receiver).not_in(resting),
            ~exists().where(
                col(older.incident_id) == OutboxRow.incident_id,
                col(older.receiver) == OutboxRow.receiver,
                col(older.next_attempt_ms).is_not(None),
                col(older.id) < col(OutboxRow.id),
            ),
            ~exists().where(
                col(holder.receiver) == OutboxRow.receiver,
                col(holder.outcome).in_(HOLDING),
                col(holder.next_attempt_ms) > now_ms,
            ),
        )
        .order_by(col(OutboxRow.next_attempt_ms), col(OutboxRow.id))
        .limit(1)
    )


def place(session: Session, row: OutboxRow) -> Reference | None:
    """Where the incident's newest message stands at the receiver."""
    found = session.exec(
        select(OutboxRow.channel, OutboxRow.ts)
        .where(*about(row.incident_id, row.receiver), OutboxRow.ts != "")
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


def coalesce(session: Session, incident_id: str, receiver: str) -> None:
    """Let the newest version take the place of those that surely have not gone out.

    It inherits what was learnt by trying: a post stays a post, delays and doubts are kept.
    """
    waiting = session.exec(
        select(OutboxRow)
        .where(*about(incident_id, receiver), outstanding())
        .order_by(col(OutboxRow.id))
    ).all()
    for old, new in pairwise(waiting):
        if not replaceable(old) or not replaceable(new):
            continue
        if old.action == Action.POST:
            new.action = Action.POST
            if new.reason != Reason.RESOLVED:
                new.reason = old.reason
        new.state, new.outcome, new.error = old.state, old.outcome, old.error
        new.attempts, new.repeats = old.attempts, old.repeats
        new.first_attempt_ms, new.attempted_ms = old.first_attempt_ms, old.attempted_ms
        new.next_attempt_ms = old.next_attempt_ms
        new.channel, new.ts = new.channel or old.channel, new.ts or old.ts
        if old.repeats:
            new.payload = written(as_repeat(json.loads(new.payload)))
        old.state, old.next_attempt_ms = State.SUPERSEDED, None
        session.add_all((old, new))
    session.flush()


def receiver_status(rows: list[OutboxRow]) -> ReceiverStatus:
    """The status of one receiver from its outstanding rows, the newest attempt last."""
    troubled = [row for row in rows if row.outcome]
    broken = [row for row in troubled if row.outcome == Outcome.RECEIVER_BROKEN]
    newest = (broken or troubled)[-1] if troubled else None
    return ReceiverStatus(
        broken=bool(broken),
        outstanding=len(rows),
        outcome=newest.outcome if newest else "",
        error=newest.error if newest else "",
        retry_at_ms=newest.next_attempt_ms if newest else None,
    )


def written(payload: Any) -> str:
    """JSON as it is stored, the same for the same payload."""
    return json.dumps(payload, ensure_ascii=False, sort_keys=True)

"""How rows of the outbox give way to each other: newer for older, one reply for several.

Every function is one part of the caller's unit of work.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from alerts import reply
from alerts.alert import Action, Alert, Reason
from alerts.outbox_tables import Kind, OutboxRow, about, outstanding, place, replaceable
from alerts.payload import as_repeat, written
from alerts.retry import Letter, State


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


def follow(
    session: Session,
    alert: Alert,
    main_key: str,
    kind: Kind,
    reason: Reason,
    payload: Mapping[str, object],
    now_ms: int,
) -> None:
    """Put something into the thread of an incident; of replies that wait one is made.

    `main_key` is that of the message that it goes with.
    """
    incident, receiver = alert.incident, alert.receiver.name
    key = f"{main_key}:{kind}"
    content = dict(payload)
    if kind is Kind.REPLY:
        content["metadata"] = reply.metadata(key)
    row = OutboxRow(
        key=key,
        incident_id=incident.id,
        receiver=receiver,
        version=incident.version,
        action=Action.REPLY if kind is Kind.REPLY else Action.UPLOAD,
        reason=reason,
        phase=incident.phase,
        severity=incident.severity,
        payload=written(content),
        digest="",
        state=State.PENDING,
        created_ms=now_ms,
        next_attempt_ms=now_ms,
        kind=kind,
        thread_of=incident.id,
    )
    absorb(session, row)
    session.add(row)
    session.flush()


def absorb(session: Session, row: OutboxRow) -> None:
    """Let what goes into a thread take the place of what still waits there; no reply is lost."""
    waiting = session.exec(
        select(OutboxRow).where(
            OutboxRow.incident_id == row.incident_id,
            OutboxRow.receiver == row.receiver,
            OutboxRow.kind == row.kind,
            OutboxRow.state == State.PENDING,
            OutboxRow.attempts == 0,
        )
    ).all()
    for old in waiting:
        if row.kind == Kind.REPLY:
            row.payload = written(reply.joined(json.loads(old.payload), json.loads(row.payload)))
        old.state, old.next_attempt_ms = State.SUPERSEDED, None
        row.thread_of = old.thread_of
        session.add(old)


def retire(session: Session, incident_id: str, receiver: str) -> None:
    """What was told again and again gives way to what is newer."""
    session.exec(
        update(OutboxRow)
        .where(*about(incident_id, receiver), col(OutboxRow.state) == State.SENT, outstanding())
        .values(next_attempt_ms=None)
        .execution_options(synchronize_session=False)
    )


def strand(session: Session, letter: Letter) -> None:
    """Give up what was meant for the thread of a message that will never stand."""
    if place(session, letter.incident_id, letter.receiver) is not None:
        return
    session.exec(
        update(OutboxRow)
        .where(
            outstanding(),
            col(OutboxRow.receiver) == letter.receiver,
            col(OutboxRow.thread_of) == letter.incident_id,
        )
        .values(state=State.FAILED, next_attempt_ms=None, error="there is no message to reply to")
        .execution_options(synchronize_session=False)
    )


def reply_to(before: OutboxRow | None, alert: Alert) -> tuple[Reason, dict[str, Any]] | None:
    """What goes into the thread because of an alert; None where the message alone says it.

    `before` is the incident's newest row. Where that never went out there is no thread, and nobody
    knows of anything that could have changed.
    """
    manner = alert.receiver.manner
    if before is None or not manner.threads or alert.action is Action.POST:
        return None
    if replaceable(before) and before.action == Action.POST:
        return None
    reason, text = reply.news(alert, before.decided)
    listed = before.state == State.GATHERED and reason is Reason.RESOLVED
    if not text or listed:
        return None
    return reason, reply.written(text, "", broadcast=reason in manner.broadcast)

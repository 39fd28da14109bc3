"""What is wrong with the delivery of messages, as the outbox has it."""

from collections.abc import Collection

from sqlalchemy import func
from sqlmodel import Session, col, select

from alerts.alert import Outcome
from alerts.outbox_tables import OutboxRow, outstanding
from alerts.troubles import Symptom, TroubleKind


def own_symptoms(session: Session, receivers: Collection[str], now_ms: int) -> list[Symptom]:
    """The receivers whose oldest message waits, and those that refuse everything.

    A message waits by what it is first meant to say: later news take its place without its age.
    """
    waiting = session.exec(
        select(OutboxRow.receiver, func.min(OutboxRow.created_ms))
        .where(outstanding(), col(OutboxRow.receiver).in_(receivers))
        .group_by(OutboxRow.receiver)
        .order_by(OutboxRow.receiver)
    ).all()
    broken = session.exec(
        select(OutboxRow.receiver, func.min(OutboxRow.first_attempt_ms), func.max(OutboxRow.error))
        .where(outstanding(), OutboxRow.outcome == Outcome.RECEIVER_BROKEN)
        .where(col(OutboxRow.receiver).in_(receivers))
        .group_by(OutboxRow.receiver)
        .order_by(OutboxRow.receiver)
    ).all()
    return [
        *(
            Symptom(kind=TroubleKind.OUTBOX_STUCK, subject=name, seconds=age(now_ms, since))
            for name, since in waiting
        ),
        *(
            Symptom(
                kind=TroubleKind.RECEIVER_BROKEN,
                subject=name,
                seconds=age(now_ms, since),
                detail=error,
            )
            for name, since, error in broken
        ),
    ]


def age(now_ms: int, since_ms: int | None) -> float:
    """Seconds since a time."""
    return max(0, now_ms - (since_ms if since_ms is not None else now_ms)) / 1000

"""What each receiver was sent lately: how much arrived, how much failed, and when the last did."""

from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from alerts.outbox_tables import OutboxRow
from alerts.retry import State


@dataclass(frozen=True, slots=True)
class Lately:
    """Messages to one receiver that were tried since a time; `last_ms` is when the last arrived."""

    sent: int = 0
    failed: int = 0
    last_ms: int | None = None


def delivered(session: Session, since_ms: int) -> dict[str, Lately]:
    """What was tried since a time, by receiver; one that nothing was tried for is not in it.

    Only so far back: the outbox is kept for more than a year, and has an index on the last try.
    """
    rows = session.exec(
        select(OutboxRow.receiver, OutboxRow.state, func.count(), func.max(OutboxRow.sent_ms))
        .where(
            col(OutboxRow.attempted_ms) >= since_ms,
            col(OutboxRow.state).in_((State.SENT, State.FAILED)),
        )
        .group_by(OutboxRow.receiver, OutboxRow.state)
    ).all()
    found: dict[str, Lately] = {}
    for receiver, state, count, last_ms in rows:
        before = found.get(receiver, Lately())
        found[receiver] = (
            Lately(count, before.failed, last_ms)
            if state == State.SENT
            else Lately(before.sent, count, before.last_ms)
        )
    return found

"""When a receiver may be called again: one call per lane and span, decided from `now` alone.

The last call is read from the outbox, so the pace holds across a restart.
"""

from collections.abc import Mapping

from sqlmodel import Session, col, func, select

from alerts.alert import NOBODY, Receiver
from alerts.outbox_tables import HOLDING, Kind, OutboxRow, outstanding, unblocked

Receivers = Mapping[str, Receiver]


def resting(session: Session, receivers: Receivers, now_ms: int) -> dict[str, int]:
    """The receivers whose lane was used just now, and when each may be called again."""
    longest = max((one.manner.pace_ms for one in receivers.values()), default=0)
    if not longest:
        return {}
    called = session.exec(
        select(OutboxRow.receiver, func.max(OutboxRow.attempted_ms))
        .where(col(OutboxRow.attempted_ms) > now_ms - longest, OutboxRow.kind != Kind.CHART)
        .group_by(col(OutboxRow.receiver))
    ).all()
    lanes: dict[str, int] = {}
    for name, at_ms in called:
        lane = lane_of(receivers, name)
        lanes[lane] = max(lanes.get(lane, 0), at_ms or 0)
    free = {
        name: lanes[lane_of(receivers, name)] + one.manner.pace_ms
        for name, one in receivers.items()
        if lane_of(receivers, name) in lanes
    }
    return {name: at_ms for name, at_ms in free.items() if at_ms > now_ms}


def lane_of(receivers: Receivers, name: str) -> str:
    """What a receiver shares its pace with."""
    return receivers.get(name, NOBODY).manner.lane or name


def next_due_ms(session: Session, receivers: Receivers, now_ms: int) -> int | None:
    """When something may be sent next, as far as it is known now; None when nothing waits."""
    rests = resting(session, receivers, now_ms)
    held = dict(
        session.exec(
            select(OutboxRow.receiver, func.max(OutboxRow.next_attempt_ms))
            .where(outstanding(), col(OutboxRow.outcome).in_(HOLDING), OutboxRow.kind != Kind.CHART)
            .group_by(col(OutboxRow.receiver))
        ).all()
    )
    waiting = session.exec(
        select(OutboxRow.receiver, func.min(OutboxRow.next_attempt_ms))
        .where(outstanding(), OutboxRow.kind != Kind.CHART, *unblocked())
        .group_by(col(OutboxRow.receiver))
    ).all()
    times = [
        max(at_ms or now_ms, rests.get(name, 0), held.get(name) or 0) for name, at_ms in waiting
    ]
    return min(times, default=None)

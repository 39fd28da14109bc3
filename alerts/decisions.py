"""The history of decisions: what was told to whom and why, or why not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, update
from sqlmodel import Session, col, select

from alerts.alert import Action, Alert, Reason
from alerts.outbox_tables import OutboxRow
from alerts.silence import Silence
from alerts.tables import DecisionRow

HUSHED = (Reason.SILENCED, Reason.MAINTENANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionQuery:
    """Which decisions; the newest come first. `before` is the last one of the page before."""

    incident: str | None = None
    receiver: str | None = None
    action: Action | None = None
    reason: Reason | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before: tuple[int, int] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision, and what became of its message so far; empty where none was written."""

    id: int
    at_ms: int
    incident_id: str
    version: int
    receiver: str
    route: str
    group_key: str
    action: Action
    reason: Reason
    phase: str
    severity: str
    evidence: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    outcome: str = ""
    error: str = ""
    attempts: int = 0
    sent_ms: int | None = None


class Decisions:
    """The book of decisions; every method is a part of the caller's unit of work."""

    def record(
        self, session: Session, alerts: Sequence[Alert], now_ms: int, *, grouped: bool
    ) -> None:
        """Keep these decisions, but for those that only say once more what was said last.

        Unless a group will look again (`grouped`), what a silence keeps quiet is noted to be looked
        at when the silence ends.
        """
        for alert in alerts:
            row = DecisionRow(
                at_ms=now_ms,
                incident_id=alert.incident.id,
                version=alert.incident.version,
                receiver=alert.receiver.name,
                route=alert.route,
                group_key=alert.group_key,
                action=alert.action,
                reason=alert.reason,
                phase=alert.incident.phase,
                severity=alert.incident.severity,
                evidence=dict(alert.evidence),
                key="" if alert.action is Action.NOTHING else alert.key,
                recheck_ms=None,
            )
            if alert.reason in HUSHED and not grouped:
                row.recheck_ms = alert.evidence.get("ends_ms")
            if row.action != Action.NOTHING or not self._said(session, row):
                session.add(row)
        session.flush()

    def _said(self, session: Session, row: DecisionRow) -> bool:
        """Whether the last decision about this incident and receiver was the same."""
        last = session.exec(
            select(DecisionRow)
            .where(DecisionRow.incident_id == row.incident_id, DecisionRow.receiver == row.receiver)
            .order_by(col(DecisionRow.id).desc())
            .limit(1)
        ).first()
        same = ("version", "action", "reason", "group_key", "recheck_ms")
        return last is not None and all(getattr(last, one) == getattr(row, one) for one in same)

    def last_sent(self, session: Session, incident_id: str, receiver: str) -> Reason | None:
        """Why the newest message about an incident went to a receiver; None where none did."""
        found = session.exec(
            select(DecisionRow.reason)
            .where(
                DecisionRow.incident_id == incident_id,
                DecisionRow.receiver == receiver,
                DecisionRow.action != Action.NOTHING,
            )
            .order_by(col(DecisionRow.id).desc())
            .limit(1)
        ).first()
        return Reason(found) if found else None

    def rechecks(self, session: Session, now_ms: int) -> list[str]:
        """The incidents whose silence has ended: each is handed out once."""
        rows = session.exec(
            select(DecisionRow)
            .where(col(DecisionRow.recheck_ms) <= now_ms)
            .order_by(col(DecisionRow.id))
            .with_for_update(skip_locked=True)
        ).all()
        if rows:
            session.exec(
                update(DecisionRow)
                .where(col(DecisionRow.id).in_([row.id for row in rows]))
                .values(recheck_ms=None)
                .execution_options(synchronize_session=False)
            )
        return list(dict.fromkeys(row.incident_id for row in rows))

    def recheck(self, session: Session, incidents: Sequence[str], now_ms: int) -> None:
        """Let these incidents be looked at again, unless somebody was told of them."""
        for id_ in incidents:
            row = session.exec(
                select(DecisionRow)
                .where(DecisionRow.incident_id == id_)
                .order_by(col(DecisionRow.id).desc())
                .limit(1)
            ).first()
            if row is not None and not receivers_told(session, id_):
                row.recheck_ms = now_ms
                session.add(row)

    def page(self, session: Session, query: DecisionQuery) -> list[Decision]:
        """One page and one more, the newest first, with what became of the messages."""
        rows = session.exec(
            select(DecisionRow, OutboxRow)
            .join(OutboxRow, col(OutboxRow.key) == DecisionRow.key, isouter=True)
            .where(*conditions(query))
            .order_by(col(DecisionRow.at_ms).desc(), col(DecisionRow.id).desc())
            .limit(query.limit + 1)
        )
        return [domain(row, message) for row, message in rows]

    def retain(self, session: Session, before_ms: int) -> int:
        """Forget decisions made before; how many went."""
        done = session.exec(
            delete(DecisionRow)
            .where(col(DecisionRow.at_ms) < before_ms, col(DecisionRow.recheck_ms).is_(None))
            .execution_options(synchronize_session=False)
        )
        return int(done.rowcount)


def receivers_told(session: Session, incident_id: str) -> set[str]:
    """Everybody for whom there ever was a message about an incident."""
    chosen = select(OutboxRow.receiver).where(OutboxRow.incident_id == incident_id).distinct()
    return set(session.exec(chosen))


def hush_evidence(silence: Silence) -> dict[str, Any]:
    """What a decision says of the silence behind it."""
    return {"silence": silence.id, "ends_ms": silence.ends_ms, "by": silence.created_by}


def conditions(query: DecisionQuery) -> list[ColumnElement[bool]]:
    """A query in SQL."""
    row, found = DecisionRow, list[ColumnElement[bool]]()
    for column, value in (
        (col(row.incident_id), query.incident),
        (col(row.receiver), query.receiver),
        (col(row.action), query.action),
        (col(row.reason), query.reason),
    ):
        if value is not None:
            found.append(column == value)
    if query.since_ms is not None:
        found.append(col(row.at_ms) >= query.since_ms)
    if query.until_ms is not None:
        found.append(col(row.at_ms) <= query.until_ms)
    if query.before is not None:
        at_ms, id_ = query.before
        same = (col(row.at_ms) == at_ms) & (col(row.id) < id_)
        found.append(or_(col(row.at_ms) < at_ms, same))
    return found


def domain(row: DecisionRow, message: OutboxRow | None) -> Decision:
    """What a row stands for, with its message."""
    return Decision(
        id=row.id or 0,
        at_ms=row.at_ms,
        incident_id=row.incident_id,
        version=row.version,
        receiver=row.receiver,
        route=row.route,
        group_key=row.group_key,
        action=Action(row.action),
        reason=Reason(row.reason),
        phase=row.phase,
        severity=row.severity,
        evidence=row.evidence,
        state=message.state if message else "",
        outcome=message.outcome if message else "",
        error=message.error if message else "",
        attempts=message.attempts if message else 0,
        sent_ms=message.sent_ms if message else None,
    )

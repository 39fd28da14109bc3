"""What must be sent; it survives a crash, and knows whether the fate of a message is known.

A row is one version of one incident for one receiver. `next_attempt_ms` is set exactly as long as
something is still to be done about it. Per incident and receiver at most one row is in flight or
in doubt and at most one waits behind it: a newer version takes the place of the one that waits.
What goes into its thread has rows of its own, which wait until the message stands.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import delete, exists, func, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from alerts.alert import NOBODY, Action, Alert, Delivery, Outcome, Reason, Receiver, Told
from alerts.digest import line
from alerts.giving_way import coalesce, follow, reply_to, retire, strand
from alerts.outbox_tables import (
    STANDING,
    Kind,
    OutboxRow,
    about,
    due,
    known_channel,
    outstanding,
    place,
    replaceable,
    unsent,
)
from alerts.payload import digest, written
from alerts.retry import RECOVERY_DELAY_MS, SAYING, Letter, State, next_step
from alerts.wording import decision
from detector.regression import Phase, Severity

TEXT = (Kind.MESSAGE, Kind.DIGEST, Kind.REPLY)
# What gets a chart: what a person looks at for the first time, or anew.
CHARTED = frozenset({Reason.OPENED, Reason.WORSE, Reason.CONFIRMED, Reason.ESCALATED})


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

    def __init__(self, receivers: Iterable[Receiver] = (), public_url: str = "") -> None:
        self._receivers = {receiver.name: receiver for receiver in receivers}
        self._public_url = public_url

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
        before = self._before(session, alert)
        alert = self._in_thread(session, alert, now_ms)
        said = reply_to(before, alert)
        payload = dict(alert.payload or {})
        row = OutboxRow(
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
            line=line(incident, self._public_url),
            decided=decision(incident),
        )
        retire(session, incident.id, receiver)
        session.add(row)
        session.flush()
        coalesce(session, incident.id, receiver)
        if said is not None:
            follow(session, alert, key, Kind.REPLY, *said, now_ms)
        if alert.receiver.manner.charts and alert.reason in CHARTED:
            follow(session, alert, key, Kind.CHART, Reason.CHART, {}, now_ms)
        return alert.reason

    def _before(self, session: Session, alert: Alert) -> OutboxRow | None:
        """The newest row of the incident so far."""
        return session.exec(
            select(OutboxRow)
            .where(*about(alert.incident.id, alert.receiver.name))
            .order_by(col(OutboxRow.id).desc())
            .limit(1)
        ).first()

    def _in_thread(self, session: Session, alert: Alert, now_ms: int) -> Alert:
        """What comes back soon goes on in its thread: an edit, and a reply that wakes."""
        manner = alert.receiver.manner
        if alert.reason is not Reason.REOPENED or not manner.threads:
            return alert
        over_ms: int | None = session.exec(
            select(func.max(OutboxRow.created_ms)).where(
                *about(alert.incident.id, alert.receiver.name),
                OutboxRow.phase == Phase.RESOLVED,
            )
        ).one()
        soon = over_ms is not None and now_ms - over_ms <= manner.same_thread_ms
        return replace(alert, action=Action.UPDATE) if soon else alert

    def claim(
        self,
        session: Session,
        now_ms: int,
        resting: Collection[str] = (),
        kinds: Collection[Kind] = TEXT,
    ) -> Letter | None:
        """Take the message that is due longest; None when there is none, or another took it."""
        row = session.exec(due(now_ms, resting, kinds)).first()
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
        return self._letter(session, row, now_ms, in_doubt=in_doubt)

    def _letter(self, session: Session, row: OutboxRow, now_ms: int, *, in_doubt: bool) -> Letter:
        reference = place(session, row.incident_id, row.receiver)
        action = Action(row.action)
        if action is Action.UPDATE and reference is None:
            action = Action.POST  # there is nothing to edit: what went before never arrived
        thread = place(session, row.thread_of, row.receiver) if row.thread_of else None
        manner = self._receivers.get(row.receiver, NOBODY).manner
        known = thread or reference
        earlier = reference
        if action is not Action.POST and reference is not None:
            earlier = place(session, row.incident_id, row.receiver, before=reference)
        return Letter(
            id=row.id or 0,
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
            reference=reference if row.kind in STANDING else None,
            channel=known.channel if known else known_channel(session, row.receiver),
            thread=thread,
            earlier=earlier if row.kind == Kind.MESSAGE else None,
            renew_ms=0 if row.phase == Phase.RESOLVED else manner.renew_ms,
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
        elif letter.renew_ms and row.sent_ms is not None and step.state is State.PENDING:
            row.state = State.SENT  # it was told; only telling it again has to wait
        reference = delivery.reference or (letter.reference if row.state == State.SENT else None)
        if reference is not None:
            row.channel, row.ts = reference.channel, reference.ts
        session.add(row)
        session.flush()
        coalesce(session, letter.incident_id, letter.receiver)
        if step.state is State.FAILED and step.next_attempt_ms is None:
            strand(session, letter)
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
            said = row.action in SAYING
            posted = said or place(session, row.incident_id, row.receiver) is None
            row.state = State.UNKNOWN if posted else State.PENDING
            row.action = Action.POST if posted and not said else row.action
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
            select(OutboxRow).where(unsent()).order_by(col(OutboxRow.attempted_ms))
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
            col(last.kind).in_(STANDING),
            col(last.incident_id) == OutboxRow.incident_id,
            col(last.receiver) == OutboxRow.receiver,
            col(last.phase) == Phase.RESOLVED,
            col(last.next_attempt_ms).is_(None),
            col(last.created_ms) < before_ms,
            ~exists().where(
                col(later.incident_id) == last.incident_id,
                col(later.receiver) == last.receiver,
                col(later.id) > col(last.id),
                col(later.kind).in_(STANDING),
            ),
        )
        done = session.exec(
            delete(OutboxRow).where(over).execution_options(synchronize_session=False)
        )
        return done.rowcount


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

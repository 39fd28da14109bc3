"""From changed incidents to delivered messages: announce, then deliver; recover at start.

The two halves meet only in the outbox: deciding is one transaction without any network, delivering
holds no transaction while it waits for somebody else's server.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from alerts.alert import Action, Alert, Delivery, Marker, Outcome, Receiver
from alerts.announce import Announcer, Book, Tree
from alerts.config import AlertsConfig
from alerts.groups import OvertakenError
from alerts.heartbeat import Heartbeats
from alerts.meters import AlertsMeters
from alerts.notifiers import Notifier
from alerts.outbox import Outbox, OutboxStatus
from alerts.pipeline import pipeline
from alerts.redact import redacted
from alerts.retry import Letter
from alerts.routing_config import deliveries
from alerts.symptoms import own_symptoms
from alerts.troubles import Symptom, TroubleKind
from storage.state import State

log = logging.getLogger(__name__)

# So that one call ends in reasonable time; what is left is due at the next.
MOST_CALLS = 50
# Far above any time-out: a message that long in flight was dropped by a fault of ours.
LEASE = timedelta(minutes=5)
# How often a round is done anew when other processes are faster; then the next round has its turn.
ATTEMPTS = 4
# What a sign of life vouches for.
VITAL = frozenset({TroubleKind.DETECTOR_LATE, TroubleKind.OUTBOX_STUCK})

Result = TypeVar("Result")


class Alerts:
    """Tells receivers of incidents. Safe to call from several threads."""

    def __init__(
        self, state: State, book: Book, config: AlertsConfig, meters: AlertsMeters
    ) -> None:
        self._state = state
        self._book = book
        self._meters = meters
        self._notifiers = {notifier.receiver.name: notifier for notifier in notifiers(config)}
        self._outbox = Outbox()
        receivers = {name: notifier.receiver for name, notifier in self._notifiers.items()}
        way = pipeline(
            tuple(receivers.values()), config.min_severity, config.public_url, self._outbox
        )
        self._announcer = Announcer(book, way, tree(config, receivers), receivers)
        self._own = config.own
        self._heartbeats = Heartbeats(config.heartbeats)
        self._delivering = threading.Lock()

    def recover(self, now: datetime) -> int:
        """At start, before anything else: what was being sent when the process ended is in doubt.

        What waits for receivers that are no longer configured is given up, and said so.
        """
        now_ms = milliseconds(now)
        with self._state.unit() as session:
            count = self._outbox.recover(session, now_ms, now_ms)
            given_up = self._outbox.abandon(session, tuple(self._notifiers))
        self._unit(lambda session: self._announcer.begin(session, now_ms))
        if count:
            log.warning("%d messages were being sent when the process ended", count)
        if given_up:
            log.warning("%d messages were for receivers that are not configured now", given_up)
        self._show(now_ms)
        return count

    def announce(self, now: datetime) -> list[Alert]:
        """Decide about every incident that changed and every group that is due; what was decided.

        One unit of work: of several processes one decides, and the others find it decided.
        """
        now_ms = milliseconds(now)
        alerts = self._unit(lambda session: self._announcer.decide(session, now_ms))
        for alert in alerts:
            self._meters.decided(alert)
            log.log(
                logging.DEBUG if alert.action is Action.NOTHING else logging.INFO,
                "incident %s version %d: %s to %s, %s",
                alert.incident.id,
                alert.incident.version,
                alert.action,
                alert.receiver.name,
                alert.reason,
            )
        if alerts:
            self._show(now_ms)
        return alerts

    def deliver(self, now: datetime) -> list[Outcome]:
        """Send what is due, one after the other; at once when another thread is at it already."""
        if not self._delivering.acquire(blocking=False):
            return []
        try:
            now_ms = milliseconds(now)
            with self._state.unit() as session:
                self._outbox.recover(session, now_ms, now_ms - milliseconds_of(LEASE))
            outcomes = self._deliver_due(now_ms)
            self._show(now_ms)
            return outcomes
        finally:
            self._delivering.release()

    def watch(self, symptoms: Sequence[Symptom], now: datetime, reporter: str = "") -> list[str]:
        """Note what is wrong with Plimsoll itself, its own messages among it; what changed.

        Signs of life are sent unless the detector is late or messages are stuck.
        """
        now_ms = milliseconds(now)
        limits = {kind: getattr(self._own, kind.removeprefix("plimsoll_")) for kind in TroubleKind}
        with self._state.reading() as session:
            found = [*symptoms, *own_symptoms(session, self._notifiers, now_ms)]
        changed: list[str] = []
        if self._own.enabled:
            note = self._announcer.troubles.note
            changed = self._unit(lambda session: note(session, found, limits, now_ms, reporter))
        ill = any(one.seconds >= limits[one.kind] for one in found if one.kind in VITAL)
        with self._state.reading() as session:
            ours = self._announcer
            self._meters.troubled(ours.troubles.open(session))
            self._meters.silenced(ours.silences.active(session, now_ms))
        for name, beat in self._heartbeats.beat(now_ms, well=not ill):
            self._meters.heartbeats.labels(name, beat).inc()
        return changed

    def status(self, now: datetime) -> OutboxStatus:
        """What waits, how long, and which receivers are broken."""
        with self._state.reading() as session:
            return self._outbox.status(session, milliseconds(now), self._notifiers)

    def retain(self, before: datetime) -> int:
        """Forget what was told of incidents that were over before; how many rows went."""
        before_ms, ours = milliseconds(before), self._announcer
        with self._state.unit() as session:
            ours.decisions.retain(session, before_ms)
            ours.silences.retain(session, before_ms)
            ours.troubles.retain(session, before_ms)
            return self._outbox.retain(session, before_ms)

    def _unit(self, work: Callable[[Session], Result]) -> Result:
        """Do something as one unit of work; once more when another process was faster."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self._state.unit() as session:
                    return work(session)
            except (OvertakenError, IntegrityError):
                self._meters.overtaken.inc()
        with self._state.unit() as session:
            return work(session)

    def _deliver_due(self, now_ms: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        resting: set[str] = set()
        while len(outcomes) < MOST_CALLS:
            with self._state.unit() as session:
                letter = self._outbox.claim(session, now_ms, resting)
            if letter is None:
                break
            delivery = self._call(letter)
            with self._state.unit() as session:
                state = self._outbox.settle(session, letter, delivery, now_ms)
            outcomes.append(delivery.outcome)
            self._told(letter, delivery, state)
            if delivery.outcome is Outcome.UNKNOWN:
                # It took a whole time-out; the others would take theirs one after the other.
                resting.add(letter.receiver)
        return outcomes

    def _call(self, letter: Letter) -> Delivery:
        notifier = self._notifiers.get(letter.receiver)
        if notifier is None:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail="no_receiver")
        try:
            if letter.call is Action.FIND:
                return notifier.find(
                    Marker(
                        incident_id=letter.incident_id,
                        since_ms=letter.first_attempt_ms,
                        channel=letter.channel,
                    )
                )
            if letter.call is Action.UPDATE and letter.reference is not None:
                return notifier.update(letter.reference, letter.payload)
            return notifier.post(letter.payload)
        except Exception as error:
            # A fault of the notifier must not end the delivery of everything else; whether it
            # struck before or after sending is not known.
            detail = redacted(f"{type(error).__name__}: {error}")
            log.error("the notifier %s failed: %s", letter.receiver, detail)
            return Delivery(outcome=Outcome.UNKNOWN, detail=detail)

    def _told(self, letter: Letter, delivery: Delivery, state: str) -> None:
        self._meters.called(letter.receiver, letter.call, delivery.outcome)
        log.log(
            logging.INFO if state == "sent" else logging.WARNING,
            "incident %s version %d: %s to %s: %s%s, now %s",
            letter.incident_id,
            letter.version,
            letter.call,
            letter.receiver,
            delivery.outcome,
            f" ({delivery.detail})" if delivery.detail else "",
            state,
        )

    def _show(self, now_ms: int) -> None:
        with self._state.reading() as session:
            self._meters.show(self._outbox.status(session, now_ms, self._notifiers))


def tree(config: AlertsConfig, receivers: Mapping[str, Receiver]) -> Tree | None:
    """The tree of routes with our receivers at its leaves; None where none is configured."""
    routing = config.routes()
    if routing is None:
        return None
    found = deliveries(routing, config.receiver_names, config.deliver)
    ours = {name: tuple(receivers[one] for one in to) for name, to in found.items()}
    return Tree(routing.routing(), ours)


def notifiers(config: AlertsConfig) -> Sequence[Notifier]:
    """One notifier for each receiver that is configured."""
    if config.slack is None:
        return []
    from alerts.notifiers.slack import slack  # loads slack-sdk, which most starts do not need

    return [slack(config.slack)]


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch; a time without a zone is refused."""
    if at.tzinfo is None:
        raise ValueError("`now` needs a time zone: datetime.now(UTC)")
    return round(at.timestamp() * 1000)


def milliseconds_of(span: timedelta) -> int:
    """A span in milliseconds."""
    return round(span.total_seconds() * 1000)

"""From the outbox to the receivers: text first, charts beside it, nothing faster than is allowed.

No transaction is held while somebody else's server is waited for. What is due, what is too early
and whom to leave in peace is decided from `now`; nothing here sleeps.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from alerts.alert import Action, Delivery, Errand, Marker, Outcome, Picture, Reference
from alerts.gather import gather
from alerts.meters import AlertsMeters
from alerts.notifiers import Notifier, Threaded
from alerts.outbox import TEXT, Outbox, OutboxStatus
from alerts.outbox_tables import Kind
from alerts.pacing import next_due_ms, resting
from alerts.redact import redacted
from alerts.retry import Letter
from storage.state import State

log = logging.getLogger(__name__)

# So that one call ends in reasonable time; what is left is due at the next.
MOST_CALLS = 50
# Far above any time-out: a message that long in flight was dropped by a fault of ours.
LEASE = timedelta(minutes=5)

# The chart of an incident as it is at `now_ms`; None where there is nothing to draw.
Artist = Callable[[str, str, int], Picture | None]


class Deliverer:
    """Carries what is in the outbox to the receivers. Safe to call from several threads."""

    def __init__(
        self,
        state: State,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        meters: AlertsMeters,
    ) -> None:
        self._state = state
        self._outbox = outbox
        self._notifiers = notifiers
        self._receivers = {name: one.receiver for name, one in notifiers.items()}
        self._meters = meters
        self._artist: Artist | None = None
        self._delivering = threading.Lock()
        self._drawing = threading.Lock()

    def draw_with(self, artist: Artist) -> None:
        """From now on charts are drawn by this."""
        self._artist = artist

    def recover(self, now: datetime) -> int:
        """At start, before anything else: what was being sent when the process ended is in doubt.

        What waits for receivers that are no longer configured is given up, and said so.
        """
        now_ms = milliseconds(now)
        with self._state.unit() as session:
            count = self._outbox.recover(session, now_ms, now_ms)
            given_up = self._outbox.abandon(session, tuple(self._notifiers))
        if count:
            log.warning("%d messages were being sent when the process ended", count)
        if given_up:
            log.warning("%d messages were for receivers that are not configured now", given_up)
        self.show(now)
        return count

    def deliver(self, now: datetime) -> list[Outcome]:
        """Send the text that is due; at once when another thread is at it already."""
        if not self._delivering.acquire(blocking=False):
            return []
        try:
            now_ms = milliseconds(now)
            with self._state.unit() as session:
                self._outbox.recover(session, now_ms, now_ms - milliseconds_of(LEASE))
                for receiver in self._receivers.values():
                    self._meters.gathered(receiver.name, gather(session, receiver, now_ms))
            outcomes = self._deliver_due(now_ms)
            self.show(now)
            return outcomes
        finally:
            self._delivering.release()

    def illustrate(self, now: datetime) -> list[Outcome]:
        """Draw and upload the chart that is due longest, if any; text never waits for it."""
        if self._artist is None or not self._drawing.acquire(blocking=False):
            return []
        try:
            now_ms = milliseconds(now)
            with self._state.unit() as session:
                letter = self._outbox.claim(session, now_ms, (), (Kind.CHART,))
            return [self._send(letter, now_ms)] if letter is not None else []
        finally:
            self._drawing.release()

    def due_in(self, now: datetime) -> float | None:
        """Seconds until something may be sent; None when nothing waits."""
        now_ms = milliseconds(now)
        with self._state.reading() as session:
            at_ms = next_due_ms(session, self._receivers, now_ms)
        return None if at_ms is None else max(0, at_ms - now_ms) / 1000

    def status(self, now: datetime) -> OutboxStatus:
        """What waits, how long, and which receivers are broken."""
        with self._state.reading() as session:
            return self._outbox.status(session, milliseconds(now), self._notifiers)

    def show(self, now: datetime) -> None:
        """Set the gauges."""
        self._meters.show(self.status(now))

    def retain(self, before: datetime) -> int:
        """Forget what was told of incidents that were over before; how many rows went."""
        with self._state.unit() as session:
            return self._outbox.retain(session, milliseconds(before))

    def _deliver_due(self, now_ms: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        tired: set[str] = set()
        while len(outcomes) < MOST_CALLS:
            with self._state.unit() as session:
                rests = resting(session, self._receivers, now_ms)
                letter = self._outbox.claim(session, now_ms, {*tired, *rests}, TEXT)
            if letter is None:
                break
            outcome = self._send(letter, now_ms)
            outcomes.append(outcome)
            if outcome is Outcome.UNKNOWN:
                # It took a whole time-out; the others would take theirs one after the other.
                tired.add(letter.receiver)
        return outcomes

    def _send(self, letter: Letter, now_ms: int) -> Outcome:
        delivery = self.call(letter, now_ms)
        with self._state.unit() as session:
            state = self._outbox.settle(session, letter, delivery, now_ms)
        self._told(letter, delivery, state)
        return delivery.outcome

    def call(self, letter: Letter, now_ms: int) -> Delivery:
        """Do one errand; whatever goes wrong on the way is an outcome."""
        notifier = self._notifiers.get(letter.receiver)
        if notifier is None:
            return Delivery(outcome=Outcome.RECEIVER_BROKEN, detail="no_receiver")
        try:
            return self._ask(notifier, letter, now_ms)
        except Exception as error:
            # A fault of the notifier must not end the delivery of everything else; whether it
            # struck before or after sending is not known.
            detail = redacted(f"{type(error).__name__}: {error}")
            log.error("the notifier %s failed: %s", letter.receiver, detail)
            return Delivery(outcome=Outcome.UNKNOWN, detail=detail)

    def _ask(self, notifier: Notifier, letter: Letter, now_ms: int) -> Delivery:
        errand = Errand(key=letter.key, at_ms=now_ms, earlier=letter.earlier)
        if letter.call is Action.FIND:
            return notifier.find(marker(letter))
        if letter.call is Action.UPDATE and letter.reference is not None:
            return notifier.update(letter.reference, letter.payload, errand)
        if isinstance(notifier, Threaded) and letter.thread is not None:
            if letter.call is Action.UPLOAD:
                return self._upload(notifier, letter.thread, letter, now_ms)
            return notifier.reply(letter.thread, letter.payload, errand)
        if letter.call is not Action.POST:
            return Delivery(outcome=Outcome.GONE, detail="there is no thread")
        return notifier.post(letter.payload, errand)

    def _upload(
        self, notifier: Threaded, thread: Reference, letter: Letter, now_ms: int
    ) -> Delivery:
        picture = self._artist(letter.incident_id, letter.key, now_ms) if self._artist else None
        if picture is None:
            return Delivery(outcome=Outcome.NOT_DRAWN)
        return notifier.upload(thread, picture)

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


def marker(letter: Letter) -> Marker:
    """What to look for when nobody knows whether a letter arrived."""
    return Marker(
        incident_id=letter.incident_id,
        since_ms=letter.first_attempt_ms,
        channel=letter.channel,
        thread=letter.thread,
        key="" if letter.action is Action.POST else letter.key,
    )


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch; a time without a zone is refused."""
    if at.tzinfo is None:
        raise ValueError("`now` needs a time zone: datetime.now(UTC)")
    return round(at.timestamp() * 1000)


def milliseconds_of(span: timedelta) -> int:
    """A span in milliseconds."""
    return round(span.total_seconds() * 1000)

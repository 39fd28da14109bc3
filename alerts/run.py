"""From changed incidents to delivered messages: announce, then deliver; recover at start.

The two halves meet only in the outbox: deciding is one transaction without any network, delivering
(`deliver.py`) holds no transaction while it waits for somebody else's server.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from alerts import announce
from alerts.alert import Action, Alert, Outcome, Picture, Receiver
from alerts.announce import Announcer, Tree
from alerts.config import AlertsConfig, Way
from alerts.deliver import Deliverer, milliseconds
from alerts.foreign import ForeignSilences
from alerts.groups import OvertakenError
from alerts.heartbeat import Heartbeats
from alerts.meters import AlertsMeters
from alerts.notifiers import Notifier
from alerts.outbox import Outbox, OutboxStatus
from alerts.pipeline import pipeline
from alerts.presses import Answer, Presses
from alerts.receivers import AlertmanagerConfig, EmailConfig, WebhookConfig
from alerts.routing_config import deliveries
from alerts.silences import Silences
from alerts.slack_config import SlackConfig
from alerts.symptoms import own_symptoms
from alerts.troubles import Symptom, TroubleKind, Troubles
from detector.actions import Wish
from detector.regression import Incident, Regression
from storage.state import State

if TYPE_CHECKING:
    from alerts.notifiers.alertmanager import Alertmanager
    from alerts.notifiers.slack_presses import Listener

log = logging.getLogger(__name__)

# How often a round is done anew when other processes are faster; then the next round has its turn.
ATTEMPTS = 4
# What a sign of life vouches for.
VITAL = frozenset({TroubleKind.DETECTOR_LATE, TroubleKind.OUTBOX_STUCK})

Result = TypeVar("Result")
OnPress = Callable[[Mapping[str, Any]], object]

# The picture of an incident as it is at a time, or None where there is nothing to draw.
Draw = Callable[[Incident, str, int], Picture | None]


class Book(announce.Book, Protocol):
    """The detector's book, as far as this room uses it."""

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One incident, whole."""
        ...

    def act(self, session: Session, regression_id: str, wish: Wish) -> Regression | None:
        """Do what a person wishes; None when there is no such regression."""
        ...


class Alerts:
    """Tells receivers of incidents, and takes what they answer. Safe to call from any thread."""

    def __init__(
        self,
        state: State,
        book: Book,
        config: AlertsConfig,
        meters: AlertsMeters,
    ) -> None:
        self._state = state
        self._book = book
        self._meters = meters
        self._draw: Draw | None = None
        self.notifiers = notifiers(config)
        receivers = {name: notifier.receiver for name, notifier in self.notifiers.items()}
        outbox = Outbox(tuple(receivers.values()), config.public_url)
        self._foreign = ForeignSilences(silencing(config, self.notifiers))
        silences = Silences(self._foreign)
        way = pipeline(
            tuple(receivers.values()), config.min_severity, config.public_url, outbox, silences
        )
        self._announcer = Announcer(
            book, way, tree(config, receivers), receivers, silences=silences
        )
        self._own = config.own
        self._heartbeats = Heartbeats(config.heartbeats)
        self.deliverer = Deliverer(state, outbox, self.notifiers, meters)
        self._slacks = [way for _, way in config.ways() if isinstance(way, SlackConfig)]
        self._listeners: list[Listener] | None = None
        self._presses = Presses(state, book, self.notifiers, meters)

    @property
    def tree(self) -> Tree | None:
        """The tree of routes in force; None where everybody is told everything."""
        return self._announcer.tree

    @property
    def silences(self) -> Silences:
        """The book of silences that decides; those of Alertmanagers are in it."""
        return self._announcer.silences

    @property
    def troubles(self) -> Troubles:
        """The book of the troubles of Plimsoll itself."""
        return self._announcer.troubles

    def draw_with(self, draw: Draw) -> None:
        """From now on charts are drawn by this; what draws needs what is built after us."""
        self._draw = draw
        self.deliverer.draw_with(self._picture)

    def recover(self, now: datetime) -> int:
        """At start, before anything else: what was under way when the process ended is in doubt."""
        count = self.deliverer.recover(now)
        now_ms = milliseconds(now)
        self._unit(lambda session: self._announcer.begin(session, now_ms))
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
            self.deliverer.show(now)
        return alerts

    def deliver(self, now: datetime) -> list[Outcome]:
        """Send the text that is due."""
        return self.deliverer.deliver(now)

    def illustrate(self, now: datetime) -> list[Outcome]:
        """Draw and upload the chart that is due longest, if any."""
        return self.deliverer.illustrate(now)

    def due_in(self, now: datetime) -> float | None:
        """Seconds until something may be sent; None when nothing waits."""
        return self.deliverer.due_in(now)

    def watch(self, symptoms: Sequence[Symptom], now: datetime, reporter: str = "") -> list[str]:
        """Note what is wrong with Plimsoll itself, its own messages among it; what changed.

        Signs of life are sent unless the detector is late or messages are stuck.
        """
        now_ms = milliseconds(now)
        for name, trouble in self._foreign.refresh(now_ms).items():
            self._meters.unasked.labels(name).inc()
            log.warning("%s tells no silences: %s", name, trouble)
        limits = {kind: getattr(self._own, kind.removeprefix("plimsoll_")) for kind in TroubleKind}
        with self._state.reading() as session:
            found = [*symptoms, *own_symptoms(session, self.notifiers, now_ms)]
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
        return self.deliverer.status(now)

    def retain(self, before: datetime) -> int:
        """Forget what was told of incidents that were over before; how many rows went."""
        before_ms, ours = milliseconds(before), self._announcer
        with self._state.unit() as session:
            ours.decisions.retain(session, before_ms)
            ours.silences.retain(session, before_ms)
            ours.troubles.retain(session, before_ms)
        return self.deliverer.retain(before)

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

    def press(self, payload: Mapping[str, Any], now: datetime) -> Answer:
        """What somebody pressed in Slack: do it, and tell that person what became of it."""
        return self._presses.take(payload, now)

    def is_signed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool | None:
        """Whether a request comes from Slack; None where no request is expected."""
        signing = [one for one in self._slacks if one.by_request]
        if not signing:
            return None
        from alerts.notifiers.slack_presses import is_signed

        at_seconds = now.timestamp()
        return any(is_signed(one, headers, body, at_seconds) for one in signing)

    @property
    def listens(self) -> bool:
        """Whether presses come in over Socket Mode."""
        return any(one.by_socket for one in self._slacks)

    def keep_listening(self, now: Callable[[], datetime]) -> None:
        """Connect to Slack where no connection stands; presses are taken from then on."""
        if self._listeners is None:
            self._listeners = listeners(self._slacks, lambda payload: self.press(payload, now()))
        for listener in self._listeners:
            trouble = listener.keep()
            if trouble:
                log.warning("no connection for the buttons in Slack: %s", trouble)
        self._meters.listening(sum(one.connected for one in self._listeners))

    def close(self) -> None:
        """Hang up."""
        for listener in self._listeners or ():
            listener.close()

    def _picture(self, incident_id: str, key: str, now_ms: int) -> Picture | None:
        with self._state.reading() as session:
            incident = self._book.incident(session, incident_id)
        if incident is None or not incident.regressions or self._draw is None:
            return None
        return self._draw(incident, key, now_ms)


def tree(config: AlertsConfig, receivers: Mapping[str, Receiver]) -> Tree | None:
    """The tree of routes with our receivers at its leaves; None where none is configured."""
    routing = config.routes()
    if routing is None:
        return None
    found = deliveries(routing, config.receiver_names, config.deliver)
    ours = {name: tuple(receivers[one] for one in to) for name, to in found.items()}
    return Tree(routing.routing(), ours)


def listeners(slacks: Sequence[SlackConfig], on_press: OnPress) -> "list[Listener]":
    """One connection for each app, however many channels it serves."""
    from alerts.notifiers.slack_presses import Listener

    apps = {(one.app_token, one.app_token_file): one for one in slacks if one.by_socket}
    return [Listener(one, on_press) for one in apps.values()]


def silencing(config: AlertsConfig, known: Mapping[str, Notifier]) -> "list[Alertmanager]":
    """The Alertmanagers whose silences hold here, too."""
    asked = {
        name for name, way in config.ways() if isinstance(way, AlertmanagerConfig) and way.silences
    }
    if not asked:
        return []
    from alerts.notifiers.alertmanager import Alertmanager

    return [
        one
        for one in known.values()
        if isinstance(one, Alertmanager) and one.receiver.name in asked
    ]


def notifiers(config: AlertsConfig) -> dict[str, Notifier]:
    """One notifier for each receiver that is configured, by its name."""
    return {name: notifier(name, way, config.panel_url) for name, way in config.ways()}


def notifier(name: str, way: Way, panel_url: str) -> Notifier:
    """The notifier of one receiver; its libraries are loaded here, most starts need few."""
    match way:
        case WebhookConfig():
            from alerts.notifiers.webhook import Webhook

            return Webhook(name, way)
        case EmailConfig():
            from alerts.notifiers.mail import Mail

            return Mail(name, way)
        case AlertmanagerConfig():
            from alerts.notifiers.alertmanager import Alertmanager

            return Alertmanager(name, way)
        case _:
            from alerts.notifiers.slack import slack

            return slack(name, way, panel_url)

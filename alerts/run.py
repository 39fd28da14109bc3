"""From changed incidents to delivered messages: announce, then deliver; recover at start.

The two halves meet only in the outbox: deciding is one transaction without any network, delivering
(`deliver.py`) holds no transaction while it waits for somebody else's server.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlmodel import Session

from alerts.alert import Alert, Outcome, Picture
from alerts.config import AlertsConfig, Way
from alerts.deliver import Deliverer, milliseconds
from alerts.meters import AlertsMeters
from alerts.notifiers import Notifier
from alerts.outbox import Outbox, OutboxStatus
from alerts.pipeline import Round, pipeline
from alerts.presses import Answer, Presses
from alerts.receivers import AlertmanagerConfig, EmailConfig, WebhookConfig
from alerts.slack_config import SlackConfig
from detector.actions import Wish
from detector.regression import Incident, Regression
from storage.state import State

if TYPE_CHECKING:
    from alerts.notifiers.slack_presses import Listener

log = logging.getLogger(__name__)

OnPress = Callable[[Mapping[str, Any]], object]

# The picture of an incident as it is at a time, or None where there is nothing to draw.
Draw = Callable[[Incident, str, int], Picture | None]


class Book(Protocol):
    """The detector's book, as far as this room uses it."""

    def unannounced(self, session: Session) -> list[Incident]:
        """Incidents with a version nobody was told of, the oldest first."""
        ...

    def claim(self, session: Session, incident: Incident) -> bool:
        """Mark this version as told; False when another did so first."""
        ...

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
        receivers = tuple(notifier.receiver for notifier in self.notifiers.values())
        outbox = Outbox(receivers, config.public_url)
        self._pipeline = pipeline(receivers, config.min_severity, config.public_url, outbox)
        self.deliverer = Deliverer(state, outbox, self.notifiers, meters)
        self._slacks = [way for _, way in config.ways() if isinstance(way, SlackConfig)]
        self._listeners: list[Listener] | None = None
        self._presses = Presses(state, book, self.notifiers, meters)

    def draw_with(self, draw: Draw) -> None:
        """From now on charts are drawn by this; what draws needs what is built after us."""
        self._draw = draw
        self.deliverer.draw_with(self._picture)

    def recover(self, now: datetime) -> int:
        """At start, before anything else: what was under way when the process ended is in doubt."""
        return self.deliverer.recover(now)

    def announce(self, now: datetime) -> list[Alert]:
        """Decide about every incident that changed, in one unit of work; what was decided."""
        now_ms = milliseconds(now)
        with self._state.unit() as session:
            ours = [
                incident
                for incident in self._book.unannounced(session)
                if self._book.claim(session, incident)
            ]
            alerts = self._pipeline.run(ours, Round(session, now_ms))
        for alert in alerts:
            self._meters.decided(alert)
            log.info(
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

    def status(self, now: datetime) -> OutboxStatus:
        """What waits, how long, and which receivers are broken."""
        return self.deliverer.status(now)

    def retain(self, before: datetime) -> int:
        """Forget what was told of incidents that were over before; how many rows went."""
        return self.deliverer.retain(before)

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


def listeners(slacks: Sequence[SlackConfig], on_press: OnPress) -> "list[Listener]":
    """One connection for each app, however many channels it serves."""
    from alerts.notifiers.slack_presses import Listener

    apps = {(one.app_token, one.app_token_file): one for one in slacks if one.by_socket}
    return [Listener(one, on_press) for one in apps.values()]


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

"""What the room tells about itself."""

from collections import Counter as Counted
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from alerts.alert import Action, Alert, Outcome
from alerts.outbox import OutboxStatus
from alerts.silence import Silence, SilenceKind
from alerts.troubles import TroubleKind
from detector.regression import Incident


class AlertsMeters:
    """The metrics of the room, in the registry they are given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.notifications = Counter(
            "plimsoll_notifications",
            "Calls to receivers, by what was asked and what became of it.",
            ("receiver", "action", "outcome"),
            registry=registry,
        )
        self.decisions = Counter(
            "plimsoll_alert_decisions",
            "What was decided about changed incidents, and why.",
            ("receiver", "action", "reason"),
            registry=registry,
        )
        self.pending = Gauge(
            "plimsoll_outbox_pending", "Messages still to be delivered.", registry=registry
        )
        self.oldest = Gauge(
            "plimsoll_outbox_oldest_seconds",
            "How long the oldest message in the outbox has been waiting.",
            registry=registry,
        )
        self.broken = Gauge(
            "plimsoll_receiver_broken",
            "1 while a receiver refuses everything until somebody mends it.",
            ("receiver",),
            registry=registry,
        )

        self.overtaken = Counter(
            "plimsoll_alert_rounds_overtaken",
            "Rounds of deciding that were done anew because another process was faster.",
            registry=registry,
        )
        self.heartbeats = Counter(
            "plimsoll_heartbeats",
            "Signs of life, by what became of them.",
            ("heartbeat", "outcome"),
            registry=registry,
        )

        self.silences = Gauge(
            "plimsoll_silences_active",
            "Silences and maintenance windows in force.",
            ("kind",),
            registry=registry,
        )
        self.troubles = Gauge(
            "plimsoll_troubles_open",
            "Troubles of Plimsoll itself that are not over.",
            ("kind",),
            registry=registry,
        )

        self.digested = Counter(
            "plimsoll_digest_incidents",
            "Versions of incidents that were told as a line of a digest.",
            ("receiver",),
            registry=registry,
        )
        self.presses = Counter(
            "plimsoll_slack_presses",
            "Presses of buttons in Slack, and what became of them.",
            ("button", "result"),
            registry=registry,
        )

        self.listeners = Gauge(
            "plimsoll_slack_connections",
            "Connections to Slack that presses of buttons come in over.",
            registry=registry,
        )

    def silenced(self, active: Iterable[Silence]) -> None:
        """Set the gauge of silences."""
        found = Counted(one.kind for one in active)
        for kind in SilenceKind:
            self.silences.labels(kind).set(found[kind])

    def troubled(self, open_: Iterable[Incident]) -> None:
        """Set the gauge of troubles."""
        found = Counted(one.regressions[0].rule for one in open_)
        for kind in TroubleKind:
            self.troubles.labels(kind).set(found[kind.value])

    def listening(self, connections: int) -> None:
        """Set how many connections stand."""
        self.listeners.set(connections)

    def pressed(self, button: str, result: str) -> None:
        """Count one press; `button` is empty where it was none of ours."""
        self.presses.labels(button, result).inc()

    def gathered(self, receiver: str, count: int) -> None:
        """Count what a digest took in."""
        if count:
            self.digested.labels(receiver).inc(count)

    def decided(self, alert: Alert) -> None:
        """Count one decision."""
        self.decisions.labels(alert.receiver.name, alert.action, alert.reason).inc()

    def called(self, receiver: str, action: Action, outcome: Outcome) -> None:
        """Count one call to a receiver."""
        self.notifications.labels(receiver, action, outcome).inc()

    def show(self, status: OutboxStatus) -> None:
        """Set the gauges."""
        self.pending.set(status.pending)
        self.oldest.set(status.oldest_seconds)
        for name, receiver in status.receivers.items():
            self.broken.labels(name).set(receiver.broken)

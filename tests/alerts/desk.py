"""The room as a test sees it: a file, a fake Slack, and a clock."""

from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlmodel import col, select

from alerts.alert import Alert, Outcome
from alerts.config import AlertsConfig
from alerts.meters import AlertsMeters
from alerts.outbox import OutboxStatus
from alerts.outbox_tables import Kind, OutboxRow
from alerts.run import Alerts, Draw
from alerts.slack_config import SlackConfig
from detector.regression import Incident
from storage.state import State
from tests.alerts.books import TestBook, opened
from tests.slack_fake import CHANNEL, FakeSlack


class Desk:
    """The room on a database file, a fake Slack, and a clock that only the test moves."""

    def __init__(self, path: Path, slack: FakeSlack, now: datetime) -> None:
        self.path = path
        self.slack = slack
        self.now = now
        self.book = TestBook()
        self.config = self.by_token()
        self.state: State
        self.alerts: Alerts
        self.draw: Draw | None = None
        self.registry: CollectorRegistry
        self.start()

    def start(self) -> None:
        """A new process on the same file."""
        self.state = opened(f"sqlite:///{self.path}")
        self.registry = CollectorRegistry()
        meters = AlertsMeters(self.registry)
        self.alerts = Alerts(self.state, self.book, self.config, meters)
        if self.draw is not None:
            self.alerts.draw_with(self.draw)

    def crash(self) -> None:
        """Everything in memory is gone; start anew and recover."""
        self.state.close()
        self.start()
        self.alerts.recover(self.now)

    def reconfigure(self, config: AlertsConfig) -> None:
        """Stop, change plimsoll.yaml, start."""
        self.config = config
        self.crash()

    def by_token(self, **changes: object) -> AlertsConfig:
        given = {
            "bot_token": self.slack.token,
            "channel": CHANNEL,
            "api_url": self.slack.api_url,
            "timeout": 5,
            # Tests that are not about the pace or threads send all messages that are due at once.
            "threads": False,
            "messages_per_minute": 100_000,
            "digest_from": 0,
        }
        return AlertsConfig(slack=SlackConfig.model_validate({**given, **changes}))

    def threaded(self, **changes: object) -> AlertsConfig:
        return self.by_token(threads=True, charts=False, **changes)

    def by_webhook(self, **changes: object) -> AlertsConfig:
        given = {
            "webhook_url": self.slack.webhook_url,
            "timeout": 5,
            "messages_per_minute": 100_000,
            "digest_from": 0,
        }
        return AlertsConfig(slack=SlackConfig.model_validate({**given, **changes}))

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def write(self, *incidents: Incident) -> None:
        with self.state.unit() as session:
            for incident in incidents:
                self.book.write(session, incident)

    def announce(self, *incidents: Incident) -> list[Alert]:
        """What the detector found, and what the room decides about it."""
        self.write(*incidents)
        return self.alerts.announce(self.now)

    def deliver(self) -> list[Outcome]:
        return self.alerts.deliver(self.now)

    def tell(self, *incidents: Incident) -> list[Outcome]:
        self.announce(*incidents)
        return self.deliver()

    def rows(self) -> list[OutboxRow]:
        """The rows of messages, without what stands in their threads."""
        return self.of_kind(Kind.MESSAGE)

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def of_kind(self, kind: Kind) -> list[OutboxRow]:
        with self.state.unit() as session:
            found = select(OutboxRow).where(OutboxRow.kind == kind).order_by(col(OutboxRow.id))
            return list(session.exec(found).all())

    def status(self) -> OutboxStatus:
        return self.alerts.status(self.now)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

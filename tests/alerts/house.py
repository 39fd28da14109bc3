"""The deciding half on a database, with receivers that take everything, and a clock of the test."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from alerts.alert import Action, Alert, Delivery, Outcome, Receiver, Reference
from alerts.announce import Announcer, Tree
from alerts.decisions import Decision, DecisionQuery
from alerts.matchers import parse
from alerts.outbox import Outbox
from alerts.outbox_tables import OutboxRow
from alerts.pipeline import pipeline
from alerts.routing_config import RoutingConfig
from alerts.silence import Silence, SilenceKind
from alerts.silences import Silences
from detector.regression import Incident, Severity
from storage.state import State
from tests.alerts.books import TestBook
from tests.alerts.incidents import NOON, ms

CHAT, PAGER, MAIL = (
    Receiver("chat", edits=True),
    Receiver("pager", edits=False),
    Receiver("mail", edits=False),
)


class Deciding:
    """Incidents in, outbox rows out; `routing` is the section of the configuration."""

    def __init__(
        self,
        state: State,
        routing: Mapping[str, Any] | None,
        receivers: Sequence[Receiver] = (CHAT, PAGER, MAIL),
    ) -> None:
        self.state, self.now = state, NOON
        self.book, self.outbox = TestBook(), Outbox(tuple(receivers), "http://127.0.0.1:8750")
        self.receivers = {one.name: one for one in receivers}
        self.announcer = self.made(routing)

    def made(self, routing: Mapping[str, Any] | None) -> Announcer:
        """The deciding half with this routing."""
        way = pipeline(
            tuple(self.receivers.values()), Severity.INFO, "http://127.0.0.1:1", self.outbox
        )
        tree = None
        if routing is not None:
            config = RoutingConfig.model_validate(routing)
            to = {n: (self.receivers[n],) for n in config.receiver_names() if n in self.receivers}
            nobody = {n: () for n in config.receiver_names() if n not in self.receivers}
            tree = Tree(config.routing(), {**to, **nobody})
        return Announcer(self.book, way, tree, self.receivers)

    def restart(self, routing: Mapping[str, Any] | None) -> None:
        """Another configuration, and what the start does."""
        self.announcer = self.made(routing)
        with self.state.unit() as session:
            self.announcer.begin(session, ms(self.now))

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def write(self, *incidents: Incident) -> None:
        with self.state.unit() as session:
            for one in incidents:
                self.book.write(session, one)

    def decide(self, *incidents: Incident) -> list[Alert]:
        """What is decided now; everything that is sent arrives."""
        self.write(*incidents)
        with self.state.unit() as session:
            found = self.announcer.decide(session, ms(self.now))
        self.arrive()
        return found

    def arrive(self) -> None:
        """Deliver everything."""
        while True:
            with self.state.unit() as session:
                letter = self.outbox.claim(session, ms(self.now))
                if letter is None:
                    return
                said = Delivery(outcome=Outcome.SENT, reference=Reference("C", str(letter.id)))
                self.outbox.settle(session, letter, said, ms(self.now))

    def told(self, *incidents: Incident) -> list[tuple[str, str, str]]:
        """Decide, and say what was sent: to whom, whether new or an edit, and why."""
        return [
            (one.receiver.name, str(one.action), str(one.reason))
            for one in self.decide(*incidents)
            if one.action is not Action.NOTHING
        ]

    def untold(self, *incidents: Incident) -> list[tuple[str, str]]:
        """Decide, and say who was not told, and why."""
        return [
            (one.receiver.name, str(one.reason))
            for one in self.decide(*incidents)
            if one.action is Action.NOTHING
        ]

    def after(self, seconds: float) -> list[tuple[str, str, str]]:
        """What is sent when that much time has passed."""
        self.wait(seconds)
        return self.told()

    def silence(
        self, text: str, minutes: float = 60, kind: SilenceKind = SilenceKind.SILENCE
    ) -> Silence:
        now_ms = ms(self.now)
        made = Silence(
            id="",
            kind=kind,
            matchers=parse(text),
            starts_ms=now_ms,
            ends_ms=now_ms + round(minutes * 60_000),
            created_by="ada",
            comment="planned",
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        with self.state.unit() as session:
            return Silences().create(session, made)

    def expire(self, silence: Silence) -> None:
        with self.state.unit() as session:
            done = Silences().change(
                session, silence, ends_ms=ms(self.now), comment="done", now_ms=ms(self.now)
            )
        assert done is not None

    def history(self, **query: Any) -> list[Decision]:
        """The decisions, oldest first."""
        with self.state.reading() as session:
            found = self.announcer.decisions.page(session, DecisionQuery(limit=1000, **query))
        return found[::-1]

    def rows(self) -> list[OutboxRow]:
        with self.state.unit() as session:
            return list(session.exec(select(OutboxRow).order_by(col(OutboxRow.id))))

"""THE list: what happens to an alert between the incident and the outbox, in this order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlmodel import Session

from alerts.alert import Action, Alert, Reason, Receiver, Told
from alerts.layouts import compose
from alerts.outbox import Outbox
from alerts.payload import digest
from detector.regression import Incident, Phase, Severity


@dataclass(frozen=True, slots=True)
class Round:
    """What all stages of one round share: the unit of work, and its time."""

    session: Session
    now_ms: int


class Stage(Protocol):
    """One step. Alerts come in and go out; one that is stopped keeps its reason and stays in."""

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Decide about each alert that no stage before has stopped."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """To every receiver there is; an alert for nobody stops here."""

    receivers: tuple[Receiver, ...]

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """One alert for each receiver."""
        if not self.receivers:
            return [alert.stop(Reason.NO_RECEIVER) for alert in alerts]
        return [replace(alert, receiver=to) for alert in alerts for to in self.receivers]


@dataclass(frozen=True, slots=True)
class Sift:
    """By severity; what a receiver was told once, it is told to its end."""

    min_severity: Severity
    outbox: Outbox

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Stop what is milder than the receiver wants to hear of."""
        return [alert if self._passes(alert, round) else self._stop(alert) for alert in alerts]

    def _passes(self, alert: Alert, round: Round) -> bool:
        if alert.stopped or alert.incident.severity.rank >= self.min_severity.rank:
            return True
        told = self.outbox.told(round.session, alert.incident.id, alert.receiver.name)
        return bool(told.digest)

    def _stop(self, alert: Alert) -> Alert:
        return alert.stop(Reason.BELOW_MIN_SEVERITY)


@dataclass(frozen=True, slots=True)
class Compare:
    """With what the receiver was told: is it news, and is it a new message or an edit?"""

    public_url: str
    outbox: Outbox

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Decide action and reason, and write the message."""
        return [alert if alert.stopped else self._compare(alert, round) for alert in alerts]

    def _compare(self, alert: Alert, round: Round) -> Alert:
        told = self.outbox.told(round.session, alert.incident.id, alert.receiver.name)
        payload = compose(alert.incident, alert.receiver, self.public_url)
        if told.digest == digest(payload):
            return alert.stop(Reason.NOTHING_CHANGED)
        reason = news(told, alert.incident)
        if reason is Reason.MERGED:
            return merge(alert, told, payload)
        muted = alert.incident.is_muted
        if muted and (told.phase is None or not alert.receiver.edits):
            return alert.stop(Reason.MUTED)
        if alert.receiver.edits:
            anew = reason is Reason.REOPENED or told.phase is None
            return alert.send(Action.UPDATE if not anew else Action.POST, reason, payload)
        if reason is Reason.CHANGED and not told.waiting:
            return alert.stop(Reason.CANNOT_EDIT)
        return alert.send(Action.POST, reason, payload)


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Into the outbox; from here on a crash loses nothing."""

    outbox: Outbox

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Write down what is to be sent."""
        return [alert if alert.stopped else self._put(alert, round) for alert in alerts]

    def _put(self, alert: Alert, round: Round) -> Alert:
        reason = self.outbox.put(round.session, alert, round.now_ms)
        return alert.stop(reason) if reason is Reason.ALREADY_QUEUED else alert


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages in their order."""

    stages: tuple[Stage, ...]

    def run(self, incidents: Sequence[Incident], round: Round) -> list[Alert]:
        """What was decided about each incident, for each receiver."""
        alerts = [Alert(incident=incident) for incident in incidents]
        for stage in self.stages:
            alerts = stage(alerts, round)
        return alerts


def pipeline(
    receivers: tuple[Receiver, ...], min_severity: Severity, public_url: str, outbox: Outbox
) -> Pipeline:
    """The way of every alert, in one line."""
    return Pipeline(
        (
            Address(receivers),
            Sift(min_severity, outbox),
            Compare(public_url, outbox),
            Enqueue(outbox),
        )
    )


def merge(alert: Alert, told: Told, payload: Mapping[str, Any]) -> Alert:
    """What becomes of the message of an incident that is part of another one now.

    Whoever heard nothing of it hears nothing; a message that can be edited leads to the other.
    """
    if not told.digest:
        return alert.stop(Reason.MERGED)
    if told.waiting and told.phase is None:
        return alert.send(Action.POST, Reason.MERGED, payload)
    if not alert.receiver.edits:
        return alert.stop(Reason.CANNOT_EDIT)
    return alert.send(Action.UPDATE, Reason.MERGED, payload)


def news(told: Told, incident: Incident) -> Reason:
    """What is new in the incident for someone who knows what was told."""
    if incident.finding.merged_into:
        return Reason.MERGED
    over = incident.phase is Phase.RESOLVED
    if told.phase is None or told.severity is None:
        return Reason.RESOLVED if over else Reason.OPENED
    if over:
        return Reason.RESOLVED if told.phase is not Phase.RESOLVED else Reason.CHANGED
    if told.phase is Phase.RESOLVED:
        return Reason.REOPENED
    worse = incident.severity.rank > told.severity.rank
    return Reason.WORSE if worse else Reason.CHANGED

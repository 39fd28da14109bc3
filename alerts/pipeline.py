"""THE list: what happens to an alert between the incident and the outbox, in this order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlmodel import Session

from alerts.alert import NOBODY, Action, Alert, Reason, Receiver, Told, Trigger
from alerts.decisions import Decisions, hush_evidence
from alerts.layouts import compose
from alerts.outbox import Outbox
from alerts.payload import digest
from alerts.silence import Silence, SilenceKind, silenced
from alerts.silences import Silences
from alerts.subject import labels_of
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
        return [one for alert in alerts for one in self._address(alert)]

    def _address(self, alert: Alert) -> list[Alert]:
        if alert.stopped or alert.receiver is not NOBODY:
            return [alert]
        if not self.receivers:
            return [alert.stop(Reason.NO_RECEIVER)]
        return [replace(alert, receiver=to) for to in self.receivers]


@dataclass(frozen=True, slots=True)
class Quieten:
    """By silences and maintenance windows, where no group has asked them already."""

    silences: Silences

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Note on each alert what keeps all of it quiet."""
        waiting = [alert for alert in alerts if not alert.stopped and not alert.asked]
        active = self.silences.active(round.session, round.now_ms) if waiting else []
        return [self._quieten(alert, active, round.now_ms) for alert in alerts]

    def _quieten(self, alert: Alert, active: Sequence[Silence], now_ms: int) -> Alert:
        if alert.stopped or alert.asked or not active:
            return alert
        rows = [one for one in alert.incident.regressions if one.phase.holds]
        labels = [labels_of(one, alert.incident.id) for one in rows or alert.incident.regressions]
        found = [silenced(active, one, now_ms) for one in labels]
        by = [one for one in found if one is not None]
        if not by or len(by) < len(found):
            return alert
        first = min(by, key=lambda one: (one.ends_ms, one.id))
        hush = Reason.MAINTENANCE if first.kind is SilenceKind.MAINTENANCE else Reason.SILENCED
        return replace(alert, hush=hush, evidence=hush_evidence(first))


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
    decisions: Decisions

    def __call__(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """Decide action and reason, and write the message."""
        return [alert if alert.stopped else self._compare(alert, round) for alert in alerts]

    def _compare(self, alert: Alert, round: Round) -> Alert:
        told = self.outbox.told(round.session, alert.incident.id, alert.receiver.name)
        payload = compose(alert.incident, alert.receiver, self.public_url)
        if told.digest == digest(payload):
            if self._unheard(alert, round):
                alert = replace(alert, serial=f"heard-{round.now_ms}")
                return alert.send(Action.UPDATE, Reason.REPEATED, payload)
            return unchanged(alert, told, payload)
        reason = news(told, alert.incident)
        if reason is Reason.MERGED:
            return merge(alert, told, payload)
        edits, new = alert.receiver.edits, told.phase is None
        if alert.incident.is_muted and (new or not edits):
            return alert.stop(Reason.MUTED)
        if alert.hush is not None and (new or not edits):
            return alert.stop(alert.hush)
        if alert.hush is not None:
            return keep(alert, payload)
        if alert.trigger is Trigger.EDIT and not told.waiting and (new or reason not in AT_ONCE):
            return alert.stop(Reason.WAITING_FOR_GROUP)
        if new and not told.waiting and alert.route and alert.incident.phase is Phase.RESOLVED:
            return alert.stop(Reason.OVER_BEFORE_TOLD)
        if alert.trigger is Trigger.ESCALATION and new:
            reason = Reason.ESCALATED
        if edits:
            anew = reason is Reason.REOPENED or new
            return alert.send(Action.UPDATE if not anew else Action.POST, reason, payload)
        if reason is Reason.CHANGED and not told.waiting:
            return alert.stop(Reason.CANNOT_EDIT)
        return alert.send(Action.POST, reason, payload)

    def _unheard(self, alert: Alert, round: Round) -> bool:
        """Whether its group has news that were edited into the message while nobody was to notice.

        What kept them quiet is over, so they are told again.
        """
        grouped = bool(alert.group_key) and alert.trigger is Trigger.NEWS and alert.hush is None
        if not grouped or alert.incident.phase is not Phase.OPEN or alert.incident.is_muted:
            return False
        last = self.decisions.last_sent(round.session, alert.incident.id, alert.receiver.name)
        return last is Reason.KEPT_TRUE


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

    def run(self, alerts: Sequence[Alert], round: Round) -> list[Alert]:
        """What was decided about each of them, for each receiver."""
        decided = list(alerts)
        for stage in self.stages:
            decided = stage(decided, round)
        return decided


def pipeline(
    receivers: tuple[Receiver, ...], min_severity: Severity, public_url: str, outbox: Outbox
) -> Pipeline:
    """The way of every alert, in one line; one that a tree has addressed is not addressed again."""
    return Pipeline(
        (
            Address(receivers),
            Quieten(Silences()),
            Sift(min_severity, outbox),
            Compare(public_url, outbox, Decisions()),
            Enqueue(outbox),
        )
    )


# What may be edited into a message that stands, without waiting for the group's next notice.
AT_ONCE = frozenset({Reason.CHANGED, Reason.CONFIRMED, Reason.WITHDRAWN})


def unchanged(alert: Alert, told: Told, payload: Mapping[str, Any]) -> Alert:
    """What becomes of an alert whose message would look the same: only a repeat is sent."""
    if alert.trigger is not Trigger.REPEAT or told.waiting or alert.incident.is_muted:
        return alert.stop(Reason.NOTHING_CHANGED)
    action = Action.UPDATE if alert.receiver.edits else Action.POST
    return alert.send(action, Reason.REPEATED, payload)


def keep(alert: Alert, payload: Mapping[str, Any]) -> Alert:
    """What becomes of a message that stands while nobody is to notice: it stays true."""
    return alert.send(Action.UPDATE, Reason.KEPT_TRUE, payload)


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
    if incident.phase is Phase.SUSPECTED:
        return Reason.SUSPECTED if told.phase is None else Reason.CHANGED
    if told.phase is Phase.SUSPECTED:
        return Reason.WITHDRAWN if over else Reason.CONFIRMED
    if told.phase is None or told.severity is None:
        return Reason.RESOLVED if over else Reason.OPENED
    if over:
        return Reason.RESOLVED if told.phase is not Phase.RESOLVED else Reason.CHANGED
    if told.phase is Phase.RESOLVED:
        return Reason.REOPENED
    worse = incident.severity.rank > told.severity.rank
    return Reason.WORSE if worse else Reason.CHANGED

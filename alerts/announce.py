"""Deciding: from changed incidents to messages in the outbox, with every decision kept.

Without a tree of routes every changed incident goes to every receiver at once. With one, the
regressions of an incident are alerts in the groups of their routes, and the groups say when.
Everything in one round is one unit of work: done as a whole, by one of several processes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlmodel import Session

from alerts.alert import NOBODY, Alert, Reason, Receiver, Trigger
from alerts.decisions import Decisions, receivers_told
from alerts.dispatch import Dispatch, Escalation, Routing
from alerts.group import Flush, Hush, Notice, Subject
from alerts.groups import Groups
from alerts.pipeline import Pipeline, Round
from alerts.silences import Silences
from alerts.subject import is_acknowledged, joined, subjects, suspicion
from alerts.troubles import Troubles
from detector.regression import Incident, Phase, Regression

HUSHES = {one: Reason(one.value) for one in Hush}
KEYS = {
    Hush.INHIBITED: "inhibited_by",
    Hush.OUT_OF_HOURS: "interval",
    Hush.SILENCED: "silence",
    Hush.MAINTENANCE: "silence",
}
TRIGGERS = {
    Notice.REPEAT: Trigger.REPEAT,
    Notice.NOTHING_NEW: Trigger.KEEP,
    Notice.NOTHING_LEFT: Trigger.KEEP,
}
# Of several groups that bring the same incident to the same receiver the most telling one counts.
WEIGHT = (Trigger.NEWS, Trigger.REPEAT, Trigger.ESCALATION, Trigger.EDIT, Trigger.KEEP)


class Book(Protocol):
    """The detector's book, as far as this room reads it."""

    def unannounced(self, session: Session) -> list[Incident]:
        """Incidents with a version nobody was told of, the oldest first."""
        ...

    def claim(self, session: Session, incident: Incident) -> bool:
        """Mark this version as told; False when another did so first."""
        ...

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One incident, whole."""
        ...

    def open_incidents(self, session: Session) -> list[Incident]:
        """All that are not over, the oldest first."""
        ...

    def suspected(self, session: Session) -> list[Regression]:
        """All that may turn out to be a regression."""
        ...

    def regression(self, session: Session, regression_id: str) -> Regression | None:
        """One regression."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """The routing, and who of ours is told for each receiver it names."""

    routing: Routing
    deliveries: Mapping[str, tuple[Receiver, ...]]

    def receivers(self, route: str) -> tuple[Receiver, ...]:
        """Whom a route tells; nobody, where its receiver stands for nobody."""
        found = self.routing.routes.get(route)
        return self.deliveries[found.receiver] or (NOBODY,) if found else ()


@dataclass(slots=True)
class Rounds:
    """What one round knows: its time and session, the incidents it has read, those it claimed."""

    session: Session
    now_ms: int
    book: Book
    troubles: Troubles
    known: dict[str, Incident | None] = field(default_factory=dict)

    def incident(self, incident_id: str) -> Incident | None:
        """An incident as it is now; None when it is nowhere, such as a suspicion that joined."""
        if incident_id not in self.known:
            found = self.troubles.incident(self.session, incident_id)
            self.known[incident_id] = found or self.book.incident(self.session, incident_id)
        return self.known[incident_id]


@dataclass(frozen=True, slots=True)
class Announcer:
    """Decides about everything that changed, or whose time has come."""

    book: Book
    pipeline: Pipeline
    tree: Tree | None
    receivers: Mapping[str, Receiver]
    troubles: Troubles = field(default_factory=Troubles)
    silences: Silences = field(default_factory=Silences)
    decisions: Decisions = field(default_factory=Decisions)

    def decide(self, session: Session, now_ms: int) -> list[Alert]:
        """One round, inside of the caller's unit of work; what was decided."""
        round_ = Rounds(session, now_ms, self.book, self.troubles)
        claimed = self._claimed(round_)
        found = (
            self._plainly(round_, claimed)
            if self.tree is None
            else self._by_tree(round_, claimed, self.tree)
        )
        decided = self.pipeline.run(found, Round(session, now_ms)) if found else []
        self.decisions.record(session, decided, now_ms, grouped=self.tree is not None)
        return decided

    def begin(self, session: Session, now_ms: int) -> None:
        """At start: the groups hold what is open now, in the routes that there are now.

        So a changed tree needs no change of an incident, and what ended meanwhile is told. Where
        there is no tree any more, nothing waits for its group any longer.
        """
        if self.tree is None:
            self.decisions.recheck(session, Groups.dissolve(session), now_ms)
            return
        groups = Groups(session)
        dispatch = groups.load(self.tree.routing)
        open_ = [*self.book.open_incidents(session), *self.troubles.open(session)]
        here = [s for one in open_ for s in subjects(one, one.opened_ms, now_ms)]
        there = {s.source for s in here}
        gone = [one for one in members(dispatch) if one.source not in there and not one.suspected]
        dispatch.take([*(replace(one, ends_ms=now_ms) for one in gone), *here], now_ms)
        groups.save(dispatch, now_ms)

    def _claimed(self, round_: Rounds) -> list[Incident]:
        """The incidents with news that this process has taken."""
        session = round_.session
        found = [
            *(one for one in self.book.unannounced(session) if self.book.claim(session, one)),
            *(
                one
                for one in self.troubles.unannounced(session)
                if self.troubles.claim(session, one)
            ),
        ]
        round_.known |= {one.id: one for one in found}
        return found

    def _plainly(self, round_: Rounds, claimed: Sequence[Incident]) -> list[Alert]:
        """Everything that changed, to everybody; and what was silenced until now."""
        fresh = {one.id for one in claimed}
        again = []
        for id_ in self.decisions.rechecks(round_.session, round_.now_ms):
            found = round_.incident(id_) if id_ not in fresh else None
            if found is not None and found.phase is Phase.OPEN:
                again.append(found)
        return [Alert(incident=one) for one in (*claimed, *again)]

    def _by_tree(self, round_: Rounds, claimed: Sequence[Incident], tree: Tree) -> list[Alert]:
        """What the groups say is to be told now; and what may be edited without them."""
        session, now_ms = round_.session, round_.now_ms
        suspects = tree.routing.suspects
        next_ms = Groups.next_ms(session)
        if not claimed and not suspects and (next_ms is None or next_ms > now_ms):
            return []
        groups = Groups(session)
        dispatch = groups.load(tree.routing)
        guessed = self._suspicions(round_, dispatch) if suspects else []
        for one in (*claimed, *guessed):
            dispatch.take(subjects(one, now_ms, now_ms), now_ms)
        found: list[Alert] = []
        silences = self.silences.active(session, now_ms)
        for flush in dispatch.due(silences, now_ms):
            found += self._flushed(round_, tree, dispatch, flush)
        for one in (*claimed, *guessed):
            hushed = dispatch.hushed(one.id, silences, now_ms)
            found += edits(round_, tree, dispatch, one, hushed)
            found += to_the_end(round_, tree, dispatch, one, self.receivers)
        for one in claimed:
            if one.phase is Phase.RESOLVED:
                dispatch.forget(one.id)
        for escalation in dispatch.escalations(now_ms):
            found += escalated(round_, tree, dispatch, escalation)
        groups.save(dispatch, now_ms)
        return weightiest(found)

    def _suspicions(self, round_: Rounds, dispatch: Dispatch) -> list[Incident]:
        """The suspicions that are new, and those of the groups that are none any more."""
        session = round_.session
        now = {one.id: one for one in self.book.suspected(session)}
        held = dispatch.sources(suspected=True)
        found = [suspicion(one) for id_, one in now.items() if id_ not in held]
        for id_ in sorted(held - now.keys()):
            one = self.book.regression(session, id_)
            if one is not None and (not one.phase.holds or joined(one)):
                found.append(suspicion(one))
        round_.known |= {one.id: one for one in found}
        return found

    def _flushed(
        self, round_: Rounds, tree: Tree, dispatch: Dispatch, flush: Flush
    ) -> Iterator[Alert]:
        """The incidents of a group that is looked at, to the receivers of its route."""
        passing = dict.fromkeys(one.about for one in (*flush.firing, *flush.resolved))
        for about in passing:
            yield from alerts(round_, tree, flush, about, None)
        hushed: dict[str, tuple[Hush, str]] = {}
        for one, hush, evidence in flush.hushed:
            if one.about not in passing:
                hushed.setdefault(one.about, (hush, evidence))
        for about, why in hushed.items():
            yield from alerts(round_, tree, flush, about, why)
        if flush.notice.tells:
            dispatch.wait(
                flush.group.key, dict.fromkeys(one.about for one in flush.firing), round_.now_ms
            )


def alerts(
    round_: Rounds, tree: Tree, flush: Flush, about: str, why: tuple[Hush, str] | None
) -> Iterator[Alert]:
    """One incident of a group that is looked at, to each receiver of its route."""
    incident = round_.incident(about)
    if incident is None:
        return
    evidence = {"notice": str(flush.notice), **({KEYS[why[0]]: why[1]} if why else {})}
    for receiver in tree.receivers(flush.group.route):
        alert = Alert(
            incident=incident,
            receiver=receiver,
            route=flush.group.route,
            group_key=flush.group.key,
            trigger=TRIGGERS.get(flush.notice, Trigger.NEWS) if why is None else Trigger.KEEP,
            hush=HUSHES[why[0]] if why else None,
            serial=f"repeat-{flush.at_ms}" if flush.notice is Notice.REPEAT else "",
            evidence=evidence,
        )
        yield alert.stop(Reason.NO_RECEIVER) if receiver is NOBODY else alert


def edits(
    round_: Rounds,
    tree: Tree,
    dispatch: Dispatch,
    incident: Incident,
    hushed: Mapping[str, tuple[Hush, str]],
) -> Iterator[Alert]:
    """A changed incident, to whoever its groups tell: what may be said before their time."""
    for group in dispatch.holding(incident.id):
        why = hushed.get(group.key)
        for to in tree.receivers(group.route):
            if to is not NOBODY:
                yield Alert(
                    incident=incident,
                    receiver=to,
                    route=group.route,
                    group_key=group.key,
                    trigger=Trigger.EDIT,
                    hush=HUSHES[why[0]] if why else None,
                    evidence={KEYS[why[0]]: why[1]} if why else {},
                )


def to_the_end(
    round_: Rounds,
    tree: Tree,
    dispatch: Dispatch,
    incident: Incident,
    known: Mapping[str, Receiver],
) -> Iterator[Alert]:
    """A changed incident, to receivers that know of it and whose groups do not hold it any more."""
    here = {
        to.name for group in dispatch.holding(incident.id) for to in tree.receivers(group.route)
    }
    for name in sorted(receivers_told(round_.session, incident.id) - here):
        if name in known:
            yield Alert(incident=incident, receiver=known[name])


def escalated(
    round_: Rounds, tree: Tree, dispatch: Dispatch, escalation: Escalation
) -> Iterator[Alert]:
    """An incident that nobody acknowledged, to whom its route names for that."""
    incident = round_.incident(escalation.about)
    if incident is None or incident.phase is not Phase.OPEN:
        dispatch.forget(escalation.about)
        return
    dispatch.settle(escalation.group.key, escalation.about)
    for to in tree.deliveries[escalation.to]:
        alert = Alert(
            incident=incident,
            receiver=to,
            route=escalation.group.route,
            group_key=escalation.group.key,
            trigger=Trigger.ESCALATION,
            evidence={"unacknowledged_since_ms": escalation.since_ms},
        )
        done = is_acknowledged(incident)
        yield alert.stop(Reason.ACKNOWLEDGED_IN_TIME) if done else alert


def members(dispatch: Dispatch) -> list[Subject]:
    """Every alert in any group that is not over."""
    found = (one for group in dispatch.groups.values() for one in group.members.values())
    return [one for one in found if one.ends_ms is None]


def weightiest(found: Iterable[Alert]) -> list[Alert]:
    """Of each incident and receiver the one alert that may say most."""
    chosen: dict[tuple[str, str], Alert] = {}
    for one in found:
        place = one.incident.id, one.receiver.name
        best = chosen.get(place)
        if best is None or weight(one) < weight(best):
            chosen[place] = one
    return list(chosen.values())


def weight(alert: Alert) -> tuple[bool, bool, bool, int]:
    """For sorting: the smallest may say most. What is hushed says more of why than what waits."""
    quiet = alert.trigger in (Trigger.EDIT, Trigger.KEEP)
    return alert.stopped, quiet, alert.hush is None and quiet, WEIGHT.index(alert.trigger)

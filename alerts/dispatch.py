"""From alerts to notices: into the groups of their routes, and out of them when it is time. Pure.

The groups are handed in and taken out again, so that whoever keeps them decides how. Nothing here
knows of messages; the differential test compares this module with the real Alertmanager.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from alerts.group import Flush, Group, Hush, Subject, Wait, flush, insert, new_group
from alerts.inhibit import InhibitRule, inhibitor
from alerts.intervals import TimeInterval, held
from alerts.route import Notify, Route
from alerts.silence import Silence, SilenceKind, silenced

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Routing:
    """Everything that decides who is told: the tree, what inhibits what, the named times."""

    root: Route
    inhibit_rules: tuple[InhibitRule, ...] = ()
    intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """All nodes by their key, in the order of the tree."""
        return {one.key: one for one in self.root.walk()}

    @cached_property
    def suspects(self) -> bool:
        """Whether any route wants to hear of suspicions."""
        return any(one.notify is Notify.SUSPECTED for one in self.routes.values())

    def taken(self, subject: Subject) -> list[Route]:
        """The nodes that take an alert; a suspicion only those that want to hear of it."""
        found = self.root.match(subject.labels)
        if not subject.suspected:
            return found
        return [one for one in found if one.notify is Notify.SUSPECTED]


@dataclass(frozen=True, slots=True)
class Escalation:
    """An incident that a route told and nobody acknowledged: who is told now, and since when."""

    group: Group
    about: str
    to: str
    since_ms: int


class Dispatch:
    """The groups of one routing, and what is done with them. Times are never read, only given.

    `changed` holds the keys of the groups that are not as they were handed in.
    """

    def __init__(self, routing: Routing, groups: Iterable[Group] = ()) -> None:
        self.routing = routing
        self.groups: dict[str, Group] = {}
        self.changed: set[str] = set()
        self._places: dict[str, set[str]] = defaultdict(set)
        for group in groups:
            self._put(group)
        self.changed.clear()

    def _put(self, group: Group) -> None:
        if self.groups.get(group.key) == group:
            return
        self.groups[group.key] = group
        self.changed.add(group.key)
        for one in group.members.values():
            self._places[one.source].add(group.key)

    def take(self, subjects: Iterable[Subject], now_ms: int) -> None:
        """Put alerts, new or newer, into the groups of their routes.

        The same regression under other labels ends under the old ones: a severity that rises may
        take it to another route. What is over and in no group is nothing to tell.
        """
        for one in subjects:
            for key in sorted(self._places.get(one.source, ())):
                self._end(self.groups[key], one, now_ms)
            if one.ends_ms is not None:
                continue
            for route in self.routing.taken(one):
                fresh = new_group(route, route.group_labels(one.labels), now_ms)
                self._put(insert(self.groups.get(fresh.key, fresh), route, one, now_ms))

    def _end(self, group: Group, subject: Subject, now_ms: int) -> None:
        """End what a group holds of this regression, unless it goes on there."""
        members = dict(group.members)
        for key, known in group.members.items():
            if known.source != subject.source or known.ends_ms is not None:
                continue
            if key != subject.fingerprint:
                members[key] = replace(known, ends_ms=now_ms, about=subject.about)
            elif subject.ends_ms is not None:
                members[key] = replace(known, ends_ms=subject.ends_ms, about=subject.about)
        self._put(replace(group, members=members))

    def sources(self, *, suspected: bool) -> frozenset[str]:
        """The regressions that groups hold and that are not over."""
        return frozenset(
            one.source
            for group in self.groups.values()
            for one in group.members.values()
            if one.ends_ms is None and one.suspected is suspected
        )

    def drop(self, now_ms: int) -> list[str]:
        """Forget groups whose route is gone, or that nothing depends on; their keys."""
        gone = []
        for key, group in list(self.groups.items()):
            route = self.routing.routes.get(group.route)
            if route is None or group.forgettable(route, now_ms):
                del self.groups[key]
                self.changed.discard(key)
                gone.append(key)
        for places in self._places.values():
            places.difference_update(gone)
        return gone

    def due_ms(self, group: Group) -> int | None:
        """When a group must be looked at next; None for never."""
        route = self.routing.routes.get(group.route)
        return group.due_ms(route) if route is not None else None

    def due(self, silences: Sequence[Silence], now_ms: int) -> list[Flush]:
        """Flush every group whose time has come, the longest due first."""
        firing = self.firing() if self.routing.inhibit_rules else []
        ready = [one for one in self.groups.values() if one.members and one.next_ms <= now_ms]
        found = []
        for group in sorted(ready, key=lambda one: (one.next_ms, one.key)):
            route = self.routing.routes.get(group.route)
            if route is None:
                continue
            why = closed(route, self.routing.intervals, now_ms)

            def hushes(one: Subject, why: str = why) -> tuple[Hush, str] | None:
                return self.hush(one, firing, why, silences, now_ms)

            done = flush(group, route, hushes, now_ms)
            self._put(done.group)
            found.append(done)
        return found

    def hush(
        self,
        subject: Subject,
        firing: Sequence[Mapping[str, str]],
        closed_by: str,
        silences: Sequence[Silence],
        now_ms: int,
    ) -> tuple[Hush, str] | None:
        """What keeps an alert quiet, with its evidence: a source, an interval, a silence's id."""
        source = inhibitor(self.routing.inhibit_rules, subject.labels, firing)
        if source is not None:
            return Hush.INHIBITED, source.get("alertname", "")
        if closed_by:
            return Hush.OUT_OF_HOURS, closed_by
        return hushed_by(silences, subject.labels, now_ms)

    def hushed(
        self, about: str, silences: Sequence[Silence], now_ms: int
    ) -> dict[str, tuple[Hush, str]]:
        """The groups that could tell nothing of an incident now, and why."""
        firing = self.firing() if self.routing.inhibit_rules else []
        found = {}
        for group in self.holding(about):
            route = self.routing.routes.get(group.route)
            why = closed(route, self.routing.intervals, now_ms) if route else ""
            mine = [one for one in group.members.values() if one.about == about]
            reasons = [self.hush(one, firing, why, silences, now_ms) for one in mine]
            first = reasons[0]
            if first is not None and all(reasons):
                found[group.key] = first
        return found

    def holding(self, about: str) -> list[Group]:
        """The groups with an alert of this incident."""
        return [
            group
            for group in self.groups.values()
            if any(one.about == about for one in group.members.values())
        ]

    def firing(self) -> list[Mapping[str, str]]:
        """The labels of everything that is not over; what is only suspected inhibits nothing."""
        return [
            one.labels
            for group in self.groups.values()
            for one in group.members.values()
            if one.ends_ms is None and not one.suspected
        ]

    def wait(self, key: str, abouts: Iterable[str], now_ms: int) -> None:
        """Note that incidents were told for a group: their escalation counts from now."""
        group = self.groups[key]
        if self.routing.routes[group.route].escalate is not None:
            fresh = {one: Wait(now_ms) for one in abouts if one not in group.waits}
            self._put(replace(group, waits={**group.waits, **fresh}))

    def escalations(self, now_ms: int) -> list[Escalation]:
        """The incidents whose time to be acknowledged is over."""
        found = []
        for group in self.groups.values():
            route = self.routing.routes.get(group.route)
            if route is None or route.escalate is None:
                continue
            for about, wait in group.waits.items():
                if not wait.escalated and now_ms - wait.since_ms >= route.escalate.after_ms:
                    found.append(Escalation(group, about, route.escalate.to, wait.since_ms))
        return found

    def settle(self, key: str, about: str) -> None:
        """An escalation is decided and does not come up again."""
        group = self.groups[key]
        waits = {**group.waits, about: replace(group.waits[about], escalated=True)}
        self._put(replace(group, waits=waits))

    def forget(self, about: str) -> None:
        """An incident is over: should it come back, its escalations count from then."""
        for group in list(self.groups.values()):
            if about in group.waits:
                waits = {other: one for other, one in group.waits.items() if other != about}
                self._put(replace(group, waits=waits))


def hushed_by(
    silences: Sequence[Silence], labels: Mapping[str, str], now_ms: int
) -> tuple[Hush, str] | None:
    """The silence or maintenance window that keeps an alert quiet, by its id."""
    found = silenced(silences, labels, now_ms)
    if found is None:
        return None
    kind = Hush.MAINTENANCE if found.kind is SilenceKind.MAINTENANCE else Hush.SILENCED
    return kind, found.id


def closed(route: Route, intervals: Mapping[str, tuple[TimeInterval, ...]], now_ms: int) -> str:
    """Why a route must be silent now: the name of an interval; empty when it may speak."""
    now = EPOCH + timedelta(milliseconds=now_ms)
    if route.active_times and not held(route.active_times, intervals, now):
        return f"outside {', '.join(route.active_times)}"
    return held(route.mute_times, intervals, now)

"""Alerts of one route that are told together, and when: waits, intervals, repeats. Pure.

A group is told for the first time `group_wait` after its first alert came, then at most once in a
`group_interval`, when something is new or over in it, or when `repeat_interval` has passed. What
was told is remembered beyond the life of the group, so that an alert which comes back in time is
not told twice. The meaning is Alertmanager's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from alerts.route import Route

# How long an empty group keeps its rhythm; Alertmanager sweeps its empty groups as often.
KEPT_EMPTY_MS = 30_000


class Notice(StrEnum):
    """Why a group is told now, or why not."""

    FIRST = "first"
    NEW_ALERTS = "new_alerts"
    RESOLVED = "resolved"
    REPEAT = "repeat"
    NOTHING_NEW = "nothing_new"
    NOTHING_LEFT = "nothing_left"

    @property
    def tells(self) -> bool:
        """Whether the receiver is told."""
        return self not in (Notice.NOTHING_NEW, Notice.NOTHING_LEFT)


class Hush(StrEnum):
    """What kept an alert out of a notice, in the order in which it is asked."""

    INHIBITED = "inhibited"
    OUT_OF_HOURS = "out_of_hours"
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One regression as routing sees it: its labels, and since when it holds.

    `about` is the incident it is told with. `ends_ms` is set when it is over. `source` is the
    regression, under which the same is known when its labels change.
    """

    labels: Mapping[str, str]
    about: str
    source: str
    starts_ms: int
    ends_ms: int | None = None
    suspected: bool = False

    @property
    def fingerprint(self) -> str:
        """What tells it from others: all its labels."""
        return "\x1e".join(f"{name}\x1f{value}" for name, value in sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the last notice of a group said, by fingerprint."""

    at_ms: int
    firing: frozenset[str]
    resolved: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wait:
    """An incident that a route told, and whether its escalation is over: told, or not needed."""

    since_ms: int
    escalated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The alerts of one route with the same group labels.

    `next_ms` is the time of the next look. `waits` are the incidents that may be escalated.
    """

    key: str
    route: str
    labels: Mapping[str, str]
    next_ms: int
    flushed: bool = False
    emptied_ms: int | None = None
    members: Mapping[str, Subject] = field(default_factory=dict)
    entry: Entry | None = None
    waits: Mapping[str, Wait] = field(default_factory=dict)

    def due_ms(self, route: Route) -> int | None:
        """When it must be looked at next; None while nothing can become of it."""
        times = [self.next_ms] if self.members else []
        if route.escalate is not None:
            waiting = (one for one in self.waits.values() if not one.escalated)
            times += [one.since_ms + route.escalate.after_ms for one in waiting]
        return min(times, default=None)

    def forgettable(self, route: Route, now_ms: int) -> bool:
        """Whether what it remembers cannot matter any more."""
        if self.members or self.waits:
            return False
        if self.emptied_ms is not None and now_ms - self.emptied_ms < KEPT_EMPTY_MS:
            return False
        return self.entry is None or now_ms - self.entry.at_ms > 2 * route.repeat_interval_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """One look at a group: what is told (`firing`, `resolved`), and what was kept out of it."""

    group: Group
    at_ms: int
    notice: Notice
    firing: tuple[Subject, ...] = ()
    resolved: tuple[Subject, ...] = ()
    hushed: tuple[tuple[Subject, Hush, str], ...] = ()


Hushes = Callable[[Subject], tuple[Hush, str] | None]


def new_group(route: Route, labels: Mapping[str, str], now_ms: int) -> Group:
    """An empty group, to be told after the route's `group_wait`."""
    key = f"{route.key}:" + ",".join(f"{name}={value!r}" for name, value in labels.items())
    return Group(key=key, route=route.key, labels=labels, next_ms=now_ms + route.group_wait_ms)


def insert(group: Group, route: Route, subject: Subject, now_ms: int) -> Group:
    """The group with this alert in it, new or newer; it is not over.

    One whose wait would be over already is told at once, unless the group was told before.
    """
    if not group.members:
        group = woken(group, route, now_ms)
    known = group.members.get(subject.fingerprint)
    if known is not None:
        subject = replace(subject, starts_ms=min(known.starts_ms, subject.starts_ms))
    members = {**group.members, subject.fingerprint: subject}
    group = replace(group, members=members, emptied_ms=None)
    if not group.flushed and subject.starts_ms + route.group_wait_ms < now_ms:
        group = replace(group, next_ms=now_ms)
    return group


def woken(group: Group, route: Route, now_ms: int) -> Group:
    """An empty group that gets an alert: it goes on in its rhythm, or after a while begins anew."""
    if group.emptied_ms is None:
        return group
    if now_ms - group.emptied_ms >= KEPT_EMPTY_MS:
        return replace(group, flushed=False, next_ms=now_ms + route.group_wait_ms)
    missed = max(0, -(-(now_ms - group.next_ms) // route.group_interval_ms))
    return replace(group, next_ms=group.next_ms + missed * route.group_interval_ms)


def flush(group: Group, route: Route, hushes: Hushes, now_ms: int) -> Flush:
    """Look at a group whose time has come; the group in the result is as it is afterwards.

    What is over leaves the group, told or not, and what was told is remembered.
    """
    told: list[Subject] = []
    hushed: list[tuple[Subject, Hush, str]] = []
    for one in in_order(group):
        hush = hushes(one)
        if hush is None:
            told.append(one)
        else:
            hushed.append((one, *hush))
    firing = tuple(one for one in told if one.ends_ms is None)
    resolved = tuple(one for one in told if one.ends_ms is not None)
    now = Entry(now_ms, prints(firing), prints(resolved))
    notice = Notice.NOTHING_LEFT if not told else compare(group.entry, now, route)
    left = {key: one for key, one in group.members.items() if one.ends_ms is None}
    after = replace(
        group,
        members=left,
        entry=now if notice.tells else group.entry,
        flushed=True,
        next_ms=now_ms + route.group_interval_ms,
        emptied_ms=None if left else now_ms,
    )
    return Flush(
        group=after,
        at_ms=now_ms,
        notice=notice,
        firing=firing,
        resolved=resolved,
        hushed=tuple(hushed),
    )


def compare(before: Entry | None, now: Entry, route: Route) -> Notice:
    """What is new since the last notice of a group."""
    if before is None:
        return Notice.FIRST if now.firing else Notice.NOTHING_NEW
    if not now.firing <= before.firing:
        return Notice.NEW_ALERTS
    if not now.firing:
        # What began and ended between two notices was never told, so its end is no news either.
        return Notice.RESOLVED if before.firing else Notice.NOTHING_NEW
    if not now.resolved <= before.resolved:
        return Notice.RESOLVED
    if before.at_ms < now.at_ms - route.repeat_interval_ms:
        return Notice.REPEAT
    return Notice.NOTHING_NEW


def prints(subjects: tuple[Subject, ...]) -> frozenset[str]:
    """Their fingerprints."""
    return frozenset(one.fingerprint for one in subjects)


def in_order(group: Group) -> list[Subject]:
    """Its alerts in an order that depends on nothing but their labels."""
    return [group.members[key] for key in sorted(group.members)]

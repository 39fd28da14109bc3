"""Which regressions are one incident. Pure; the same regressions in any order give the same.

Two regressions belong together when their changes set in at about the same time (their spans, each
widened by ten minutes, overlap) and something ties them: they are of one service, one rests on the
other by declaration or by the order of kinds, or their series move together. What is already known
to be regressed belongs to its incident whenever another rule finds it too.

Ties differ in what they may do. One service and a declared dependency are facts: they may prove two
incidents to be one. The order of kinds and likeness are guesses: they may bring a newcomer into one
incident and no more. An incident is bounded in time, from its first change on, and in number.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from detector.dependencies import Dependencies, Edge, Place, place_of
from detector.pooling import Pools
from detector.regression import Incident, Regression
from detector.shape import MOST_COMPARISONS, NOTHING_KNOWN, Agreement, Likeness
from storage.series import Labels

# What an on-call person would call one thing. Method, status and tier divide a thing; they do not
# make two of it.
SUBJECT = ("target", "service", "route", "route_group", "cache", "datname", "fingerprint")
OWNER = ("target", "service")

NEAR_MS = 10 * 60_000
# A chain of changes, each near the one before, would otherwise join a morning into one incident.
SPAN_MS = 60 * 60_000
# A series and what holds it together with others, small routes among them, are judged by the hour,
# and each is dated by itself: that they moved in the same few hours is one change.
PART_NEAR_MS = 3 * 60 * 60_000
# Of more regressions nobody reads the list, and no store should be asked for it every minute.
MOST_MEMBERS = 100
# From so many services on, what they share is more likely the network or the monitoring.
STORM_SERVICES = 8


class Bond(StrEnum):
    """What ties a regression to an incident; the strongest first."""

    SAME_SERVICE = "same_service"
    DECLARED = "declared_dependency"
    SAME_THING = "same_thing"
    KINDS = "order_of_kinds"
    SHAPE = "shape"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Bond).index(self)

    @property
    def proves(self) -> bool:
        """Whether it may make two incidents one."""
        return self in (Bond.SAME_SERVICE, Bond.DECLARED)


class Limit(StrEnum):
    """What kept a regression out of an incident that it is tied to."""

    SPAN = "span"
    MEMBERS = "members"
    COMPARISONS = "comparisons"


@dataclass(frozen=True, slots=True)
class Link:
    """A tie between two regressions; the agreement is told where likeness is the tie."""

    bond: Bond
    regression_id: str
    other_id: str
    agreement: Agreement = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Group:
    """An open incident as grouping sees it."""

    id: str
    opened_ms: int
    members: tuple[Regression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What becomes of one incident: who joins it, by which tie, and which others it takes in.

    `incident_id` is empty for a new one. `links` has one for each newcomer but the first of a new
    incident.
    """

    incident_id: str
    newcomers: tuple[Regression, ...]
    links: tuple[Link, ...] = ()
    absorbed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What becomes of all that a tick found, and which limits had a say."""

    joined: tuple[Joined, ...]
    limits: tuple[Limit, ...] = ()


Compare = Callable[[Regression, Regression], Agreement]


def unlike(one: Regression, other: Regression) -> Agreement:
    """Nothing is known of any shape."""
    return NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Ties:
    """What is known of how things hang together: kinds of signals, dependencies, likeness."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    dependencies: Dependencies = field(default_factory=Dependencies)
    compare: Compare = unlike
    pools: Pools = field(default_factory=Pools)

    def place(self, regression: Regression) -> Place:
        """Where a regression belongs."""
        return place_of(regression.labels, self.kinds.get(regression.signal, ""))


def subject(labels: Labels) -> Labels:
    """The labels that name the thing a series belongs to."""
    return labels.only(SUBJECT)


def shared(members: Iterable[Regression]) -> Labels:
    """The labels of the subject that all of them have with the same value."""
    pairs = [frozenset(subject(one.labels).pairs) for one in members]
    common = frozenset.intersection(*pairs) if pairs else frozenset()
    return Labels.of(dict(sorted(common)))


NO_POOLS = Pools()


def is_news(regression: Regression, incident: Incident, pools: Pools = NO_POOLS) -> bool:
    """Whether somebody who knows of the incident should hear of one more regression in it.

    The mean of what is known to be slow at its 95th percentile is the same news twice, and so is a
    route beside its group, or the group beside all routes.
    """
    return not any(
        (subject(known.labels) == subject(regression.labels) or is_part(known, regression, pools))
        and known.unit is regression.unit
        and known.worse == regression.worse
        and known.severity.rank >= regression.severity.rank
        and known.phase.holds
        for known in incident.regressions
    )


def is_storm(members: Iterable[Regression]) -> bool:
    """Whether so many services are in it that none of them is likely to be where it began."""
    return len({place_of(one.labels).owner for one in members} - {""}) >= STORM_SERVICES


def near(one: Regression, other: Regression, within_ms: int = NEAR_MS) -> bool:
    """Whether two changes may have set in at one time."""
    return (
        one.began_lo_ms <= other.began_hi_ms + within_ms
        and other.began_lo_ms <= one.began_hi_ms + within_ms
    )


def is_part(one: Regression, other: Regression, pools: Pools) -> bool:
    """Whether one of two series holds the other together with more."""
    return pools.related((one.signal, one.labels), (other.signal, other.labels))


def same_thing(one: Regression, other: Regression) -> bool:
    """Whether two rules found the same route, cache or query; of a machine, the same series."""
    if one.signal == other.signal and one.labels == other.labels:
        return True
    mine = subject(one.labels)
    return mine == subject(other.labels) and bool(mine.without(*OWNER).pairs)


def order(regression: Regression) -> tuple[int, int, str]:
    """The order of changes in time; the same for the same regressions."""
    return regression.began_lo_ms, regression.began_hi_ms, regression.id


def anchors(members: Sequence[Regression]) -> list[Regression]:
    """Those that count in time: what the same thing brought in much later is no change of its own.

    In the order of their changes.
    """
    sorted_ = sorted(members, key=order)
    return [one for one in sorted_ if one.began_lo_ms <= sorted_[0].began_lo_ms + SPAN_MS]


def within_span(members: Iterable[Regression]) -> bool:
    """Whether the changes of an incident would lie near enough together."""
    begins = [one.began_lo_ms for one in members]
    return max(begins) - min(begins) <= SPAN_MS


def tie(newcomer: Regression, members: Sequence[Regression], ties: Ties) -> Link | None:
    """The strongest tie of a newcomer to an incident, likeness left out; None without any."""
    found: list[Link] = []
    mine, timely = ties.place(newcomer), [one for one in anchors(members) if near(newcomer, one)]
    for one in timely:
        bond = bond_of(newcomer, one, mine, ties)
        if bond is not None:
            found.append(Link(bond, newcomer.id, one.id))
    for one in sorted(members, key=order):
        part = near(newcomer, one, PART_NEAR_MS) and is_part(newcomer, one, ties.pools)
        if one.phase.holds and (part or same_thing(newcomer, one)):
            found.append(Link(Bond.SAME_THING, newcomer.id, one.id))
    return min(found, key=lambda link: link.bond.rank, default=None)


def bond_of(newcomer: Regression, other: Regression, mine: Place, ties: Ties) -> Bond | None:
    """The tie of two regressions of one time, likeness left out."""
    theirs = ties.place(other)
    unowned = not mine.names and not theirs.names
    if mine.shares_owner(theirs) or (unowned and subject(newcomer.labels) == subject(other.labels)):
        return Bond.SAME_SERVICE
    match ties.dependencies.linked(mine, theirs):
        case Edge.DECLARED:
            return Bond.DECLARED
        case Edge.KINDS:
            return Bond.KINDS
    return None


class Draft:
    """An incident while newcomers are put into it; `number` is its place among the others."""

    def __init__(self, number: int, members: Iterable[Regression] = (), id_: str = "") -> None:
        self.number, self.id = number, id_
        self.members = list(members)
        self.newcomers: list[Regression] = []
        self.links: list[Link] = []
        self.absorbed: list[str] = []

    @property
    def full(self) -> bool:
        """Whether there is room for nobody."""
        return len(self.members) >= MOST_MEMBERS

    def take(self, newcomer: Regression, link: Link | None) -> None:
        """One more."""
        self.members.append(newcomer)
        self.newcomers.append(newcomer)
        self.links += [link] if link else []

    def absorb(self, other: "Draft", link: Link) -> None:
        """All that another has; an incident that is stored gives up its name."""
        self.members += other.members
        self.newcomers += other.newcomers
        self.links += other.links
        if not other.id:
            # The first of it had no tie to anything; what brought the two together is its tie.
            self.links.append(Link(link.bond, other.newcomers[0].id, link.regression_id))
        self.absorbed += [*other.absorbed, *([other.id] if other.id else [])]


class Arranging:
    """One tick's newcomers put into incidents, one after the other.

    A bad minute has thousands of them. `index` finds the incidents that one may be tied to by the
    names and subjects in them, so that not each is compared with each.
    """

    def __init__(self, standing: Iterable[Group], ties: Ties) -> None:
        self.ties = ties
        self.drafts: dict[int, Draft] = {}
        self.index: dict[str | Labels, set[int]] = {}
        self.limits: list[Limit] = []
        self.compared = self.made = 0
        for one in sorted(standing, key=lambda one: (one.opened_ms, one.id)):
            self.file(Draft(self.next_number(), one.members, one.id))

    def file(self, draft: Draft) -> None:
        """Make an incident to be found by what is in it."""
        self.drafts[draft.number] = draft
        for one in draft.members:
            keys: list[str | Labels] = [*self.ties.place(one).names, subject(one.labels)]
            for key in keys:
                self.index.setdefault(key, set()).add(draft.number)

    def candidates(self, newcomer: Regression) -> list[Draft]:
        """The incidents that a newcomer may be tied to, likeness left out, the oldest first."""
        names = self.ties.dependencies.relatives(self.ties.place(newcomer))
        keys: list[str | Labels] = [*names, subject(newcomer.labels)]
        numbers = set().union(*(self.index.get(key, ()) for key in keys))
        return [self.drafts[number] for number in sorted(numbers) if number in self.drafts]

    def place(self, newcomer: Regression) -> None:
        """Into the incident it is tied to strongest, the oldest of several; else into a new one."""
        found = []
        for draft in self.candidates(newcomer):
            link = tie(newcomer, draft.members, self.ties)
            if link and self.fits(newcomer, draft, link):
                found.append((link, draft))
        found = found or self.alike(newcomer)
        link, home = min(
            found,
            key=lambda pair: (not pair[0].bond.proves, pair[0].bond.rank),
            default=(None, Draft(self.next_number())),
        )
        if link and link.bond.proves:
            # Of those it proves to be one the oldest is home, whichever it is tied to strongest.
            link, home = next(pair for pair in found if pair[0].bond.proves)
        home.take(newcomer, link)
        if link and link.bond.proves:
            for other_link, draft in found:
                if other_link.bond.proves and draft is not home:
                    self.merge(home, draft, other_link)
        self.file(home)

    def next_number(self) -> int:
        """The place behind all others."""
        self.made += 1
        return self.made

    def fits(self, newcomer: Regression, draft: Draft, link: Link) -> bool:
        """Whether an incident has room for one more; what forbids it is noted."""
        if draft.full:
            self.limits.append(Limit.MEMBERS)
            return False
        if link.bond is Bond.SAME_THING or within_span([*anchors(draft.members), newcomer]):
            return True
        self.limits.append(Limit.SPAN)
        return False

    def merge(self, home: Draft, other: Draft, link: Link) -> None:
        """Two incidents that a newcomer proves to be one, unless that would be too large."""
        if len(home.members) + len(other.members) > MOST_MEMBERS:
            self.limits.append(Limit.MEMBERS)
        elif not within_span([*anchors(home.members), *anchors(other.members)]):
            self.limits.append(Limit.SPAN)
        else:
            home.absorb(other, link)
            del self.drafts[other.number]

    def alike(self, newcomer: Regression) -> list[tuple[Link, Draft]]:
        """The incident whose first regression moves most like a newcomer, if any does.

        Its first, not any: what is like the one that is like the first may be unlike the first.
        """
        found: list[tuple[Link, Draft]] = []
        for draft in self.drafts.values():
            first = min(draft.members, key=order)
            link = Link(Bond.SHAPE, newcomer.id, first.id)
            if not near(newcomer, first) or draft.full:
                continue
            if self.compared >= MOST_COMPARISONS:
                self.limits.append(Limit.COMPARISONS)
                break
            self.compared += 1
            agreed = self.ties.compare(newcomer, first)
            if agreed.likeness is Likeness.TOGETHER and self.fits(newcomer, draft, link):
                found.append((Link(Bond.SHAPE, newcomer.id, first.id, agreed), draft))
        return sorted(found, key=lambda pair: -pair[0].agreement.share)[:1]


def arrange(newcomers: Iterable[Regression], standing: Iterable[Group], ties: Ties) -> Arrangement:
    """What becomes of the regressions that one tick found, beside the open incidents."""
    work = Arranging(standing, ties)
    for one in sorted(newcomers, key=order):
        work.place(one)
    joined = tuple(
        Joined(
            incident_id=one.id,
            newcomers=tuple(sorted(one.newcomers, key=order)),
            links=tuple(sorted(one.links, key=lambda link: (link.regression_id, link.other_id))),
            absorbed=tuple(sorted(one.absorbed)),
        )
        for one in work.drafts.values()
        if one.newcomers
    )
    return Arrangement(joined, tuple(work.limits))

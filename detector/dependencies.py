"""What rests on what: declared between services, guessed between kinds where nothing is declared.

A slow cache makes a database work, a slow database makes an API wait, a slow API makes a page wait:
`cache -> database -> api -> web`. Inside one service that order always holds. Between two services
it is a guess, and only made where one of them is nothing else (a Redis of its own, the browsers)
and only one service can be meant: the database of one shop is not that of another. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from storage.series import Labels

# The deepest first. What a machine does is no link of the chain: load is as often an effect.
CHAIN = ("cache", "database", "api", "web")
BELOW = frozenset({"cache", "database"})
ABOVE = frozenset({"web"})


class Edge(StrEnum):
    """Why one thing is said to rest on another."""

    SAME_SERVICE = "same_service"
    DECLARED = "declared"
    KINDS = "kinds"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a series belongs: its service and target (empty for none), and its signal's kind."""

    service: str
    target: str
    kind: str

    @property
    def names(self) -> frozenset[str]:
        """By which it may be named in a configuration or a deployment."""
        return frozenset((self.service, self.target)) - {""}

    @property
    def owner(self) -> str:
        """The one name that a person would use; empty for none."""
        return self.service or self.target

    def shares_owner(self, other: "Place") -> bool:
        """Whether both are of one service; of one target where a service is not named."""
        if self.service and other.service:
            return self.service == other.service
        return bool(self.names & other.names)


def place_of(labels: Labels, kind: str = "") -> Place:
    """The place of a series."""
    return Place(labels.get("service"), labels.get("target"), kind)


def rank(kind: str) -> int | None:
    """The place of a kind in the chain, 0 for the deepest; None for kinds that are not in it."""
    return CHAIN.index(kind) if kind in CHAIN else None


def cycle(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """A circle in what needs what, its beginning repeated at its end; empty for none."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        # Each stands before what needs it; people read it the other way round.
        return tuple(reversed(error.args[1]))
    return ()


@dataclass(frozen=True)
class Dependencies:
    """Which service needs which, without circles, and whether kinds are guessed between services.

    `kinds_of` says which kinds of signals each service has (each target, where a service is not
    named): only with it can one that is nothing but a cache be known.
    """

    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guess: bool = True
    kinds_of: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def reach(self) -> Mapping[str, frozenset[str]]:
        """For each name everything that it rests on, directly or through others."""
        found: dict[str, frozenset[str]] = {}
        for name in self.needs:
            seen: set[str] = set()
            waiting = list(self.needs[name])
            while waiting:
                below = waiting.pop()
                if below not in seen:
                    seen.add(below)
                    waiting += self.needs.get(below, ())
            found[name] = frozenset(seen)
        return found

    @cached_property
    def named(self) -> frozenset[str]:
        """Every name about which something is declared."""
        return frozenset(self.needs).union(*self.needs.values())

    def rests_on(self, upper: Place, lower: Place) -> Edge | None:
        """Why `upper` rests on `lower`; None when nothing says so."""
        above, below = rank(upper.kind), rank(lower.kind)
        in_order = above is not None and below is not None and below < above
        if upper.shares_owner(lower):
            return Edge.SAME_SERVICE if in_order else None
        if any(lower.names & self.reach.get(name, frozenset()) for name in upper.names):
            return Edge.DECLARED
        if self.guess and in_order and not self.declared(upper) and not self.declared(lower):
            return Edge.KINDS if self.only_choice(upper, lower) else None
        return None

    def declared(self, place: Place) -> bool:
        """Whether anything is declared about a place: then nothing is guessed about it."""
        return any(name in self.named for name in place.names)

    def only_choice(self, upper: Place, lower: Place) -> bool:
        """Whether a guess can mean nothing else.

        A Redis of its own serves the one API there is; of two APIs nobody knows which. So it is
        with the browsers above.
        """
        if self.is_only(lower, BELOW):
            return self.owners(upper.kind) == 1
        return self.is_only(upper, ABOVE) and self.owners(lower.kind) == 1

    def owners(self, kind: str) -> int:
        """How many services have signals of a kind."""
        return self.counts[kind]

    def is_only(self, place: Place, kinds: frozenset[str]) -> bool:
        """Whether everything known of a service is of these kinds."""
        known = self.kinds_of.get(place.owner, frozenset())
        # What a machine does is told of any target and says nothing about what the target is.
        judged = known - {"resource", "other"}
        return place.kind in judged and judged <= kinds

    def relatives(self, place: Place) -> frozenset[str]:
        """Every name that a place may hang together with, its own among them; never too few."""
        found = set(place.names)
        for name in place.names:
            found |= self.reach.get(name, frozenset()) | self.reached.get(name, frozenset())
        if self.guess:
            pure, single = self.guessable
            found |= single if place.owner in pure else set()
            found |= pure if place.owner in single else set()
        return frozenset(found)

    @cached_property
    def reached(self) -> Mapping[str, frozenset[str]]:
        """For each name everything that rests on it."""
        found: dict[str, set[str]] = {}
        for upper, all_ in self.reach.items():
            for lower in all_:
                found.setdefault(lower, set()).add(upper)
        return {name: frozenset(above) for name, above in found.items()}

    @cached_property
    def guessable(self) -> tuple[frozenset[str], frozenset[str]]:
        """The services that have nothing else, and those that are the only ones of some kind."""
        pure, single = set(), set()
        for owner, kinds in self.kinds_of.items():
            judged = kinds - {"resource", "other"}
            if judged and (judged <= BELOW or judged <= ABOVE):
                pure.add(owner)
            if any(self.owners(kind) == 1 for kind in judged):
                single.add(owner)
        return frozenset(pure), frozenset(single)

    @cached_property
    def counts(self) -> Counter[str]:
        """How many services have signals of each kind."""
        return Counter(kind for kinds in self.kinds_of.values() for kind in kinds)

    def linked(self, one: Place, other: Place) -> Edge | None:
        """Why two places hang together, whichever of them is the deeper; None when they do not."""
        return self.rests_on(one, other) or self.rests_on(other, one)

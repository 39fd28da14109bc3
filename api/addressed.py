"""The tree of routes as it is in force, and which receivers a set of labels reaches."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from alerts.announce import Tree
from alerts.intervals import held
from alerts.matchers import MatcherError, parse_one
from alerts.route import Notify, Route
from api.house import House
from api.moments import milliseconds
from api.shapes import Shape
from detector.regression import Severity
from storage.series import Match


class EscalateShape(Shape):
    """Whom a route tells when nobody acknowledges."""

    after_seconds: float
    """How long after it was told."""
    to: str
    """The receiver, as the tree calls it."""


class RouteShape(Shape):
    """One node of the tree, with everything it inherits."""

    path: str
    """Where it stands: `0.1` is the second child of the first child of the root, which is empty."""
    depth: int
    """How many nodes are above it."""
    conditions: list[str]
    """What the labels of an alert must meet beside the conditions above it; empty for all."""
    text: str
    """The same as `amtool` prints it."""
    continues: bool
    """Whether the next sibling is asked too when it takes an alert."""
    receiver: str
    """Its receiver, as the tree calls it."""
    tells: list[str]
    """The receivers of Plimsoll that stand for it; empty for nobody."""
    group_by: list[str]
    """The labels that groups are made by; `...` for all."""
    group_wait_seconds: float
    """How long a new group waits."""
    group_interval_seconds: float
    """How long until what is new in a group is told."""
    repeat_interval_seconds: float
    """When the same is told again."""
    mute_times: list[str]
    """The named times in which it tells nothing."""
    active_times: list[str]
    """The named times outside of which it tells nothing; empty for always."""
    quiet_now: str
    """What keeps all of it quiet now: the name of a mute time, `outside of active times`, or ''."""
    notify: Notify
    """From when on it tells: `confirmed` or `suspected`."""
    escalate: EscalateShape | None
    """Whom it tells when nobody acknowledges."""
    takes: bool | None
    """Whether it takes an alert with the labels that were asked for; null where none were."""


class RoutingShape(Shape):
    """Who is told of what."""

    is_configured: bool
    """Whether there is a tree; without one every receiver is told everything at once."""
    min_severity: Severity
    """What is milder is told to nobody."""
    items: list[RouteShape]
    """The nodes, each before those below it; empty without a tree."""
    labels: dict[str, str] | None
    """The labels that were asked for; null where none were."""
    receivers: list[str] | None
    """The receivers that an alert with these labels reaches, in the order of the tree; null where
    no labels were asked for."""
    silences: list[str]
    """The silences in force that keep such an alert quiet all the same."""


def label_set(texts: Iterable[str]) -> dict[str, str]:
    """Labels from `name=value`; a MatcherError says which text is none."""
    found = {}
    for text in texts:
        one = parse_one(text)
        if one.op is not Match.EQUAL:
            raise MatcherError(f"{text!r}: labels are given as name=value")
        found[one.name] = one.value
    return found


def routing(house: House, labels: Mapping[str, str] | None) -> RoutingShape:
    """The tree in force; with labels also what takes them, whom they reach, what is silenced."""
    tree, now = house.alerts.tree, house.now()
    silences: list[str] = []
    if labels is not None:
        now_ms = milliseconds(now)
        with house.state.reading() as session:
            active = house.alerts.silences.active(session, now_ms)
        silences = [one.id for one in active if one.mutes(labels, now_ms)]
    taken = tree.routing.root.match(labels) if tree and labels is not None else []
    return RoutingShape(
        is_configured=tree is not None,
        min_severity=house.settings.alerts.min_severity,
        items=nodes(tree, {one.key for one in taken} if labels is not None else None, now),
        labels=None if labels is None else dict(labels),
        receivers=None if labels is None else reached(house, tree, taken),
        silences=silences,
    )


def reached(house: House, tree: Tree | None, taken: Sequence[Route]) -> list[str]:
    """The receivers of these nodes, each once; all receivers where there is no tree."""
    if tree is None:
        return list(house.settings.alerts.receiver_names)
    return list(
        dict.fromkeys(to.name for one in taken for to in tree.deliveries.get(one.receiver, ()))
    )


def nodes(tree: Tree | None, taken: set[str] | None, now: datetime) -> list[RouteShape]:
    """All nodes of the tree; `taken` are the keys of those that take the alert."""
    return [] if tree is None else [node(tree, one, taken, now) for one in tree.routing.root.walk()]


def node(tree: Tree, one: Route, taken: set[str] | None, now: datetime) -> RouteShape:
    """One node."""
    return RouteShape(
        path=".".join(map(str, one.path)),
        depth=len(one.path),
        conditions=[str(each) for each in one.matchers],
        text=one.told,
        continues=one.continues,
        receiver=one.receiver,
        tells=[to.name for to in tree.deliveries.get(one.receiver, ())],
        group_by=["..."] if one.group_by_all else list(one.group_by),
        group_wait_seconds=one.group_wait_ms / 1000,
        group_interval_seconds=one.group_interval_ms / 1000,
        repeat_interval_seconds=one.repeat_interval_ms / 1000,
        mute_times=list(one.mute_times),
        active_times=list(one.active_times),
        quiet_now=quiet(tree, one, now),
        notify=one.notify,
        escalate=one.escalate
        and EscalateShape(after_seconds=one.escalate.after_ms / 1000, to=one.escalate.to),
        takes=None if taken is None else one.key in taken,
    )


def quiet(tree: Tree, one: Route, now: datetime) -> str:
    """What keeps a node quiet at a time, whatever comes."""
    muted = held(one.mute_times, tree.routing.intervals, now)
    if muted:
        return muted
    outside = one.active_times and not held(one.active_times, tree.routing.intervals, now)
    return "outside of active times" if outside else ""

"""Looking at an incident as a whole: origin, deployments and their tests, and what is new in it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from detector.around import Around, Nothing
from detector.dependencies import Dependencies, place_of
from detector.deployments import correlations, peers, same_slot
from detector.finding import Check, Correlation, Finding, Match, Origin, OriginVerdict, Peers
from detector.group import Ties, is_storm
from detector.incident_tables import Step
from detector.origin import origin
from detector.pooling import Pools
from detector.regression import Deployment, Regression

# The tests read history; the deployment that somebody asks about is among the closest.
MOST_TESTED = 3
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is new in a finding."""

    step: Step
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Looking:
    """What is known beside the regressions: kinds of signals, dependencies, and the past."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    dependencies: Dependencies = field(default_factory=Dependencies)
    around: Around = field(default_factory=Nothing)
    pools: Pools = field(default_factory=Pools)
    _kinds_of: tuple[int, Mapping[str, frozenset[str]]] | None = None

    def ties(self, members: Iterable[Regression], now_ms: int) -> Ties:
        """What is known of how things hang together, at this tick."""
        return Ties(
            self.kinds,
            self.known(members, now_ms),
            lambda one, other: self.around.compare(one, other, now_ms),
            self.pools,
        )

    def known(self, members: Iterable[Regression], now_ms: int) -> Dependencies:
        """The dependencies; between several services with the kinds that each of them has."""
        owners = {place_of(one.labels).owner for one in members}
        if not self.dependencies.guess or len(owners) < 2:
            return self.dependencies
        if self._kinds_of is None or self._kinds_of[0] != now_ms:
            self._kinds_of = now_ms, self.around.kinds_of(now_ms)
        return replace(self.dependencies, kinds_of=self._kinds_of[1])

    def look(
        self,
        members: Sequence[Regression],
        deployments: Sequence[Deployment],
        before: Finding | None,
        now_ms: int,
    ) -> Finding:
        """What is found out about an incident with these regressions, among these deployments."""
        found = correlations(deployments, members, self.kinds, self.dependencies)[:MOST_NAMED]
        known = {one.deployment_id: one for one in before.correlations} if before else {}
        tested = tuple(
            self.tested(one, members, known.get(one.deployment_id), now_ms)
            for one in found[:MOST_TESTED]
        )
        storm = is_storm(members)
        if storm:
            among = tuple(sorted(one.id for one in members))
            began = Origin(OriginVerdict.NOT_TOLD_APART, among=among)
        else:
            named = before.origin.regression_id if before else ""
            own = self.deployed(members, deployments)
            finest = self.pools.finest(members)
            began = origin(finest, self.kinds, self.known(members, now_ms), own, named)
        return Finding(origin=began, correlations=(*tested, *found[MOST_TESTED:]), storm=storm)

    def deployed(
        self, members: Sequence[Regression], deployments: Sequence[Deployment]
    ) -> Collection[str]:
        """The regressions that a deployment of their own service fits."""
        return {
            one.id
            for one in members
            for each in correlations(deployments, [one], self.kinds, self.dependencies)
            if each.match is Match.SAME_SERVICE
        }

    def tested(
        self,
        one: Correlation,
        members: Sequence[Regression],
        known: Correlation | None,
        now_ms: int,
    ) -> Correlation:
        """A correlation with its two comparisons, on the regression that it stands closest to."""
        regression = next(each for each in members if each.id == one.regression_id)
        sides = self.around.sides(regression, members, one.at_ms, now_ms)
        if sides is None:
            return replace(one, slots=known.slots, peers=known.peers) if known else one
        upwards = regression.worse == "up"
        slots = same_slot(
            sides.before,
            sides.after,
            sides.earlier_before,
            sides.earlier_after,
            upwards=upwards,
        )
        beside = Peers()
        if slots.change is not None:
            beside = peers(sides.peers_before, sides.peers_after, slots.change, upwards=upwards)
        return replace(one, slots=slots, peers=beside)


def changes(before: Finding | None, after: Finding) -> list[Change]:
    """What a timeline tells of two findings in a row, in its order."""
    old = before or Finding()
    found = []
    was_named = old.origin.verdict, old.origin.regression_id
    is_named = after.origin.verdict, after.origin.regression_id
    if is_named != was_named and after.origin.verdict is not OriginVerdict.ONLY_ONE:
        evidence = {
            "from": old.origin.regression_id,
            "to": after.origin.regression_id,
            "reasons": [str(one) for one in after.origin.reasons],
            "among": list(after.origin.among),
        }
        found.append(Change(Step.ORIGIN, str(after.origin.verdict), evidence))
    if after.storm and not old.storm:
        found.append(Change(Step.STORM, "many services at once"))
    known = {one.deployment_id: one for one in old.correlations}
    for one in after.correlations:
        was = known.get(one.deployment_id)
        what = f"{one.service} {one.version}"
        told = {"deployment": one.deployment_id, "score": one.score, "match": str(one.match)}
        if was is None:
            found.append(Change(Step.CORRELATED, what, told))
        checks = (one.slots.check, one.peers.check)
        if checks != ((was.slots.check, was.peers.check) if was else (Check.UNKNOWN,) * 2):
            tests = {"slots": str(checks[0]), "peers": str(checks[1])}
            found.append(Change(Step.TESTED, what, told | tests))
    return found


def differs(before: Finding, after: Finding) -> bool:
    """Whether a person should hear of it: another probable origin, a storm, a test that passed."""

    def told(finding: Finding) -> object:
        began = finding.origin
        named = began.regression_id if began.verdict is OriginVerdict.PROBABLE else ""
        probable = {one.deployment_id for one in finding.correlations if one.probable}
        return named, finding.storm, probable

    return told(before) != told(after)

"""What is found out about an incident as a whole: where it probably began, what it correlates with.

Values only; `detector.origin` and `detector.deployments` make them. A deployment is correlated with
an incident, never its cause: nothing here says more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class OriginVerdict(StrEnum):
    """Whether the regression that came first can be named."""

    ONLY_ONE = "only_one"  # there is nothing to tell apart
    PROBABLE = "probable"
    NOT_TOLD_APART = "not_told_apart"


class OriginReason(StrEnum):
    """What speaks for an origin."""

    EARLIEST = "earliest"
    DEEPEST = "deepest"
    DEPLOYMENT_FITS = "deployment_fits"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an incident probably began, and what that rests on.

    `regression_id` is empty unless the verdict is probable or there is only one. `among` are the
    regressions that could not be told apart.
    """

    verdict: OriginVerdict = OriginVerdict.NOT_TOLD_APART
    regression_id: str = ""
    reasons: tuple[OriginReason, ...] = ()
    among: tuple[str, ...] = ()


class Match(StrEnum):
    """How close what was deployed stands to what regressed; the closest first."""

    SAME_SERVICE = "same_service"
    DEPENDENCY = "dependency"
    OTHER_SERVICE = "other_service"

    @property
    def rank(self) -> int:
        """0 for the farthest."""
        return list(reversed(Match)).index(self)


class Check(StrEnum):
    """What a comparison says; `unknown` is never the same as passed."""

    UNKNOWN = "unknown"
    FAILED = "failed"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Slots:
    """The change since a deployment beside the changes at the same time of the days before.

    `change` and `usual` are ratios of medians (1.42 is 42 % up), `spread` is the robust standard
    deviation of the logarithms of the usual ones.
    """

    check: Check = Check.UNKNOWN
    change: float | None = None
    usual: float | None = None
    spread: float | None = None
    days: int = 0


@dataclass(frozen=True, slots=True)
class Peers:
    """How many series of the same signal elsewhere moved as well."""

    check: Check = Check.UNKNOWN
    count: int = 0
    moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """One deployment whose time fits an incident, with the tests that were made of it.

    `score` is between 0 and 1: how near in time, how close in service. `regression_id` is the
    regression it stands closest to.
    """

    deployment_id: str
    service: str
    version: str
    at_ms: int
    url: str
    regression_id: str
    match: Match
    score: float
    slots: Slots = Slots()
    peers: Peers = Peers()

    @property
    def probable(self) -> bool:
        """Whether both comparisons passed; still a correlation."""
        return self.slots.check is Check.PASSED and self.peers.check is Check.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All of it, for one incident. `merged_into` names the incident that took over its regressions.

    A `storm` is an incident of so many services that none of them is likely to be where it began.
    """

    origin: Origin = Origin()
    correlations: tuple[Correlation, ...] = ()
    storm: bool = False
    merged_into: str = ""


def proven(correlations: Iterable[Correlation], deployment_id: str) -> Correlation | None:
    """The one with this deployment, where both of its comparisons passed."""
    known = (one for one in correlations if one.deployment_id == deployment_id)
    return next((one for one in known if one.probable), None)

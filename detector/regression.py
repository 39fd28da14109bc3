"""What came of a judgement that held: regressions, the incidents they form, deployments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from detector import units
from detector.finding import Finding
from storage.series import Labels


class Phase(StrEnum):
    """Where a regression is in its life; an incident is only ever open or resolved."""

    SUSPECTED = "suspected"  # everything holds but time: it may still go away
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    MUTED = "muted"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    FALSE_POSITIVE = "false_positive"

    @property
    def holds(self) -> bool:
        """Whether the regression is confirmed and not over."""
        return self in HOLDING

    @property
    def is_over(self) -> bool:
        """Whether its life has ended; it may still be reopened."""
        return self not in HOLDING and self is not Phase.SUSPECTED


HOLDING = frozenset({Phase.OPEN, Phase.ACKNOWLEDGED, Phase.ESCALATED, Phase.REOPENED, Phase.MUTED})


class Step(StrEnum):
    """What happened to a regression; each is stored as a transition."""

    SUSPECTED = "suspected"
    OPENED = "opened"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    TRANSIENT = "transient"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    NO_DATA = "no_data"
    DATA_BACK = "data_back"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    MUTED = "muted"
    UNMUTED = "unmuted"
    FALSE_POSITIVE = "false_positive"
    COMMENTED = "commented"


class Kind(StrEnum):
    """Which way it went: worse, or better. What got better is shown and told to nobody."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"


class Tag(StrEnum):
    """What else is known of a regression; it may make it milder."""

    COST_SHIFT = "cost_shift"
    LOAD_DRIVEN = "load_driven"


class Severity(StrEnum):
    """How bad; `rank` orders them."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return RANKS[self]


RANKS = {one: place for place, one in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A service, a version, a time; posted by CI."""

    id: str
    service: str
    version: str
    at_ms: int
    sha: str = ""
    environment: str = ""
    url: str = ""


class Lasting(Protocol):
    """What baselines ask of a regression: on which series it was, when, and what it does to them.

    The members are those of `Regression`, which says what they mean.
    """

    @property
    def signal(self) -> str:
        """What was judged."""
        ...

    @property
    def labels(self) -> Labels:
        """Its series."""
        ...

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        ...

    @property
    def resolved_ms(self) -> int | None:
        """Its end, once it is over."""
        ...

    @property
    def accepted_from_ms(self) -> int | None:
        """Where the normal begins anew, once it was accepted."""
        ...

    @property
    def freezes(self) -> bool:
        """Whether its windows are kept out of baselines."""
        ...

    def spans(self, now_ms: int) -> tuple[tuple[int, int], ...]:
        """When it was there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """One rule on one series, from the tick it opened to the tick it was resolved.

    `baseline` is the one it opened with: it stays frozen, so that a regression cannot become its
    own normal. Absolute rules have none. `began_lo_ms..began_hi_ms` is the span in which the change
    set in. `value` is the newest judged value, `worst` the worst so far.

    `version` counts how often it was open, 1 at first: within a week the same comes back under the
    same id; `earlier` are the spans before. `recorded` is the size that an escalation is measured
    against, found in the half hour from `recorded_ms` on. `by` is the last person who decided
    something. `accepted_from_ms` is where the normal begins anew after it was accepted.
    `silent_since_ms` is set while no data come.
    """

    id: str
    incident_id: str
    fingerprint: str
    rule: str
    signal: str
    title: str
    unit: units.Unit
    labels: Labels
    worse: str
    severity: Severity
    phase: Phase
    value: float
    worst: float
    threshold: float
    baseline: float | None
    began_lo_ms: int
    began_hi_ms: int
    opened_ms: int
    updated_ms: int
    clear_since_ms: int | None = None
    resolved_ms: int | None = None
    runbook: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = Kind.REGRESSION
    version: int = 1
    held_since_ms: int = 0
    earlier: tuple[tuple[int, int], ...] = ()
    recorded: float | None = None
    recorded_ms: int = 0
    tags: tuple[Tag, ...] = ()
    muted_until_ms: int | None = None
    silent_since_ms: int | None = None
    accepted_from_ms: int | None = None
    by: str = ""

    @property
    def is_statistical(self) -> bool:
        """Whether it was judged against what was normal."""
        return self.baseline is not None

    @property
    def normal(self) -> str:
        """What its baseline is, in words."""
        return normal(of_hours=bool(self.evidence.get("of_hours")))

    @property
    def freezes(self) -> bool:
        """Whether its windows are kept out of baselines; what is better or accepted is normal."""
        return freezes(self.kind, self.phase)

    def spans(self, now_ms: int) -> tuple[tuple[int, int], ...]:
        """When it was there, `(from, until)` in milliseconds; until now while it is not over."""
        return times(self, now_ms)

    @property
    def is_mild(self) -> bool:
        """Whether a tag makes it milder: it is told as `info`, however far it goes."""
        kept = self.evidence.get("tags") or {}
        return any(kept.get(one, {"milder": True})["milder"] for one in self.tags)

    @property
    def change(self) -> str:
        """`+42 %` against the frozen baseline, at its worst; empty for absolute rules."""
        return units.change(self.worst, self.baseline)


class Timed(Protocol):
    """What tells when a regression was there."""

    @property
    def began_lo_ms(self) -> int:
        """Where it began at the earliest."""
        ...

    @property
    def resolved_ms(self) -> int | None:
        """Its end, once it is over."""
        ...

    @property
    def earlier(self) -> tuple[tuple[int, int], ...]:
        """The spans before."""
        ...


def times(one: Timed, now_ms: int) -> tuple[tuple[int, int], ...]:
    """When a regression was there; until now while it is not over."""
    until_ms = one.resolved_ms if one.resolved_ms is not None else now_ms
    return (*one.earlier, (one.began_lo_ms, until_ms))


def freezes(kind: Kind, phase: Phase) -> bool:
    """Whether windows are kept out of baselines; what is better or accepted is normal."""
    return kind is Kind.REGRESSION and phase not in (Phase.FALSE_POSITIVE, Phase.ACCEPTED)


def normal(*, of_hours: bool) -> str:
    """What a baseline is, in words."""
    return "usual at this hour" if of_hours else "7-day average"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Regressions that belong together, told as one thing.

    `version` rises with every change that a person should hear of; whoever tells it claims a
    version. `labels` are those that all its regressions share. `deployment` is the one whose time
    fits, by correlation only. `finding` says where it probably began, and all that it correlates
    with.
    """

    id: str
    labels: Labels
    phase: Phase
    severity: Severity
    opened_ms: int
    resolved_ms: int | None
    version: int
    regressions: tuple[Regression, ...]
    deployment: Deployment | None = None
    finding: Finding = field(default_factory=Finding)

    @property
    def is_muted(self) -> bool:
        """Whether somebody muted all of it that is not over."""
        return is_muted(one.phase for one in self.regressions)


def is_muted(phases: Iterable[Phase]) -> bool:
    """Whether somebody muted all of an incident that is not over."""
    holding = [phase for phase in phases if phase.holds]
    return bool(holding) and all(phase is Phase.MUTED for phase in holding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step in the life of a regression, with who took it and what it rested on.

    `before` and `after` are phases; the same where only something was noted. `before` is empty at
    the beginning.
    """

    regression_id: str
    at_ms: int
    actor: str
    before: str
    after: str
    reason: str
    step: Step
    evidence: Mapping[str, Any] = field(default_factory=dict)

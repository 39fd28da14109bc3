"""The regressions of a replay: a book in memory that nobody else reads. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from detector.lifecycle import HOUR_MS, Taken
from detector.regression import Kind, Phase, Regression, Severity, Step, Transition
from storage.series import Labels

OVER = frozenset({Step.RESOLVED, Step.TRANSIENT, Step.ACCEPTED, Step.WITHDRAWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One time that a rule fired on a series: from when somebody would be told until it was over.

    The change set in between `began_ms` and `began_hi_ms`; `ended_ms` is None where the replay
    ended first. `escalated_ms` are the times at which it was told again, because it had got worse.
    """

    rule: str
    signal: str
    labels: Labels
    began_ms: int
    opened_ms: int
    ended_ms: int | None
    severity: Severity
    value: float
    threshold: float
    worst: float
    again: bool
    began_hi_ms: int = 0
    escalated_ms: tuple[int, ...] = ()

    def lasted_ms(self, until_ms: int) -> int:
        """How long it was open."""
        return (until_ms if self.ended_ms is None else self.ended_ms) - self.opened_ms


@dataclass(slots=True)
class Paper:
    """Regressions as the lifecycle leaves them, and the episodes that they make.

    `version` changes when one opens that began more than an hour before: what began later changes
    no baseline before the next hour, because baselines end an hour ago.
    """

    episodes: list[Episode] = field(default_factory=list)
    suspicions: list[tuple[str, int]] = field(default_factory=list)
    improvements: list[tuple[str, int]] = field(default_factory=list)
    version: int = 0
    _alive: dict[str, Regression] = field(default_factory=dict)
    _over: dict[str, Regression] = field(default_factory=dict)
    _open: dict[str, int] = field(default_factory=dict)  # which episode is open, by regression

    def watched(self, session: None, *, lock: bool = False) -> list[Regression]:
        """All that are not over."""
        return list(self._alive.values())

    def latest(self, session: None, fingerprint: str) -> Regression | None:
        """The newest of a fingerprint that is over."""
        return self._over.get(fingerprint)

    def regression(self, session: None, regression_id: str) -> Regression | None:
        """One that is not over."""
        return next((one for one in self._alive.values() if one.id == regression_id), None)

    def is_placed(self, session: None, regression: Regression) -> bool:
        """There are no incidents here."""
        return True

    def settle(self, session: None, found: Sequence[Taken], now_ms: int) -> None:
        """Keep what a tick opened."""
        for regression, steps in found:
            self.save(session, regression, steps)

    def save(self, session: None, regression: Regression, steps: Sequence[Transition]) -> None:
        """Keep what became of one, and note what it means for its episodes."""
        print_ = regression.fingerprint
        if any(one.step in (Step.OPENED, Step.REOPENED) for one in steps):
            regression = replace(regression, incident_id=regression.id)  # somebody would be told
        if regression.phase.is_over:
            self._alive.pop(print_, None)
            self._over[print_] = regression
        else:
            if print_ not in self._alive:
                self._over.pop(print_, None)
                self.version += regression.began_lo_ms < regression.updated_ms - HOUR_MS
            self._alive[print_] = regression
        for one in steps:
            self.note(regression, one.step, one.at_ms)

    def note(self, one: Regression, step: Step, at_ms: int) -> None:
        """One step in the life of a regression."""
        if one.kind is Kind.IMPROVEMENT:
            if step in (Step.OPENED, Step.REOPENED):
                self.improvements.append((one.rule, at_ms))
            return
        if step is Step.SUSPECTED:
            self.suspicions.append((one.rule, at_ms))
        elif step in (Step.OPENED, Step.REOPENED):
            self._open[one.id] = len(self.episodes)
            self.episodes.append(episode(one, at_ms, step))
        elif one.id in self._open:
            self.go_on(one, step, at_ms)

    def go_on(self, one: Regression, step: Step, at_ms: int) -> None:
        """An open episode has got worse, or is over."""
        place = self._open[one.id]
        now = replace(
            self.episodes[place],
            worst=one.worst,
            severity=max(self.episodes[place].severity, one.severity, key=lambda s: s.rank),
        )
        if step is Step.ESCALATED:
            now = replace(now, escalated_ms=(*now.escalated_ms, at_ms))
        if step in OVER:
            now = replace(now, ended_ms=at_ms)
            del self._open[one.id]
        self.episodes[place] = now

    def spans(self, since_ms: int) -> list[Regression]:
        """All that were there at some time after; older ones are forgotten."""
        old = [key for key, one in self._over.items() if (one.resolved_ms or 0) <= since_ms]
        for key in old:
            del self._over[key]
        return [*self._over.values(), *self._alive.values()]


def episode(one: Regression, at_ms: int, step: Step) -> Episode:
    """An episode that begins."""
    return Episode(
        rule=one.rule,
        signal=one.signal,
        labels=one.labels,
        began_ms=one.began_lo_ms,
        opened_ms=at_ms,
        ended_ms=None,
        severity=one.severity,
        value=one.value,
        threshold=one.threshold,
        worst=one.worst,
        again=step is Step.REOPENED,
        began_hi_ms=one.began_hi_ms,
    )


def as_of(known: Sequence[Regression], at_ms: int) -> list[Regression]:
    """What was known at a time of regressions as they are known now.

    What came later is left out; what was not over then is open; what a person accepted later was
    not accepted yet.
    """
    found = []
    for one in known:
        if one.opened_ms > at_ms:
            continue
        if one.resolved_ms is not None and one.resolved_ms > at_ms:
            phase = Phase.OPEN if one.phase.is_over else one.phase
            one = replace(one, phase=phase, resolved_ms=None, accepted_from_ms=None, by="")
        found.append(one)
    return found

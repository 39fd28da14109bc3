"""What rules would have fired in the past, before anybody enables them.

The stored windows are judged tick by tick by the same stages as a running detector uses, on a book
that is thrown away. Regressions of other rules that the real book knows stay out of baselines.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.baseline import DAY_MS, baseline_end_ms
from detector.change import PAST_DAYS
from detector.dependencies import Dependencies
from detector.facts import FactFinder
from detector.hearing import Assess, Hearing, Normals
from detector.judgement import REASONS, VERDICTS, Reason, Verdict, Verdicts
from detector.living import Lives
from detector.load import LoadFinder
from detector.noise import WITHIN_MS, Fired, Noise, verdict
from detector.paper import Episode, Paper, as_of
from detector.regression import Deployment, Regression
from detector.rule import OFF, Rule
from detector.settling import among
from detector.signal import Signal
from detector.sweep import (
    MEMORY_BYTES,
    Stretch,
    Sweep,
    back_ms,
    coarse_rule,
    stretches,
)
from detector.tagging import Tagging
from storage.history import History
from storage.series import Labels

WARM_UP_MS = DAY_MS
"""Judged before the span and not counted: what was there already is no opening of its first day."""

SERIES_AT_ONCE = 20_000
"""More series of one signal are replayed in turns; their judged windows of seven days take 12 KB
each."""

UNKNOWN = VERDICTS.index(Verdict.UNKNOWN)
NOISIEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """What one rule would have done. `days` are counts by UTC day (its beginning), all of them.

    `series` were judged at least once, for `series_days` altogether, on `judged_days` days.
    `held_back_hours` says for each gate how long, over all series, it refused what broke the
    trigger. `coarse_share` is the share of the judged time for which only the longer windows are
    stored, `is_approximate` says that the rule looks at shorter ones.
    """

    rule: str
    signal: str
    verdict: Noise
    openings: int
    days: tuple[tuple[int, int], ...]
    per_100: float
    transient_share: float | None
    longest_ms: int | None
    series: int
    series_days: float
    judged_days: int
    noisiest: tuple[tuple[Labels, int], ...]
    suspicions: int
    improvements: int
    held_back_hours: Mapping[Reason, float]
    coarse_share: float
    is_approximate: bool
    episodes: tuple[Episode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all rules would have done in `(start, end]`; `lost` windows found no room in memory."""

    start_ms: int
    end_ms: int
    rules: tuple[RuleReport, ...]
    lost: int = 0


@dataclass(slots=True)
class Tally:
    """What one rule said, counted while it is replayed."""

    said_ms: int = 0
    coarse_ms: int = 0
    days: set[int] = field(default_factory=set)
    series: set[Labels] = field(default_factory=set)
    refused_ms: Counter[Reason] = field(default_factory=Counter)
    _seen: dict[int, tuple[tuple[Labels, ...], np.ndarray[tuple[int], np.dtype[np.bool_]]]] = field(
        default_factory=dict
    )

    def add(self, verdicts: Verdicts, step_ms: int, *, is_coarse: bool) -> None:
        """Count the verdicts of one tick."""
        said = verdicts.verdict != UNKNOWN
        count = int(said.sum())
        if not count:
            return
        self.said_ms += count * step_ms
        self.coarse_ms += count * step_ms * is_coarse
        self.days.add((verdicts.judged.end_ms - 1) // DAY_MS)
        self.note(verdicts.judged.series, said)
        refused = np.bincount(
            verdicts.reason[verdicts.verdict == VERDICTS.index(Verdict.REJECTED)],
            minlength=len(REASONS),
        )
        for one in np.flatnonzero(refused).tolist():
            self.refused_ms[REASONS[one]] += int(refused[one]) * step_ms

    def note(
        self, series: tuple[Labels, ...], said: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> None:
        """Remember which series were judged; those of most ticks are the same objects."""
        known = self._seen.get(0)
        if known is not None and known[0] is series:
            fresh = said & ~known[1]
            known[1][:] |= said
        else:
            fresh = said
            self._seen[0] = (series, said.copy())
        self.series.update(series[i] for i in np.flatnonzero(fresh).tolist())


@dataclass(slots=True)
class Replay:
    """Rules over a span of a history; `run` does it, `report` tells what came of it.

    `known` are regressions of the real book: those of rules that are not replayed, and those that
    were over before, stay out of baselines. `assess` looks at the past of candidates, as in a tick.
    """

    signals: Mapping[str, Signal]
    rules: Mapping[str, Rule]
    history: History
    start_ms: int
    end_ms: int
    known: Sequence[Regression] = ()
    assess: Assess | None = None
    series_at_once: int = SERIES_AT_ONCE
    dependencies: Dependencies = field(default_factory=Dependencies)
    deployments: Sequence[Deployment] = ()
    tallies: dict[str, Tally] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    suspicions: Counter[str] = field(default_factory=Counter)
    improvements: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def __post_init__(self) -> None:
        self.tallies = {name: Tally() for name in self.rules}

    def run(self) -> Iterator[float]:
        """Do it, piece by piece; gives the share that is done."""
        judged = [one for name, one in self.signals.items() if self.rules_of(name)]
        for number, signal in enumerate(judged):
            turns = self.turns(signal)
            for turn in range(turns):
                for share in self.signal(signal, turn, turns):
                    yield (number + (turn + share) / turns) / len(judged)
            yield (number + 1) / len(judged)

    def rules_of(self, signal: str) -> dict[str, Rule]:
        """The rules that are replayed on a signal."""
        return {name: rule for name, rule in self.rules.items() if rule.signal == signal}

    def turns(self, signal: Signal) -> int:
        """In how many turns its series are replayed."""
        day = self.history.windows(
            signal.name, self.end_ms - DAY_MS, self.end_ms, seconds=signal.form.over, counts=False
        )
        return -(-max(len(day.series), 1) // self.series_at_once)

    def signal(self, signal: Signal, turn: int, turns: int) -> Iterator[float]:
        """One signal, and of its series every `turns`th; gives the share done."""
        rules = self.rules_of(signal.name)
        begin_ms = self.start_ms - WARM_UP_MS
        found = stretches(self.history, signal, list(rules.values()), begin_ms, self.end_ms)
        paper = Paper()
        total, done = sum(one.ticks for one in found), 0
        for stretch in found:
            life = Life(self, stretch, paper, signal)
            sweep = Sweep(
                self.history,
                stretch,
                back_ms(stretch.signal, list(life.rules.values())),
                None if turns == 1 else lambda labels: is_in(labels, turn, turns),
                MEMORY_BYTES,
            )
            sweep.begin()
            for at_ms in sweep.steps():
                life.tick(sweep, at_ms)
                done += 1
                if done % 100 == 0:
                    yield done / total
            self.lost += sweep.lost
        self.take(paper)

    def take(self, paper: Paper) -> None:
        """Keep what happened in the span itself."""
        self.episodes += [one for one in paper.episodes if one.opened_ms > self.start_ms]
        for told, into in (
            (paper.suspicions, self.suspicions),
            (paper.improvements, self.improvements),
        ):
            into.update(rule for rule, at_ms in told if at_ms > self.start_ms)

    def report(self) -> Report:
        """What came of it, the rules in their order."""
        rules = tuple(self.of_rule(name, rule) for name, rule in self.rules.items())
        return Report(start_ms=self.start_ms, end_ms=self.end_ms, rules=rules, lost=self.lost)

    def of_rule(self, name: str, rule: Rule) -> RuleReport:
        """What came of one rule."""
        tally, signal = self.tallies[name], self.signals[rule.signal]
        mine = [one for one in self.episodes if one.rule == name]
        mine.sort(key=lambda one: (one.opened_ms, one.labels.pairs))
        days = Counter((one.opened_ms - 1) // DAY_MS for one in mine)
        first, last = self.start_ms // DAY_MS, (self.end_ms - 1) // DAY_MS
        brief = [one for one in mine if one.ended_ms is not None and one.lasted_ms(0) <= WITHIN_MS]
        fired = Fired(len(mine), len(brief), tally.said_ms / DAY_MS, len(tally.days))
        series = Counter(one.labels for one in mine)
        ranked = sorted(series.items(), key=lambda one: (-one[1], one[0].pairs))
        short = signal.form.window < signal.form.over and rule.sustain.for_ is not None
        return RuleReport(
            rule=name,
            signal=rule.signal,
            verdict=verdict(fired),
            openings=len(mine),
            days=tuple((day * DAY_MS, days[day]) for day in range(first, last + 1)),
            per_100=fired.per_100,
            transient_share=fired.transient_share,
            longest_ms=max((one.lasted_ms(self.end_ms) for one in mine), default=None),
            series=len(tally.series),
            series_days=fired.series_days,
            judged_days=len(tally.days),
            noisiest=tuple(ranked[:NOISIEST]),
            suspicions=self.suspicions[name],
            improvements=self.improvements[name],
            held_back_hours={
                reason: ms / 3_600_000 for reason, ms in sorted(tally.refused_ms.items())
            },
            coarse_share=tally.coarse_ms / tally.said_ms if tally.said_ms else 0.0,
            is_approximate=short and tally.coarse_ms > 0,
            episodes=tuple(mine),
        )


class Life:
    """One stretch of a replay: what is judged at each of its ticks, and what becomes of it."""

    def __init__(self, replay: Replay, stretch: Stretch, paper: Paper, signal: Signal) -> None:
        self.replay, self.stretch, self.paper = replay, stretch, paper
        rules = replay.rules_of(signal.name)
        if stretch.is_coarse:
            rules = {name: coarse_rule(rule, signal) for name, rule in rules.items()}
        # Whether they are in force or not is not the question here.
        self.rules = {
            name: rule.model_copy(update={"enabled": True}) for name, rule in rules.items()
        }
        signals = {**replay.signals, signal.name: stretch.signal}
        tagging = Tagging(signals, LoadFinder(replay.history, replay.dependencies))
        self.lives = Lives(paper, signals, self.rules, tagging)
        self.facts, self.normals = (
            FactFinder(
                replay.history, replay.signals, replay.dependencies, among(replay.deployments)
            ),
            Normals(),
        )
        self.known = [one for one in replay.known if self.stays(one)]
        self._spans: tuple[tuple[int, int], list[Regression]] = ((-1, -1), [])

    def stays(self, one: Regression) -> bool:
        """Whether a regression of the real book stays out of baselines.

        Those of the rules that are replayed happen again, but for what was before.
        """
        before = one.opened_ms <= self.replay.start_ms - WARM_UP_MS
        mine = one.signal == self.stretch.signal.name
        return mine and (one.rule not in self.rules or before)

    def tick(self, sweep: Sweep, at_ms: int) -> None:
        """Judge one tick."""
        watched = self.paper.watched(None)
        spans = self.spans(at_ms)
        baseline = self.normals.flat(sweep.days, at_ms, spans)
        hearing = Hearing(
            sweep.days,
            sweep.current,
            baseline,
            self.facts,
            assess=self.replay.assess,
        )
        all_verdicts = hearing.verdicts(self.rules, at_ms, watched, spans)
        self.lives.live(None, all_verdicts, at_ms)
        if at_ms > self.replay.start_ms:
            for one in all_verdicts:
                tally = self.replay.tallies[one.rule]
                tally.add(one, self.pace_ms(one.rule), is_coarse=self.stretch.is_coarse)

    def pace_ms(self, rule: str) -> int:
        """For how long a judgement of a rule stands: until the next one."""
        form, step_ms = self.stretch.signal.form, self.stretch.step_ms
        return round(form.over * 1000) if self.rules[rule].is_change else step_ms

    def spans(self, at_ms: int) -> list[Regression]:
        """What baselines may not hold; looked up anew each hour, and when something opens."""
        end_ms = baseline_end_ms(at_ms)
        key = (end_ms, self.paper.version)
        if self._spans[0] != key:
            mine = self.paper.spans(end_ms - PAST_DAYS * DAY_MS)
            self._spans = (key, [*as_of(self.known, at_ms - 1), *mine])
        return self._spans[1]


def is_in(labels: Labels, turn: int, turns: int) -> bool:
    """Whether a series is replayed in this turn.

    What one service or target has stays together, because work may have moved within it.
    """
    owner = labels.get("service") or labels.get("target")
    return zlib.crc32(owner.encode()) % turns == turn


def literal(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The same rules with `gates: off`: what they cost as they are written."""
    return {name: rule.model_copy(update={"gates": OFF}) for name, rule in rules.items()}

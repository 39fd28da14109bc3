"""One tick, written once, in order.

windows -> baselines -> trigger, sustain, gates -> the past of candidates -> ledger -> lifecycle,
grouping, deployment

A tick belongs to a time, not to the clock: the same history and state give the same result, so a
tick that was cut off by a crash is run again as a whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

import numpy as np
from sqlmodel import Session

from detector import evaluate
from detector.baseline import DAY_MS, Flat, baseline_end_ms, nothing
from detector.book import Book
from detector.change import PAST_DAYS
from detector.confirming import Confirming
from detector.current import Days
from detector.draft import Draft
from detector.exclusion import Spans
from detector.facts import FactFinder
from detector.hearing import Hearing, Normals
from detector.judgement import REASONS, VERDICTS, Judged, Verdicts
from detector.lasted import Memory
from detector.ledger import Ledger
from detector.living import Lives
from detector.load import LoadFinder
from detector.meters import DetectorMeters
from detector.readings import Readings
from detector.regression import Deployment, Regression
from detector.rule import Rule, Span
from detector.signal import Signal
from detector.tagging import Tagging
from detector.windowing import Keeping, Windowing
from storage.history import History
from storage.journal import SAMPLES
from storage.state import State

TICK = "tick"
MAX_CATCH_UP_MS = 3_600_000
HOUR_MS = evaluate.HOUR_MS


@dataclass(frozen=True, slots=True)
class Definitions:
    """The signals and rules in force."""

    signals: Mapping[str, Signal]
    rules: Mapping[str, Rule]

    @property
    def step_ms(self) -> int:
        """The distance between ticks: every window of every signal ends at one of them."""
        return math.gcd(*(one.form.window_ms for one in self.signals.values())) or 60_000

    def due(self, now_ms: int) -> list[Signal]:
        """The signals that have a window ending at this time."""
        return [one for one in self.signals.values() if now_ms % one.form.window_ms == 0]

    def back_ms(self, signal: Signal) -> int:
        """How far back the rules of a signal look, and a page at least."""
        spans = [
            rule.span(signal.form.window, signal.form.over).total_ms
            for rule in self.rules_of(signal.name).values()
        ]
        return max([round(signal.form.over * 1000), *spans])

    def rules_of(self, signal: str) -> dict[str, Rule]:
        """The enabled rules that judge a signal."""
        return {k: r for k, r in self.rules.items() if r.signal == signal and r.enabled}


@dataclass(slots=True)
class Detector:
    """Runs ticks over a history and keeps what it concludes in the book and the ledger."""

    definitions: Definitions
    history: History
    state: State
    book: Book
    ledger: Ledger
    meters: DetectorMeters
    keeping: Keeping = field(default_factory=Keeping)
    readings: Readings = field(default_factory=Readings)
    facts: FactFinder = field(init=False)
    normals: Normals = field(default_factory=Normals)
    confirming: Confirming = field(init=False)
    lasted: Memory = field(init=False)
    _windowing: Windowing | None = None
    _counted_ms: int = 0
    _previewed: int | None = None

    def __post_init__(self) -> None:
        signals = self.definitions.signals
        self.facts = FactFinder(self.history, signals, self.book.dependencies, self.deployments)
        self.confirming = Confirming(self.history, self.meters)
        self.lasted = Memory(self.meters)

    @property
    def windowing(self) -> Windowing:
        """The windows of the signals in force, on the history that is there."""
        if self._windowing is None or self._windowing.history is not self.history:
            signals = self.definitions.signals
            back_ms = {name: self.definitions.back_ms(one) for name, one in signals.items()}
            self._windowing = Windowing(self.history, signals, back_ms, self.meters, self.keeping)
            self.normals.forget()
        return self._windowing

    def due_ticks(self, now_ms: int) -> list[int]:
        """The ticks from the last completed one until now, oldest first.

        After a long stop only the last hour is caught up; what is left out is counted.
        """
        step_ms = self.definitions.step_ms
        newest_ms = now_ms // step_ms * step_ms
        with self.state.reading() as session:
            done_ms = self.book.progress_ms(session, TICK)
        if done_ms is None:
            return [newest_ms]
        # The last tick may have been on another grid: signals can change between two starts.
        next_ms = (done_ms // step_ms + 1) * step_ms
        first_ms = max(next_ms, newest_ms - MAX_CATCH_UP_MS // step_ms * step_ms)
        if first_ms > self._counted_ms:  # asked again after a failed tick, it is not counted again
            self.meters.skipped.inc((first_ms - max(next_ms, self._counted_ms)) // step_ms)
            self._counted_ms = first_ms
        return list(range(first_ms, newest_ms + 1, step_ms))

    def tick(self, now_ms: int) -> list[Verdicts]:
        """Evaluate and judge the windows that end at `now`, store everything, give the verdicts.

        A tick that is in the book already is not counted again.
        """
        began = perf_counter()
        signals = self.definitions.due(now_ms)
        self.windowing.step(signals, now_ms)
        with self.state.reading() as session:
            done = self.is_done(session, now_ms)
            since_ms = baseline_end_ms(now_ms) - PAST_DAYS * DAY_MS
            open_ = self.book.watched(session)
            spans = self.lasted.read(session, open_, since_ms)
        drafts = [one for signal in signals for one in self.judge(signal, now_ms, open_, spans)]
        verdicts = self.confirming.confirm(drafts, now_ms, open_, spans)
        if done:
            self.history.flush()
            return verdicts
        self.ledger.write(now_ms, verdicts, self.history.unit)
        self.history.flush()  # where there was nothing to write of the judgements
        with self.state.unit() as session:
            if not self.is_done(session, now_ms):  # another process may have been faster
                self.lives().live(session, verdicts, now_ms)
                self.book.advance(session, TICK, now_ms)
        self.measure(verdicts)
        self.meters.last_tick.set(now_ms / 1000)
        self.meters.tick_seconds.observe(perf_counter() - began)
        return verdicts

    def deployments(self, since_ms: int, until_ms: int) -> list[Deployment]:
        """Those of a span; asked for only where something breaches soon after one."""
        with self.state.reading() as session:
            return self.book.deployments(session, since_ms, until_ms)

    def lives(self) -> Lives[Session]:
        """The regressions of the book under the definitions in force."""
        signals, rules = self.definitions.signals, self.definitions.rules
        loads = LoadFinder(self.history, self.book.dependencies)
        return Lives(self.book, signals, rules, Tagging(signals, loads))

    def is_done(self, session: Session, now_ms: int) -> bool:
        """Whether this tick, or a later one, is in the book."""
        done_ms = self.book.progress_ms(session, TICK)
        return done_ms is not None and done_ms >= now_ms

    def measure(self, all_verdicts: Sequence[Verdicts]) -> None:
        """Count the judgements by verdict and reason."""
        for verdicts in all_verdicts:
            kind = verdicts.verdict * len(REASONS) + verdicts.reason
            counts = np.bincount(kind, minlength=len(VERDICTS) * len(REASONS))
            for one in np.flatnonzero(counts).tolist():
                verdict, reason = VERDICTS[one // len(REASONS)], REASONS[one % len(REASONS)]
                self.meters.judgements.labels(verdicts.rule, verdict, reason).inc(int(counts[one]))

    def retain_fine(self, after_ms: int, now_ms: int) -> None:
        """Drop the shortest windows that are older, but none that a rule still looks at.

        Where the shortest are also those that are judged, baselines need them: they stay.
        """
        for one in self.definitions.signals.values():
            over_ms = round(one.form.over * 1000)
            if one.form.window_ms < over_ms:
                needed_ms = now_ms - self.definitions.back_ms(one) - 2 * MAX_CATCH_UP_MS
                self.history.thin(one.name, one.form.window, min(after_ms, needed_ms))

    def forget_baselines(self, signal: str | None = None) -> None:
        """Read baselines anew at the next tick: somebody has put a past into the history."""
        self.normals.forget(signal)
        self.confirming.forget()

    def judge(
        self, signal: Signal, now_ms: int, open_: Sequence[Regression], spans: Spans
    ) -> list[Draft]:
        """What all rules on one signal say without its past; its newest readings are noted."""
        held = self.windowing.days(signal.name, now_ms)
        days = Days(signal, held.members, held.recent)
        baseline = self.normals.flat(days, now_ms, spans)
        newest = held.current.matrix(Span(held.over_ms, 1, 1))
        self.readings.later(signal.name, newest, baseline.background(newest.series))
        hearing = Hearing(days, held.current, baseline, self.facts, held.recent.version)
        return hearing.drafts(self.definitions.rules_of(signal.name), now_ms, open_, spans)

    def baseline(self, signal: Signal, now_ms: int, spans: Spans) -> Flat:
        """The flat baselines of a signal, without the regressions that are known on it."""
        held = self.windowing.days(signal.name, now_ms)
        return self.normals.flat(Days(signal, held.members, held.recent), now_ms, spans)

    def preview(self, now_ms: int) -> None:
        """Read the running window of signals that have no reading yet; stores nothing.

        A page that is opened seconds after the first start shall show something true. Of most
        signals nobody ever has samples: they are looked at when there are new ones of anything.
        """
        waiting = [s for n, s in self.definitions.signals.items() if not self.readings.get(n)]
        mark = self.history.journal.since(SAMPLES, 0).mark
        if not waiting or mark == self._previewed:
            return
        self._previewed = mark
        longest_ms = max(one.form.window_ms for one in waiting)
        seen = evaluate.seen(self.history, now_ms - longest_ms, now_ms)
        for one in waiting:
            start_ms = now_ms - one.form.window_ms
            fine = evaluate.evaluate(self.history, one, seen, start_ms, now_ms)
            rows = tuple(fine.series[row] for row in fine.index.tolist())
            newest = Judged(rows, fine.values[:, None], fine.n[:, None], now_ms)
            self.readings.later(one.name, newest, nothing({}).background(rows))


def milliseconds(now: datetime) -> int:
    """An aware time as milliseconds since the epoch."""
    return round(now.astimezone(UTC).timestamp() * 1000)

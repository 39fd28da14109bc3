"""One tick, written once, in order.

windows -> baselines -> trigger, sustain, gates -> ledger -> lifecycle, grouping, deployment

A tick belongs to a time, not to the clock: the same history and state give the same result, so a
tick that was cut off by a crash is run again as a whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import assert_never

import numpy as np
from sqlmodel import Session

from detector import evaluate
from detector.baseline import DAY_MS, DAYS, Flat, baseline_end_ms, flat, nothing
from detector.book import Book
from detector.judgement import (
    REASONS,
    VERDICTS,
    Background,
    Judged,
    Judgement,
    Verdict,
    Verdicts,
    conclude,
)
from detector.judges.absolute import AbsoluteJudge
from detector.judges.relative import RelativeJudge
from detector.judges.sigma import SigmaJudge
from detector.ledger import Ledger
from detector.lifecycle import continued, fingerprint, opened, withdrawn
from detector.meters import DetectorMeters
from detector.readings import Readings
from detector.regression import Regression
from detector.rule import Absolute, Relative, Rule, Sigma, Span
from detector.signal import Signal, weights_are_counts
from detector.windowing import Keeping, Windowing
from storage.history import History
from storage.series import Labels
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
    _windowing: Windowing | None = None
    _baselines: dict[str, tuple[int, int, int, Flat]] = field(default_factory=dict)
    _counted_ms: int = 0

    @property
    def windowing(self) -> Windowing:
        """The windows of the signals in force, on the history that is there."""
        if self._windowing is None or self._windowing.history is not self.history:
            signals = self.definitions.signals
            back_ms = {name: self.definitions.back_ms(one) for name, one in signals.items()}
            self._windowing = Windowing(self.history, signals, back_ms, self.meters, self.keeping)
            self._baselines.clear()
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
            open_ = self.book.open_regressions(session)
            spans = self.book.spans(session, baseline_end_ms(now_ms) - DAYS * DAY_MS)
        verdicts = [one for signal in signals for one in self.judge(signal, now_ms, open_, spans)]
        if done:
            return verdicts
        self.ledger.write(now_ms, verdicts)
        with self.state.unit() as session:
            if not self.is_done(session, now_ms):  # another process may have been faster
                self.live(session, verdicts, now_ms)
                self.book.advance(session, TICK, now_ms)
        self.measure(verdicts)
        self.meters.last_tick.set(now_ms / 1000)
        self.meters.tick_seconds.observe(perf_counter() - began)
        return verdicts

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
        if signal is None:
            self._baselines.clear()
        else:
            self._baselines.pop(signal, None)

    def judge(
        self, signal: Signal, now_ms: int, open_: Sequence[Regression], spans: Sequence[Regression]
    ) -> list[Verdicts]:
        """The verdicts of all rules on one signal, and its newest readings."""
        current = self.windowing.held[signal.name].current
        baseline = self.baseline(signal, now_ms, spans)
        newest = current.matrix(Span(current.over_ms, 1, 1))
        self.readings.later(signal.name, newest, baseline.background(newest.series))
        result = []
        for name, rule in self.definitions.rules_of(signal.name).items():
            mine = {r.labels: r for r in open_ if r.rule == name and r.signal == signal.name}
            span = rule.span(signal.form.window, signal.form.over)
            judged = current.matrix(span, tuple(mine))
            if not len(judged):
                continue
            background = frozen(baseline.background(judged.series), judged.series, mine)
            limits = judge_of(rule).judge(background)
            result.append(conclude(name, rule, span, judged, background, limits))
        return result

    def baseline(self, signal: Signal, now_ms: int, spans: Sequence[Regression]) -> Flat:
        """The flat baselines of a signal, made anew each hour and when a regression begins or ends.

        Windows in which any rule on the signal had a regression open are left out.
        """
        held, end_ms = self.windowing.days(signal.name, now_ms), baseline_end_ms(now_ms)
        excluded: dict[Labels, list[tuple[int, int]]] = {}
        for one in spans:
            if one.signal == signal.name:
                until_ms = one.resolved_ms if one.resolved_ms is not None else now_ms
                excluded.setdefault(one.labels, []).append((one.began_lo_ms, until_ms))
        reach = hash(
            tuple(
                (labels, lo, min(hi, end_ms))
                for labels, spans_ in excluded.items()
                for lo, hi in spans_
                if lo < end_ms
            )
        )
        known = self._baselines.get(signal.name)
        key = (end_ms, reach, held.recent.version)
        if known and known[:3] == key:
            return known[3]
        made = flat(
            held.members.position,
            held.recent.parts(end_ms - DAYS * DAY_MS, end_ms),
            end_ms,
            held.over_ms,
            excluded,
            weigh_by_n=weights_are_counts(signal.form),
        )
        self._baselines[signal.name] = (*key, made)
        return made

    def live(self, session: Session, all_verdicts: Sequence[Verdicts], now_ms: int) -> None:
        """Open, continue and resolve regressions according to the verdicts of one tick."""
        known = {one.fingerprint: one for one in self.book.open_regressions(session)}
        for one in known.values():
            if one.rule not in self.definitions.rules_of(one.signal):
                self.book.save(session, *withdrawn(one, now_ms))
        for verdicts in all_verdicts:
            rule = self.definitions.rules[verdicts.rule]
            signal = self.definitions.signals[verdicts.signal]
            open_ = {r.labels for r in known.values() if r.rule == verdicts.rule}
            held = verdicts.verdict == VERDICTS.index(Verdict.REGRESSED)
            series = verdicts.judged.series
            lived = [i for i, labels in enumerate(series) if labels in open_] if open_ else []
            for i in sorted({*np.flatnonzero(held).tolist(), *lived}):
                self.apply(session, signal, rule, verdicts.row(i), known)

    def apply(
        self,
        session: Session,
        signal: Signal,
        rule: Rule,
        judgement: Judgement,
        known: Mapping[str, Regression],
    ) -> None:
        """What one judgement means for the book."""
        print_ = fingerprint(judgement.rule, judgement.signal, judgement.labels)
        if print_ in known:
            regression, steps = continued(known[print_], rule, judgement)
            self.book.save(session, regression, steps)
        elif judgement.verdict is Verdict.REGRESSED:
            self.book.open(session, *opened(signal, rule, judgement))

    def preview(self, now_ms: int) -> None:
        """Read the running window of signals that have no reading yet; stores nothing.

        A page that is opened seconds after the first start shall show something true.
        """
        waiting = [s for n, s in self.definitions.signals.items() if not self.readings.get(n)]
        if not waiting:
            return
        longest_ms = max(one.form.window_ms for one in waiting)
        seen = evaluate.seen(self.history, now_ms - longest_ms, now_ms)
        for one in waiting:
            start_ms = now_ms - one.form.window_ms
            fine = evaluate.evaluate(self.history, one, seen, start_ms, now_ms)
            rows = tuple(fine.series[row] for row in fine.index.tolist())
            newest = Judged(rows, fine.values[:, None], fine.n[:, None], now_ms)
            self.readings.later(one.name, newest, nothing({}).background(rows))


def judge_of(rule: Rule) -> AbsoluteJudge | RelativeJudge | SigmaJudge:
    """The judge that a rule's trigger asks for."""
    part, clear = rule.trigger.part, rule.clear.level
    # Sigmas are distances on either side, levels and multiples are values.
    furthest = math.inf if rule.upwards or isinstance(part, Sigma) else -math.inf
    critical = furthest if rule.critical is None else rule.critical
    match part:
        case Absolute():
            return AbsoluteJudge(part.level, clear, critical)
        case Relative():
            return RelativeJudge(part.level, clear, critical)
        case Sigma():
            return SigmaJudge(part.level, clear, critical, rule.upwards)
    assert_never(part)


def frozen(
    background: Background, series: Sequence[Labels], open_: Mapping[Labels, Regression]
) -> Background:
    """The baselines, but for series with an open regression those from when it opened.

    So that a regression cannot become its own normal and resolve itself.
    """
    if not open_:
        return background
    mean, deviation = background.mean.copy(), background.deviation.copy()
    n, days = background.n.copy(), background.days.copy()
    for row, labels in enumerate(series):
        regression = open_.get(labels)
        if regression is not None and regression.baseline is not None:
            evidence = regression.evidence
            mean[row] = regression.baseline
            deviation[row] = evidence["deviation"]
            n[row], days[row] = evidence["baseline_n"], evidence["days"]
    return Background(mean, deviation, n, days)


def milliseconds(now: datetime) -> int:
    """An aware time as milliseconds since the epoch."""
    return round(now.astimezone(UTC).timestamp() * 1000)

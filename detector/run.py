"""One tick, written once, in order.

windows -> baselines -> trigger, sustain, gates -> ledger -> lifecycle, grouping, deployment

A tick belongs to a time, not to the clock: the same history and state give the same result, so a
tick that was cut off by a crash is run again as a whole.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

import numpy as np
from sqlmodel import Session

from detector import evaluate
from detector.baseline import DAY_MS, DAYS, Flat, baseline_end_ms, flat
from detector.book import Book
from detector.exclusion import left_out, restarted
from detector.facts import FactFinder
from detector.gates import conclude
from detector.judgement import (
    REASONS,
    VERDICTS,
    Background,
    Judged,
    Judgement,
    Verdict,
    Verdicts,
)
from detector.judging import judge_of
from detector.ledger import Ledger
from detector.lifecycle import (
    continued,
    fingerprint,
    is_hands_off,
    opened,
    reopened,
    reopens,
    suspected_again,
    withdrawn,
    woken,
)
from detector.meters import DetectorMeters
from detector.regression import Kind, Regression, Tag
from detector.rule import Rule, Span
from detector.signal import Signal, weights_are_counts
from detector.tags import shifted
from detector.window import Span as WindowSpan
from detector.window import merge
from storage.history import History, Windows
from storage.series import Labels
from storage.state import State

TICK = "tick"
MAX_CATCH_UP_MS = 3_600_000
HOUR_MS = evaluate.HOUR_MS
OPENING = (Verdict.REGRESSED, Verdict.SUSPECTED, Verdict.IMPROVED)


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest judged span of one series, beside what is normal; for pages and `/metrics`."""

    signal: str
    labels: Labels
    end_ms: int
    value: float
    n: float
    mean: float
    deviation: float
    days: int


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
    readings: dict[str, tuple[Reading, ...]] = field(default_factory=dict)
    facts: FactFinder = field(init=False)
    _baselines: dict[str, tuple[int, int, Flat]] = field(default_factory=dict)
    _counted_ms: int = 0

    def __post_init__(self) -> None:
        self.facts = FactFinder(self.history)

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
        self.store_windows(signals, now_ms)
        with self.state.reading() as session:
            done = self.is_done(session, now_ms)
            since_ms = baseline_end_ms(now_ms) - DAYS * DAY_MS
            open_ = self.book.watched(session)
            spans = [*self.book.spans(session, since_ms), *self.book.accepted(session, since_ms)]
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
            pairs = np.column_stack([verdicts.verdict, verdicts.reason])
            kinds, counts = np.unique(pairs, axis=0, return_counts=True)
            for (verdict, reason), count in zip(kinds.tolist(), counts.tolist(), strict=True):
                labels = (verdicts.rule, VERDICTS[verdict], REASONS[reason])
                self.meters.judgements.labels(*labels).inc(count)

    def store_windows(self, signals: Sequence[Signal], now_ms: int) -> None:
        """Write the windows that end now, short ones first, longer ones where their grid says."""
        if not signals:
            return
        longest_ms = max(one.form.window_ms for one in signals)
        seen = evaluate.seen(self.history, now_ms - longest_ms, now_ms)
        for one in signals:
            start_ms = now_ms - one.form.window_ms
            self.history.put_windows(evaluate.evaluate(self.history, one, seen, start_ms, now_ms))
            for reason in evaluate.unfit(self.history, one, start_ms, now_ms).values():
                self.meters.left_out.labels(one.name, reason).inc()
            over_ms = round(one.form.over * 1000)
            if now_ms % over_ms == 0 and over_ms > one.form.window_ms:
                self.history.put_windows(
                    evaluate.coarse(self.history, one, now_ms - over_ms, now_ms)
                )
            if now_ms % HOUR_MS == 0 and evaluate.has_hourly(one):
                self.history.put_windows(
                    evaluate.hourly(self.history, one, now_ms - HOUR_MS, now_ms)
                )

    def backfill(self, start_ms: int, end_ms: int) -> Iterator[float]:
        """Evaluate the samples in the history into windows, without judging; gives the share done.

        A day at a time, so that a week of samples never stands in memory at once.
        """
        signals = list(self.definitions.signals.values())
        steps = [(one, day) for day in range(start_ms, end_ms, DAY_MS) for one in signals]
        for done, (one, day_ms) in enumerate(steps, 1):
            over_ms = round(one.form.over * 1000)
            first_ms, last_ms = day_ms // over_ms * over_ms, min(day_ms + DAY_MS, end_ms)
            last_ms = last_ms // over_ms * over_ms
            seen = evaluate.seen(self.history, first_ms, last_ms)
            self.history.put_windows(evaluate.evaluate(self.history, one, seen, first_ms, last_ms))
            self.history.put_windows(evaluate.coarse(self.history, one, first_ms, last_ms))
            if evaluate.has_hourly(one):
                whole_ms = first_ms // HOUR_MS * HOUR_MS
                self.history.put_windows(
                    evaluate.hourly(self.history, one, whole_ms, last_ms // HOUR_MS * HOUR_MS)
                )
            yield done / len(steps)

    def retain_fine(self, after_ms: int, now_ms: int) -> None:
        """Drop the shortest windows that are older, but none that a rule still looks at.

        Where the shortest are also those that are judged, baselines need them: they stay.
        """
        for one in self.definitions.signals.values():
            over_ms = round(one.form.over * 1000)
            if one.form.window_ms < over_ms:
                spans = [
                    rule.span(one.form.window, one.form.over).total_ms
                    for rule in self.definitions.rules_of(one.name).values()
                ]
                needed_ms = now_ms - max([over_ms, *spans]) - 2 * MAX_CATCH_UP_MS
                self.history.thin(one.name, one.form.window, min(after_ms, needed_ms))

    def forget_baselines(self) -> None:
        """Read the baselines anew at the next tick: somebody has put a past into the history."""
        self._baselines.clear()

    def judge(
        self, signal: Signal, now_ms: int, open_: Sequence[Regression], spans: Sequence[Regression]
    ) -> list[Verdicts]:
        """The verdicts of all rules on one signal, and its newest readings."""
        rules = self.definitions.rules_of(signal.name)
        over_ms = round(signal.form.over * 1000)
        span_of = {k: r.span(signal.form.window, signal.form.over) for k, r in rules.items()}
        back_ms = max([over_ms, *(span.total_ms for span in span_of.values())])
        fine = self.history.windows(
            signal.name, now_ms - back_ms, now_ms, seconds=signal.form.window
        )
        baseline = self.baseline(signal, now_ms, spans)
        newest = matrix(signal, fine, Span(over_ms, 1, 1), now_ms, fine.series)
        self.readings[signal.name] = read(signal.name, newest, baseline)
        result = []
        for name, rule in rules.items():
            mine = [r for r in open_ if r.rule == name and r.signal == signal.name]
            series = tuple(dict.fromkeys([*fine.series, *(r.labels for r in mine)]))
            if not series:
                continue
            judged = matrix(signal, fine, span_of[name], now_ms, series)
            normal = restarted(baseline.background(series), series, signal.name, spans, now_ms)
            background = frozen(normal, series, {r.labels: r for r in mine if r.freezes})
            facts = self.facts.find(signal, rule, span_of[name], judged)
            levels = judge_of(rule).judge(background, facts)
            result.append(conclude(name, rule, span_of[name], judged, background, levels))
        return result

    def baseline(self, signal: Signal, now_ms: int, spans: Sequence[Regression]) -> Flat:
        """The flat baselines of a signal, made anew each hour and when a regression begins or ends.

        Windows in which any rule on the signal had a regression open are left out.
        """
        end_ms = baseline_end_ms(now_ms)
        excluded = left_out([one for one in spans if one.signal == signal.name], now_ms)
        reach = hash(
            tuple(
                (labels, lo, min(hi, end_ms))
                for labels, spans_ in excluded.items()
                for lo, hi in spans_
                if lo < end_ms
            )
        )
        known = self._baselines.get(signal.name)
        if known and known[:2] == (end_ms, reach):
            return known[2]
        windows = self.history.windows(
            signal.name, end_ms - DAYS * DAY_MS, end_ms, seconds=signal.form.over, counts=False
        )
        made = flat(windows, end_ms, excluded, weigh_by_n=weights_are_counts(signal.form))
        self._baselines[signal.name] = (end_ms, reach, made)
        return made

    def live(self, session: Session, all_verdicts: Sequence[Verdicts], now_ms: int) -> None:
        """Open, continue and resolve regressions according to the verdicts of one tick."""
        known = {one.fingerprint: one for one in self.book.watched(session, lock=True)}
        for print_, one in list(known.items()):
            if one.rule not in self.definitions.rules_of(one.signal) and not one.phase.is_over:
                self.book.save(session, *withdrawn(one, now_ms))
                continue
            awake, steps = woken(one, now_ms)
            if steps:
                self.book.save(session, awake, steps)
                # With the incident that the book has for it.
                known[print_] = self.book.regression(session, awake.id) or awake
        for verdicts in all_verdicts:
            rule = self.definitions.rules[verdicts.rule]
            signal = self.definitions.signals[verdicts.signal]
            open_ = {r.labels for r in known.values() if r.rule == verdicts.rule}
            held = np.isin(verdicts.verdict, [VERDICTS.index(one) for one in OPENING])
            moved = shifted(signal, verdicts) if held.any() else held
            for i, labels in enumerate(verdicts.judged.series):
                if held[i] or labels in open_:
                    tags = (Tag.COST_SHIFT,) if moved[i] else ()
                    self.apply(session, signal, rule, verdicts.row(i), known, tags)

    def apply(
        self,
        session: Session,
        signal: Signal,
        rule: Rule,
        judgement: Judgement,
        known: Mapping[str, Regression],
        tags: Sequence[Tag] = (),
    ) -> None:
        """What one judgement means for the book."""
        for kind in Kind:
            print_ = fingerprint(judgement.rule, judgement.signal, judgement.labels, kind)
            if print_ in known:
                self.book.save(session, *continued(known[print_], rule, judgement))
            elif judgement.verdict in OPENING and kind_of(judgement) is kind:
                over = self.book.latest(session, print_)
                if over is not None and is_hands_off(over, judgement.at_ms):
                    continue
                if over is None or not reopens(over, judgement.at_ms):
                    self.book.open(session, *opened(signal, rule, judgement, tags))
                elif judgement.verdict is Verdict.SUSPECTED:
                    self.book.save(session, *suspected_again(over, judgement))
                else:
                    self.book.save(session, *reopened(over, rule, judgement))

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
            newest = matrix(one, fine, Span(one.form.window_ms, 1, 1), now_ms, fine.series)
            nothing = flat(Windows.of(one.name, ()), 0, {}, weigh_by_n=False)
            self.readings[one.name] = read(one.name, newest, nothing)


def kind_of(judgement: Judgement) -> Kind:
    """Which way a judgement goes."""
    better = judgement.verdict is Verdict.IMPROVED
    return Kind.IMPROVEMENT if better else Kind.REGRESSION


def matrix(
    signal: Signal, fine: Windows, span: Span, end_ms: int, series: Sequence[Labels]
) -> Judged:
    """The judged windows of these series as rows, the newest column last; NaN where none is."""
    whole = WindowSpan(end_ms - span.total_ms, span.each_ms, span.of)
    merged = merge(signal.form, fine, whole)
    values = np.full((len(series), span.of), np.nan)
    n = np.zeros((len(series), span.of))
    place = {labels: row for row, labels in enumerate(series)}
    rows = np.array([place[labels] for labels in merged.series], np.int64)[merged.index]
    slots = whole.slot(merged.end_ms)
    values[rows, slots], n[rows, slots] = merged.values, merged.n
    return Judged(tuple(series), values, n, end_ms)


def frozen(
    background: Background, series: Sequence[Labels], open_: Mapping[Labels, Regression]
) -> Background:
    """The baselines, but for series with an open regression those from when it opened.

    So that a regression cannot become its own normal and resolve itself.
    """
    mean, deviation = background.mean.copy(), background.deviation.copy()
    n, days = background.n.copy(), background.days.copy()
    for row, labels in enumerate(series):
        regression = open_.get(labels)
        if regression is not None and regression.baseline is not None:
            evidence = regression.evidence
            mean[row] = regression.baseline
            deviation[row] = evidence["deviation"]
            n[row], days[row] = evidence["baseline_n"], evidence["days"]
    return Background(mean, deviation, n, days, background.needed)


def read(signal: str, newest: Judged, baseline: Flat) -> tuple[Reading, ...]:
    """The newest values with their baselines, in the order of the labels."""
    background = baseline.background(newest.series)
    rows = [
        Reading(
            signal,
            labels,
            newest.end_ms,
            float(newest.values[i, -1]),
            float(newest.n[i, -1]),
            float(background.mean[i]),
            float(background.deviation[i]),
            int(background.days[i]),
        )
        for i, labels in enumerate(newest.series)
        if not np.isnan(newest.values[i, -1])
    ]
    return tuple(sorted(rows, key=lambda one: one.labels.pairs))


def milliseconds(now: datetime) -> int:
    """An aware time as milliseconds since the epoch."""
    return round(now.astimezone(UTC).timestamp() * 1000)

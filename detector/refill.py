"""Signals that are new or changed are evaluated over the samples that are kept.

So a new rule has a baseline at once, and not after seven days. The work is cut into pieces, done
between ticks by the thread that runs them, newest first; after kill -9 it goes on at the
last piece. What it stores is what ticks would have stored.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from detector import evaluate
from detector.backfill import Backfill, Backfills, BackfillSource
from detector.baseline import DAY_MS
from detector.definition import DefinitionBook, Fill, fingerprint
from detector.evaluate import HOUR_MS
from detector.lifecycle import withdrawn
from detector.run import TICK, Detector
from detector.signal import Signal
from detector.window import Span, merge
from storage.history import History, Samples, Windows
from storage.series import Selector

log = logging.getLogger(__name__)

MOST_SAMPLES = 1_000_000  # read at once; with what is made of them some 250 MiB
FIRST_SPAN_MS = 600_000
MOST_GROWTH = 4.0
EVER_MS = 2**62


class Change(StrEnum):
    """What a start finds of a signal."""

    SAME = "same"
    """The definition by which its windows were made; nothing is touched."""
    UNFINISHED = "unfinished"
    """The same, and a process was stopped before its past was evaluated: that goes on."""
    ADDED = "added"
    """The history knows nothing of it: it is evaluated over all samples that are kept."""
    CHANGED = "changed"
    """Its windows were made by another definition: they are dropped, and made anew."""
    RETURNED = "returned"
    """It was not in force for a while: only that while is evaluated."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back, in milliseconds: `samples_ms` are kept, `fine_ms` of the shortest windows."""

    samples_ms: int
    fine_ms: int


@dataclass(slots=True)
class Refill:
    """Compares the signals in force with those the history was made by, and evaluates the rest.

    `begin` must be called before the first tick, then `step` between ticks until it says False.
    Both are called by the thread that runs the ticks, so no baseline is read half way. `dropping`
    is told of a signal before its windows go, so that others who made some make them again.
    """

    detector: Detector
    book: DefinitionBook
    backfills: Backfills
    reach: Reach
    dropping: Callable[[str], None] = lambda _: None
    most_samples: int = MOST_SAMPLES
    waiting: dict[str, Fill] = field(default_factory=dict)
    _spans_ms: dict[str, int] = field(default_factory=dict)
    _found: set[str] = field(default_factory=set)
    begun: bool = False

    def begin(self, now_ms: int) -> Mapping[str, Change]:
        """Find out what has changed since the last start; asked again, nothing happens.

        A signal that is gone keeps its windows until retention drops them: past regressions have
        their charts, and one that comes back is only missing the time between.
        """
        if self.begun:
            return {}
        known = self.book.read()
        signals = self.detector.definitions.signals
        first_ms = self.detector.history.oldest_ms()
        changes = {}
        for name, signal in signals.items():
            changes[name] = self.compare(signal, known.get(name), now_ms, first_ms)
        for name, fill in known.items():
            if name not in signals and fill.gone_ms is None:
                self.book.write(replace(fill, gone_ms=self.before_ticks_ms(now_ms)))
                log.info("signal %s is gone; its windows stay until they are too old", name)
        self.begun = True
        return changes

    def compare(
        self, signal: Signal, known: Fill | None, now_ms: int, first_ms: int | None
    ) -> Change:
        """Decide what one signal needs, and write it down before anything is done.

        Nothing is looked for before `first_ms`, the oldest sample that is kept.
        """
        name, print_ = signal.name, fingerprint(signal)
        until_ms = self.before_ticks_ms(now_ms) // signal.form.window_ms * signal.form.window_ms
        over_ms = round(signal.form.over * 1000)
        oldest_ms = (now_ms - self.reach.samples_ms) // over_ms * over_ms
        # A window has samples from after its beginning.
        begun_ms = until_ms if first_ms is None else (first_ms - 1) // over_ms * over_ms
        oldest_ms = max(oldest_ms, min(begun_ms, until_ms))
        whole = Fill(name, print_, oldest_ms, until_ms, until_ms)
        if known is None:
            self.start(whole)
            return Change.ADDED
        if known.fingerprint != print_:
            self.drop(signal, now_ms)
            self.start(whole)
            return Change.CHANGED
        if known.gone_ms is not None:
            # Where it was not even done when it went, all that was left is done too.
            since_ms = max(oldest_ms, known.gone_ms // over_ms * over_ms)
            self.start(replace(whole, since_ms=since_ms) if known.is_done else whole)
            return Change.RETURNED
        if not known.is_done:
            self.waiting[name] = known
            self.show(known)
            return Change.UNFINISHED
        return Change.SAME

    def before_ticks_ms(self, now_ms: int) -> int:
        """The end of the last window that no tick to come will make."""
        step_ms = self.detector.definitions.step_ms
        due = self.detector.due_ticks(now_ms)
        return due[0] - step_ms if due else now_ms // step_ms * step_ms

    def start(self, fill: Fill) -> None:
        """Write down what is to be done."""
        self.book.write(fill)
        if fill.is_done:
            self.show(fill)
        else:
            self.waiting[fill.signal] = fill

    def drop(self, signal: Signal, now_ms: int) -> None:
        """Drop what was made by another definition; its open regressions end.

        Their frozen baselines are of other windows, and where `by` has changed nobody would judge
        their series again.
        """
        self.dropping(signal.name)
        with self.detector.state.unit() as session:
            for one in self.detector.book.open_regressions(session):
                if one.signal == signal.name:
                    reason = f"the definition of {signal.name} has changed"
                    self.detector.book.save(session, *withdrawn(one, now_ms, reason))
        gone = self.detector.history.thin(signal.name, None, EVER_MS)
        log.warning(
            "signal %s has changed: its %d old windows are dropped, and it is evaluated again over "
            "the samples that are kept",
            signal.name,
            gone,
        )

    def step(self) -> bool:
        """Evaluate one piece, the newest that is left; whether there is more to do."""
        if not self.waiting:
            return False
        fill = max(self.waiting.values(), key=lambda one: one.reached_ms)
        signal = self.detector.definitions.signals[fill.signal]
        start_ms = self.piece(signal, fill)
        self.evaluate(signal, start_ms, fill.reached_ms, fill.until_ms)
        after = replace(fill, reached_ms=start_ms)
        self.book.write(after)
        self.waiting[fill.signal] = after
        if after.is_done or start_ms // DAY_MS != fill.reached_ms // DAY_MS:
            self.detector.forget_baselines(signal.name)
        if after.is_done:
            del self.waiting[fill.signal]
            # A first start has no past, and then there is nothing to tell of every signal.
            level = logging.INFO if signal.name in self._found else logging.DEBUG
            log.log(level, "signal %s is evaluated over the samples that are kept", signal.name)
        self.show(after)
        return bool(self.waiting)

    def show(self, fill: Fill) -> None:
        """Tell metrics and pages."""
        self.backfills[fill.signal] = Backfill(BackfillSource.SAMPLES, fill.done)

    def piece(self, signal: Signal, fill: Fill) -> int:
        """Where the next piece begins: on the grid of `over`, at most a day back."""
        over_ms = round(signal.form.over * 1000)
        span_ms = max(over_ms, self._spans_ms.get(signal.name, FIRST_SPAN_MS))
        start_ms = -(-(fill.reached_ms - span_ms) // over_ms) * over_ms
        if start_ms >= fill.reached_ms:
            start_ms -= over_ms
        return max(fill.since_ms, start_ms)

    def evaluate(self, signal: Signal, start_ms: int, end_ms: int, until_ms: int) -> None:
        """Store the windows that end in `(start, end]`, of all lengths that are still kept."""
        history, form = self.detector.history, signal.form
        reader = Counting(history)
        seen = evaluate.seen(history, start_ms, end_ms)
        fine = evaluate.evaluate(reader, signal, seen, start_ms, end_ms)
        self.learn(signal.name, reader.count, end_ms - start_ms)
        if not reader.count:
            return
        self._found.add(signal.name)
        over_ms = round(form.over * 1000)
        if over_ms == form.window_ms or end_ms > until_ms - self.reach.fine_ms:
            history.put_windows(fine)
        if over_ms > form.window_ms:
            history.put_windows(whole(signal, fine, start_ms, end_ms))
        self.join(signal, start_ms, end_ms, until_ms)

    def join(self, signal: Signal, start_ms: int, end_ms: int, until_ms: int) -> None:
        """Merge what reaches beyond the piece, again where a tick has merged it without it.

        What ends later than the last tick is left to the ticks to come.
        """
        history, over_ms = self.detector.history, round(signal.form.over * 1000)
        with self.detector.state.reading() as session:
            done_ms = max(until_ms, self.detector.book.progress_ms(session, TICK) or 0)
        seam_ms = end_ms // over_ms * over_ms
        if seam_ms < end_ms and seam_ms + over_ms <= done_ms:
            history.put_windows(evaluate.coarse(history, signal, seam_ms, seam_ms + over_ms))
        if evaluate.has_hourly(signal):
            first_ms = start_ms // HOUR_MS * HOUR_MS
            last_ms = min(-(-end_ms // HOUR_MS), done_ms // HOUR_MS) * HOUR_MS
            if last_ms > first_ms:
                history.put_windows(evaluate.hourly(history, signal, first_ms, last_ms))

    def learn(self, signal: str, samples: int, span_ms: int) -> None:
        """Choose the length of the next piece so that it reads about `most_samples`."""
        growth = min(self.most_samples / max(samples, 1), MOST_GROWTH)
        self._spans_ms[signal] = min(round(span_ms * growth), DAY_MS)


@dataclass(slots=True)
class Counting:
    """A history that counts the samples it gives."""

    history: History
    count: int = 0

    def samples(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Samples:
        """Those of the history."""
        found = self.history.samples(selectors, start_ms, end_ms)
        self.count += len(found)
        return found


def whole(signal: Signal, fine: Windows, start_ms: int, end_ms: int) -> Windows:
    """The windows of `over` that lie within the span as a whole."""
    over_ms = round(signal.form.over * 1000)
    return merge(signal.form, fine, Span(start_ms, over_ms, (end_ms - start_ms) // over_ms))

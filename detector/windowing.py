"""The windows of a tick: made from samples, written, and held in memory for those who judge.

What is held follows from the history alone. It is extended from tick to tick; when a tick does not
follow on the one before, or somebody else has written into the past, it is read anew. So a process
that has just been started judges the same numbers, to the last bit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector import evaluate
from detector.baseline import DAY_MS, DAYS
from detector.current import Current, Members
from detector.increase import LOOKBACK_MS, UP, Seen
from detector.meters import DetectorMeters
from detector.recent import Budget, Recent
from detector.signal import LeftOut, Signal
from detector.stack import ending
from detector.tail import Tail
from detector.unite import chosen, concatenated
from storage.history import History, Windows
from storage.journal import EVER_MS, Journal, Written, windows_topic

HOUR_MS = evaluate.HOUR_MS
READ_ROWS = 500_000  # windows of one read from the history, about
SPARE = 4096  # series that have gone are remembered up to so many more than there are
TAIL_WINDOW_MS = 300_000  # signals with longer windows read their samples from the history


@dataclass(slots=True)
class Watched:
    """One topic of the journal: until when it was read, and how many notes since are our own."""

    topic: str
    mark: int = 0
    own: int = 0

    def foreign(self, journal: Journal) -> Written | None:
        """What was written since, when somebody else wrote; our own is then among it."""
        written = journal.since(self.topic, self.mark)
        own, self.own, self.mark = self.own, 0, written.mark
        return written if written.count > own else None


@dataclass(slots=True)
class Held:
    """What is held of one signal; `others_ms` is the latest end of windows that others wrote."""

    signal: Signal
    members: Members
    current: Current
    recent: Recent
    fine: Watched
    judged: Watched
    others_ms: int = -EVER_MS

    @property
    def over_ms(self) -> int:
        """Length of a judged window."""
        return round(self.signal.form.over * 1000)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many days of judged windows are held, and how many bytes all of them may take."""

    days: int = DAYS
    memory_bytes: int = 1536 * 2**20


class Windowing:
    """Makes, writes and holds the windows of all signals.

    `back_ms` says for each signal how far back its rules look.
    """

    def __init__(
        self,
        history: History,
        signals: Mapping[str, Signal],
        back_ms: Mapping[str, int],
        meters: DetectorMeters,
        keeping: Keeping,
    ) -> None:
        self.history, self.meters = history, meters
        self.budget = Budget(keeping.memory_bytes)
        self.held: dict[str, Held] = {}
        for name, one in signals.items():
            members, over_ms = Members(), round(one.form.over * 1000)
            # A baseline ends up to two hours ago, and a tick may be repeated an hour later.
            slots = (keeping.days * DAY_MS + 3 * HOUR_MS) // over_ms + 1
            current = Current(one, members, max(back_ms[name], over_ms + one.form.window_ms))
            recent = Recent(over_ms, slots, self.budget)
            fine, judged = (
                Watched(windows_topic(name, seconds))
                for seconds in (one.form.window, one.form.over)
            )
            self.held[name] = Held(one, members, current, recent, fine, judged)
        short = [s for s in signals.values() if s.form.window_ms <= TAIL_WINDOW_MS]
        reach_ms = max((s.form.window_ms for s in short), default=0) + LOOKBACK_MS
        self.tail = Tail(history, evaluate.metrics(short) | {UP}, reach_ms)
        self.plans: evaluate.Plans = {}
        self.unfit: evaluate.Memo = {}

    def forget(self) -> None:
        """Read everything anew at the next tick."""
        self.tail.forget()
        for one in self.held.values():
            self.forget_signal(one)

    def forget_signal(self, held: Held) -> None:
        """Read one signal anew."""
        held.members = Members()
        held.current = Current(held.signal, held.members, held.current.back_ms)
        held.recent.clear()

    def step(self, signals: Sequence[Signal], now_ms: int) -> None:
        """Make the windows of these signals that end now; afterwards they are held.

        They are written with what the caller writes next, and before anybody reads windows.
        """
        if not signals:
            return
        longest_ms = max(one.form.window_ms for one in signals)
        self.tail.advance(now_ms)
        seen = evaluate.seen(self.tail, now_ms - longest_ms, now_ms)
        fine = {one.name: self.evaluate(one, seen, now_ms) for one in signals}
        merged = {}
        for name, windows in fine.items():
            whole = windows
            if self.follow(self.held[name], now_ms):
                fine[name], whole = self.beside(self.held[name], windows, now_ms)
            merged[name] = self.held[name].current.push(now_ms, whole)
        coarse = {
            name: windows
            for name, windows in merged.items()
            if now_ms % self.held[name].over_ms == 0 and windows is not fine[name]
        }
        self.history.hold_windows(*fine.values(), *coarse.values())
        for name in fine:
            held = self.held[name]
            held.fine.own += len(fine[name]) > 0
            same = held.over_ms == held.current.window_ms
            held.judged.own += len(fine[name] if same else coarse.get(name, ())) > 0
            if now_ms % held.over_ms == 0:
                self.extend(held, now_ms, merged[name])
        if now_ms % HOUR_MS == 0:
            self.store_hourly(signals, now_ms)

    def evaluate(self, signal: Signal, seen: Seen, now_ms: int) -> Windows:
        """The windows that end now; what cannot be made is counted."""
        start_ms = now_ms - signal.form.window_ms
        unfit = evaluate.unfit(self.tail, signal, start_ms, now_ms, self.unfit)
        for reason in unfit.values():
            self.meters.left_out.labels(signal.name, reason).inc()
        return evaluate.evaluate(self.tail, signal, seen, start_ms, now_ms, self.plans)

    def beside(self, held: Held, windows: Windows, now_ms: int) -> tuple[Windows, Windows]:
        """What is to be written of the windows that end now, and all that there are of them.

        A source writes the windows of its series before the tick; where both have a series, the
        source's stand.
        """
        form, name = held.signal.form, held.signal.name
        others = self.history.windows(name, now_ms - form.window_ms, now_ms, seconds=form.window)
        known = frozenset(others.series)
        new = np.array([one not in known for one in windows.series], np.bool_)
        own = chosen(windows, new[windows.index])
        return own, concatenated(name, [one for one in (others, own) if len(one)])

    def follow(self, held: Held, now_ms: int) -> bool:
        """Make what is held of a signal true up to the window before this one.

        Says whether somebody else may have written windows that end now.
        """
        if len(held.members) > 2 * max(len(held.current.rows), len(held.recent)) + SPARE:
            self.forget_signal(held)
        current, journal = held.current, self.history.journal
        before_ms = now_ms - current.window_ms
        start_ms = now_ms - current.needed_ms
        fine = held.fine.foreign(journal)
        stale = fine is not None and fine.hi_ms > start_ms and fine.lo_ms <= before_ms
        if current.end_ms != before_ms or stale:
            current.forget()
            self.read_current(held, start_ms, before_ms)
        self.follow_recent(held, before_ms)
        if fine is not None:
            until_ms = now_ms if fine.hi_ms >= EVER_MS else fine.hi_ms  # "all of them" has no end
            held.others_ms = max(held.others_ms, until_ms)
        return held.others_ms >= now_ms

    def days(self, signal: str, now_ms: int) -> Held:
        """A signal whose judged windows up to now are held, whether there was a tick or not."""
        self.follow_recent(self.held[signal], now_ms)
        return self.held[signal]

    def read_current(self, held: Held, start_ms: int, end_ms: int) -> None:
        """Push the windows of `(start, end]` as they were when they were new."""
        form = held.signal.form
        window_ms, at_ms, width = form.window_ms, start_ms, 1
        while at_ms < end_ms:
            until_ms = min(at_ms + width * window_ms, end_ms)
            found = self.history.windows(held.signal.name, at_ms, until_ms, seconds=form.window)
            if len(found) or held.current.fine:
                for one_ms in range(at_ms + window_ms, until_ms + 1, window_ms):
                    held.current.push(one_ms, ending(found, one_ms))
            each = len(found) // width + 1
            at_ms, width = until_ms, max(1, min(READ_ROWS // each, 8 * width))

    def follow_recent(self, held: Held, now_ms: int) -> None:
        """Make the days of a signal true: read what was never read, and what others wrote."""
        recent, end_ms = held.recent, now_ms // held.over_ms * held.over_ms
        foreign = held.judged.foreign(self.history.journal)
        known_ms = recent.end_ms
        oldest_ms = end_ms - recent.reach_ms
        if known_ms is None or not -HOUR_MS <= end_ms - known_ms < recent.reach_ms:
            recent.clear()
            recent.advance(end_ms)
            self.read_recent(held, oldest_ms, end_ms)
            return
        recent.advance(end_ms)
        if end_ms > known_ms:
            self.read_recent(held, known_ms, end_ms)
        if foreign is not None:
            step_ms = recent.step_ms
            start_ms = max(oldest_ms, (foreign.lo_ms - 1) // step_ms * step_ms)
            until_ms = min(end_ms, -(-foreign.hi_ms // step_ms) * step_ms)
            if start_ms < until_ms:
                recent.blank(start_ms, until_ms)
                self.read_recent(held, start_ms, until_ms)

    def read_recent(self, held: Held, start_ms: int, end_ms: int) -> None:
        """Read the judged windows of `(start, end]` from the history, some rows at a time."""
        over, at_ms, span_ms = held.signal.form.over, start_ms, HOUR_MS
        while at_ms < end_ms:
            until_ms = min(at_ms + span_ms, end_ms)
            found = self.history.windows(
                held.signal.name, at_ms, until_ms, seconds=over, counts=False
            )
            rows = held.members.rows(found.series)[found.index]
            held.recent.put(rows, found.end_ms, found.values, found.n)
            at_ms = until_ms
            span_ms = max(held.over_ms, round(span_ms * min(8, READ_ROWS / (len(found) + 1))))

    def extend(self, held: Held, now_ms: int, merged: Windows) -> None:
        """Put the judged windows that end now behind the others."""
        recent = held.recent
        recent.advance(now_ms)
        rows = held.members.rows(merged.series)[merged.index]
        lost = recent.put(rows, merged.end_ms, merged.values, merged.n)
        if lost:
            self.meters.left_out.labels(held.signal.name, LeftOut.MEMORY).inc(lost)
        self.meters.recent_bytes.set(self.budget.used)

    def store_hourly(self, signals: Iterable[Signal], now_ms: int) -> None:
        """Make the windows of the hour that ends now, from those that were judged."""
        wanted = [one for one in signals if evaluate.has_hourly(one)]
        self.history.hold_windows(
            *(evaluate.hourly(self.history, one, now_ms - HOUR_MS, now_ms) for one in wanted)
        )

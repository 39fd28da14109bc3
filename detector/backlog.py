"""What is still to be read from a source, and in which order. Pure.

Two lengths of windows: those of `window` for the last hours, which rules and charts look at, and
those of `over` for the rest, asked for as such, because a baseline reads no others. What has been
read in short windows has been merged into long ones and is not asked for again.

Increments, the first backfill and the gap after a downtime are the same thing: what is wanted and
not yet read, the newest first.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detector.baseline import DAY_MS
from detector.coverage import Coverage, Of, Spans, inward, missing, united
from detector.evaluate import HOUR_MS
from detector.run import MAX_CATCH_UP_MS, Definitions
from detector.signal import Signal
from storage.config import PrometheusConfig

CATCH_UP_MS = 2 * MAX_CATCH_UP_MS
FINE_MS = 6 * HOUR_MS
"""Charts show three hours of short windows; rules that look further back get what they need."""
# A baseline ends at a whole hour and leaves the newest one out.
BASELINE_MARGIN_MS = 3 * HOUR_MS
MOST_CHUNK_MS = DAY_MS
_WHAT_IS_READ = {"title", "description", "unit", "worse", "kind", "over"}


@dataclass(frozen=True, slots=True)
class Job:
    """Windows of one signal and one length to be read: `(start, end]`, whole windows."""

    signal: Signal
    seconds: float
    start_ms: int
    end_ms: int

    @property
    def step_ms(self) -> int:
        """The length of a window."""
        return round(self.seconds * 1000)

    @property
    def count(self) -> int:
        """How many windows."""
        return (self.end_ms - self.start_ms) // self.step_ms

    def newest(self, count: int) -> "Job":
        """The newest windows of it, at most so many."""
        start_ms = max(self.start_ms, self.end_ms - max(count, 1) * self.step_ms)
        return Job(self.signal, self.seconds, start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Plan:
    """What of each signal is wanted, and what of it has been read."""

    config: PrometheusConfig
    definitions: Definitions
    coverage: Coverage

    def newest_ms(self, signal: Signal, now_ms: int) -> int:
        """The end of the newest window that is old enough to be asked for."""
        return floor(now_ms - round(self.config.delay * 1000), signal.form.window_ms)

    def of(self, signal: Signal, seconds: float) -> Of:
        """The name under which is kept what has been read."""
        return Of(signal.name, definition(signal, self.config), seconds)

    def increment(self, signal: Signal, now_ms: int) -> Job | None:
        """The newest windows that have not been read; on some rounds also those before them.

        At most two hours of them: ticks are not caught up for longer, the rest can wait.
        """
        form, newest_ms = signal.form, self.newest_ms(signal, now_ms)
        first_ms = floor(newest_ms - CATCH_UP_MS, form.window_ms)
        read = self.coverage.spans(self.of(signal, form.window))
        gaps = missing((first_ms, newest_ms), read)
        if not gaps or gaps[-1][1] < newest_ms:
            return None
        start_ms = gaps[-1][0]
        every_ms = max(round(self.config.reread_every * 1000), form.window_ms)
        if start_ms > first_ms and newest_ms // every_ms > start_ms // every_ms:
            again_ms = newest_ms - round(self.config.reread_span * 1000)
            start_ms = min(start_ms, floor(max(again_ms, first_ms), form.window_ms))
        return Job(signal, form.window, start_ms, newest_ms)

    def jobs(self, now_ms: int) -> Iterator[Job]:
        """What is to be read beside the increments, the most useful first.

        First the last hours of every signal, then the past of one signal after the other, each from
        its newest day backwards: so the first signals can be judged against their 7 days early.
        """
        signals = list(self.definitions.signals.values())
        for signal in signals:
            yield from self.fine(signal, now_ms)
        for signal in signals:
            yield from self.past(signal, now_ms)

    def fine(self, signal: Signal, now_ms: int) -> Iterator[Job]:
        """The short windows of the last hours, but for the newest: those are increments."""
        step_ms, newest_ms = signal.form.window_ms, self.newest_ms(signal, now_ms)
        read = self.coverage.spans(self.of(signal, signal.form.window))
        for start_ms, end_ms in reversed(missing((self.fine_ms(signal, now_ms), newest_ms), read)):
            end_ms = floor(newest_ms - CATCH_UP_MS, step_ms) if end_ms == newest_ms else end_ms
            if start_ms < end_ms:
                yield from chunks(Job(signal, signal.form.window, start_ms, end_ms))

    def past(self, signal: Signal, now_ms: int) -> Iterator[Job]:
        """The long windows of what is further back."""
        until_ms = self.fine_ms(signal, now_ms)
        for start_ms, end_ms in reversed(self.unread(signal, now_ms, until_ms)):
            yield from chunks(Job(signal, signal.form.over, start_ms, end_ms))

    def fine_ms(self, signal: Signal, now_ms: int) -> int:
        """From when on short windows are wanted; an edge of a long one."""
        form = signal.form
        spans = [
            rule.span(form.window, form.over).total_ms
            for rule in self.definitions.rules_of(signal.name).values()
        ]
        return floor(now_ms - max([FINE_MS, *spans]) - HOUR_MS, round(form.over * 1000))

    def past_ms(self, signal: Signal, now_ms: int) -> int:
        """From when on anything is wanted."""
        back_ms = round(self.config.backfill * 1000) + BASELINE_MARGIN_MS
        return floor(now_ms - back_ms, round(signal.form.over * 1000))

    def unread(self, signal: Signal, now_ms: int, until_ms: int) -> Spans:
        """What has been read neither in long windows nor in short ones, up to some time."""
        over_ms = round(signal.form.over * 1000)
        fine = self.coverage.spans(self.of(signal, signal.form.window))
        whole = self.coverage.spans(self.of(signal, signal.form.over))
        read = united((*inward(fine, over_ms), *whole))
        return missing((self.past_ms(signal, now_ms), until_ms), read)

    def share_read(self, signals: Iterable[Signal], now_ms: int) -> float:
        """How much of what is wanted has been read, 0 to 1."""
        wanted = left = 0
        for signal in signals:
            over_ms = round(signal.form.over * 1000)
            until_ms = floor(self.newest_ms(signal, now_ms) - CATCH_UP_MS, over_ms)
            wanted += until_ms - self.past_ms(signal, now_ms)
            left += sum(end - start for start, end in self.unread(signal, now_ms, until_ms))
        return 1 - left / wanted if wanted else 1.0


def chunks(job: Job) -> Iterator[Job]:
    """A job in parts of at most a day, on the edges of days, the newest first."""
    longest_ms = max(MOST_CHUNK_MS, job.step_ms)
    end_ms = job.end_ms
    while end_ms > job.start_ms:
        edge_ms = floor(floor(end_ms - 1, longest_ms), job.step_ms)
        start_ms = max(job.start_ms, edge_ms)
        yield Job(job.signal, job.seconds, start_ms, end_ms)
        end_ms = start_ms


def definition(signal: Signal, config: PrometheusConfig) -> str:
    """A short name for all that decides which windows come: another one is read anew."""
    form = signal.form.model_dump(mode="json", exclude=_WHAT_IS_READ)
    told = {"form": form, "url": config.url, "tenant": config.tenant, "as": config.target_label}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def floor(at_ms: int, step_ms: int) -> int:
    """The edge of a grid at or before a time."""
    return at_ms // step_ms * step_ms

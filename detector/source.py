"""Signals read from a Prometheus-compatible engine into the windows of the history.

Two ways in, for two loops: `catch_up` brings the newest windows before a tick, `backfill` brings
the past and fills gaps meanwhile. What fails leaves its span unread, so a later round finds it
again; nothing is guessed and nothing is zero because nobody answered.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from detector import evaluate
from detector.backlog import Job, Plan, floor
from detector.evaluate import HOUR_MS
from detector.meters import SourceMeters
from detector.remote import Dialect, pace, questions, scrape_seconds, windows_from
from detector.signal import Signal
from detector.track import (
    Health,
    SourceState,
    SourceStatus,
    TooRare,
    Track,
    signal_status,
)
from detector.window import Span
from storage.config import Engine
from storage.history import History, Windows
from storage.matrix import OF_THE_QUERY, SMALLER, Answer, Outcome, QueryFailure

if TYPE_CHECKING:
    from storage.prometheus import Prometheus  # brings httpx

log = logging.getLogger(__name__)

UNMEASURED_SECONDS = 15.0
MEASURE_AGAIN_MS = 3_600_000
MEASURE_SOON_MS = 600_000
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 300_000
LONGEST_ASKED_PAUSE_MS = 3_600_000
SIGNAL_PAUSE_MS = 300_000
SOON_MS = 60_000
LOOK_SECONDS = 0.2
GRACE_SECONDS = 1.0
MOST_QUERIES_OF_A_JOB = 3  # the pace and two halves


@dataclass(frozen=True, slots=True)
class Read:
    """What a job brought: windows, how many points were read for them, what the server remarked."""

    windows: Windows
    points: int
    warnings: tuple[str, ...]


class Source:
    """Reads what a `Plan` wants through a `Prometheus` into a history."""

    def __init__(
        self, client: "Prometheus", plan: Plan, history: History, meters: SourceMeters
    ) -> None:
        self.client = client
        self.plan = plan
        self.history = history
        self.meters = meters
        self.engine: Engine | None = None
        self.health = Health()
        self.past_changed = threading.Event()
        self._tracks = {
            name: Track(signal, client.config.max_points)
            for name, signal in plan.definitions.signals.items()
        }
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    # --- the two ways in -------------------------------------------------------------------------

    def catch_up(self, now_ms: int) -> int:
        """Read the newest windows of every signal that has new ones; how many windows came.

        Bounded by the time-out of one query: what a slow server leaves over comes next round, the
        longest waiting first.
        """
        if not self.ready(now_ms):
            return 0
        jobs = [
            job.newest(one.most_windows)
            for one in sorted(self._tracks.values(), key=lambda one: one.read_ms or 0)
            if self.may_read(one, now_ms)
            and (job := self.plan.increment(one.signal, now_ms)) is not None
        ]
        return self.work(jobs, self.client.config.concurrency, now_ms)

    def backfill(self, now_ms: int) -> bool:
        """Read one round of the past; whether there is more that could be read at once."""
        if not self.ready(now_ms):
            return False
        workers = max(1, self.client.config.concurrency - 1)  # increments must not wait long
        jobs: list[Job] = []
        for job in self.plan.jobs(now_ms):
            track = self._tracks[job.signal.name]
            if self.may_read(track, now_ms):
                jobs.append(job.newest(track.most_windows))
            if len(jobs) == workers:
                break
        self.work(jobs, workers, now_ms)
        for signal in {job.signal.name: job.signal for job in jobs}.values():
            if not any(self.plan.past(signal, now_ms)):
                self.past_changed.set()
        self.meters.share_read.set(self.share_read(now_ms))
        return bool(jobs) and now_ms >= self.health.paused_until_ms

    def stop(self) -> None:
        """Begin nothing more; what is under way is left to its time-out."""
        self._stopping.set()

    # --- asking ----------------------------------------------------------------------------------

    def ready(self, now_ms: int) -> bool:
        """Whether the source may be asked now; finds out at first which engine it is."""
        if now_ms < self.health.paused_until_ms or self._stopping.is_set():
            return False
        if self.engine is None:
            began = perf_counter()
            try:
                self.engine = self.client.engine(now_ms)
            except QueryFailure as failure:
                self.measure(failure.outcome, perf_counter() - began)
                self.failed(failure, now_ms)
                return False
            self.measure(Outcome.ANSWERED, perf_counter() - began)
        return True

    def may_read(self, track: Track, now_ms: int) -> bool:
        """Whether a signal is worth asking for now."""
        return now_ms >= track.paused_until_ms

    def work(self, jobs: Sequence[Job], workers: int, now_ms: int) -> int:
        """Do jobs side by side and store what they bring, in the order in which it comes.

        What failed while others went well is a trouble of its signal, else one of the source.
        """
        stored, went_well = 0, False
        troubles: list[tuple[Job, QueryFailure]] = []
        for job, result in self.results(jobs, workers, now_ms):
            if not isinstance(result, QueryFailure):
                self.store(job, result, now_ms)
                stored, went_well = stored + len(result.windows), True
            elif result.outcome in SMALLER and job.count > 1:
                self.halve(job, result)
            elif result.outcome in OF_THE_QUERY:
                partial = result.outcome is Outcome.PARTIAL
                self.pause(job, result, now_ms + (SOON_MS if partial else SIGNAL_PAUSE_MS))
            else:
                troubles.append((job, result))
        patience = any(one.outcome is Outcome.THROTTLED for _, one in troubles)
        for job, failure in troubles:
            if went_well and not patience:
                self.pause(job, failure, now_ms + SOON_MS)
            else:
                self.failed(failure, now_ms)
        if went_well and not troubles:
            self.health.failures = 0
        return stored

    def results(
        self, jobs: Sequence[Job], workers: int, now_ms: int
    ) -> Iterator[tuple[Job, Read | QueryFailure]]:
        """Each job with what became of it. The threads are daemons: a hung server holds up nobody.

        After a failure of the source as a whole, and after the time of one query, none is begun;
        what still hangs a good while after its own time-out has timed out.
        """
        waiting, done = deque(jobs), SimpleQueue[tuple[Job, Read | QueryFailure | Exception]]()
        until = monotonic() + self.client.config.timeout
        over, begun = threading.Event(), list[Job]()

        def labour() -> None:
            while not (over.is_set() or self._stopping.is_set() or monotonic() > until):
                try:
                    job = waiting.popleft()
                except IndexError:
                    return
                begun.append(job)
                try:
                    done.put((job, self.read(job, now_ms)))
                except Exception as error:
                    done.put((job, error))

        threads = [
            threading.Thread(target=labour, name=f"plimsoll-source-{n}", daemon=True)
            for n in range(min(workers, len(jobs)))
        ]
        for thread in threads:
            thread.start()
        patience = until + MOST_QUERIES_OF_A_JOB * self.client.config.timeout + GRACE_SECONDS
        while not self._stopping.is_set() and monotonic() < patience:
            alive = any(thread.is_alive() for thread in threads)  # asked before the queue is
            try:
                job, result = done.get(timeout=LOOK_SECONDS if alive else 0.001)
            except Empty:
                if not alive:
                    break
                continue
            begun.remove(job)
            if isinstance(result, QueryFailure):
                if result.outcome not in OF_THE_QUERY:
                    over.set()
            elif isinstance(result, Exception):
                raise result
            yield job, result
        self.meters.postponed.inc(len(waiting))
        over.set()
        if not self._stopping.is_set():
            for job in list(begun):
                self.measure(Outcome.TIMEOUT, self.client.config.timeout)
                yield job, QueryFailure(Outcome.TIMEOUT, "hangs, as a look-up of a name can")

    def read(self, job: Job, now_ms: int) -> Read:
        """Ask for the windows of a job; in a thread of its own."""
        dialect = self.dialect(job.signal, now_ms)
        span = Span(job.start_ms, job.step_ms, job.count)
        first_ms = job.start_ms + job.step_ms
        answers = {}
        for part, query in questions(job.signal, dialect, job.seconds).items():
            began = perf_counter()
            try:
                answer = self.client.query_range(query, first_ms, job.end_ms, job.step_ms)
            except QueryFailure as failure:
                self.measure(failure.outcome, perf_counter() - began)
                raise
            self.measure(answer.outcome, perf_counter() - began, answer)
            answers[part] = answer
        columns = {part: one.samples for part, one in answers.items()}
        windows = windows_from(job.signal, dialect, span, columns)
        points = sum(map(len, columns.values()))
        return Read(windows, points, tuple(w for one in answers.values() for w in one.warnings))

    def dialect(self, signal: Signal, now_ms: int) -> Dialect:
        """How the engine speaks of this signal; `QueryFailure` is passed on."""
        config, track = self.client.config, self._tracks[signal.name]
        engine = self.engine or Engine.PROMETHEUS
        too_rare = isinstance(track.failure, TooRare)
        if config.scrape_interval is not None:
            track.scrape_seconds = config.scrape_interval
        elif track.measured_ms is None or now_ms >= track.measured_ms + (
            MEASURE_SOON_MS if track.scrape_seconds is None or too_rare else MEASURE_AGAIN_MS
        ):
            asked = Dialect(engine, config.target_label, UNMEASURED_SECONDS)
            began = perf_counter()
            at_ms = now_ms - round(config.delay * 1000)
            try:
                answer = self.client.query(pace(signal, asked), at_ms)
            except QueryFailure as failure:
                self.measure(failure.outcome, perf_counter() - began)
                raise
            self.measure(answer.outcome, perf_counter() - began, answer)
            track.scrape_seconds = scrape_seconds(answer.samples) or track.scrape_seconds
            track.measured_ms = now_ms
        scrape = track.scrape_seconds or UNMEASURED_SECONDS
        if scrape > signal.form.window:
            raise TooRare(signal, scrape)
        return Dialect(engine, config.target_label, scrape)

    def measure(self, outcome: Outcome, seconds: float, answer: Answer | None = None) -> None:
        """Count one query."""
        self.meters.queries.labels(outcome).inc()
        self.meters.query_seconds.observe(seconds)
        if answer is not None:
            self.meters.points.inc(len(answer.samples))
            self.meters.warnings.inc(len(answer.warnings))

    # --- what became of it -----------------------------------------------------------------------

    def store(self, job: Job, read: Read, now_ms: int) -> None:
        """Put the windows into the history, merge the longer ones, and note that it was read."""
        self.history.put_windows(read.windows)
        self.merge(job, now_ms)
        before_ms = self.plan.past_ms(job.signal, now_ms)
        of = self.plan.of(job.signal, job.seconds)
        self.plan.coverage.add({of: [(job.start_ms, job.end_ms)]}, before_ms)
        self.meters.windows.inc(len(read.windows))
        self.meters.last_success.set(now_ms / 1000)
        self.meters.up.set(1)
        with self._lock:
            track = self._tracks[job.signal.name]
            track.failure, track.paused_until_ms = None, 0
            if job.count == track.most_windows and 2 * job.count < track.too_many:
                track.most_windows = min(2 * job.count, self.client.config.max_points)
            track.read_ms = max(track.read_ms or 0, job.end_ms)
            if len(read.windows):
                newest_ms = int(read.windows.end_ms.max())
                track.newest_data_ms = max(track.newest_data_ms or 0, newest_ms)
            if self.health.state is SourceState.DOWN:
                log.info("%s answers again", self.client.config.url)
            self.health.state, self.health.failure = SourceState.UP, None
            self.health.last_success_ms = now_ms
            for warning in read.warnings:
                if warning not in self.health.warnings:
                    self.health.warnings.append(warning)

    def merge(self, job: Job, now_ms: int) -> None:
        """Make anew the longer windows that these are part of, as far as they are over."""
        signal, newest_ms = job.signal, self.plan.newest_ms(job.signal, now_ms)

        def whole(step_ms: int) -> tuple[int, int]:
            last_ms = -(-job.end_ms // step_ms) * step_ms
            return floor(job.start_ms, step_ms), last_ms if last_ms <= newest_ms else (
                floor(job.end_ms, step_ms)
            )

        over_ms = round(signal.form.over * 1000)
        if job.step_ms < over_ms:
            start_ms, end_ms = whole(over_ms)
            if start_ms < end_ms:
                self.history.put_windows(evaluate.coarse(self.history, signal, start_ms, end_ms))
        if evaluate.has_hourly(signal):
            start_ms, end_ms = whole(HOUR_MS)
            if start_ms < end_ms:
                self.history.put_windows(evaluate.hourly(self.history, signal, start_ms, end_ms))

    def halve(self, job: Job, failure: QueryFailure) -> None:
        """Ask for less of this signal at once; a limit is remembered, a time-out is not."""
        with self._lock:
            track = self._tracks[job.signal.name]
            track.most_windows = max(1, job.count // 2)
            if failure.outcome is not Outcome.TIMEOUT:
                track.too_many = min(track.too_many, job.count)
        self.meters.halved.inc()

    def pause(self, job: Job, failure: QueryFailure, until_ms: int) -> None:
        """Leave one signal alone for a while; the others go on."""
        with self._lock:
            track = self._tracks[job.signal.name]
            if track.failure is None or track.failure.detail != failure.detail:
                log.warning("%s cannot be read: %s", job.signal.name, failure.detail)
            track.failure, track.paused_until_ms = failure, until_ms

    def failed(self, failure: QueryFailure, now_ms: int) -> None:
        """Leave the source alone, twice as long after each failed round, or as long as it says."""
        with self._lock:
            health = self.health
            if now_ms < health.paused_until_ms:
                return  # of several queries at once each has failed
            pause_ms = min(FIRST_PAUSE_MS * 2 ** min(health.failures, 16), LONGEST_PAUSE_MS)
            if failure.retry_seconds is not None:
                asked_ms = min(round(failure.retry_seconds * 1000), LONGEST_ASKED_PAUSE_MS)
                pause_ms = max(pause_ms, asked_ms)
            if health.failure is None or health.failure.outcome is not failure.outcome:
                log.warning("%s: %s (%s)", self.client.config.url, failure.detail, failure.outcome)
            health.state, health.failure = SourceState.DOWN, failure
            health.failures += 1
            health.paused_until_ms = now_ms + pause_ms
        self.meters.up.set(0)

    # --- telling ---------------------------------------------------------------------------------

    def readable(self) -> list[Signal]:
        """The signals that nothing but the source itself stands in the way of."""
        return [
            one.signal
            for one in self._tracks.values()
            if one.failure is None or one.failure.outcome not in OF_THE_QUERY
        ]

    def share_read(self, now_ms: int) -> float:
        """How much of what is wanted has been read, 0 to 1; signals that cannot be left out."""
        return self.plan.share_read(self.readable(), now_ms)

    def share_of(self, signal: str, now_ms: int) -> float:
        """How much of what is wanted of one signal has been read, 0 to 1."""
        return self.plan.share_read([self._tracks[signal].signal], now_ms)

    def status(self, now_ms: int) -> SourceStatus:
        """How everything stands."""
        with self._lock:
            health, failure = self.health, self.health.failure
            return SourceStatus(
                url=self.client.config.url,
                engine=self.engine or self.client.config.engine,
                state=health.state,
                outcome=failure.outcome if failure else None,
                detail=failure.detail if failure else "",
                last_success_ms=health.last_success_ms,
                next_attempt_ms=health.paused_until_ms,
                share_read=self.share_read(now_ms),
                warnings=tuple(health.warnings),
                insecure=self.client.config.insecure_skip_verify,
                signals=tuple(
                    signal_status(one, self.plan.share_read([one.signal], now_ms))
                    for one in self._tracks.values()
                ),
            )

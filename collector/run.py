"""Due targets -> collect -> history; no target can disturb another one.

Whoever drives this reads the clock: `start_due(now)` starts a task for each target whose turn has
come, `flush()` carries what came meanwhile into the history in one append. At every turn of a
target one sample of `plimsoll_collector_up` is written: 1 or 0 after a run, 0 while it backs off
or its previous run has not come back. That sample is how the detector knows a target was seen.

A target that is asked several things has parts. One that fails is logged, counted and shown, has
its own sample (`plimsoll_collector_part_up`) at every turn, and leaves the target up.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import perf_counter

from collector.buffer import Buffer, Sink
from collector.failure import CollectFailure, Failure, internal
from collector.meters import CollectorMeters
from collector.schedule import Cadence, Turn
from collector.source import TARGET, Collected, Part, Source
from storage.history import Samples
from storage.series import NAME, Labels

MOST_AT_ONCE = 20
MOST_DOUBTFUL_AT_ONCE = 10
"""Targets that did not work last time: hanging ones never take all places of those that work."""

ALIGNED_WITHIN = 0.01
LOG_AGAIN_MS = 3_600_000
UP = "plimsoll_collector_up"
PART_UP = "plimsoll_collector_part_up"

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TargetState(StrEnum):
    """How a target is doing."""

    PENDING = "pending"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """What is known of one part of a target, since the target last answered.

    `reason` and `detail` say why it failed; without a reason it worked. `samples` and
    `duration_seconds` are those of its last run, which may be older than the target's.
    """

    name: str
    reason: Failure | None
    detail: str
    last_attempt: datetime
    last_success: datetime | None
    duration_seconds: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """What is known of one target: for REST and pages.

    `reason` and `detail` say why it is down. `duration_seconds` and `samples` are those of the
    last attempt. `next_attempt` skips the turns during which it backs off.
    """

    name: str
    kind: str
    state: TargetState
    interval_seconds: float
    reason: Failure | None = None
    detail: str = ""
    last_attempt: datetime | None = None
    last_success: datetime | None = None
    next_attempt: datetime | None = None
    duration_seconds: float | None = None
    samples: int = 0
    dropped: int = 0
    parts: tuple[PartStatus, ...] = ()


class _Piece:
    """One part of a source and what is remembered of it."""

    def __init__(self, source: Source, name: str) -> None:
        self.name = name
        told = {NAME: PART_UP, "collector": source.kind, TARGET: source.name, "part": name}
        self.up_series = (Labels.of(told),)
        self.last_success_ms: int | None = None
        self.logged_ms: dict[Failure, int] = {}
        self.part = Part(name=name, seconds=0.0)
        self.attempt_ms = 0

    def take(self, part: Part, at_ms: int) -> None:
        """It was run."""
        self.part, self.attempt_ms = part, at_ms
        if part.failure is None:
            self.last_success_ms = at_ms

    def status(self) -> PartStatus:
        """As others see it."""
        failure = self.part.failure
        return PartStatus(
            name=self.name,
            reason=None if failure is None else failure.reason,
            detail="" if failure is None else failure.detail,
            last_attempt=_moment(self.attempt_ms),
            last_success=_time(self.last_success_ms),
            duration_seconds=self.part.seconds,
            samples=self.part.samples,
        )


class _Track:
    """One source and what is remembered of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.up_series = (Labels.of({NAME: UP, "collector": source.kind, TARGET: source.name}),)
        self.cadence: Cadence | None = None
        self.task: asyncio.Task[None] | None = None
        self.state = TargetState.PENDING
        self.failure: CollectFailure | None = None
        self.last_attempt_ms: int | None = None
        self.last_success_ms: int | None = None
        self.duration_seconds: float | None = None
        self.samples = 0
        self.dropped = 0
        self.logged_ms: dict[Failure, int] = {}
        self.pieces: dict[str, _Piece] = {}

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self.task is not None and not self.task.done()

    def status(self) -> TargetStatus:
        """As others see it."""
        failure = self.failure
        return TargetStatus(
            name=self.source.name,
            kind=self.source.kind,
            state=self.state,
            interval_seconds=self.source.interval_seconds,
            reason=None if failure is None else failure.reason,
            detail="" if failure is None else failure.detail,
            last_attempt=_time(self.last_attempt_ms),
            last_success=_time(self.last_success_ms),
            next_attempt=None if self.cadence is None else _time(self.cadence.attempt_ms),
            duration_seconds=self.duration_seconds,
            samples=self.samples,
            dropped=self.dropped,
            parts=tuple(piece.status() for piece in self.pieces.values()),
        )


class Collector:
    """Runs all sources; all methods but `flush` belong to the event loop's thread.

    `stopwatch` measures durations only; what time it is comes with `start_due`. With `immediate`
    every target has its first turn at once.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        sink: Sink,
        meters: CollectorMeters,
        *,
        stopwatch: Callable[[], float] = perf_counter,
        immediate: bool = False,
    ) -> None:
        self._immediate = immediate
        self._tracks = [_Track(source) for source in sources]
        self._buffer = Buffer(sink, meters.buffer_dropped)
        self._meters = meters
        self._stopwatch = stopwatch
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._doubtful_places = asyncio.Semaphore(MOST_DOUBTFUL_AT_ONCE)

    def start_due(self, now: datetime) -> list[asyncio.Task[None]]:
        """Start a run of every target that is due at `now`; a run never overlaps itself.

        Waiting for the tasks is not needed: they never raise, and the next call may come before
        they have ended.
        """
        now_ms, called = _milliseconds(now), self._stopwatch()
        started = []
        for track in self._tracks:
            source = track.source
            if track.cadence is None:
                track.cadence = Cadence.begin(
                    f"{source.kind}/{source.name}",
                    source.interval_seconds,
                    now_ms,
                    immediate=self._immediate or source.immediate,
                )
            if not track.cadence.due(now_ms):
                continue
            track.cadence, turn = track.cadence.take(now_ms, running=track.running)
            match turn:
                case Turn.RUN:
                    track.task = asyncio.create_task(
                        self._run(track, now_ms, called),
                        name=f"collect {source.kind}/{source.name}",
                    )
                    started.append(track.task)
                case Turn.BACKING_OFF:
                    self._note(track, now_ms, up=False)
                case Turn.STILL_RUNNING:
                    self._still_running(track, now_ms)
        return started

    def next_due(self) -> datetime | None:
        """The earliest turn of any target; None before the first `start_due`."""
        turns = [track.cadence.turn_ms for track in self._tracks if track.cadence is not None]
        return _time(min(turns)) if turns else None

    def flush(self) -> int:
        """Write all that came since the last time in one append; how many samples.

        May be called in a thread. If the history refuses, its exception is raised, and the samples
        wait for the next flush.
        """
        return self._buffer.flush()

    async def stop(self) -> None:
        """Cancel what runs, close connections, write what has come."""
        tasks = [track.task for track in self._tracks if track.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(
            *(track.source.close() for track in self._tracks), return_exceptions=True
        )
        await asyncio.to_thread(self.flush)

    def status(self) -> tuple[TargetStatus, ...]:
        """How every target is doing, in the order in which they were given."""
        return tuple(track.status() for track in self._tracks)

    async def _run(self, track: _Track, now_ms: int, called: float) -> None:
        async with AsyncExitStack() as places:
            if track.state is not TargetState.UP:
                await places.enter_async_context(self._doubtful_places)
            await places.enter_async_context(self._places)
            started = self._stopwatch()
            # Samples are as old as the start of the fetch, not as the wait for a place; a short
            # wait is passed over, to keep samples evenly apart.
            waited = started - called
            if waited <= ALIGNED_WITHIN * track.source.interval_seconds:
                waited = 0
            at_ms = now_ms + round(waited * 1000)
            try:
                async with asyncio.timeout(track.source.timeout_seconds):
                    collected = await track.source.collect(at_ms)
            except CollectFailure as failure:
                self._failed(track, failure, at_ms, started)
            except TimeoutError:
                seconds = track.source.timeout_seconds
                late = CollectFailure(Failure.TIMEOUT, f"not done after {seconds:g} s")
                self._failed(track, late, at_ms, started)
            except Exception as error:
                self._failed(track, internal(error), at_ms, started)
            else:
                self._succeeded(track, collected, at_ms, started)

    def _succeeded(self, track: _Track, collected: Collected, at_ms: int, started: float) -> None:
        if track.state is TargetState.DOWN:
            _log.info("%s %s is up again", track.source.kind, track.source.name)
        track.state, track.failure = TargetState.UP, None
        track.last_attempt_ms = track.last_success_ms = at_ms
        track.duration_seconds = self._stopwatch() - started
        track.samples = len(collected.samples)
        track.dropped = sum(collected.dropped.values())
        track.cadence = track.cadence and track.cadence.succeeded()
        self._meters.succeeded(track.source, track.samples, track.duration_seconds, at_ms)
        for reason, count in collected.dropped.items():
            self._meters.dropped(track.source, reason, count)
        for part in collected.parts:
            self._take(track, part, at_ms)
        self._buffer.add(collected.samples)
        self._note(track, at_ms, up=True)

    def _take(self, track: _Track, part: Part, at_ms: int) -> None:
        """A part was run, whatever became of it."""
        piece = track.pieces.get(part.name)
        if piece is None:
            piece = track.pieces[part.name] = _Piece(track.source, part.name)
        before = piece.part.failure
        piece.take(part, at_ms)
        self._meters.part(track.source, part)
        who = (track.source.kind, track.source.name, part.name)
        if part.failure is not None:
            if _say_again(piece.logged_ms, part.failure.reason, at_ms):
                told = (part.failure.reason, part.failure.detail)
                level = _level(part.failure)
                _log.log(level, "%s %s: the part %s failed (%s): %s", *who, *told)
        elif before is not None:
            _log.info("%s %s: the part %s works again", *who)

    def _failed(self, track: _Track, failure: CollectFailure, at_ms: int, started: float) -> None:
        track.state, track.failure = TargetState.DOWN, failure
        track.last_attempt_ms = at_ms
        track.duration_seconds = self._stopwatch() - started
        track.samples = track.dropped = 0
        if track.cadence is not None:
            track.cadence = track.cadence.failed(failure.reason, at_ms)
            self._meters.failed(track.source, failure.reason, track.duration_seconds, track.cadence)
        self._meters.parts_down(track.source, track.pieces)
        self._log(track, failure, at_ms)
        self._note(track, at_ms, up=False)

    def _still_running(self, track: _Track, now_ms: int) -> None:
        track.state = TargetState.DOWN
        track.failure = CollectFailure(Failure.TIMEOUT, "the previous run has not ended")
        self._meters.still_running(track.source)
        self._meters.parts_down(track.source, track.pieces)
        self._log(track, track.failure, now_ms)
        self._note(track, now_ms, up=False)

    def _note(self, track: _Track, at_ms: int, *, up: bool) -> None:
        self._buffer.add(Samples.at(track.up_series, at_ms, [float(up)]))
        for piece in track.pieces.values():
            works = up and piece.part.failure is None
            self._buffer.add(Samples.at(piece.up_series, at_ms, [float(works)]))

    def _log(self, track: _Track, failure: CollectFailure, at_ms: int) -> None:
        """Say it once per reason and hour."""
        if _say_again(track.logged_ms, failure.reason, at_ms):
            who = (track.source.kind, track.source.name)
            told = (failure.reason, failure.detail)
            _log.log(_level(failure), "%s %s is down (%s): %s", *who, *told)


def _say_again(logged_ms: dict[Failure, int], reason: Failure, at_ms: int) -> bool:
    """Whether a failure is logged: once per reason and hour."""
    last_ms = logged_ms.get(reason)
    if last_ms is not None and 0 <= at_ms - last_ms < LOG_AGAIN_MS:
        return False
    logged_ms[reason] = at_ms
    return True


def _level(failure: CollectFailure) -> int:
    return logging.ERROR if failure.reason is Failure.INTERNAL else logging.WARNING


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


def _time(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else _moment(at_ms)

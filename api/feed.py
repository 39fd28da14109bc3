"""What happens, told to whoever listens: steps of regressions and incidents, and ticks.

However many listen, the state is read once a second by one task, from the end of two indexes, and
not at all while nobody does. Reading the state, and not listening inside of this process, tells
also what another replica or a command has written.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from detector.book import Book
from detector.run import TICK
from detector.timeline import About, Event, newest, written_after
from storage.state import POSTGRESQL, State

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
MOST_LISTENERS = 100
MOST_AT_ONCE = 200
"""Steps of each kind that one round tells; fewer than may wait, so that a burst drops nobody."""
MOST_WAITING = 500
"""Notes that may wait for one listener, and the most that one who comes back is told of."""
OVERLAP = 100
"""PostgreSQL numbers a row before it is committed: so many numbers back a late one is found."""

Place = tuple[int, int]


class Ending(StrEnum):
    """Why somebody no longer listens, or was not let in."""

    LEFT = "left"
    SLOW = "slow"
    LONG = "long"
    SHUTDOWN = "shutdown"
    FULL = "full"


class Kind(StrEnum):
    """What is told."""

    READY = "ready"  # from here on everything is told
    LOST = "lost"  # too much was missed to tell it: read anew what you show
    REGRESSION = "regression"
    INCIDENT = "incident"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell, and the place in the history that is reached with it."""

    kind: Kind
    place: Place
    event: Event | None = None
    tick_ms: int | None = None

    @classmethod
    def of(cls, event: Event, place: Place) -> "Note":
        """A step."""
        return cls(Kind(event.about.value), further(place, event), event)


class FeedMeters:
    """Who listens, and how that ends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.listeners = Gauge(
            "plimsoll_stream_listeners", "Open streams of live updates.", registry=registry
        )
        self.ended = Counter(
            "plimsoll_stream_ended",
            "Streams of live updates that ended, or were not begun, by reason.",
            ["reason"],
            registry=registry,
        )
        for one in Ending:
            self.ended.labels(one)
        self.failures = Counter(
            "plimsoll_stream_read_failures",
            "Times that the state could not be read for live updates.",
            registry=registry,
        )


@dataclass(eq=False, slots=True)
class Listener:
    """One who listens: what waits for him, and why it is over, once it is."""

    queue: asyncio.Queue[Note | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    ending: Ending | None = None

    def tell(self, note: Note) -> None:
        """Let a note wait for him; who does not take them is dropped."""
        if self.ending is not None:
            return
        try:
            self.queue.put_nowait(note)
        except asyncio.QueueFull:
            self.end(Ending.SLOW)

    def end(self, why: Ending) -> None:
        """Nothing more is told to him."""
        if self.ending is None:
            self.ending = why
            if not self.queue.full():
                self.queue.put_nowait(None)  # wakes him


class Feed:
    """Reads what is new while somebody listens; belongs to one event loop."""

    def __init__(self, state: State, book: Book, registry: CollectorRegistry) -> None:
        self.state, self.book = state, book
        self.meters = FeedMeters(registry)
        self.every_seconds = EVERY_SECONDS
        self.late = OVERLAP if state.engine.dialect.name == POSTGRESQL else 0
        self.listeners: set[Listener] = set()
        self.place: Place = (0, 0)
        self.tick_ms: int | None = None
        self.seen: deque[str] = deque(maxlen=2 * (OVERLAP + MOST_AT_ONCE))
        self.reading: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()
        self.stopped = False
        self.heard: Callable[[], None] = lambda: None
        """Called before anybody is told: who then asks for what he was told of finds it."""

    def join(self) -> Listener | None:
        """Somebody who listens from now on; None when there are too many, or it is over."""
        if self.stopped or len(self.listeners) >= MOST_LISTENERS:
            self.meters.ended.labels(Ending.SHUTDOWN if self.stopped else Ending.FULL).inc()
            return None
        one = Listener()
        self.listeners.add(one)
        self.meters.listeners.set(len(self.listeners))
        return one

    def leave(self, one: Listener) -> None:
        """He listens no longer; counted by the reason he was given, else as gone by himself."""
        if one in self.listeners:
            self.listeners.remove(one)
            self.meters.listeners.set(len(self.listeners))
            self.meters.ended.labels(one.ending or Ending.LEFT).inc()

    def stop(self) -> None:
        """Let everybody go; nobody is let in any more."""
        self.stopped = True
        for one in self.listeners:
            one.end(Ending.SHUTDOWN)
        self.begun.set()
        if self.reading is not None:
            self.reading.cancel()

    async def begin(self, after: Place | None) -> list[Note]:
        """Read from now on, unless that is done already; what was missed since a place."""
        if self.reading is None or self.reading.done():
            self.begun = asyncio.Event()
            self.reading = asyncio.create_task(self.read_on())
        await self.begun.wait()
        here = self.place
        if after is None or after == here:
            return [Note(Kind.READY, here)]
        real, _ = await asyncio.to_thread(self.end)  # who came back before was told this far
        if after[0] > real[0] or after[1] > real[1]:  # the state is another one
            return [Note(Kind.LOST, here)]
        events = await asyncio.to_thread(self.after, after, MOST_WAITING + 1)
        if len(events) > MOST_WAITING:
            return [Note(Kind.LOST, here)]
        notes, place = [], after
        for event in events:
            notes.append(Note.of(event, place))
            place = notes[-1].place
        return notes

    async def read_on(self) -> None:
        """Tell everybody what is new, until nobody listens."""
        try:
            while not self.begun.is_set() and self.listeners:
                if await self.tried(self.settle):
                    self.begun.set()
                else:
                    await asyncio.sleep(self.every_seconds)
            while self.listeners:
                await asyncio.sleep(self.every_seconds)
                await self.tried(self.round)
        finally:
            self.begun.set()

    async def tried(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether a step could be done; the next one follows however it ends."""
        try:
            await step()
        except SQLAlchemyError as error:
            self.meters.failures.inc()
            log.warning("live updates: the state cannot be read: %s", first_line(error))
            return False
        return True

    async def settle(self) -> None:
        """Take what is there as known."""
        self.place, self.tick_ms = await asyncio.to_thread(self.end)
        known = await asyncio.to_thread(self.after, self.back(), OVERLAP) if self.late else []
        self.seen.clear()
        self.seen.extend(one.id for one in known)

    async def round(self) -> None:
        """Tell what came since the last one."""
        events = await asyncio.to_thread(self.after, self.back(), self.late + MOST_AT_ONCE)
        known = set(self.seen)
        for event in events:
            if event.id not in known:
                note = Note.of(event, self.place)
                self.seen.append(event.id)
                self.place = note.place
                self.tell(note)
        _, tick_ms = await asyncio.to_thread(self.end)
        if tick_ms is not None and tick_ms != self.tick_ms:
            self.tick_ms = tick_ms
            self.tell(Note(Kind.TICK, self.place, tick_ms=tick_ms))

    def back(self) -> Place:
        """From where to read, so that what was committed late is found."""
        return max(0, self.place[0] - self.late), max(0, self.place[1] - self.late)

    def end(self) -> tuple[Place, int | None]:
        """How far the history and the ticks are."""
        with self.state.reading() as session:
            return newest(session), self.book.progress_ms(session, TICK)

    def after(self, place: Place, limit: int) -> list[Event]:
        """Steps after a place, in the order they were written; at most so many of each kind."""
        with self.state.reading() as session:
            return written_after(session, place, limit)

    def tell(self, note: Note) -> None:
        """Everybody."""
        self.heard()
        for one in self.listeners:
            one.tell(note)


def further(place: Place, event: Event) -> Place:
    """The place that is reached with a step."""
    if event.about is About.REGRESSION:
        return max(place[0], event.number), place[1]
    return place[0], max(place[1], event.number)


def first_line(error: SQLAlchemyError) -> str:
    """What is wrong, without the statement and its values."""
    return str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]

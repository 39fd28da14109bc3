"""What a run over several parts brings: readings within limits, and how each part went."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from collector.config import Limits
from collector.failure import CollectFailure, internal
from collector.source import TARGET, Collected, Drop, Part
from storage.history import Samples
from storage.series import NAME, Labels

FORGET_AFTER_MS = 5 * 60_000
"""A series that was not read for so long makes room for another one."""

Key = tuple[str, tuple[tuple[str, str], ...]]


class SeriesOfSource:
    """The series of one target that is asked, not scraped; each is made once and limited."""

    def __init__(self, added: Mapping[str, str], target: str, limits: Limits) -> None:
        self._added = {**added, TARGET: target}
        self._limits = limits
        self._known: dict[Key, Labels] = {}
        self._seen_ms: dict[Key, int] = {}
        self._looked_ms: int | None = None

    @property
    def most_samples(self) -> int:
        """How many samples one run may bring."""
        return self._limits.samples

    def series(self, name: str, labels: Mapping[str, str], at_ms: int) -> Labels | Drop:
        """The series, or the limit that it breaks. The target's own labels win."""
        key = name, tuple(labels.items())
        found = self._known.get(key)
        if found is None:
            if len(labels) > self._limits.labels:
                return Drop.LABELS
            longest = self._limits.label_value_bytes
            if any(len(text.encode()) > longest for pair in labels.items() for text in pair):
                return Drop.LABEL_VALUE
            if len(self._known) >= self._limits.series and not self._forgot(at_ms):
                return Drop.SERIES
            found = self._known[key] = Labels.of({**labels, **self._added}, **{NAME: name})
        self._seen_ms[key] = at_ms
        return found

    def _forgot(self, at_ms: int) -> bool:
        """Give up series that were not read for some time; whether that made room.

        Once in a run: a target with far too many would have all of ours looked through for each.
        """
        if self._looked_ms == at_ms:
            return False
        self._looked_ms = at_ms
        for key, seen_ms in list(self._seen_ms.items()):
            if seen_ms < at_ms - FORGET_AFTER_MS:
                del self._known[key], self._seen_ms[key]
        return len(self._known) < self._limits.series


class Readings:
    """The readings of one part. What breaks a limit is left out and counted."""

    def __init__(self, book: SeriesOfSource, at_ms: int, room: int) -> None:
        self._book = book
        self.at_ms = at_ms
        self._room = room
        self.series: list[Labels] = []
        self.values: list[float] = []
        self.dropped: Counter[Drop] = Counter()

    def add(self, name: str, value: float | None, /, **labels: str) -> None:
        """Take one; None is a figure that is not there, and stays absent."""
        if value is None:
            return
        if len(self.series) >= self._room:
            self.dropped[Drop.SAMPLES] += 1
            return
        found = self._book.series(name, labels, self.at_ms)
        if isinstance(found, Drop):
            self.dropped[found] += 1
            return
        self.series.append(found)
        self.values.append(value)


class PartedRun:
    """One run over the parts of a target, one after the other; one that fails leaves the others."""

    def __init__(
        self,
        book: SeriesOfSource,
        at_ms: int,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        self.at_ms = at_ms
        self._book = book
        self._stopwatch = stopwatch
        self._series: list[Labels] = []
        self._values: list[float] = []
        self._dropped: Counter[Drop] = Counter()
        self._parts: list[Part] = []

    async def part(self, name: str, work: Callable[[Readings], Awaitable[None]]) -> bool:
        """Run a part; whether it worked. Of one that failed nothing is kept but the failure."""
        readings = Readings(self._book, self.at_ms, self._book.most_samples - len(self._series))
        began, failure = self._stopwatch(), None
        try:
            await work(readings)
        except CollectFailure as found:
            failure = found
        except Exception as error:
            failure = internal(error)
        seconds = self._stopwatch() - began
        brought = 0 if failure is not None else len(readings.series)
        self._parts.append(Part(name=name, seconds=seconds, samples=brought, failure=failure))
        if failure is None:
            self._series += readings.series
            self._values += readings.values
            self._dropped += readings.dropped
        return failure is None

    def collected(self) -> Collected:
        """All that came. A series that two readings share counts once, by the first."""
        position = {labels: i for i, labels in reversed(list(enumerate(self._series)))}
        doubled = len(self._series) - len(position)
        if doubled:
            self._dropped[Drop.DUPLICATE] += doubled
        kept = sorted(position.values())
        series = [self._series[i] for i in kept]
        values = [self._values[i] for i in kept]
        samples = Samples.at(series, self.at_ms, values)
        return Collected(samples, dict(self._dropped), tuple(self._parts))

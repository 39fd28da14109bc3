"""Counters of the server become counters of ours, which survive what theirs do not. Pure.

Theirs are reset by people, fall when an entry is evicted and comes back, and belong to things that
enter and leave a list of the largest. Ours begin at zero when Plimsoll first reads them, and grow
by what theirs grew between two readings. So nothing that happened before counts as happening now.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Row = tuple[float, ...]
Key = TypeVar("Key", bound=Hashable)

RESTART_MS = 290_000
"""Readings further apart are a gap to whoever counts increases (after 300 s), and so to us."""

GAP_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Growth(Generic[Key]):
    """What grew since the reading before; rows that did not move are left out.

    Without a `compared` reading before it nothing is known to have grown. `restarted` counts the
    rows whose counters fell: they were reset, or evicted and made anew, so that something between
    was not seen.
    """

    compared: bool
    rows: Mapping[Key, Row] = field(default_factory=dict)
    restarted: int = 0


class Readings(Generic[Key]):
    """The last reading of all rows, to compare the next one with.

    A reading that is `whole` holds all rows there are: one that was not there before is new since
    then, and all that it counts was counted since. Of one that is cut short nobody can say that.
    """

    def __init__(self, interval_seconds: float | None = None) -> None:
        """With an interval, readings that are more than three of them apart are a gap as well.

        That is for entries which come and go: between readings that far apart too many may have.
        """
        self._longest_ms: float = RESTART_MS
        if interval_seconds is not None:
            self._longest_ms = min(RESTART_MS, GAP_INTERVALS * interval_seconds * 1000)
        self._at_ms: int | None = None
        self._epoch: Hashable = None
        self._rows: Mapping[Key, Row] = {}
        self._since: Mapping[Key, float | None] = {}

    def compare(
        self,
        rows: Mapping[Key, Row],
        at_ms: int,
        epoch: Hashable,
        since: Mapping[Key, float | None] | None = None,
        *,
        whole: bool = True,
    ) -> Growth[Key]:
        """What grew since the last reading.

        `epoch` says whose counters they are: after a restart of the server or a reset of all
        statistics it is another one, and there is nothing to compare with. `since` tells of each
        row when it began to count, where the server knows.
        """
        before, before_since, since = self._rows, self._since, since or {}
        gap_ms = None if self._at_ms is None else at_ms - self._at_ms
        compared = gap_ms is not None and 0 < gap_ms <= self._longest_ms and epoch == self._epoch
        self._at_ms, self._epoch, self._rows, self._since = at_ms, epoch, rows, since
        if not compared:
            return Growth(False)
        grown: dict[Key, Row] = {}
        restarted = 0
        for key, row in rows.items():
            last = before.get(key)
            anew = since.get(key) != before_since.get(key)
            if last == row and not anew:
                continue
            if last is None or anew:
                if whole or last is not None:
                    grown[key] = row
            elif any(now < then for now, then in zip(row, last, strict=True)):
                # Any counter, not only the calls: those may have caught up with their old number.
                grown[key] = row
                restarted += 1
            else:
                grown[key] = tuple(now - then for now, then in zip(row, last, strict=True))
        return Growth(True, grown, restarted)

    def forget(self) -> None:
        """Begin anew with the next reading."""
        self._at_ms = None


class Totals(Generic[Key]):
    """What grew since each name is counted: the counters that are handed on."""

    def __init__(self) -> None:
        self._rows: dict[Key, list[float]] = {}

    def __contains__(self, name: Key) -> bool:
        return name in self._rows

    def items(self) -> Iterator[tuple[Key, list[float]]]:
        """Names with their totals."""
        return iter(self._rows.items())

    def add(self, name: Key, row: Iterable[float]) -> None:
        """Add to a name; one that is not there begins at zero."""
        total = self._rows.get(name)
        if total is None:
            self._rows[name] = list(row)
        else:
            for position, value in enumerate(row):
                total[position] += value

    def keep(self, names: Iterable[Key]) -> None:
        """Forget all others."""
        wanted = set(names)
        for name in [one for one in self._rows if one not in wanted]:
            del self._rows[name]

    def clear(self) -> None:
        """Forget all: after a gap a counter that went on would count the gap's past again."""
        self._rows.clear()

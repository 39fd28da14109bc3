"""The regressions of the last weeks as baselines need them, kept in memory between ticks.

A busy book holds tens of thousands of them, and hardly one changes from one tick to the next. They
are read once; after that a tick reads the steps that came since, and of the regressions only those
that a step is about. Steps are rows of the state, so what another process did is seen as well.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Text, cast, or_
from sqlmodel import Session, col, select

from detector.exclusion import BySignal
from detector.incidents import batched
from detector.meters import DetectorMeters
from detector.regression import Kind, Lasting, Phase, Regression, freezes, times
from detector.tables import WORDS, RegressionRow, TransitionRow
from storage.series import Labels

MOST_NEW = 2_000
"""New steps whose regressions are read by their ids; after more, all are read anew."""
MOST_KEPT = 100_000
"""Regressions that are kept: some 60 MB. With more, every tick reads all of them."""
COLUMNS = ("id", "signal", "labels", "kind", "phase", "began_lo_ms", "resolved_ms", "earlier",
           "accepted_from_ms")  # fmt: skip
DOCUMENTS = ("labels", "earlier")
KINDS, PHASES = WORDS["kind"], WORDS["phase"]
NEWEST = sqlalchemy.text("SELECT max(id) FROM transition")


class Why(StrEnum):
    """Why all regressions of the last weeks were read, and not only what had new steps."""

    FIRST = "first"  # the first tick of a process
    MANY = "many"  # so many have new steps that all were read
    EARLIER = "earlier"  # a tick asked for a longer past than the one before
    REPLACED = "replaced"  # the state has fewer steps than before: it is another one
    TOO_MANY = "too_many"  # they are more than are kept, so that every tick reads them


@dataclass(frozen=True, slots=True)
class Lasted:
    """What a `Regression` is to baselines; the members mean the same."""

    id: str
    signal: str
    labels: Labels
    kind: Kind
    phase: Phase
    began_lo_ms: int
    resolved_ms: int | None
    earlier: tuple[tuple[int, int], ...]
    accepted_from_ms: int | None

    @property
    def freezes(self) -> bool:
        """Whether its windows are kept out of baselines."""
        return freezes(self.kind, self.phase)

    def spans(self, now_ms: int) -> tuple[tuple[int, int], ...]:
        """When it was there, `(from, until)` in milliseconds; until now while it is not over."""
        return times(self, now_ms)

    @classmethod
    def of(cls, one: Regression) -> "Lasted":
        """Of a regression that was read whole."""
        return cls(**{name: getattr(one, name) for name in COLUMNS})

    def is_asked(self, since_ms: int) -> bool:
        """Whether it was there, or was accepted, after a time."""
        if self.resolved_ms is None or self.resolved_ms > since_ms:
            return True
        return self.accepted_from_ms is not None and self.accepted_from_ms > since_ms


@dataclass(slots=True)
class Memory:
    """The regressions that were there, or were accepted, after a time; for one process.

    `most_new` and `most_kept` are the limits of this module but in tests.
    """

    meters: DetectorMeters
    most_new: int = MOST_NEW
    most_kept: int = MOST_KEPT
    _known: dict[str, Lasted] = field(default_factory=dict, init=False)
    _of: dict[str, dict[str, Lasted]] = field(default_factory=dict, init=False)
    _told: dict[str, Sequence[Lasting]] = field(default_factory=dict, init=False)
    _watched: frozenset[str] = field(default=frozenset(), init=False)
    _seen: int | None = field(default=None, init=False)
    _since_ms: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for why in Why:
            self.meters.past_reads.labels(why)

    def read(self, session: Session, watched: Sequence[Regression], since_ms: int) -> BySignal:
        """All that were there at some time after `since`, or were accepted after it, by signal.

        The session sees one moment of the state, and `watched` is what it holds there of
        `Book.watched`: those change without a step, and are taken from there.
        """
        newest = session.connection().execute(NEWEST).scalar() or 0
        why = self.why_all(newest, since_ms)
        wanted = None if why else self.changed(session, watched, newest)
        if wanted is None:
            found = {one.id: one for one in everything(session, since_ms)}
            self.meters.past_reads.labels(why or Why.MANY).inc()
            self.forget()
        else:
            found = {one.id: one for one in by_id(session, wanted)}
        found |= {one.id: Lasted.of(one) for one in watched}
        gone = (wanted or set()) - found.keys()
        if since_ms > self._since_ms:
            gone |= {one.id for one in self._known.values() if not one.is_asked(since_ms)}
        self.take(found.values(), gone, since_ms)
        self._watched = frozenset(one.id for one in watched)
        self._seen, self._since_ms = newest, since_ms
        self._full = len(self._known) > self.most_kept
        told = BySignal(dict(self._told))
        if self._full:
            self.forget()
        return told

    def forget(self) -> None:
        """Read all of it anew at the next tick."""
        for kept in (self._known, self._of, self._told):
            kept.clear()
        self._watched, self._seen = frozenset(), None

    def why_all(self, newest: int, since_ms: int) -> Why | None:
        """Why all of them must be read; None where those with new steps are enough."""
        if self._full:
            return Why.TOO_MANY
        if self._seen is None:
            return Why.FIRST
        if newest < self._seen:
            return Why.REPLACED
        return Why.EARLIER if since_ms < self._since_ms else None

    def changed(
        self, session: Session, watched: Sequence[Regression], newest: int
    ) -> set[str] | None:
        """The ids of those with new steps, and of those that were watched and are no longer.

        None where there are too many new steps.
        """
        if newest == self._seen:
            return set(self._watched - {one.id for one in watched})
        steps = select(TransitionRow.regression_id).where(col(TransitionRow.id) > self._seen)
        some = session.exec(steps.order_by(col(TransitionRow.id)).limit(self.most_new + 1)).all()
        if len(some) > self.most_new:
            return None
        return (set(some) | self._watched) - {one.id for one in watched}

    def take(self, found: Iterable[Lasted], gone: Collection[str], since_ms: int) -> None:
        """Put these in the place of what was known of them; signals without a change stay."""
        touched = set()
        for one in found:
            known = self._known.get(one.id)
            if not one.is_asked(since_ms):
                gone = {*gone, one.id}
            elif known != one:
                self._known[one.id] = one
                self._of.setdefault(one.signal, {})[one.id] = one
                touched.add(one.signal)
        for id_ in gone:
            known = self._known.pop(id_, None)
            if known is not None:
                del self._of[known.signal][id_]
                touched.add(known.signal)
        for signal in touched:
            mine = self._of[signal]
            self._told[signal] = tuple(mine[id_] for id_ in sorted(mine))
            if not mine:
                del self._of[signal], self._told[signal]


def everything(session: Session, since_ms: int) -> Iterator[Lasted]:
    """All that were there, or were accepted, after a time."""
    row = RegressionRow
    there = or_(col(row.resolved_ms).is_(None), col(row.resolved_ms) > since_ms)
    yield from lasted(session, there)
    yield from lasted(session, col(row.accepted_from_ms) > since_ms)


def by_id(session: Session, ids: Collection[str]) -> Iterator[Lasted]:
    """Those of these ids that there are."""
    for some in batched(sorted(ids)):
        yield from lasted(session, col(RegressionRow.id).in_(some))


def lasted(session: Session, condition: ColumnElement[bool]) -> Iterator[Lasted]:
    """Those that meet a condition; of the columns only what is kept.

    Documents are read as text: most are the same as of another row, and parsed once.
    """
    columns = [
        cast(column, Text) if name in DOCUMENTS else column
        for name, column in ((name, getattr(RegressionRow, name)) for name in COLUMNS)
    ]
    chosen: sqlalchemy.Select[Any] = sqlalchemy.select(*columns).where(condition)
    series = Parsed(lambda text: Labels.of(json.loads(text)))
    before = Parsed(lambda text: tuple((lo, hi) for lo, hi in json.loads(text)))
    for id_, signal, labels, kind, phase, lo_ms, end_ms, earlier, from_ms in session.execute(
        chosen
    ):
        yield Lasted(
            id_,
            signal,
            series[labels],
            KINDS[kind],
            PHASES[phase],
            lo_ms,
            end_ms,
            before[earlier],
            from_ms,
        )


class Parsed(dict[str, Any]):
    """What texts stand for, each parsed once."""

    def __init__(self, parse: Callable[[str], Any]) -> None:
        super().__init__()
        self.parse = parse

    def __missing__(self, text: str) -> Any:
        self[text] = found = self.parse(text)
        return found

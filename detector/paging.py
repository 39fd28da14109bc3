"""Pages of the history of regressions: any filters, one bounded look into one index.

A page is looked for in the index of the rarest filter that is given, newest first, and no further
than `LOOK` entries; the other filters are tested on the entries themselves, which hold all that a
filter can ask for. So a page costs the same over a thousand regressions and over a million, also
for filters that hardly anything meets. A page that ends before it is full says where to go on.
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
)
from sqlmodel import Session

from detector.regression import Kind, Phase, Regression, Severity
from detector.tables import BRIEF, RegressionRow, columns, domain
from storage.views import Reader, Rows, Within

LOOK = 10_000
"""Entries of an index that one page looks at: some 5 ms."""

NEAR = (300, 2_000)
"""Entries that are looked at before: most pages are full by then, and cost a tenth of that."""

PROBE = 2_000
"""Entries that are counted to learn which of several filters is the rarest."""

MOST_STATEMENTS = 512
WRITTEN = re.compile(r"(\d{1,15})\.([\w-]{1,100})", re.ASCII)
Condition = ColumnElement[bool]
Reading = Callable[[Subquery], Select[Any]]
"""What is read of the regressions that were chosen: a statement, made once of each of them."""

ROW = columns(RegressionRow)
NEWEST_FIRST = ROW.opened_ms.desc(), ROW.id.desc()
LIVE = "open_key"
LEADING = ("target", "rule", "signal")
"""Columns with an index of their own; of equally rare ones the first."""
COMPARED = ("kind", "severity", "signal", "rule", "target")
STATES = tuple(f"state_{number}" for number in range(len(Phase)))
PLACE = 2
"""Columns that say where a row stands: its time and its id."""
ENTRANCES: dict[str, Condition] = {
    LIVE: ROW.open_key.is_not(None),
    **{name: ROW[name] == bindparam(name) for name in LEADING},
}
BOUNDS: dict[str, Condition] = {
    "since_ms": ROW.opened_ms >= bindparam("since_ms"),
    "until_ms": ROW.opened_ms <= bindparam("until_ms"),
    # The bound on the time alone is what an index is entered at.
    "cursor": and_(
        ROW.opened_ms <= bindparam("cursor"),
        or_(
            ROW.opened_ms < bindparam("cursor"),
            ROW.id < bindparam("cursor_id"),
        ),
    ),
}


class BadCursorError(ValueError):
    """A cursor that this API did not hand out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which regressions: each given condition narrows the answer. Newest opened come first."""

    phases: Collection[Phase] | None = None
    kind: Kind | None = None
    severity: Severity | None = None
    signal: str | None = None
    rule: str | None = None
    target: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """One page of regressions, and the cursor of the next one; None when there is none.

    With a cursor a page can hold fewer than were asked for, even none.
    """

    regressions: tuple[Regression, ...]
    next_cursor: str | None


def page(session: Session, query: Query) -> Page:
    """One page of history, newest first; stays right when rows are added meanwhile.

    `BadCursorError` for a cursor of another place.
    """
    names = (*BRIEF, "evidence")
    rows, cursor = found(Within(session), query, read_whole)
    return Page(tuple(domain(dict(zip(names, row, strict=True))) for row in rows), cursor)


def found(reader: Reader, query: Query, reading: Reading) -> tuple[Rows, str | None]:
    """What is read of each regression of a page, in its order, and the cursor of the next page."""
    given = values(query)
    bounds = tuple(name for name in BOUNDS if name in given)
    entrances = entered_by(query)
    tests = tuple(name for name in COMPARED if name in given)
    states = None if query.phases is None else len(query.phases)
    asked = Asked(entrances[0], bounds, tests, states)
    # Which of several filters is the rarest is worth a question only before the whole look.
    near = NEAR if len(entrances) == 1 else NEAR[:1]
    for most in (one for one in near if one < LOOK):
        rows = reader.rows(looking(asked, most, reading), given)
        if len(rows) > query.limit:
            return ended(rows, query.limit)
    entered = rarest(reader, entrances, bounds, given)
    asked = asked._replace(entered=entered)
    # Where a look ends is told by another statement, of the same state: who is written in between
    # would move that end.
    with reader.together():
        rows = reader.rows(looking(asked, LOOK, reading), given)
        if len(rows) > query.limit:
            return ended(rows, query.limit)
        last = reader.rows(last_looked_at(entered, bounds), {**given, "most": LOOK - 1})
    return [row[PLACE:] for row in rows], written(*last[0]) if last else None


def ended(rows: Rows, limit: int) -> tuple[Rows, str]:
    """So many of them, and where they end."""
    at_ms, id_ = rows[limit - 1][:PLACE]
    return [row[PLACE:] for row in rows[:limit]], written(at_ms, id_)


class Asked(NamedTuple):
    """What a look is made of; of each there is one statement, that is made once.

    `entered` is what the index that is looked into is entered by, a column or `LIVE`; None for all.
    `bounds` and `tests` are the names of values that are given, `states` is how many states are.
    """

    entered: str | None
    bounds: tuple[str, ...]
    tests: tuple[str, ...]
    states: int | None


def values(query: Query) -> dict[str, Any]:
    """What is given of a query, and how many rows one look gives: one more than a page holds."""
    given = {name: getattr(query, name) for name in (*COMPARED, "since_ms", "until_ms")}
    given = {name: as_kept(value) for name, value in given.items() if value is not None}
    if query.phases is not None:
        given |= {name: str(one) for name, one in zip(STATES, query.phases, strict=False)}
    if query.cursor is not None:
        given["cursor"], given["cursor_id"] = read(query.cursor)
    return {**given, "rows": query.limit + 1}


def as_kept(value: Any) -> Any:
    """A value as a column holds it: drivers have ways of their own with what is more than text."""
    return str(value) if isinstance(value, StrEnum) else value


@lru_cache(maxsize=MOST_STATEMENTS)
def looking(asked: Asked, most: int, reading: Reading) -> Select[Any]:
    """The statement of a look: entries in their order, and of those that pass all tests the rows.

    Before what is read of a row stands its place. How many entries are looked at stands in the
    text of the statement: a plan for any number is one for a tenth of the table.
    """
    tested = asked.tests if asked.states is None else (*asked.tests, "phase")
    entry = [ROW[name] for name in ("opened_ms", "id", *tested)]
    entries = sqlalchemy.select(*entry).where(*within(asked.entered, asked.bounds))
    number = literal_column(str(most), Integer)
    looked = entries.order_by(*NEWEST_FIRST).limit(number).subquery("looked")
    conditions: list[Condition] = [looked.c[name] == bindparam(name) for name in asked.tests]
    if asked.states is not None:
        states: list[Any] = [bindparam(name) for name in STATES[: asked.states]]
        conditions.append(or_(false(), *(looked.c.phase == one for one in states)))
    newest_first = looked.c.opened_ms.desc(), looked.c.id.desc()
    chosen = sqlalchemy.select(looked.c.opened_ms, looked.c.id).where(*conditions)
    chosen = chosen.order_by(*newest_first).limit(bindparam("rows", type_=Integer))
    return reading(chosen.subquery("chosen"))


def read_whole(chosen: Subquery) -> Select[Any]:
    """All that a regression is, of the ones that were chosen."""
    row = columns(RegressionRow)
    whole = sqlalchemy.select(*chosen.c, *(row[name] for name in (*BRIEF, "evidence")))
    return ordered(whole.join_from(chosen, row.id.table, row.id == chosen.c.id), chosen)


def ordered(rows: Select[Any], chosen: Subquery) -> Select[Any]:
    """The rows of what was chosen, the newest first."""
    return rows.order_by(chosen.c.opened_ms.desc(), chosen.c.id.desc())


@lru_cache(maxsize=MOST_STATEMENTS)
def last_looked_at(entered: str | None, bounds: tuple[str, ...]) -> Select[Any]:
    """The statement of the last entry that a whole look comes to."""
    chosen = sqlalchemy.select(ROW.opened_ms, ROW.id)
    of_them = chosen.where(*within(entered, bounds)).order_by(*NEWEST_FIRST)
    return of_them.offset(bindparam("most", type_=Integer)).limit(1)


def within(entered: str | None, bounds: tuple[str, ...]) -> list[Condition]:
    """The part of the order that is looked at."""
    return [*(BOUNDS[name] for name in bounds), *([ENTRANCES[entered]] if entered else [])]


def entered_by(query: Query) -> tuple[str | None, ...]:
    """What the index can be entered by: each condition that has one; None for all regressions."""
    if query.phases is not None and not any(phase.is_over for phase in query.phases):
        # What is not over is little; its index holds nothing else.
        return (LIVE,)
    return tuple(name for name in LEADING if getattr(query, name) is not None) or (None,)


def rarest(
    reader: Reader,
    entrances: Sequence[str | None],
    bounds: tuple[str, ...],
    given: Mapping[str, Any],
) -> str | None:
    """The one of several conditions that is met least, as far as that is counted."""
    leading = tuple(one for one in entrances if one is not None)
    if len(leading) < 2:
        return entrances[0]
    (counts,) = reader.rows(counted(leading, bounds), given)
    return min(zip(counts, leading, strict=True), key=lambda one: int(one[0]))[1]


@lru_cache(maxsize=MOST_STATEMENTS)
def counted(entrances: tuple[str, ...], bounds: tuple[str, ...]) -> Select[Any]:
    """The statement that counts entries of each, no more than tell what is rare."""
    # In their order, since PostgreSQL may read the table for just any of them.
    entries = sqlalchemy.select(ROW.id).order_by(*NEWEST_FIRST)
    some = [entries.where(*within(one, bounds)) for one in entrances]
    counts = [select_count(one.limit(PROBE).subquery()) for one in some]
    return sqlalchemy.select(*(one.scalar_subquery() for one in counts))


def select_count(some: Subquery) -> Select[Any]:
    """How many there are."""
    return sqlalchemy.select(func.count()).select_from(some)


def written(opened_ms: int, id_: str) -> str:
    """A cursor: where a page ended. Opaque to callers."""
    return base64.urlsafe_b64encode(f"{opened_ms}.{id_}".encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[int, str]:
    """Where a page ended; `BadCursorError` for what we did not write."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise BadCursorError("this cursor was not handed out by this API")
    return int(found[1]), found[2]
